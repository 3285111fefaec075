"""Training curves: validation PSNR and losses over the training steps."""

import itertools
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from smrestore.figures.style import (
    COLORS,
    COLUMN_WIDTH_MM,
    SMALL_PT,
    add_axes,
    add_text,
    journal_style,
    new_figure,
    save,
)
from smrestore.support.errors import InputError

COLUMNS = (
    "step",
    "training_loss",
    "validation_loss",
    "validation_psnr_dB",
    "degraded_psnr_dB",
)

_LEFT, _RIGHT, _BOTTOM = 12.5, 7.0, 8.5
_LABEL = 8.5
_GREY = "0.35"
_PANEL, _GAP, _LEGEND_LINE = 28.0, 3.5, 3.4
_SHORT_LABEL = 24
_DASHED = (0, (4, 1.5))
_DOTTED = (0, (1, 1))


def draw_training_curve(
    histories: Mapping[str, str | Path], path_pdf: str | Path, path_png: str | Path
) -> None:
    """Draw (a) the validation PSNR and (b) the losses of one or more trainings.

    Parameters
    ----------
    histories
        Label -> CSV with one row per validation and the columns ``COLUMNS``. The PSNR at single
        noise levels, in columns such as ``psnr_0.1_dB``, is drawn too if there is one history.

    Raises
    ------
    InputError
        There is no history, or one is missing, empty or lacks a column.
    """
    if not histories:
        raise InputError("no training history", field="histories", remedy="give at least one")
    tables = {label: _read_history(path) for label, path in histories.items()}
    n_columns = 2 if max(map(len, tables)) <= _SHORT_LABEL else 1
    top = 2.0 + _LEGEND_LINE * -(-len(tables) // n_columns)
    width = COLUMN_WIDTH_MM - _LEFT - _RIGHT
    with journal_style():
        figure = new_figure(COLUMN_WIDTH_MM, top + 2 * _PANEL + _GAP + _BOTTOM)
        upper = add_axes(figure, _LEFT, top, width, _PANEL)
        lower = add_axes(figure, _LEFT, top + _PANEL + _GAP, width, _PANEL)
        for color, (label, table) in zip(itertools.cycle(COLORS), tables.items(), strict=False):
            step = table["step"]
            upper.plot(step, table["validation_psnr_dB"], color=color, label=label)
            upper.plot(step, table["degraded_psnr_dB"], color=color, linestyle=_DASHED)
            lower.plot(step, table["validation_loss"], color=color)
            lower.plot(step, table["training_loss"], color=color, linestyle=_DOTTED)
        last_step = max(table["step"].max() for table in tables.values())
        if len(tables) == 1:
            _draw_levels(upper, next(iter(tables.values())))
        add_text(figure, 1.0, top + 1.0, "(a)", fontweight="bold")
        add_text(figure, 1.0, top + _PANEL + _GAP + 1.0, "(b)", fontweight="bold")
        for ax in (upper, lower):
            ax.set_xlim(0, last_step)
            ax.yaxis.set_label_coords(-_LABEL / width, 0.5)
            ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            ax.spines[["top", "right"]].set_visible(False)
        upper.tick_params(labelbottom=False)
        upper.set_ylabel("PSNR (dB)")
        lower.set(ylabel="loss", xlabel="training step")
        losses = [
            table[["training_loss", "validation_loss"]].to_numpy() for table in tables.values()
        ]
        # The logarithm of an error is a loss, too.
        if min(loss.min() for loss in losses) > 0:
            _use_logarithms(lower)
        figure.legend(
            *upper.get_legend_handles_labels(),
            loc="lower left",
            bbox_to_anchor=(0, 1.04),
            bbox_transform=upper.transAxes,
            ncols=n_columns,
            borderpad=0,
            borderaxespad=0,
            labelspacing=0.35,
        )
        upper.annotate(
            "degraded",
            (last_step, max(table["degraded_psnr_dB"].iloc[-1] for table in tables.values())),
            xytext=(0, 2),
            textcoords="offset points",
            horizontalalignment="right",
            color=_GREY,
            fontsize=SMALL_PT,
        )
        lines = [Line2D([], [], color=_GREY, linestyle=style) for style in ("-", _DOTTED)]
        lower.legend(lines, ("validation", "training"), loc="upper right", ncols=2)
        save(figure, path_pdf, path_png)


def _use_logarithms(ax: Axes) -> None:
    """Make the loss axis logarithmic, with plain numbers."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    digits = (1, 2, 5) if high > 10 * low else (1, 2, 3, 4, 5, 6, 8)
    ax.yaxis.set_major_locator(LogLocator(subs=digits))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_locator(NullLocator())


def _draw_levels(ax: Axes, table: pd.DataFrame) -> None:
    """Draw the validation PSNR at each noise level, with the level at the end of its line."""
    for column in table:
        if match := re.fullmatch(r"psnr_([\d.e-]+)_dB", str(column)):
            ax.plot(table["step"], table[column], color=_GREY, linewidth=0.5)
            ax.annotate(
                match[1],
                (table["step"].iloc[-1], table[column].iloc[-1]),
                xytext=(2, 0),
                textcoords="offset points",
                verticalalignment="center",
                color=_GREY,
                fontsize=SMALL_PT,
                annotation_clip=False,
            )


def _read_history(path: str | Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (OSError, pd.errors.EmptyDataError) as error:
        raise InputError(
            f"no training history ({error})", path=path, remedy="run the training"
        ) from None
    missing = [column for column in COLUMNS if column not in table]
    if missing or table.empty:
        raise InputError(
            f"lacks {', '.join(missing) or 'rows'}",
            path=path,
            field=missing[0] if missing else None,
            remedy="run the training again",
        )
    return table
