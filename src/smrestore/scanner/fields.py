"""Fields of real coils: smooth deviations from the ideal selection and drive fields.

Where no current flows, the selection field is the gradient of a harmonic potential, and each
Cartesian component of a drive field is a harmonic function. Both are expanded in real solid
harmonics of low degree around the center of the scanner, so that the deviations are fields that
coils can make. The center itself keeps its ideal field.
"""

from dataclasses import dataclass

import numpy as np

from smrestore.physics import LocalFields, Sequence
from smrestore.physics.harmonics import gradient, norms, solid_harmonics, values
from smrestore.support.errors import InputError

POTENTIALS = (*solid_harmonics(2), *solid_harmonics(3))
"""Their gradients deviate linearly and quadratically; degree 1 would be a constant field."""
AMPLITUDES = (*solid_harmonics(1), *solid_harmonics(2))
"""They vanish in the center, where drive fields are calibrated, as receive coils are."""
HIGHER_POTENTIALS = (*solid_harmonics(4), *solid_harmonics(5))
HIGHER_AMPLITUDES = (*solid_harmonics(3), *solid_harmonics(4))
"""What coils add farther out."""


@dataclass(frozen=True)
class FieldSettings:
    """How far the fields of a scanner deviate.

    Attributes
    ----------
    selection_deviation
        Root mean square deviation of the selection field over that of the ideal one, both over the
        sphere of ``radius``.
    drive_deviation
        Root mean square relative deviation of each drive field over this sphere.
    radius
        In m.
    higher_deviation
        Root mean square relative deviation of selection and drive fields by harmonics of two more
        degrees each.
    receive_deviation
        Root mean square relative deviation of the sensitivity of each receive coil.
    """

    selection_deviation: float
    drive_deviation: float
    radius: float
    higher_deviation: float = 0.0
    receive_deviation: float = 0.0

    def draw(self, rng: np.random.Generator) -> "FieldImperfection | None":
        """Return deviations of this strength, None for ideal fields."""
        selection = _unit(rng.normal(size=len(POTENTIALS)))
        drive = np.array([_unit(rng.normal(size=len(AMPLITUDES))) for _ in range(3)])
        # Drawn after the others, so that those stay as they are without these.
        higher = _unit(rng.normal(size=len(HIGHER_POTENTIALS)))
        higher_drive = np.array([_unit(rng.normal(size=len(HIGHER_AMPLITUDES))) for _ in range(3)])
        receive = np.array([_unit(rng.normal(size=len(AMPLITUDES))) for _ in range(3)])
        deviations = (
            self.selection_deviation,
            self.drive_deviation,
            self.higher_deviation,
            self.receive_deviation,
        )
        if not any(deviations):
            return None
        return FieldImperfection(
            self.selection_deviation * selection,
            self.drive_deviation * drive,
            self.radius,
            self.higher_deviation * higher,
            self.higher_deviation * higher_drive,
            self.receive_deviation * receive,
        )


def _unit(coefficients: np.ndarray) -> np.ndarray:
    return coefficients / np.linalg.norm(coefficients)


@dataclass(frozen=True, eq=False)
class FieldImperfection:
    """Deviations of the fields of one scanner.

    With s = r / radius, harmonics R_n of unit root mean square over the unit sphere and the root
    mean square g of the gradient's diagonal, the fields are

        H_S(r) = G r + O + g radius sum_n selection_n (grad R_n)(s) / |grad R_n|
        A_i(r) = A_i (1 + sum_n drive_in R_n(s))

    where |grad R_n| is the root mean square over the unit sphere. All terms are orthogonal there,
    so the norm of the coefficients is the relative deviation.

    Attributes
    ----------
    selection
        float64 (12,), for :data:`POTENTIALS`.
    drive
        float64 (3, 8), for :data:`AMPLITUDES`, of the drive field along x, y, z.
    radius
        In m.
    higher_selection, higher_drive
        Of degrees that follow, float64 (20,) for :data:`HIGHER_POTENTIALS` and (3, 16) for
        :data:`HIGHER_AMPLITUDES`.
    receive
        float64 (3, 8), for :data:`AMPLITUDES`, of the receive coil along x, y, z.
    """

    selection: np.ndarray
    drive: np.ndarray
    radius: float
    higher_selection: np.ndarray
    higher_drive: np.ndarray
    receive: np.ndarray

    def at(self, positions: np.ndarray, sequence: Sequence) -> LocalFields:
        """Return the fields at positions (P, 3) in m.

        Raises
        ------
        InputError
            If a drive field is reversed: the positions lie too far outside of the radius.
        """
        relative = positions / self.radius
        slope = np.sqrt(np.mean(np.square(sequence.gradient)))
        deviation = np.zeros_like(relative)
        for coefficients, potentials in (
            (self.selection, POTENTIALS),
            (self.higher_selection, HIGHER_POTENTIALS),
        ):
            for coefficient, potential in zip(coefficients, potentials, strict=True):
                if coefficient:
                    _, norm = norms(potential)
                    deviation += coefficient / norm * gradient(potential, relative)
        scale = _varied(self.drive, AMPLITUDES, relative)
        if self.higher_drive.any():
            scale += _varied(self.higher_drive, HIGHER_AMPLITUDES, relative) - 1
        if scale.size and scale.min() <= 0:
            raise InputError(
                f"a drive field is reversed at {1e3 * np.linalg.norm(positions, axis=1).max():.3g} "
                f"mm from the center, with deviations given at {1e3 * self.radius:g} mm",
                field="fields",
                remedy="enlarge the radius or lower the drive deviation",
            )
        static = sequence.static_field(positions) + slope * self.radius * deviation
        return LocalFields(static, scale)

    def sensitivity(self, positions: np.ndarray) -> np.ndarray | None:
        """Return the sensitivity of receive coils over that in the center, (P, 3); None if even."""
        if not self.receive.any():
            return None
        return _varied(self.receive, AMPLITUDES, positions / self.radius)


def _varied(coefficients: np.ndarray, harmonics: tuple, relative: np.ndarray) -> np.ndarray:
    """Return 1 + sum_n coefficients_in R_n at points (P, 3) for each axis, (P, 3)."""
    scale = np.ones_like(relative)
    for i, harmonic in enumerate(harmonics):
        norm, _ = norms(harmonic)
        scale += coefficients[:, i] / norm * values(harmonic, relative)[:, None]
    return scale
