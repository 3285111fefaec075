"""``smrestore export``: a system matrix for programs that read no MDF."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from smrestore.support.choices import Background


def export(
    scan: Path,
    output: Path,
    /,
    *,
    channels: Annotated[tuple[int, ...] | None, Parameter(consume_multiple=1)] = None,
    background: Background = "interpolate",
    period: int | None = None,
) -> None:
    """Write a system matrix as NumPy archive or MATLAB file.

    Writes the matrix with frequencies, mixing orders, grid, sequence and signal-to-noise ratio, and
    beside it the description (.yaml) that smrestore import takes. docs/exchange.md lists the names.

    Parameters
    ----------
    scan
        Calibration scan, as measured or restored, MDF.
    output
        File to write, .npz or .mat.
    channels
        Receive channels, from 0; all if left out.
    background
        How the background frames are subtracted.
    period
        Drive-field period of frames with several.
    """
    from smrestore.exchange.exported import export_matrix

    written = export_matrix(
        scan,
        output,
        channels=channels,
        background=None if background == "none" else background,
        period=period,
    )
    print("\n".join(map(str, written)))
