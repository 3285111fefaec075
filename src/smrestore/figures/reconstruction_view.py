"""Reconstructed images of a phantom: the plane in 2D, three planes in 3D."""

from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from smrestore.figures.panels import draw_scalar, planes_through_peak
from smrestore.figures.style import add_axes, add_text, journal_style, new_figure, save_as
from smrestore.physics.grid import CalibrationGrid

COLOR_MAP = "viridis"
MAX_FRAMES = 8

_PLANE_MM = 45.0
_LEFT, _HEADER, _ROW_HEADER, _BOTTOM, _GAP = 11.0, 10.5, 5.0, 10.0, 14.0
_BAR_MM, _BAR_LABELS_MM, _TITLE_MM = 2.5, 14.0, 74.0


def plot_reconstruction(
    images: np.ndarray,
    grid: CalibrationGrid,
    path: str | Path,
    *,
    title: str,
    subtitle: str = "",
    unit: str = "concentration / delta sample",
) -> None:
    """Draw images with one color scale from 0 to their largest value.

    Parameters
    ----------
    images
        Real (frames, Nx, Ny, Nz); of many frames, eight evenly chosen ones are shown.
    grid
        Their grid. In 3D the planes go through the brightest voxel of all images.
    path
        Picture to write; its ending tells the format.
    title, subtitle
        Lines above the images.
    unit
        Label of the color bar.

    Raises
    ------
    InputError
        If the grid has no plane, or the ending of the path is no format for pictures.
    """
    shown = np.unique(np.linspace(0, len(images) - 1, min(MAX_FRAMES, len(images))).astype(int))
    brightest = np.unravel_index(images.max(axis=0).argmax(), grid.size)
    rows = [planes_through_peak(images[i], grid, brightest) for i in shown]
    low, high = min(float(images.min()), 0.0), float(images.max())
    # An image of zeros has a scale too.
    high = high if high > low else low + 1.0
    with journal_style():
        lengths = [plane.panel.extent_lengths for plane in rows[0]]
        scale = _PLANE_MM / max(max(pair) for pair in lengths)
        sizes = [tuple(scale * length for length in pair) for pair in lengths]
        height = max(h for _, h in sizes)
        row_header = _ROW_HEADER if len(rows) > 1 or len(lengths) > 1 else 0.0
        row_mm = row_header + height + _BOTTOM
        width = _LEFT + sum(w + _GAP for w, _ in sizes) + _BAR_MM + _BAR_LABELS_MM
        figure = new_figure(max(width, _LEFT + _TITLE_MM), _HEADER + len(rows) * row_mm)
        add_text(figure, _LEFT, 3.0, title, verticalalignment="top")
        add_text(figure, _LEFT, 7.0, subtitle, verticalalignment="top")
        for row, (planes, index) in enumerate(zip(rows, shown, strict=True)):
            left, top = _LEFT, _HEADER + row * row_mm + row_header
            for plane, (plane_width, plane_height) in zip(planes, sizes, strict=True):
                ax = add_axes(figure, left, top, plane_width, plane_height)
                shown_image = draw_scalar(ax, plane.panel, low, high, COLOR_MAP)
                ax.set(xlabel=f"${plane.horizontal}$ (mm)", ylabel=f"${plane.vertical}$ (mm)")
                heading = [plane.place] if len(planes) > 1 else []
                heading += [f"image {index}"] if len(images) > 1 else []
                ax.set_title(", ".join(heading))
                ax.xaxis.set_major_locator(MaxNLocator(5))
                ax.yaxis.set_major_locator(MaxNLocator(5))
                left += plane_width + _GAP
            bar = add_axes(figure, left - _GAP + 3.0, top, _BAR_MM, height)
            figure.colorbar(shown_image, cax=bar, label=unit)
        save_as(figure, path)
