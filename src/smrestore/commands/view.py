"""``smrestore view``: calibration scans and restored matrices in the browser."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import PositiveInt

from smrestore.support.errors import InputError


def view(
    files: list[Path],
    /,
    *,
    output: Annotated[Path | None, Parameter(alias="-o")] = None,
    phantom: Path | None = None,
    period: int = 0,
    components: PositiveInt | None = None,
) -> None:
    """Write a page to browse scans.

    Shows signal-to-noise ratios, components before and after restoration, the drift of the
    background and reconstructed images. The page opens in any browser, without a network.
    docs/view.md explains it.

    Parameters
    ----------
    files
        Calibration scans and restored system matrices, MDF. The first one that was not restored is
        the one before; the others are compared with it.
    output
        HTML file to write; if left out, the name of the first file with .html, in this folder.
    phantom
        Phantom scan to reconstruct with each file.
    period
        Drive-field period of frames with several, from 0.
    components
        Components per receive channel at most; if left out, as many as keep the page below 10 MB.
    """
    from smrestore.viewing.page import write_view

    page = Path(f"{files[0].stem}.html") if output is None else output
    if page.suffix.lower() not in (".html", ".htm"):
        raise InputError(
            "is no name of a page", path=page, field="--output", remedy="end it with .html"
        )
    shown = write_view(page, files, phantom=phantom, period=period, components=components)
    counts = ", ".join(str(len(rows)) for rows in shown.rows)
    print(
        f"{counts} of {shown.matrices[0].peak.shape[1]} components of each receive channel, "
        f"{page.stat().st_size / 1e6:.1f} MB"
    )
    print(page)
