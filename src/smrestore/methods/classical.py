"""Classical methods by name and options, as the configuration gives them."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from smrestore.methods.biharmonic import inpaint_biharmonic_each
from smrestore.methods.dct_filter import dct_filter
from smrestore.methods.spline import spline_upsample
from smrestore.support.errors import InputError
from smrestore.tasks.degradation import Degraded

Method = Callable[[Sequence[Degraded]], list[np.ndarray]]


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


def classical_method(options: Mapping[str, object]) -> Method:
    """Return a classical method from ``{"method": name, **options}``.

    Raises
    ------
    InputError
        If the method is unknown.
    """
    options = dict(options)
    name = options.pop("method")
    if name not in BASELINES:
        raise InputError(
            f"unknown method {name!r}", field="baselines", remedy=f"use {', '.join(BASELINES)}"
        )
    return BASELINES[name](**options)
