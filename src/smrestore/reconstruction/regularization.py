"""The relative regularization that people report, and the absolute one that a solver uses."""

from dataclasses import dataclass

import numpy as np

from smrestore.reconstruction.rows import row_energies
from smrestore.support.errors import InputError


@dataclass(frozen=True)
class Regularization:
    """Tikhonov parameter lambda with all that is needed to restate it in another convention.

    Attributes
    ----------
    relative
        lambda relative to the mean eigenvalue of the normal matrix; dimensionless.
    absolute
        lambda as it stands in ||W (S c - u)||^2 + lambda ||c||^2.
    rows, voxels
        Size of the system that was solved.
    squared_norm
        ||W S||_F^2 over these rows.
    """

    relative: float
    absolute: float
    rows: int
    voxels: int
    squared_norm: float


def absolute_regularization(
    relative: float, matrix: np.ndarray, weights: np.ndarray
) -> Regularization:
    """Return lambda = relative * ||W S||_F^2 / voxels, accumulated in float64.

    This is the convention of MPIReco.jl. The absolute value depends on units, weights and the rows
    selected; the relative one does not depend on units.

    Parameters
    ----------
    relative
        Relative regularization, >= 0.
    matrix
        Selected rows S, complex (rows, voxels).
    weights
        Row weights W, real (rows,).

    Raises
    ------
    InputError
        The relative regularization is negative or not finite, or there is not one weight per row.
    """
    _check(relative, "relative")
    voxels, squared_norm = _size(matrix, weights)
    absolute = float(relative) * squared_norm / voxels
    return Regularization(float(relative), absolute, len(matrix), voxels, squared_norm)


def relative_regularization(
    absolute: float, matrix: np.ndarray, weights: np.ndarray
) -> Regularization:
    """Return the regularization for an absolute lambda; the inverse of the function above.

    Parameters
    ----------
    absolute
        lambda as a solver takes it, >= 0, in squared units of the weighted matrix.
    matrix, weights
        As for :func:`absolute_regularization`.

    Raises
    ------
    InputError
        The absolute regularization is negative or not finite, there is not one weight per row, or
        the weighted matrix is zero.
    """
    _check(absolute, "absolute")
    voxels, squared_norm = _size(matrix, weights)
    if squared_norm == 0:
        raise InputError(
            "the weighted system matrix is zero, no regularization is relative to it",
            field="matrix",
            remedy="choose rows with signal",
        )
    relative = float(absolute) * voxels / squared_norm
    return Regularization(relative, float(absolute), len(matrix), voxels, squared_norm)


def _check(value: float, convention: str) -> None:
    if not (np.isfinite(value) and value >= 0):
        raise InputError(
            f"the {convention} regularization is {value}",
            field=f"{convention}_regularization",
            remedy="give a finite number of at least 0",
        )


def _size(matrix: np.ndarray, weights: np.ndarray) -> tuple[int, float]:
    """Return the voxels and ||W S||_F^2."""
    rows, voxels = matrix.shape
    if np.shape(weights) != (rows,):
        raise InputError(
            f"weights of shape {np.shape(weights)} for {rows} rows",
            field="weights",
            remedy="give one weight per row",
        )
    return voxels, float(np.square(weights, dtype=np.float64) @ row_energies(matrix))
