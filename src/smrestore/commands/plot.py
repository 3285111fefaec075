"""``smrestore plot``: draw a component of a simulated system matrix."""

from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter
from cyclopts.validators import mutually_exclusive

which = Parameter(group=Group("Component (at most one)", validator=mutually_exclusive))


def plot(
    file: Path,
    output: Path,
    /,
    *,
    matrix: str | None = None,
    channel: int = 0,
    frequency: Annotated[int | None, which] = None,
    mixing_order: Annotated[tuple[int, int, int] | None, which, Parameter(metavar="X Y Z")] = None,
) -> None:
    """Draw a component of a simulated system matrix.

    Draws its plane in 2D, and the three planes through its strongest voxel in 3D.

    Parameters
    ----------
    file
        System matrix store, or complete system matrices (HDF5).
    output
        Picture to write: .png, .pdf or .svg.
    matrix
        Name of the matrix; the first if left out.
    channel
        Receive channel, from 0.
    frequency
        Frequency bin, from 0; that of the strongest component if left out.
    mixing_order
        Multiples of the drive frequencies.
    """
    from smrestore.figures.component_view import ComponentChoice, plot_component
    from smrestore.support.files import check_separate

    check_separate(output, file)
    plot_component(file, output, ComponentChoice(matrix, channel, frequency, mixing_order))
