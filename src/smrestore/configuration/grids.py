"""Calibration grids of virtual scans."""

from typing import Annotated

from pydantic import Field

from smrestore.configuration.entries import Entries, Entry
from smrestore.support.faults import Key
from smrestore.support.settings import Number, Settings, Whole, setting, vector

SMALLEST_FOV_MM = 0.1

Point = vector(Annotated[Number, Field(ge=-1000, le=1000)], 3)
"""Type of a place: x, y, z in mm."""


class Grid(Settings):
    """A calibration grid."""

    size: vector(Annotated[Whole, Field(ge=1, le=1000)], 3) = setting(
        ..., "voxels along x, y, z", study="17, 15, 1 for the snake"
    )
    fov_mm: vector(Annotated[Number, Field(ge=0, le=1000)], 3) = setting(
        ...,
        "field of view between outer voxel edges along x, y, z; 0 along an axis of one voxel",
        study="34, 30 for the snake",
    )
    center_mm: Point = setting((0.0, 0.0, 0.0), "center of the field of view, x, y, z")


def check(entries: Entries, key: Key, entry: Entry) -> None:
    """Check the fields of view of a grid."""
    for i, (size, fov) in enumerate(zip(entry["size"], entry["fov_mm"], strict=True)):
        if fov == 0 and size > 1:
            fault = f"0 mm for {size} voxels along {'xyz'[i]}"
        elif 0 < fov < SMALLEST_FOV_MM:
            fault = f"{fov} is below {SMALLEST_FOV_MM} mm, which may be a wrong unit"
        else:
            continue
        entries.fault((*key, "fov_mm", i), fault, "give the field of view in mm")
