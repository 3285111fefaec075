"""From a system matrix and a measurement to an image on the calibration grid."""

from dataclasses import dataclass

import numpy as np

from smrestore.errors import InputError
from smrestore.reconstruction.kaczmarz import kaczmarz
from smrestore.reconstruction.regularization import Regularization, absolute_regularization
from smrestore.reconstruction.rows import row_weights, select_rows


@dataclass(frozen=True)
class ReconstructionSettings:
    """Choices of a reconstruction, as they stand in a configuration.

    Attributes
    ----------
    sweeps
        Kaczmarz sweeps.
    relative_regularization
        lambda relative to ||W S||_F^2 / voxels.
    snr_threshold
        Smallest SNR of a row; 0 keeps all.
    channels
        0-based receive channels.
    weighting
        ``"none"``, ``"row-norm"`` or ``"whitening"``.
    real, positive
        Constraints on the image.
    min_frequency_Hz, max_frequency_Hz
        Closed frequency band.
    max_mixing_order
        Largest |n_x| + |n_y| + |n_z|; None for all.
    """

    sweeps: int
    relative_regularization: float
    snr_threshold: float
    channels: tuple[int, ...]
    weighting: str = "none"
    real: bool = True
    positive: bool = True
    min_frequency_Hz: float = 0.0  # noqa: N815 (the unit belongs to the configuration key)
    max_frequency_Hz: float = np.inf  # noqa: N815
    max_mixing_order: int | None = None

    def select_rows(
        self, snr: np.ndarray, frequencies: np.ndarray, mixing_order: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the rows that pass these settings; see `smrestore.reconstruction.select_rows`."""
        return select_rows(
            snr,
            frequencies,
            snr_threshold=self.snr_threshold,
            channels=self.channels,
            min_frequency=self.min_frequency_Hz,
            max_frequency=self.max_frequency_Hz,
            max_mixing_order=self.max_mixing_order,
            mixing_order=mixing_order,
        )


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
    regularization = absolute_regularization(settings.relative_regularization, equations, weights)
    image = kaczmarz(
        equations,
        measurement[chosen],
        regularization=regularization.absolute,
        sweeps=settings.sweeps,
        weights=weights,
        real=settings.real,
        positive=settings.positive,
    )
    return image.reshape(matrix.shape[2:]), regularization
