"""Which positions to measure in the next calibration, and how good it is expected to be."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from smrestore import mdf
from smrestore.fitting.design import Design, chosen_positions
from smrestore.fitting.model import read_fits
from smrestore.fitting.scan import read_calibration
from smrestore.fitting.settings import DEFAULTS, FitSettings
from smrestore.physics.grid import CalibrationGrid
from smrestore.restoration.modelled import fit_calibration
from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path
from smrestore.tasks.masks import write_mask

USUAL = 50
"""Positions, if nothing is asked for."""
AVERAGES = (1, 10, 100, 1000)
"""Averages that are compared."""


@dataclass(frozen=True, eq=False)
class CalibrationPlan:
    """A calibration to measure.

    Attributes
    ----------
    grid
        Whose voxels are measured.
    chosen
        Voxels in the order of the path, int64 (n,), as an index into the flattened grid.
    averages
        Of each position.
    expected_psnr
        Mean over the components in dB.
    seconds
        Of the whole calibration, without background frames.
    expectations
        Rows of a table: positions, then the expected PSNR for each number of averages.
    """

    grid: CalibrationGrid
    chosen: np.ndarray
    averages: int
    expected_psnr: float
    seconds: float
    expectations: list[dict[str, object]]

    @property
    def summary(self) -> str:
        """What is planned, for readers."""
        return (
            f"{self.averages} average{'s' if self.averages != 1 else ''} each, "
            f"{self.seconds:.3g} s; expected {self.expected_psnr:.1f} dB"
        )

    def write(self, path: str | Path, mask: str | Path | None = None) -> None:
        """Write the positions as CSV, and the mask of all others."""
        voxels = np.stack(np.unravel_index(self.chosen, self.grid.size), axis=1)
        places = 1e3 * self.grid.positions().reshape(-1, 3)[self.chosen]
        table = pd.DataFrame(
            np.concatenate([voxels, places], axis=1), columns=["x", "y", "z", *PLACES]
        ).astype({"x": int, "y": int, "z": int})
        with atomic_path(path) as temporary:
            table.to_csv(temporary, index=False, float_format="%.4f")
        if mask is not None:
            missing = np.ones(self.grid.size, dtype=bool)
            missing.ravel()[self.chosen] = False
            write_mask(mask, missing)


PLACES = ("x_mm", "y_mm", "z_mm")


def plan_positions(
    scan: str | Path,
    *,
    counts: Sequence[int],
    count: int | None = None,
    quality: float | None = None,
    averages: int | None = None,
    choice: str = "spread",
    robot_time: float = 0.0,
    fit: str | Path | None = None,
    settings: FitSettings = DEFAULTS,
    background: str | None = "interpolate",
    seed: int = 0,
) -> CalibrationPlan:
    """Choose positions of the grid of an earlier calibration.

    Parameters
    ----------
    scan
        MDF. Its first period is looked at.
    counts
        Numbers of positions that are compared.
    count, quality
        Number of positions, or the mean PSNR in dB that is wanted; not both.
    averages
        Of each position; those of the scan if not given.
    choice
        One of :data:`smrestore.support.choices.Choice`.
    robot_time
        In s, for each position.
    fit, settings, background
        As in :func:`smrestore.restoration.modelled.restore_by_model`.
    seed
        Of random positions.

    Raises
    ------
    InputError
        If both a count and a quality are wanted, the grid has too few positions, or no number of
        them is expected to give the quality.
    """
    if count is not None and quality is not None:
        raise InputError(
            "positions and quality are both given", field="--quality", remedy="leave out one"
        )
    with mdf.open_mdf(scan) as file:
        of_scan, cycle = file.acquisition.n_averages, file.acquisition.cycle
    data = read_calibration(scan, background=background, period=0)
    total = data.grid.n_positions
    if count is not None and count > total:
        raise InputError(
            f"{count} positions are wanted of a grid of {total}",
            path=scan,
            field="--positions",
            remedy=f"ask for {total} at most",
        )
    if fit is None:
        model = fit_calibration(scan, settings=settings, background=background)[0].model
    else:
        model = read_fits(fit, data.forward())[0]
    design = Design.of(data, model, of_scan)
    averages = averages or of_scan

    def choose(number: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return chosen_positions(choice, data, number, design=design, rng=rng, averages=averages)

    sets = {number: choose(number) for number in (*counts, total) if number <= total}
    expectations = [
        {"positions": number}
        | {f"{a} average{'s' if a > 1 else ''}": design.expected_psnr(chosen, a) for a in AVERAGES}
        | {"time in s": number * (averages * cycle + robot_time)}
        for number, chosen in sets.items()
    ]
    if quality is None:
        chosen = choose(min(count or USUAL, total))
    else:
        reached = [
            number
            for number, chosen in sets.items()
            if design.expected_psnr(chosen, averages) >= quality
        ]
        if not reached:
            best = design.expected_psnr(sets[total], averages)
            raise InputError(
                f"{quality:g} dB are not expected from all {total} positions with {averages} "
                f"averages, but {best:.1f} dB",
                path=scan,
                field="--quality",
                remedy="ask for less, or for more averages",
            )
        chosen = sets[min(reached)]
    return CalibrationPlan(
        data.grid,
        _path(data.grid, chosen),
        averages,
        design.expected_psnr(chosen, averages),
        len(chosen) * (averages * cycle + robot_time),
        expectations,
    )


def _path(grid: CalibrationGrid, chosen: np.ndarray) -> np.ndarray:
    """Return voxels in meandering order: along x, then y, then z, back and forth."""
    x, y, z = np.unravel_index(chosen, grid.size)
    y = np.where(z % 2, grid.size[1] - 1 - y, y)
    x = np.where((y + z * grid.size[1]) % 2, grid.size[0] - 1 - x, x)
    return chosen[np.lexsort((x, y, z))]
