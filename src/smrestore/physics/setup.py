"""What a system matrix is simulated from; :mod:`smrestore.physics.spectrum` simulates it."""

from dataclasses import dataclass, field

import numpy as np

from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.particles import Particle
from smrestore.physics.receiver import Receiver
from smrestore.physics.sequence import Sequence
from smrestore.support.errors import InputError


@dataclass(frozen=True)
class Simulation:
    """Everything that determines one system matrix."""

    particle: Particle
    sequence: Sequence
    grid: CalibrationGrid
    receiver: Receiver = field(default_factory=Receiver)

    def __post_init__(self) -> None:
        transfer = self.receiver.transfer_function
        if transfer is not None and transfer.shape[1] != self.sequence.n_frequencies:
            raise InputError(
                f"{transfer.shape[1]} frequencies, the sequence has {self.sequence.n_frequencies}",
                field="transfer_function",
                remedy="give a factor for each frequency, the direct component included",
            )

    @property
    def is_real(self) -> bool:
        """Whether i S is real."""
        return (
            self.sequence.even_in_time
            and self.particle.relaxation_time == 0
            and self.particle.model != "neel"
            and self.receiver.transfer_function is None
        )

    def component_factor(self) -> np.ndarray:
        """Return i S over the moment spectrum, (C, K) in 1/s: induction and the receive chain."""
        frequencies = self.sequence.frequencies
        factor = np.tile(2 * np.pi * frequencies, (self.receiver.n_channels, 1))
        if self.particle.relaxation_time > 0:
            factor = factor * self.particle.relaxation(frequencies)
        if self.receiver.transfer_function is not None:
            factor = factor * self.receiver.transfer_function
        return factor
