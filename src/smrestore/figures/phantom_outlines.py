"""Silhouettes of phantom shapes as polygons, seen along an axis; lengths in mm."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.path import Path
from scipy.spatial import ConvexHull, QhullError

from smrestore.scanner.phantoms import Box, Rod, Shape, Spiral, Tube

MM = 1e3
_CIRCLE = np.exp(2j * np.pi * np.arange(96) / 96)
_SPIRAL_STEPS = 96
"""Points of a circle, and of a turn of a spiral."""


@dataclass(frozen=True)
class View:
    """A parallel projection.

    Attributes
    ----------
    horizontal, vertical
        Axes of the drawing: 0, 1 or 2 for x, y or z.
    depth
        Axis along which one looks.
    towards
        1 if larger positions along it are nearer to the eye, else -1.
    """

    horizontal: int
    vertical: int
    depth: int
    towards: int

    @property
    def axes(self) -> list[int]:
        """Axes of the drawing."""
        return [self.horizontal, self.vertical]


FROM_ABOVE = View(0, 1, 2, 1)
"""x to the right, y up, seen from positive z."""
FROM_FRONT = View(0, 2, 1, -1)
"""x to the right, z up, seen from negative y."""


@dataclass(frozen=True, eq=False)
class Outline:
    """A projected shape.

    Attributes
    ----------
    parts
        Closed polygons (n, 2), which together are the silhouette.
    holes
        Closed polygons (n, 2) where one sees through it.
    hidden
        Closed polygons (n, 2) of edges inside.
    front
        How near its nearest point is to the eye, along the line of sight.
    """

    parts: tuple[np.ndarray, ...]
    holes: tuple[np.ndarray, ...] = ()
    hidden: tuple[np.ndarray, ...] = ()
    front: float = 0.0

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Horizontal start and end, vertical start and end."""
        points = np.concatenate(self.parts)
        (left, bottom), (right, top) = points.min(axis=0), points.max(axis=0)
        return float(left), float(right), float(bottom), float(top)

    @property
    def path(self) -> Path:
        """The silhouette; holes run the other way round."""
        parts = [_turned(part, 1) for part in self.parts]
        return Path.make_compound_path(
            *(_closed(part) for part in parts),
            *(_closed(_turned(hole, -1)) for hole in self.holes),
        )

    def covers(self, other: "Outline") -> bool:
        """Tell whether this shape is nearer than another one and hides all of it."""
        points = np.concatenate(other.parts)
        inside = np.zeros(len(points), dtype=bool)
        for part in self.parts:
            # Points on the edge count, whichever way the polygon runs.
            path = _closed(_turned(part, 1))
            inside |= path.contains_points(points, radius=1e-6)
            inside |= path.contains_points(points, radius=-1e-6)
        seen_through = any(_closed(hole).contains_points(points).any() for hole in self.holes)
        return bool(self.front > other.front and inside.all() and not seen_through)


@functools.singledispatch
def outline(shape: Shape, view: View) -> Outline:
    """Return the silhouette of a shape."""
    raise TypeError(f"no outline of a {type(shape).__name__}")


@outline.register
def _(shape: Tube, view: View) -> Outline:
    points = MM * np.array(shape.points)
    radius = MM * shape.radius
    circle = radius * np.stack([_CIRCLE.real, _CIRCLE.imag], axis=1)
    ends = [circle + point[view.axes] for point in points]
    parts = tuple(_hull([one, other]) for one, other in pairwise(ends))
    return Outline(parts, front=_front(points, view) + radius)


@outline.register
def _(shape: Rod, view: View) -> Outline:
    def tube(radius: float) -> list[np.ndarray]:
        return [MM * (np.array(end) + radius * ring) for end in (shape.start, shape.stop)]

    ring = _ring(np.subtract(shape.stop, shape.start))
    outer = tube(shape.radius)
    part = _hull([end[:, view.axes] for end in outer])
    inner = ()
    if shape.inner_radius > 0:
        inner = (_hull([end[:, view.axes] for end in tube(shape.inner_radius)]),)
    along = bool(np.allclose(np.subtract(shape.stop, shape.start)[view.axes], 0))
    return Outline(
        (part,),
        holes=inner if along else (),
        hidden=() if along else inner,
        front=_front(np.concatenate(outer), view),
    )


@outline.register
def _(shape: Spiral, view: View) -> Outline:
    center = MM * np.array(shape.center)
    angle = 2 * np.pi * np.linspace(0, shape.turns, int(np.ceil(_SPIRAL_STEPS * shape.turns)) + 1)
    line = shape.start_radius + shape.pitch * angle / (2 * np.pi)
    edges = [np.maximum(line + side * shape.width / 2, 0) * MM for side in (1, -1)]
    outer, inner = (np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1) for r in edges)
    # A band that is wider than its pitch overlaps itself: turn by turn it is a simple polygon.
    cuts = range(0, len(angle) - 1, _SPIRAL_STEPS)
    band = [
        np.concatenate([outer[i : i + _SPIRAL_STEPS + 1], inner[i : i + _SPIRAL_STEPS + 1][::-1]])
        + center[:2]
        for i in cuts
    ]
    half = MM * shape.height / 2
    if view.depth == 2:
        return Outline(tuple(band), front=view.towards * center[2] + half)
    points = np.concatenate(band)
    across = {0: points[:, 0], 1: points[:, 1], 2: center[2] + np.array([-half, half])}
    (left, right), (bottom, top) = ((across[axis].min(), across[axis].max()) for axis in view.axes)
    front = (view.towards * across[view.depth]).max()
    return Outline((_rectangle(left, right, bottom, top),), front=float(front))


@outline.register
def _(shape: Box, view: View) -> Outline:
    center, half = MM * np.array(shape.center), MM * np.array(shape.size) / 2
    wall = MM * shape.wall
    inside = half - np.array([wall, wall, 0.0])

    def rectangle(extent: np.ndarray) -> np.ndarray:
        edges = [center[axis] + side * extent[axis] for axis in view.axes for side in (-1, 1)]
        return _rectangle(*edges)

    inner = (rectangle(inside),) if wall > 0 else ()
    return Outline(
        (rectangle(half),),
        holes=inner if view.depth == 2 else (),
        hidden=() if view.depth == 2 else inner,
        front=float(view.towards * center[view.depth] + half[view.depth]),
    )


def bounds_of(outlines: Iterable[Outline]) -> tuple[float, float, float, float]:
    """Return horizontal start and end, vertical start and end of outlines."""
    left, right, bottom, top = np.array([outline.bounds for outline in outlines]).T
    return float(left.min()), float(right.max()), float(bottom.min()), float(top.max())


def _ring(axis: np.ndarray) -> np.ndarray:
    """Return points of the unit circle across an axis, (n, 3)."""
    axis = axis / np.linalg.norm(axis)
    across = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    across /= np.linalg.norm(across)
    return np.outer(_CIRCLE.real, across) + np.outer(_CIRCLE.imag, np.cross(axis, across))


def _front(points: np.ndarray, view: View) -> float:
    return float((view.towards * points[:, view.depth]).max())


def _hull(point_sets: list[np.ndarray]) -> np.ndarray:
    points = np.concatenate(point_sets)
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:
        # A line, such as a circle seen from its side.
        return points[[points.sum(axis=1).argmin(), points.sum(axis=1).argmax()]]


def _rectangle(left: float, right: float, bottom: float, top: float) -> np.ndarray:
    return np.array([[left, bottom], [right, bottom], [right, top], [left, top]])


def _turned(polygon: np.ndarray, sense: int) -> np.ndarray:
    """Return a polygon that runs counterclockwise (1) or clockwise (-1)."""
    x, y = polygon.T
    area = np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)
    return polygon if np.sign(area) in (0, sense) else polygon[::-1]


def _closed(polygon: np.ndarray) -> Path:
    return Path(np.concatenate([polygon, polygon[:1]]), closed=True)
