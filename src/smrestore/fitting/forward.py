"""The images of components that a model predicts, and their derivatives by the chain rule.

The signal of a position depends on the unknowns through a few numbers alone: the static field
(three), the scale of each drive field, and anisotropy and size of the particles. Derivatives by
these cost one simulation each, and dozens of field coefficients follow from them by the chain rule.
Two more are saved: with particle volume V, drive fields A and static field H,

    V d/dV = sum_i H_i d/dH_i + sum_i A_i d/dA_i + (1 - q) K d/dK,

because the moment depends on V H, V A and V K |H|^q, and d/dq = ln(|H| / H_max) K d/dK. Out of
equilibrium it also depends on the relaxation time tau_N, which is proportional to V (1 + a^2) / a
with the damping a, so that d/dlna (a^2 + 1) / (a^2 - 1) is added.
"""

from dataclasses import dataclass, replace

import numpy as np

from smrestore.fitting.family import Family
from smrestore.physics.dynamics import Rotation, dynamic_values
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.particles import Particle
from smrestore.physics.sequence import Sequence
from smrestore.physics.setup import Simulation
from smrestore.physics.spectrum import Components, LocalFields, component_values, largest_field
from smrestore.physics.torus import TOLERANCE

LARGEST_ANISOTROPY, LARGEST_FIELD = 150.0, 400.0
"""Energies in units of the thermal one, up to which moments are tabulated for a fit. Trials far
out would ask for tables that fill the memory."""
LARGEST_DYNAMIC_ANISOTROPY = 16.0
"""The same out of equilibrium, where particles beyond are blocked for many cycles."""
DYNAMIC_TOLERANCE = 1e-5
"""Of moments out of equilibrium, where they are predicted."""
STEP, DYNAMIC_STEP = 1e-3, 0.05
"""Of the finite differences, in units of the reduced field or of the logarithm of K. Out of
equilibrium, moments have the error of an integrator, which asks for larger ones."""


@dataclass(frozen=True, eq=False)
class Forward:
    """The forward model of one scan.

    Attributes
    ----------
    sequence, grid
        Of the scan. Anisotropy is scaled to the largest ideal selection field on the grid.
    points, weights
        Quadrature over the delta sample: float64 (n, 3) in m from its center, (n,) of sum 1.
    tolerance, dynamic_tolerance
        Of the spectra in equilibrium, see :func:`smrestore.physics.torus.node_counts`, and out of
        it, see :func:`smrestore.physics.dynamics.dynamic_values`.
    """

    sequence: Sequence
    grid: CalibrationGrid
    points: np.ndarray
    weights: np.ndarray
    tolerance: float = TOLERANCE
    dynamic_tolerance: float = DYNAMIC_TOLERANCE

    def of_point(self) -> "Forward":
        """Return the model of a sample without extent."""
        return replace(self, points=np.zeros((1, 3)), weights=np.ones(1))

    def images(
        self,
        family: Family,
        theta: np.ndarray,
        positions: np.ndarray,
        components: Components,
        derivatives: bool = False,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return images of components, up to a complex factor each, and their derivatives.

        Parameters
        ----------
        family, theta
            The model: float64 (U,).
        positions
            Centers of the delta sample, float64 (P, 3) in m.
        components
            S components.

        Returns
        -------
        images
            complex128 (P, S); not a number where the model is out of reach, see
            :data:`LARGEST_FIELD`.
        derivatives
            complex128 (U, P, S), or None.
        """
        n = len(self.points)
        points = (positions[:, None] + self.points).reshape(-1, 3)
        bases = family.bases(points, self.sequence)
        static, scale = family.fields(theta, bases)
        frequency = self.sequence.frequencies[components.frequency]
        shape = len(positions), len(components)
        images = np.zeros(shape, np.complex128)
        slopes = np.zeros((len(theta), *shape), np.complex128) if derivatives else None
        first = family.n_tracer
        index = {name: place for place, name in enumerate(family.tracer_names)}
        # Only the anisotropy of fluid particles grows with the field.
        exponent = family.tracer(theta).get("modulation", 0.0)
        damping = None
        if family.state == "neel":
            damping = float(np.exp(family.tracer(theta)["damping"]))
        sizes = core_sizes(family, theta)
        most = LARGEST_ANISOTROPY if damping is None else LARGEST_DYNAMIC_ANISOTROPY
        if not all(self._reaches(size.particle, static, scale, most) for size in sizes):
            images[:] = np.nan
            return images, slopes
        for size in sizes:
            lag = 1 / (1 + 2j * np.pi * frequency * size.relaxation)

            def simulate(static, scale, particle=size.particle, damping=damping):
                simulation = Simulation(particle, self.sequence, self.grid)
                fields = LocalFields(static, scale)
                if damping is not None:
                    # In a plane, the equation has a tenth of the cost.
                    return dynamic_values(
                        simulation, Rotation("neel", damping=damping, flat=True), components,
                        points, fields=fields, tolerance=self.dynamic_tolerance,
                    )  # fmt: skip
                return component_values(
                    simulation, components, points, fields=fields, tolerance=self.tolerance
                )

            def averaged(per_point):
                parts = per_point.reshape(shape[0], n, shape[1])
                return np.einsum("n,pns->ps", self.weights, parts)

            values = simulate(static, scale)
            in_equilibrium = averaged(values)
            image = in_equilibrium * lag
            images += size.share * image
            if not derivatives:
                continue
            by_field, by_scale, by_anisotropy = self._by_point(
                family, simulate, size.particle, values, static, scale
            )
            weight = size.share * lag
            # Field coefficients: the chain rule at each point, averaged over the sample.
            for i in range(family.n_selection):
                total = sum(bases.selection[:, c, i, None] * by_field[c] for c in range(3))
                slopes[first + i] += weight * averaged(total)
            for number in range(len(family.driven_axes)):
                start = first + family.n_selection + number * family.n_drive
                for i in range(family.n_drive):
                    slopes[start + i] += weight * averaged(
                        bases.drive[:, i, None] * by_scale[number]
                    )
            by_volume = sum(static[:, c, None] * by_field[c] for c in range(3)) + sum(
                scale[:, axis, None] * by_scale[number]
                for number, axis in enumerate(family.driven_axes)
            )
            if by_anisotropy is not None:
                by_volume = by_volume + (1 - exponent) * by_anisotropy
            if damping is not None:
                faster = simulate(static, scale, damping=damping * np.exp(DYNAMIC_STEP))
                by_damping = (faster - values) / DYNAMIC_STEP
                by_volume = by_volume + by_damping * (damping**2 + 1) / (damping**2 - 1)
                slopes[index["damping"]] += weight * averaged(by_damping)
            by_size = 3 * averaged(by_volume) * weight
            # Relaxation grows with the volume relative to the median size, so the median drops out.
            slopes[index["core_diameter"]] += by_size
            slopes[index["spread"]] += size.node * by_size + size.share_slope * image
            if "relaxation" in index:
                by_lag = size.share * in_equilibrium * (-2j * np.pi * frequency) * lag**2
                slopes[index["spread"]] += by_lag * 3 * size.node * size.relaxation
                slopes[index["relaxation"]] += by_lag * size.relaxation_slope
            if by_anisotropy is not None:
                slopes[index["anisotropy"]] += weight * averaged(by_anisotropy)
            if "modulation" in index:
                largest = largest_field(self.sequence, self.grid)
                logarithm = np.log(np.maximum(np.linalg.norm(static, axis=1), 1e-12) / largest)
                slopes[index["modulation"]] += weight * averaged(logarithm[:, None] * by_anisotropy)
            for name in ("polar", "azimuth"):
                if name in index:
                    moved = theta.copy()
                    moved[index[name]] += STEP
                    turned = core_sizes(family, moved)[size.number].particle
                    change = simulate(static, scale, turned) - values
                    slopes[index[name]] += weight * averaged(change / STEP)
        self._receive(family, theta, positions, components, images, slopes)
        return images, slopes

    def _reaches(
        self, particle: Particle, static: np.ndarray, scale: np.ndarray, most: float
    ) -> bool:
        """Tell whether moments can be simulated, with an anisotropy energy up to ``most``."""
        alpha, _ = particle.anisotropy(static, largest_field(self.sequence, self.grid))
        drive = np.linalg.norm(np.array(self.sequence.drive_amplitude) * scale.max(axis=0))
        field = np.linalg.norm(static, axis=1).max() + drive
        return bool(np.max(alpha) <= most and particle.beta * field <= LARGEST_FIELD)

    def _receive(self, family, theta, positions, components, images, slopes) -> None:
        """Apply the sensitivity of the coils at the center of the sample, in place."""
        if not family.n_receive:
            return
        basis = family.sensitivity_basis(positions)
        scale = family.sensitivity(theta, basis)[:, components.channel]
        if slopes is not None:
            slopes *= scale
            for number, axis in enumerate(family.driven_axes):
                own = components.channel == axis
                slopes[family.of_coil(number)][:, :, own] = (
                    basis.T[:, :, None] * images[None, :, own]
                )
        images *= scale

    def _by_point(self, family, simulate, particle, values, static, scale):
        """Return derivatives by static field, drive scales and ln K, lists of (Pn, S)."""
        relative = DYNAMIC_STEP if family.state == "neel" else STEP
        step = relative / particle.beta
        by_field = []
        for c in range(3):
            moved = static.copy()
            moved[:, c] += step
            by_field.append((simulate(moved, scale) - values) / step)
        by_scale = []
        for axis in family.driven_axes:
            own = step / self.sequence.drive_amplitude[axis]
            moved = scale.copy()
            moved[:, axis] += own
            by_scale.append((simulate(static, moved) - values) / own)
        if family.state == "langevin":
            return by_field, by_scale, None
        constant = np.exp(relative) * particle.anisotropy_constant
        harder = replace(particle, anisotropy_constant=constant)
        return by_field, by_scale, (simulate(static, scale, harder) - values) / relative


@dataclass(frozen=True)
class CoreSize:
    """One of the sizes that stand for the distribution.

    Attributes
    ----------
    number, node
        Its number, and its place in standard deviations of the logarithm of the diameter.
    particle
        In equilibrium.
    share, share_slope
        Part of the magnetic moment, and its derivative by the spread.
    relaxation, relaxation_slope
        Debye time in s, and its derivative by the unknown, which is in us.
    """

    number: int
    node: float
    particle: Particle
    share: float
    share_slope: float
    relaxation: float
    relaxation_slope: float


def core_sizes(family: Family, theta: np.ndarray) -> list[CoreSize]:
    """Return the sizes: Gauss-Hermite nodes of the number distribution, weighted by volume."""
    tracer = family.tracer(theta)
    nodes, weights = np.polynomial.hermite_e.hermegauss(family.core_sizes)
    spread = tracer["spread"]
    shares = weights * np.exp(3 * spread * nodes)
    shares /= shares.sum()
    slopes = 3 * shares * (nodes - shares @ nodes)
    diameters = 1e-9 * np.exp(tracer["core_diameter"] + spread * nodes)
    axis = (0.0, 0.0, 1.0)
    if family.state == "immobilized":
        polar, azimuth = tracer["polar"], tracer["azimuth"]
        axis = (
            float(np.sin(polar) * np.cos(azimuth)),
            float(np.sin(polar) * np.sin(azimuth)),
            float(np.cos(polar)),
        )
    sizes = []
    for number, (node, diameter) in enumerate(zip(nodes.tolist(), diameters.tolist(), strict=True)):
        growth = float(np.exp(3 * spread * node))
        particle = Particle(
            core_diameter=diameter,
            anisotropy_constant=float(np.exp(tracer.get("anisotropy", -np.inf))),
            state="immobilized" if family.state == "immobilized" else "fluid",
            spatial_modulation=tracer.get("modulation", 1.0),
            easy_axis=axis,
            model="langevin" if family.state == "langevin" else "anisotropy",
        )
        slope = 1e-6 * growth
        sizes.append(
            CoreSize(
                number,
                node,
                particle,
                float(shares[number]),
                float(slopes[number]),
                tracer.get("relaxation", 0.0) * slope,
                slope,
            )
        )
    return sizes
