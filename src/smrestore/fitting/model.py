"""A fitted model: what predicts components, and the file that keeps it."""

import json
from collections.abc import Sequence as Several
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from smrestore.fitting.family import Family
from smrestore.fitting.forward import Forward
from smrestore.fitting.solve import Fit
from smrestore.physics.spectrum import Components
from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path

BLOCK_BYTES = 1 << 26
"""Memory of the images that are simulated at a time."""
DOUBTFUL = 0.1
"""Relative deviation of a field from the header, or shift over the radius, that is reported."""

OUT_OF_EQUILIBRIUM = 0.1
"""Held-out error of fluid particles in equilibrium beyond which the fit should try to leave it."""
PHYSICS = {
    "fluid": "fluid particles in equilibrium",
    "immobilized": "immobilized particles in equilibrium",
    "langevin": "particles without anisotropy in equilibrium",
    "neel": "fluid particles out of equilibrium (Neel rotation)",
}
DESCRIBED = 0.5
"""Unexplained share of the signal, as an amplitude, above which a scan is not described."""


@dataclass(frozen=True, eq=False)
class FittedModel:
    """What predicts the components of a scan.

    Attributes
    ----------
    forward, family, theta
        What was fitted: the unknowns of the family, float64 (U,).
    held_out
        Relative misfit (amplitude, noise removed) at positions that were held out: ``all``, and by
        mixing order, signal-to-noise ratio and spatial frequency.
    left_out
        Voxels of the scan that are unlike the others, as an index into the flattened grid.
    """

    forward: Forward
    family: Family
    theta: np.ndarray
    held_out: dict[str, float]
    left_out: tuple[int, ...] = ()

    @property
    def describes(self) -> bool:
        """Whether the model describes the scan."""
        return self.held_out["all"] <= DESCRIBED

    def images(self, positions: np.ndarray, components: Components) -> np.ndarray:
        """Return images up to a factor, complex64 (P, S), see :meth:`Forward.images`."""
        images = np.empty((len(positions), len(components)), np.complex64)
        step = max(1, BLOCK_BYTES // (16 * len(self.forward.points) * len(components)))
        for start in range(0, len(positions), step):
            some = slice(start, start + step)
            images[some] = self.forward.images(
                self.family, self.theta, positions[some], components
            )[0]
        return images

    def doubts(self) -> list[str]:
        """Return what a reader should check: fields far from the header, unknowns at a bound."""
        found = []
        step = 1e-3 * self.family.radius
        points = np.concatenate([np.zeros((1, 3)), step * np.eye(3)])
        bases = self.family.bases(points, self.forward.sequence)
        static, scale = self.family.fields(self.theta, bases)
        for axis in self.family.driven_axes:
            header = self.forward.sequence.gradient[axis]
            fitted = (static[1 + axis, axis] - static[0, axis]) / step
            if abs(fitted - header) > DOUBTFUL * abs(header):
                found.append(
                    f"gradient along {'xyz'[axis]}: fitted {fitted:.3g} T/m, header {header:.3g}"
                )
            ratio = fitted / header / scale[0, axis]
            if abs(ratio - 1) > DOUBTFUL:
                # Their common scale is hardly told from the size of the cores, their ratio is.
                found.append(
                    f"gradient over drive field along {'xyz'[axis]}: fitted {ratio:.3g} of the "
                    "header's, so one of the two is wrong there"
                )
            if abs(scale[0, axis] - 1) > DOUBTFUL:
                found.append(
                    f"drive field along {'xyz'[axis]}: fitted {scale[0, axis]:.3g} of the header's"
                )
            shift = -1e3 * (static[0, axis] - self.forward.sequence.offset[axis]) / fitted
            if abs(shift) > 1e3 * DOUBTFUL * self.family.radius:
                found.append(f"grid shifted along {'xyz'[axis]} by {shift:.3g} mm")
        found += [
            f"{unknown.name} at its bound"
            for unknown, value in zip(self.family.unknowns, self.theta, strict=True)
            if _at_bound(unknown, value)
        ]
        planar = len(self.family.driven_axes) == 2
        if planar and self.family.state == "fluid" and self.held_out["all"] > OUT_OF_EQUILIBRIUM:
            found.append(
                f"held-out error {100 * self.held_out['all']:.0f} %: particles may be out of "
                "equilibrium, which smrestore fit --states fluid neel tries in minutes"
            )
        return found

    @property
    def physics(self) -> str:
        """The kind of particles, for readers."""
        return PHYSICS[self.family.state]


@dataclass(frozen=True, eq=False)
class ScanFit:
    """A model, and how it was found."""

    model: FittedModel
    result: Fit

    def table(self) -> list[dict[str, object]]:
        """Return a row for each unknown: name, value, standard error, and whether at a bound."""
        errors = np.sqrt(np.diag(self.result.covariance))
        rows = []
        for unknown, value, error in zip(
            self.model.family.unknowns, self.model.theta.tolist(), errors.tolist(), strict=True
        ):
            unit, shown = unknown.unit, value
            if unit.startswith("ln("):
                unit, shown = unit[3:-1], float(np.exp(value))
                error *= shown
            rows.append(
                {
                    "unknown": unknown.name,
                    "value": shown,
                    "standard error": error,
                    "unit": unit,
                    "at bound": _at_bound(unknown, value),
                }
            )
        return rows

    def correlations(self, above: float = 0.95) -> list[tuple[str, str, float]]:
        """Return pairs of unknowns that the data hardly tell apart, and their correlation."""
        deviation = np.sqrt(np.diag(self.result.covariance))
        matrix = self.result.covariance / np.maximum(np.outer(deviation, deviation), 1e-300)
        names = [u.name for u in self.model.family.unknowns]
        pairs = np.argwhere(np.triu(np.abs(matrix) > above, 1))
        return [(names[i], names[j], float(matrix[i, j])) for i, j in pairs]

    def record(self) -> dict[str, object]:
        """Return the fit for a file."""
        model, family = self.model, self.model.family
        return {
            "family": {key: value for key, value in asdict(family).items() if key != "driven"},
            "unknowns": self.table(),
            "strong_correlations": self.correlations(),
            "misfit": self.result.misfit,
            "held_out_error": model.held_out,
            "doubts": model.doubts(),
            "voxels_left_out": model.left_out,
            "fitted_values": model.theta.tolist(),
        }


def _at_bound(unknown, value: float) -> bool:
    return bool(value <= unknown.lowest or value >= unknown.highest)


def write_fits(path: str | Path, fits: Several[ScanFit], source: str) -> None:
    """Write the fits of each period of a scan as JSON."""
    content = {
        "source": source,
        "software": f"smrestore {version('smrestore')}",
        "sequence": asdict(fits[0].model.forward.sequence),
        "periods": [fit.record() for fit in fits],
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def read_fits(path: str | Path, forward: Forward) -> list[FittedModel]:
    """Read the model of each period, to predict a scan with this forward model.

    Raises
    ------
    InputError
        If the file holds no fit, or one to a scan of another sequence.
    """
    try:
        content = json.loads(Path(path).read_text())
        same = content["sequence"] == json.loads(json.dumps(asdict(forward.sequence)))
        models = [
            FittedModel(
                forward,
                Family(driven=forward.sequence.driven, **period["family"]),
                np.array(period["fitted_values"], dtype=float),
                period["held_out_error"],
                tuple(period["voxels_left_out"]),
            )
            for period in content["periods"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"no fit of this version of smrestore ({type(error).__name__}: {error})",
            path=path,
            remedy="fit the scan again with smrestore fit",
        ) from None
    if not same:
        raise InputError(
            "fitted to a scan of another sequence",
            path=path,
            field="sequence",
            remedy="fit the scan itself with smrestore fit",
        )
    return models
