"""Restoration methods, classical and learned, behind one interface.

A method takes a list of degraded components and returns the restored images in the same order and
units. So evaluation, restoration of scans and figures treat all methods alike. The options of each
are in :mod:`smrestore.methods.options`. Functions are loaded when they are first used (PEP 562), so
a configuration is checked without the libraries that they need.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from smrestore.support.errors import InputError
from smrestore.support.lazy import load_names

if TYPE_CHECKING:
    from smrestore.methods.biharmonic import inpaint_biharmonic
    from smrestore.methods.classical import Method
    from smrestore.methods.cosine import dct_filter
    from smrestore.methods.spline import spline_upsample

__getattr__ = load_names(
    __name__,
    {
        "Method": "classical",
        "dct_filter": "cosine",
        "inpaint_biharmonic": "biharmonic",
        "spline_upsample": "spline",
    },
)

__all__ = ["Method", "dct_filter", "inpaint_biharmonic", "load_method", "spline_upsample"]


def load_method(
    baseline: dict | None,
    model: str | Path | None,
    task: str | None = None,
    *,
    inference: Mapping[str, object] | None = None,
    denoiser: str | Path | None = None,
    denoising: Mapping[str, object] | None = None,
) -> "Method":
    """Return a method from its configuration or its trained model.

    Parameters
    ----------
    baseline
        ``{"method": name, **options}`` for a classical method, None for a network.
    model
        Weights of a trained network with its card beside them, or the name of a network that comes
        with the package. None for a classical method.
    task
        What the network must have been trained for. None allows any task.
    inference
        How the network is used: see :class:`smrestore.methods.options.Inference`.
    denoiser, denoising
        Weights of a network that denoises the components first, and how it is used.

    Raises
    ------
    InputError
        If both or neither of them are given, the method is unknown, the model cannot be loaded or
        was trained for another task, or networks are not installed.
    """
    if (baseline is None) == (model is None):
        raise InputError("give either a baseline or a model", field="method")
    if model is not None:
        method = _network(model, task, inference)
    else:
        from smrestore.methods.classical import classical_method

        method = classical_method(baseline)
    if denoiser is None:
        return method
    from smrestore.methods.denoised import DenoisedFirst

    return DenoisedFirst(_network(denoiser, "denoising", denoising), method)


def _network(
    path: str | Path, task: str | None, inference: Mapping[str, object] | None
) -> "Method":
    from smrestore.networks.shipped import find_model, require_torch

    require_torch()
    # torch takes seconds to import, and classical methods do without.
    from smrestore.methods.network import NetworkMethod
    from smrestore.methods.options import Inference

    return NetworkMethod.load(
        find_model(path), task, Inference.checked(inference or {}, "inference")
    )
