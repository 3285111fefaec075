"""Phantoms as geometry in millimeters, and their concentration at points and on a grid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from smrestore.physics.grid import CalibrationGrid
from smrestore.scanner.shapes import DEFAULT_SHAPE, Entry, shape_faults
from smrestore.support.errors import InputError

Point = tuple[float, float, float]

BLOCK_POINTS = 2**20
"""Points at which the concentration is evaluated at a time."""


class Shape(Protocol):
    """A body of one concentration, in units of the delta sample's."""

    concentration: float

    def contains(self, positions: np.ndarray) -> np.ndarray:
        """Tell which positions, (..., 3) in m, lie inside; bool (...)."""


@dataclass(frozen=True)
class Tube:
    """A bent tube with round ends: all points within ``radius`` of a polyline.

    Attributes
    ----------
    points
        Corners of the center line, (n, 3) in m.
    radius
        In m.
    concentration
        In units of the delta sample's.
    """

    points: tuple[Point, ...]
    radius: float
    concentration: float = 1.0

    def contains(self, positions: np.ndarray) -> np.ndarray:
        """See :class:`Shape`."""
        inside = np.zeros(positions.shape[:-1], dtype=bool)
        corners = np.array(self.points)
        for start, stop in pairwise(corners):
            direction = stop - start
            # Equal corners make a ball instead of a division by zero.
            squared_length = max(direction @ direction, np.finfo(float).tiny)
            along = (positions - start) @ direction / squared_length
            nearest = start + np.clip(along, 0, 1)[..., None] * direction
            inside |= ((positions - nearest) ** 2).sum(axis=-1) <= self.radius**2
        return inside


@dataclass(frozen=True)
class Rod:
    """A straight cylinder with flat ends, solid or hollow.

    Attributes
    ----------
    start, stop
        Middle of the ends in m.
    radius, inner_radius
        In m.
    concentration
        In units of the delta sample's.
    """

    start: Point
    stop: Point
    radius: float
    inner_radius: float = 0.0
    concentration: float = 1.0

    def contains(self, positions: np.ndarray) -> np.ndarray:
        """See :class:`Shape`."""
        axis = np.subtract(self.stop, self.start)
        length = np.linalg.norm(axis)
        relative = positions - np.array(self.start)
        along = relative @ (axis / length)
        squared = (relative**2).sum(axis=-1) - along**2
        # The subtraction leaves rounding errors on the axis.
        squared = np.maximum(squared, 0)
        inside = (along >= 0) & (along <= length)
        return inside & (squared <= self.radius**2) & (squared >= self.inner_radius**2)


@dataclass(frozen=True)
class Spiral:
    """A band along an Archimedean spiral, in a plane across z.

    The center line is r = start_radius + pitch phi / (2 pi) for 0 <= phi <= 2 pi turns, from the x
    axis towards the y axis. The band is ``width`` wide in r and ``height`` high in z.

    Attributes
    ----------
    center
        In m.
    start_radius, pitch, width, height
        In m.
    turns
        Need not be whole.
    concentration
        In units of the delta sample's.
    """

    center: Point
    start_radius: float
    pitch: float
    turns: float
    width: float
    height: float
    concentration: float = 1.0

    def contains(self, positions: np.ndarray) -> np.ndarray:
        """See :class:`Shape`."""
        x, y, z = np.moveaxis(positions - np.array(self.center), -1, 0)
        radius, turn = np.hypot(x, y), np.mod(np.arctan2(y, x) / (2 * np.pi), 1)
        inside = np.zeros(radius.shape, dtype=bool)
        for number in range(int(np.ceil(self.turns))):
            line = self.start_radius + self.pitch * (turn + number)
            inside |= (np.abs(radius - line) <= self.width / 2) & (turn + number <= self.turns)
        return inside & (np.abs(z) <= self.height / 2)


@dataclass(frozen=True)
class Box:
    """A cuboid along the axes; with a wall, a rectangular frame around the z direction.

    Attributes
    ----------
    center, size
        In m.
    wall
        Thickness of the frame in x and y in m, its inside is empty; 0 for a solid cuboid.
    concentration
        In units of the delta sample's.
    """

    center: Point
    size: Point
    wall: float = 0.0
    concentration: float = 1.0

    def contains(self, positions: np.ndarray) -> np.ndarray:
        """See :class:`Shape`."""
        distance = np.abs(positions - np.array(self.center))
        half = np.array(self.size) / 2
        inside = (distance <= half).all(axis=-1)
        if self.wall > 0:
            inside &= (distance[..., :2] >= half[:2] - self.wall).any(axis=-1)
        return inside


@dataclass(frozen=True)
class Phantom:
    """Shapes, which may overlap: the last one counts."""

    shapes: tuple[Shape, ...]

    def concentration(self, positions: np.ndarray) -> np.ndarray:
        """Return the concentration at positions (..., 3) in m, float64 (...)."""
        result = np.zeros(positions.shape[:-1])
        for shape in self.shapes:
            result[shape.contains(positions)] = shape.concentration
        return result

    def on_grid(self, grid: CalibrationGrid, oversampling: int = 8) -> np.ndarray:
        """Return the mean concentration of each voxel, float64 (Nx, Ny, Nz).

        Each voxel is sampled at ``oversampling`` points along each axis that has extent.
        """
        fine = refined(grid, oversampling)
        factor = np.array(fine.size) // np.array(grid.size)
        axes = fine.axes()
        image = np.empty(grid.size)
        step = max(1, BLOCK_POINTS // (factor[0] * fine.size[1] * fine.size[2]))
        for start in range(0, grid.size[0], step):
            part = slice(start * factor[0], (start + step) * factor[0])
            points = np.stack(np.meshgrid(axes[0][part], *axes[1:], indexing="ij"), axis=-1)
            values = self.concentration(points)
            sizes = (values.shape[0] // factor[0], *grid.size[1:])
            shape = [n for pair in zip(sizes, factor, strict=True) for n in pair]
            image[start : start + step] = values.reshape(shape).mean(axis=(1, 3, 5))
        return image


def refined(grid: CalibrationGrid, factor: int) -> CalibrationGrid:
    """Return the grid with ``factor`` times the voxels along each axis that has extent."""
    size = tuple(n * factor if fov > 0 else n for n, fov in zip(grid.size, grid.fov, strict=True))
    return CalibrationGrid(size, grid.fov, grid.center)


def load_phantom(shapes: Sequence[Entry]) -> Phantom:
    """Build a phantom from its configuration, a list of shapes; they are tubes if not named.

    Raises
    ------
    InputError
        If a shape is unknown, or has no extent.
    """
    loaded = []
    for i, entry in enumerate(shapes):
        for name, fault, remedy in shape_faults(entry):
            raise InputError(fault, field=f"phantoms shape {i + 1}: {name}", remedy=remedy)
        loaded.append(_LOADERS[entry.get("shape", DEFAULT_SHAPE)](entry))
    return Phantom(tuple(loaded))


def _load_tube(entry: Entry) -> Tube:
    return Tube(
        points=tuple(_point(point) for point in entry["points_mm"]),
        radius=entry["radius_mm"] * 1e-3,
        concentration=entry.get("concentration", 1.0),
    )


def _load_rod(entry: Entry) -> Rod:
    return Rod(
        start=_point(entry["start_mm"]),
        stop=_point(entry["stop_mm"]),
        radius=entry["radius_mm"] * 1e-3,
        inner_radius=entry.get("inner_radius_mm", 0.0) * 1e-3,
        concentration=entry.get("concentration", 1.0),
    )


def _load_spiral(entry: Entry) -> Spiral:
    pitch, width, height = (1e-3 * entry[f"{name}_mm"] for name in ("pitch", "width", "height"))
    return Spiral(
        center=_point(entry["center_mm"]),
        start_radius=entry["start_radius_mm"] * 1e-3,
        pitch=pitch,
        turns=entry["turns"],
        width=width,
        height=height,
        concentration=entry.get("concentration", 1.0),
    )


def _load_box(entry: Entry) -> Box:
    return Box(
        center=_point(entry["center_mm"]),
        size=_point(entry["size_mm"]),
        wall=entry.get("wall_mm", 0.0) * 1e-3,
        concentration=entry.get("concentration", 1.0),
    )


def _point(millimeters: Sequence[float]) -> Point:
    return tuple(1e-3 * value for value in millimeters)


_LOADERS: dict[str, Callable[[Entry], Shape]] = {
    "tube": _load_tube,
    "rod": _load_rod,
    "spiral": _load_spiral,
    "box": _load_box,
}
