"""From a system matrix and a measurement to an image on the calibration grid."""

from dataclasses import dataclass

import numpy as np

from smrestore.reconstruction.kaczmarz import kaczmarz
from smrestore.reconstruction.regularization import (
    Regularization,
    absolute_regularization,
    relative_regularization,
)
from smrestore.reconstruction.rows import row_weights, select_rows
from smrestore.support.errors import InputError
from smrestore.support.seeds import generator

BACKGROUNDS = ("interpolate", "mean", "none")
LEAKAGES = ("ignore", "correct")


@dataclass(frozen=True)
class ReconstructionSettings:
    """Choices of a reconstruction, as they stand in a configuration.

    Attributes
    ----------
    sweeps
        Kaczmarz sweeps.
    relative_regularization
        lambda relative to ||W S||_F^2 / voxels; None if the absolute one is given.
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
    absolute_regularization
        lambda itself, in squared units of the weighted matrix, instead of the relative one.
    shuffle_seed
        Seed of a random permutation of the rows, the same for all sweeps; None visits the rows as
        they come.
    frames
        First frame and end (exclusive) among the frames with a phantom; None takes all.
    background
        How the background of calibrations is subtracted: ``"interpolate"``, ``"mean"`` or
        ``"none"``. Those that are flagged as corrected stay as they are.
    period
        Drive-field period of frames that have several, from 0, or ``"mean"`` of those of equal
        fields. None uses all periods together if calibration and phantom have equally many, each as
        rows of its own.
    spectral_leakage
        ``"ignore"``, or ``"correct"`` of phantom and empty scan, and of calibrations that can be
        corrected, see :func:`smrestore.mdf.open_mdf`.
    """

    sweeps: int
    relative_regularization: float | None
    snr_threshold: float
    channels: tuple[int, ...]
    weighting: str = "none"
    real: bool = True
    positive: bool = True
    min_frequency_Hz: float = 0.0  # noqa: N815 (the unit belongs to the configuration key)
    max_frequency_Hz: float = np.inf  # noqa: N815
    max_mixing_order: int | None = None
    absolute_regularization: float | None = None
    shuffle_seed: int | None = None
    frames: tuple[int, int] | None = None
    background: str = "interpolate"
    period: int | str | None = None
    spectral_leakage: str = "ignore"

    def __post_init__(self) -> None:
        for name, known in (("background", BACKGROUNDS), ("spectral_leakage", LEAKAGES)):
            if getattr(self, name) not in known:
                raise InputError(
                    f"unknown {getattr(self, name)!r}",
                    field=name,
                    remedy=f"choose one of {', '.join(known)}",
                )
        if (self.relative_regularization is None) == (self.absolute_regularization is None):
            raise InputError(
                "give either the relative or the absolute regularization",
                field="relative_regularization",
                remedy="leave out one of them",
            )

    @property
    def calibration_reading(self) -> dict[str, str | None]:
        """How calibrations are read, see :func:`calibration_reading`."""
        return calibration_reading(self.background, self.spectral_leakage)

    @property
    def calibration_leakage(self) -> str:
        """What is done about spectral leakage in calibrations."""
        return self.calibration_reading["spectral_leakage"]

    def regularization(self, matrix: np.ndarray, weights: np.ndarray) -> Regularization:
        """Return lambda in both conventions for a matrix (rows, voxels) and its weights (rows,)."""
        if self.absolute_regularization is not None:
            return relative_regularization(self.absolute_regularization, matrix, weights)
        return absolute_regularization(self.relative_regularization, matrix, weights)

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


def calibration_reading(
    background: str = "interpolate", spectral_leakage: str = "ignore"
) -> dict[str, str | None]:
    """Return how calibrations are read, in the words of :func:`smrestore.mdf.read_system_matrix`.

    Where spectral leakage is corrected, calibrations are as far as they can be: few are time
    signals of several equal periods.
    """
    return {
        "background": None if background == "none" else background,
        "spectral_leakage": "correct-if-possible" if spectral_leakage == "correct" else "ignore",
    }


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
