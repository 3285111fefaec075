"""Methods: classical ones, methods on twin frequencies, and physics fitted to a scan."""

from pydantic import create_model

from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.tasks import factor_of
from smrestore.methods.options import CLASSICAL
from smrestore.support.choices import Fitted
from smrestore.support.faults import Key
from smrestore.support.settings import Flag, Settings, Text, Whole, either, setting

RESERVED_METHODS = ("measured", "reference", "truth")
"""Variants of a reconstruction that are not restoration methods."""
_METHOD_SECTIONS = ("baselines", "experiments", "twin_methods", "fitted_methods")


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


def check_twin_method(entries: Entries, key: Key, entry: Entry) -> None:
    """Check the name of a method on twins, and the method that it applies."""
    check_method_name(entries, key)
    entries.refer((*key, "of"), entry["of"], "baselines", "experiments", what="method")


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
        optional = ("twin_methods", "fitted_methods") if whole else ("twin_methods",)
        sections = [*_METHOD_SECTIONS[:2], *(s for s in optional if entries.names(s))]
        method = entries.refer(place, name, *sections, what="method")
        if method and "of" in method:
            _check_twins(entries, place, method, entry)
            continue
        classical = [name for name, kind in CLASSICAL.items() if entry["task"] in kind.tasks]
        if method and "method" in method and method["method"] not in classical:
            entries.fault(
                place,
                f"{method['method']} is no method for {entry['task']}",
                f"use a network, or {' or '.join(classical)}",
            )
        if not method or "method" in method:
            continue
        found = {**method, "factor": factor_of(method)}
        wanted = {"task": entry["task"], "dimension": dimension, "factor": factor_of(entry)}
        # Networks for planes denoise volumes plane by plane.
        if entry["task"] == "denoising" and (dimension, found["dimension"]) == (3, 2):
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
