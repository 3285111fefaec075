"""Any component of a file of simulated system matrices: its plane in 2D, three planes in 3D."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from smrestore.figures.complex_color import draw_wheel
from smrestore.figures.panels import draw_component, planes_through_peak
from smrestore.figures.style import (
    add_axes,
    add_text,
    journal_style,
    new_figure,
    save_as,
    text_width_mm,
)
from smrestore.physics import CalibrationGrid, format_order, mixing_orders
from smrestore.physics.parameters import simulation_of
from smrestore.simulation.store import FORMAT, case_of
from smrestore.support.errors import InputError

_PLANE_MM = 45.0
_LEFT, _HEADER, _BOTTOM, _GAP, _LEGEND, _TITLE_MM = 11.0, 17.0, 10.0, 14.0, 20.0, 72.0
_FONT_PT, _MARGIN = 7.0, 3.0


@dataclass(frozen=True)
class ComponentChoice:
    """Which component is shown.

    Attributes
    ----------
    matrix
        Name of the matrix, the first of the file if not given.
    channel
        Receive channel.
    frequency, mixing_order
        Frequency bin or mixing order; the component of largest norm if neither is given.
    """

    matrix: str | None = None
    channel: int = 0
    frequency: int | None = None
    mixing_order: tuple[int, int, int] | None = None


def plot_component(path: str | Path, output: str | Path, choice: ComponentChoice) -> None:
    """Draw a component of a system matrix store or of complete system matrices.

    Parameters
    ----------
    path
        File of ``smrestore simulate`` or of the simulation stage.
    output
        Picture to write; its ending tells the format.
    choice
        Which component.

    Raises
    ------
    InputError
        If the file is no such file, or does not hold the component; the message says what it holds.
    """
    case, frequency, image = _read(Path(path), choice)
    simulation = simulation_of(case)
    sequence = simulation.sequence
    order = format_order(mixing_orders(sequence)[frequency], sequence.driven)
    lines = (
        _title(case),
        f"receive channel {choice.channel}, {sequence.frequencies[frequency] / 1e3:.2f} kHz "
        f"(k = {frequency}), mixing order {order.replace('-', '−')}",
    )
    draw_planes(image, simulation.grid, lines, output)


def draw_planes(
    image: np.ndarray, grid: CalibrationGrid, lines: tuple[str, str], output: str | Path
) -> None:
    """Draw the planes of a component into a file, see :func:`planes_figure`.

    Parameters
    ----------
    image, grid, lines
        What is drawn.
    output
        Picture to write; its ending tells the format.
    """
    figure = planes_figure(image, grid, lines)
    with journal_style():
        save_as(figure, output)


def planes_figure(
    image: np.ndarray, grid: CalibrationGrid, lines: Sequence[str], peak: float | None = None
) -> Figure:
    """Draw the planes of a component through its strongest voxel, below two or three lines of text.

    Parameters
    ----------
    image
        complex (Nx, Ny, Nz).
    grid
        Its grid.
    lines
        What it is.
    peak
        Magnitude of full brightness; by default the largest one.

    Raises
    ------
    InputError
        If the grid extends along fewer than two axes.
    """
    planes = planes_through_peak(image, grid)
    peak = float(np.abs(image).max()) if peak is None else peak
    with journal_style():
        # All planes have the same scale.
        scale = _PLANE_MM / max(max(plane.panel.extent_lengths) for plane in planes)
        sizes = [tuple(scale * length for length in plane.panel.extent_lengths) for plane in planes]
        width = _LEFT + sum(w + _GAP for w, _ in sizes) + _LEGEND
        longest = max(text_width_mm(line, _FONT_PT) for line in lines)
        width = max(width, _LEFT + _TITLE_MM, _LEFT + longest + _MARGIN)
        figure = new_figure(width, _HEADER + max(*(h for _, h in sizes), 18.0) + _BOTTOM)
        for number, line in enumerate(lines):
            add_text(figure, _LEFT, 3.0 + 4.5 * number, line, verticalalignment="top")
        left = _LEFT
        for plane, (plane_width, plane_height) in zip(planes, sizes, strict=True):
            ax = add_axes(figure, left, _HEADER, plane_width, plane_height)
            draw_component(ax, plane.panel, peak)
            ax.set(xlabel=f"${plane.horizontal}$ (mm)", ylabel=f"${plane.vertical}$ (mm)")
            if len(planes) > 1:
                ax.set_title(plane.place)
            left += plane_width + _GAP
            ax.xaxis.set_major_locator(MaxNLocator(5))
            ax.yaxis.set_major_locator(MaxNLocator(5))
        draw_wheel(add_axes(figure, width - _LEGEND + 5.0, _HEADER + 3.0, 11.5, 11.5))
    return figure


def _title(case: dict[str, object]) -> str:
    return (
        f"{case['name']}: {case['particle_state']} particles, "
        f"$d$ = {case['core_diameter_nm']:.1f} nm, "
        f"$K$ = {case['anisotropy_constant_J_per_m3'] / 1e3:.1f} kJ/m³"
    )


def _read(path: Path, choice: ComponentChoice) -> tuple[dict[str, object], int, np.ndarray]:
    """Return the case, frequency bin and image, up to a factor, of a component."""
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError:
        raise InputError("no such file", path=path, remedy="check the path") from None
    except OSError as error:
        raise InputError(
            f"not a readable HDF5 file ({error})", path=path, remedy="give a simulated file"
        ) from None
    with file:
        if "measurement" in file:
            raise InputError(
                "is a scan, not simulated system matrices",
                path=path,
                remedy="draw it with smrestore inspect --pictures FOLDER",
            )
        names = [n for n, group in file.items() if isinstance(group, h5py.Group)]
        name = choice.matrix if choice.matrix is not None else next(iter(names), None)
        if name not in names:
            raise InputError(
                f"no system matrix {name!r} inside" if names else "no system matrix inside",
                path=path,
                remedy=f"choose one of {', '.join(names[:20])}" if names else "simulate one",
            )
        group = file[name]
        case = case_of(group)
        wanted = _wanted_frequencies(path, case, choice)
        if "system_matrix" in group:
            norms = np.linalg.norm(
                group["system_matrix"][choice.channel].reshape(len(wanted), -1), axis=1
            )
            frequency = int(np.argmax(np.where(wanted, norms, -1)))
            return case, frequency, group["system_matrix"][choice.channel, frequency]
        if file.attrs.get("format") != FORMAT:
            raise InputError(
                f"neither a {FORMAT!r} nor complete system matrices",
                path=path,
                field="format",
                remedy="give a simulated file",
            )
        frequencies = group["frequency"][()]
        hits = np.flatnonzero((group["channel"][()] == choice.channel) & wanted[frequencies])
        if not hits.size:
            raise InputError(
                "the component is not kept",
                path=path,
                field=name,
                remedy="choose another; "
                f"channel {choice.channel} has {_kept(group, choice.channel)}",
            )
        index = int(hits[np.argmax(group["norm"][()][hits])])
        return case, int(frequencies[index]), -1j * group["components"][index]


def _kept(group: h5py.Group, channel: int) -> str:
    """Say which frequencies of a channel are kept, the strongest first."""
    own = group["channel"][()] == channel
    strongest = np.argsort(-group["norm"][()][own])
    frequencies = group["frequency"][()][own][strongest]
    shown = ", ".join(f"k = {k}" for k in frequencies[:10])
    return f"{shown} and others" if len(frequencies) > 10 else shown or "none"


def _wanted_frequencies(path: Path, case: dict[str, object], choice: ComponentChoice) -> np.ndarray:
    """Return which frequency bins (K,) fit a choice."""
    sequence = simulation_of(case).sequence
    if not 0 <= choice.channel < 3:
        raise InputError(f"no channel {choice.channel}", path=path, remedy="give 0, 1 or 2")
    if choice.mixing_order is not None:
        wanted = (mixing_orders(sequence) == choice.mixing_order).all(axis=1)
        if not wanted.any():
            raise InputError(
                f"no frequency has mixing order {choice.mixing_order}",
                path=path,
                remedy="give the order of lowest sum, or a frequency",
            )
        return wanted
    wanted = np.ones(sequence.n_frequencies, dtype=bool)
    if choice.frequency is not None:
        if not 0 <= choice.frequency < sequence.n_frequencies:
            raise InputError(
                f"no frequency bin {choice.frequency}",
                path=path,
                remedy=f"give 0 to {sequence.n_frequencies - 1}",
            )
        wanted[:] = False
        wanted[choice.frequency] = True
    return wanted
