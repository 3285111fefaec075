"""Values that no scanner has, and the unit in which they were likely written.

The limits are about ten times beyond published scanners, so that they find wrong units (factors of
1000) and no unusual hardware.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from smrestore.mdf.file import MdfFile
from smrestore.mdf.layout import DELTA_SAMPLE_SIZE, Fields

MU_0 = 4e-7 * np.pi


@dataclass(frozen=True)
class Limit:
    """What a quantity may be.

    Attributes
    ----------
    low, high
        Magnitudes in ``unit``; 0 itself is always allowed.
    unit
        Of the specification.
    others
        Other units, and their value in ``unit``: what a value out of the limits may be written in.
        The first one that fits is named.
    """

    low: float
    high: float
    unit: str
    others: tuple[tuple[str, float], ...]


_LENGTHS = (("mm", 1e-3), ("cm", 1e-2), ("um", 1e-6))

DRIVE_FIELD = Limit(1e-5, 0.5, "T", (("mT", 1e-3), ("A/m", MU_0), ("uT", 1e-6)))
"""Scanners drive with 1 to 30 mT, limited by nerve stimulation and power; relaxometers with up to
some 100 mT. Below 10 uT, a fifth of the field of the earth, no tracer saturates."""

GRADIENT = Limit(1e-3, 100.0, "T/m", (("mT/m", 1e-3), ("A/m^2", MU_0)))
"""Human-sized scanners have 0.2 T/m, preclinical ones 1 to 7 T/m (Knopp et al. 2017, Phys. Med.
Biol. 62, R124)."""

OFFSET = Limit(0.0, 3.0, "T", (("mT", 1e-3), ("A/m", MU_0), ("uT", 1e-6)))
"""Focus fields shift by up to 0.3 T."""

DRIVE_FREQUENCY = Limit(100.0, 2e7, "Hz", (("kHz", 1e3), ("MHz", 1e6)))
"""Of the fastest drive field. Scanners drive at 1 to 150 kHz, spectrometers at up to MHz; slow
axes, such as those that rotate a field free line, have a fast one beside them."""

CYCLE = Limit(1e-7, 1000.0, "s", (("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)))
"""From one period at 10 MHz to slow trajectories of mechanical scanners."""

BANDWIDTH = Limit(1e3, 1e9, "Hz", (("kHz", 1e3), ("MHz", 1e6)))
"""Converters run at 0.1 to 250 MHz."""

FIELD_OF_VIEW = Limit(1e-5, 1.0, "m", _LENGTHS)
"""Of one axis: the bore of a head scanner is 0.3 m."""

SAMPLE = Limit(1e-6, 0.1, "m", _LENGTHS)
"""Delta samples are cubes of 0.5 to 5 mm."""

BORE = Limit(1e-3, 3.0, "m", _LENGTHS)
"""From a capillary to a person."""

CONCENTRATION = Limit(0.0, 20.0, "mol/l", (("mmol/l", 1e-3), ("umol/l", 1e-6)))
"""Undiluted tracers have 0.1 to 1 mol/l of iron."""

VOLUME = Limit(0.0, 1.0, "l", (("ml", 1e-3), ("ul", 1e-6), ("nl", 1e-9)))
"""Delta samples have microliters; a liter is more than any dose."""

PHASE = 4 * np.pi
"""In rad; phases in degrees, such as 90, exceed it."""

TRACE = 0.05
"""Of the gradient, relative to its largest entry: 0 in free space (Maxwell), and what deviates by
more has wrong signs or axes."""


@dataclass(frozen=True)
class Implausible:
    """A value that no scanner has.

    Attributes
    ----------
    field
        Dataset.
    what
        The value, what is expected, and the likely mistake.
    """

    field: str
    what: str


def implausible(file: MdfFile) -> list[Implausible]:
    """Return what no scanner has in the description of an open file; none if all is usual."""
    checks = (_drive(file), _static(file), _receiver(file), _grid(file), _others(file))
    return [found for check in checks for found in check]


def _drive(file: MdfFile) -> Iterator[Implausible]:
    a, group = file.acquisition, "/acquisition/drivefield"
    # Channels that are off may hold what is left of their calibration, so the largest one counts.
    yield from _outside(f"{group}/strength", np.abs(a.strength).max(), DRIVE_FIELD)
    if np.abs(a.phase).max() > PHASE:
        worst = a.phase.flat[np.abs(a.phase).argmax()]
        yield Implausible(f"{group}/phase", f"is {worst:g} rad: it is likely written in degrees")
    is_on = (a.strength != 0).any(axis=0) & (a.divider > 0)
    if is_on.any():
        fastest = a.base_frequency / a.divider[is_on].min()
        for found in _outside(f"{group}/baseFrequency", fastest, DRIVE_FREQUENCY):
            yield Implausible(found.field, f"the fastest drive field {found.what}")
    yield from _outside(f"{group}/cycle", a.cycle, CYCLE)


def _static(file: MdfFile) -> Iterator[Implausible]:
    a, name = file.acquisition, "/acquisition/gradient"
    if a.gradient is not None:
        # Deviations of some parts in 1000 are stored, too.
        largest = np.abs(a.gradient).max()
        yield from _outside(name, largest, GRADIENT)
        trace = np.trace(a.gradient, axis1=2, axis2=3)
        if np.abs(trace).max() > TRACE * largest:
            diagonal = np.diagonal(a.gradient, axis1=2, axis2=3).reshape(-1, 3)[0]
            yield Implausible(
                name,
                f"has the diagonal {', '.join(f'{g:g}' for g in diagonal)} T/m, whose sum is not "
                "0 as in any static field: a sign or an axis is likely wrong",
            )
    if a.offset_field is not None:
        yield from _outside("/acquisition/offsetField", a.offset_field, OFFSET)


def _receiver(file: MdfFile) -> Iterator[Implausible]:
    yield from _outside("/acquisition/receiver/bandwidth", file.acquisition.bandwidth, BANDWIDTH)


def _grid(file: MdfFile) -> Iterator[Implausible]:
    calibration, group = file.calibration, "/calibration"
    if calibration is None:
        return
    fov = np.array(calibration.fov or (0.0,))
    yield from _outside(f"{group}/fieldOfView", fov, FIELD_OF_VIEW)
    center = np.abs(calibration.center)
    yield from _outside(
        f"{group}/fieldOfViewCenter", center[center > FIELD_OF_VIEW.low], FIELD_OF_VIEW
    )
    sample = np.array(calibration.delta_sample_size or (0.0,))
    yield from _outside(DELTA_SAMPLE_SIZE, sample, SAMPLE)
    if (sample < 0).any():
        yield Implausible(DELTA_SAMPLE_SIZE, f"is {sample.min():g} m: lengths have no sign")
    if len(fov) == len(sample) and (fov > 0).any() and sample.max() > fov.max() > 0:
        yield Implausible(
            DELTA_SAMPLE_SIZE,
            f"is {sample.max():g} m, and the whole field of view {fov.max():g} m",
        )


def _others(file: MdfFile) -> Iterator[Implausible]:
    fields = Fields(file.hdf5, file.path)
    for name, limit in (
        ("/scanner/boreSize", BORE),
        ("/tracer/concentration", CONCENTRATION),
        ("/tracer/volume", VOLUME),
    ):
        values = fields.reals(name, None)
        if values is not None:
            yield from _outside(name, values, limit)


def _outside(name: str, values: np.ndarray | float, limit: Limit) -> Iterator[Implausible]:
    """Yield a line about the value that is the farthest out of the limits."""
    magnitude = np.abs(np.ravel(values))
    magnitude = magnitude[magnitude != 0]
    if not magnitude.size:
        return
    largest, smallest = magnitude.max(), magnitude.min()
    if largest > limit.high:
        value, reach = largest, f"scanners stay below {limit.high:g} {limit.unit}"
    elif smallest < limit.low:
        value, reach = smallest, f"scanners have more than {limit.low:g} {limit.unit}"
    else:
        return
    # Of the units that fit, the first is the most common one.
    fitting = [unit for unit, factor in limit.others if limit.low <= value * factor <= limit.high]
    likely = f", and it is likely written in {fitting[0]}" if fitting else ""
    yield Implausible(name, f"is {value:g} {limit.unit}: {reach}{likely}")
