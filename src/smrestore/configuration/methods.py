"""Methods: classical ones, networks of the package, methods on twin frequencies or on denoised
components, and physics fitted to a scan."""

from pydantic import create_model

from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.tasks import factor_of
from smrestore.methods.options import CLASSICAL, Inference
from smrestore.networks.cards import read_card, shipped_names, shipped_weights
from smrestore.support.choices import Fitted
from smrestore.support.faults import Key, choice_remedy
from smrestore.support.settings import Flag, Settings, Text, Whole, either, setting

RESERVED_METHODS = ("measured", "reference", "truth")
"""Variants of a reconstruction that are not restoration methods."""
_SINGLE = ("baselines", "experiments", "shipped_networks")
"""Sections of methods that do not rest on other methods."""
_METHOD_SECTIONS = (*_SINGLE, "denoised_methods", "twin_methods", "fitted_methods")
_OPTIONAL = _METHOD_SECTIONS[2:]


class Labelled(Settings):
    """Entries that have a name for readers."""

    label: Text = setting(..., "name in tables and figures")


Baseline = either(
    *(
        create_model(
            f"{options.__name__}Baseline", __base__=(options, Labelled), __doc__=options.__doc__
        )
        for options in CLASSICAL.values()
    ),
    by="method",
)
"""Type of a classical method with its name for readers."""


class ShippedNetwork(Labelled):
    """A network that comes with the package. Nothing is trained.

    `smrestore models` lists them. A network for planes denoises volumes plane by plane.
    """

    weights: Text = setting(..., "name of a network of the package")
    inference: Inference = setting(Inference())


class DenoisedMethod(Labelled):
    """A method for another task that works on denoised components.

    Missing voxels are restored first, so that the denoiser sees complete images. The noise that the
    method is told is a quarter of that of the measurement.
    """

    denoiser: Text = setting(..., "experiment or shipped network for denoising")
    of: Text = setting(..., "baseline, experiment or shipped network that restores the result")


class TwinMethod(Labelled):
    """A method for denoising that works on components averaged with their twin frequencies.

    Bins whose mixing orders differ only in signs have the same image with other noise: two of them
    in 2D, four in 3D. In a scan, twins are found by their mixing orders and weighted by their
    signal-to-noise ratios. See [classical.md](classical.md).
    """

    of: Text = setting(
        ...,
        "baseline or experiment that restores the averaged components; it is told the remaining "
        "noise",
    )


class FittedMethod(Labelled):
    """A method that restores a whole matrix by the physics fitted to its scan.

    It uses the calibration as it was measured, even if a `prior` restores it first. Simulated test
    sets have single components and cannot use it. See [fit.md](fit.md).
    """

    fit: Text = setting(..., "entry of `fits`: what is fitted")
    use: Fitted = setting(
        "model-and-measurement", "images of the model alone, or joined with what was measured"
    )
    refinement: Whole = setting(
        1,
        "voxels of the restored grid per voxel of the task's and axis; images alone are compared "
        "then",
        ge=1,
        le=8,
    )
    own_rows: Flag = setting(
        False,
        "choose rows of the reconstruction by the expected error of the restored matrix, not by "
        "the signal-to-noise ratio of the calibration",
    )
    allow_misfit: Flag = setting(False, "restore scans, too, that the model does not describe")


def check_fitted_method(entries: Entries, key: Key, entry: Entry) -> None:
    """Check the name of a fitted method, and the fit that it uses."""
    check_method_name(entries, key)
    entries.refer((*key, "fit"), entry["fit"], "fits", what="fit")


def check_baseline(entries: Entries, key: Key, entry: Entry) -> None:
    """Check the name of a classical method."""
    check_method_name(entries, key)


def check_shipped_network(entries: Entries, key: Key, entry: Entry) -> None:
    """Check that a network comes with the package."""
    check_method_name(entries, key)
    if entry["weights"] not in shipped_names():
        entries.fault(
            (*key, "weights"),
            f"no network {entry['weights']!r} comes with the package",
            choice_remedy(entry["weights"], shipped_names()),
        )


def check_denoised_method(entries: Entries, key: Key, entry: Entry) -> None:
    """Check the denoiser, and that the method after it is for another task."""
    check_method_name(entries, key)
    networks = _given(entries, "experiments", "shipped_networks")
    denoiser = entries.refer((*key, "denoiser"), entry["denoiser"], *networks, what="network")
    if denoiser and (learned := learned_settings(denoiser)) and learned["task"] != "denoising":
        entries.fault(
            (*key, "denoiser"), f"is trained for {learned['task']}", "use one for denoising"
        )
    method = entries.refer((*key, "of"), entry["of"], *_given(entries, *_SINGLE), what="method")
    if not method:
        return
    tasks = CLASSICAL[method["method"]].tasks if "method" in method else ()
    if "method" not in method and (learned := learned_settings(method)):
        tasks = (learned["task"],)
    if "denoising" in tasks:
        entries.fault((*key, "of"), "denoises once more", "use it by itself")


def check_twin_method(entries: Entries, key: Key, entry: Entry) -> None:
    """Check the name of a method on twins, and the method that it applies."""
    check_method_name(entries, key)
    entries.refer((*key, "of"), entry["of"], *_given(entries, *_SINGLE), what="method")


def learned_settings(method: Entry) -> Entry | None:
    """Return what a network is trained for, None if it does not come with the package."""
    if "weights" not in method:
        return method
    if method["weights"] not in shipped_names():
        return None
    return read_card(shipped_weights(method["weights"]))["settings"]


def parts_of(entries: Entries, name: str) -> list[str]:
    """Return the methods that a method rests on, or itself if it rests on no other."""
    for section in ("denoised_methods", "twin_methods"):
        if method := entries.get(section, name):
            return [method[part] for part in ("denoiser", "of") if part in method]
    return [name]


def _given(entries: Entries, *sections: str) -> list[str]:
    """Return the sections, without optional ones that are empty."""
    return [name for name in sections if name not in _OPTIONAL or entries.names(name)]


def check_method_name(entries: Entries, key: Key) -> None:
    """Check that nothing else has the name of a method."""
    section, name = key
    if name in RESERVED_METHODS:
        entries.fault(key, "reconstructions use this name themselves", "choose another name")
    for other in _METHOD_SECTIONS[: _METHOD_SECTIONS.index(section)]:
        if name in (entries.names(other) or []):
            what = other.replace("_", " ").removesuffix("s")
            article = "an" if what[0] == "e" else "a"
            entries.fault(key, f"{article} {what} has the same name", "rename one of them")


def check_methods(entries: Entries, key: Key, entry: Entry, dimension: int | None) -> None:
    """Check that methods exist and fit the task, its factor, and the dimension if it is known."""
    for i, name in enumerate(entry["methods"]):
        place = (*key, "methods", i)
        whole = "calibration" in entry
        if name in (entries.names("fitted_methods") or []):
            if not whole:
                entries.fault(
                    place,
                    f"{name!r} restores whole matrices, and a test set has single components",
                    "use it in measurements",
                )
            continue
        sections = _METHOD_SECTIONS if whole else _METHOD_SECTIONS[:-1]
        method = entries.refer(place, name, *_given(entries, *sections), what="method")
        if method and "denoiser" in method:
            if entry["task"] == "denoising":
                entries.fault(place, "denoises once more", f"use {method['denoiser']!r}")
                continue
            method = next((e for part in _SINGLE if (e := entries.get(part, method["of"]))), None)
        elif method and "of" in method:
            _check_twins(entries, place, method, entry)
            continue
        if method:
            _check_single(entries, place, name, method, entry, dimension)


def _check_single(
    entries: Entries, place: Key, name: str, method: Entry, user: Entry, dimension: int | None
) -> None:
    """Check that a classical method or a network fits the task, its factor and the dimension."""
    if "method" in method:
        classical = [name for name, kind in CLASSICAL.items() if user["task"] in kind.tasks]
        if method["method"] not in classical:
            entries.fault(
                place,
                f"{method['method']} is no method for {user['task']}",
                f"use a network, or {' or '.join(classical)}",
            )
        return
    learned = learned_settings(method)
    if learned is None:
        return
    found = {**learned, "factor": factor_of(learned)}
    wanted = {"task": user["task"], "dimension": dimension, "factor": factor_of(user)}
    # Networks for planes denoise volumes plane by plane.
    if user["task"] == "denoising" and (dimension, found["dimension"]) == (3, 2):
        wanted["dimension"] = None
    for what, value in wanted.items():
        if value is not None and found[what] != value:
            entries.fault(
                place,
                f"experiment {name!r} has {what} {found[what]}, this has {value}",
                f"use experiments of the same {what}",
            )


def _check_twins(entries: Entries, place: Key, method: Entry, user: Entry) -> None:
    """Check that twins are used for denoising, next to the same method without twins."""
    if user["task"] != "denoising" or "prior" in user:
        what = f"for {user['task']}" if user["task"] != "denoising" else "of a restored scan"
        entries.fault(place, f"twins cannot be used {what}", f"use {method['of']!r}")
    elif method["of"] not in user["methods"]:
        entries.fault(
            place,
            f"twins are compared with {method['of']!r}, which is not among the methods",
            f"add {method['of']!r}",
        )
