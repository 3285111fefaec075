"""What scans that belong together must share, and what virtual scans cannot have."""

import math
from collections.abc import Iterable, Sequence

from smrestore.configuration.entries import Entries, Entry
from smrestore.support.faults import Key

N_VIRTUAL_CHANNELS = 3


def is_virtual(scan: Entry | None) -> bool:
    """Tell whether a scan is measured by the virtual scanner."""
    return bool(scan) and scan["source"] == "virtual"


def check_leakage(
    entries: Entries, key: Key, settings: Entry, scans: Sequence[Entry | None]
) -> None:
    """Check that the spectral leakage of scans can be corrected, as far as this is known."""
    if settings["spectral_leakage"] != "correct":
        return
    for scan in filter(is_virtual, scans):
        as_spectra = "max_mixing_order" in scan or scan.get("frequencies") == "needed"
        if as_spectra or scan["kind"] == "calibration":
            why = "stored as spectra" if as_spectra else "of one period per position"
            entries.fault(
                key, f"a virtual {scan['kind']} scan is {why} and cannot be corrected", "use ignore"
            )
            return


def check_same_setup(
    entries: Entries,
    key: Key,
    scan: Entry | None,
    calibration: Entry | None,
    parts: Iterable[str] = ("scanner", "sequence"),
) -> None:
    """Check that a virtual scan has the same settings as the calibration."""
    if not scan or not calibration or not scan["source"] == calibration["source"] == "virtual":
        return
    for part in parts:
        if scan[part] != calibration[part]:
            entries.fault(
                key,
                f"scan has {part} {scan[part]!r}, the calibration {calibration[part]!r}",
                f"use scans of the same {part}",
            )


def check_outer_voxels(
    entries: Entries, key: Key, scan: Entry | None, calibration: Entry | None
) -> None:
    """Check that the outer voxels of a virtual scan and a calibration have the same centers.

    The voxels may be finer. But the anisotropy of the tracer grows with the field up to the edge of
    the grid, so the tracer is the same only if both grids end at the same place.
    """
    grids = [scan and entries.get("grids", scan.get("grid")) for scan in (scan, calibration)]
    if None in grids:
        return
    ours, theirs = ([*_outer_centers(grid)] for grid in grids)
    if not all(math.isclose(a, b, abs_tol=0.01) for a, b in zip(ours, theirs, strict=True)):
        entries.fault(
            key,
            f"the outer voxels of grid {scan['grid']!r} lie elsewhere than those of "
            f"{calibration['grid']!r}, the calibration",
            "use the same grid, or a finer one with the same outer voxel centers",
        )


def _outer_centers(grid: Entry) -> Iterable[float]:
    """Yield the centers of the first and last voxels along x, y and z in mm."""
    for size, fov, center in zip(grid["size"], grid["fov_mm"], grid["center_mm"], strict=True):
        reach = fov / 2 * (1 - 1 / size)
        yield from (center - reach, center + reach)


def check_channel(entries: Entries, key: Key, channel: int, scan: Entry | None) -> None:
    """Check that the virtual scanner has a receive channel."""
    if is_virtual(scan) and channel >= N_VIRTUAL_CHANNELS:
        remedy = f"count from 0 to {N_VIRTUAL_CHANNELS - 1}"
        entries.fault(key, f"the virtual scanner has no receive channel {channel}", remedy)
