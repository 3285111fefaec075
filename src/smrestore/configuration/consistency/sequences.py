"""Sequences and grids: driven axes, units, and whether a cycle has a whole number of samples."""

import math
from collections.abc import Sequence

from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.faults import Key

SMALLEST_AMPLITUDE_MT = 0.1
SMALLEST_FOV_MM = 0.1


def check_sequence(entries: Entries, key: Key, entry: Entry) -> None:
    """Check that a driven axis has a gradient, units, and the sampling of a sequence."""
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


def check_grid(entries: Entries, key: Key, entry: Entry) -> None:
    """Check the fields of view of a grid."""
    for i, (size, fov) in enumerate(zip(entry["size"], entry["fov_mm"], strict=True)):
        if fov == 0 and size > 1:
            fault = f"0 mm for {size} voxels along {'xyz'[i]}"
        elif 0 < fov < SMALLEST_FOV_MM:
            fault = f"{fov} is below {SMALLEST_FOV_MM} mm, which may be a wrong unit"
        else:
            continue
        entries.fault((*key, "fov_mm", i), fault, "give the field of view in mm")


def check_sampling(entries: Entries, key: Key, sequence: Entry, driven: Sequence[bool]) -> None:
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


def samples_of_cycle(sequence: Entry, driven: Sequence[bool]) -> int | None:
    """Return the time samples of a cycle, None if that is no whole number."""
    dividers = [d for d, on in zip(sequence["dividers"], driven, strict=True) if on]
    cycle = math.lcm(*dividers) / sequence["base_frequency_Hz"]
    samples = cycle * sequence["sampling_rate_Hz"]
    whole = round(samples)
    return whole if whole and abs(samples - whole) <= 1e-6 * samples else None
