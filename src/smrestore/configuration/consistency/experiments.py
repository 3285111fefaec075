"""Experiments: training, network, first guess and inference."""

from smrestore.configuration.consistency.methods import CLASSICAL, check_method_name
from smrestore.configuration.consistency.tasks import check_data, factor_of, restored_size
from smrestore.configuration.entries import Entries, Entry, check_order
from smrestore.configuration.faults import Key

SWINIR_SIZES = {"features": 180, "heads": 6}
SMRNET_FACTOR = 2
PCONV_CHANNELS = (32, 64, 128, 256)
"""Sizes of networks if an experiment leaves them out."""
_HIDES_UNKNOWN = {"dncnn": False, "rdn": False, "swinir": False, "unet": True}
"""Networks that may see voxels that were not measured, and whether they hide them by default."""


def check_experiment(entries: Entries, key: Key, entry: Entry) -> None:
    """Check data, training, network and inference of an experiment."""
    check_method_name(entries, key)
    training = entry["training"]
    for name in ("sigma", "scale"):
        check_order(entries, (*key, "training", name), *training[name])
    dataset = check_data(entries, key, entry, "train", "validation")
    fits = not dataset or training["patch"] >= restored_size(dataset, entry)
    if not fits and training.get("oversize", "error") == "error":
        entries.fault(
            (*key, "training", "patch"),
            f"{training['patch']} voxels are less than the grids of dataset {entry['dataset']!r}, "
            f"up to {restored_size(dataset, entry)}",
            "enlarge the patch, limit the grid size, or let oversize crop or exclude them",
        )
    _check_use(entries, key, entry)
    factor = factor_of(entry)
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
    if method not in CLASSICAL[task]:
        entries.fault(
            (*key, "guess", "method"),
            f"{method} is no method for {task}",
            f"use {' or '.join(CLASSICAL[task])}",
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
    if network.get("blind", False) and "fades_below" in network:
        entries.fault(
            (*key, "fades_below"),
            "a network that is not told the noise level cannot fade with it",
            "leave it out, or blind",
        )
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
    inference = entry.get("inference", {})
    if "spectrum_within_noise" in inference and entry["task"] != "denoising":
        entries.fault(
            (*key, "inference", "spectrum_within_noise"),
            f"{entry['task']} leaves voxels out, whose spectrum is unknown",
            "use within_noise",
        )
    if "flips" not in inference.get("ensemble", []):
        return
    place = (*key, "inference", "ensemble")
    if not training.get("flips", False):
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
