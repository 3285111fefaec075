"""What is fitted: the unknowns of tracer and fields, their scales, bounds and prior knowledge."""

import functools
from dataclasses import dataclass

import numpy as np

from smrestore.physics.harmonics import gradient, norms, solid_harmonics, values
from smrestore.physics.sequence import Sequence


@dataclass(frozen=True)
class Unknown:
    """One number that is fitted, as the fit sees it: with a Gaussian prior, and bounds.

    Attributes
    ----------
    name, unit
        For readers.
    start, deviation
        Mean and standard deviation of the prior.
    lowest, highest
        Bounds.
    """

    name: str
    unit: str
    start: float
    deviation: float
    lowest: float
    highest: float


_TRACER = {
    # Magnetite tracers of MPI have cores of 15 to 30 nm (table 1 of Tsanda et al. 2026); priors are
    # wide, so that data decide.
    "core_diameter": Unknown("core diameter", "ln(nm)", np.log(21.0), 0.3, np.log(8), np.log(50)),
    "spread": Unknown("diameter spread", "", 0.1, 0.1, 0.0, 0.4),
    "anisotropy": Unknown("anisotropy", "ln(J/m^3)", np.log(1500), 1.0, np.log(30), np.log(3e4)),
    "modulation": Unknown("spatial modulation", "", 1.0, 0.3, 0.0, 3.0),
    "relaxation": Unknown("relaxation time", "us", 1.0, 2.0, 0.0, 20.0),
    # Values of the damping are not known within a factor of ten or so.
    "damping": Unknown("damping", "ln()", np.log(0.1), 1.0, np.log(0.005), np.log(0.7)),
    "polar": Unknown("polar angle of the easy axis", "rad", np.pi / 4, 1.5, -np.pi, np.pi),
    "azimuth": Unknown("azimuth of the easy axis", "rad", np.pi / 4, 3.0, -2 * np.pi, 2 * np.pi),
}
_OF_STATE = {
    "fluid": ("core_diameter", "spread", "anisotropy", "modulation", "relaxation"),
    "immobilized": ("core_diameter", "spread", "anisotropy", "relaxation", "polar", "azimuth"),
    "langevin": ("core_diameter", "spread", "relaxation"),
    "neel": ("core_diameter", "spread", "anisotropy", "modulation", "damping"),
}

OFFSET_DEVIATION = 0.05
"""Of the prior of the constant field, over the ideal field at the radius."""
FIELD_DEVIATION = 0.03
"""Of the prior of each other harmonic in the same unit, of drive fields over their amplitude, and
of the sensitivity of receive coils over that in the center."""
FIELD_BOUND = 0.5


@dataclass(frozen=True)
class Family:
    """The models among which the fit searches.

    Attributes
    ----------
    state
        ``fluid`` (easy axes follow the selection field), ``immobilized`` (one easy axis),
        ``langevin`` (no anisotropy), or ``neel`` (fluid, out of equilibrium by Neel rotation).
    selection_degree
        Highest degree of the potentials that the selection field may deviate by; 0 for an ideal
        field, 1 for an offset, 2 for linear deviations.
    drive_degree
        Highest degree of the harmonics by which drive fields vary in space; -1 for ideal ones.
    receive_degree
        Highest degree of the harmonics by which receive coils vary in space; 0 for none.
    driven
        Axes with a drive field.
    radius
        Distance from the center in m at which the deviations are scaled.
    core_sizes
        Diameters that stand for the log-normal distribution.
    """

    state: str
    selection_degree: int
    drive_degree: int
    receive_degree: int
    driven: tuple[bool, bool, bool]
    radius: float
    core_sizes: int = 3

    @functools.cached_property
    def tracer_names(self) -> tuple[str, ...]:
        """Keys of the unknowns of the tracer, which come first."""
        return _OF_STATE[self.state]

    @functools.cached_property
    def unknowns(self) -> tuple[Unknown, ...]:
        """All unknowns: of the tracer, the selection field, each drive field, each receive coil."""

        def coefficient(name: str, deviation: float = FIELD_DEVIATION) -> Unknown:
            return Unknown(name, "", 0.0, deviation, -FIELD_BOUND, FIELD_BOUND)

        return (
            *(_TRACER[name] for name in self.tracer_names),
            *(
                coefficient(
                    f"selection field {degree}.{number}",
                    OFFSET_DEVIATION if degree == 1 else FIELD_DEVIATION,
                )
                for degree, number, _ in self._potentials
            ),
            *(
                coefficient(f"{what} {'xyz'[axis]} {degree}.{number}")
                for what, terms in (
                    ("drive field", self._amplitudes),
                    ("receive coil", self._sensitivities),
                )
                for axis in self.driven_axes
                for degree, number, _ in terms
            ),
        )

    @property
    def driven_axes(self) -> list[int]:
        """Numbers of the axes with a drive field."""
        return [axis for axis, on in enumerate(self.driven) if on]

    @functools.cached_property
    def _potentials(self) -> list[tuple]:
        return _terms(1, self.selection_degree)

    @functools.cached_property
    def _amplitudes(self) -> list[tuple]:
        return _terms(0, self.drive_degree)

    @functools.cached_property
    def _sensitivities(self) -> list[tuple]:
        return _terms(1, self.receive_degree)

    @property
    def n_tracer(self) -> int:
        """Unknowns of the tracer."""
        return len(self.tracer_names)

    @property
    def n_selection(self) -> int:
        """Unknowns of the selection field."""
        return len(self._potentials)

    @property
    def n_drive(self) -> int:
        """Unknowns of one drive field."""
        return len(self._amplitudes)

    @property
    def n_receive(self) -> int:
        """Unknowns of one receive coil."""
        return len(self._sensitivities)

    def tracer(self, theta: np.ndarray) -> dict[str, float]:
        """Return the numbers of the tracer by their keys."""
        return dict(zip(self.tracer_names, theta[: self.n_tracer].tolist(), strict=True))

    def bases(self, points: np.ndarray, sequence: Sequence) -> "FieldBases":
        """Return the fields that the coefficients multiply, at points (n, 3) in m."""
        relative = points / self.radius
        slope = np.sqrt(np.mean(np.square(sequence.gradient)))
        selection = np.empty((len(points), 3, self.n_selection))
        for i, (_, _, harmonic) in enumerate(self._potentials):
            shape = gradient(harmonic, relative) / norms(harmonic)[1]
            selection[:, :, i] = slope * self.radius * shape
        drive = _scaled(self._amplitudes, relative)
        return FieldBases(sequence.static_field(points), selection, drive)

    def fields(self, theta: np.ndarray, bases: "FieldBases") -> tuple[np.ndarray, np.ndarray]:
        """Return static field in T and drive scale at the points of ``bases``, (n, 3) each."""
        first = self.n_tracer
        static = bases.ideal + bases.selection @ theta[first : first + self.n_selection]
        scale = np.ones_like(static)
        for number, axis in enumerate(self.driven_axes):
            start = first + self.n_selection + number * self.n_drive
            scale[:, axis] += bases.drive @ theta[start : start + self.n_drive]
        return static, np.maximum(scale, 0.05)

    def sensitivity_basis(self, positions: np.ndarray) -> np.ndarray:
        """Return the relative sensitivity of unit coefficients, (P, n_receive), at (P, 3) in m."""
        return _scaled(self._sensitivities, positions / self.radius)

    def sensitivity(self, theta: np.ndarray, basis: np.ndarray) -> np.ndarray:
        """Return the sensitivity of the coils along x, y and z over that in the center, (P, 3)."""
        scale = np.ones((len(basis), 3))
        for number, axis in enumerate(self.driven_axes):
            scale[:, axis] += basis @ theta[self.of_coil(number)]
        return scale

    def of_coil(self, number: int) -> slice:
        """Return where the coefficients of the receive coil along a driven axis are."""
        start = self.n_tracer + self.n_selection + len(self.driven_axes) * self.n_drive
        return slice(start + number * self.n_receive, start + (number + 1) * self.n_receive)

    def extended(self, theta: np.ndarray, other: "Family") -> np.ndarray:
        """Return ``theta`` as one of another family, at the prior where this one lacks it."""
        known = dict(zip((u.name for u in self.unknowns), theta.tolist(), strict=True))
        return np.array([known.get(u.name, u.start) for u in other.unknowns])


def _terms(lowest: int, highest: int) -> list[tuple]:
    """Return degree, number and harmonic of all from a lowest to a highest degree."""
    return [
        (degree, number, harmonic)
        for degree in range(lowest, highest + 1)
        for number, harmonic in enumerate(solid_harmonics(degree), 1)
    ]


def _scaled(terms: list[tuple], relative: np.ndarray) -> np.ndarray:
    """Return harmonics of unit root mean square over the unit sphere at points (n, 3), (n, t)."""
    found = np.empty((len(relative), len(terms)))
    for i, (_, _, harmonic) in enumerate(terms):
        found[:, i] = values(harmonic, relative) / norms(harmonic)[0]
    return found


@dataclass(frozen=True, eq=False)
class FieldBases:
    """Fields at n points.

    Attributes
    ----------
    ideal
        Ideal static field, float64 (n, 3) in T.
    selection
        Fields of unit coefficients, float64 (n, 3, n_selection) in T.
    drive
        Relative drive field of unit coefficients, float64 (n, n_drive).
    """

    ideal: np.ndarray
    selection: np.ndarray
    drive: np.ndarray
