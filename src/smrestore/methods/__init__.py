"""Restoration methods, classical and learned, behind one interface.

A method takes a list of degraded components and returns the restored images in the same order and
units. Evaluation, restoration of scans and figures see no difference between methods.
"""

from collections.abc import Mapping
from pathlib import Path

from smrestore.methods.biharmonic import inpaint_biharmonic
from smrestore.methods.classical import BASELINES, Method, classical_method
from smrestore.methods.dct_filter import dct_filter
from smrestore.methods.spline import spline_upsample
from smrestore.support.errors import InputError

__all__ = [
    "BASELINES",
    "Method",
    "dct_filter",
    "inpaint_biharmonic",
    "load_method",
    "spline_upsample",
]


def load_method(
    baseline: dict | None,
    model: str | Path | None,
    task: str | None = None,
    *,
    inference: Mapping[str, object] | None = None,
) -> Method:
    """Return a method from its configuration or its trained model.

    Parameters
    ----------
    baseline
        ``{"method": name, **options}`` for a classical method, None for a network.
    model
        Weights of a trained network with its card beside them, None for a classical method.
    task
        What the network must have been trained for; None takes any.
    inference
        How the network is used, see :class:`smrestore.methods.network.Inference`.

    Raises
    ------
    InputError
        If both or neither are given, the method is unknown, or the model cannot be loaded or was
        trained for another task.
    """
    if (baseline is None) == (model is None):
        raise InputError("give either a baseline or a model", field="method")
    if model is not None:
        # torch takes seconds to import, and classical methods do without.
        from smrestore.methods.network import Inference, NetworkMethod

        return NetworkMethod.load(model, task, Inference(**(inference or {})))
    return classical_method(baseline)
