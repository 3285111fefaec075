"""From a calibration scan and a phantom scan to images."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smrestore import mdf
from smrestore.physics import CalibrationGrid
from smrestore.reconstruction.calibration_rows import Rows, read_rows, select_rows
from smrestore.reconstruction.imaging import solve
from smrestore.reconstruction.matching import (
    check_calibration,
    check_match,
    check_matrix,
    matrix_grid,
)
from smrestore.reconstruction.phantom_scan import read_measurement
from smrestore.reconstruction.regularization import Regularization
from smrestore.reconstruction.rows import row_weights
from smrestore.reconstruction.settings import ReconstructionSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class PhantomProblem:
    """A phantom scan at the rows of a reconstruction: the same for every system matrix.

    Attributes
    ----------
    calibration
        The calibration scan that decided on rows and weights.
    rows
        Which rows.
    reference
        These rows of the calibration, complex (n, Nx, Ny, Nz).
    weights
        Of the rows, float64 (n,).
    measurement
        These rows of the phantom scan, without background, complex128 (n, Q).
    averaged_frames
        Frames in each of the Q means; the last may have fewer.
    """

    calibration: str | Path
    rows: Rows
    reference: np.ndarray
    weights: np.ndarray
    measurement: np.ndarray
    averaged_frames: int


@dataclass(frozen=True, eq=False)
class PhantomImages:
    """What a phantom scan was reconstructed to.

    Attributes
    ----------
    images
        float64 (Q, Nx, Ny, Nz), in units of the concentration of the delta sample.
    grid
        The grid of the system matrix.
    rows, regularization
        What was solved.
    averaged_frames
        Frames of the phantom scan in each image; the last image may have fewer.
    """

    images: np.ndarray
    grid: CalibrationGrid
    rows: Rows
    regularization: Regularization
    averaged_frames: int


def reconstruct_phantom(
    matrix: str | Path,
    calibration: str | Path,
    phantom: str | Path,
    settings: ReconstructionSettings,
    *,
    average_frames: int | None = None,
    empty: str | Path | None = None,
) -> PhantomImages:
    """Reconstruct a phantom scan with one system matrix.

    Parameters
    ----------
    matrix
        The system matrix to use: MDF, or the truth of a virtual scan.
    calibration
        The calibration scan as it was measured; it alone decides on rows and weights, so that
        methods are compared on equal terms. The same as ``matrix`` without a comparison.
    phantom
        Phantom scan.
    settings
        Choice of rows, weighting, regularization, constraints and frames.
    average_frames
        Consecutive frames that one image is made of; None averages all into one image.
    empty
        Empty scan whose mean is the background of the phantom, instead of its own background
        frames.

    Raises
    ------
    InputError
        If the scans do not match (the line names the dataset), or no row passes the criteria.
    """
    check_matrix(matrix, calibration, settings)  # fails before any long reading
    problem = read_problem(
        calibration, phantom, settings, average_frames=average_frames, empty=empty
    )
    return solve_problem(problem, matrix, settings)


def read_problem(
    calibration: str | Path,
    phantom: str | Path,
    settings: ReconstructionSettings,
    *,
    average_frames: int | None = None,
    empty: str | Path | None = None,
) -> PhantomProblem:
    """Read from the scans everything that does not depend on the system matrix.

    Parameters and errors are those of :func:`reconstruct_phantom`.
    """
    with mdf.open_mdf(calibration, spectral_leakage=settings.calibration_leakage) as file:
        check_calibration(file)
        for other in (phantom, *([] if empty is None else [empty])):
            with mdf.open_mdf(other, spectral_leakage=settings.spectral_leakage) as measured:
                check_match(file, measured, settings.period)
    rows = select_rows(calibration, settings)
    measurement, averaged = read_measurement(
        phantom,
        rows,
        frames=settings.frames,
        average_frames=average_frames,
        empty=empty,
        period=settings.period,
        spectral_leakage=settings.spectral_leakage,
    )
    logger.info("%s: %d rows, %d images", phantom, len(rows.chosen), measurement.shape[1])
    reference = read_rows(calibration, rows, **settings.calibration_reading)
    weights = row_weights(
        settings.weighting, reference.reshape(len(reference), -1), rows.background_std
    )
    return PhantomProblem(calibration, rows, reference, weights, measurement, averaged)


def solve_problem(
    problem: PhantomProblem, matrix: str | Path, settings: ReconstructionSettings
) -> PhantomImages:
    """Reconstruct with one system matrix, MDF or the truth of a virtual scan.

    Whether it belongs to the calibration is not checked here. Call
    :func:`smrestore.reconstruction.matching.check_matrix` before the problem is read.

    Raises
    ------
    InputError
        If the matrix lacks a row.
    """
    rows, grid = problem.rows, matrix_grid(matrix)
    same = Path(matrix).resolve() == Path(problem.calibration).resolve()
    equations = (
        problem.reference if same else read_rows(matrix, rows, **settings.calibration_reading)
    )
    logger.info("%s: %d voxels", matrix, grid.n_positions)
    images, regularization = solve(equations, problem.measurement, settings, problem.weights)
    return PhantomImages(images, grid, rows, regularization, problem.averaged_frames)
