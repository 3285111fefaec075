"""Noise of a component, estimated from the component alone."""

import numpy as np

MINIMUM_VALUES = 9
"""Second differences that an estimate needs."""


def roughness(images: np.ndarray) -> np.ndarray:
    """Estimate the standard deviation of the complex noise of components.

    A mixed second difference, (1, -2, 1) along every axis of at least three voxels, takes away what
    is smooth and keeps white noise of the variance 6 per axis. The median makes the estimate robust
    against the few places where the signal is not smooth; for complex Gaussian numbers of variance
    s^2 the median magnitude is s sqrt(ln 2) (after Donoho 1995, IEEE Trans. Inf. Theory 41, 613,
    with differences for wavelets). Fine patterns of high mixing orders count as noise.

    Parameters
    ----------
    images
        Complex (n, Nx, Ny, Nz).

    Returns
    -------
    numpy.ndarray
        float64 (n,): sqrt(mean |n - mean n|^2) of the noise; NaN if the grid is too small.
    """
    difference = np.asarray(images, dtype=np.complex128)
    axes = [axis for axis in (1, 2, 3) if images.shape[axis] >= 3]
    for axis in axes:
        difference = np.diff(difference, n=2, axis=axis)
    values = np.abs(difference).reshape(len(images), -1)
    if not axes or values.shape[1] < MINIMUM_VALUES:
        return np.full(len(images), np.nan)
    return np.median(values, axis=1) / np.sqrt(np.log(2) * 6.0 ** len(axes))
