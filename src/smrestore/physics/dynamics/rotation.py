"""How the moment of a particle turns: by Neel inside the core, or by Brown with the particle.

Both obey one equation for the density p of moment directions m on the unit sphere ::

    dp/dt = div(D grad p - p v),
    v = D [ xi - (xi.m) m + 2 alpha_K (n.m) (n - (n.m) m) ]
        + (D / a) [ xi x m + 2 alpha_K (n.m) n x m ],

the reduced field xi = m_0 B / (k_B T), the anisotropy energy alpha_K, the easy axis n, and
D = 1 / (2 tau). Its static solution is the density of equilibrium, exp(xi.m + alpha_K (n.m)^2).

Neel: W. F. Brown, Phys. Rev. 130 (1963) 1677, section 4 (Landau, Lifshitz and Gilbert with thermal
noise); a is the damping, and the second line, precession, may be left out. Brown: P.
Debye, Polar Molecules (1929), and M. A. Martsenyuk, Yu. L. Raikher and M. I. Shliomis, Sov. Phys.
JETP 38 (1974) 413, with the moment fixed in its particle: alpha_K = 0 and no precession.
"""

from dataclasses import dataclass

import numpy as np

from smrestore.physics.particles import (
    BOLTZMANN,
    SATURATION_MAGNETIZATION,
    TEMPERATURE,
    Particle,
)
from smrestore.support.errors import InputError

GYROMAGNETIC_RATIO = 1.75e11
"""Of an electron in rad/(s T), as in MNPDynamics.jl."""
ROTATIONS = ("neel", "brown", "equilibrium")


@dataclass(frozen=True)
class Rotation:
    """How fast the moments of particles follow their equilibrium.

    Attributes
    ----------
    kind
        ``neel``: inside of cores that do not turn. ``brown``: with particles that turn in a fluid,
        in which their moments are fixed, so that the anisotropy has no effect. ``equilibrium``:
        at once.
    precession
        Whether moments also precess around the field (Neel only).
    damping
        Landau-Lifshitz-Gilbert damping a, dimensionless.
    viscosity
        Of the fluid in Pa s (Brown only).
    hydrodynamic_diameter
        Of core and shell in m (Brown only); the core diameter if not given.
    flat
        Of planar sequences, let fields across the plane act on the equilibrium alone. This is an
        approximation for fields that are small there, at a tenth of the cost.
    """

    kind: str = "neel"
    precession: bool = False
    damping: float = 0.1
    viscosity: float = 1.0e-3
    hydrodynamic_diameter: float | None = None
    flat: bool = False

    def __post_init__(self) -> None:
        if self.kind not in ROTATIONS:
            raise InputError(
                f"unknown rotation {self.kind!r}",
                field="kind",
                remedy=f"use one of {', '.join(ROTATIONS)}",
            )
        for name, unit in (
            ("damping", ""),
            ("viscosity", " Pa s"),
            ("hydrodynamic_diameter", " m"),
        ):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise InputError(
                    f"{name.replace('_', ' ')} of {value:g}{unit}",
                    field=name,
                    remedy="give a positive number",
                )
        if self.precession and self.kind != "neel":
            raise InputError(
                f"{self.kind} rotation has no precession",
                field="precession",
                remedy="leave precession out, or use Neel rotation",
            )
        if self.precession and self.flat:
            raise InputError(
                "with precession, moments leave the plane",
                field="flat",
                remedy="leave precession or flat out",
            )

    def relaxation_time(self, particle: Particle) -> float:
        """Return tau without field and anisotropy in s.

        tau_N = V M_S (1 + a^2) / (2 k_B T gamma a) (Brown 1963, section 4), and
        tau_B = 3 eta V_H / (k_B T) (Debye 1929).

        Raises
        ------
        InputError
            If the particle with its shell is smaller than its core.
        """
        thermal = BOLTZMANN * TEMPERATURE
        if self.kind == "equilibrium":
            return 0.0
        if self.kind == "neel":
            moment = particle.core_volume * SATURATION_MAGNETIZATION
            turning = 2 * thermal * GYROMAGNETIC_RATIO * self.damping
            return moment * (1 + self.damping**2) / turning
        diameter = self.hydrodynamic_diameter or particle.core_diameter
        if diameter < particle.core_diameter:
            raise InputError(
                f"{diameter:g} m are less than the core diameter of {particle.core_diameter:g} m",
                field="hydrodynamic_diameter",
                remedy="give the diameter of core and shell together",
            )
        return 3 * self.viscosity * np.pi * diameter**3 / 6 / thermal
