"""Gains of methods over a baseline: on simulated test sets, and on the virtual scanner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from smrestore.evaluation.transfer.classes import snr_names
from smrestore.evaluation.transfer.gains import Gain
from smrestore.figures.style import (
    FULL_WIDTH_MM,
    SMALL_PT,
    add_axes,
    add_text,
    journal_style,
    new_figure,
    save,
)
from smrestore.support.errors import InputError

MARKERS = "os^DvP*Xhp<>"
_COLUMNS = 2
_SIDE = 40.0
_LEFT, _TOP, _BOTTOM, _GAP = 11.0, 6.0, 10.0, 1.0
_HEADER_LINE = 4.5
_GREY = "0.55"


@dataclass(frozen=True)
class TransferPanel:
    """One measurement.

    Attributes
    ----------
    title, baseline
        For readers.
    labels
        Names of the methods for readers, in the order of the legend.
    gains
        Over the baseline.
    """

    title: str
    baseline: str
    labels: Mapping[str, str]
    gains: Sequence[Gain]


def draw_transfer(
    panels: Sequence[TransferPanel], path_pdf: str | Path, path_png: str | Path
) -> None:
    """Draw for each measurement the gain on its scan over that on the simulated test set.

    A marker is one method and one class of signal-to-noise ratio, with 95 % confidence intervals;
    lines join the classes of a method. On the diagonal, gains carry over. Both axes of a panel have
    the same range.

    Raises
    ------
    InputError
        If there is no panel, or one has no gains or more methods than markers.
    """
    for panel in panels:
        if not panel.gains or len(panel.labels) > len(MARKERS):
            raise InputError(
                f"{len(panel.gains)} gains of {len(panel.labels)} methods",
                field=panel.title,
                remedy=f"show 1 to {len(MARKERS)} methods that both the test set and the scan have",
            )
    if not panels:
        raise InputError("no panel", field="panels", remedy="give at least one")
    columns = min(_COLUMNS, len(panels))
    cell = FULL_WIDTH_MM / _COLUMNS
    header = _HEADER_LINE * (1 if columns == _COLUMNS else 2)
    height = _TOP + _SIDE + _BOTTOM
    with journal_style():
        rows = -(-len(panels) // columns)
        figure = new_figure(columns * cell, header + rows * height)
        for i, panel in enumerate(panels):
            row, column = divmod(i, columns)
            left, top = column * cell + _LEFT, header + row * height + _TOP
            ax = add_axes(figure, left, top, _SIDE, _SIDE)
            _draw_panel(ax, panel)
            letter = f"({'abcdefghijkl'[i]})"
            add_text(figure, left - 8.0, top - 3.0, letter, fontweight="bold")
            add_text(figure, left, top - 1.2, panel.title)
            handles = [
                Line2D([], [], marker=marker, color=_GREY, label=label, markersize=4, linewidth=0.7)
                for marker, label in zip(MARKERS, panel.labels.values(), strict=False)
            ]
            ax.legend(
                handles=handles,
                loc="upper left",
                bbox_to_anchor=(1 + _GAP / _SIDE, 1),
                borderaxespad=0,
                fontsize=SMALL_PT,
                labelspacing=0.25,
                handlelength=1.2,
                handletextpad=0.4,
            )
        _draw_classes(figure, lines=1 if columns == _COLUMNS else 2)
        save(figure, path_pdf, path_png)


def _colors() -> dict[str, tuple[float, ...]]:
    """Return a color for each class of signal-to-noise ratio, darker with less noise."""
    names = snr_names()
    shades = matplotlib.colormaps["viridis"](np.linspace(0.85, 0.05, len(names)))
    return dict(zip(names, map(tuple, shades), strict=True))


def _draw_classes(figure: matplotlib.figure.Figure, lines: int) -> None:
    handles = [
        Line2D([], [], marker="o", linestyle="", color=color, markersize=4, label=f"SNR {name}")
        for name, color in _colors().items()
    ]
    handles.append(Line2D([], [], color="black", linewidth=0.6, label="equal gain"))
    figure.legend(
        handles=handles,
        loc="upper left",
        ncols=-(-len(handles) // lines),
        fontsize=SMALL_PT,
        columnspacing=1.2,
        handletextpad=0.4,
    )


def _draw_panel(ax: Axes, panel: TransferPanel) -> None:
    colors = _colors()
    low, high = _range(panel.gains)
    ax.axline((0, 0), slope=1, color="black", linewidth=0.6, zorder=1)
    for line in (ax.axhline, ax.axvline):
        line(0, color=_GREY, linewidth=0.4, linestyle=(0, (4, 2)), zorder=0)
    for method, marker in zip(panel.labels, MARKERS, strict=False):
        points = [gain for gain in panel.gains if gain.method == method]
        x, y = [p.simulated for p in points], [p.measured for p in points]
        ax.plot(x, y, color=_GREY, linewidth=0.5, zorder=2)
        for p in points:
            ax.errorbar(
                p.simulated,
                p.measured,
                xerr=_known(p.simulated_ci95),
                yerr=_known(p.measured_ci95),
                marker=marker,
                color=colors[p.snr_class],
                markersize=4,
                markeredgecolor="black",
                markeredgewidth=0.3,
                elinewidth=0.7,
                zorder=3,
            )
    ax.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    ax.set_xlabel(f"simulated gain over {panel.baseline} (dB)")
    ax.set_ylabel("gain on the scan (dB)")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))


def _known(half_width: float) -> float:
    return 0.0 if np.isnan(half_width) else half_width


def _range(gains: Sequence[Gain]) -> tuple[float, float]:
    """Return a range that shows all gains with their intervals, and 0."""
    ends = [0.0]
    for gain in gains:
        for mean, ci95 in (
            (gain.simulated, gain.simulated_ci95),
            (gain.measured, gain.measured_ci95),
        ):
            ends += [mean - _known(ci95), mean + _known(ci95)]
    margin = 0.05 * (max(ends) - min(ends)) + 0.1
    return min(ends) - margin, max(ends) + margin
