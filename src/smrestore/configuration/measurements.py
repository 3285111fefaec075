"""Measurements: a calibration scan that is restored, and a phantom that is reconstructed with it.

If the scans are virtual, components and images are also compared with the truth.
"""

import math
from typing import Annotated, Literal, Self

from pydantic import model_validator

from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.methods import check_methods
from smrestore.configuration.setups import (
    check_channel,
    check_leakage,
    check_outer_voxels,
    check_same_setup,
)
from smrestore.reconstruction.settings import ReconstructionSettings
from smrestore.support.errors import InputError
from smrestore.support.faults import Key, choice_remedy
from smrestore.support.settings import (
    Count,
    FilePath,
    Flag,
    Number,
    Once,
    Settings,
    Text,
    Whole,
    setting,
    vector,
)
from smrestore.tasks.options import TaskName


class Prior(Settings):
    """The result of another measurement with the same calibration, which is restored further.

    Rows and weights still come from the measured calibration.
    """

    measurement: Text = setting(..., "entry of `measurements`")
    method: Text = setting(..., "one of its methods")


class Missing(Settings):
    """Positions to restore, given in one of these ways."""

    run: vector(Count, 2) | None = setting(
        None,
        "first number and count of a run of positions in the order of acquisition, from 0",
        study="a contiguous run",
    )
    indices: Annotated[vector(Count, 1, 10**9), Once] | None = setting(
        None, "numbers of positions in the order of the file, from 0"
    )
    file: FilePath | None = setting(
        None, "CSV file with the columns x, y, z of the missing voxels, from 0"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [name for name, value in self if value is not None]
        if not given:
            raise InputError("the section is empty", remedy="give run, indices or file")
        if len(given) > 1:
            raise InputError(f"given by {' and '.join(given)}", remedy="choose one of them")
        return self


class Measurement(Settings):
    """A calibration, the methods that restore it, and the reconstruction with the results."""

    task: TaskName = setting(..., "restoration problem")
    calibration: Text = setting(
        ..., "calibration scan to restore", study="10 averages for the snake"
    )
    prior: Prior | None = setting(
        None,
        "restore what another measurement made of the same calibration",
        study="spiral: denoised before upsampling",
    )
    factor: Whole | None = setting(
        None,
        "accelerated calibration and upsampling: restored voxels for each measured one and axis. N "
        "voxels become factor (N - 1) + 1, from the first to the last measured voxel",
        study="2; 2 and 4",
        ge=2,
        le=16,
    )
    decimate: Flag = setting(
        False,
        "use only every factor-th voxel of a calibration that measured all, and restore the "
        "others, so that both can be compared",
        study="for accelerated calibration",
    )
    missing: Missing | None = setting(None, "inpainting: the positions to restore")
    robot_time_s: Number = setting(
        0.0,
        "time that the robot takes for each position, added in "
        "`results/tables/calibration-time.md` to the averages times the cycle",
        study="not given",
        ge=0,
        le=1e4,
    )
    truth: Text | None = setting(
        None,
        "virtual calibration scan whose truth has the restored grid; the calibration if left out",
    )
    restore: Literal["all", "needed"] = setting(
        "all",
        "all components, or only those that are scored (a signal-to-noise ratio of 1.5 or more) or "
        "used in the reconstruction; others stay as they were measured",
        study="`all`",
    )
    realizations: Annotated[vector(Text, 0, 1000), Once] = setting(
        (),
        "further calibrations of the same setting; each is restored, reconstructed and scored as "
        "well, which gives confidence intervals between scans that differ in the noise of the "
        "calibration alone. The `repetitions` of the calibration if left out. A `prior` needs the "
        "same ones",
        ours=True,
    )
    reference: Text | None = setting(
        None, "better calibration scan for comparison", study="330 averages for the snake"
    )
    phantom: Text = setting(
        ...,
        "phantom scan to reconstruct. A virtual one has the grid of the calibration, or a finer "
        "one with the same outer voxel centers; images are compared on its grid",
    )
    empty: Text | None = setting(
        None,
        "empty scan whose mean is subtracted from the phantom scan, instead of that of its "
        "background frames",
        study="an empty scan",
    )
    baseline_sigma_factor: Number = setting(
        ...,
        "classical methods are told the standard deviation of the background frames times this; "
        "networks, and the averages over twins, the [noise of the components](mdf.md#choices)",
        study="0.3",
        gt=0,
        le=10,
    )
    methods: Annotated[vector(Text, 1, 1000), Once] = setting(
        ..., "baselines, experiments and twin methods to restore with", study="all of the task"
    )
    reconstruction: ReconstructionSettings = setting()


def check(entries: Entries, key: Key, entry: Entry) -> None:
    """Check scans, methods, task and reconstruction of a measurement."""
    calibration = entries.scan((*key, "calibration"), entry["calibration"], "calibration")
    phantom = entries.scan((*key, "phantom"), entry["phantom"], "phantom")
    check_same_setup(entries, (*key, "phantom"), phantom, calibration, ("scanner", "sequence"))
    check_outer_voxels(entries, (*key, "phantom"), phantom, calibration)
    if "empty" in entry:
        empty = entries.scan((*key, "empty"), entry["empty"], "empty")
        check_same_setup(entries, (*key, "empty"), empty, calibration)
    if "reference" in entry:
        reference = entries.scan((*key, "reference"), entry["reference"], "calibration")
        parts = ("scanner", "sequence", "grid")
        check_same_setup(entries, (*key, "reference"), reference, calibration, parts)
    grid = calibration and entries.get("grids", calibration.get("grid"))
    dimension = grid and (3 if grid["size"][2] > 1 else 2)
    check_methods(entries, key, entry, dimension)
    _check_scan_task(entries, key, entry, grid)
    _check_realizations(entries, key, entry)
    settings = entry["reconstruction"]
    for i, channel in enumerate(settings["channels"]):
        check_channel(entries, (*key, "reconstruction", "channels", i), channel, calibration)
    _check_frames(entries, (*key, "reconstruction", "frames"), settings.get("frames"), phantom)
    # Calibrations are corrected as far as they can be.
    scans = [phantom, entries.get("scans", entry.get("empty"))]
    check_leakage(entries, (*key, "reconstruction", "spectral_leakage"), settings, scans)


def _check_realizations(entries: Entries, key: Key, entry: Entry) -> None:
    """Check that further calibrations differ from the first only by noise."""
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
        elif prior and name not in prior["realizations"]:
            entries.fault(
                place,
                f"{entry['prior']['measurement']!r}, which is restored first, has no such one",
                "give it the same realizations",
            )


def _setting(scan: Entry) -> Entry:
    """Return the settings of a virtual scan. Scans from elsewhere all count as alike."""
    if scan["source"] != "virtual":
        return {}
    return {what: value for what, value in scan.items() if what != "repeats"}


def _check_scan_task(entries: Entries, key: Key, entry: Entry, grid: Entry | None) -> None:
    """Check the options of a task, and the scans that it restores and compares with."""
    refines = entry["task"] in ("accelerated-calibration", "upsampling")
    needs = {"factor": refines, "missing": entry["task"] == "inpainting"}
    for name, needed in needs.items():
        if needed and name not in entry:
            entries.fault((*key, name), f"{entry['task']} needs it", f"add it to {key[0]}.{key[1]}")
    for name, allowed in {**needs, "decimate": refines}.items():
        if entry.get(name) and not allowed:
            entries.fault((*key, name), f"{entry['task']} has no such option", "leave it out")
    missing = entry.get("missing", {})
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
    elif refines and not entry["decimate"] and grid:
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
    factor = 1 if entry["decimate"] else entry.get("factor", 1)
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
