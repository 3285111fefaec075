"""``smrestore import``: MDF from the arrays of a group without MDF."""

from pathlib import Path


def import_(data: Path, description: Path, output: Path, /) -> None:
    """Write MDF from a system matrix in a NumPy archive or MATLAB file.

    All other commands take the result. docs/exchange.md explains the description.

    Parameters
    ----------
    data
        System matrix, .npz or .mat (any version).
    description
        What the arrays mean, YAML.
    output
        MDF file to write.
    """
    from smrestore.exchange.imported import import_matrix

    summary = import_matrix(data, description, output)
    print(summary.text())
