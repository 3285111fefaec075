"""Agreement of restored components with the measurement."""

import numpy as np

from smrestore.methods.cosine import dct_filter
from smrestore.support.errors import InputError
from smrestore.tasks.degradation import Degraded


def within_noise(restored: np.ndarray, item: Degraded, limit: float) -> np.ndarray:
    """Let measured voxels change by at most ``limit`` standard deviations of their noise.

    The magnitude of complex Gaussian noise exceeds three standard deviations with a probability of
    exp(-9). So a larger change of a measured voxel is rather an error of the method than removed
    noise. Without noise, measured voxels stay as they are.

    Parameters
    ----------
    restored
        complex64 on the restored grid, in the units of the component.
    item
        What was measured. Its noise is taken to be ``sigma``.

    Returns
    -------
    numpy.ndarray
        complex64 on the same grid. Voxels that were not measured are those of ``restored``.
    """
    result = restored.copy()
    every = (slice(None, None, item.spacing),) * 3
    change = result[every] - item.image
    size = np.abs(change)
    bound = limit * item.sigma
    share = np.divide(bound, size, out=np.ones_like(size), where=size > bound)
    kept = item.image + change * share
    result[every] = kept if item.missing is None else np.where(item.missing, result[every], kept)
    return result


def power_within_noise(restored: np.ndarray, item: Degraded, limit: float) -> np.ndarray:
    """Give back a part of what a method removed, if that has too much power for noise.

    What remains of the change is its share 1 / r, where r is its power over that of the noise: the
    estimator of James and Stein (1961, Proc. 4th Berkeley Symp. 1, 361) of the measured component,
    which shrinks towards what the method restored. If the method is right, r is about 1. Without
    noise, the result is the measured image.

    Parameters
    ----------
    restored
        complex64, in the units of the component.
    item
        What was measured, at every voxel of the same grid.
    limit
        Up to this r, nothing is given back. It exceeds 1, because drift of the background makes the
        power of noise differ between components of equal standard deviation.

    Returns
    -------
    numpy.ndarray
        complex64 on the same grid.

    Raises
    ------
    InputError
        If some voxels were not measured.
    """
    _require_all_measured(item, "power_within_noise")
    change = restored - item.image
    ratio = np.mean(np.abs(change) ** 2, dtype=np.float64) / max(item.sigma**2, 1e-60)
    if ratio <= limit:
        return restored
    return (item.image + change / ratio).astype(np.complex64)


def _require_all_measured(item: Degraded, field: str) -> None:
    if item.missing is not None or item.spacing > 1:
        raise InputError(
            "what is noise in a component is unknown where voxels are missing",
            field=field,
            remedy="use it for denoising only",
        )


def spectrum_within_noise(restored: np.ndarray, item: Degraded, limit: float) -> np.ndarray:
    """Let cosine coefficients change by at most ``limit`` standard deviations of their noise.

    A pattern over many voxels can be an error of the method even if each voxel is within its noise.
    So :func:`smrestore.methods.cosine.dct_filter` is applied to what the method removed, and what
    remains is added again. Without noise, the result is the measured image.

    Parameters
    ----------
    restored
        complex64, in the units of the component.
    item
        What was measured, at every voxel of the same grid.

    Returns
    -------
    numpy.ndarray
        complex64 on the same grid.

    Raises
    ------
    InputError
        If some voxels were not measured.
    """
    _require_all_measured(item, "spectrum_within_noise")
    return restored + dct_filter(item.image - restored, item.sigma, limit)
