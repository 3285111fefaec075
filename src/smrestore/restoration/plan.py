"""What a restoration reads and writes, known before anything long is read."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smrestore import mdf
from smrestore.mdf.dead import without_dead
from smrestore.mdf.system_matrix import calibration_of
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.mixing import mixing_orders, twin_groups
from smrestore.tasks.scan import ScanTask

logger = logging.getLogger(__name__)

MEMORY_BYTES = 1 << 29
"""Memory for what is held of a scan."""
UNUSED = ("/scanner/", "/tracer/")
"""Groups that no method makes use of."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What is read and written: the shape of the restored matrix, its grid if it is a new one.

    ``dead`` says of receive channels why there is nothing to restore in them.
    """

    shape: tuple[int, ...]
    grid: CalibrationGrid | None
    frequencies: np.ndarray
    n_background: int
    corrected: bool
    rows_at_a_time: int
    spectral_leakage: str
    dead: dict[int, str]
    twins: "Twins | None" = None

    def with_twins(self, place: np.ndarray) -> np.ndarray:
        """Return the components to read for some, ascending indices into the frequencies."""
        return place if self.twins is None else self.twins.of(place)


@dataclass(frozen=True, eq=False)
class Twins:
    """The twins among the stored frequencies.

    Attributes
    ----------
    mixing_order
        int64 (K, 3).
    group
        Equal numbers for twins, int64 (K,).
    """

    mixing_order: np.ndarray
    group: np.ndarray

    def of(self, place: np.ndarray) -> np.ndarray:
        """Return these components and their twins, ascending."""
        return np.flatnonzero(np.isin(self.group, self.group[place]))

    @property
    def largest(self) -> int:
        """Components of the largest group."""
        return int(np.bincount(self.group).max())


def _find_twins(file: mdf.MdfFile) -> Twins:
    sequences = [file.of_period(period).sequence() for period in range(file.acquisition.n_periods)]
    if len({sequence.driven for sequence in sequences}) > 1:
        raise file.error(
            "periods of a frame differ in the axes that are driven, and so in twin frequencies",
            "/acquisition/drivefield/strength",
            "restore without twins",
        )
    orders = mixing_orders(sequences[0])[file.frequency_indices]
    group = np.arange(len(orders))
    for members in twin_groups(orders, len(orders)):
        group[members] = members[0]
    return Twins(orders, group)


def wanted_components(plan: Plan, chosen: np.ndarray | None) -> np.ndarray:
    """Return which components are restored, bool (C, K)."""
    wanted = np.full(plan.shape[1:3], chosen is None)
    if chosen is not None:
        channels, frequencies = np.asarray(chosen).T
        # A file may store its frequencies in any order.
        order = np.argsort(plan.frequencies)
        wanted[channels, order[np.searchsorted(plan.frequencies, frequencies, sorter=order)]] = True
    return wanted


def warn_of_dead(source: str | Path, plan: Plan) -> None:
    """Say which receive channels are not restored."""
    for channel, why in plan.dead.items():
        logger.warning(
            "%s: receive channel %d is dead, and stays as it is: %s", source, channel, why
        )


def warn_of_implausible(source: str | Path) -> None:
    """Say what no scanner has, to users of methods that do without it."""
    with mdf.open_mdf(source) as file:
        for value in mdf.implausible(file):
            _warn_of(source, value)


def warn_of_unknown_noise(source: str | Path, plan: Plan) -> None:
    """Say to users of methods component by component where the noise is taken from instead."""
    if plan.n_background < 2:
        logger.warning(
            "%s: a standard deviation needs two background frames, there are %d; the noise is "
            "estimated from the roughness of each component",
            source,
            plan.n_background,
        )


def refuse_implausible(source: str | Path) -> None:
    """Refuse values that no scanner has, for methods that use them; warn of those that none uses.

    Raises
    ------
    InputError
        About the first one.
    """
    with mdf.open_mdf(source) as file:
        for value in mdf.implausible(file):
            if value.field.startswith(UNUSED):
                _warn_of(source, value)
                continue
            raise file.error(
                value.what,
                value.field,
                "correct it in a copy, or restore without physics, for example --method dct-filter",
            )


def _warn_of(source: str | Path, value: mdf.Implausible) -> None:
    logger.warning("%s: %s: %s", source, value.field, value.what)


def plan_restoration(
    source: str | Path,
    task: ScanTask,
    memory_bytes: int,
    use_twins: bool,
    spectral_leakage: str,
) -> Plan:
    with mdf.open_mdf(source, spectral_leakage=spectral_leakage) as file:
        calibration = calibration_of(file)
        size, grid = calibration.size, None
        if calibration.fov is not None:
            measured = calibration.grid()
            grid = task.restored_grid(measured)
            size, grid = grid.size, None if grid == measured else grid
        elif task.new_grid:
            raise file.error(
                f"{task.name} needs the field of view of the calibration",
                "/calibration/fieldOfView",
                "add the outer edge lengths of the grid in m",
            )
        acquisition = file.acquisition
        rows = acquisition.n_periods, acquisition.n_channels, len(file.frequency_indices)
        background = len(file.frames.background)
        row_bytes = 8 * (calibration.n_positions + int(np.prod(size)) + background)
        twins = _find_twins(file) if use_twins else None
        if twins is not None:
            # All twins of a block are read, and combined in a copy.
            row_bytes *= 2 * twins.largest
        return Plan(
            (*rows, *size),
            grid,
            file.frequency_indices,
            background,
            file.flags.background_corrected,
            max(1, memory_bytes // row_bytes),
            spectral_leakage,
            without_dead(file),
            twins,
        )
