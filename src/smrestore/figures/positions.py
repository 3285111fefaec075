"""Quality of restored calibrations against the number of positions that were measured."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator, ScalarFormatter

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

MARKERS = "osD^vP"
CHOICES = {
    "every": "every n-th voxel",
    "spread": "spread",
    "information": "by information",
    "random": "at random",
}
_STYLES = {"every": "none", "spread": "-", "information": "--", "random": ":"}
_COLUMNS = {"component_psnr_dB": "PSNR of components in dB", "image_psnr_dB": "PSNR of image in dB"}
_LEFT, _TOP, _GAP, _HEIGHT, _BOTTOM, _LINE = 12.0, 14.0, 16.0, 44.0, 9.0, 4.0


def draw_positions(
    table: str | Path, path_pdf: str | Path, path_png: str | Path, *, averages: int | None = None
) -> None:
    """Draw the quality of components and images over the number of positions.

    Parameters
    ----------
    table
        CSV of :func:`smrestore.evaluation.positions.tabulate_positions`.
    averages
        Which averages are shown; the most of the table by default.

    Raises
    ------
    InputError
        If the table has no results for these averages.
    """
    results = pd.read_csv(table)
    averages = averages or int(results["averages"].max())
    shown = results[(results["averages"] == averages) & results["component_psnr_dB"].notna()]
    if shown.empty:
        raise InputError(
            f"no results with {averages} averages",
            path=table,
            remedy=f"use one of {', '.join(map(str, sorted(set(results['averages']))))}",
        )
    with journal_style():
        figure = new_figure(FULL_WIDTH_MM, _TOP + _HEIGHT + _BOTTOM)
        width = (FULL_WIDTH_MM - 2 * _LEFT - _GAP / 2) / 2
        for place, (column, name) in enumerate(_COLUMNS.items()):
            left = _LEFT + place * (width + _GAP)
            axes = add_axes(figure, left, _TOP, width, _HEIGHT)
            _draw_panel(axes, shown, column)
            axes.set_ylabel(name)
            add_text(figure, left - 8, _TOP - 2.5, "ab"[place], weight="bold")
        _add_legend(figure, shown)
        save(figure, path_pdf, path_png)


def _add_legend(figure: Figure, results: pd.DataFrame) -> None:
    """Write methods by colour and marker in the first line, choices by line in the second."""
    methods = [
        Line2D(
            [], [], color=f"C{i}", marker=MARKERS[i % len(MARKERS)], markersize=3, linestyle="none"
        )
        for i in range(results["label"].nunique())
    ]
    kinds = [choice for choice in CHOICES if (results["choice"] == choice).any()]
    choices = [
        Line2D(
            [], [], color="0.3", linestyle=_STYLES[kind], linewidth=0.8, markersize=3,
            marker="o", markerfacecolor="white" if kind == "every" else "0.3",
        )
        for kind in kinds
    ]  # fmt: skip
    height = figure.get_size_inches()[1]
    for line, (handles, names) in enumerate(
        ((methods, list(dict.fromkeys(results["label"]))), (choices, [CHOICES[k] for k in kinds]))
    ):
        figure.legend(
            handles, names, loc="upper center", ncols=len(names), fontsize=SMALL_PT, frameon=False,
            bbox_to_anchor=(0.5, 1 - line * _LINE / 25.4 / height), handlelength=2.5,
        )  # fmt: skip


def _draw_panel(axes: Axes, results: pd.DataFrame, column: str) -> None:
    labels = list(dict.fromkeys(results["label"]))
    choices = list(CHOICES)
    for (label, choice), group in results.groupby(["label", "choice"], sort=False):
        number = labels.index(label)
        group = group.sort_values("positions")
        # Side by side where several have the same number.
        aside = number + 2.5 * choices.index(choice) - 4
        axes.errorbar(
            group["positions"] * 1.016**aside,
            group[column],
            yerr=np.nan_to_num(group[f"{column}_ci95"]),
            color=f"C{number}",
            marker=MARKERS[number % len(MARKERS)],
            markersize=3,
            markerfacecolor="white" if choice == "every" else f"C{number}",
            linestyle=_STYLES[choice],
            linewidth=0.8,
            elinewidth=0.6,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    lowest, highest = 0.8 * results["positions"].min(), 1.2 * results["positions"].max()
    ticks = [n for n in (5, 10, 20, 50, 100, 200, 500, 1000, 5000) if lowest <= n <= highest]
    axes.set_xticks(ticks)
    axes.set_xlabel("measured positions")
    axes.grid(linewidth=0.3, alpha=0.5)
