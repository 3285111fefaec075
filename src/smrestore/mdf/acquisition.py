"""How a scan was measured: sequence, receiver, averages, frames."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from smrestore.mdf.data import stored_shape
from smrestore.mdf.layout import CONVERSION_FACTOR, TRANSFER_FUNCTION, Fields
from smrestore.mdf.limits import MAXIMUM_SAMPLES
from smrestore.physics.sequence import Sequence
from smrestore.support.errors import InputError

COSINE_PHASE = np.pi / 2
"""Phase of a drive field that is a cosine: the waveform of the specification is a sine."""

OTHER_WAVEFORMS = ("triangle", "custom")
"""What the specification knows besides the sine."""


@dataclass(frozen=True, eq=False)
class Acquisition:
    """The ``/acquisition`` group (MDF 2.1 specification).

    J drive-field periods per frame, Y gradient time partitions, D drive channels, F frequencies per
    drive channel, C receive channels, V time samples per period, K = V // 2 + 1 frequencies.

    Attributes
    ----------
    n_frames
        Frames N in the file, background frames included.
    n_averages
        Block averages that the stored frames already contain.
    n_periods
        Periods J.
    start_time
        UTC, ISO 8601.
    base_frequency
        In Hz; drive frequencies are base_frequency / divider.
    cycle
        Period of the whole sequence in s.
    divider
        int64 (D, F).
    strength, phase
        Drive field amplitude in T and phase in rad, float64 (J or 1, D, F). Strength 0 is off.
    waveform
        One name per drive channel and frequency.
    gradient
        Field Jacobian in T/m, float64 (J or 1, Y, 3, 3), or None if not stored.
    offset_field
        Field at the center in T, float64 (J or 1, Y, 3), or None.
    bandwidth
        First Nyquist limit in Hz: half the sampling rate.
    n_channels, n_samples
        C and V.
    unit
        Unit of the converted signal.
    conversion_factor
        float64 (C, 2) of (a, b): signal = a raw + b; None if the data are converted already.
    transfer_function
        complex128 (C, K): measured spectrum = transfer function * spectrum at the coil; or None.
    """

    n_frames: int
    n_averages: int
    n_periods: int
    start_time: str
    base_frequency: float
    cycle: float
    divider: np.ndarray
    strength: np.ndarray
    phase: np.ndarray
    waveform: tuple[str, ...]
    gradient: np.ndarray | None
    offset_field: np.ndarray | None
    bandwidth: float
    n_channels: int
    n_samples: int
    unit: str = "V"
    conversion_factor: np.ndarray | None = None
    transfer_function: np.ndarray | None = None

    @property
    def sampling_rate(self) -> float:
        """In Hz."""
        return 2 * self.bandwidth

    @property
    def n_frequencies(self) -> int:
        """Frequencies K = V // 2 + 1 of the complete spectrum."""
        return self.n_samples // 2 + 1

    @property
    def frequencies(self) -> np.ndarray:
        """Frequency axis of the complete spectrum, float64 (K,) in Hz."""
        return np.arange(self.n_frequencies) * (self.sampling_rate / self.n_samples)

    @property
    def fields_are_constant(self) -> bool:
        """Whether all periods of a frame have the same drive and static fields."""
        changing = (self.strength, self.phase, self.gradient, self.offset_field)
        return all(np.ptp(values, axis=0).max() == 0 for values in changing if values is not None)

    def sequence(self, period: int | None = None) -> Sequence:
        """Return the drive and static field as the simulation takes them.

        Drive channels are the axes x, y, z in this order, the gradient is the diagonal of the field
        Jacobian, and axes without a drive channel are off. The waveform of the specification is a
        sine, that of a Sequence a cosine, so their phases differ by pi/2.

        Parameters
        ----------
        period
            Which of the J periods; None if all have the same fields.

        Raises
        ------
        InputError
            If the file holds no gradient, changes fields from period to period or within one, uses
            several frequencies per drive channel or another waveform than the sine, or if its
            cycle contradicts the dividers.
        """
        if self.gradient is None:
            raise InputError(
                "the selection field is not stored",
                field="/acquisition/gradient",
                remedy="add the field Jacobian in T/m",
            )
        if period is None and not self.fields_are_constant:
            raise InputError(
                "the fields change from period to period",
                field="/acquisition/gradient",
                remedy="choose one period",
            )
        if self.gradient.shape[1] > 1:
            raise InputError(
                f"{self.gradient.shape[1]} gradients within a period",
                field="/acquisition/gradient",
                remedy="use a scan with a constant gradient",
            )
        if self.strength.shape[1] > 3 or self.strength.shape[2] > 1:
            raise InputError(
                f"{self.strength.shape[1]} drive channels of {self.strength.shape[2]} frequencies",
                field="/acquisition/drivefield/strength",
                remedy="use a scan with up to three drive channels of one frequency each",
            )
        amplitude, divider, phase = np.zeros(3), np.ones(3, dtype=int), np.zeros(3)
        for axis, strength in enumerate(_of_period(self.strength, period)[:, 0]):
            waveform = self.waveform[axis].strip().lower()
            if strength != 0 and waveform in OTHER_WAVEFORMS:
                raise InputError(
                    f"drive field {axis} is a {waveform} wave",
                    field="/acquisition/drivefield/waveform",
                    remedy="use a scan with sinusoidal drive fields",
                )
            amplitude[axis], divider[axis] = strength, self.divider[axis, 0]
            if strength != 0:
                phase[axis] = _of_period(self.phase, period)[axis, 0] - COSINE_PHASE
        offset = np.zeros(3)
        if self.offset_field is not None:
            offset = _of_period(self.offset_field, period)[0]
        sequence = Sequence(
            drive_amplitude=tuple(amplitude.tolist()),
            gradient=tuple(np.diagonal(_of_period(self.gradient, period)[0]).tolist()),
            dividers=tuple(divider.tolist()),
            base_frequency=self.base_frequency,
            sampling_rate=self.sampling_rate,
            drive_phase=tuple(phase.tolist()),
            offset=tuple(offset.tolist()),
        )
        if sequence.n_samples != self.n_samples:
            raise InputError(
                f"dividers and base frequency give {sequence.n_samples} samples per cycle, "
                f"the file has {self.n_samples}",
                field="/acquisition/drivefield/divider",
                remedy="correct dividers, base frequency or strengths (0 switches a channel off)",
            )
        return sequence

    @classmethod
    def from_sequence(
        cls,
        sequence: Sequence,
        *,
        n_frames: int,
        start_time: str,
        n_averages: int = 1,
        n_channels: int = 3,
        unit: str = "V",
        conversion_factor: np.ndarray | None = None,
        transfer_function: np.ndarray | None = None,
    ) -> "Acquisition":
        """Return the description of a scan with this sequence: one period per frame."""
        return cls(
            n_frames=n_frames,
            n_averages=n_averages,
            n_periods=1,
            start_time=start_time,
            base_frequency=sequence.base_frequency,
            cycle=sequence.cycle,
            divider=np.array(sequence.dividers, dtype=np.int64)[:, None],
            strength=np.array(sequence.drive_amplitude, dtype=np.float64)[None, :, None],
            phase=_wrapped(np.array(sequence.drive_phase) + COSINE_PHASE)[None, :, None],
            waveform=("sine",) * 3,
            gradient=np.diag(np.array(sequence.gradient, dtype=np.float64))[None, None],
            offset_field=np.array(sequence.offset, dtype=np.float64)[None, None],
            bandwidth=sequence.sampling_rate / 2,
            n_channels=n_channels,
            n_samples=sequence.n_samples,
            unit=unit,
            conversion_factor=conversion_factor,
            transfer_function=transfer_function,
        )

    @classmethod
    def from_fields(cls, fields: Fields) -> "Acquisition":
        """Read and check the group; raises :class:`InputError` naming the dataset at fault."""
        n_channels = _count_of_data(fields, "/acquisition/receiver/numChannels", axis=2)
        n_drive = fields.count("/acquisition/drivefield/numChannels")
        divider = fields.integers("/acquisition/drivefield/divider")
        if divider.size % n_drive:
            raise fields.wrong_shape(
                "/acquisition/drivefield/divider", divider.shape, f"({n_drive}, F)"
            )
        # Many files hold (F, D) instead of (D, F), which is the same for the usual F = 1.
        divider = divider.reshape(n_drive, -1)
        # Drafts of the format had another name.
        former = "/acquisition/numPeriods"
        n_periods = fields.count("/acquisition/numPeriodsPerFrame", fields.count(former, 1))
        strength = _drive_field(fields, "strength", divider.shape, n_periods)
        acquisition = cls(
            n_frames=_count_of_data(fields, "/acquisition/numFrames", axis=0),
            n_averages=fields.count("/acquisition/numAverages", 1),
            n_periods=n_periods,
            start_time=fields.text("/acquisition/startTime", ""),
            base_frequency=fields.quantity("/acquisition/drivefield/baseFrequency"),
            cycle=fields.quantity("/acquisition/drivefield/cycle"),
            divider=divider,
            strength=strength,
            # Where no phase is stored, it is that of most scanners.
            phase=_drive_field(
                fields, "phase", divider.shape, n_periods, np.full_like(strength, COSINE_PHASE)
            ),
            waveform=_waveform(fields, divider.size),
            gradient=_gradient(fields, n_periods),
            offset_field=_offset_field(fields, n_periods),
            bandwidth=fields.quantity("/acquisition/receiver/bandwidth"),
            n_channels=n_channels,
            n_samples=fields.count("/acquisition/receiver/numSamplingPoints"),
            unit=fields.text("/acquisition/receiver/unit", ""),
            conversion_factor=_conversion_factor(fields, n_channels),
            transfer_function=fields.array(TRANSFER_FUNCTION, None),
        )
        if acquisition.n_samples > MAXIMUM_SAMPLES:
            raise fields.error(
                f"is {acquisition.n_samples:.3g}",
                "/acquisition/receiver/numSamplingPoints",
                "store the samples of one drive-field period",
            )
        expected = acquisition.sampling_rate * acquisition.cycle
        if not abs(expected - acquisition.n_samples) < 0.5:
            raise fields.error(
                f"is {acquisition.n_samples}, but 2 * bandwidth * cycle is {expected:g}",
                "/acquisition/receiver/numSamplingPoints",
                "correct it, the cycle in s, or the bandwidth (half the sampling rate) in Hz",
            )
        return acquisition

    def to_fields(self) -> dict[str, Any]:
        """Return the datasets of the group as name -> value."""
        fields = {
            "/acquisition/numFrames": self.n_frames,
            "/acquisition/numAverages": self.n_averages,
            "/acquisition/numPeriodsPerFrame": self.n_periods,
            "/acquisition/startTime": self.start_time,
            "/acquisition/gradient": self._by_period(self.gradient),
            "/acquisition/offsetField": self._by_period(self.offset_field),
            "/acquisition/drivefield/baseFrequency": self.base_frequency,
            "/acquisition/drivefield/cycle": self.cycle,
            "/acquisition/drivefield/divider": self.divider,
            "/acquisition/drivefield/numChannels": len(self.divider),
            "/acquisition/drivefield/strength": self._by_period(self.strength),
            "/acquisition/drivefield/phase": self._by_period(self.phase),
            "/acquisition/drivefield/waveform": np.array(self.waveform, dtype=object).reshape(
                self.divider.shape
            ),
            "/acquisition/receiver/bandwidth": self.bandwidth,
            "/acquisition/receiver/numChannels": self.n_channels,
            "/acquisition/receiver/numSamplingPoints": self.n_samples,
            "/acquisition/receiver/unit": self.unit,
            CONVERSION_FACTOR: self.conversion_factor,
            TRANSFER_FUNCTION: self.transfer_function,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def _by_period(self, values: np.ndarray | None) -> np.ndarray | None:
        """Return values with one entry per period, as the specification demands."""
        if values is None:
            return None
        return np.broadcast_to(values, (self.n_periods, *values.shape[1:]))


def _of_period(values: np.ndarray, period: int | None) -> np.ndarray:
    """Return the entry of a period from values (J or 1, ...)."""
    return values[0 if period is None or len(values) == 1 else period]


def _wrapped(phase: np.ndarray) -> np.ndarray:
    """Return phases in [-pi, pi), those that are there already unchanged."""
    inside = (phase >= -np.pi) & (phase < np.pi)
    return np.where(inside, phase, (phase + np.pi) % (2 * np.pi) - np.pi)


def _count_of_data(fields: Fields, name: str, axis: int) -> int:
    """Return a count that the shape of the data tells, too, where it is missing."""
    shape = None if name in fields else stored_shape(fields)
    return fields.count(name) if shape is None else shape[axis]


def _drive_field(
    fields: Fields, name: str, shape: tuple[int, int], n_periods: int, default: Any = None
) -> np.ndarray:
    """Read strength or phase as float64 (J or 1, D, F)."""
    name = f"/acquisition/drivefield/{name}"
    if default is not None and name not in fields:
        return default
    values = fields.reals(name)
    if values.size not in (math.prod(shape), n_periods * math.prod(shape)):
        raise fields.wrong_shape(name, values.shape, (n_periods, *shape))
    return values.reshape(-1, *shape)


def _waveform(fields: Fields, count: int) -> tuple[str, ...]:
    name = "/acquisition/drivefield/waveform"
    waveform = fields.texts(name, ("sine",))
    if len(waveform) not in (1, count):
        raise fields.wrong_shape(name, (len(waveform),), (count,))
    return waveform if len(waveform) == count else waveform * count


def _gradient(fields: Fields, n_periods: int) -> np.ndarray | None:
    name = "/acquisition/gradient"
    gradient = fields.reals(name, None)
    if gradient is None:
        return None
    if gradient.shape == (3,):
        return np.diag(gradient)[None, None]
    expected = f"(J, Y, 3, 3) with J = {n_periods}"
    if gradient.shape[-2:] != (3, 3) or gradient.ndim > 4:
        raise fields.wrong_shape(name, gradient.shape, expected)
    periods = gradient.shape[0] if gradient.ndim > 2 else 1
    if periods not in (1, n_periods):
        raise fields.wrong_shape(name, gradient.shape, expected)
    return gradient.reshape(periods, -1, 3, 3)


def _offset_field(fields: Fields, n_periods: int) -> np.ndarray | None:
    name = "/acquisition/offsetField"
    offset = fields.reals(name, None)
    if offset is None:
        return None
    expected = f"(J, Y, 3) with J = {n_periods}"
    if offset.shape[-1:] != (3,) or offset.ndim > 3:
        raise fields.wrong_shape(name, offset.shape, expected)
    periods = offset.shape[0] if offset.ndim > 1 else 1
    if periods not in (1, n_periods):
        raise fields.wrong_shape(name, offset.shape, expected)
    return offset.reshape(periods, -1, 3)


def _conversion_factor(fields: Fields, n_channels: int) -> np.ndarray | None:
    factor = fields.reals(CONVERSION_FACTOR, None)
    if factor is None:
        return None
    if factor.shape != (n_channels, 2):
        raise fields.wrong_shape(CONVERSION_FACTOR, factor.shape, (n_channels, 2))
    return factor
