"""Panels that show a plane of the calibration grid, in mm, x to the right and y up."""

from dataclasses import dataclass

import matplotlib.patheffects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from smrestore.figures.complex_color import complex_to_rgb
from smrestore.figures.style import SMALL_PT
from smrestore.physics.grid import CalibrationGrid
from smrestore.support.errors import InputError

Extent = tuple[float, float, float, float]

# Of voxels without a value: no color of a component or of an image.
MISSING_STYLE = {"facecolor": "0.8", "edgecolor": "0.35", "hatch": "//////", "linewidth": 0.0}

_OUTLINE = (matplotlib.patheffects.withStroke(linewidth=1.2, foreground="black"),)


@dataclass(frozen=True, eq=False)
class Panel:
    """A plane of an image on a grid.

    Attributes
    ----------
    image
        (Nx, Ny), complex or real.
    extent_mm
        Outer voxel edges (x start, x end, y start, y end) in mm.
    """

    image: np.ndarray
    extent_mm: Extent

    @property
    def extent_lengths(self) -> tuple[float, float]:
        """Width and height in mm."""
        left, right, bottom, top = self.extent_mm
        return right - left, top - bottom

    @property
    def aspect(self) -> float:
        """Height over width."""
        width, height = self.extent_lengths
        return height / width


def plane(image: np.ndarray, grid: CalibrationGrid, z: float | None = None) -> Panel:
    """Return the plane of an image (Nx, Ny, Nz) that lies nearest to ``z``.

    Parameters
    ----------
    image
        On the voxels of ``grid``.
    z
        In m; by default the center of the grid.

    Raises
    ------
    InputError
        The image does not have the size of the grid, or the grid is not extended along x and y.
    """
    if image.shape != grid.size or min(grid.fov[:2]) <= 0:
        raise InputError(
            f"an image of shape {image.shape} on a grid of {grid.size} voxels over {grid.fov} m",
            field="size",
            remedy="give one value per voxel and a field of view along x and y",
        )
    return cut(image, grid, 2, grid.center[2] if z is None else z)


def cut(image: np.ndarray, grid: CalibrationGrid, across: int, position: float) -> Panel:
    """Return the plane of an image (Nx, Ny, Nz) across an axis that lies nearest to a position.

    Parameters
    ----------
    image
        On the voxels of ``grid``.
    across
        0, 1 or 2 for a plane of y and z, x and z, or x and y.
    position
        Along this axis in m; of two voxels that are equally near the lower one is taken.

    Raises
    ------
    InputError
        The plane has no extent.
    """
    axes = [axis for axis in range(3) if axis != across]
    if min(grid.fov[axis] for axis in axes) <= 0:
        raise InputError(
            f"a grid of {grid.size} voxels over {grid.fov} m has no plane across {'xyz'[across]}",
            field="planes",
            remedy="choose planes along which the grid extends",
        )
    # Distances are rounded to nm, so that ties do not depend on rounding errors.
    index = int(np.argmin(np.round(np.abs(grid.axes()[across] - position), 9)))
    edges = [grid.center[axis] + side * grid.fov[axis] / 2 for axis in axes for side in (-1, 1)]
    return Panel(np.take(image, index, axis=across), tuple(1e3 * edge for edge in edges))


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane through a 3D image.

    Attributes
    ----------
    horizontal, vertical
        Its axes.
    place
        Where it lies along the third axis, for a title.
    panel
        What is seen.
    """

    horizontal: str
    vertical: str
    place: str
    panel: Panel


def planes_through_peak(
    image: np.ndarray, grid: CalibrationGrid, peak: tuple[int, ...] | None = None
) -> list[Plane]:
    """Return the planes along two axes through a voxel; in 2D there is one.

    Parameters
    ----------
    image
        (Nx, Ny, Nz), complex or real.
    grid
        Its grid.
    peak
        Indices of the voxel; by default the one of largest magnitude.

    Raises
    ------
    InputError
        The grid does not extend along two axes.
    """
    edges = [
        (1e3 * (center - fov / 2), 1e3 * (center + fov / 2))
        for center, fov in zip(grid.center, grid.fov, strict=True)
    ]
    strongest = np.unravel_index(np.abs(image).argmax(), image.shape) if peak is None else peak
    planes = []
    for horizontal, vertical, across in ((0, 1, 2), (0, 2, 1), (1, 2, 0)):
        if min(grid.size[horizontal], grid.size[vertical]) > 1:
            index = strongest[across]
            values = np.take(image, index, axis=across)
            panel = Panel(values, (*edges[horizontal], *edges[vertical]))
            place = f"${'xyz'[across]}$ = {1e3 * grid.axes()[across][index]:.1f} mm"
            planes.append(Plane("xyz"[horizontal], "xyz"[vertical], place, panel))
    if not planes:
        raise InputError(
            f"a grid of {grid.size} voxels has no plane",
            field="size",
            remedy="choose a matrix that extends along two axes",
        )
    return planes


def draw_component(ax: Axes, panel: Panel, peak: float | None = None) -> None:
    """Show a complex component; ``peak`` is the magnitude of full brightness (default: its own)."""
    _show(ax, complex_to_rgb(panel.image.T, peak), panel.extent_mm)


def draw_scalar(ax: Axes, panel: Panel, vmin: float, vmax: float, cmap: str) -> AxesImage:
    """Show a real image in a color map; returns what a color bar needs."""
    return _show(ax, panel.image.T, panel.extent_mm, norm=Normalize(vmin, vmax), cmap=cmap)


def draw_empty(ax: Axes, text: str) -> None:
    """Mark a panel without data, so that it cannot be taken for a black image."""
    ax.set(xticks=[], yticks=[], facecolor="white")
    for spine in ax.spines.values():
        spine.set(linestyle=(0, (3, 3)), color="0.6")
    ax.text(
        0.5,
        0.5,
        text,
        transform=ax.transAxes,
        horizontalalignment="center",
        verticalalignment="center",
        color="0.4",
        fontsize=SMALL_PT,
    )


def draw_scale_bar(ax: Axes, panel: Panel) -> None:
    """Draw a bar of about a third of the width at the lower left, with its length."""
    left, right, bottom, top = panel.extent_mm
    width, height = right - left, top - bottom
    length = round_length(width / 3)
    start, level = left + 0.07 * width, bottom + 0.08 * height
    ax.plot(
        [start, start + length],
        [level, level],
        color="white",
        linewidth=1.5,
        solid_capstyle="butt",
        path_effects=[
            matplotlib.patheffects.Stroke(linewidth=2.5, foreground="black"),
            matplotlib.patheffects.Normal(),
        ],
    )
    ax.annotate(
        f"{length:g} mm",
        (start, level),
        xytext=(0, 2),
        textcoords="offset points",
        verticalalignment="bottom",
        color="white",
        fontsize=SMALL_PT,
        path_effects=_OUTLINE,
    )


def draw_note(ax: Axes, text: str) -> None:
    """Write a short note into the upper left corner of an image."""
    ax.text(
        0.05,
        0.95,
        text,
        transform=ax.transAxes,
        verticalalignment="top",
        color="white",
        fontsize=SMALL_PT,
        path_effects=_OUTLINE,
    )


def draw_missing(ax: Axes, missing: Panel) -> None:
    """Hatch the voxels of a bool panel in grey."""
    for column, first, count in _runs(missing.image):
        corner, size = _rectangle(missing, column, first, count)
        ax.add_patch(Rectangle(corner, *size, **MISSING_STYLE))


def draw_outline(ax: Axes, missing: Panel) -> None:
    """Draw a line around the voxels of a bool panel."""
    lines = _border(missing)
    for color, width in (("black", 1.3), ("white", 0.6)):
        # Lines at the end of the grid are not cut in half.
        settings = {"linewidths": width, "capstyle": "projecting", "clip_on": False}
        ax.add_collection(LineCollection(lines, colors=color, **settings))


def draw_directions(ax: Axes) -> None:
    """Draw the arrows of the x and y axis that hold for all panels."""
    arrow = {"arrowstyle": "-|>,head_width=0.12,head_length=0.25", "linewidth": 0.6}
    for tip, label in (((1, 0), "$x$"), ((0, 1), "$y$")):
        ax.annotate("", tip, (0, 0), arrowprops={**arrow, "color": "black", "shrinkA": 0})
        ax.text(
            *(1.25 * np.array(tip)), label, horizontalalignment="center", verticalalignment="center"
        )
    ax.set(xlim=(-0.1, 1.1), ylim=(-0.1, 1.1), aspect="equal")
    ax.axis("off")


def round_length(length: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten which is not above ``length`` > 0."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(max(step * power for step in (1, 2, 5) if step * power <= length * (1 + 1e-9)))


def _runs(marked: np.ndarray) -> list[tuple[int, int, int]]:
    """Return column, first row and count of each run of marked voxels along the second axis."""
    runs = []
    for column, voxels in enumerate(marked):
        steps = np.diff(np.concatenate([[0], voxels.astype(int), [0]]))
        starts, stops = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
        runs += [(column, int(a), int(b - a)) for a, b in zip(starts, stops, strict=True)]
    return runs


def _rectangle(
    panel: Panel, column: int, first: int, count: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return corner, and width and height in mm, of a run of voxels."""
    left, _, bottom, _ = panel.extent_mm
    width, height = np.array(panel.extent_lengths) / panel.image.shape
    return (left + column * width, bottom + first * height), (width, count * height)


def _border(panel: Panel) -> list[list[tuple[float, float]]]:
    """Return the edges in mm between marked voxels and others, or the end of the grid."""
    lines = []
    for along_x in (True, False):
        marked = panel.image.T if along_x else panel.image
        # Edges across the second axis of ``marked`` separate neighbors along the other one.
        change = np.diff(np.pad(marked.astype(int), ((1, 1), (0, 0))), axis=0) != 0
        for level, first, count in _runs(change):
            ends = [(first, level), (first + count, level)]
            lines.append([_corner(panel, *(end if along_x else end[::-1])) for end in ends])
    return lines


def _corner(panel: Panel, column: int, row: int) -> tuple[float, float]:
    (x, y), _ = _rectangle(panel, column, row, 0)
    return x, y


def _show(ax: Axes, pixels: np.ndarray, extent: Extent, **settings: object) -> AxesImage:
    shown = ax.imshow(pixels, origin="lower", extent=extent, aspect="equal", **settings)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    return shown
