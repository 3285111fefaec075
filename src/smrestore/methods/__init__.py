"""Restoration methods, classical and learned, behind one interface.

A method takes a list of degraded components and returns the restored images in the same order and
units. Evaluation, restoration of scans and figures see no difference between methods.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from smrestore.degradation import Degraded
from smrestore.errors import InputError
from smrestore.methods.biharmonic import inpaint_biharmonic, inpaint_biharmonic_each
from smrestore.methods.dct_filter import dct_filter
from smrestore.methods.spline import spline_upsample

Method = Callable[[Sequence[Degraded]], list[np.ndarray]]

__all__ = [
    "BASELINES",
    "Method",
    "dct_filter",
    "inpaint_biharmonic",
    "load_method",
    "spline_upsample",
]


def _dct_filter(omega: float) -> Method:
    return lambda batch: [dct_filter(item.image, item.sigma, omega) for item in batch]


def _spline(alignment: str) -> Method:
    return lambda batch: [
        spline_upsample(item.image, item.spacing, item.restored_size, alignment=alignment)
        for item in batch
    ]


def _biharmonic() -> Method:
    return lambda batch: inpaint_biharmonic_each(
        [item.image for item in batch], [item.missing for item in batch]
    )


BASELINES: dict[str, Callable[..., Method]] = {
    "dct-filter": _dct_filter,
    "spline": _spline,
    "biharmonic": _biharmonic,
}


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
    options = dict(baseline)
    name = options.pop("method")
    if name not in BASELINES:
        raise InputError(
            f"unknown method {name!r}", field="baselines", remedy=f"use {', '.join(BASELINES)}"
        )
    return BASELINES[name](**options)
