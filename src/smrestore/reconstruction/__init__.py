"""Image reconstruction from a system matrix: row selection, weighting, regularized Kaczmarz."""

from smrestore.reconstruction.imaging import ReconstructionSettings, reconstruct, solve
from smrestore.reconstruction.kaczmarz import kaczmarz
from smrestore.reconstruction.regularization import (
    Regularization,
    absolute_regularization,
    relative_regularization,
)
from smrestore.reconstruction.rows import row_energies, row_weights, select_rows

__all__ = [
    "ReconstructionSettings",
    "Regularization",
    "absolute_regularization",
    "kaczmarz",
    "reconstruct",
    "relative_regularization",
    "row_energies",
    "row_weights",
    "select_rows",
    "solve",
]
