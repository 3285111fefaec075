"""Random masks, like those of a calibration that fails for a while."""

from collections.abc import Sequence

import numpy as np

from smrestore.support.errors import InputError

MEANDERING_PROBABILITY = 0.5
"""Probability that every second line is reversed before a run is cut out (Tsanda et al. 2026)."""


def missing_count(n_voxels: int, ratio: float) -> int:
    """Return how many of ``n_voxels`` are missing at a ratio: the nearest whole number.

    A ratio above zero removes at least one voxel if there are two or more. One voxel always stays.

    Raises
    ------
    InputError
        If the ratio does not lie in [0, 1).
    """
    if not 0 <= ratio < 1:
        raise InputError(
            f"a share of {ratio:g} of the voxels cannot be missing",
            field="ratio",
            remedy="give a number from 0 up to, but not including, 1",
        )
    if ratio == 0:
        return 0
    return min(max(1, round(ratio * n_voxels)), n_voxels - 1)


def random_mask(
    shape: Sequence[int], ratio: float, rng: np.random.Generator, runs: int = 1
) -> np.ndarray:
    """Draw a mask like that of a calibration that fails for a while (Tsanda et al. 2026).

    The axes are put in random order. With probability :data:`MEANDERING_PROBABILITY`, every second
    line along the last of them is reversed. Then a contiguous run is cut out of the flattened grid.
    Each of several runs has its own axes, direction and random length. A run skips voxels that
    earlier ones have taken, so that all together have exactly the wanted size.

    Parameters
    ----------
    shape
        Voxels along each axis, for example (Nx, Ny, Nz). Axes of one voxel have no effect.
    ratio
        Share of missing voxels in [0, 1), for all runs together: :func:`missing_count` voxels.
    rng
        Every call draws a new mask.
    runs
        Number of runs, at most one per missing voxel.

    Returns
    -------
    numpy.ndarray
        bool, of the given shape. In a grid of a single voxel, none is missing.

    Raises
    ------
    InputError
        If the ratio is not in [0, 1), or there is no voxel or no run.
    """
    shape = tuple(int(n) for n in shape)
    if not shape or min(shape) < 1:
        raise InputError(
            f"grid of {shape} voxels", field="shape", remedy="give each axis 1 or more"
        )
    if runs < 1:
        raise InputError(f"a mask of {runs} runs", field="runs", remedy="give 1 or more")
    mask = np.zeros(shape, dtype=bool)
    count = missing_count(mask.size, ratio)
    runs = min(runs, count)
    if count == 0:
        return mask
    cuts = np.sort(rng.choice(count - 1, runs - 1, replace=False)) + 1
    flat = mask.reshape(-1)
    for length in np.diff([0, *cuts, count]):
        path = _random_path(shape, rng)
        free = path[~flat[path]]
        start = rng.integers(len(free) - length + 1)
        flat[free[start : start + length]] = True
    return mask


def _random_path(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return the flat indices of all voxels in the order of a random path, int64 (P,)."""
    long = [n for n in shape if n > 1]
    lines = np.arange(np.prod(shape, dtype=np.int64)).reshape(long)
    lines = lines.transpose(rng.permutation(lines.ndim))
    lines = lines.reshape(-1, lines.shape[-1]).copy()
    if rng.random() < MEANDERING_PROBABILITY:
        lines[1::2] = lines[1::2, ::-1]
    return lines.ravel()
