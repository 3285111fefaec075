"""What the entries of a configuration say about each other."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from smrestore.configuration.datasets import resolved_dataset
from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.faults import Fault, Key, choice_remedy
from smrestore.errors import InputError
from smrestore.public.registry import Store, check_file, read_stores
from smrestore.shapes import shape_faults

RESERVED_METHODS = ("measured", "reference", "truth")
"""Variants of a reconstruction that are no restoration methods."""
NOISE_KINDS = ("empty", "calibration")
"""Kinds of scans that have frames without a sample."""
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
    if "frame_range" in entry and entry["frame_range"][1] - entry["frame_range"][0] < 2:
        first, stop = entry["frame_range"]
        entries.fault(
            (*key, "frame_range"),
            f"frames {first} to {stop} are fewer than two",
            "give the first frame and the one after the last",
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
    noise = _noise_frames(entries, entry["noise_pool"])
    learned = {name: entries.get("experiments", name) for name in entry["methods"]}
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
    if "empty" in entry:
        empty = entries.scan((*key, "empty"), entry["empty"], "empty")
        _check_same_setup(entries, (*key, "empty"), empty, calibration, ("scanner", "sequence"))
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
    _check_regularization(entries, (*key, "reconstruction"), settings)
    _check_frames(entries, (*key, "reconstruction", "frames"), settings.get("frames"), phantom)


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


def _largest_grid(dataset: Entry) -> int:
    """Return the most voxels that a grid of a dataset may have."""
    grid, dimension = dataset["grid"], dataset["dimension"]
    # Of all grids of the same average size, the most regular one has the most voxels.
    total = dimension * grid["maximum_size"]
    if "average_size" in grid:
        total = min(total, math.floor(dimension * grid["average_size"][1]))
    side, larger = divmod(total, dimension)
    return (side + 1) ** larger * side ** (dimension - larger) * dataset["refinement"] ** dimension


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
    if pool:
        _check_noise(entries, (*key, "noise_pool"), entry["noise_pool"], pool, dataset)
    return dataset


def _check_noise(entries: Entries, key: Key, name: str, pool: Entry, dataset: Entry) -> None:
    """Check that a pool covers the grids and frequencies of a dataset, as far as they are known."""
    n_voxels, dimension = _largest_grid(dataset), dataset["dimension"]
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
    entries: Entries,
    key: Key,
    scan: Entry | None,
    calibration: Entry | None,
    parts: Iterable[str] = ("scanner", "sequence", "grid"),
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
