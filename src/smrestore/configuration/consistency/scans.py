"""Scans and phantoms: what they name, repeat, and where they come from."""

import math
from collections.abc import Mapping, Sequence

from smrestore.configuration.consistency.noise import check_users
from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.faults import Key, choice_remedy
from smrestore.configuration.scans import resolved_scan
from smrestore.public.registry import Store, check_file, read_stores
from smrestore.scanner.shapes import shape_faults
from smrestore.support.errors import InputError


def resolve_scans(entries: Entries) -> None:
    """Complete scans that repeat others; those that cannot are set aside with a fault."""
    resolved = {}
    for name, entry in entries.sound("scans"):
        if "repeats" not in entry:
            continue
        key = ("scans", name, "repeats")
        original = entries.scan(key, entry["repeats"], "calibration")
        if original and (original["source"] != "virtual" or "repeats" in original):
            what = "repeats another one" if "repeats" in original else "is not virtual"
            remedy = original.get("repeats", "a virtual calibration that is measured itself")
            entries.fault(key, f"scan {entry['repeats']!r} {what}", f"name {remedy}")
            original = None
        if original:
            resolved[name] = resolved_scan(entries.config["scans"], name)
        else:
            entries.broken.add(("scans", name))
    if resolved:
        entries.config = {**entries.config, "scans": {**entries.config["scans"], **resolved}}


def check_scan(entries: Entries, key: Key, entry: Entry) -> None:
    """Check what a scan names, and that it is there."""
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
    """Check that a scan that stores the needed frequencies only has pools that need some."""
    if "max_mixing_order" in entry:
        entries.fault(
            (*key, "frequencies"), "given together with max_mixing_order", "leave out one of both"
        )
    pools = [n for n, e in entries.sound("noise_pools") if key[1] in e.get("scans", [])]
    check_users(entries, (*key, "frequencies"), pools)


def check_phantom(entries: Entries, key: Key, entry: Sequence[Entry]) -> None:
    """Check the shapes of a phantom."""
    for i, shape in enumerate(entry):
        for name, fault, remedy in shape_faults(shape):
            entries.fault((*key, i, name), fault, remedy)


def read_stores_of(entries: Entries) -> Mapping[str, Store] | None:
    """Return the public stores; a registry that cannot be read is a fault, and gives None."""
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
