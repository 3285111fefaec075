"""Masks drawn at random, as a calibration that fails for a while leaves them."""

from collections.abc import Sequence

import numpy as np

from smrestore.support.errors import InputError

MEANDERING_PROBABILITY = 0.5
"""Of reversing every second line before a run is cut out, as in Tsanda et al. 2026."""


def missing_count(n_voxels: int, ratio: float) -> int:
    """Return how many of ``n_voxels`` are missing at a ratio: the nearest number.

    A ratio above zero takes one voxel at least, where there are two or more; one voxel always
    stays.

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
    """Draw a mask as a calibration that fails for a while leaves it (Tsanda et al. 2026).

    The axes are put in random order, every second line along the last of them is reversed with
    probability :data:`MEANDERING_PROBABILITY`, and a contiguous run is cut out of the flattened
    grid. Several runs have axes, directions and random lengths of their own; a run passes over
    what former ones have taken, so that their union has exactly the wanted size.

    Parameters
    ----------
    shape
        Voxels along each axis, for example (Nx, Ny, Nz); axes of one voxel play no part.
    ratio
        Share of missing voxels in [0, 1), all runs together; :func:`missing_count` voxels.
    rng
        Every call draws a new mask.
    runs
        Number of runs, at the most one per missing voxel.

    Returns
    -------
    numpy.ndarray
        bool, of the given shape. A grid of a single voxel has none missing.

    Raises
    ------
    InputError
        If the ratio does not lie in [0, 1), there is no voxel, or no run.
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
