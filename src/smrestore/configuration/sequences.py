"""Measurement sequences of virtual scans. Scans from files have their own."""

import math
from collections.abc import Sequence as Sequenced
from typing import Annotated

from pydantic import Field

from smrestore.configuration.entries import Entries, Entry
from smrestore.support.faults import Key
from smrestore.support.settings import Natural, Number, Settings, setting, vector

SMALLEST_AMPLITUDE_MT = 0.1

BaseFrequency = Annotated[Number, Field(ge=1e3, le=1e9)]
SamplingRate = Annotated[Number, Field(ge=1e3, le=1e9)]
Dividers = vector(Natural, 3)


class Sequence(Settings):
    """A measurement sequence.

    A noise pool serves a dataset only if the sequence of its scan has the same driven axes,
    dividers and sampling rate.
    """

    drive_amplitude_mT: vector(Annotated[Number, Field(ge=0, le=100)], 3) = setting(  # noqa: N815 (the unit belongs to the key)
        ..., "drive field amplitude along x, y, z; 0 switches an axis off", study="12 mT"
    )
    gradient_T_per_m: vector(Annotated[Number, Field(ge=-20, le=20)], 3) = setting(  # noqa: N815
        (-1.0, -1.0, 2.0),
        "diagonal of the selection field gradient, x, y, z",
        study="-0.75, -0.75, 1.5 for the nested rectangles",
    )
    base_frequency_Hz: BaseFrequency = setting(  # noqa: N815
        2.5e6, "frequency that the dividers divide", study="2.5 MHz"
    )
    dividers: Dividers = setting(
        (102, 96, 99), "divider of the drive frequency of x, y, z", study="102, 96, 99"
    )
    sampling_rate_Hz: SamplingRate = setting(  # noqa: N815
        5.0e6, "receive sampling rate, twice the bandwidth", study="5 MHz"
    )


def check(entries: Entries, key: Key, entry: Entry) -> None:
    """Check the units and the sampling of a sequence, and that driven axes have a gradient."""
    for i, amplitude in enumerate(entry["drive_amplitude_mT"]):
        if 0 < amplitude < SMALLEST_AMPLITUDE_MT:
            entries.fault(
                (*key, "drive_amplitude_mT", i),
                f"{amplitude} is below {SMALLEST_AMPLITUDE_MT} mT, which may be a wrong unit",
                "give mT, or 0 for an axis that is not driven",
            )
        if amplitude and not entry["gradient_T_per_m"][i]:
            entries.fault(
                (*key, "gradient_T_per_m", i),
                f"no gradient along the driven axis {'xyz'[i]}",
                "give each driven axis a gradient, or set its drive amplitude to 0",
            )
    if any(driven_axes(entry)):
        check_sampling(entries, key, entry, driven_axes(entry))
    else:
        entries.fault((*key, "drive_amplitude_mT"), "no axis is driven", "set one above 0")


def check_sampling(entries: Entries, key: Key, sequence: Entry, driven: Sequenced[bool]) -> None:
    """Check that a cycle has a whole number of samples."""
    if samples_of_cycle(sequence, driven) is None:
        entries.fault(
            (*key, "sampling_rate_Hz"),
            f"{sequence['sampling_rate_Hz']:g} Hz gives no whole number of samples in a cycle of "
            "the drive fields",
            "choose another rate, for example twice the base frequency",
        )


def simulated_axes(dimension: int) -> tuple[bool, bool, bool]:
    """Return which axes a simulation of this dimension drives."""
    return True, True, dimension == 3


def driven_axes(sequence: Entry) -> tuple[bool, ...]:
    """Return which axes a sequence drives."""
    return tuple(amplitude > 0 for amplitude in sequence["drive_amplitude_mT"])


def samples_of_cycle(sequence: Entry, driven: Sequenced[bool]) -> int | None:
    """Return the number of time samples of a cycle, None if it is not whole."""
    dividers = [d for d, on in zip(sequence["dividers"], driven, strict=True) if on]
    cycle = math.lcm(*dividers) / sequence["base_frequency_Hz"]
    samples = cycle * sequence["sampling_rate_Hz"]
    whole = round(samples)
    return whole if whole and abs(samples - whole) <= 1e-6 * samples else None
