"""Measurements: scans, task, realizations and reconstruction."""

import math

from smrestore.configuration.consistency.methods import check_methods
from smrestore.configuration.consistency.setups import (
    check_channel,
    check_leakage,
    check_outer_voxels,
    check_same_setup,
)
from smrestore.configuration.entries import Entries, Entry, check_order
from smrestore.configuration.faults import Key, choice_remedy


def check_measurement(entries: Entries, key: Key, entry: Entry) -> None:
    """Check scans, methods, task and reconstruction of a measurement."""
    calibration = entries.scan((*key, "calibration"), entry["calibration"], "calibration")
    phantom = entries.scan((*key, "phantom"), entry["phantom"], "phantom")
    check_same_setup(entries, (*key, "phantom"), phantom, calibration, ("scanner", "sequence"))
    check_outer_voxels(entries, (*key, "phantom"), phantom, calibration)
    if "empty" in entry:
        empty = entries.scan((*key, "empty"), entry["empty"], "empty")
        check_same_setup(entries, (*key, "empty"), empty, calibration)
    if entry["reference"] is not None:
        reference = entries.scan((*key, "reference"), entry["reference"], "calibration")
        parts = ("scanner", "sequence", "grid")
        check_same_setup(entries, (*key, "reference"), reference, calibration, parts)
    grid = calibration and entries.get("grids", calibration.get("grid"))
    dimension = grid and (3 if grid["size"][2] > 1 else 2)
    check_methods(entries, key, entry, dimension)
    _check_scan_task(entries, key, entry, grid)
    if "realizations" in entry:
        _check_realizations(entries, key, entry)
    settings = entry["reconstruction"]
    check_order(
        entries,
        (*key, "reconstruction", "min_frequency_Hz"),
        settings.get("min_frequency_Hz", 0.0),
        settings.get("max_frequency_Hz", math.inf),
    )
    for i, channel in enumerate(settings["channels"]):
        check_channel(entries, (*key, "reconstruction", "channels", i), channel, calibration)
    _check_regularization(entries, (*key, "reconstruction"), settings)
    _check_frames(entries, (*key, "reconstruction", "frames"), settings.get("frames"), phantom)
    # Calibrations are corrected as far as they can be.
    scans = [phantom, entries.get("scans", entry.get("empty"))]
    check_leakage(entries, (*key, "reconstruction", "spectral_leakage"), settings, scans)


def _check_realizations(entries: Entries, key: Key, entry: Entry) -> None:
    """Check that further calibrations differ from the first in noise alone."""
    calibration = entries.get("scans", entry["calibration"])
    prior = entries.get("measurements", entry.get("prior", {}).get("measurement"))
    for i, name in enumerate(entry["realizations"]):
        place = (*key, "realizations", i)
        scan = entries.scan(place, name, "calibration")
        if not scan or not calibration:
            continue
        if name == entry["calibration"]:
            entries.fault(place, "is the calibration itself", "name another scan of the setting")
        elif _setting(scan) != _setting(calibration):
            entries.fault(
                place,
                f"scan {name!r} has other settings than {entry['calibration']!r}",
                f"give it `repeats: {entry['calibration']}`, or the same settings",
            )
        elif prior and name not in prior.get("realizations", []):
            entries.fault(
                place,
                f"{entry['prior']['measurement']!r}, which is restored first, has no such one",
                "give it the same realizations",
            )


def _setting(scan: Entry) -> Entry:
    """Return what a virtual scan was measured with; scans from elsewhere all count as alike."""
    if scan["source"] != "virtual":
        return {}
    return {what: value for what, value in scan.items() if what != "repeats"}


def _check_scan_task(entries: Entries, key: Key, entry: Entry, grid: Entry | None) -> None:
    """Check what a task needs to know of a scan, and what it is restored from and compared with."""
    refines = entry["task"] in ("accelerated-calibration", "upsampling")
    needs = {"factor": refines, "missing": entry["task"] == "inpainting"}
    for name, needed in needs.items():
        if needed and name not in entry:
            entries.fault((*key, name), f"{entry['task']} needs it", f"add it to {key[0]}.{key[1]}")
    for name, allowed in {**needs, "decimate": refines}.items():
        if name in entry and not allowed:
            entries.fault((*key, name), f"{entry['task']} has no such option", "leave it out")
    missing = entry.get("missing", {})
    if len(missing) > 1:
        entries.fault((*key, "missing"), f"given by {' and '.join(missing)}", "choose one of them")
    n_voxels = math.prod(grid["size"]) if grid else math.inf
    last = max(missing.get("indices", [0])), sum(missing.get("run", [0])) - 1
    if max(last) >= n_voxels:
        entries.fault(
            (*key, "missing"),
            f"position {max(last)} lies beyond the {n_voxels} of the grid",
            "count from 0",
        )
    if "file" in missing and not (entries.base_directory / missing["file"]).is_file():
        entries.fault(
            (*key, "missing", "file"),
            f"no such file: {entries.base_directory / missing['file']}",
            "check the path (relative to the working directory)",
        )
    if "truth" in entry:
        truth = entries.scan((*key, "truth"), entry["truth"], "calibration")
        calibration = entries.get("scans", entry["calibration"])
        parts = ("scanner", "sequence")
        check_same_setup(entries, (*key, "truth"), truth, calibration, parts)
        check_outer_voxels(entries, (*key, "truth"), truth, calibration)
        _check_restored_size(entries, key, entry, grid, truth)
    elif refines and not entry.get("decimate", False) and grid:
        entries.fault(
            (*key, "truth"),
            f"the truth of {entry['calibration']!r} has fewer voxels than what is restored",
            "name a virtual calibration on the restored grid",
        )
    if "prior" in entry:
        _check_prior(entries, (*key, "prior"), entry)


def _check_restored_size(
    entries: Entries, key: Key, entry: Entry, measured: Entry | None, truth: Entry | None
) -> None:
    grid = truth and entries.get("grids", truth.get("grid"))
    if not grid or not measured:
        return
    factor = 1 if entry.get("decimate", False) else entry.get("factor", 1)
    restored = [factor * (n - 1) + 1 for n in measured["size"]]
    if grid["size"] != restored:
        entries.fault(
            (*key, "truth"),
            f"grid {truth['grid']!r} has {' x '.join(map(str, grid['size']))} voxels, what is "
            f"restored {' x '.join(map(str, restored))}",
            "name a virtual calibration on the restored grid",
        )


def _check_prior(entries: Entries, key: Key, entry: Entry) -> None:
    name = entry["prior"]["measurement"]
    prior = entries.refer((*key, "measurement"), name, "measurements", what="measurement")
    if not prior:
        return
    if "prior" in prior or prior["calibration"] != entry["calibration"]:
        entries.fault(
            (*key, "measurement"),
            f"{name!r} restores "
            + ("what another one made" if "prior" in prior else f"{prior['calibration']!r}"),
            "name one that restores the same calibration as it was measured",
        )
    if entry["prior"]["method"] not in prior["methods"]:
        entries.fault(
            (*key, "method"),
            f"measurement {name!r} has no method {entry['prior']['method']!r}",
            choice_remedy(entry["prior"]["method"], prior["methods"]),
        )


def _check_regularization(entries: Entries, key: Key, settings: Entry) -> None:
    conventions = ("relative_regularization", "absolute_regularization")
    given = [name for name in conventions if settings.get(name) is not None]
    if len(given) != 1:
        entries.fault(
            (*key, conventions[0]),
            "given together with absolute_regularization" if given else "no regularization given",
            "set one of both, and the other to null" if given else f"give it or {conventions[1]}",
        )


def _check_frames(
    entries: Entries, key: Key, frames: list[int] | None, phantom: Entry | None
) -> None:
    if frames is None:
        return
    first, end = frames
    count = (phantom or {}).get("frames", math.inf)
    if not first < end <= count:
        limit = f" of the {count} with a phantom" if count < math.inf else ""
        entries.fault(
            key,
            f"no frames from {first} up to {end}{limit}",
            "give the first one and the end, which is not included",
        )
