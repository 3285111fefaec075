"""Methods: their names, and whether they are for a task."""

from smrestore.configuration.consistency.tasks import factor_of
from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.faults import Key

RESERVED_METHODS = ("measured", "reference", "truth")
"""Variants of a reconstruction that are no restoration methods."""
_METHOD_SECTIONS = ("baselines", "experiments", "twin_methods")
CLASSICAL = {
    "denoising": ("dct-filter",),
    "accelerated-calibration": ("spline",),
    "upsampling": ("spline",),
    "inpainting": ("biharmonic",),
}
"""Classical methods of each task."""


def check_baseline(entries: Entries, key: Key, entry: Entry) -> None:
    """Check the name of a classical method, and that it is not told what a guess is."""
    check_method_name(entries, key)
    if "error_share" in entry:
        entries.fault((*key, "error_share"), "this is no guess of a network", "leave it out")


def check_twin_method(entries: Entries, key: Key, entry: Entry) -> None:
    """Check the name of a method on twins, and the one that it applies."""
    check_method_name(entries, key)
    entries.refer((*key, "of"), entry["of"], "baselines", "experiments", what="method")


def check_method_name(entries: Entries, key: Key) -> None:
    """Check that a name is not used for something else."""
    section, name = key
    if name in RESERVED_METHODS:
        entries.fault(key, "reconstructions use this name themselves", "choose another name")
    for other in _METHOD_SECTIONS[: _METHOD_SECTIONS.index(section)]:
        if name in (entries.names(other) or []):
            what = other.replace("_", " ").removesuffix("s")
            article = "an" if what[0] == "e" else "a"
            entries.fault(key, f"{article} {what} has the same name", "rename one of them")


def check_methods(entries: Entries, key: Key, entry: Entry, dimension: int | None) -> None:
    """Check that methods exist and are for this task, its factor and the dimension, if known."""
    for i, name in enumerate(entry["methods"]):
        place = (*key, "methods", i)
        sections = _METHOD_SECTIONS if entries.config.get("twin_methods") else _METHOD_SECTIONS[:2]
        method = entries.refer(place, name, *sections, what="method")
        if method and "of" in method:
            _check_twins(entries, place, method, entry)
            continue
        if method and "method" in method and method["method"] not in CLASSICAL[entry["task"]]:
            entries.fault(
                place,
                f"{method['method']} is no method for {entry['task']}",
                f"use a network, or {' or '.join(CLASSICAL[entry['task']])}",
            )
        if not method or "method" in method:
            continue
        found = {**method, "factor": factor_of(method)}
        wanted = {"task": entry["task"], "dimension": dimension, "factor": factor_of(entry)}
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
