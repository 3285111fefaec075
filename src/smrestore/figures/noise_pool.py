"""Diagnostics of a noise pool: strength, drift, spectrum and jumps of its components."""

from pathlib import Path

import h5py
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from smrestore.figures.style import (
    COLORS,
    FULL_WIDTH_MM,
    SMALL_PT,
    add_axes,
    add_text,
    journal_style,
    new_figure,
    save,
)
from smrestore.noise.pool import FORMAT
from smrestore.support.checksums import check_datasets
from smrestore.support.files import open_result

_LEFT, _RIGHT, _TOP, _BOTTOM = 14.0, 6.0, 6.0, 9.0
_PANEL, _GAP, _BETWEEN = 34.0, 14.0, 17.0
_BINS = 100
_POINTS = 1500
"""Frames that are drawn at most; of more, every n-th."""
_SHARE = 0.02
"""Share of the components in each group whose spectra are averaged."""
_GREY = "0.6"


def draw_noise_pool(path: str | Path, path_pdf: str | Path, path_png: str | Path) -> None:
    """Draw how the noise of a pool behaves.

    (a) white deviation (median of each frequency band) and drift (every component) over frequency,
    (b) the course of three components over the frames, (c) mean power spectra of components with
    much, median and little drift, (d) how many components jump how often.

    Raises
    ------
    InputError
        If the file is missing or no noise pool.
    """
    make = "run the noise stage"
    with open_result(path, FORMAT, make=make) as file, journal_style():
        check_datasets(file)
        width = (FULL_WIDTH_MM - _LEFT - _RIGHT - _GAP) / 2
        height = _TOP + 2 * _PANEL + _BETWEEN + _BOTTOM
        figure = new_figure(FULL_WIDTH_MM, height)
        panels = []
        for row in range(2):
            for column in range(2):
                left = _LEFT + column * (width + _GAP)
                top = _TOP + row * (_PANEL + _BETWEEN)
                panels.append(add_axes(figure, left, top, width, _PANEL))
                letter = "abcd"[2 * row + column]
                add_text(figure, left - 12.5, top - 2, f"({letter})", fontweight="bold")
        white, drift = file["white_deviation"][()], file["drift"][()]
        ratio = drift / np.where(white > 0, white, np.inf)
        _deviations(panels[0], file, white, drift)
        _courses(panels[1], file, ratio)
        _spectra(panels[2], file, ratio)
        _jumps(panels[3], file)
        for panel in panels:
            panel.spines[["top", "right"]].set_visible(False)
        save(figure, path_pdf, path_png)


def _deviations(ax: Axes, file: h5py.File, white: np.ndarray, drift: np.ndarray) -> None:
    frequency = file["frequency_Hz"][()] / 1e3
    edges = np.linspace(frequency[0], frequency[-1], min(_BINS, len(frequency)) + 1)
    place = np.clip(np.searchsorted(edges, frequency, side="right") - 1, 0, len(edges) - 2)
    bands = np.unique(place)
    centers = (edges[bands] + edges[bands + 1]) / 2
    for channel, color in zip(range(len(white)), COLORS, strict=False):
        ax.plot(
            *(frequency, drift[channel]),
            linestyle="none",
            marker=".",
            markersize=1.2,
            markeredgewidth=0,
            color=color,
            alpha=0.5,
            rasterized=True,
        )
        median = [np.median(white[channel, place == band]) for band in bands]
        ax.plot(centers, median, color=color, label=f"channel {channel}")
    positive = np.concatenate([white[white > 0], drift[drift > 0]])
    if len(positive):
        ax.set(yscale="log", ylim=(0.8 * np.quantile(positive, 0.02), 1.5 * positive.max()))
        low, high = ax.get_ylim()
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_locator(NullLocator())
    ax.set(xlabel="frequency (kHz)", ylabel="deviation (unit of the scan)")
    ax.set_xlim(frequency[0], max(frequency[-1], frequency[0] + 1e-9))
    lines, labels = ax.get_legend_handles_labels()
    lines += [
        Line2D([], [], color="0.35"),
        Line2D([], [], color="0.35", linestyle="none", marker=".", markersize=3),
    ]
    ax.legend(
        lines,
        [*labels, "white part", "drift"],
        loc="lower right",
        bbox_to_anchor=(0.98, 1.0),
        ncols=len(lines),
        borderaxespad=0,
        borderpad=0,
        handlelength=1.0,
        columnspacing=0.7,
        handletextpad=0.4,
    )


def _chosen(ratio: np.ndarray) -> dict[str, tuple[int, int]]:
    """Return channel and row of the components with most, median and least drift."""
    order = np.argsort(ratio, axis=None)
    places = {"most drift": order[-1], "median": order[len(order) // 2], "least drift": order[0]}
    return {name: np.unravel_index(place, ratio.shape) for name, place in places.items()}


def _courses(ax: Axes, file: h5py.File, ratio: np.ndarray) -> None:
    noise = file["noise"]
    step = -(-noise.shape[2] // _POINTS)
    frames = np.arange(0, noise.shape[2], step)
    offset = 0.0
    for (name, place), color in zip(_chosen(ratio).items(), COLORS, strict=False):
        white = file["white_deviation"][place] or 1.0
        course = (noise[(*place, slice(None, None, step))] - file["mean"][place]).real / white
        offset -= course.max()
        ax.plot(frames, course + offset, color=color, linewidth=0.4)
        ax.annotate(
            f"{name}: channel {place[0]}, {file['frequency_Hz'][place[1]] / 1e3:.4g} kHz",
            (0, offset + course.max()),
            xytext=(1, 1.5),
            textcoords="offset points",
            fontsize=SMALL_PT,
            color=color,
        )
        offset += course.min() - 2.5
    for scan in file["scans"].values():
        if scan.attrs["start"]:
            ax.axvline(scan.attrs["start"], color=_GREY, linewidth=0.5)
    ax.set(xlabel="frame", ylabel="real part (white deviations)", xlim=(0, noise.shape[2]))
    ax.set_ylim(offset + 1.5, 3.0)
    ax.set_yticks([])
    ax.yaxis.labelpad = 4
    span = ax.get_ylim()
    bar = 10.0 if span[1] - span[0] > 30 else 2.0
    x = 1.015 * noise.shape[2]
    thick = {"linewidth": 1.2, "solid_capstyle": "butt", "clip_on": False}
    ax.plot([x, x], [span[0], span[0] + bar], color="black", **thick)
    ax.annotate(
        f"{bar:g}",
        (x, span[0] + bar / 2),
        xytext=(2, 0),
        textcoords="offset points",
        verticalalignment="center",
        annotation_clip=False,
        fontsize=SMALL_PT,
    )


def _spectra(ax: Axes, file: h5py.File, ratio: np.ndarray) -> None:
    frequency = file["spectrum_frequency"][()]
    order = np.argsort(ratio, axis=None)
    count = max(1, round(_SHARE * len(order)))
    middle = (len(order) - count) // 2
    groups = {
        "most drift": order[-count:],
        "median": order[middle : middle + count],
        "least drift": order[:count],
    }
    spectrum, white = file["spectrum"], file["white_deviation"][()]
    for (name, members), color in zip(groups.items(), COLORS, strict=False):
        total, used = np.zeros(len(frequency)), 0
        for flat in members:
            place = np.unravel_index(flat, ratio.shape)
            if white[place] > 0:
                total += spectrum[place] / white[place] ** 2
                used += 1
        if used:
            ax.plot(frequency[1:], total[1:] / used, color=color, label=f"{name} ({_SHARE:.0%})")
    ax.axhline(1, color=_GREY, linewidth=0.5, zorder=0)
    ax.set(xscale="log", yscale="log", xlabel="cycles per frame", ylabel="power / white noise")
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, 0.3), max(high, 3.0))
    ax.legend(loc="upper right")


def _jumps(ax: Axes, file: h5py.File) -> None:
    jumps = file["jumps"][()]
    counts = np.bincount(jumps.ravel())
    ax.bar(np.arange(len(counts)), counts, color=COLORS[0], width=0.8)
    frames = sum(len(scan["frames"]) for scan in file["scans"].values())
    ax.set(
        yscale="log",
        xlabel=f"jumps in {frames} frames",
        ylabel="components",
        ylim=(0.7, 3 * jumps.size),
        xlim=(-0.8, max(len(counts), 5) - 0.2),
    )
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
