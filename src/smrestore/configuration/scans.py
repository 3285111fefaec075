"""Scans: measured by a virtual scanner, or given as MDF files.

Every scan becomes an MDF file `results/scans/{scan}.mdf` and is read from there.
"""

import math
from collections.abc import Mapping
from typing import Literal, get_args

from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.noise_pools import Frequencies, check_users
from smrestore.public.registry import Store, check_file, read_stores
from smrestore.support.choices import ScanKind
from smrestore.support.errors import InputError
from smrestore.support.faults import Key, choice_remedy
from smrestore.support.settings import (
    TAG,
    Count,
    FilePath,
    Flag,
    Natural,
    Settings,
    Text,
    Whole,
    check_choice,
    setting,
    union,
)

Source = Literal["virtual", "file", "download"]
KIND = "without a sample, with a delta sample on a grid, or with a phantom"
MOST_REPETITIONS = 25


class Scan(Settings):
    """What all scans have in common."""

    source: Source = setting(
        "virtual", "measured by a virtual scanner, an MDF file, or one of a public store"
    )


class GivenScan(Scan):
    """What scans that are not virtual have in common."""

    kind: ScanKind = setting(..., KIND)
    slice: Count | None = setting(
        None,
        "use only this slice along z of a calibration, counted from 0, as a 2D calibration, with "
        "the background frames just before and after its own frames",
    )


class FileScan(GivenScan):
    """An MDF file."""

    source: Literal["file"] = "file"
    path: FilePath = setting(..., "the MDF file, relative to the working directory")


class DownloadScan(GivenScan):
    """An MDF file of a public store."""

    source: Literal["download"] = "download"
    store: Text = setting(
        ...,
        "entry of [stores.yaml](../src/smrestore/public/stores.yaml), or of `downloads.registry`",
    )
    file: Text = setting(..., "path of the MDF file within the store")


class VirtualScan(Scan):
    """What scans of virtual scanners have in common."""

    source: Literal["virtual"] = "virtual"
    scanner: Text = setting(..., "entry of `scanners`")
    sequence: Text = setting(..., "entry of `sequences`")
    max_mixing_order: Count | None = setting(
        None,
        "store spectra of the frequencies up to this mixing order, as processed files have them, "
        "instead of time signals. Frames of 3D scans are large: 107 712 samples per channel",
    )


def _averages() -> object:
    return setting(..., "averages in each frame", study="10 and 330 for the snake", ge=1, le=65536)


def _repetitions() -> object:
    return setting(
        0,
        "measure the scan so many times more, with other noise: `{scan}-b`, `{scan}-c`, and so on. "
        "Measurements with this calibration take them as their `realizations`",
        ge=0,
        le=MOST_REPETITIONS,
        exclude=True,
    )


class EmptyScan(VirtualScan):
    """A virtual scan without a sample."""

    kind: Literal["empty"] = "empty"
    frames: Whole = setting(
        ..., "frames of one average, at least as many as the largest grid has voxels", ge=2
    )
    frequencies: Frequencies = setting(
        "all",
        "`needed` stores spectra of only those frequencies that the noise pools with this scan "
        "need. The datasets of their experiments and test sets are then simulated first",
    )


class CorruptionSettings(Settings):
    """A run of consecutive positions with wrong values."""

    kind: Literal["stuck", "attenuated"] = setting(
        ...,
        "the robot stays at the position before the run, or the receivers pass on a tenth of the "
        "signal",
    )
    first: Natural = setting(
        ..., "number of the first wrong position in the order of acquisition, counted from 0"
    )
    count: Natural = setting(..., "wrong positions")


class CalibrationScan(VirtualScan):
    """A virtual calibration."""

    kind: Literal["calibration"] = "calibration"
    grid: Text = setting(..., "entry of `grids`")
    averages: Whole = _averages()
    meandering: Flag = setting(False, "the robot reverses its direction after every line and plane")
    corruption: CorruptionSettings | None = setting(None)
    repetitions: Whole = _repetitions()


class RepeatedScan(Scan):
    """A virtual calibration that is measured again, with its own noise and drift.

    All settings are those of the original. Nothing is simulated again, and both share one truth.
    """

    source: Literal["virtual"] = "virtual"
    kind: Literal["calibration"] = "calibration"
    repeats: Text = setting(..., "the virtual calibration")
    averages: Whole | None = setting(
        None, "averages in each frame; those of the original if left out", ge=1, le=65536
    )
    repetitions: Whole = _repetitions()


class PhantomScan(VirtualScan):
    """A virtual scan of a phantom."""

    kind: Literal["phantom"] = "phantom"
    grid: Text = setting(
        ..., "grid of its true image, that of the calibration it is reconstructed with, or a finer"
    )
    phantom: Text = setting(..., "entry of `phantoms`")
    frames: Natural = setting(10, "frames with the phantom")
    background_frames: Natural = setting(10, "frames without the phantom, measured first")
    averages: Whole = _averages()


_VARIANTS = {
    f"{TAG}file": FileScan,
    f"{TAG}download": DownloadScan,
    f"{TAG}empty": EmptyScan,
    f"{TAG}calibration": CalibrationScan,
    f"{TAG}repeated": RepeatedScan,
    f"{TAG}phantom": PhantomScan,
}


def _check_kind(value: object) -> object:
    if isinstance(value, Mapping):
        check_choice(value, "source", list(get_args(Source)), "virtual")
        check_choice(value, "kind", list(get_args(ScanKind)))
    return value


def _tag(value: object) -> str:
    if not isinstance(value, Mapping):
        kinds = {kind: tag for tag, kind in _VARIANTS.items()}
        return kinds.get(type(value), f"{TAG}calibration")
    if value.get("source", "virtual") != "virtual":
        return f"{TAG}{value['source']}"
    return f"{TAG}repeated" if "repeats" in value else f"{TAG}{value['kind']}"


AnyScan = union(_VARIANTS, _tag, _check_kind)


def resolve(entries: Entries) -> None:
    """Complete scans that repeat others. Those that cannot are set aside with a fault."""
    given = dict(entries.sound("scans"))
    for name, entry in given.items():
        if "repeats" not in entry:
            continue
        key = ("scans", name, "repeats")
        original = entries.scan(key, entry["repeats"], "calibration")
        if original and (original["source"] != "virtual" or "repeats" in given[entry["repeats"]]):
            repeats = given[entry["repeats"]].get("repeats")
            what = "repeats another one" if repeats else "is not virtual"
            remedy = repeats or "a virtual calibration that is measured itself"
            entries.fault(key, f"scan {entry['repeats']!r} {what}", f"name {remedy}")
            original = None
        if original:
            entries.put("scans", name, {**given[entry["repeats"]], **entry})
        else:
            entries.set_aside("scans", name)


def check(entries: Entries, key: Key, entry: Entry) -> None:
    """Check that everything that a scan names exists."""
    if "slice" in entry and entry["kind"] != "calibration":
        entries.fault(
            (*key, "slice"), f"a scan of kind {entry['kind']} has no slices", "leave it out"
        )
    if entry["source"] == "download":
        _check_download(entries, key, entry)
        return
    if entry["source"] == "file":
        path = entries.base_directory / entry["path"]
        if not path.is_file():
            fault = "is a folder, not a file" if path.is_dir() else "no such file"
            remedy = "check the path (relative to the working directory)"
            entries.fault((*key, "path"), f"{fault}: {path}", remedy)
        return
    if "repeats" in entry:
        return  # Its original is checked itself.
    for part in ("scanner", "sequence", "grid", "phantom"):
        if part in entry:
            entries.refer((*key, part), entry[part], f"{part}s", what=part)

    grid = entries.get("grids", entry.get("grid"))
    if entry.get("frequencies") == "needed":
        _check_needed_frequencies(entries, key, entry)
    run = entry.get("corruption")
    if run and grid and run["first"] + run["count"] > math.prod(grid["size"]):
        entries.fault(
            (*key, "corruption"),
            f"{run['count']} positions from number {run['first']} on go beyond the "
            f"{math.prod(grid['size'])} of grid {entry['grid']!r}",
            "end the run with the grid",
        )


def _check_needed_frequencies(entries: Entries, key: Key, entry: Entry) -> None:
    """Check that a scan that stores only needed frequencies has pools that need some."""
    if "max_mixing_order" in entry:
        entries.fault(
            (*key, "frequencies"), "given together with max_mixing_order", "leave out one of both"
        )
    pools = [n for n, e in entries.sound("noise_pools") if key[1] in e.get("scans", [])]
    check_users(entries, (*key, "frequencies"), pools)


def read_stores_of(entries: Entries) -> Mapping[str, Store] | None:
    """Return the public stores. If the registry cannot be read, note a fault and return None."""
    downloads = entries.config.get("downloads")
    own = downloads.get("registry") if isinstance(downloads, Mapping) else None
    try:
        return read_stores(entries.base_directory / own if isinstance(own, str) else None)
    except InputError as error:
        place = ": ".join(str(part) for part in (error.path, error.field) if part)
        entries.fault(("downloads", "registry"), f"{place}: {error.what}", error.remedy)
        return None


def _check_download(entries: Entries, key: Key, entry: Entry) -> None:
    stores = read_stores_of(entries)
    if stores is None:
        return
    if entry["store"] not in stores:
        what = f"unknown store {entry['store']!r}"
        entries.fault((*key, "store"), what, choice_remedy(entry["store"], stores))
        return
    fault, files = check_file(entry["file"]), stores[entry["store"]].files
    if fault:
        entries.fault((*key, "file"), f"{entry['file']!r} {fault}", "see the files of the store")
    elif files and entry["file"] not in files:
        what = f"store {entry['store']!r} has no {entry['file']!r}"
        entries.fault((*key, "file"), what, choice_remedy(entry["file"], files))
