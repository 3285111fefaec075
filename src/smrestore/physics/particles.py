"""Magnetic nanoparticles: size, anisotropy and state."""

from dataclasses import dataclass
from typing import get_args

import numpy as np

from smrestore.support.choices import ParticleModel, ParticleState
from smrestore.support.errors import InputError

BOLTZMANN = 1.380649e-23
"""Boltzmann constant in J/K."""
SATURATION_MAGNETIZATION = 474_000.0
"""Saturation magnetization of magnetite in J m^-3 T^-1, as in Tsanda et al. 2026."""
TEMPERATURE = 293.0
"""Particle temperature in K, as in Tsanda et al. 2026."""

LANGEVIN_WIDTH = 4.16
"""Full width at half maximum of the derivative of the Langevin function, in reduced fields."""

MODELS = get_args(ParticleModel)
STATES = get_args(ParticleState)


@dataclass(frozen=True)
class Particle:
    """Particles of one core size, in thermal equilibrium or lagging behind it.

    Attributes
    ----------
    core_diameter
        In m.
    anisotropy_constant
        Uniaxial anisotropy K in J/m^3; for fluid particles its largest value on the grid.
    state
        ``immobilized``: easy axis and anisotropy are the same everywhere. ``fluid``: the easy axis
        follows the selection field and the anisotropy grows with its strength.
    spatial_modulation
        Exponent q of that growth, K(r) = K (|H_S(r)| / max |H_S|)^q.
    easy_axis
        Unit vector, for immobilized particles.
    model
        ``anisotropy``, or ``langevin`` for particles without it. With ``neel``, there is one, and
        moments lag behind by Neel rotation (:mod:`smrestore.physics.dynamics`); functions of the
        equilibrium take it for ``anisotropy``.
    relaxation_time
        Time constant of first-order (Debye) relaxation towards equilibrium in s. With 0 the moment
        is in equilibrium at any time.
    """

    core_diameter: float
    anisotropy_constant: float = 0.0
    state: str = "fluid"
    spatial_modulation: float = 1.0
    easy_axis: tuple[float, float, float] = (0.0, 0.0, 1.0)
    model: str = "anisotropy"
    relaxation_time: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.core_diameter < np.inf:
            raise InputError(
                f"core diameter of {self.core_diameter:g} m",
                field="core_diameter",
                remedy="give a positive diameter",
            )
        if not np.isfinite(self.spatial_modulation):
            raise InputError(
                f"exponent {self.spatial_modulation:g}",
                field="spatial_modulation",
                remedy="give a finite number",
            )
        if not 0 <= self.relaxation_time < np.inf:
            raise InputError(
                f"relaxation time of {self.relaxation_time:g} s",
                field="relaxation_time",
                remedy="give 0 or more",
            )
        if not np.isfinite(self.easy_axis).all() or not np.any(self.easy_axis):
            raise InputError(
                f"{self.easy_axis} is no direction",
                field="easy_axis",
                remedy="give a vector that is not zero",
            )
        if not 0 <= self.anisotropy_constant < np.inf:
            raise InputError(
                f"anisotropy constant of {self.anisotropy_constant:g} J/m^3",
                field="anisotropy_constant",
                remedy="give 0 or more",
            )
        for name, value, known in (("state", self.state, STATES), ("model", self.model, MODELS)):
            if value not in known:
                raise InputError(
                    f"unknown {name} {value!r}", field=name, remedy=f"use one of {', '.join(known)}"
                )

    @property
    def core_volume(self) -> float:
        """Volume V of the core in m^3."""
        return np.pi * self.core_diameter**3 / 6

    @property
    def beta(self) -> float:
        """Reduced field per field, m_0 / (k_B T) in 1/T."""
        return SATURATION_MAGNETIZATION * self.core_volume / (BOLTZMANN * TEMPERATURE)

    def relaxation(self, frequencies: np.ndarray) -> np.ndarray:
        """Return the response of the moment to its equilibrium, 1 / (1 + 2 pi i f tau).

        The sign is that of a spectrum with exp(-2 pi i f t); ``frequencies`` in Hz.
        """
        return 1 / (1 + 2j * np.pi * frequencies * self.relaxation_time)

    @property
    def alpha(self) -> float:
        """Anisotropy energy over thermal energy, alpha_K = K V / (k_B T)."""
        return self.anisotropy_constant * self.core_volume / (BOLTZMANN * TEMPERATURE)

    @property
    def follows_field(self) -> bool:
        """Whether the easy axis follows the static field, or there is none."""
        return self.model == "langevin" or self.state == "fluid"

    def anisotropy(
        self, selection_field: np.ndarray, largest_field: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return alpha_K and the easy axis at each position.

        Parameters
        ----------
        selection_field
            Static field H_S at every position, float64 (P, 3) in T.
        largest_field
            Largest |H_S| on the calibration grid in T, to which fluid particles are scaled.

        Returns
        -------
        alpha, easy_axis
            float64 (P,) and (P, 3). Where a fluid particle sees no field, alpha is 0 and the easy
            axis (0, 0, 1) stands for any.
        """
        n_positions = len(selection_field)
        if self.model == "langevin":
            return np.zeros(n_positions), np.tile([0.0, 0.0, 1.0], (n_positions, 1))
        if self.state == "immobilized":
            axis = np.array(self.easy_axis) / np.linalg.norm(self.easy_axis)
            return np.full(n_positions, self.alpha), np.tile(axis, (n_positions, 1))
        alpha = np.zeros(n_positions)
        easy_axis = np.tile([0.0, 0.0, 1.0], (n_positions, 1))
        strength = np.linalg.norm(selection_field, axis=1)
        seen = strength > 0
        alpha[seen] = self.alpha * (strength[seen] / largest_field) ** self.spatial_modulation
        easy_axis[seen] = selection_field[seen] / strength[seen, None]
        return alpha, easy_axis
