"""Restoration methods, classical and learned, behind one interface.

A method takes a list of degraded components and returns the restored images in the same order and
units. Evaluation, restoration of scans and figures see no difference between methods.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from smrestore.degradation import Degraded
from smrestore.errors import InputError
from smrestore.methods.dct_filter import dct_filter

Method = Callable[[Sequence[Degraded]], list[np.ndarray]]

__all__ = ["BASELINES", "Method", "dct_filter", "load_method"]


def _dct_filter(omega: float) -> Method:
    return lambda batch: [dct_filter(item.image, item.sigma, omega) for item in batch]


BASELINES: dict[str, Callable[..., Method]] = {"dct-filter": _dct_filter}


def load_method(baseline: dict | None, model: str | Path | None, task: str | None = None) -> Method:
    """Return a method from its configuration or its trained model.

    Parameters
    ----------
    baseline
        ``{"method": name, **options}`` for a classical method, None for a network.
    model
        Weights of a trained network with its card beside them, None for a classical method.
    task
        What the network must have been trained for; None takes any.

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
        from smrestore.methods.network import NetworkMethod

        return NetworkMethod.load(model, task)
    options = dict(baseline)
    name = options.pop("method")
    if name not in BASELINES:
        raise InputError(
            f"unknown method {name!r}", field="baselines", remedy=f"use {', '.join(BASELINES)}"
        )
    return BASELINES[name](**options)
