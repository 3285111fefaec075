"""Masks of measured scans, from numbers of positions and from files."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from smrestore.mdf.calibration import Calibration
from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path

_GRID_LINE = re.compile(r"#\s*grid\s+(\d+)\s+(\d+)\s+(\d+)\s*$")
_COLUMNS = ["x", "y", "z"]


def mask_from_indices(
    size: Sequence[int],
    positions: Sequence[int] | np.ndarray,
    order: str = "xyz",
    *,
    meandering: bool = False,
) -> np.ndarray:
    """Return the mask of positions given by their numbers.

    Parameters
    ----------
    size
        Voxels along x, y, z.
    positions
        Numbers of the missing positions, from 0, in the order of the calibration file: with
        ``xyz``, voxel (x, y, z) is x + Nx (y + Ny z).
    order
        Axes from the fastest to the slowest, as in ``/calibration/order`` of the file.
    meandering
        True: the numbers count the positions along the path of a robot that reverses its direction
        after every line and every plane (``/calibration/isMeanderingGrid``).

    Returns
    -------
    numpy.ndarray
        bool (Nx, Ny, Nz).

    Raises
    ------
    InputError
        If a number is not an integer within the grid, or all voxels would be missing.
    """
    path = scan_path(size, order, meandering=meandering)
    positions = np.asarray(positions)
    if positions.size and positions.dtype.kind not in "iu":
        raise InputError(
            f"positions are of type {positions.dtype}",
            field="positions",
            remedy="give integers, counted from 0",
        )
    wrong = positions[(positions < 0) | (positions >= len(path))]
    if wrong.size:
        raise InputError(
            f"position {wrong.flat[0]} does not lie within the {len(path)} positions of the grid",
            field="positions",
            remedy="count from 0, in the order of the file",
        )
    mask = np.zeros(tuple(size), dtype=bool)
    mask.reshape(-1)[path[positions.astype(np.int64).ravel()]] = True
    return _not_all(mask)


def scan_path(size: Sequence[int], order: str = "xyz", *, meandering: bool = False) -> np.ndarray:
    """Return the voxel of each position as an index into a flattened [x, y, z] array, int64 (P,).

    The parameters are those of :func:`mask_from_indices`.

    Raises
    ------
    InputError
        If the order does not name the three axes.
    """
    if sorted(order) != ["x", "y", "z"]:
        raise InputError(f"{order!r} is no order of the axes", field="order", remedy="use xyz")
    size = tuple(int(n) for n in size)
    return Calibration("", size, None, order=order, is_meandering=meandering).voxels(
        acquired=meandering
    )


def write_mask(path: str | Path, mask: np.ndarray, scores: np.ndarray | None = None) -> None:
    """Write missing voxels as CSV: the grid in the first line, then x, y, z of each, from 0.

    Parameters
    ----------
    path
        Destination. An existing file is replaced.
    mask
        bool (Nx, Ny, Nz).
    scores
        Score of each voxel, (Nx, Ny, Nz), for a fourth column ``score``. Readers ignore it.
    """
    mask = _not_all(np.asarray(mask, dtype=bool))
    # In the order of most files, x fastest.
    z, y, x = np.nonzero(mask.T)
    import pandas as pd

    table = pd.DataFrame({"x": x, "y": y, "z": z})
    if scores is not None:
        table["score"] = np.asarray(scores)[x, y, z]
    grid = " ".join(str(n) for n in mask.shape)
    with atomic_path(path) as temporary:
        text = table.to_csv(index=False, float_format="%.4g", lineterminator="\n")
        temporary.write_text(f"# grid {grid}\n{text}")


def read_mask(path: str | Path, size: Sequence[int]) -> np.ndarray:
    """Read the missing voxels of a grid from a file like that of :func:`write_mask`.

    The line of the grid may be left out. Further columns are ignored, and the order of the voxels
    does not matter.

    Parameters
    ----------
    path
        CSV file.
    size
        Voxels along x, y, z of the calibration that the mask is for.

    Returns
    -------
    numpy.ndarray
        bool (Nx, Ny, Nz).

    Raises
    ------
    InputError
        If the file is missing or no table, belongs to another grid, names a voxel outside the
        grid, or marks all voxels as missing.
    """
    path, size = Path(path), tuple(int(n) for n in size)
    try:
        text = path.read_text()
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})", path=path, remedy="give a mask file"
        ) from None
    except UnicodeDecodeError:
        raise InputError("is no text", path=path, remedy="give a mask file (CSV)") from None
    found = _GRID_LINE.match(text.partition("\n")[0].strip())
    grid = tuple(map(int, found.groups())) if found else size
    if grid != size:
        raise InputError(
            f"is for a grid of {grid} voxels, the calibration has {size}",
            path=path,
            field="grid",
            remedy="give the mask of this calibration",
        )
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    header = [name.strip() for name in lines[0].split(",")] if lines else []
    if not set(_COLUMNS) <= set(header):
        raise InputError(
            "has no columns x, y, z",
            path=path,
            remedy="name them in a line before the first voxel",
        )
    columns = [header.index(name) for name in _COLUMNS]
    mask = np.zeros(size, dtype=bool)
    for line in lines[1:]:
        cells = line.split(",")
        try:
            voxel = tuple(int(cells[column]) for column in columns)
        except (ValueError, IndexError):
            raise InputError(
                f"{line!r} is no voxel", path=path, remedy="give integers x, y, z, counted from 0"
            ) from None
        if not all(0 <= i < n for i, n in zip(voxel, size, strict=True)):
            raise InputError(
                f"voxel {voxel} does not lie within a grid of {size}",
                path=path,
                remedy="count from 0",
            )
        mask[voxel] = True
    return _not_all(mask, path)


def _not_all(mask: np.ndarray, path: str | Path | None = None) -> np.ndarray:
    if mask.all():
        raise InputError(
            "all voxels are missing", path=path, remedy="leave at least one to restore from"
        )
    return mask
