"""``smrestore models``: list trained networks."""

from pathlib import Path


def models(folder: Path | None = None, /) -> None:
    """List trained networks.

    Also names those that cannot be used.

    Parameters
    ----------
    folder
        Folder to search. If left out, networks that come with smrestore are listed, which smrestore
        restore --model takes by name, and then those in results/models.
    """
    from smrestore.networks.cards import SHIPPED

    trained = Path("results/models")
    if folder is not None:
        _print_models(folder)
        return
    _print_models(SHIPPED, "Networks that come with smrestore:")
    if trained.is_dir():
        _print_models(trained, f"\n{trained}:")


def _print_models(folder: Path, title: str | None = None) -> None:
    from tabulate import tabulate

    from smrestore.networks.weights import list_models

    rows, broken = list_models(folder)
    if title is not None:
        print(title)
    if rows:
        print(tabulate(rows, headers="keys", floatfmt=".2f"))
    for fault in broken:
        print(f"broken: {fault}")
    if not rows and not broken:
        print(f"{folder}: no trained networks")
