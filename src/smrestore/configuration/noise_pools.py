"""Noise pools: noise of scans without a sample, by receive channel and frequency.

The noise of a component is a run of consecutive frames of its channel and frequency. The run is
laid on the grid in the order of acquisition. So drift has a structure in space, as in the study. A
run lies within one scan, so one of the scans must have as many frames as the largest grid has
voxels.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.sequences import driven_axes, samples_of_cycle, simulated_axes
from smrestore.configuration.setups import check_leakage, is_virtual
from smrestore.reconstruction.settings import Period
from smrestore.support.choices import BackgroundLevel, Leakage
from smrestore.support.faults import Key
from smrestore.support.settings import (
    TAG,
    Count,
    Number,
    Once,
    Positive,
    Settings,
    Text,
    Whole,
    check_choice,
    literals,
    setting,
    union,
    vector,
)

Frequencies = Literal["all", "needed"]
NOISE_KINDS = ("empty", "calibration")
"""Kinds of scans that have frames without a sample."""


class Pool(Settings):
    """What all noise pools have in common."""

    background_level: BackgroundLevel = setting(
        "remove",
        "subtract the mean of each drawn run of frames, as the background correction of a "
        "calibration does, or keep the constant signal of the empty scanner",
        ours=True,
    )
    frequencies: Frequencies = setting(
        "all",
        "`all` that the scans store, or those `needed` by the experiments and test sets with this "
        "pool. Their datasets are then simulated first, and the pool is much smaller in 3D",
    )


class MeasuredPool(Pool):
    """Measured noise."""

    scans: Annotated[vector(Text, 1, 1000), Once] = setting(
        ...,
        "all frames of scans of kind `empty`, the background frames of those of kind "
        "`calibration`, which are apart in time, so that they drift more",
    )
    averages: Whole | None = setting(
        None,
        "averages that the noise stands for: deviations of a scan with n averages are multiplied "
        "by sqrt(n / `averages`); those of the first scan if left out",
        ge=1,
        le=65536,
    )
    frame_range: vector(Count, 2) | None = setting(
        None,
        "first frame of each scan, counted from 0, and the one after the last, in the order of "
        "acquisition; all if left out. Two pools may share a scan if their ranges do not overlap",
    )
    period: Period = setting(
        None,
        "drive-field period of frames that have several, from 0, or `mean` over those of equal "
        "fields, which counts as so many averages more; needed for such scans",
    )
    spectral_leakage: Leakage = setting(
        "ignore",
        "`correct` lessens the [spectral leakage](mdf.md#choices) of time signals by a window over "
        "neighboring frames or periods. Do here what is done with the calibrations",
    )


class WhitePool(Pool):
    """Independent circular Gaussian noise by formula.

    All components are independent, which is not so in a scanner. The noise depends on `seed` and
    the name of the pool, so training and test need two entries.
    """

    model: Literal["white"] = "white"
    sequence: Text = setting(..., "entry of `sequences`, whose frequencies the pool has")
    frames: Whole = setting(..., "frames to draw", ge=2)


class DriftPool(WhitePool):
    """White noise on top of a slow first-order autoregressive drift, by formula."""

    model: Literal["drift-white"] = "drift-white"
    drift: Number = setting(
        1.0,
        "standard deviation of the drift relative to that of the white noise",
        ours=True,
        ge=0,
        le=1000,
    )
    correlation_frames: Positive = setting(
        200.0, "correlation time of the drift", unit="frames", ours=True
    )


_MODELS = {literals(pool, "model")[0]: pool for pool in (WhitePool, DriftPool)}


def _check_model(value: object) -> object:
    if isinstance(value, Mapping) and "model" in value:
        check_choice(value, "model", list(_MODELS))
    return value


def _tag(value: object) -> str:
    model = value.get("model") if isinstance(value, Mapping) else getattr(value, "model", None)
    return f"{TAG}{model or 'measured'}"


NoisePool = union(
    {f"{TAG}measured": MeasuredPool, **{f"{TAG}{model}": pool for model, pool in _MODELS.items()}},
    _tag,
    _check_model,
)


def check(entries: Entries, key: Key, entry: Entry) -> None:
    """Check the scans of a noise pool, or the sequence of a parametric one."""
    if "model" in entry:
        entries.refer((*key, "sequence"), entry["sequence"], "sequences", what="sequence")
    if entry.get("frequencies") == "needed":
        check_users(entries, (*key, "frequencies"), [key[1]])
    if "model" in entry:
        return
    for i, name in enumerate(entry["scans"]):
        scan = entries.refer((*key, "scans", i), name, "scans", what="scan")
        if scan and scan["kind"] not in NOISE_KINDS:
            others = [other for other, entry in entries.sound("scans") if entry["kind"] == "empty"]
            entries.fault(
                (*key, "scans", i),
                f"scan {name!r} is of kind {scan['kind']}, not {' or '.join(NOISE_KINDS)}",
                f"use one of {', '.join(others)}" if others else "add an empty scan",
            )
    scans = [entries.get("scans", name) for name in entry["scans"]]
    check_leakage(entries, (*key, "spectral_leakage"), entry, scans)
    if entry.get("period", 0) not in (0, "mean") and any(map(is_virtual, scans)):
        entries.fault(
            (*key, "period"),
            f"{entry['period']} is beyond the one period per frame of virtual scans",
            "leave it out",
        )
    if "frame_range" in entry and entry["frame_range"][1] - entry["frame_range"][0] < 2:
        first, stop = entry["frame_range"]
        entries.fault(
            (*key, "frame_range"),
            f"frames {first} to {stop} are fewer than two",
            "give the first frame and the one after the last",
        )


def check_users(entries: Entries, key: Key, pools: Sequence[str]) -> None:
    """Check that an experiment or a test set takes its noise from one of the pools."""
    users = [*entries.sound("experiments"), *entries.sound("test_sets")]
    broken = any(name[0] in ("experiments", "test_sets", "noise_pools") for name in entries.broken)
    if not broken and not any(entry["noise_pool"] in pools for _, entry in users):
        entries.fault(
            key,
            "no experiment or test set takes noise from here, so that no frequency is needed",
            "use all, or let one use it",
        )


def check_noise(
    entries: Entries, key: Key, name: str, pool: Entry, dataset: Entry, n_voxels: int
) -> None:
    """Check that a pool covers the grid size and the frequencies, as far as both are known."""
    dimension = dataset["dimension"]
    if "model" in pool:
        sources = {f"pool {name!r}": pool}
    else:
        sources = {f"scan {scan!r}": entries.get("scans", scan) for scan in pool["scans"]}
    frames = {source: _frames(entries, pool, entry) for source, entry in sources.items()}
    if frames and None not in frames.values() and max(frames.values()) < n_voxels:
        longest = max(frames, key=frames.get)
        entries.fault(
            key,
            f"the {frames[longest]} frames of {longest} are too few for grids of up to "
            f"{n_voxels} voxels",
            "scan more frames, or limit the grid size of the dataset",
        )
    simulated = samples_of_cycle(dataset["sequence"], simulated_axes(dimension))
    for source, entry in sources.items():
        sequence = entry and "sequence" in entry and entries.get("sequences", entry["sequence"])
        measured = sequence and samples_of_cycle(sequence, driven_axes(sequence))
        if measured and simulated and measured != simulated:
            entries.fault(
                key,
                f"{source} has {measured // 2 + 1} frequencies, the dataset {simulated // 2 + 1}",
                "give both the same driven axes, dividers and sampling rate",
            )


def _frames(entries: Entries, pool: Entry, source: Entry | None) -> int | None:
    """Return how many frames a pool has from a scan or a formula, None if this is unknown."""
    if source and source.get("source") == "virtual" and source["kind"] == "calibration":
        grid = entries.get("grids", source["grid"])
        # One background frame before each line along x, and one at the end.
        frames = grid and grid["size"][1] * grid["size"][2] + 1
    else:
        frames = source and source.get("frames")
    if not frames:
        return None
    first, stop = pool.get("frame_range", (0, frames))
    # A range that is no range has a fault of its own.
    return max(0, min(stop, frames) - first) if stop - first > 1 else None


def noise_frames(entries: Entries, pool_name: str) -> dict[object, tuple[float, float]]:
    """Return first and last frame of each source of a noise pool, by the identity of the source."""
    pool = entries.get("noise_pools", pool_name)
    if not pool:
        return {}
    if "model" in pool:
        return {("model", pool_name): (0, math.inf)}
    identities = {_identity(entries, name, entries.get("scans", name)) for name in pool["scans"]}
    return {identity: tuple(pool.get("frame_range", (0, math.inf))) for identity in identities}


def _identity(entries: Entries, name: str, scan: Entry | None) -> object:
    if scan and scan["source"] == "file":
        return (entries.base_directory / scan["path"]).resolve()
    if scan and scan["source"] == "download":
        return scan["store"], scan["file"]
    return name


def overlap(first: Mapping, second: Mapping) -> bool:
    """Tell whether two noise pools have a frame in common."""
    both = first.keys() & second.keys()
    return any(max(first[k][0], second[k][0]) < min(first[k][1], second[k][1]) for k in both)
