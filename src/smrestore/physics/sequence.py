"""The measurement sequence: drive field, selection field and sampling."""

import math
from dataclasses import dataclass

import numpy as np

from smrestore.support.errors import InputError

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Sequence:
    """A Lissajous sequence with a constant selection field gradient.

    The field is H_i(r, t) = G_i r_i + O_i + A_i cos(2 pi f_i t + phi_i) for i = x, y, z, as mu_0 H
    in tesla.

    Attributes
    ----------
    drive_amplitude
        A in T; 0 switches an axis off.
    gradient
        Diagonal of the selection field gradient G in T/m.
    dividers
        Drive frequencies are f_i = base_frequency / dividers_i.
    base_frequency, sampling_rate
        In Hz. The receiver bandwidth is half the sampling rate.
    drive_phase
        phi in rad: 0 is cosine, -pi/2 sine excitation.
    offset
        Constant field O in T, such as a focus field.
    """

    drive_amplitude: Triple
    gradient: Triple
    dividers: tuple[int, int, int] = (102, 96, 99)
    base_frequency: float = 2.5e6
    sampling_rate: float = 5.0e6
    drive_phase: Triple = (0.0, 0.0, 0.0)
    offset: Triple = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if not any(self.driven):
            raise InputError("no axis is driven", field="drive_amplitude", remedy="set one above 0")
        for name in ("drive_amplitude", "gradient", "drive_phase", "offset"):
            if not np.isfinite(getattr(self, name)).all():
                raise InputError(
                    f"{getattr(self, name)} is not finite", field=name, remedy="give finite numbers"
                )
        if min(self.drive_amplitude) < 0:
            raise InputError(
                f"negative amplitude in {self.drive_amplitude}",
                field="drive_amplitude",
                remedy="give amplitudes of 0 T or more",
            )
        for axis, driven, gradient in zip("xyz", self.driven, self.gradient, strict=True):
            if driven and gradient == 0:
                raise InputError(
                    f"the gradient along the driven axis {axis} is 0",
                    field="gradient",
                    remedy="give each driven axis a gradient, or set its drive amplitude to 0",
                )
        if any(divider < 1 or divider % 1 for divider in self.dividers):
            raise InputError(
                f"dividers {self.dividers}",
                field="dividers",
                remedy="give whole numbers of 1 or more",
            )
        if not 0 < self.base_frequency < np.inf:
            raise InputError(
                f"base frequency of {self.base_frequency:g} Hz",
                field="base_frequency",
                remedy="give a positive frequency",
            )
        samples = self.cycle * self.sampling_rate
        whole = 0 < samples < np.inf and abs(samples - round(samples)) <= 1e-6 * samples
        if not whole:
            raise InputError(
                f"one cycle of {self.cycle * 1e6:g} us holds {samples:g} samples",
                field="sampling_rate",
                remedy="choose a rate that gives a whole number of samples per cycle",
            )

    @property
    def driven(self) -> tuple[bool, bool, bool]:
        """Which axes have a drive field."""
        return tuple(amplitude > 0 for amplitude in self.drive_amplitude)

    @property
    def cycle(self) -> float:
        """Period of the whole sequence in s: lcm of the driven dividers over the base frequency."""
        return self._base_periods / self.base_frequency

    @property
    def _base_periods(self) -> int:
        return math.lcm(*(d for d, on in zip(self.dividers, self.driven, strict=True) if on))

    @property
    def multipliers(self) -> tuple[int, int, int]:
        """Periods of each drive field in one cycle; 0 for axes that are not driven."""
        return tuple(
            self._base_periods // divider if on else 0
            for divider, on in zip(self.dividers, self.driven, strict=True)
        )

    @property
    def n_samples(self) -> int:
        """Time samples V in one cycle."""
        return round(self.cycle * self.sampling_rate)

    @property
    def n_frequencies(self) -> int:
        """Frequencies K = V // 2 + 1, the direct component included."""
        return self.n_samples // 2 + 1

    @property
    def frequencies(self) -> np.ndarray:
        """Frequency axis, float64 (K,) in Hz."""
        return np.arange(self.n_frequencies) / self.cycle

    @property
    def even_in_time(self) -> bool:
        """Whether every drive field is a cosine, positive or negative, so that H(-t) = H(t)."""
        return all(
            abs(np.sin(phase)) < 1e-12
            for phase, on in zip(self.drive_phase, self.driven, strict=True)
            if on
        )

    def drive_field(self, n_samples: int) -> np.ndarray:
        """Return the first ``n_samples`` samples of the drive field, float64 (3, n_samples) in T.

        The phases are reduced modulo one period in integers, so that late samples of long
        sequences are as exact as early ones.
        """
        turns = np.outer(self.multipliers, np.arange(n_samples)) % self.n_samples
        phases = 2 * np.pi * turns / self.n_samples + np.array(self.drive_phase)[:, None]
        return np.array(self.drive_amplitude)[:, None] * np.cos(phases)

    def static_field(self, positions: np.ndarray) -> np.ndarray:
        """Return the selection field with its offset at positions (..., 3) in m, in T."""
        return positions * np.array(self.gradient) + np.array(self.offset)
