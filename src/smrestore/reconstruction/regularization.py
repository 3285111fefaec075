"""From the relative regularization that people report to the absolute one that a solver uses."""

from dataclasses import dataclass

import numpy as np

from smrestore.errors import InputError
from smrestore.reconstruction.rows import row_energies


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
    if not (np.isfinite(relative) and relative >= 0):
        raise InputError(
            f"the relative regularization is {relative}",
            field="relative_regularization",
            remedy="give a finite number of at least 0",
        )
    rows, voxels = matrix.shape
    if np.shape(weights) != (rows,):
        raise InputError(
            f"weights of shape {np.shape(weights)} for {rows} rows",
            field="weights",
            remedy="give one weight per row",
        )
    squared_norm = float(np.square(weights, dtype=np.float64) @ row_energies(matrix))
    return Regularization(
        relative=float(relative),
        absolute=float(relative) * squared_norm / voxels,
        rows=rows,
        voxels=voxels,
        squared_norm=squared_norm,
    )
