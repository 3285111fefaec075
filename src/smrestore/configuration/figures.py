"""Figures of the study, and what they show."""

import math
from typing import Annotated, Literal

from pydantic import Field

from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.setups import check_channel
from smrestore.support.faults import Key, choice_remedy
from smrestore.support.settings import Count, Number, Once, Settings, Text, Whole, setting, vector

MixingOrder = vector(Annotated[Whole, Field(ge=-10000, le=10000)], 3)


class Figure1(Settings):
    """Components of simulated system matrices."""

    dataset: Text = setting(..., "entry of `datasets`")
    split: Literal["train", "validation", "test"] = setting("test", "split of the dataset")
    matrices: Whole = setting(
        4,
        "how many system matrices are shown; both particle states and all sizes are represented",
        ge=1,
        le=8,
    )
    mixing_orders: Annotated[vector(MixingOrder, 1, 100), Once] = setting(
        ...,
        "mixing orders (n_x, n_y, n_z). Where a component was not kept, the nearest kept one is "
        "shown and named",
    )
    channel: Whole = setting(0, "receive channel, counted from 0", ge=0, le=2)


class Figure2(Settings):
    """Drawings of phantoms with dimensions."""

    phantoms: Annotated[vector(Text, 1, 100), Once] = setting(..., "entries of `phantoms`")


class ShownComponent(Settings):
    """A component of a system matrix."""

    channel: Count = setting(..., "receive channel, counted from 0")
    mixing_order: MixingOrder = setting(
        ...,
        "mixing order (n_x, n_y, n_z). Where the scan does not store it, the nearest stored one is "
        "shown and named",
    )


class Plane(Settings):
    """A plane through a volume."""

    across: Literal["x", "y", "z"] = setting(..., "axis that the plane stands across")
    at_mm: Number | None = setting(
        None,
        "where it cuts this axis, moved to the nearest voxel of the coarsest grid; if left out the "
        "center, or where most of the missing voxels lie",
        ge=-1000,
        le=1000,
    )


class MeasurementFigure(Settings):
    """Measured, restored and true components of a measurement, and the reconstructed images."""

    measurement: Text = setting(..., "entry of `measurements`")
    methods: Annotated[vector(Text, 1, 100), Once] | None = setting(
        None, "which of its methods are shown; all if left out"
    )
    components: vector(ShownComponent, 1, 100) | None = setting(
        None, "components that are shown; three of falling signal-to-noise ratio if left out"
    )
    component_planes: vector(Plane, 1, 100) | None = setting(
        None, "planes of each component; the one across z if left out"
    )
    image_planes: vector(Plane, 1, 100) | None = setting(
        None, "planes of the reconstructions; those across z, y and x if left out"
    )


class Panel(Settings):
    """Gains of one measurement, and of a test set of the same task."""

    title: Text = setting(..., "text above the panel")
    measurement: Text = setting(..., "entry of `measurements`")
    test_set: Text = setting(..., "entry of `test_sets` of the same task")
    baseline: Text = setting(..., "method of both, to which the others are compared")


class Transfer(Settings):
    """Gains over a baseline, on simulated test sets and on virtual scans."""

    panels: vector(Panel, 1, 12) = setting(..., "panels, one measurement each")


class Figures(Settings):
    """The figures. Those that are left out are not drawn."""

    figure1: Figure1 | None = setting(None)
    figure2: Figure2 | None = setting(None)
    figure3: MeasurementFigure | None = setting(None, "denoising")
    figure4: MeasurementFigure | None = setting(None, "accelerated calibration")
    figure5: MeasurementFigure | None = setting(None, "upsampling")
    figure6: MeasurementFigure | None = setting(None, "inpainting")
    transfer: Transfer | None = setting(None)


def check(entries: Entries, key: Key, entry: Entry) -> None:
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


_FIGURES = {"figure1": _check_figure1, "figure2": _check_figure2, "transfer": _check_transfer}
"""Figures with their own checks. All others show a measurement."""
