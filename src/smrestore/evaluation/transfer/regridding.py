"""Images of one grid on the voxels of another, so that both can be compared."""

import numpy as np

from smrestore.physics.grid import CalibrationGrid

TOUCHING = 1e-9
"""Smallest overlap of two voxels that counts, relative to the smaller one."""
POINT = 1e-9
"""Length in m that stands for a voxel without extent."""


def regridded(images: np.ndarray, source: CalibrationGrid, target: CalibrationGrid) -> np.ndarray:
    """Return the mean of piecewise constant images over each voxel of another grid.

    An image has the value of a voxel everywhere within this voxel. If a voxel of the target
    lies partly outside of the source, the mean is over the part inside. If it lies outside as a
    whole, the value is 0. Along an axis without extent, the source is constant.

    Parameters
    ----------
    images
        (..., Nx, Ny, Nz) on ``source``.
    source, target
        Grids, which need not share their field of view.

    Returns
    -------
    numpy.ndarray
        (..., Mx, My, Mz) on ``target``; the images themselves where both grids are the same.
    """
    matrices = [_weights(*axis) for axis in zip(_edges(source), _edges(target), strict=True)]
    for axis, weights in enumerate(matrices, start=images.ndim - 3):
        if not np.array_equal(weights, np.eye(len(weights))):
            weights = weights.astype(np.result_type(np.float32, images.real.dtype))
            images = np.moveaxis(np.tensordot(images, weights, axes=(axis, 1)), -1, axis)
    return images


def _edges(grid: CalibrationGrid) -> list[np.ndarray]:
    """Return the voxel edges along each axis in m, float64 (N + 1,)."""
    return [
        center + fov * (np.arange(n + 1) / n - 0.5)
        for n, fov, center in zip(grid.size, grid.fov, grid.center, strict=True)
    ]


def _weights(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the share of each source voxel in each target voxel, float64 (M, N)."""
    if source[0] == source[-1]:
        return np.ones((len(target) - 1, 1))
    if target[0] == target[-1]:
        target = target[0] + POINT * np.array([-0.5, 0.5])
    low = np.maximum(target[:-1, None], source[None, :-1])
    high = np.minimum(target[1:, None], source[None, 1:])
    smaller = np.minimum(np.diff(target)[:, None], np.diff(source)[None])
    overlap = np.where(high - low > TOUCHING * smaller, high - low, 0.0)
    covered = overlap.sum(axis=1, keepdims=True)
    return np.divide(overlap, covered, out=np.zeros_like(overlap), where=covered > 0)
