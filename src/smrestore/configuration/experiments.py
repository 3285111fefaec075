"""Experiments: one network and training each, with results in `results/models/{experiment}/`."""

from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.methods import Labelled, check_method_name
from smrestore.configuration.tasks import check_data, factor_of, restored_size
from smrestore.methods.options import CLASSICAL, Inference
from smrestore.networks.cards import OTHER_START, other_start, shipped_names
from smrestore.networks.options import NETWORKS
from smrestore.support.faults import Key
from smrestore.support.settings import Text, setting, vector
from smrestore.training.settings import Learned, Training


class Experiment(Learned, Labelled):
    """A network and its training."""

    dataset: Text = setting(
        ..., "entry of `datasets`; its splits `train` and `validation` are used"
    )
    further_datasets: vector(Text, 0, 10) = setting(
        (),
        "more entries of `datasets`, whose splits `train` are used as well. All matrices are "
        "drawn equally often",
    )
    noise_pool: Text = setting(..., "entry of `noise_pools`")
    training: Training = setting()
    inference: Inference = setting(Inference())


def check(entries: Entries, key: Key, entry: Entry) -> None:
    """Check data, training, network and inference of an experiment."""
    check_method_name(entries, key)
    training, factor = entry["training"], factor_of(entry)
    datasets = {entry["dataset"]: check_data(entries, key, entry, "train", "validation")}
    for number, name in enumerate(entry["further_datasets"]):
        other = {**entry, "dataset": name}
        datasets[name] = check_data(
            entries, key, other, "train", place=("further_datasets", number)
        )
    for name, dataset in datasets.items():
        largest = restored_size(dataset, entry) if dataset else 0
        if largest > training["patch"] and training["oversize"] == "error":
            entries.fault(
                (*key, "training", "patch"),
                f"{training['patch']} voxels are less than the grids of dataset {name!r}, up to "
                f"{largest}",
                "enlarge the patch, limit the grid size, or let oversize crop or exclude them",
            )
    if training["patch"] % factor:
        entries.fault(
            (*key, "training", "patch"),
            f"{training['patch']} voxels are no multiple of the factor {factor}",
            f"give a multiple of {factor}",
        )
    _check_network(entries, key, entry)
    _check_start(entries, key, entry)
    _check_inference(entries, key, entry)


def _check_start(entries: Entries, key: Key, entry: Entry) -> None:
    """Check that the weights to begin with are those of a network of this kind and task."""
    start, place = entry["training"].get("start"), (*key, "training", "start")
    if start is None:
        return
    if start not in shipped_names():
        entries.fault(
            place,
            f"no network {start!r} comes with the package",
            f"use one of {', '.join(shipped_names())}, or leave it out",
        )
        return
    same = (entry[name] for name in ("task", "dimension", "phase"))
    other = other_start(start, *same, entry["network"]["name"])
    if other is not None:
        entries.fault(place, other, f"{OTHER_START}: `start: null` takes it back from `like`")


def _check_network(entries: Entries, key: Key, entry: Entry) -> None:
    """Check that a network exists in this dimension, and that its input and output fit the task."""
    task, name = entry["task"], entry["network"]["name"]
    network = NETWORKS[name].checked(entry["network"])
    if entry["dimension"] not in network.dimensions:
        entries.fault(
            (*key, "network", "name"),
            f"{name} does not exist in {entry['dimension']}D",
            "choose another network",
        )
    wanted = 1 if "guess" in entry else factor_of(entry)
    if network.finer != wanted:
        entries.fault(
            (*key, "network"),
            f"{name} gives {network.finer} voxels per voxel that it sees and axis, {task} wants "
            f"{wanted}" + (" after the guess" if "guess" in entry else ""),
            f"use smrnet with factor {wanted}, or a guess" if wanted > 1 else "use another network",
        )
    elif "guess" in entry:
        methods = [method for method, options in CLASSICAL.items() if task in options.tasks]
        if entry["guess"]["method"] not in methods:
            entries.fault(
                (*key, "guess", "method"),
                f"{entry['guess']['method']} is no method for {task}",
                f"use {' or '.join(methods)}",
            )
        if task != "denoising" and network.hides_unknown:
            entries.fault(
                (*key, "network"),
                f"{name} does not see the guess where nothing was measured",
                "use a network with mask_features: false",
            )


def _check_inference(entries: Entries, key: Key, entry: Entry) -> None:
    """Check how the trained network is used."""
    for limit in ("power_within_noise", "spectrum_within_noise"):
        if limit in entry["inference"] and entry["task"] != "denoising":
            entries.fault(
                (*key, "inference", limit),
                f"{entry['task']} leaves voxels out, whose noise is unknown",
                "use within_noise",
            )
    if "flips" not in entry["inference"]["ensemble"]:
        return
    place = (*key, "inference", "ensemble")
    if not entry["training"]["flips"]:
        entries.fault(
            place,
            "the network never sees mirrored components in training",
            "set training.flips to true, or leave flips out",
        )
    if factor_of(entry) > 1:
        entries.fault(
            place,
            "mirrored grids of measured voxels do not cover the same restored voxels",
            "leave flips out",
        )
