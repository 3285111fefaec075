"""Image reconstruction from a system matrix: row selection, weighting, regularized Kaczmarz.

Names are loaded when they are asked for (PEP 562): a configuration is checked without the libraries
that reconstructions need.
"""

from importlib import import_module
from typing import TYPE_CHECKING

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

_MODULES = {
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
}

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


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
