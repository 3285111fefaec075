"""Image reconstruction from a system matrix: row selection, weighting, regularized Kaczmarz.

Names are loaded when they are asked for (PEP 562): a configuration is checked without the libraries
that reconstructions need.
"""

from typing import TYPE_CHECKING

from smrestore.support.lazy import load_names

if TYPE_CHECKING:
    from smrestore.reconstruction.imaging import reconstruct, solve
    from smrestore.reconstruction.regularization import (
        Regularization,
        absolute_regularization,
        relative_regularization,
    )
    from smrestore.reconstruction.rows import row_energies, row_weights, select_rows
    from smrestore.reconstruction.settings import ReconstructionSettings
    from smrestore.reconstruction.solver import kaczmarz

__getattr__ = load_names(
    __name__,
    {
        "ReconstructionSettings": "settings",
        "Regularization": "regularization",
        "absolute_regularization": "regularization",
        "kaczmarz": "solver",
        "reconstruct": "imaging",
        "relative_regularization": "regularization",
        "row_energies": "rows",
        "row_weights": "rows",
        "select_rows": "rows",
        "solve": "imaging",
    },
)

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
