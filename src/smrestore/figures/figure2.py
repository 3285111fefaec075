"""Figure 2: the phantoms as drawings from their geometry, with dimensions."""

import string
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Arc, PathPatch, Rectangle

from smrestore.figures.phantom_outlines import (
    FROM_ABOVE,
    FROM_FRONT,
    MM,
    Outline,
    View,
    bounds_of,
    outline,
)
from smrestore.figures.style import (
    COLORS,
    FULL_WIDTH_MM,
    SMALL_PT,
    add_axes,
    add_text,
    journal_style,
    new_figure,
    save,
    text_width_mm,
    wrap_text,
)
from smrestore.scanner.phantoms import Box, Phantom, Rod, Shape, Spiral, Tube
from smrestore.support.errors import InputError

PER_ROW = 4
MAX_HEIGHT_MM = 45.0
"""Of a view on paper."""

_MARGIN, _TITLE, _LINE = 1.0, 5.0, 3.0
_PAD_LEFT, _PAD_RIGHT, _PAD_TOP, _PAD_BETWEEN, _PAD_BOTTOM = 6.5, 6.5, 6.5, 8.5, 2.0
_STEP = 4.0
"""Paper between a view and its dimension line, and between such lines."""
_AXES, _ROW_GAP = 11.0, 4.0
_GREY = "0.35"
_ARROW = {"arrowstyle": "<|-|>,head_width=0.1,head_length=0.25", "linewidth": 0.5}


def draw_figure2(
    phantoms: Mapping[str, Phantom], path_pdf: str | Path, path_png: str | Path
) -> None:
    """Draw phantoms side by side at one scale, seen from above and from the front.

    All dimensions are in mm. Shapes of equal concentration are merged; edges that are hidden by
    something nearer are dashed.

    Parameters
    ----------
    phantoms
        By name.

    Raises
    ------
    InputError
        If there is none.
    """
    if not phantoms:
        raise InputError("no phantom to draw", field="phantoms", remedy="name at least one")
    names = list(phantoms)
    rows = [names[start : start + PER_ROW] for start in range(0, len(names), PER_ROW)]
    cell = (FULL_WIDTH_MM - 2 * _MARGIN) / min(len(names), PER_ROW)
    bounds = {
        name: tuple(
            bounds_of([outline(shape, view) for shape in phantom.shapes])
            for view in (FROM_ABOVE, FROM_FRONT)
        )
        for name, phantom in phantoms.items()
    }
    scale = _scale(bounds.values(), cell)
    notes = {
        name: "\n".join(wrap_text(note, cell - 7.5) for note in describe(phantom))
        for name, phantom in phantoms.items()
    }
    concentrations = sorted({s.concentration for p in phantoms.values() for s in p.shapes})
    with journal_style():
        heights = [_row_heights(row, bounds, notes, scale) for row in rows]
        total = sum(map(sum, heights)) + (len(rows) - 1) * _ROW_GAP + _AXES
        figure = new_figure(FULL_WIDTH_MM, total)
        letters = iter(string.ascii_lowercase)
        top = 0.0
        for row, height in zip(rows, heights, strict=True):
            for place, name in enumerate(row):
                left = _MARGIN + place * cell
                title = name.replace("-", " ")
                add_text(figure, left, top + 3.8, f"({next(letters)})", fontweight="bold")
                add_text(figure, left + 5.5, top + 3.8, title)
                corner = left, top
                _draw_phantom(figure, phantoms[name], bounds[name], corner, height, cell, scale)
                settings = {"fontsize": SMALL_PT, "verticalalignment": "top", "linespacing": 1.25}
                add_text(figure, left + 5.5, top + _TITLE, notes[name], **settings)
            top += sum(height) + _ROW_GAP
        _draw_legend(figure, total - _AXES, concentrations, scale)
        save(figure, path_pdf, path_png)


def describe(phantom: Phantom) -> list[str]:
    """Return what a phantom consists of, a line for each kind of shape; lengths in mm."""
    kinds: dict[type, list[Shape]] = {}
    for shape in phantom.shapes:
        kinds.setdefault(type(shape), []).append(shape)
    return [_DESCRIPTIONS[kind](shapes) for kind, shapes in kinds.items()]


def _scale(bounds: Sequence, cell: float) -> float:
    """Return mm on paper per mm of a phantom, at most life-size."""
    width = max(right - left for above, _ in bounds for left, right, *_ in [above])
    height = max(view[3] - view[2] for views in bounds for view in views)
    return min(1.0, (cell - _PAD_LEFT - _PAD_RIGHT) / width, MAX_HEIGHT_MM / height)


def _row_heights(
    row: Sequence[str], bounds: Mapping, notes: Mapping[str, str], scale: float
) -> tuple[float, float, float]:
    """Return the heights in mm of title and notes, view from above, and view from the front."""
    above, front = (
        scale * max(bounds[name][view][3] - bounds[name][view][2] for name in row)
        for view in (0, 1)
    )
    lines = max(notes[name].count("\n") + 1 for name in row)
    return _TITLE + lines * _LINE, _PAD_TOP + above + _PAD_BETWEEN, front + _PAD_BOTTOM


def _draw_phantom(
    figure: Figure,
    phantom: Phantom,
    bounds: tuple,
    corner: tuple[float, float],
    heights: tuple[float, float, float],
    cell: float,
    scale: float,
) -> None:
    """Draw both views of a phantom into a cell whose upper left corner is given."""
    left, top = corner
    above, front = bounds
    width = scale * (above[1] - above[0])
    x = left + _PAD_LEFT + (cell - _PAD_LEFT - _PAD_RIGHT - width) / 2
    room = heights[1] - _PAD_TOP - _PAD_BETWEEN
    height = scale * (above[3] - above[2])
    y = top + heights[0] + _PAD_TOP + (room - height)
    ax = _view_axes(figure, (x, y, width, height), above)
    _draw_shapes(ax, phantom.shapes, FROM_ABOVE)
    sheet = _Dimensions(ax, above, scale)
    sheet.overall_width()
    sheet.overall_height()
    for kind, draw in _DIMENSIONS.items():
        draw(sheet, [shape for shape in phantom.shapes if isinstance(shape, kind)], FROM_ABOVE)
    y = top + heights[0] + heights[1]
    ax = _view_axes(figure, (x, y, width, scale * (front[3] - front[2])), front)
    _draw_shapes(ax, phantom.shapes, FROM_FRONT)
    sheet = _Dimensions(ax, front, scale)
    sheet.overall_height()
    rods = [shape for shape in phantom.shapes if isinstance(shape, Rod)]
    _rod_dimensions(sheet, rods, FROM_FRONT)


def _view_axes(figure: Figure, place: tuple[float, float, float, float], bounds: tuple) -> Axes:
    ax = add_axes(figure, *place)
    ax.set(xlim=bounds[:2], ylim=bounds[2:])
    ax.axis("off")
    return ax


def _draw_shapes(ax: Axes, shapes: Sequence[Shape], view: View) -> None:
    """Draw shapes from the farthest to the nearest; those of equal concentration are one body."""
    bodies: dict[float, list[Outline]] = {}
    for shape in shapes:
        bodies.setdefault(shape.concentration, []).append(outline(shape, view))
    everything = [part for body in bodies.values() for part in body]
    order = sorted(bodies, key=lambda c: max(part.front for part in bodies[c]))
    for concentration in order:
        for part in bodies[concentration]:
            ax.add_patch(_patch(part, facecolor="none", edgecolor="black", linewidth=1.2))
        for part in bodies[concentration]:
            ax.add_patch(_patch(part, facecolor=_color(concentration), linewidth=0))
    for part in everything:
        polygons = part.hidden
        if any(other.covers(part) for other in everything):
            polygons += (*part.parts, *part.holes)
        for polygon in polygons:
            closed = np.concatenate([polygon, polygon[:1]])
            ax.plot(*closed.T, color="black", linewidth=0.5, linestyle=(0, (3, 1.5)))


def _patch(part: Outline, **settings: object) -> PathPatch:
    return PathPatch(part.path, clip_on=False, joinstyle="round", **settings)


def _color(concentration: float) -> tuple[float, float, float]:
    """Return a blue that deepens with the concentration, up to that of the delta sample."""
    strength = 0.75 * min(max(concentration, 0.0), 1.0)
    return tuple(1 - strength * (1 - part) for part in to_rgb(COLORS[0]))


class _Dimensions:
    """Dimension lines around a view, each side from the inside to the outside."""

    def __init__(self, ax: Axes, bounds: tuple[float, float, float, float], scale: float) -> None:
        self.ax, self.bounds, self.scale = ax, bounds, scale
        self._used = dict.fromkeys(("left", "right", "bottom", "top"), 0)

    def overall_width(self) -> None:
        left, right, bottom, _ = self.bounds
        self.horizontal([(left, right)], "bottom", (bottom, bottom))

    def overall_height(self) -> None:
        left, _, bottom, top = self.bounds
        self.vertical([(bottom, top)], "left", (left, left))

    def horizontal(
        self, spans: Sequence[tuple[float, float]], side: str, start: tuple[float, float]
    ) -> None:
        """Measure spans along x in one line; extension lines come from the heights ``start``."""
        for span in spans:
            self._measure(span, side, start, np.array([[1, 0], [0, 1]]))
        self._used[side] += bool(spans)

    def vertical(
        self, spans: Sequence[tuple[float, float]], side: str, start: tuple[float, float]
    ) -> None:
        """Measure spans along y in one line; extension lines come from the x ``start``."""
        for span in spans:
            self._measure(span, side, start, np.array([[0, 1], [1, 0]]))
        self._used[side] += bool(spans)

    def _measure(
        self, span: tuple[float, float], side: str, start: tuple[float, float], turn: np.ndarray
    ) -> None:
        """Draw one dimension; ``turn`` swaps the axes for those along y."""
        sign = 1 if side in ("right", "top") else -1
        edge = self.bounds[("left", "right", "bottom", "top").index(side)]
        level = edge + sign * _STEP * (0.75 + self._used[side]) / self.scale
        one, other = (np.array([place, level]) @ turn for place in span)
        for place, origin in zip(span, start, strict=True):
            reach = (origin + sign * 0.6 / self.scale, level + sign * 0.8 / self.scale)
            line = np.array([[place, at] for at in reach]) @ turn
            self.ax.plot(*line.T, color=_GREY, linewidth=0.35, clip_on=False)
        text, place = length_text(abs(span[1] - span[0])), (one + other) / 2
        vertical = bool(turn[0, 1])
        short = abs(span[1] - span[0]) * self.scale < text_width_mm(text) + 2.5
        self._arrow(one, other, outside=short)
        if short:
            # There is no room between the arrows: the number stands beside the line.
            away = text_width_mm(text) / 2 + 0.9 if vertical else 1.7
            place = place + sign * np.array([0, away / self.scale]) @ turn
        self.ax.annotate(
            text,
            place,
            rotation=90 if vertical and not short else 0,
            horizontalalignment="center",
            verticalalignment="center",
            fontsize=SMALL_PT,
            annotation_clip=False,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )

    def _arrow(self, one: np.ndarray, other: np.ndarray, *, outside: bool) -> None:
        settings = {**_ARROW, "color": _GREY, "shrinkA": 0, "shrinkB": 0}
        if not outside:
            self.ax.annotate("", one, other, arrowprops=settings, annotation_clip=False)
            return
        settings["arrowstyle"] = settings["arrowstyle"].removeprefix("<|")
        step = (other - one) / np.linalg.norm(other - one) * 2.0 / self.scale
        for tip, tail in ((one, one - step), (other, other + step)):
            self.ax.annotate("", tip, tail, arrowprops=settings, annotation_clip=False)

    def angle(self, corner: np.ndarray, radius: float, start: float, stop: float) -> None:
        """Draw an arc from one angle to another, in degrees, with the difference beyond it."""
        low, high = sorted((start, stop))
        arc = Arc(corner, 2 * radius, 2 * radius, theta1=low, theta2=high, linewidth=0.5)
        arc.set(color=_GREY, clip_on=False)
        self.ax.add_patch(arc)

        def point(degrees: float, distance: float) -> np.ndarray:
            angle = np.deg2rad(degrees)
            return corner + distance * np.array([np.cos(angle), np.sin(angle)])

        self.ax.annotate(
            f"{high - low:.0f}°",
            point((low + high) / 2, radius + 2.3 / self.scale),
            horizontalalignment="center",
            verticalalignment="center",
            fontsize=SMALL_PT,
            annotation_clip=False,
        )
        for degrees in (low, high):
            line = [point(degrees, radius - 1.2 / self.scale), point(degrees, radius)]
            self.ax.plot(*np.transpose(line), color=_GREY, linewidth=0.35, clip_on=False)


def _tube_dimensions(sheet: _Dimensions, tubes: Sequence[Tube], view: View) -> None:
    """Measure the straight parts along y, which set other parts of the tube apart."""
    corners = [MM * np.array(tube.points)[:, view.axes] for tube in tubes]
    spans = {
        tuple(sorted((float(one[1]), float(other[1]))))
        for points in corners
        for one, other in pairwise(points)
        if one[0] == other[0] and one[1] != other[1]
    }
    right = sheet.bounds[1]
    sheet.vertical(sorted(spans), "right", (right, right))


def _spiral_dimensions(sheet: _Dimensions, spirals: Sequence[Spiral], view: View) -> None:
    """Measure the pitch between the last two crossings of the x axis."""
    for spiral in spirals:
        turns = int(spiral.turns)
        if turns < 1:
            continue
        center = MM * np.array(spiral.center)
        crossings = center[0] + MM * (
            spiral.start_radius + spiral.pitch * np.array([turns - 1, turns])
        )
        y = float(center[1])
        sheet.horizontal([tuple(crossings.tolist())], "top", (y, y))


def _box_dimensions(sheet: _Dimensions, boxes: Sequence[Box], view: View) -> None:
    """Measure boxes that are smaller than the view, on the sides that are left."""
    left, right, bottom, top = sheet.bounds
    for box in boxes:
        low, high, start, stop = outline(box, view).bounds
        if (low, high) != (left, right):
            sheet.horizontal([(low, high)], "top", (stop, stop))
        if (start, stop) != (bottom, top):
            sheet.vertical([(start, stop)], "right", (high, high))


def _rod_dimensions(sheet: _Dimensions, rods: Sequence[Rod], view: View) -> None:
    """Measure angles to the first rod, of rods that start with it and lie in the view's plane."""
    if not rods or rods[0].start[view.depth] != rods[0].stop[view.depth]:
        return
    start = np.array(rods[0].start)
    length = np.linalg.norm(np.subtract(rods[0].stop, start))
    radii = {1: MM * length, -1: MM * length}
    for rod in rods[1:]:
        direction = np.subtract(rod.stop, rod.start)
        if rod.start != rods[0].start or direction[view.depth]:
            continue
        first = np.subtract(rods[0].stop, start)[view.axes]
        angles = [np.rad2deg(np.arctan2(*d[::-1])) for d in (first, direction[view.axes])]
        side = 1 if angles[1] > angles[0] else -1
        # Of several on one side, the next arc lies farther out.
        radii[side] += 1.4 / sheet.scale
        sheet.angle(MM * start[view.axes], radii[side], *angles)
        radii[side] += 3.0 / sheet.scale


def _draw_legend(figure: Figure, top: float, concentrations: Sequence[float], scale: float) -> None:
    """Say how both views lie, at which scale, and which blue is which concentration."""
    axes = (
        "upper views: $x$ right, $y$ up; lower views: $x$ right, $z$ up; lengths in mm, "
        f"scale 1 : {round(1 / scale, 1):g}"
    )
    text = {"fontsize": SMALL_PT, "verticalalignment": "center"}
    add_text(figure, _MARGIN, top + 3.0, axes, **text)
    words = "concentration relative to the delta sample:"
    add_text(figure, _MARGIN, top + 7.5, words, **text)
    left = _MARGIN + 52.0
    for concentration in concentrations:
        ax = add_axes(figure, left, top + 6.2, 4.0, 2.6)
        ax.add_patch(Rectangle((0, 0), 1, 1, facecolor=_color(concentration), edgecolor="black"))
        ax.axis("off")
        add_text(figure, left + 5.0, top + 7.5, f"{concentration:g}", **text)
        left += 14.0


def length_text(millimeters: float) -> str:
    """Return a length in mm to a tenth."""
    return f"{round(millimeters, 1):g}"


def _lengths(values: Sequence[float]) -> str:
    """Return the different lengths among some in m."""
    texts = dict.fromkeys(length_text(MM * value) for value in values)
    return " and ".join(texts) if len(texts) < 3 else ", ".join(texts)


def _describe_tubes(tubes: Sequence[Tube]) -> str:
    name = "bent tube" if len(tubes) == 1 else f"{len(tubes)} bent tubes"
    return f"{name}, ⌀ {_lengths([2 * tube.radius for tube in tubes])}"


def _describe_rods(rods: Sequence[Rod]) -> str:
    name = "rod" if len(rods) == 1 else f"{len(rods)} rods"
    text = f"{name}, ⌀ {_lengths([2 * rod.radius for rod in rods])}"
    hollow = [2 * rod.inner_radius for rod in rods if rod.inner_radius]
    if hollow:
        text += f" (inside {_lengths(hollow)})"
    return (
        f"{text}, length {_lengths([np.linalg.norm(np.subtract(r.stop, r.start)) for r in rods])}"
    )


def _describe_spirals(spirals: Sequence[Spiral]) -> str:
    name = "band" if len(spirals) == 1 else f"{len(spirals)} bands"
    starts = _lengths([spiral.start_radius for spiral in spirals])
    turns = " and ".join(dict.fromkeys(f"{spiral.turns:g}" for spiral in spirals))
    return (
        f"{name}, width {_lengths([spiral.width for spiral in spirals])}, "
        f"{turns} turns from radius {starts}"
    )


def _describe_boxes(boxes: Sequence[Box]) -> str:
    walls = [box.wall for box in boxes if box.wall > 0]
    name = "frame" if len(walls) == len(boxes) else "box"
    plural = {"frame": "frames", "box": "boxes"}[name]
    text = name if len(boxes) == 1 else f"{len(boxes)} {plural}"
    return f"{text}, wall {_lengths(walls)}" if walls else text


_DESCRIPTIONS = {
    Tube: _describe_tubes,
    Rod: _describe_rods,
    Spiral: _describe_spirals,
    Box: _describe_boxes,
}
_DIMENSIONS = {
    Tube: _tube_dimensions,
    Rod: _rod_dimensions,
    Spiral: _spiral_dimensions,
    Box: _box_dimensions,
}
