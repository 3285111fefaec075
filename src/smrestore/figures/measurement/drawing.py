"""From the content of a measurement's figure to a picture."""

import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from smrestore.figures.complex_color import draw_wheel
from smrestore.figures.measurement.content import (
    ComponentRow,
    ImageRow,
    MeasurementFigure,
)
from smrestore.figures.panels import (
    MISSING_STYLE,
    Extent,
    Panel,
    draw_component,
    draw_missing,
    draw_outline,
    draw_scalar,
    round_length,
)
from smrestore.figures.style import (
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

COLOR_MAP = "viridis"
MAX_HEIGHT_MM = 225.0
"""Of a figure, so that it fits on a page with its caption."""

_MARGIN = 1.0
_LETTER = 6.0
_LEGEND_WIDTH = 20.0
_LEGEND_HEIGHT = 33.0
_BAR_WIDTH = 17.0
_BAR, _BAR_LABEL = (10.0, 40.0), 18.0
_TICK = 4.5
_GAP = 1.5
_LINE = 2.9
_TITLE = 4.0
_SCORE = 3.2
_ROW_GAP = 1.8
_SECTION_GAP = 2.0
_MAX_PANEL = 30.0
_WIDE_PANEL = 18.0
_MAX_ASPECT = 1.3


def draw_measurement_figure(
    content: MeasurementFigure, path_pdf: str | Path, path_png: str | Path
) -> None:
    """Draw components in rows, then reconstructions, with a column per system matrix.

    All panels have the same scale in mm, all panels of a component the same brightness and phase,
    and all images the same colors. Missing voxels are hatched in the column of what methods see,
    and outlined in the others.
    """
    with journal_style():
        layout = _layout(content)
        figure = new_figure(layout.figure_width, layout.figure_height)
        for left, title in zip(layout.lefts, layout.titles, strict=False):
            _center(figure, left + layout.width / 2, layout.header - 0.8, title, "bottom")
        letters = iter(string.ascii_lowercase)
        for place, row in zip(layout.rows, content.components, strict=False):
            _draw_row_title(figure, next(letters), place.top, row.title)
            axes = _add_panels(figure, layout, place, row.panels)
            _draw_components(axes, row, content.masked_column)
            if _has_score(row):
                # The truth, which has no score itself, says what the numbers are.
                last = _decibel(row.scores[-1]) or "PSNR"
                _write_scores(axes, [*map(_decibel, row.scores[:-1]), last])
        _draw_legend(figure, layout, content)
        _draw_images(figure, layout, content, letters)
        save(figure, path_pdf, path_png)


@dataclass(frozen=True)
class _RowPlace:
    """Where a row lies: top of its title and height of its panels in the figure; extent in mm."""

    top: float
    height: float
    extent: Extent


@dataclass(frozen=True)
class _Layout:
    """Lengths in mm on paper: of columns, the phantom's being the last, and of rows.

    ``scale`` is mm on paper per mm in the scanner.
    """

    figure_width: float
    figure_height: float
    width: float
    scale: float
    lefts: tuple[float, ...]
    titles: tuple[str, ...]
    header: float
    rows: tuple[_RowPlace, ...]
    legend_middle: float
    bar_left: float
    bar_height: float


def _layout(content: MeasurementFigure) -> _Layout:
    rows = [*content.components, *content.images]
    extents = [_extent_of(row) for row in rows]
    n_places = len(content.columns) + content.has_phantom
    # The phantom stands in a place of its own, below the color wheel.
    margin = _BAR_WIDTH if content.has_phantom else _LEGEND_WIDTH
    available = FULL_WIDTH_MM - 2 * _MARGIN - margin - (n_places - 1) * _GAP
    width = min(_MAX_PANEL, available / n_places)
    titles = [_wrap_title(title, width + 0.7 * _GAP) for title in content.columns]
    header = _MARGIN + _LINE * max(title.count("\n") + 1 for title in titles) + 0.8
    fixed = [_TITLE + (_SCORE if _has_score(row) else 0.0) + _ROW_GAP for row in rows]
    scores = 2 * _LINE + 1.0 if _has_image_scores(content) else 0.0
    # An own gap before the images, and room below the last row.
    fixed_height = header + sum(fixed) + scores + (_SECTION_GAP if content.images else 0.0)
    widest = max(right - left for left, right, _, _ in extents)
    tallest = max(top - bottom for *_, bottom, top in extents)
    heights = [top - bottom for *_, bottom, top in extents]
    scale = min(
        width / widest,
        _MAX_ASPECT * width / tallest,
        max(MAX_HEIGHT_MM - fixed_height, 1.0) / sum(heights),
    )
    has_missing = any(row.missing is not None for row in content.components)
    legend_bottom = header + _TITLE + (_LEGEND_HEIGHT + (5.0 if has_missing else 0.0))
    top, places = header, []
    for number, (extent, height, other) in enumerate(zip(extents, heights, fixed, strict=True)):
        if number == len(content.components):
            # The phantom and the color bar stand below the legend.
            top = max(top + _SECTION_GAP, legend_bottom)
        places.append(_RowPlace(top, scale * height, extent))
        top += scale * height + other
    bar = places[len(content.components) :]
    bar_height = float(np.clip(bar[-1].top + bar[-1].height - bar[0].top, *_BAR)) if bar else 0.0
    bar_bottom = bar[0].top + _TITLE + (bar_height + _BAR_LABEL) / 2 if bar else 0.0
    lefts = tuple(_MARGIN + place * (width + _GAP) for place in range(n_places))
    right = lefts[-1] + width
    return _Layout(
        figure_width=max(right + margin, _LETTER + max(text_width_mm(r.title) for r in rows))
        + _MARGIN,
        figure_height=max(top + scores, legend_bottom, bar_bottom),
        width=width,
        scale=scale,
        lefts=lefts,
        titles=tuple(titles),
        header=header,
        rows=tuple(places),
        legend_middle=right + (-width / 2 if content.has_phantom else _LEGEND_WIDTH / 2),
        bar_left=right + 1.5,
        bar_height=bar_height,
    )


def _wrap_title(title: str, width: float) -> str:
    """Break the title of a column; what stands in parentheses gets lines of its own."""
    name, _, note = title.partition(" (")
    parts = [name, note.replace(")", "", 1)] if note else [name]
    return "\n".join(wrap_text(part, width) for part in parts)


def _extent_of(row: ComponentRow | ImageRow) -> Extent:
    """Return the field of view of the measurement, in which all panels of a row lie.

    Smaller images leave a margin; coarse voxels that reach beyond are cut.
    """
    return next(panel.extent_mm for panel in row.panels if panel is not None)


def _has_score(row: ComponentRow | ImageRow) -> bool:
    return isinstance(row, ComponentRow) and bool(np.isfinite(row.scores).any())


def _has_image_scores(content: MeasurementFigure) -> bool:
    known = bool(np.isfinite([psnr for psnr, _ in content.image_scores]).any())
    return bool(content.images) and (known or content.has_phantom)


def _add_panels(
    figure: Figure, layout: _Layout, place: _RowPlace, panels: Sequence[Panel | None]
) -> list[Axes | None]:
    """Add axes of the extent of the row for each panel, in the middle of its column."""
    left, right, *_ = place.extent
    width = layout.scale * (right - left)
    axes = []
    for start, panel in zip(layout.lefts, panels, strict=False):
        if panel is None:
            axes.append(None)
            continue
        x = start + (layout.width - width) / 2
        ax = add_axes(figure, x, place.top + _TITLE, width, place.height)
        axes.append(ax)
    return axes


def _fit(ax: Axes, extent: Extent) -> None:
    """Let axes show an extent, whatever was drawn into them."""
    ax.set(xlim=extent[:2], ylim=extent[2:])


def _draw_row_title(figure: Figure, letter: str, top: float, title: str) -> None:
    line = top + _TITLE - 1.2
    add_text(figure, _MARGIN, line, f"({letter})", fontweight="bold", va="baseline")
    add_text(figure, _LETTER, line, title, fontsize=SMALL_PT, va="baseline")


def _draw_components(
    axes: Sequence[Axes | None], row: ComponentRow, masked_column: int | None
) -> None:
    extent = _extent_of(row)
    for column, (ax, panel) in enumerate(zip(axes, row.panels, strict=True)):
        if ax is None:
            continue
        draw_component(ax, Panel(panel.image * row.factor, panel.extent_mm), row.peak)
        if row.missing is not None:
            draw = draw_missing if column == masked_column else draw_outline
            draw(ax, row.missing)
        _fit(ax, extent)


def _write_scores(axes: Sequence[Axes | None], texts: Sequence[str]) -> None:
    """Write a line below each panel."""
    for ax, text in zip(axes, texts, strict=False):
        if ax is not None and text:
            ax.annotate(
                text,
                (0.5, 0.0),
                xytext=(0, -1.5),
                xycoords="axes fraction",
                textcoords="offset points",
                horizontalalignment="center",
                verticalalignment="top",
                fontsize=SMALL_PT,
            )


def _decibel(score: float) -> str:
    return f"{score:.1f} dB".replace("-", "−") if np.isfinite(score) else ""


def _draw_legend(figure: Figure, layout: _Layout, content: MeasurementFigure) -> None:
    """Draw the color wheel, a length that holds for all panels, and what hatching means."""
    middle, top = layout.legend_middle, layout.header + _TITLE
    _center(figure, middle, top, "phase and\nmagnitude")
    draw_wheel(add_axes(figure, middle - 5.5, top + 10.5, 11.0, 11.0))
    length = round_length(layout.width / layout.scale / 2)
    width = layout.scale * length
    ax = add_axes(figure, middle - width / 2, top + 27.5, width, 0.7)
    ax.set_facecolor("black")
    ax.set(xticks=[], yticks=[])
    _center(figure, middle, top + 28.7, f"{length:g} mm")
    if content.masked_column is None or all(row.missing is None for row in content.components):
        return
    ax = add_axes(figure, middle - 7.5, top + 34.0, 4.0, 2.5)
    ax.add_patch(Rectangle((0, 0), 1, 1, **MISSING_STYLE))
    ax.axis("off")
    add_text(figure, middle - 2.7, top + 36.2, "missing", fontsize=SMALL_PT, va="baseline")


def _draw_images(
    figure: Figure, layout: _Layout, content: MeasurementFigure, letters: Sequence[str]
) -> None:
    """Draw reconstructions and phantom with one color range, their scores and the color bar."""
    places = layout.rows[len(content.components) :]
    shown, highest = None, content.image_peak
    for place, row in zip(places, content.images, strict=True):
        _draw_row_title(figure, next(letters), place.top, row.title)
        panels = [*row.panels, *([row.phantom] if content.has_phantom else [])]
        axes = _add_panels(figure, layout, place, panels)
        for ax, panel in zip(axes, panels, strict=True):
            if ax is not None:
                shown = draw_scalar(ax, panel, 0.0, content.image_peak, COLOR_MAP)
                highest = max(highest, float(panel.image.max()))
                _fit(ax, place.extent)
    if shown is None:
        return
    _write_scores(axes, [_image_score(*s, layout.width) for s in content.image_scores])
    if content.has_phantom:
        _write_scores(axes[-1:], ["phantom"])
    bar = figure.colorbar(
        shown,
        cax=add_axes(figure, layout.bar_left, places[0].top + _TITLE, 2.0, layout.bar_height),
        extend="max" if highest > content.image_peak else "neither",
        ticks=MaxNLocator(min(int(layout.bar_height / _TICK), 4)),
        format="%g",
    )
    bar.set_label("relative\nconcentration", fontsize=SMALL_PT)
    bar.outline.set_linewidth(0.5)


def _image_score(psnr: float, ssim: float, width: float) -> str:
    if not np.isfinite(psnr):
        return ""
    name = "PSNR " if width > _WIDE_PANEL else ""
    return f"{name}{psnr:.1f} dB\nSSIM {ssim:.2f}".replace("-", "−")


def _center(figure: Figure, x: float, y: float, text: str, anchor: str = "top") -> None:
    add_text(
        figure,
        x,
        y,
        text,
        horizontalalignment="center",
        verticalalignment=anchor,
        fontsize=SMALL_PT,
    )
