"""Figure 1: examples of simulated 2D system matrix components (Tsanda et al. 2026)."""

import itertools
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smrestore.figures.complex_color import draw_wheel
from smrestore.figures.panels import (
    Panel,
    draw_component,
    draw_directions,
    draw_empty,
    draw_note,
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
from smrestore.physics.mixing import format_order
from smrestore.physics.parameters import simulation_of
from smrestore.simulation.store import Component, SystemMatrixStore
from smrestore.support.errors import InputError

Order = tuple[int, int, int]

ORDERS: tuple[Order, ...] = ((1, 0, 0), (2, 1, 0), (3, 3, 0), (5, 4, 0), (8, 7, 0))

# A store keeps only some components; one that is at most this far away stands in.
_REACH = 3

_TEXT_WIDTH = 39.0
_WHEEL_WIDTH = 19.0
_GAP = 1.5
_HEADER = 8.0
_ROW_GAP = 2.5
_LINE = 3.1
_MIN_ROW = 6.3 * _LINE
_MAX_ASPECT = 1.4


@dataclass(frozen=True)
class Selection:
    """What is shown.

    Attributes
    ----------
    matrices
        Indices in the store, one row each.
    mixing_orders
        One column each.
    channel
        Receive channel.
    """

    matrices: tuple[int, ...]
    mixing_orders: tuple[Order, ...] = ORDERS
    channel: int = 0


def choose_matrices(
    store: SystemMatrixStore,
    count: int = 4,
    *,
    mixing_orders: Sequence[Order] = ORDERS,
    channel: int = 0,
) -> tuple[int, ...]:
    """Choose 2D system matrices of alternating particle state and increasing core diameter.

    Those that keep the wanted components and whose field of view is not elongated are preferred.
    Fewer than ``count`` are returned if the store has no more.

    Raises
    ------
    InputError
        The store has no 2D system matrix.
    """
    cases = {i: store.parameters(i) for i in range(len(store)) if store.shape(i)[2] == 1}
    if not cases:
        raise _not_planar(store)
    diameter = {i: case["core_diameter_nm"] for i, case in cases.items()}
    span = np.ptp(list(diameter.values())) or 1.0
    defects = {}
    for i, case in cases.items():
        ratio = case["fov_mm"][0] / case["fov_mm"][1]
        absent = sum(
            all(store.find(i, twin, channel) is None for twin in _signed(order))
            for order in mixing_orders
        )
        defects[i] = 0.2 * absent + (max(ratio, 1 / ratio) > _MAX_ASPECT)
    wanted_diameters = np.linspace(min(diameter.values()), max(diameter.values()), count)
    wanted_states = itertools.cycle(sorted({case["particle_state"] for case in cases.values()}))
    chosen: list[int] = []
    for wanted, state in zip(wanted_diameters[: len(cases)], wanted_states, strict=False):
        costs = {
            i: defects[i] + abs(diameter[i] - wanted) / span + (case["particle_state"] != state)
            for i, case in cases.items()
            if i not in chosen
        }
        chosen.append(min(costs, key=costs.get))
    return tuple(sorted(chosen, key=diameter.get))


def find_components(
    store: SystemMatrixStore, matrix: int, orders: Sequence[Order], channel: int
) -> list[Component | None]:
    """Return the component of each mixing order, else the nearest kept one, else None.

    Nearest in the absolute orders |n_x| and |n_y|, because orders that differ in sign show the same
    image. No component is returned twice.
    """
    # Exact ones come first, so that none of them stands in for another one.
    found = [store.find(matrix, order, channel) for order in orders]
    for place, order in enumerate(orders):
        if found[place] is None:
            candidates = (store.find(matrix, near, channel) for near in _neighbors(order))
            found[place] = next((c for c in candidates if c is not None and c not in found), None)
    return [None if index is None else store.read(matrix, index) for index in found]


def draw_figure1(
    store: SystemMatrixStore, selection: Selection, path_pdf: str | Path, path_png: str | Path
) -> None:
    """Draw simulated components: a row per system matrix, a column per mixing order.

    Every panel is divided by its largest magnitude and shows the phase of the physical component,
    -i times the stored real image.

    Raises
    ------
    InputError
        The selection is empty, or a system matrix is not 2D.
    """
    if not selection.matrices or not selection.mixing_orders:
        raise InputError(
            "nothing to show", field="selection", remedy="choose system matrices and mixing orders"
        )
    rows = [_read_row(store, matrix, selection) for matrix in selection.matrices]
    n_columns = len(selection.mixing_orders)
    width = (FULL_WIDTH_MM - _TEXT_WIDTH - _WHEEL_WIDTH - (n_columns - 1) * _GAP) / n_columns
    heights = [max(_MIN_ROW, width * min(row.aspect, _MAX_ASPECT)) for row in rows]
    total = _HEADER + sum(heights) + _ROW_GAP * (len(rows) - 1) + 1.0
    lefts = [_TEXT_WIDTH + column * (width + _GAP) for column in range(n_columns)]
    with journal_style():
        figure = new_figure(FULL_WIDTH_MM, total)
        middle = (lefts[0] + lefts[-1] + width) / 2
        driven = rows[0].driven
        names = ", ".join(f"$n_{axis}$" for axis, on in zip("xyz", driven, strict=True) if on)
        add_text(
            figure,
            middle,
            1.0,
            f"mixing order ({names}), receive channel ${'xyz'[selection.channel]}$",
            horizontalalignment="center",
            verticalalignment="top",
        )
        for left, order in zip(lefts, selection.mixing_orders, strict=True):
            add_text(
                figure,
                left + width / 2,
                _HEADER - 0.8,
                _order_text(order, driven),
                horizontalalignment="center",
                verticalalignment="bottom",
            )
        top = _HEADER
        for letter, row, height in zip(string.ascii_lowercase, rows, heights, strict=False):
            add_text(figure, 1.0, top + _LINE, f"({letter})", fontweight="bold")
            for number, line in enumerate(row.lines, start=1):
                add_text(figure, 6.5, top + number * _LINE, line, fontsize=SMALL_PT)
            for left, panel, note in zip(lefts, row.panels, row.notes, strict=True):
                ax = add_axes(figure, left, top, width, height)
                ax.set_anchor("N")
                if panel is None:
                    draw_empty(ax, "not kept")
                    continue
                draw_component(ax, panel)
                if note:
                    draw_note(ax, note)
                if left == lefts[0]:
                    draw_scale_bar(ax, panel)
            top += height + _ROW_GAP
        right = FULL_WIDTH_MM - _WHEEL_WIDTH
        add_text(
            figure,
            right + 10.0,
            _HEADER,
            "phase and\nmagnitude",
            horizontalalignment="center",
            verticalalignment="top",
        )
        draw_wheel(add_axes(figure, right + 4.25, _HEADER + 11.0, 11.5, 11.5))
        draw_directions(add_axes(figure, right + 6.0, _HEADER + 31.0, 8.0, 8.0))
        save(figure, path_pdf, path_png)


@dataclass(frozen=True, eq=False)
class _Row:
    lines: list[str]
    panels: list[Panel | None]
    notes: list[str]
    driven: tuple[bool, bool, bool]
    aspect: float


def _read_row(store: SystemMatrixStore, matrix: int, selection: Selection) -> _Row:
    if store.shape(matrix)[2] != 1:
        raise _not_planar(store)
    case = store.parameters(matrix)
    simulation = simulation_of(case)
    grid, driven = simulation.grid, simulation.sequence.driven
    components = find_components(store, matrix, selection.mixing_orders, selection.channel)
    panels = [c and plane(-1j * c.image, grid) for c in components]
    notes = [
        "" if c is None or c.mixing_order == order else _order_text(c.mixing_order, driven)
        for c, order in zip(components, selection.mixing_orders, strict=True)
    ]
    return _Row(_parameter_lines(case), panels, notes, driven, grid.fov[1] / grid.fov[0])


def _parameter_lines(case: dict[str, object]) -> list[str]:
    gradient = ", ".join(f"{g:.2f}" for g in case["gradient_T_per_m"][:2])
    amplitude = ", ".join(f"{a:.1f}" for a in case["drive_amplitude_mT"][:2])
    width, height, _ = case["fov_mm"]
    n_x, n_y, _ = case["size"]
    return [
        f"{case['particle_state']}, $d$ = {case['core_diameter_nm']:.1f} nm",
        f"$K$ = {case['anisotropy_constant_J_per_m3'] / 1e3:.1f} kJ/m³",
        f"$G$ = ({gradient}) T/m",
        f"$A$ = ({amplitude}) mT",
        f"{n_x} × {n_y} voxels",
        f"{width:.0f} × {height:.0f} mm²",
    ]


def _order_text(order: Order, driven: tuple[bool, bool, bool]) -> str:
    return format_order(np.array(order), driven).replace("-", "−")


def _signed(order: Order) -> list[Order]:
    """Return the 2D orders of these absolute values; their components show the same image."""
    return [
        (x * abs(order[0]), y * abs(order[1]), 0) for x, y in itertools.product((1, -1), (1, -1))
    ]


def _neighbors(order: Order) -> list[Order]:
    """Return other 2D orders from near to far; those of equal distance in a fixed sequence."""
    steps = range(-_REACH, _REACH + 1)
    distances = {}
    for dx, dy in itertools.product(steps, steps):
        n_x, n_y = abs(order[0]) + dx, abs(order[1]) + dy
        if min(n_x, n_y) >= 0 and abs(dx) + abs(dy) <= _REACH:
            distances |= dict.fromkeys(_signed((n_x, n_y, 0)), abs(dx) + abs(dy))
    return sorted(distances, key=distances.get)


def _not_planar(store: SystemMatrixStore) -> InputError:
    return InputError(
        "figure 1 shows 2D system matrices",
        path=", ".join(map(str, store.paths)),
        field="components",
        remedy="choose a 2D dataset",
    )
