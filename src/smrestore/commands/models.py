"""``smrestore models``: list trained networks."""

from pathlib import Path


def models(folder: Path = Path("results/models"), /) -> None:
    """List trained networks.

    Also names those that cannot be used.

    Parameters
    ----------
    folder
        Folder to search.
    """
    from tabulate import tabulate

    from smrestore.networks.weights import list_models

    rows, broken = list_models(folder)
    if rows:
        print(tabulate(rows, headers="keys", floatfmt=".2f"))
    for fault in broken:
        print(f"broken: {fault}")
    if not rows and not broken:
        print(f"{folder}: no trained networks")
