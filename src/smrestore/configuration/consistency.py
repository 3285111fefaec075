"""What the entries of a configuration say about each other."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from smrestore.configuration.datasets import resolved_dataset
from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.faults import Fault, Key, choice_remedy
from smrestore.configuration.scans import resolved_scan
from smrestore.errors import InputError
from smrestore.public.registry import Store, check_file, read_stores
from smrestore.shapes import shape_faults

RESERVED_METHODS = ("measured", "reference", "truth")
RESERVED_TABLES = ("claims", "calibration-time")
"""Variants of a reconstruction that are no restoration methods."""
NOISE_KINDS = ("empty", "calibration")
"""Kinds of scans that have frames without a sample."""
SWINIR_SIZES = {"features": 180, "heads": 6}
SMRNET_FACTOR = 2
PCONV_CHANNELS = (32, 64, 128, 256)
"""Sizes of networks if an experiment leaves them out."""
N_VIRTUAL_CHANNELS = 3
SMALLEST_AMPLITUDE_MT = 0.1
SMALLEST_FOV_MM = 0.1


def consistency_faults(
    config: object, base_directory: Path, structure_faults: Iterable[Fault]
) -> list[Fault]:
    """Return the faults between the entries of a configuration.

    ``structure_faults`` tell which entries are not to be judged.
    """
    if not isinstance(config, Mapping):
        return []
    entries = Entries(config, base_directory, {fault.key[:2] for fault in structure_faults})
    _resolve_datasets(entries)
    _resolve_scans(entries)
    _read_stores(entries)
    for section, check in _CHECKS.items():
        for name, entry in entries.sound(section):
            check(entries, (section, name), entry)
    return entries.faults


def _check_dataset(entries: Entries, key: Key, entry: Entry) -> None:
    if entry["draws_of"] != key[1]:
        return  # The dataset it draws from is checked itself.
    grid = entry["grid"]
    low, high = grid["minimum_size"], grid["maximum_size"]
    _check_order(entries, (*key, "grid", "minimum_size"), low, high)
    if "average_size" in grid:
        _check_order(entries, (*key, "grid", "average_size"), *grid["average_size"])
    _check_sampling(entries, (*key, "sequence"), entry["sequence"], _axes(entry["dimension"]))


def _resolve_datasets(entries: Entries) -> None:
    """Complete datasets that draw from others; those that cannot are set aside with a fault."""
    resolved = {}
    for name, entry in entries.sound("datasets"):
        key = ("datasets", name, "draws_of")
        other = entry.get("draws_of")
        source = entries.refer(key, other, "datasets", what="dataset") if other else {}
        if source and "draws_of" in source:
            entries.fault(
                key,
                f"dataset {other!r} draws from {source['draws_of']!r} itself",
                f"name {source['draws_of']!r}",
            )
            source = None
        if source is None:
            entries.broken.add(("datasets", name))
        else:
            resolved[name] = resolved_dataset(entries.config["datasets"], name)
    if resolved:
        entries.config = {**entries.config, "datasets": {**entries.config["datasets"], **resolved}}


def _resolve_scans(entries: Entries) -> None:
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


def _check_sequence(entries: Entries, key: Key, entry: Entry) -> None:
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
    if any(_driven(entry)):
        _check_sampling(entries, key, entry, _driven(entry))
    else:
        entries.fault((*key, "drive_amplitude_mT"), "no axis is driven", "set one above 0")


def _check_grid(entries: Entries, key: Key, entry: Entry) -> None:
    for i, (size, fov) in enumerate(zip(entry["size"], entry["fov_mm"], strict=True)):
        if fov == 0 and size > 1:
            fault = f"0 mm for {size} voxels along {'xyz'[i]}"
        elif 0 < fov < SMALLEST_FOV_MM:
            fault = f"{fov} is below {SMALLEST_FOV_MM} mm, which may be a wrong unit"
        else:
            continue
        entries.fault((*key, "fov_mm", i), fault, "give the field of view in mm")


def _check_scan(entries: Entries, key: Key, entry: Entry) -> None:
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
    _check_users(entries, (*key, "frequencies"), pools)


def _check_users(entries: Entries, key: Key, pools: Sequence[str]) -> None:
    """Check that an experiment or a test set takes its noise from one of the pools."""
    users = [*entries.sound("experiments"), *entries.sound("test_sets")]
    broken = any(name[0] in ("experiments", "test_sets", "noise_pools") for name in entries.broken)
    if not broken and not any(entry["noise_pool"] in pools for _, entry in users):
        entries.fault(
            key,
            "no experiment or test set takes noise from here, so that no frequency is needed",
            "use all, or let one use it",
        )


def _check_phantom(entries: Entries, key: Key, entry: Sequence[Entry]) -> None:
    for i, shape in enumerate(entry):
        for name, fault, remedy in shape_faults(shape):
            entries.fault((*key, i, name), fault, remedy)


def _read_stores(entries: Entries) -> Mapping[str, Store] | None:
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
    stores = _read_stores(entries)
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


def _check_noise_pool(entries: Entries, key: Key, entry: Entry) -> None:
    if "model" in entry:
        entries.refer((*key, "sequence"), entry["sequence"], "sequences", what="sequence")
    if entry.get("frequencies") == "needed":
        _check_users(entries, (*key, "frequencies"), [key[1]])
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
    _check_leakage(entries, (*key, "spectral_leakage"), entry, scans)
    if entry.get("period", 0) not in (0, "mean") and any(map(_is_virtual, scans)):
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


def _check_leakage(
    entries: Entries, key: Key, settings: Entry, scans: Sequence[Entry | None]
) -> None:
    """Check that the spectral leakage of scans can be corrected, as far as it is known."""
    if settings.get("spectral_leakage") != "correct":
        return
    for scan in filter(_is_virtual, scans):
        as_spectra = "max_mixing_order" in scan or scan.get("frequencies") == "needed"
        if as_spectra or scan["kind"] == "calibration":
            why = "stored as spectra" if as_spectra else "of one period per position"
            entries.fault(
                key,
                f"a virtual {scan['kind']} scan is {why} and cannot be corrected",
                "use ignore",
            )
            return


def _is_virtual(scan: Entry | None) -> bool:
    return bool(scan) and scan["source"] == "virtual"


def _check_baseline(entries: Entries, key: Key, _: Entry) -> None:
    _check_method_name(entries, key)


def _check_twin_method(entries: Entries, key: Key, entry: Entry) -> None:
    _check_method_name(entries, key)
    entries.refer((*key, "of"), entry["of"], "baselines", "experiments", what="method")


def _check_experiment(entries: Entries, key: Key, entry: Entry) -> None:
    _check_method_name(entries, key)
    training = entry["training"]
    for name in ("sigma", "scale"):
        _check_order(entries, (*key, "training", name), *training[name])
    dataset = _check_data(entries, key, entry, "train", "validation")
    fits = not dataset or training["patch"] >= _restored_size(dataset, entry)
    if not fits and training.get("oversize", "error") == "error":
        entries.fault(
            (*key, "training", "patch"),
            f"{training['patch']} voxels are less than the grids of dataset {entry['dataset']!r}, "
            f"up to {_restored_size(dataset, entry)}",
            "enlarge the patch, limit the grid size, or let oversize crop or exclude them",
        )
    _check_use(entries, key, entry)
    factor = _factor(entry)
    if training["patch"] % factor:
        entries.fault(
            (*key, "training", "patch"),
            f"{training['patch']} voxels are no multiple of the factor {factor}",
            f"give a multiple of {factor}",
        )
    network = entry["network"]
    finer = network.get("factor", SMRNET_FACTOR) if network["name"] == "smrnet" else 1
    wanted = 1 if "guess" in entry else factor
    if finer != wanted:
        entries.fault(
            (*key, "network"),
            f"{network['name']} gives {finer} voxels per voxel that it sees and axis, "
            f"{entry['task']} wants {wanted}" + (" after the guess" if "guess" in entry else ""),
            f"use smrnet with factor {wanted}, or a guess" if wanted > 1 else "use another network",
        )
    elif "guess" in entry:
        _check_guess(entries, key, entry)
    _check_network(entries, (*key, "network"), network, entry["dimension"])


def _check_guess(entries: Entries, key: Key, entry: Entry) -> None:
    """Check that the classical method is for the task, and that the network sees its result."""
    method, task, network = entry["guess"]["method"], entry["task"], entry["network"]
    if "label" in entry["guess"]:
        entries.fault((*key, "guess", "label"), "the experiment has a label", "remove it")
    if method not in _BASELINES[task]:
        entries.fault(
            (*key, "guess", "method"),
            f"{method} is no method for {task}",
            f"use {' or '.join(_BASELINES[task])}",
        )
    if task != "denoising" and (
        network["name"] not in _HIDES_UNKNOWN
        or network.get("mask_features", _HIDES_UNKNOWN[network["name"]])
    ):
        entries.fault(
            (*key, "network"),
            f"{network['name']} does not see the guess where nothing was measured",
            "use a network with mask_features: false",
        )


def _check_network(entries: Entries, key: Key, network: Entry, dimension: int) -> None:
    name = network["name"]
    if name == "swinir":
        if dimension != 2:
            entries.fault(
                (*key, "name"), f"{name} does not exist in {dimension}D", "choose another network"
            )
        features, heads = (network.get(size, SWINIR_SIZES[size]) for size in SWINIR_SIZES)
        if features % heads:
            entries.fault(
                (*key, "features"),
                f"{features} features cannot be shared by {heads} heads",
                "make features a multiple of heads",
            )
    if name == "pconv-unet" and "kernels" in network:
        count = len(network.get("channels", PCONV_CHANNELS))
        if len(network["kernels"]) != count:
            entries.fault(
                (*key, "kernels"),
                f"{len(network['kernels'])} kernels for {count} levels",
                "give one kernel per entry of channels",
            )


def _check_use(entries: Entries, key: Key, entry: Entry) -> None:
    """Check how batches are divided, and how the trained network is used."""
    training = entry["training"]
    parts = training.get("accumulate", 1)
    if training["batch_size"] % parts:
        entries.fault(
            (*key, "training", "batch_size"),
            f"{training['batch_size']} components cannot be divided into {parts} equal parts",
            f"give a multiple of accumulate, {parts}",
        )
    if "flips" not in entry.get("inference", {}).get("ensemble", []):
        return
    place = (*key, "inference", "ensemble")
    if not training.get("flips", False):
        entries.fault(
            place,
            "the network never sees mirrored components in training",
            "set training.flips to true, or leave flips out",
        )
    if _factor(entry) > 1:
        entries.fault(
            place,
            "mirrored grids of measured voxels do not cover the same restored voxels",
            "leave flips out",
        )


def _check_test_set(entries: Entries, key: Key, entry: Entry) -> None:
    _check_data(entries, key, entry, "test")
    _check_methods(entries, key, entry, entry["dimension"])
    noise = _noise_frames(entries, entry["noise_pool"])
    single = {n: (entries.get("twin_methods", n) or {}).get("of", n) for n in entry["methods"]}
    learned = {name: entries.get("experiments", single[name]) for name in entry["methods"]}
    leaks = [
        name
        for name, experiment in learned.items()
        if experiment and _overlap(noise, _noise_frames(entries, experiment["noise_pool"]))
    ]
    if leaks:
        entries.fault(
            (*key, "noise_pool"),
            f"its frames were used to train {', '.join(leaks)}",
            "test with the noise of another scan, or of other frames of it",
        )


def _check_table(entries: Entries, key: Key, entry: Entry) -> None:
    if key[1] in [f"transfer-{name}" for name in entries.names("measurements") or []]:
        entries.fault(key, "a measurement has a table of this name", "choose another name")
    if key[1] in RESERVED_TABLES:
        entries.fault(key, "the workflow uses this name itself", "choose another name")
    test_sets = [
        entries.refer((*key, "test_sets", i), name, "test_sets", what="test set")
        for i, name in enumerate(entry["test_sets"])
    ]
    if None in test_sets:
        return
    if len({test_set["task"] for test_set in test_sets}) > 1:
        fault = "the test sets differ in task"
        entries.fault((*key, "test_sets"), fault, "make a table for each task")
    kinds = [(t["dimension"], _factor(t), t.get("particle_state")) for t in test_sets]
    for i, kind in enumerate(kinds):
        if kind in kinds[:i]:
            entries.fault(
                (*key, "test_sets", i),
                "another test set of the table has the same dimension, factor and particle state",
                "make a table for each",
            )
    for i, limits in enumerate(entry.get("size_ranges", [])):
        if limits[0] >= limits[1]:
            entries.fault(
                (*key, "size_ranges", i),
                f"no size lies above {limits[0]:g} and not above {limits[1]:g}",
                "give the lower limit first, and a greater one",
            )
    methods = sorted({method for test_set in test_sets for method in test_set["methods"]})
    for method in entry["published"]:
        if method not in methods:
            entries.fault(
                (*key, "published", method),
                "no test set of the table has this method",
                choice_remedy(method, methods),
            )


def _check_measurement(entries: Entries, key: Key, entry: Entry) -> None:
    calibration = entries.scan((*key, "calibration"), entry["calibration"], "calibration")
    phantom = entries.scan((*key, "phantom"), entry["phantom"], "phantom")
    _check_same_setup(entries, (*key, "phantom"), phantom, calibration, ("scanner", "sequence"))
    _check_outer_voxels(entries, (*key, "phantom"), phantom, calibration)
    if "empty" in entry:
        empty = entries.scan((*key, "empty"), entry["empty"], "empty")
        _check_same_setup(entries, (*key, "empty"), empty, calibration)
    if entry["reference"] is not None:
        reference = entries.scan((*key, "reference"), entry["reference"], "calibration")
        parts = ("scanner", "sequence", "grid")
        _check_same_setup(entries, (*key, "reference"), reference, calibration, parts)
    grid = calibration and entries.get("grids", calibration.get("grid"))
    dimension = grid and (3 if grid["size"][2] > 1 else 2)
    _check_methods(entries, key, entry, dimension)
    _check_scan_task(entries, key, entry, grid)
    if "realizations" in entry:
        _check_realizations(entries, key, entry)
    settings = entry["reconstruction"]
    _check_order(
        entries,
        (*key, "reconstruction", "min_frequency_Hz"),
        settings.get("min_frequency_Hz", 0.0),
        settings.get("max_frequency_Hz", math.inf),
    )
    for i, channel in enumerate(settings["channels"]):
        _check_channel(entries, (*key, "reconstruction", "channels", i), channel, calibration)
    _check_regularization(entries, (*key, "reconstruction"), settings)
    _check_frames(entries, (*key, "reconstruction", "frames"), settings.get("frames"), phantom)
    # Calibrations are corrected as far as they can be.
    scans = [phantom, entries.get("scans", entry.get("empty"))]
    _check_leakage(entries, (*key, "reconstruction", "spectral_leakage"), settings, scans)


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
        _check_same_setup(entries, (*key, "truth"), truth, calibration, parts)
        _check_outer_voxels(entries, (*key, "truth"), truth, calibration)
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


def _check_figure(entries: Entries, key: Key, entry: Entry) -> None:
    _FIGURES.get(key[1], _check_measurement_figure)(entries, key, entry)


def _check_figure1(entries: Entries, key: Key, entry: Entry) -> None:
    dataset = entries.refer((*key, "dataset"), entry["dataset"], "datasets", what="dataset")
    count = dataset["matrices"][entry["split"]] if dataset else math.inf
    if entry["matrices"] > count:
        entries.fault(
            (*key, "matrices"),
            f"{entry['matrices']} are more than the {count} of split {entry['split']!r}",
            f"show at most {count}",
        )


def _check_figure2(entries: Entries, key: Key, entry: Entry) -> None:
    for i, name in enumerate(entry["phantoms"]):
        entries.refer((*key, "phantoms", i), name, "phantoms", what="phantom")


def _check_measurement_figure(entries: Entries, key: Key, entry: Entry) -> None:
    name = entry["measurement"]
    measurement = entries.refer((*key, "measurement"), name, "measurements", what="measurement")
    if not measurement:
        return
    for i, method in enumerate(entry.get("methods", [])):
        if method not in measurement["methods"]:
            entries.fault(
                (*key, "methods", i),
                f"measurement {name!r} has no method {method!r}",
                choice_remedy(method, measurement["methods"]),
            )
    calibration = entries.get("scans", measurement["calibration"])
    for i, component in enumerate(entry.get("components", [])):
        place = (*key, "components", i, "channel")
        _check_channel(entries, place, component["channel"], calibration)
    grid = calibration and entries.get("grids", calibration.get("grid"))
    for planes in ("component_planes", "image_planes"):
        for i, plane in enumerate(entry.get(planes, [])):
            along = [axis for axis in range(3) if "xyz"[axis] != plane["across"]]
            if grid and min(grid["size"][axis] for axis in along) == 1:
                entries.fault(
                    (*key, planes, i, "across"),
                    f"the grid of measurement {name!r} has no plane across {plane['across']}",
                    "choose planes along which the grid extends",
                )


def _check_transfer(entries: Entries, key: Key, entry: Entry) -> None:
    for i, panel in enumerate(entry["panels"]):
        place = (*key, "panels", i)
        measurement, test_set = (
            entries.refer((*place, what), panel[what], f"{what}s", what=what.replace("_", " "))
            for what in ("measurement", "test_set")
        )
        if not measurement or not test_set:
            continue
        if measurement["task"] != test_set["task"]:
            entries.fault(
                (*place, "test_set"),
                f"its task is {test_set['task']}, that of the measurement {measurement['task']}",
                "name a test set of the same task",
            )
            continue
        true_scan = measurement.get("truth", measurement["calibration"])
        if (entries.get("scans", true_scan) or {}).get("source", "virtual") != "virtual":
            entries.fault(
                (*place, "measurement"),
                f"nobody knows the truth of {true_scan!r}",
                "name a measurement of the virtual scanner",
            )
        both = [name for name in measurement["methods"] if name in test_set["methods"]]
        if panel["baseline"] not in both or len(both) < 2:
            entries.fault(
                (*place, "baseline"),
                f"measurement and test set have the methods {', '.join(both) or 'none'} in common",
                "name one of at least two",
            )


def _check_method_name(entries: Entries, key: Key) -> None:
    section, name = key
    if name in RESERVED_METHODS:
        entries.fault(key, "reconstructions use this name themselves", "choose another name")
    for other in _METHOD_SECTIONS[: _METHOD_SECTIONS.index(section)]:
        if name in (entries.names(other) or []):
            what = other.replace("_", " ").removesuffix("s")
            article = "an" if what[0] == "e" else "a"
            entries.fault(key, f"{article} {what} has the same name", "rename one of them")


def _factor(entry: Entry) -> int:
    """Return the restored voxels per measured one and axis, of an entry with a task."""
    if "factor" not in _DEGRADATION[entry["task"]][0]:
        return 1
    return {**entry, **entry.get("degradation", {})}.get("factor", 1)


def _truth_spacing(entry: Entry) -> int:
    """Return the voxels of a stored component from one voxel of its ground truth to the next."""
    return entry.get("degradation", {}).get("truth_spacing", 1)


def _restored_size(dataset: Entry, entry: Entry) -> int:
    """Return the largest side of the ground truths of an experiment or a test set in voxels."""
    return -(-dataset["grid"]["maximum_size"] * dataset["refinement"] // _truth_spacing(entry))


def _check_degradation(entries: Entries, key: Key, entry: Entry) -> None:
    """Check that a task has the options it needs, and no others."""
    known, needed = _DEGRADATION[entry["task"]]
    degradation = entry.get("degradation", {})
    for name in degradation:
        if name not in known:
            entries.fault(
                (*key, "degradation", name),
                f"{entry['task']} has no such option",
                f"use {', '.join(known)}" if known else "leave it out",
            )
    for name in needed:
        if name not in degradation:
            entries.fault(
                (*key, "degradation", name),
                f"{entry['task']} needs it",
                f"add it to {key[0]}.{key[1]}.degradation",
            )
    for name in ("mask_ratio", "mask_runs"):
        if name in degradation:
            _check_order(entries, (*key, "degradation", name), *degradation[name])


def _most_voxels(dataset: Entry, entry: Entry) -> int:
    """Return the most voxels that are measured of a component of an experiment or a test set."""
    grid, dimension = dataset["grid"], dataset["dimension"]
    # Of all grids of the same average size, the most regular one has the most voxels.
    total = dimension * grid["maximum_size"]
    if "average_size" in grid:
        total = min(total, math.floor(dimension * grid["average_size"][1]))
    side, larger = divmod(total, dimension)
    finer = dataset["refinement"] / (_truth_spacing(entry) * _factor(entry))
    return math.ceil((side + 1) * finer) ** larger * math.ceil(side * finer) ** (dimension - larger)


def _check_data(entries: Entries, key: Key, entry: Entry, *splits: str) -> Entry | None:
    """Check task, dataset with its splits, dimension and noise pool of what uses them."""
    _check_degradation(entries, key, entry)
    name = entry["dataset"]
    dataset = entries.refer((*key, "dataset"), name, "datasets", what="dataset")
    pool = entries.refer((*key, "noise_pool"), entry["noise_pool"], "noise_pools", what="pool")
    if not dataset:
        return None
    for split in splits:
        if not dataset["matrices"][split]:
            entries.fault(
                (*key, "dataset"),
                f"dataset {name!r} has no matrices in its split {split!r}",
                f"give {name!r} some, or use another dataset",
            )
    if dataset["dimension"] != entry["dimension"]:
        entries.fault(
            (*key, "dimension"),
            f"{entry['dimension']}, but dataset {name!r} has dimension {dataset['dimension']}",
            "use a dataset of the same dimension",
        )
    if pool:
        voxels = _most_voxels(dataset, entry)
        _check_noise(entries, (*key, "noise_pool"), entry["noise_pool"], pool, dataset, voxels)
    return dataset


def _check_noise(
    entries: Entries, key: Key, name: str, pool: Entry, dataset: Entry, n_voxels: int
) -> None:
    """Check that a pool covers grids of a size and the frequencies, as far as they are known."""
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
    simulated = _samples(dataset["sequence"], _axes(dimension))
    for source, entry in sources.items():
        sequence = entry and "sequence" in entry and entries.get("sequences", entry["sequence"])
        measured = sequence and _samples(sequence, _driven(sequence))
        if measured and simulated and measured != simulated:
            entries.fault(
                key,
                f"{source} has {measured // 2 + 1} frequencies, the dataset {simulated // 2 + 1}",
                "give both the same driven axes, dividers and sampling rate",
            )


def _frames(entries: Entries, pool: Entry, source: Entry | None) -> int | None:
    """Return how many frames a scan, or a parametric pool, gives a pool; None if it is unknown."""
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


def _noise_frames(entries: Entries, pool_name: str) -> dict[object, tuple[float, float]]:
    """Return first and last frame of each source of a noise pool, by what tells sources apart."""
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


def _overlap(first: Mapping, second: Mapping) -> bool:
    """Tell whether two noise pools have a frame in common."""
    both = first.keys() & second.keys()
    return any(max(first[k][0], second[k][0]) < min(first[k][1], second[k][1]) for k in both)


def _check_methods(entries: Entries, key: Key, entry: Entry, dimension: int | None) -> None:
    """Check that methods exist and are for this task, its factor and the dimension, if known."""
    for i, name in enumerate(entry["methods"]):
        place = (*key, "methods", i)
        sections = _METHOD_SECTIONS if entries.config.get("twin_methods") else _METHOD_SECTIONS[:2]
        method = entries.refer(place, name, *sections, what="method")
        if method and "of" in method:
            _check_twins(entries, place, method, entry)
            continue
        if method and "method" in method and method["method"] not in _BASELINES[entry["task"]]:
            entries.fault(
                place,
                f"{method['method']} is no method for {entry['task']}",
                f"use a network, or {' or '.join(_BASELINES[entry['task']])}",
            )
        if not method or "method" in method:
            continue
        found = {**method, "factor": _factor(method)}
        wanted = {"task": entry["task"], "dimension": dimension, "factor": _factor(entry)}
        for what, value in wanted.items():
            if value is not None and found[what] != value:
                entries.fault(
                    place,
                    f"experiment {name!r} has {what} {found[what]}, this has {value}",
                    f"use experiments of the same {what}",
                )


def _check_twins(entries: Entries, place: Key, method: Entry, user: Entry) -> None:
    """Check that twins are used for denoising, beside the same method without them."""
    if user["task"] != "denoising" or "prior" in user:
        what = f"for {user['task']}" if user["task"] != "denoising" else "of a restored scan"
        entries.fault(place, f"twins cannot be used {what}", f"use {method['of']!r}")
    elif method["of"] not in user["methods"]:
        entries.fault(
            place,
            f"twins are compared with {method['of']!r}, which is not among the methods",
            f"add {method['of']!r}",
        )


def _check_same_setup(
    entries: Entries,
    key: Key,
    scan: Entry | None,
    calibration: Entry | None,
    parts: Iterable[str] = ("scanner", "sequence"),
) -> None:
    """Check that a virtual scan was measured as the calibration was."""
    if not scan or not calibration or not scan["source"] == calibration["source"] == "virtual":
        return
    for part in parts:
        if scan[part] != calibration[part]:
            entries.fault(
                key,
                f"scan has {part} {scan[part]!r}, the calibration {calibration[part]!r}",
                f"use scans of the same {part}",
            )


def _check_outer_voxels(
    entries: Entries, key: Key, scan: Entry | None, calibration: Entry | None
) -> None:
    """Check that the grid of a virtual scan reaches as far as that of a calibration.

    Voxels may be finer: the outer ones have the same centers, so that the tracer, whose anisotropy
    grows with the field up to the edge of the grid, is the same.
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


def _check_channel(entries: Entries, key: Key, channel: int, scan: Entry | None) -> None:
    if scan and scan["source"] == "virtual" and channel >= N_VIRTUAL_CHANNELS:
        remedy = f"count from 0 to {N_VIRTUAL_CHANNELS - 1}"
        entries.fault(key, f"the virtual scanner has no receive channel {channel}", remedy)


def _check_order(entries: Entries, key: Key, low: float, high: float) -> None:
    if low > high:
        entries.fault(key, f"{low:g} is above {high:g}", "give the smaller value first")


def _check_sampling(entries: Entries, key: Key, sequence: Entry, driven: Sequence[bool]) -> None:
    if _samples(sequence, driven) is None:
        entries.fault(
            (*key, "sampling_rate_Hz"),
            f"{sequence['sampling_rate_Hz']:g} Hz gives no whole number of samples in a cycle of "
            "the drive fields",
            "choose another rate, for example twice the base frequency",
        )


def _axes(dimension: int) -> tuple[bool, bool, bool]:
    """Return which axes a simulation of this dimension drives."""
    return True, True, dimension == 3


def _driven(sequence: Entry) -> tuple[bool, ...]:
    return tuple(amplitude > 0 for amplitude in sequence["drive_amplitude_mT"])


def _samples(sequence: Entry, driven: Sequence[bool]) -> int | None:
    """Return the time samples of a cycle, None if that is no whole number."""
    dividers = [d for d, on in zip(sequence["dividers"], driven, strict=True) if on]
    cycle = math.lcm(*dividers) / sequence["base_frequency_Hz"]
    samples = cycle * sequence["sampling_rate_Hz"]
    whole = round(samples)
    return whole if whole and abs(samples - whole) <= 1e-6 * samples else None


_METHOD_SECTIONS = ("baselines", "experiments", "twin_methods")
_DEGRADATION = {
    "denoising": ((), ()),
    "accelerated-calibration": (("factor",), ("factor",)),
    "upsampling": (("factor", "truth_spacing"), ("factor",)),
    "inpainting": (("mask_ratio", "mask_runs"), ("mask_ratio",)),
}
"""Options of each task, and those it needs."""
_HIDES_UNKNOWN = {"dncnn": False, "rdn": False, "swinir": False, "unet": True}
"""Networks that may see voxels that were not measured, and whether they hide them by default."""
_BASELINES = {
    "denoising": ("dct-filter",),
    "accelerated-calibration": ("spline",),
    "upsampling": ("spline",),
    "inpainting": ("biharmonic",),
}
"""Classical methods of each task."""

_FIGURES = {
    "figure1": _check_figure1,
    "figure2": _check_figure2,
    "transfer": _check_transfer,
}
"""Those with checks of their own; all others show a measurement."""

_CHECKS = {
    "datasets": _check_dataset,
    "sequences": _check_sequence,
    "grids": _check_grid,
    "phantoms": _check_phantom,
    "scans": _check_scan,
    "noise_pools": _check_noise_pool,
    "baselines": _check_baseline,
    "experiments": _check_experiment,
    "twin_methods": _check_twin_method,
    "test_sets": _check_test_set,
    "tables": _check_table,
    "measurements": _check_measurement,
    "figures": _check_figure,
}
