"""Checks of the entry of a phantom shape, for use with and without a configuration.

The module imports nothing, so that a configuration is checked without the libraries of a scanner.
"""

from collections.abc import Iterator, Mapping

SHAPES = ("tube", "rod", "spiral", "box")
DEFAULT_SHAPE = "tube"

Entry = Mapping[str, object]
ShapeFault = tuple[str, str, str]
"""Key, what is wrong with it, and the remedy."""


def shape_faults(entry: Entry) -> Iterator[ShapeFault]:
    """Yield what is wrong with the entry of a shape, whose keys and types are right."""
    kind = entry.get("shape", DEFAULT_SHAPE)
    if kind not in SHAPES:
        yield "shape", f"unknown shape {kind!r}", f"use one of {', '.join(SHAPES)}"
        return
    yield from _CHECKS[kind](entry)


def _tube_faults(entry: Entry) -> Iterator[ShapeFault]:
    points = entry["points_mm"]
    if len(points) < 2 or any(len(point) != 3 for point in points):
        yield "points_mm", "no line of two or more points", "give the x, y, z of each corner"
    yield from _not_positive(entry, "radius_mm")


def _rod_faults(entry: Entry) -> Iterator[ShapeFault]:
    if list(entry["start_mm"]) == list(entry["stop_mm"]):
        yield "stop_mm", "both ends are the same", "give the rod a length"
    yield from _not_positive(entry, "radius_mm")
    inner, radius = entry.get("inner_radius_mm", 0), entry["radius_mm"]
    if inner < 0:
        yield "inner_radius_mm", f"{inner:g} is below 0", "give 0 or more"
    elif 0 < radius <= inner:
        fault = f"{inner:g} is not below the radius of {radius:g} mm"
        yield "inner_radius_mm", fault, "give the rod a wall"


def _spiral_faults(entry: Entry) -> Iterator[ShapeFault]:
    yield from _not_positive(entry, "pitch_mm", "width_mm", "height_mm", "turns")
    if entry["start_radius_mm"] < 0:
        yield "start_radius_mm", f"{entry['start_radius_mm']:g} is below 0", "give 0 or more"


def _box_faults(entry: Entry) -> Iterator[ShapeFault]:
    size, wall = entry["size_mm"], entry.get("wall_mm", 0)
    if min(size) <= 0:
        yield "size_mm", "an edge is not above 0", "give three positive lengths"
    elif wall < 0:
        yield "wall_mm", f"{wall:g} is below 0", "give 0 or more"
    elif 2 * wall >= min(size[:2]):
        fault = f"walls of {wall:g} mm fill the box"
        yield "wall_mm", fault, "make them thinner, or leave them out for a solid box"


def _not_positive(entry: Entry, *keys: str) -> Iterator[ShapeFault]:
    for key in keys:
        if entry[key] <= 0:
            yield key, f"{entry[key]:g} is not above 0", "give a positive number"


_CHECKS = {
    "tube": _tube_faults,
    "rod": _rod_faults,
    "spiral": _spiral_faults,
    "box": _box_faults,
}
