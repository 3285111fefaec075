"""Figures: what they show."""

import math

from smrestore.configuration.consistency.setups import check_channel
from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.faults import Key, choice_remedy


def check_figure(entries: Entries, key: Key, entry: Entry) -> None:
    """Check what a figure shows."""
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
        check_channel(entries, place, component["channel"], calibration)
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


_FIGURES = {
    "figure1": _check_figure1,
    "figure2": _check_figure2,
    "transfer": _check_transfer,
}
"""Those with checks of their own; all others show a measurement."""
