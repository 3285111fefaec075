"""From a system matrix and a measurement to an image on the calibration grid."""

import numpy as np

from smrestore.reconstruction.regularization import Regularization
from smrestore.reconstruction.rows import row_weights
from smrestore.reconstruction.settings import ReconstructionSettings
from smrestore.reconstruction.solver import kaczmarz
from smrestore.support.errors import InputError
from smrestore.support.seeds import generator


def reconstruct(
    matrix: np.ndarray,
    measurement: np.ndarray,
    rows: np.ndarray,
    settings: ReconstructionSettings,
    background_std: np.ndarray | None = None,
    *,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, Regularization]:
    """Reconstruct one frame from the chosen rows.

    Parameters
    ----------
    matrix
        System matrix, complex (coil, frequency, x, y, z).
    measurement
        Spectrum of the frame, background subtracted, complex (coil, frequency).
    rows
        (rows, 2) integers (channel, frequency index), from `ReconstructionSettings.select_rows`.
        To compare system matrices, give all of them the same rows.
    settings
        Sweeps, relative regularization, weighting and constraints; the row criteria are not
        applied again.
    background_std
        Standard deviation of the complex background, (coil, frequency); needed for whitening.
    weights
        Weight of each row, float64 (rows,), instead of those that ``settings`` gives this matrix.

    Returns
    -------
    tuple
        Image, float64 (Nx, Ny, Nz), in units of the concentration of the delta sample, and the
        regularization in full.

    Raises
    ------
    InputError
        Shapes disagree, or a value is out of range or not finite.
    """
    if matrix.ndim != 5 or measurement.shape != matrix.shape[:2]:
        raise InputError(
            f"a measurement of shape {measurement.shape} for a system matrix of {matrix.shape}",
            field="measurement",
            remedy="give (coil, frequency) and (coil, frequency, x, y, z) of the same sequence",
        )
    chosen = tuple(np.asarray(rows).T)
    equations = matrix[chosen].reshape(len(rows), -1)
    sigma = None if background_std is None else background_std[chosen]
    if weights is None:
        weights = row_weights(settings.weighting, equations, sigma)
    images, regularization = solve(
        equations.reshape(-1, *matrix.shape[2:]), measurement[chosen], settings, weights
    )
    return images[0], regularization


def solve(
    equations: np.ndarray,
    measurement: np.ndarray,
    settings: ReconstructionSettings,
    weights: np.ndarray,
) -> tuple[np.ndarray, Regularization]:
    """Reconstruct frames from rows that are chosen and weighted already.

    Parameters
    ----------
    equations
        Rows of the system matrix, complex (rows, x, y, z).
    measurement
        The same rows of the spectra, background subtracted, complex (rows,) or (rows, frames).
    settings
        Sweeps, regularization, constraints and order of the rows; nothing else of them matters.
    weights
        float64 (rows,).

    Returns
    -------
    tuple
        Images, float64 (frames, Nx, Ny, Nz), and the regularization in full.

    Raises
    ------
    InputError
        Shapes disagree, or a value is out of range or not finite.
    """
    matrix = equations.reshape(len(equations), -1)
    regularization = settings.regularization(matrix, weights)
    order = None
    if settings.shuffle_seed is not None:
        order = generator(settings.shuffle_seed, "kaczmarz", "rows").permutation(len(matrix))
    images = kaczmarz(
        matrix,
        measurement.reshape(len(measurement), -1),
        regularization=regularization.absolute,
        sweeps=settings.sweeps,
        weights=weights,
        real=settings.real,
        positive=settings.positive,
        order=order,
        progress=True,
    )
    return images.T.reshape(-1, *equations.shape[1:]), regularization
