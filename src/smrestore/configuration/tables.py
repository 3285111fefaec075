"""Tables of the study: our values and the published ones."""

from typing import Annotated, Literal

from pydantic import Field

from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.tasks import factor_of
from smrestore.support.faults import Key, choice_remedy
from smrestore.support.settings import Number, Once, Settings, Text, Whole, setting, vector

RESERVED_TABLES = ("claims", "calibration-time")
Published = Literal[
    "bicubic",
    "biharmonic",
    "dct-f",
    "dncnn",
    "pconvunet",
    "rdn",
    "rdn-langevin",
    "smrnet",
    "swinir",
    "tricubic",
]
CAPTIONS = {
    2: "Denoising of simulated system matrices.",
    3: "Accelerated calibration of simulated system matrices, every second voxel along each axis.",
    4: "Upsampling of simulated system matrices.",
    5: "Inpainting of simulated system matrices.",
    6: "Ablation, networks for denoising that were trained with and without anisotropy.",
}
SizeRange = vector(Annotated[Number, Field(ge=0)], 2)


class Table(Settings):
    """A table: mean, 95 % confidence interval and n, in CSV, Markdown and LaTeX.

    Each measurement also has a table `transfer-{measurement}`, and the workflow makes `claims` and
    `calibration-time`. So no entry may have one of these names.
    """

    number: Whole = setting(..., "number of the table in the study", ge=2, le=6)
    caption: Text | None = setting(None, "text above the table; that of the number if left out")
    test_sets: Annotated[vector(Text, 1, 100), Once] = setting(
        ...,
        "entries of `test_sets`, all of one task, shown one below the other; they differ in "
        "dimension, factor or particle state",
    )
    size_ranges: Annotated[vector(SizeRange, 0, 100), Once] = setting(
        (),
        "ranges of the average side length of grids, above the first and not above the second "
        "value, that get rows of their own before those of all sizes",
        unit="voxels",
        study="(12, 18], (18, 24] and (24, 30] in tables 3 and 5",
    )
    published: dict[str, Published | None] = setting(
        ...,
        "our method: method of the published rows beside it. Methods that are not named, or "
        "`null`, have no such rows. The claims of the study use it, too",
    )


def resolve(entries: Entries) -> None:
    """Give each table a caption, and leave out methods that overlays take from `published`."""
    for name, entry in list(entries.sound("tables")):
        published = {ours: theirs for ours, theirs in entry["published"].items() if theirs}
        caption = CAPTIONS[entry["number"]]
        entries.put("tables", name, {"caption": caption, **entry, "published": published})


def check(entries: Entries, key: Key, entry: Entry) -> None:
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
    for i, limits in enumerate(entry["size_ranges"]):
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
