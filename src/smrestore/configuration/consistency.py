"""What the entries of a configuration say about each other."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from smrestore.configuration.datasets import resolved_dataset
from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.faults import Fault, Key, choice_remedy

RESERVED_METHODS = ("measured", "reference", "truth")
"""Variants of a reconstruction that are no restoration methods."""
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
    if entry["source"] == "file":
        path = entries.base_directory / entry["path"]
        if not path.is_file():
            fault = "is a folder, not a file" if path.is_dir() else "no such file"
            remedy = "check the path (relative to the working directory)"
            entries.fault((*key, "path"), f"{fault}: {path}", remedy)
        return
    for part in ("scanner", "sequence", "grid", "phantom"):
        if part in entry:
            entries.refer((*key, part), entry[part], f"{part}s", what=part)

    grid = entries.get("grids", entry.get("grid"))
    run = entry.get("corruption")
    if run and grid and run["first"] + run["count"] > math.prod(grid["size"]):
        entries.fault(
            (*key, "corruption"),
            f"{run['count']} positions from number {run['first']} on go beyond the "
            f"{math.prod(grid['size'])} of grid {entry['grid']!r}",
            "end the run with the grid",
        )


def _check_phantom(entries: Entries, key: Key, entry: Sequence[Entry]) -> None:
    for i, shape in enumerate(entry):
        kind = shape.get("shape", "tube")
        if kind == "rod":
            if shape["start_mm"] == shape["stop_mm"]:
                entries.fault(
                    (*key, i, "stop_mm"), "both ends are the same", "give the rod a length"
                )
            if shape.get("inner_radius_mm", 0) >= shape["radius_mm"]:
                entries.fault(
                    (*key, i, "inner_radius_mm"),
                    f"{shape['inner_radius_mm']:g} is not below the radius of "
                    f"{shape['radius_mm']:g} mm",
                    "give the rod a wall",
                )
        elif kind == "box" and 2 * shape.get("wall_mm", 0) >= min(shape["size_mm"][:2]):
            entries.fault(
                (*key, i, "wall_mm"),
                f"walls of {shape['wall_mm']:g} mm fill the box",
                "make them thinner, or leave them out for a solid box",
            )


def _check_noise_pool(entries: Entries, key: Key, entry: Entry) -> None:
    scan = entries.scan((*key, "scan"), entry["scan"], "empty")
    if scan and "max_mixing_order" in scan:
        entries.fault(
            (*key, "scan"),
            f"scan {entry['scan']!r} stores some frequencies only",
            "remove its max_mixing_order, since a pool needs all",
        )


def _check_baseline(entries: Entries, key: Key, _: Entry) -> None:
    _check_method_name(entries, key)


def _check_experiment(entries: Entries, key: Key, entry: Entry) -> None:
    _check_method_name(entries, key)
    training = entry["training"]
    for name in ("sigma", "scale"):
        _check_order(entries, (*key, "training", name), *training[name])
    dataset = _check_data(entries, key, entry, "train", "validation")
    if dataset and training["patch"] < _largest_size(dataset):
        entries.fault(
            (*key, "training", "patch"),
            f"{training['patch']} voxels are less than the grids of dataset {entry['dataset']!r}, "
            f"up to {_largest_size(dataset)}",
            "enlarge the patch or limit the grid size",
        )


def _check_test_set(entries: Entries, key: Key, entry: Entry) -> None:
    _check_data(entries, key, entry, "test")
    _check_methods(entries, key, entry, entry["dimension"])
    noise = _empty_scan(entries, entry["noise_pool"])
    learned = {name: entries.get("experiments", name) for name in entry["methods"]}
    leaks = [
        name
        for name, experiment in learned.items()
        if experiment and noise and _empty_scan(entries, experiment["noise_pool"]) == noise
    ]
    if leaks:
        entries.fault(
            (*key, "noise_pool"),
            f"its empty scan was used to train {', '.join(leaks)}",
            "test with the noise of another empty scan",
        )


def _check_table(entries: Entries, key: Key, entry: Entry) -> None:
    if key[1] in [f"transfer-{name}" for name in entries.names("measurements") or []]:
        entries.fault(key, "a measurement has a table of this name", "choose another name")
    test_sets = [
        entries.refer((*key, "test_sets", i), name, "test_sets", what="test set")
        for i, name in enumerate(entry["test_sets"])
    ]
    if None in test_sets:
        return
    for what in ("task", "dimension"):
        if len({test_set[what] for test_set in test_sets}) > 1:
            fault = f"the test sets differ in {what}"
            entries.fault((*key, "test_sets"), fault, f"make a table for each {what}")
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
    _check_same_setup(entries, (*key, "phantom"), phantom, calibration)
    if entry["reference"] is not None:
        reference = entries.scan((*key, "reference"), entry["reference"], "calibration")
        _check_same_setup(entries, (*key, "reference"), reference, calibration)
    grid = calibration and entries.get("grids", calibration.get("grid"))
    dimension = grid and (3 if grid["size"][2] > 1 else 2)
    _check_methods(entries, key, entry, dimension)
    settings = entry["reconstruction"]
    _check_order(
        entries,
        (*key, "reconstruction", "min_frequency_Hz"),
        settings.get("min_frequency_Hz", 0.0),
        settings.get("max_frequency_Hz", math.inf),
    )
    for i, channel in enumerate(settings["channels"]):
        _check_channel(entries, (*key, "reconstruction", "channels", i), channel, calibration)


def _check_figure(entries: Entries, key: Key, entry: Entry) -> None:
    _FIGURES[key[1]](entries, key, entry)


def _check_figure1(entries: Entries, key: Key, entry: Entry) -> None:
    dataset = entries.refer((*key, "dataset"), entry["dataset"], "datasets", what="dataset")
    count = dataset["matrices"][entry["split"]] if dataset else math.inf
    if entry["matrices"] > count:
        entries.fault(
            (*key, "matrices"),
            f"{entry['matrices']} are more than the {count} of split {entry['split']!r}",
            f"show at most {count}",
        )


def _check_figure3(entries: Entries, key: Key, entry: Entry) -> None:
    name = entry["measurement"]
    measurement = entries.refer((*key, "measurement"), name, "measurements", what="measurement")
    calibration = measurement and entries.get("scans", measurement["calibration"])
    for i, component in enumerate(entry["components"]):
        place = (*key, "components", i, "channel")
        _check_channel(entries, place, component["channel"], calibration)


def _check_method_name(entries: Entries, key: Key) -> None:
    section, name = key
    if name in RESERVED_METHODS:
        entries.fault(key, "reconstructions use this name themselves", "choose another name")
    if section == "experiments" and name in (entries.names("baselines") or []):
        entries.fault(key, "a baseline has the same name", "rename one of them")


def _largest_size(dataset: Entry) -> int:
    return dataset["grid"]["maximum_size"] * dataset["refinement"]


def _check_data(entries: Entries, key: Key, entry: Entry, *splits: str) -> Entry | None:
    """Check dataset with its splits, dimension and noise pool of an experiment or a test set."""
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
    scan = pool and entries.get("scans", pool["scan"])
    if scan and scan["source"] == "virtual" and scan["kind"] == "empty":
        _check_noise(entries, (*key, "noise_pool"), pool["scan"], scan, dataset)
    return dataset


def _check_noise(entries: Entries, key: Key, name: str, scan: Entry, dataset: Entry) -> None:
    """Check that a virtual empty scan covers the grids and frequencies of a dataset."""
    size, dimension = _largest_size(dataset), dataset["dimension"]
    if scan["frames"] < size**dimension:
        entries.fault(
            key,
            f"the {scan['frames']} frames of scan {name!r} are too few for grids of up to "
            f"{size}^{dimension} = {size**dimension} voxels",
            "scan more frames, or limit the grid size of the dataset",
        )
    sequence = entries.get("sequences", scan["sequence"])
    measured = sequence and _samples(sequence, _driven(sequence))
    simulated = _samples(dataset["sequence"], _axes(dimension))
    if measured and simulated and measured != simulated:
        entries.fault(
            key,
            f"scan {name!r} has {measured // 2 + 1} frequencies, the dataset {simulated // 2 + 1}",
            "give both the same driven axes, dividers and sampling rate",
        )


def _empty_scan(entries: Entries, pool_name: str) -> str | Path | None:
    """Return what tells the empty scan of a noise pool from others, None if it is unknown."""
    pool = entries.get("noise_pools", pool_name)
    scan = pool and entries.get("scans", pool["scan"])
    if scan and scan["source"] == "file":
        return (entries.base_directory / scan["path"]).resolve()
    return pool["scan"] if scan else None


def _check_methods(entries: Entries, key: Key, entry: Entry, dimension: int | None) -> None:
    """Check that methods exist and that networks are for this task and dimension, if known."""
    for i, name in enumerate(entry["methods"]):
        place = (*key, "methods", i)
        entries.refer(place, name, "baselines", "experiments", what="method")
        experiment = entries.get("experiments", name)
        for what, wanted in (("task", entry["task"]), ("dimension", dimension)):
            if experiment and wanted is not None and experiment[what] != wanted:
                entries.fault(
                    place,
                    f"experiment {name!r} has {what} {experiment[what]}, this has {wanted}",
                    f"use experiments of the same {what}",
                )


def _check_same_setup(
    entries: Entries, key: Key, scan: Entry | None, calibration: Entry | None
) -> None:
    """Check that a virtual scan was measured as the calibration was."""
    if not scan or not calibration or not scan["source"] == calibration["source"] == "virtual":
        return
    for part in ("scanner", "sequence", "grid"):
        if scan[part] != calibration[part]:
            entries.fault(
                key,
                f"scan has {part} {scan[part]!r}, the calibration {calibration[part]!r}",
                f"use scans of the same {part}",
            )


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


_FIGURES = {"figure1": _check_figure1, "figure3": _check_figure3}

_CHECKS = {
    "datasets": _check_dataset,
    "sequences": _check_sequence,
    "grids": _check_grid,
    "phantoms": _check_phantom,
    "scans": _check_scan,
    "noise_pools": _check_noise_pool,
    "baselines": _check_baseline,
    "experiments": _check_experiment,
    "test_sets": _check_test_set,
    "tables": _check_table,
    "measurements": _check_measurement,
    "figures": _check_figure,
}
