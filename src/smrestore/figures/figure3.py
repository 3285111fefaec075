"""Figure 3: restored components of a measured system matrix, and what they do to an image."""

import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from smrestore.errors import InputError
from smrestore.figures.complex_color import draw_wheel
from smrestore.figures.components import (
    Panel,
    draw_component,
    draw_empty,
    draw_scalar,
    draw_scale_bar,
    plane,
)
from smrestore.figures.style import (
    FULL_WIDTH_MM,
    SMALL_PT,
    add_axes,
    add_text,
    journal_style,
    new_figure,
    save,
)
from smrestore.mdf import open_mdf, read_snr, read_system_matrix
from smrestore.phase import phase_factor
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.mixing import format_order, mixing_orders, total_order

Order = tuple[int, int, int]

_CMAP = "viridis"
_LABEL_WIDTH = 20.0
_LEGEND_WIDTH = 20.0
_BAR_WIDTH = 17.0
_HEADER = 8.5
_GAP = 1.5
_SCORE_HEIGHT = 7.0
_SECTION_GAP = 4.0
_LINE = 3.1
_MAX_ASPECT = 1.3
_MAX_PANEL = 30.0
_WIDE_PANEL = 18.0


@dataclass(frozen=True, eq=False)
class ComponentRow:
    """One component in all columns.

    Attributes
    ----------
    channel
        Receive channel.
    mixing_order
        As text, for example ``(2, -1)``.
    snr
        Signal-to-noise ratio in the measurement, or None.
    panels
        One complex plane per column, None where there is none.
    """

    channel: int
    mixing_order: str
    snr: float | None
    panels: tuple[Panel | None, ...]


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """An image reconstructed with the system matrix of a column; without a truth scores are NaN."""

    panel: Panel
    psnr: float = float("nan")
    ssim: float = float("nan")


@dataclass(frozen=True, eq=False)
class Figure3Data:
    """What figure 3 shows.

    Attributes
    ----------
    columns
        Titles: measured, each method, and reference and truth if they exist.
    rows
        Components. The last column that holds one sets brightness and phase of the row.
    reconstructions
        One per column, None where there is none.
    phantom
        True concentration, shown right of the reconstructions; its maximum is the top of the color
        range. Without it this is the maximum of the last reconstruction.
    """

    columns: tuple[str, ...]
    rows: tuple[ComponentRow, ...]
    reconstructions: tuple[Reconstruction | None, ...]
    phantom: Panel | None = None

    def __post_init__(self) -> None:
        counts = {len(row.panels) for row in self.rows} | {len(self.reconstructions)}
        if not self.rows or counts != {len(self.columns)}:
            raise InputError(
                f"{len(self.rows)} rows of {sorted(counts)} panels for {len(self.columns)} columns",
                field="columns",
                remedy="give one panel or None per column, and at least one component",
            )
        if any(all(panel is None for panel in row.panels) for row in self.rows):
            raise InputError(
                "a component has no panel", field="rows", remedy="give at least the measurement"
            )


@dataclass(frozen=True)
class Column:
    """Files of one column.

    Attributes
    ----------
    label
        Title.
    matrix
        MDF with the system matrix.
    reconstruction
        HDF5 file with a dataset ``image``, float64 (Nx, Ny, Nz), and attributes ``fov_m``,
        ``center_m``, ``psnr_dB`` and ``ssim``; or None.
    """

    label: str
    matrix: str | Path
    reconstruction: str | Path | None = None


def choose_components(
    snr: np.ndarray,
    orders: np.ndarray,
    count: int = 3,
    *,
    highest_snr: float = 30.0,
    lowest_snr: float = 3.0,
) -> list[tuple[int, int]]:
    """Choose components whose signal-to-noise ratios fall geometrically between two values.

    Receive channels alternate where the choice allows it.

    Parameters
    ----------
    snr
        float (C, K), of the measured system matrix.
    orders
        Mixing orders, int (K, 3). Orders of equal absolute values, which show the same image, and
        the drive frequencies and the direct component are not chosen.

    Returns
    -------
    list of (channel, frequency index), from high to low ratio.

    Raises
    ------
    InputError
        There are fewer than ``count`` such components.
    """
    chosen: list[tuple[int, int]] = []
    candidates = np.argwhere((snr >= lowest_snr) & (total_order(orders) > 1))
    log_snr = np.log(snr[tuple(candidates.T)])
    images = np.abs(orders[candidates[:, 1]])
    for target in np.geomspace(highest_snr, lowest_snr, count):
        if not len(candidates):
            break
        shown = np.isin(candidates[:, 0], [channel for channel, _ in chosen])
        best = np.argmin(np.abs(log_snr - np.log(target)) + 0.2 * shown)
        chosen.append(tuple(candidates[best].tolist()))
        left = (images != images[best]).any(axis=1)
        candidates, log_snr, images = candidates[left], log_snr[left], images[left]
    if len(chosen) < count:
        raise InputError(
            f"{len(chosen)} different components exceed a signal-to-noise ratio of {lowest_snr:g}, "
            f"{count} are wanted",
            field="snr",
            remedy="ask for fewer or lower the ratio",
        )
    return sorted(chosen, key=lambda component: -snr[component])


def read_figure3(
    columns: Sequence[Column],
    *,
    components: Sequence[tuple[int, Order]] | None = None,
    count: int = 3,
    truth: Column | None = None,
    phantom: str | Path | None = None,
    z: float | None = None,
) -> Figure3Data:
    """Read the planes of figure 3 from files.

    Parameters
    ----------
    columns
        The measured system matrix first, the reference last.
    components
        Receive channels and mixing orders; by default ``count`` of :func:`choose_components`.
    truth
        Column whose matrix is an HDF5 file with the noise-free ``system_matrix``, complex64
        (C, K, Nx, Ny, Nz), and attributes ``fov_m`` and ``center_m``; comes last.
    phantom
        HDF5 file with the true ``concentration``, float64 (Nx, Ny, Nz), and the same attributes.
    z
        Height of the plane in 3D, in m; by default the center of each grid.

    Raises
    ------
    InputError
        A file is missing or incomplete, or components cannot be chosen.
    """
    if not columns:
        raise InputError("there are no columns", field="columns", remedy="give the measurement")
    with open_mdf(columns[0].matrix) as file:
        sequence, stored = file.acquisition.sequence(), file.frequency_indices
    orders = mixing_orders(sequence)
    measured_snr = read_snr(columns[0].matrix)
    snr = np.zeros((len(measured_snr), len(orders)))
    snr[:, stored] = measured_snr
    if components is None:
        bins = choose_components(snr, orders, count)
    else:
        bins = [(channel, _bin_of(order, orders)) for channel, order in components]
    planes = [_read_components(column.matrix, bins, z) for column in columns]
    if truth is not None:
        planes.append(tuple(_read_plane(truth.matrix, "system_matrix", place, z) for place in bins))
        columns = [*columns, truth]
    rows = tuple(
        ComponentRow(
            channel=channel,
            mixing_order=format_order(orders[frequency], sequence.driven),
            snr=float(snr[channel, frequency]),
            panels=panels,
        )
        for (channel, frequency), panels in zip(bins, zip(*planes, strict=True), strict=True)
    )
    return Figure3Data(
        columns=tuple(column.label for column in columns),
        rows=rows,
        reconstructions=tuple(
            None
            if column.reconstruction is None
            else _read_reconstruction(column.reconstruction, z)
            for column in columns
        ),
        phantom=None if phantom is None else _read_plane(phantom, "concentration", (), z),
    )


def _bin_of(order: Order, orders: np.ndarray) -> int:
    """Return the frequency index whose lowest mixing order this is."""
    bins = np.flatnonzero((orders == order).all(axis=1))
    if not len(bins):
        raise InputError(
            f"no frequency has {tuple(order)} as its lowest mixing order",
            field="mixing_order",
            remedy="choose another one, for example with other signs",
        )
    return int(bins[0])


def draw_figure3(data: Figure3Data, path_pdf: str | Path, path_png: str | Path) -> None:
    """Draw components in rows, then reconstructions, with a column per system matrix.

    All panels of a component share brightness and phase: those of its last column, whose largest
    magnitude is 1 and whose main phase is turned to -90 or 90 degrees, as in simulated matrices.
    """
    n_columns = len(data.columns)
    # The phantom stands in a place of its own, below the color wheel.
    n_places = n_columns + (data.phantom is not None)
    margin = _LEGEND_WIDTH if data.phantom is None else _BAR_WIDTH
    available = FULL_WIDTH_MM - _LABEL_WIDTH - margin - (n_places - 1) * _GAP
    width = min(_MAX_PANEL, available / n_places)
    panels = [panel for row in data.rows for panel in row.panels if panel]
    height = width * min(_MAX_ASPECT, max(panel.aspect for panel in panels))
    step = height + _GAP
    images_top = _HEADER + len(data.rows) * step - _GAP + _SECTION_GAP
    has_images = data.phantom is not None or any(data.reconstructions)
    total = images_top + (height + _SCORE_HEIGHT if has_images else 1.0 - _SECTION_GAP)
    places = [_LABEL_WIDTH + place * (width + _GAP) for place in range(n_places)]
    lefts, right = places[:n_columns], places[-1] + width
    with journal_style():
        figure = new_figure(right + margin, total)
        for left, title in zip(lefts, data.columns, strict=True):
            _center(figure, left + width / 2, _HEADER - 1.0, title.replace(" (", "\n("), "bottom")
        for number, row in enumerate(data.rows):
            top = _HEADER + number * step
            _draw_row_label(figure, string.ascii_lowercase[number], top, _row_lines(row))
            peak, factor = _common_scale(row.panels)
            for left, panel in zip(lefts, row.panels, strict=True):
                ax = add_axes(figure, left, top, width, height)
                if panel is None:
                    draw_empty(ax, "no data")
                    continue
                draw_component(ax, Panel(panel.image * factor, panel.extent_mm), peak)
                if number == 0 and left == lefts[0]:
                    draw_scale_bar(ax, panel)
        middle = right + 0.5 * (_LEGEND_WIDTH if data.phantom is None else -width)
        draw_wheel(add_axes(figure, middle - 5.5, _HEADER + 12.0, 11.0, 11.0))
        _center(figure, middle, _HEADER + 0.5, "phase and\nmagnitude")
        if has_images:
            letter = string.ascii_lowercase[len(data.rows)]
            _draw_row_label(figure, letter, images_top, ["image"])
            _draw_images(figure, data, places, images_top, width, height)
        save(figure, path_pdf, path_png)


def _draw_row_label(figure: Figure, letter: str, top: float, lines: Sequence[str]) -> None:
    add_text(figure, 1.0, top + _LINE, f"({letter})", fontweight="bold")
    for number, line in enumerate(lines, start=1):
        add_text(figure, 6.5, top + number * _LINE, line, fontsize=SMALL_PT)


def _row_lines(row: ComponentRow) -> list[str]:
    lines = [f"channel ${'xyz'[row.channel]}$", row.mixing_order.replace("-", "−")]
    if row.snr is not None:
        lines.append(f"SNR {row.snr:.1f}" if row.snr < 10 else f"SNR {row.snr:.0f}")
    return lines


def _draw_images(
    figure: Figure,
    data: Figure3Data,
    places: Sequence[float],
    top: float,
    width: float,
    height: float,
) -> None:
    """Draw reconstructions and phantom with one color range, their scores and the color bar."""
    panels = [None if r is None else r.panel for r in data.reconstructions]
    if data.phantom is not None:
        panels.append(data.phantom)
        middle = places[-1] + width / 2
        _center(figure, middle, top + height + 0.6, "phantom")
    last = next(panel for panel in reversed(panels) if panel is not None)
    vmax = float(last.image.max()) or 1.0
    for left, panel in zip(places, panels, strict=True):
        if panel is not None:
            ax = add_axes(figure, left, top, width, height)
            shown = draw_scalar(ax, panel, 0.0, vmax, _CMAP)
    for left, reconstruction in zip(places, data.reconstructions, strict=False):
        if reconstruction is not None and np.isfinite(reconstruction.psnr):
            psnr = f"{reconstruction.psnr:.1f} dB"
            scores = f"PSNR {psnr}" if width > _WIDE_PANEL else psnr
            scores += f"\nSSIM {reconstruction.ssim:.2f}"
            _center(figure, left + width / 2, top + height + 0.6, scores)
    exceeded = any(panel is not None and panel.image.max() > vmax for panel in panels)
    bar = figure.colorbar(
        shown,
        cax=add_axes(figure, places[-1] + width + 1.5, top, 2.0, height),
        extend="max" if exceeded else "neither",
        ticks=MaxNLocator(4),
        format="%g",
    )
    bar.set_label("relative\nconcentration", fontsize=SMALL_PT)
    bar.outline.set_linewidth(0.5)


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


def _common_scale(panels: Sequence[Panel | None]) -> tuple[float, complex]:
    """Return peak and phase factor of a row, from its last panel.

    The factor turns the main phase to the imaginary axis, the largest magnitude towards -i.
    """
    image = next(panel.image for panel in reversed(panels) if panel is not None)
    factor = -1j / phase_factor(image)
    largest = image.flat[np.argmax(np.abs(image))] * factor
    return float(np.abs(largest)), -factor if largest.imag > 0 else factor


def _read_components(
    path: str | Path, components: Sequence[tuple[int, int]], z: float | None
) -> tuple[Panel, ...]:
    with open_mdf(path) as file:
        if file.calibration is None:
            raise file.error(
                "is a measurement, not a calibration scan",
                "/calibration/method",
                "give a system matrix",
            )
        grid = file.calibration.grid()
    channels, frequencies = (sorted(set(indices)) for indices in zip(*components, strict=True))
    matrix = read_system_matrix(path, channels=channels, frequencies=frequencies)
    return tuple(
        plane(matrix[channels.index(channel), frequencies.index(frequency)], grid, z)
        for channel, frequency in components
    )


def _read_reconstruction(path: str | Path, z: float | None) -> Reconstruction:
    panel = _read_plane(path, "image", (), z)
    with h5py.File(path, "r") as file:
        scores = {name: float(file.attrs.get(name, np.nan)) for name in ("psnr_dB", "ssim")}
    return Reconstruction(panel, psnr=scores["psnr_dB"], ssim=scores["ssim"])


def _read_plane(path: str | Path, dataset: str, index: tuple[int, ...], z: float | None) -> Panel:
    """Read one image (Nx, Ny, Nz) from an HDF5 file that says where its grid lies."""
    try:
        with h5py.File(path, "r") as file:
            image = file[dataset][index]
            fov, center = (tuple(file.attrs[name].tolist()) for name in ("fov_m", "center_m"))
    except (OSError, KeyError, IndexError) as error:
        raise InputError(
            f"cannot be read ({error})",
            path=path,
            field=dataset,
            remedy="make it again, with its attributes fov_m and center_m",
        ) from None
    return plane(image, CalibrationGrid(image.shape, fov, center), z)
