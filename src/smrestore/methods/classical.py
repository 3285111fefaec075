"""Classical methods by name and options, as in the configuration."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from smrestore.methods.options import CLASSICAL
from smrestore.support.errors import InputError
from smrestore.tasks.degradation import Degraded

Method = Callable[[Sequence[Degraded]], list[np.ndarray]]


def classical_method(options: Mapping[str, object]) -> Method:
    """Return a classical method from ``{"method": name, **options}``.

    Raises
    ------
    InputError
        If the method or an option is unknown.
    """
    name = options["method"]
    if name not in CLASSICAL:
        raise InputError(
            f"unknown method {name!r}", field="baselines", remedy=f"use {', '.join(CLASSICAL)}"
        )
    return CLASSICAL[name].checked(options, name).build()
