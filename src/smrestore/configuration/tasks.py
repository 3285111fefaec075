"""Checks that experiments and test sets share: task, dataset and noise pool."""

import math

from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.noise_pools import check_noise
from smrestore.support.faults import Key
from smrestore.tasks.options import TASKS


def factor_of(entry: Entry) -> int:
    """Return the restored voxels per measured one and axis for an entry with a task."""
    if "factor" not in TASKS[entry["task"]].model_fields:
        return 1
    return {**entry, **entry.get("degradation", {})}.get("factor", 1)


def restored_size(dataset: Entry, entry: Entry) -> int:
    """Return the largest side in voxels of the ground truths of an experiment or a test set."""
    return -(-dataset["grid"]["maximum_size"] * dataset["refinement"] // _truth_spacing(entry))


def check_data(
    entries: Entries, key: Key, entry: Entry, *splits: str, place: Key = ("dataset",)
) -> Entry | None:
    """Check dataset with its splits, dimension and noise pool of an entry.

    ``place`` is where the entry names the dataset.
    """
    name = entry["dataset"]
    dataset = entries.refer((*key, *place), name, "datasets", what="dataset")
    pool = entries.refer((*key, "noise_pool"), entry["noise_pool"], "noise_pools", what="pool")
    if not dataset:
        return None
    for split in splits:
        if not dataset["matrices"][split]:
            entries.fault(
                (*key, *place),
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
        check_noise(entries, (*key, "noise_pool"), entry["noise_pool"], pool, dataset, voxels)
    return dataset


def _truth_spacing(entry: Entry) -> int:
    """Return the spacing of the ground truth in voxels of the stored component."""
    return entry["degradation"].get("truth_spacing", 1)


def _most_voxels(dataset: Entry, entry: Entry) -> int:
    """Return the largest number of measured voxels of a component of an entry."""
    grid, dimension = dataset["grid"], dataset["dimension"]
    # Of all grids of the same average size, the most regular one has the most voxels.
    total = dimension * grid["maximum_size"]
    if "average_size" in grid:
        total = min(total, math.floor(dimension * grid["average_size"][1]))
    side, larger = divmod(total, dimension)
    finer = dataset["refinement"] / (_truth_spacing(entry) * factor_of(entry))
    return math.ceil((side + 1) * finer) ** larger * math.ceil(side * finer) ** (dimension - larger)
