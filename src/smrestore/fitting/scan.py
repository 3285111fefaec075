"""From a calibration scan to a fitted model: what is read, chosen, fitted and held out."""

import itertools
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from smrestore import mdf
from smrestore.fitting.family import Family
from smrestore.fitting.forward import Forward
from smrestore.fitting.held_out import held_out_error, with_factors
from smrestore.fitting.model import FittedModel, ScanFit
from smrestore.fitting.settings import DEFAULTS, FitSettings
from smrestore.fitting.solve import (
    Fit,
    Measured,
    fit,
    granted_error,
    residuals,
    robust_weights,
)
from smrestore.mdf.system_matrix import calibration_of, noise_shares
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.mixing import mixing_orders, total_order
from smrestore.physics.sequence import Sequence
from smrestore.physics.spectrum import Components
from smrestore.scanner.signal import DeltaSample
from smrestore.support.errors import InputError
from smrestore.support.progress import progress_bar

logger = logging.getLogger(__name__)

TOLERANCE = 1e-5
"""Of the spectra that are fitted. What it leaves out is small against the error that is granted
(:data:`smrestore.fitting.solve.FLOOR`). Predictions have the full accuracy."""
SIMPLE = (3, 2, 0)
"""Degrees of selection field, drive fields and receive coils that a fit begins with."""
SEEN = 1.0
"""Root mean square of a component over its noise from which on it is used for the fit."""
FEWEST = 8
"""Components that a fit needs at least."""
POSITIONS = {2: 300, 3: 120}
"""Positions that are used at most, by the number of driven axes; 1D as 2D."""
FIRST_POSITIONS = 40
"""Positions of the first fit, of the tracer alone."""
BLOCKS = 4
"""Blocks of positions. One is held out at first, to choose the family, then each of the others."""
FOLD_STEPS = 2
"""Evaluations of a fit without another block. It begins where the fit to all positions ended, and
one step of Gauss and Newton reaches it."""
ROUNDS = 4
"""How often corrupted positions are looked for, each time with a fit to the others."""
DIAMETERS_NM = (16.0, 20.0, 25.0, 31.0)
"""Core diameters that the fit of the tracer starts from."""
OFFSETS = (-0.4, -0.2, 0.2, 0.4)
"""Constant fields, over the ideal field at the radius, that it starts from as well where the grid
seems to be shifted."""
UNEXPLAINED, SHIFTED = 0.3, 0.9
"""Share of the energy that the best diameter leaves unexplained where a grid seems to be shifted,
and misfit with such a field over that without below which it is taken to be."""
FINAL_SIZES = 5
"""Core sizes that stand for the distribution at the end of a fit to a plane. Three cost the weakest
components up to 1 % of their size. In volumes, where images take minutes, three remain."""
DYNAMIC_STARTS = (
    *((17.0, k) for k in (1500.0, 4000.0, 8000.0)),
    *((21.0, k) for k in (1500.0, 4000.0)),
)
"""Core diameters in nm and anisotropies in J/m^3 that it starts from out of equilibrium. Larger
products are slow to simulate: barriers are crossed too rarely."""
DYNAMIC_POSITIONS, DYNAMIC_FIRST = 40, 12
"""Positions that are used out of equilibrium, where each takes a hundred times as long."""
DYNAMIC_TOLERANCE, START_TOLERANCE = 1e-4, 1e-3


@dataclass(frozen=True, eq=False)
class CalibrationData:
    """A calibration scan as the fit sees it.

    Attributes
    ----------
    sequence, grid
        Of the scan; positions are the voxels of ``grid`` in ``voxels``, int64 (P,).
    components
        All stored components of the channels along x, y and z.
    images, noise
        complex64 (P, S), and the standard deviation of their complex noise, float64 (S,).
    sample
        Edge lengths of the delta sample in m.
    shares
        Of the background in each position, float64 (P, R), or None.
    """

    sequence: Sequence
    grid: CalibrationGrid
    voxels: np.ndarray
    components: Components
    images: np.ndarray
    noise: np.ndarray
    sample: tuple[float, float, float]
    shares: np.ndarray | None = None

    @property
    def positions(self) -> np.ndarray:
        """Centers of the delta sample, float64 (P, 3) in m."""
        return self.grid.positions().reshape(-1, 3)[self.voxels]

    def without(self, unused: np.ndarray | None) -> "CalibrationData":
        """Return the scan without the voxels marked in ``unused``, bool (Nx, Ny, Nz)."""
        if unused is None:
            return self
        kept = ~unused.ravel()[self.voxels]
        shares = None if self.shares is None else self.shares[kept]
        return replace(self, voxels=self.voxels[kept], images=self.images[kept], shares=shares)

    def forward(self) -> Forward:
        """Return the forward model of the scan."""
        return Forward(self.sequence, self.grid, *DeltaSample(self.sample, 2).quadrature())


def read_calibration(
    path: str | Path,
    *,
    background: str | None = "interpolate",
    period: int | None = None,
) -> CalibrationData:
    """Read what a fit needs of a calibration scan.

    Raises
    ------
    InputError
        If the file is no calibration scan, or a value is not finite.
    """
    with mdf.open_mdf(path, period=period) as file:
        calibration = calibration_of(file)
        sequence, grid, stored = file.sequence(), file.grid(), file.frequency_indices
        sample = calibration.delta_sample_size or (0.0, 0.0, 0.0)
        n_channels, dead = file.acquisition.n_channels, mdf.dead_channels(file)
        shares = noise_shares(file, background)
    channels = [channel for channel in range(min(3, n_channels)) if channel not in dead]
    reading = {"channels": channels, "background": background, "period": period}
    matrix = mdf.read_system_matrix(path, **reading)
    noise = mdf.corrected_noise(path, **reading)
    voxels = np.arange(grid.n_positions)
    images = matrix.reshape(-1, grid.n_positions).T
    components = Components(np.repeat(channels, len(stored)), np.tile(stored, len(channels)))
    return CalibrationData(
        sequence, grid, voxels, components, images, noise.ravel(), tuple(map(float, sample)),
        shares,
    )  # fmt: skip


def choose_components(data: CalibrationData, count: int) -> np.ndarray:
    """Return components to fit, int64 (n,): half of them the strongest, half spread over all seen.

    Raises
    ------
    InputError
        If too few are seen.
    """
    power = np.mean(np.abs(data.images) ** 2, axis=0, dtype=np.float64) - data.noise**2
    ratio = np.sqrt(np.maximum(power, 0)) / np.maximum(data.noise, np.finfo(float).tiny)
    frequency = data.sequence.frequencies[data.components.frequency]
    # Feedthrough and its filters make what lies below the drive frequencies useless.
    reached = total_order(mixing_orders(data.sequence))[data.components.frequency] >= 1
    # Across the driven axes, signals come from deviations of the fields alone.
    driven = np.array(data.sequence.driven)[data.components.channel]
    seen = np.flatnonzero((ratio > SEEN) & (frequency > 0) & reached & driven)
    if len(seen) < FEWEST:
        raise InputError(
            f"{len(seen)} components exceed their noise; a fit needs {FEWEST}",
            remedy="use a scan of a delta sample, with more averages or a stronger tracer",
        )
    seen = seen[np.argsort(-ratio[seen], kind="stable")]
    first = seen[: (count + 1) // 2]
    rest = seen[len(first) :]
    if len(rest):
        rest = rest[np.unique(np.linspace(0, len(rest) - 1, count - len(first)).astype(int))]
    return np.sort(np.concatenate([first, rest]))


def spread_positions(positions: np.ndarray, count: int) -> np.ndarray:
    """Return indices of ``count`` positions far from each other, int64, ascending.

    Each is the one farthest from those before it (Gonzalez 1985, Theor. Comput. Sci. 38, 293).
    """
    if count >= len(positions):
        return np.arange(len(positions))
    extent = np.ptp(positions, axis=0)
    scaled = positions / np.where(extent > 0, extent, 1)
    chosen = [int(np.argmin(np.sum((scaled - scaled.mean(axis=0)) ** 2, axis=1)))]
    distance = np.full(len(positions), np.inf)
    for _ in range(count - 1):
        distance = np.minimum(distance, np.sum((scaled - scaled[chosen[-1]]) ** 2, axis=1))
        chosen.append(int(np.argmax(distance)))
    return np.sort(np.array(chosen))


def blocks_of(data: CalibrationData) -> np.ndarray:
    """Return the block of each position, int64 (P,): compact parts of the grid, not voxels."""
    index = np.stack(np.unravel_index(data.voxels, data.grid.size), axis=1)
    size = np.array(data.grid.size)
    parts = (index * np.minimum(4, size)) // size
    return parts @ np.array([1, 2, 3]) % BLOCKS


def fit_scan(data: CalibrationData, settings: FitSettings = DEFAULTS) -> ScanFit:
    """Fit a model to a calibration scan.

    First the tracer alone, from several starts and for each state, at few positions; then all
    unknowns without the positions of one block, which tell how well the model predicts, with higher
    degrees of the fields if they predict better; then all.

    Raises
    ------
    InputError
        If components or positions are too few.
    """
    chosen = choose_components(data, settings.components)
    everything = Measured(data.positions, data.components, data.images, data.noise)
    n_driven = sum(data.sequence.driven)
    most = settings.positions or POSITIONS[3 if n_driven == 3 else 2]
    used = spread_positions(data.positions, most)
    whole = everything.part(used, chosen)
    forward = replace(data.forward(), tolerance=TOLERANCE, dynamic_tolerance=DYNAMIC_TOLERANCE)
    in_equilibrium = [state for state in settings.states if state != "neel"] or ["fluid"]
    families = [_family(data, settings, state, *SIMPLE) for state in in_equilibrium]
    n_unknowns = len(families[0].unknowns)
    if 2 * len(used) < n_unknowns / 4 or len(used) < 6:
        raise InputError(
            f"{len(used)} positions are too few for {n_unknowns} unknowns",
            remedy="measure more positions, or lower the degrees of the fields",
        )
    block = blocks_of(data)[used]
    train = np.flatnonzero(block != 0) if len(used) >= 4 * BLOCKS else np.arange(len(used))
    total = total_order(mixing_orders(data.sequence))[whole.components.frequency]
    with progress_bar(desc="fit", unit="step") as bar:
        start, family = _first_fit(forward, families, whole, bar.update)
        logger.info("first fit: %s, misfit %.3g", family.state, start.misfit)

        def without_block(family: Family, theta: np.ndarray) -> _Trial:
            return _fit_without(forward, family, whole, train, theta, total, bar.update)

        best = without_block(family, start.theta)
        richer = _family(data, settings, family.state)
        if len(richer.unknowns) > n_unknowns:
            trial = without_block(richer, family.extended(best.theta, richer))
            logger.info(
                "held-out error %.3g; %.3g with higher degrees of the fields",
                best.held_out["all"],
                trial.held_out["all"],
            )
            if trial.loss < best.loss:
                best = trial
        if "neel" in settings.states:
            intact = np.flatnonzero(best.weights)
            few = intact[spread_positions(whole.positions[intact], DYNAMIC_POSITIONS)]
            part = whole.part(few, np.arange(len(chosen)))
            turning = _out_of_equilibrium(forward, best, part, block[few], total, bar.update)
            if turning is not None:
                best, whole = turning, part
        if n_driven == 2 and best.family.state != "neel":
            best = best._replace(family=replace(best.family, core_sizes=FINAL_SIZES))
        result = fit(
            forward, best.family, whole, best.theta, weights=best.weights,
            steps=4 if best.family.state == "neel" else 12, progress=bar.update,
        )  # fmt: skip
        held_out = best.held_out
        if len(train) < len(used) and best.family.state != "neel":
            held_out = _cross_validate(forward, best, result.theta, whole, block, total, bar.update)
    # Samples of some extent make little difference to whether a position is unlike the others.
    left_out = _unlike_others(
        data, everything, chosen, forward.of_point(), best.family, result.theta
    )
    model = FittedModel(data.forward(), best.family, result.theta, held_out, left_out)
    logger.info("fit: misfit %.3g, held-out error %.3g", result.misfit, held_out["all"])
    return ScanFit(model, result)


def _family(data: CalibrationData, settings: FitSettings, state: str, *most: int) -> Family:
    """Return the family of the settings, with degrees of the fields up to ``most``."""
    degrees = settings.selection_degree, settings.drive_degree, settings.receive_degree
    if most:
        degrees = tuple(map(min, degrees, most))
    radius = float(np.linalg.norm(data.grid.positions().reshape(-1, 3), axis=1).max())
    return Family(state, *degrees, data.sequence.driven, radius)


class _Trial(NamedTuple):
    """A fit without one block of positions.

    Attributes
    ----------
    weights
        Of all positions, 0 for corrupted ones.
    predicted
        All positions by this fit, in the unit of the scan, complex (P, S).
    loss
        What is predicted wrongly in the block.
    held_out
        The same, for readers.
    """

    family: Family
    theta: np.ndarray
    weights: np.ndarray
    predicted: np.ndarray
    loss: float
    held_out: dict[str, float]


def _fit_without(forward, family, whole, train, theta, total, progress) -> _Trial:
    """Fit a family to the positions of ``train``, find corrupted ones, and predict the others."""
    some = np.arange(len(whole.noise))
    part = whole.part(train, some)
    before = fit(forward, family, part, theta, steps=30, progress=progress)
    weights = np.ones(len(whole.positions))
    for _ in range(ROUNDS):
        images, _ = forward.images(family, before.theta, whole.positions, whole.components)
        residual, _ = residuals(images, whole, weights)
        former, weights = weights, robust_weights(residual)
        if np.array_equal(weights, former):
            break
        before = fit(
            forward, family, part, before.theta, weights=weights[train], steps=8, progress=progress
        )
    intact = np.flatnonzero(weights)
    inside, test = np.intersect1d(train, intact), np.setdiff1d(intact, train)
    predicted = with_factors(whole, images, inside)
    loss, held_out = held_out_error(whole, predicted, test if len(test) else inside, total)
    return _Trial(family, before.theta, weights, predicted, loss, held_out)


def _cross_validate(forward, best, theta, whole, block, total, progress) -> dict[str, float]:
    """Return the held-out error of all blocks, each predicted by a fit to the others.

    ``theta`` is the fit to all positions. A step or two from there, the one without a block is
    reached.
    """
    some = np.arange(len(whole.noise))
    predicted = best.predicted.copy()
    intact = best.weights > 0
    for number in range(1, BLOCKS):
        train, test = np.flatnonzero(intact & (block != number)), np.flatnonzero(block == number)
        found = fit(
            forward, best.family, whole.part(train, some), theta, steps=FOLD_STEPS,
            progress=progress,
        )  # fmt: skip
        images, _ = forward.images(best.family, found.theta, whole.positions, whole.components)
        with np.errstate(invalid="ignore"):
            predicted[test] = with_factors(whole, images, train)[test]
    # A fit may be out of reach at positions that it does not know. Such a block is no test.
    tested = np.flatnonzero(intact & np.isfinite(predicted).all(axis=1))
    return held_out_error(whole, predicted, tested, total)[1] if len(tested) else best.held_out


def _out_of_equilibrium(forward, best, whole, block, total, progress) -> _Trial | None:
    """Fit Neel rotation to few positions; None if equilibrium predicts held-out ones better.

    The tracer is sought first, in the fields that were found in equilibrium.
    """
    train = np.flatnonzero(block != 0)
    family = replace(best.family, state="neel")
    some = np.arange(len(whole.noise))
    first = whole.part(spread_positions(whole.positions, DYNAMIC_FIRST), some[::2])
    point = forward.of_point()
    rough = replace(point, dynamic_tolerance=START_TOLERANCE)
    starts = []
    for diameter, anisotropy in DYNAMIC_STARTS:
        theta = best.family.extended(best.theta, family)
        for name, value in (
            ("core_diameter", np.log(diameter)),
            ("spread", 0.1),
            ("anisotropy", np.log(anisotropy)),
            ("modulation", 1.0),
        ):
            theta[family.tracer_names.index(name)] = value
        images, _ = rough.images(family, theta, first.positions, first.components)
        residual, _ = residuals(images, first, np.ones(len(first.positions)))
        if np.isfinite(residual).all():
            starts.append((np.mean(np.log1p(np.abs(residual) ** 2)), theta))
        progress()
    free = np.arange(len(family.unknowns)) < family.n_tracer
    _, theta = min(starts, key=lambda start: start[0])
    tracer = fit(rough, family, first, theta, free=free, steps=9, progress=progress)
    found = fit(forward, family, whole.part(train, some), tracer.theta, steps=6, progress=progress)
    test = np.flatnonzero(block == 0)
    test = test if len(test) else train
    losses = []
    for candidate, theta in ((best.family, best.theta), (family, found.theta)):
        images, _ = forward.images(candidate, theta, whole.positions, whole.components)
        predicted = with_factors(whole, images, train)
        losses.append(held_out_error(whole, predicted, test, total))
    logger.info(
        "held-out error %.3g in equilibrium, %.3g with Neel rotation (%d positions)",
        losses[0][1]["all"],
        losses[1][1]["all"],
        len(whole.positions),
    )
    if losses[1][0] >= losses[0][0]:
        return None
    return _Trial(family, found.theta, np.ones(len(whole.positions)), predicted, *losses[1])


def _unlike_others(data, everything, chosen, forward, family, theta) -> tuple[int, ...]:
    """Return the voxels whose values the model explains far worse than those of others."""
    all_positions = everything.part(np.arange(len(data.voxels)), chosen)
    images, _ = forward.images(family, theta, all_positions.positions, all_positions.components)
    weights = np.ones(len(data.voxels))
    for _ in range(ROUNDS):
        residual, _ = residuals(images, all_positions, weights)
        former, weights = weights, robust_weights(residual)
        if np.array_equal(weights, former):
            break
    return tuple(data.voxels[weights == 0].tolist())


def _start(forward: Forward, family: Family, part: Measured) -> np.ndarray:
    """Return the unknowns to start from: the best of some diameters, and of some shifted grids."""

    signal = np.sum(np.abs(part.images / granted_error(part)) ** 2)

    def tried(diameter: float, axis: int = 0, offset: float = 0.0) -> tuple:
        """Return the misfit, the share of the energy that is unexplained, and the unknowns."""
        theta = np.array([unknown.start for unknown in family.unknowns])
        theta[0] = np.log(diameter)
        if offset:
            theta[family.n_tracer + axis] = offset
        images = forward.images(family, theta, part.positions, part.components)[0]
        residual, _ = residuals(images, part, np.ones(len(part.positions)))
        square = np.abs(residual) ** 2
        return np.mean(np.log1p(square)), np.sum(square) / signal, theta

    def misfit(start: tuple) -> float:
        return start[0]

    best = min(map(tried, DIAMETERS_NM), key=misfit)
    if best[1] >= UNEXPLAINED and family.selection_degree:
        places = itertools.product(DIAMETERS_NM, family.driven_axes, OFFSETS)
        shifted = min(itertools.starmap(tried, places), key=misfit)
        if misfit(shifted) < SHIFTED * misfit(best):
            best = shifted
    return best[2]


def _first_fit(forward, families, whole, progress) -> tuple[Fit, Family]:
    """Fit the tracer alone with each family."""
    few = spread_positions(whole.positions, FIRST_POSITIONS)
    few_components = np.arange(0, len(whole.noise), 2)
    part = whole.part(few, few_components)
    point = forward.of_point()
    best: tuple[float, Fit, Family] | None = None
    for family in families:
        free = np.arange(len(family.unknowns)) < family.n_tracer
        theta = _start(point, family, part)
        found = fit(point, family, part, theta, free=free, steps=14, progress=progress)
        if best is None or found.cost < best[0]:
            best = found.cost, found, family
    return best[1], best[2]
