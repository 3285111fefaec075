"""From a calibration scan to a fitted model: what is read, chosen, fitted and held out."""

import json
import logging
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from smrestore import mdf
from smrestore.fitting.family import Family
from smrestore.fitting.forward import Forward
from smrestore.fitting.settings import DEFAULTS, FitSettings
from smrestore.fitting.solve import Fit, Measured, factors, fit, residuals, robust_weights
from smrestore.mdf.system_matrix import calibration_of, noise_shares
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.mixing import mixing_orders, total_order
from smrestore.physics.sequence import Sequence
from smrestore.physics.spectrum import Components
from smrestore.scanner.signal import DeltaSample
from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path
from smrestore.support.progress import progress_bar

logger = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 26
"""Memory of the images that are simulated at a time."""
SEEN = 1.0
"""Root mean square of a component over its noise from which on it is used for the fit."""
FEWEST = 8
"""Components that a fit needs at least."""
POSITIONS = {2: 300, 3: 120}
"""Positions that are used at most, by the number of driven axes; 1D as 2D."""
FIRST_POSITIONS = 40
"""Positions of the first fit, of the tracer alone."""
BLOCKS = 4
"""One of so many blocks of positions is held out at first."""
CLEAR = 10.0
"""Power over that of the noise of components that tell the held-out misfit."""
DOUBTFUL = 0.1
"""Relative deviation of a field from the header, or shift over the radius, that is reported."""
ROUNDS = 4
"""How often corrupted positions are looked for, each time with a fit to the others."""
DESCRIBED = 0.5
"""Unexplained share of the signal, as an amplitude, above which a scan is not described."""
DIAMETERS_NM = (16.0, 20.0, 25.0, 31.0)
"""Core diameters that the fit of the tracer starts from."""


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A fitted model of one scan.

    Attributes
    ----------
    forward, family
        What was fitted.
    result
        Unknowns and their covariance.
    held_out
        Relative misfit (amplitude, noise removed) at positions that were held out, by class of
        mixing order, and ``all``.
    outliers
        Positions (indices into the measured ones) that were left out as unlike the others.
    """

    forward: Forward
    family: Family
    result: Fit
    held_out: dict[str, float]
    outliers: tuple[int, ...]

    def images(self, positions: np.ndarray, components: Components) -> np.ndarray:
        """Return images up to a factor, complex64 (P, S), see :meth:`Forward.images`."""
        images = np.empty((len(positions), len(components)), np.complex64)
        step = max(1, BLOCK_BYTES // (16 * len(self.forward.points) * len(components)))
        for start in range(0, len(positions), step):
            some = slice(start, start + step)
            images[some] = self.forward.images(
                self.family, self.result.theta, positions[some], components
            )[0]
        return images

    def table(self) -> list[dict[str, object]]:
        """Return a row for each unknown: name, value, standard error, and whether at a bound."""
        errors = np.sqrt(np.diag(self.result.covariance))
        rows = []
        for unknown, value, error in zip(
            self.family.unknowns, self.result.theta.tolist(), errors.tolist(), strict=True
        ):
            kind = unknown.unit
            if kind.startswith("ln("):
                kind, value = kind[3:-1], float(np.exp(value))
                error *= value
            lowest, highest = unknown.lowest, unknown.highest
            if unknown.unit.startswith("ln("):
                lowest, highest = np.exp(lowest), np.exp(highest)
            rows.append(
                {
                    "unknown": unknown.name,
                    "value": value,
                    "standard error": error,
                    "unit": kind,
                    "at bound": bool(value <= lowest or value >= highest),
                }
            )
        return rows

    def doubts(self) -> list[str]:
        """Return what a reader should check: fields far from the header, unknowns at a bound."""
        found = []
        step = 1e-3 * self.family.radius
        points = np.concatenate([np.zeros((1, 3)), step * np.eye(3)])
        bases = self.family.bases(points, self.forward.sequence)
        static, scale = self.family.fields(self.result.theta, bases)
        for axis in self.family.driven_axes:
            header = self.forward.sequence.gradient[axis]
            fitted = (static[1 + axis, axis] - static[0, axis]) / step
            if abs(fitted - header) > DOUBTFUL * abs(header):
                found.append(
                    f"gradient along {'xyz'[axis]}: fitted {fitted:.3g} T/m, header {header:.3g}"
                )
            if abs(scale[0, axis] - 1) > DOUBTFUL:
                found.append(
                    f"drive field along {'xyz'[axis]}: fitted {scale[0, axis]:.3g} of the header's"
                )
            shift = -1e3 * (static[0, axis] - self.forward.sequence.offset[axis]) / fitted
            if abs(shift) > 1e3 * DOUBTFUL * self.family.radius:
                found.append(f"grid shifted along {'xyz'[axis]} by {shift:.3g} mm")
        found += [f"{row['unknown']} at its bound" for row in self.table() if row["at bound"]]
        return found

    def correlations(self, above: float = 0.95) -> list[tuple[str, str, float]]:
        """Return pairs of unknowns that the data hardly tell apart, and their correlation."""
        deviation = np.sqrt(np.diag(self.result.covariance))
        matrix = self.result.covariance / np.maximum(np.outer(deviation, deviation), 1e-300)
        names = [u.name for u in self.family.unknowns]
        pairs = np.argwhere(np.triu(np.abs(matrix) > above, 1))
        return [(names[i], names[j], float(matrix[i, j])) for i, j in pairs]

    def save(self, path: str | Path, source: str) -> None:
        """Write the model as JSON: what was fitted to ``source``, and how well it predicts."""
        family, result = self.family, self.result
        content = {
            "source": source,
            "software": f"smrestore {version('smrestore')}",
            "state": family.state,
            "selection_degree": family.selection_degree,
            "drive_degree": family.drive_degree,
            "radius_m": family.radius,
            "unknowns": self.table(),
            "strong_correlations": self.correlations(),
            "misfit": result.misfit,
            "held_out_error": self.held_out,
            "doubts": self.doubts(),
            "positions_left_out": self.outliers,
        }
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n")


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
        n_channels = file.acquisition.n_channels
        shares = noise_shares(file, background)
    channels = list(range(min(3, n_channels)))
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


def fit_scan(data: CalibrationData, settings: FitSettings = DEFAULTS) -> FittedModel:
    """Fit a model to a calibration scan.

    First the tracer alone, from several starts and for each state, at few positions; then all
    unknowns without the positions of one block, which tell how well the model predicts; then all.

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
    forward = data.forward()
    radius = float(np.linalg.norm(data.grid.positions().reshape(-1, 3), axis=1).max())
    families = [
        Family(
            state, settings.selection_degree, settings.drive_degree, data.sequence.driven, radius
        )
        for state in settings.states
    ]
    n_unknowns = len(families[0].unknowns)
    if 2 * len(used) < n_unknowns / 4 or len(used) < 6:
        raise InputError(
            f"{len(used)} positions are too few for {n_unknowns} unknowns",
            remedy="measure more positions, or lower the degrees of the fields",
        )
    with progress_bar(desc="fit", unit="step") as bar:
        start, family = _first_fit(forward, families, whole, bar.update)
        logger.info("first fit: %s, misfit %.3g", family.state, start.misfit)
        block = blocks_of(data)[used]
        train = np.flatnonzero(block != 0) if len(used) >= 4 * BLOCKS else np.arange(len(used))
        some = np.arange(len(chosen))
        before = fit(
            forward, family, whole.part(train, some), start.theta, steps=30, progress=bar.update
        )
        weights = np.ones(len(used))
        for _ in range(ROUNDS):
            images, _ = forward.images(family, before.theta, whole.positions, whole.components)
            residual, _ = residuals(images, whole, weights)
            former, weights = weights, robust_weights(residual)
            if np.array_equal(weights, former):
                break
            before = fit(
                forward, family, whole.part(train, some), before.theta, weights=weights[train],
                steps=8, progress=bar.update,
            )  # fmt: skip
        test = np.setdiff1d(np.flatnonzero(weights), train)
        held_out = _held_out(
            data, whole, images, np.intersect1d(train, np.flatnonzero(weights)), test
        )  # fmt: skip
        result = fit(
            forward, family, whole, before.theta, weights=weights, steps=12, progress=bar.update
        )
    model = FittedModel(
        forward,
        family,
        result,
        held_out,
        tuple(used[weights == 0].tolist()),
    )
    logger.info("fit: misfit %.3g, held-out error %.3g", result.misfit, held_out["all"])
    return model


def _first_fit(forward, families, whole, progress) -> tuple[Fit, Family]:
    """Fit the tracer alone with each family, from the best of some diameters."""
    few = spread_positions(whole.positions, FIRST_POSITIONS)
    few_components = np.arange(0, len(whole.noise), 2)
    part = whole.part(few, few_components)
    point = forward.of_point()
    best: tuple[float, Fit, Family] | None = None
    for family in families:
        free = np.arange(len(family.unknowns)) < family.n_tracer
        starts = []
        for diameter in DIAMETERS_NM:
            theta = np.array([u.start for u in family.unknowns])
            theta[0] = np.log(diameter)
            images = point.images(family, theta, part.positions, part.components)[0]
            residual, _ = residuals(images, part, np.ones(len(few)))
            starts.append((np.mean(np.log1p(np.abs(residual) ** 2)), theta))
        _, theta = min(starts, key=lambda start: start[0])
        found = fit(point, family, part, theta, free=free, steps=14, progress=progress)
        if best is None or found.cost < best[0]:
            best = found.cost, found, family
    return best[1], best[2]


ORDER_LIMITS = (5, 9, 13)


def order_class(total: np.ndarray) -> np.ndarray:
    """Return the class of components by |n_x| + |n_y| + |n_z|, from 0 on."""
    return np.searchsorted(ORDER_LIMITS, total, side="right")


def _held_out(data, whole, images, train, test) -> dict[str, float]:
    """Return the relative misfit at held-out positions, with factors of the others."""
    names = ["order 1 to 4", "order 5 to 8", "order 9 to 12", "order 13 or more"]
    if not len(test):
        test = train
    weights = np.zeros(len(whole.positions))
    weights[train] = 1
    factor, _ = factors(images, whole.images, weights)
    error = np.mean(np.abs(whole.images[test] - factor * images[test]) ** 2, axis=0)
    power = np.mean(np.abs(whole.images[test]) ** 2, axis=0)
    noise = whole.noise**2
    total = total_order(mixing_orders(data.sequence))[whole.components.frequency]
    classes = order_class(total)

    def misfit(part):
        signal = np.maximum(power[part] - noise[part], 0).mean()
        extra = np.maximum((error - noise)[part].mean(), 0)
        return float(np.sqrt(extra / signal)) if signal > 0 else float("nan")

    # Each component that stands out of the noise counts alike, strong or weak.
    clear = power > CLEAR * noise
    if clear.any():
        error, power, noise, classes = (x[clear] for x in (error, power, noise, classes))
    scale = np.maximum(power - noise, noise)
    error, power, noise = error / scale, power / scale, noise / scale
    found = {"all": misfit(np.arange(len(error)))}
    for number, name in enumerate(names):
        part = np.flatnonzero(classes == number)
        if len(part):
            found[name] = misfit(part)
    return found
