"""Restoration of a measured calibration scan: MDF in, MDF out."""

import logging
from pathlib import Path

import numpy as np

from smrestore import mdf
from smrestore.degradation import Degraded, unit_maximum
from smrestore.methods import Method
from smrestore.progress import progress_bar

logger = logging.getLogger(__name__)

BATCH = 256


def restore_matrix(
    matrix: np.ndarray, noise: np.ndarray, method: Method, *, sigma_factor: float = 1.0
) -> np.ndarray:
    """Restore every component of a system matrix.

    Each component is normalized to unit maximum, restored, and given its scale and phase back.

    Parameters
    ----------
    matrix
        complex64 (C, K, Nx, Ny, Nz), background subtracted.
    noise
        Standard deviation of the complex noise of each row, float64 (C, K), in units of the matrix.
    method
        See :mod:`smrestore.methods`.
    sigma_factor
        The method is told the noise times this factor.

    Returns
    -------
    numpy.ndarray
        complex64, of the shape of ``matrix``.
    """
    restored = np.empty_like(matrix)
    rows = [(c, k) for c in range(matrix.shape[0]) for k in range(matrix.shape[1])]
    for start in progress_bar(range(0, len(rows), BATCH), desc="components", unit="batch"):
        part = rows[start : start + BATCH]
        batch, factors = [], []
        for row in part:
            image, factor = unit_maximum(matrix[row])
            batch.append(Degraded(image, sigma_factor * noise[row] / factor))
            factors.append(factor)
        for row, image, factor in zip(part, method(batch), factors, strict=True):
            restored[row] = image * factor
    return restored


def restore_scan(
    source: str | Path,
    destination: str | Path,
    method: Method,
    *,
    name: str,
    sigma_factor: float = 1.0,
) -> None:
    """Restore a calibration scan and write it as MDF, without changing the source.

    The background is subtracted by interpolation between the background frames, whose standard
    deviation is the noise that classical methods are told.

    Raises
    ------
    InputError
        If the source is no calibration scan, has too few background frames or values that are not
        finite.
    """
    matrix = mdf.read_system_matrix(source)
    noise = mdf.background_std(source)
    logger.info("%s: %d components by %s", source, matrix.shape[0] * matrix.shape[1], name)
    restored = restore_matrix(matrix, noise, method, sigma_factor=sigma_factor)
    mdf.write_restored(source, destination, restored, description=f"restored by {name}")
