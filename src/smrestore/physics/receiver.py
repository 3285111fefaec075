"""The receive chain: coils and what follows them."""

import functools
from dataclasses import dataclass, field

import numpy as np

from smrestore.support.errors import InputError


@dataclass(frozen=True, eq=False)
class Receiver:
    """What turns the moment into the signals of the receive channels.

    Attributes
    ----------
    sensitivity
        float64 (C, 3): the weight of the moment along x, y, z in each channel. Three orthogonal
        coils of unit sensitivity if not given.
    transfer_function
        complex128 (C, K), a factor for each channel and frequency; none if not given.
    """

    sensitivity: np.ndarray = field(default_factory=lambda: np.eye(3))
    transfer_function: np.ndarray | None = None

    def __post_init__(self) -> None:
        sensitivity = np.asarray(self.sensitivity, dtype=np.float64)
        if sensitivity.ndim != 2 or sensitivity.shape[1] != 3 or not len(sensitivity):
            raise InputError(
                f"shape {sensitivity.shape} of the coil sensitivity",
                field="sensitivity",
                remedy="give a row of three numbers for each receive channel",
            )
        if not np.isfinite(sensitivity).all():
            raise InputError(
                "not finite", field="sensitivity", remedy="give a finite coil sensitivity"
            )
        object.__setattr__(self, "sensitivity", sensitivity)
        if self.transfer_function is not None:
            transfer = np.asarray(self.transfer_function, dtype=np.complex128)
            if transfer.ndim != 2 or len(transfer) != self.n_channels:
                raise InputError(
                    f"shape {transfer.shape} for {self.n_channels} receive channels",
                    field="transfer_function",
                    remedy="give a row for each receive channel",
                )
            if not np.isfinite(transfer).all():
                raise InputError(
                    "not finite",
                    field="transfer_function",
                    remedy="give a finite factor for every frequency",
                )
            object.__setattr__(self, "transfer_function", transfer)

    @property
    def n_channels(self) -> int:
        """Number of receive channels C."""
        return len(self.sensitivity)

    @functools.cached_property
    def is_unit(self) -> bool:
        """Whether the channels are the components of the moment themselves."""
        return np.array_equal(self.sensitivity, np.eye(3))
