"""``smrestore inspect``: describe an MDF file."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from smrestore.support.errors import InputError


def inspect(
    file: Path,
    /,
    *,
    pictures: Path | None = None,
    component: Annotated[
        list[tuple[int, int]] | None, Parameter(metavar="CHANNEL FREQUENCY")
    ] = None,
    period: int = 0,
) -> None:
    """Describe an MDF file.

    Says what was measured, how it is stored, and what is unusual. docs/mdf.md explains each line.

    Parameters
    ----------
    file
        MDF file.
    pictures
        Folder for pictures of components of a calibration scan.
    component
        Component to draw, counted from 0; may be repeated. If left out, those with the highest
        signal-to-noise ratio in each channel.
    period
        Drive-field period to draw.
    """
    from smrestore.mdf import inspect_mdf

    if component and pictures is None:
        raise InputError(
            "there is no folder for the pictures",
            field="--component",
            remedy="give --pictures FOLDER too",
        )
    print(inspect_mdf(file).text())
    if pictures is not None:
        from smrestore.figures.scan_view import plot_scan

        for picture in plot_scan(file, pictures, component, period):
            print(picture)
