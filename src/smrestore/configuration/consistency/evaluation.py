"""Test sets and tables."""

from smrestore.configuration.consistency.methods import check_methods
from smrestore.configuration.consistency.noise import noise_frames, overlap
from smrestore.configuration.consistency.tasks import check_data, factor_of
from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.faults import Key, choice_remedy

RESERVED_TABLES = ("claims", "calibration-time")


def check_test_set(entries: Entries, key: Key, entry: Entry) -> None:
    """Check data and methods of a test set, and that no method was trained with its noise."""
    check_data(entries, key, entry, "test")
    check_methods(entries, key, entry, entry["dimension"])
    noise = noise_frames(entries, entry["noise_pool"])
    single = {n: (entries.get("twin_methods", n) or {}).get("of", n) for n in entry["methods"]}
    learned = {name: entries.get("experiments", single[name]) for name in entry["methods"]}
    leaks = [
        name
        for name, experiment in learned.items()
        if experiment and overlap(noise, noise_frames(entries, experiment["noise_pool"]))
    ]
    if leaks:
        entries.fault(
            (*key, "noise_pool"),
            f"its frames were used to train {', '.join(leaks)}",
            "test with the noise of another scan, or of other frames of it",
        )


def check_table(entries: Entries, key: Key, entry: Entry) -> None:
    """Check the test sets, sizes and published methods of a table."""
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
    kinds = [(t["dimension"], factor_of(t), t.get("particle_state")) for t in test_sets]
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
