"""From files to what a page shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smrestore.support.errors import InputError
from smrestore.viewing.drift import MAXIMUM_FRAMES, Drift, read_drift
from smrestore.viewing.images import PhantomImage, reconstruct_images
from smrestore.viewing.matrices import ViewedMatrix, read_images, read_matrix
from smrestore.viewing.packing import packed_bytes
from smrestore.viewing.selection import select_rows

DATA_BYTES = 7_300_000
"""Text of all arrays. With the plotting library, a page stays below 10 MB."""

MAXIMUM_COMPONENTS = 300
"""Per receive channel; more are tedious to step through."""

VALUES_PER_ROW = 5
"""Numbers on the page for every row of every file, whether its image is shown or not."""


@dataclass(frozen=True, eq=False)
class View:
    """What a page shows.

    Attributes
    ----------
    matrices
        The files. The first is shown as the one before; the others are compared with it.
    rows
        0-based frequency indices of the components that are shown, of each receive channel.
    images
        For each file by receive channel and frequency index, complex64 (Nx, Ny, Nz).
    drift
        Background frames of the first file that has them, or None.
    drift_of
        That file.
    phantom
        The phantom scan, or None.
    reconstructions
        One for each file, if there is a phantom scan.
    """

    matrices: list[ViewedMatrix]
    rows: list[np.ndarray]
    images: list[dict[tuple[int, int], np.ndarray]]
    drift: Drift | None
    drift_of: ViewedMatrix | None
    phantom: Path | None
    reconstructions: list[PhantomImage]


def gather(
    paths: Sequence[str | Path],
    *,
    phantom: str | Path | None = None,
    period: int = 0,
    components: int | None = None,
) -> View:
    """Read what a page shows.

    Parameters
    ----------
    paths
        Calibration scans and restored system matrices with the same receive channels and
        frequencies. The first one that was not restored is the one before; if there is none, the
        first one is.
    phantom
        Phantom scan to reconstruct with each of them.
    period
        Drive-field period of frames with several.
    components
        Largest number of components per receive channel; by default as many as keep the page small.

    Raises
    ------
    InputError
        If a file is no calibration scan, the files do not belong together, or the phantom scan does
        not match.
    """
    matrices = [read_matrix(path, period) for path in paths]
    matrices.sort(key=lambda matrix: bool(matrix.restorations))
    first, *others = matrices
    for other in others:
        _check_match(first, other)
    count = max(1, min(_fitting(matrices), components or MAXIMUM_COMPONENTS))
    rows = [first.frequency_indices[select_rows(r, count)] for r in _ranking(first)]
    with_background = [m for m in matrices if not m.restorations]
    drift_of, drift = None, None
    for matrix in with_background:
        drift_of, drift = matrix, read_drift(matrix, [_stored(matrix, r) for r in rows])
        if drift is not None:
            break
    return View(
        matrices=matrices,
        rows=rows,
        images=[read_images(matrix, rows) for matrix in matrices],
        drift=drift,
        drift_of=drift_of if drift is not None else None,
        phantom=None if phantom is None else Path(phantom),
        reconstructions=[] if phantom is None else reconstruct_images(matrices, phantom),
    )


def _fitting(matrices: list[ViewedMatrix]) -> int:
    """Return how many components of each receive channel fit on a page."""
    rows = sum(packed_bytes(matrix.peak.size) * VALUES_PER_ROW for matrix in matrices)
    images = sum(packed_bytes(int(np.prod(matrix.grid.size))) for matrix in matrices)
    background = packed_bytes(2 * MAXIMUM_FRAMES)
    return (DATA_BYTES - rows) // ((images + background) * matrices[0].n_channels)


def _ranking(matrix: ViewedMatrix) -> np.ndarray:
    """Return what components are ranked by, (C, K): a ratio, or else their magnitude."""
    if matrix.snr is not None:
        return matrix.snr
    ratio = matrix.peak_to_noise
    return matrix.peak if np.isnan(ratio).all() else ratio


def _stored(matrix: ViewedMatrix, rows: np.ndarray) -> np.ndarray:
    return rows[np.isin(rows, matrix.frequency_indices)]


def _check_match(first: ViewedMatrix, other: ViewedMatrix) -> None:
    if other.n_channels != first.n_channels:
        raise InputError(
            f"has {other.n_channels} receive channels, and {first.path} has {first.n_channels}",
            path=other.path,
            field="/acquisition/receiver/numChannels",
            remedy="view them one by one",
        )
    common, ours, theirs = np.intersect1d(
        first.frequency_indices, other.frequency_indices, return_indices=True
    )
    alike = np.allclose(first.frequencies[ours], other.frequencies[theirs], rtol=1e-4, atol=0)
    if not len(common) or not alike:
        raise InputError(
            f"has other frequencies than {first.path}",
            path=other.path,
            field="/measurement/frequencySelection" if alike else "/acquisition/drivefield/cycle",
            remedy="view them one by one",
        )
    if (np.array(first.grid.size) > 1).tolist() != (np.array(other.grid.size) > 1).tolist():
        raise InputError(
            f"has a grid of {' x '.join(map(str, other.grid.size))} voxels, and {first.path} one "
            f"of {' x '.join(map(str, first.grid.size))}",
            path=other.path,
            field="/calibration/size",
            remedy="view them one by one",
        )
