"""The signal of a real sample: many core sizes, relaxation, imperfect fields, a receive chain."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from smrestore.physics.dynamics import Rotation, dynamic_values
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.particles import TEMPERATURE, Particle
from smrestore.physics.receiver import Receiver
from smrestore.physics.sequence import Sequence
from smrestore.physics.spectrum import Components, Simulation, component_values
from smrestore.scanner.fields import FieldImperfection

DYNAMIC_TOLERANCE = 1e-5
"""Error of spectra of moments that turn with a delay, over the largest component."""
BLOCK_BYTES = 64 * 2**20
"""Size of the spectra that are computed at a time."""


CURIE_TEMPERATURE = 858.0
"""Of magnetite in K; saturation follows Bloch's law, 1 - (T / T_C)^(3/2)."""
VISCOSITY_FALL = 0.024
"""Relative fall of the viscosity of water per K, near room temperature."""


@dataclass(frozen=True)
class SecondMode:
    """A second log-normal mode of core diameters, with an anisotropy of its own.

    Attributes
    ----------
    share
        Of the magnetic moment of the tracer.
    median_core_diameter, diameter_spread, anisotropy_constant
        As of :class:`Tracer`.
    """

    share: float
    median_core_diameter: float
    diameter_spread: float
    anisotropy_constant: float


@dataclass(frozen=True)
class Tracer:
    """Fluid particles with a log-normal distribution of core diameters, which relax.

    Attributes
    ----------
    median_core_diameter
        In m.
    diameter_spread
        Standard deviation of the logarithm of the diameter.
    anisotropy_constant, spatial_modulation
        As in :class:`smrestore.physics.Particle`.
    relaxation_time
        Debye time of the median particle in s; it grows with the core volume. Particles of
        different size then lag differently, so that components are not real up to a global phase.
    core_sizes
        Diameters that stand for the distribution, nodes of Gauss-Hermite quadrature.
    second_mode
        Second mode of the distribution, or None.
    rotations
        How moments turn instead of Debye relaxation, by the Fokker-Planck equation
        (:mod:`smrestore.physics.dynamics`), and the share of the moment that each has. Empty in
        equilibrium.
    """

    median_core_diameter: float
    diameter_spread: float
    anisotropy_constant: float
    spatial_modulation: float
    relaxation_time: float
    core_sizes: int = 7
    second_mode: SecondMode | None = None
    rotations: tuple[tuple[Rotation, float], ...] = ()

    def fractions(self) -> list[tuple[Particle, float]]:
        """Return particles and their share of the magnetic moment.

        Gauss-Hermite quadrature of the log-normal number distribution, weighted by volume.
        """
        first = self._mode(
            self.median_core_diameter, self.diameter_spread, self.anisotropy_constant
        )
        mode = self.second_mode
        if mode is None:
            return first
        second = self._mode(
            mode.median_core_diameter, mode.diameter_spread, mode.anisotropy_constant
        )
        return [
            *((particle, (1 - mode.share) * share) for particle, share in first),
            *((particle, mode.share * share) for particle, share in second),
        ]

    def _mode(
        self, median: float, spread: float, anisotropy_constant: float
    ) -> list[tuple[Particle, float]]:
        nodes, weights = np.polynomial.hermite_e.hermegauss(self.core_sizes)
        diameters = median * np.exp(spread * nodes)
        shares = weights * diameters**3
        shares /= shares.sum()
        return [
            (
                Particle(
                    core_diameter=float(diameter),
                    anisotropy_constant=anisotropy_constant,
                    state="fluid",
                    spatial_modulation=self.spatial_modulation,
                    relaxation_time=0.0
                    if self.rotations
                    else self.relaxation_time * float(diameter / self.median_core_diameter) ** 3,
                ),
                float(share),
            )
            for diameter, share in zip(diameters, shares, strict=True)
        ]

    def warmer(self, kelvin: float) -> tuple["Tracer", float]:
        """Return the tracer at another temperature, and its moment over the usual one.

        Energies over the thermal one change as if cores had another volume: both m_0 H and K V
        grow with it, and fall with the saturation. Relaxation follows viscosity and temperature.
        """
        hot = TEMPERATURE + kelvin
        saturation = np.subtract(1, (np.array([hot, TEMPERATURE]) / CURIE_TEMPERATURE) ** 1.5)
        moment = float(saturation[0] / saturation[1])
        growth = (moment * TEMPERATURE / hot) ** (1 / 3)
        mode = self.second_mode
        if mode is not None:
            mode = replace(mode, median_core_diameter=growth * mode.median_core_diameter)
        tracer = replace(
            self,
            median_core_diameter=growth * self.median_core_diameter,
            relaxation_time=self.relaxation_time
            * float(np.exp(-VISCOSITY_FALL * kelvin))
            * TEMPERATURE
            / hot,
            second_mode=mode,
        )
        return tracer, moment


@dataclass(frozen=True)
class ReceiveChannel:
    """A receive coil with its filter and amplifier.

    Attributes
    ----------
    sensitivity
        Voltage per normalized moment change, in V s.
    resonance
        Resonance frequency in Hz.
    quality
        Quality factor of the resonance.
    delay
        Signal delay in s.
    """

    sensitivity: float
    resonance: float
    quality: float
    delay: float


def transfer_function(channels: tuple[ReceiveChannel, ...], frequencies: np.ndarray) -> np.ndarray:
    """Return the transfer function of the receive chain, complex128 (C, K) in V s.

    A damped resonance with a delay, 1 / (1 - (f/f0)^2 + i f / (Q f0)) exp(-2 pi i f t0).
    """
    rows = []
    for channel in channels:
        relative = frequencies / channel.resonance
        resonance = 1 / (1 - relative**2 + 1j * relative / channel.quality)
        delay = np.exp(-2j * np.pi * frequencies * channel.delay)
        rows.append(channel.sensitivity * resonance * delay)
    return np.array(rows)


@dataclass(frozen=True)
class DeltaSample:
    """The sample of a calibration: a cuboid filled with tracer.

    Attributes
    ----------
    size
        Edge lengths along x, y, z in m; 0 for a point.
    points
        Gauss-Legendre points along each edge over which the signal is averaged.
    fill_gradient
        By how much more it is filled at the faces at +x, +y and +z than in the center.
    """

    size: tuple[float, float, float]
    points: int = 3
    fill_gradient: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def quadrature(self, axes: tuple[bool, bool, bool] = (True,) * 3) -> tuple[np.ndarray, ...]:
        """Return points (n, 3) in m from the center, and weights (n,) of sum 1.

        Axes that are not among ``axes`` have no extent.
        """
        nodes, weights = np.polynomial.legendre.leggauss(self.points)
        along = [
            (0.5 * edge * nodes, weights / 2 * (1 + gradient * nodes))
            if edge > 0 and on
            else (np.zeros(1), np.ones(1))
            for edge, on, gradient in zip(self.size, axes, self.fill_gradient, strict=True)
        ]
        points = np.stack(np.meshgrid(*(p for p, _ in along), indexing="ij"), axis=-1)
        weight = np.einsum("i,j,k->ijk", *(w for _, w in along))
        return points.reshape(-1, 3), weight.ravel()


@dataclass(frozen=True, eq=False)
class SignalModel:
    """Everything that determines the noise-free signal of one scan.

    Attributes
    ----------
    tracer, channels, delta_sample
        Of the scanner.
    sequence
        Of the scan.
    grid
        Calibration grid, to whose largest selection field the anisotropy of fluid particles is
        scaled.
    fields
        Deviations from ideal fields, or None.
    frequencies
        int64 (F,): the frequency bins that are wanted; all K for None.
    """

    tracer: Tracer
    channels: tuple[ReceiveChannel, ...]
    delta_sample: DeltaSample
    sequence: Sequence
    grid: CalibrationGrid
    fields: FieldImperfection | None = None
    frequencies: np.ndarray | None = None

    @property
    def bins(self) -> np.ndarray:
        """The frequency bins, int64 (F,)."""
        if self.frequencies is None:
            return np.arange(self.sequence.n_frequencies)
        return self.frequencies

    def at_points(self, positions: np.ndarray) -> np.ndarray:
        """Return the spectra of points that hold the delta sample's amount of tracer.

        The moments of all core sizes are added by their share: in equilibrium and delayed by
        first-order (Debye) relaxation, 1 / (1 + 2 pi i f tau), or turned by the rotation of the
        tracer. They are induced into the coils and passed through the receive chain. The
        spectra are scaled as an unnormalized FFT of the voltage.

        Parameters
        ----------
        positions
            float64 (P, 3) in m; all spectra are kept.

        Returns
        -------
        numpy.ndarray
            complex128 (P, C, F) in V.
        """
        sequence, bins = self.sequence, self.bins
        receiver = Receiver(
            transfer_function=sequence.n_samples
            * transfer_function(self.channels, sequence.frequencies)
        )
        n_channels = len(self.channels)
        components = Components(
            np.repeat(np.arange(n_channels), len(bins)), np.tile(bins, n_channels)
        )
        local = None if self.fields is None else self.fields.at(positions, sequence)
        spectra = np.zeros((len(positions), len(components)), dtype=np.complex128)
        values = np.empty_like(spectra)
        for particle, share in self.tracer.fractions():
            simulation = Simulation(particle, sequence, self.grid, receiver)
            if not self.tracer.rotations:
                component_values(simulation, components, positions, fields=local, out=values)
                values *= -1j * share
                spectra += values
            for rotation, part in self.tracer.rotations:
                dynamic_values(
                    simulation,
                    rotation,
                    components,
                    positions,
                    fields=local,
                    tolerance=DYNAMIC_TOLERANCE,
                    out=values,
                )
                values *= -1j * share * part
                spectra += values
        spectra = spectra.reshape(len(positions), n_channels, len(bins))
        sensitivity = None if self.fields is None else self.fields.sensitivity(positions)
        if sensitivity is not None:
            spectra *= sensitivity[:, :n_channels, None]
        # Samples of a real voltage hold no phase at the Nyquist frequency.
        if sequence.n_samples % 2 == 0:
            nyquist = bins == sequence.n_frequencies - 1
            spectra[:, :, nyquist] = spectra[:, :, nyquist].real
        return spectra

    def warmer(self, kelvin: float) -> tuple["SignalModel", float]:
        """Return the model at another temperature, and its moment over the usual one."""
        tracer, moment = self.tracer.warmer(kelvin)
        return replace(self, tracer=tracer), moment

    def of_samples(self, positions: np.ndarray) -> np.ndarray:
        """Return the spectra of the delta sample centered at positions (P, 3), (P, C, F) in V.

        They are the mean of the system function over the cuboid.
        """
        points, weights = self.delta_sample.quadrature()
        spectra = np.empty((len(positions), len(self.channels), len(self.bins)), np.complex128)
        for part in self._blocks(len(positions), len(points)):
            inside = positions[part, None] + points
            values = self.at_points(inside.reshape(-1, 3))
            values = values.reshape(*inside.shape[:2], -1)
            spectra[part] = np.matmul(weights, values).reshape(spectra[part].shape)
        return spectra

    def of_tracer(self, positions: np.ndarray, amounts: np.ndarray) -> np.ndarray:
        """Return the spectrum of tracer in points, (C, F) in V.

        ``amounts`` (P,) are in units of the delta sample's. Along an axis in which the grid has no
        extent, the tracer reaches as far as the delta sample.
        """
        flat = tuple(extent == 0 for extent in self.grid.fov)
        points, weights = replace(self.delta_sample, fill_gradient=(0.0,) * 3).quadrature(flat)
        positions = (positions[:, None] + points).reshape(-1, 3)
        amounts = (amounts[:, None] * weights).ravel()
        total = np.zeros((len(self.channels), len(self.bins)), dtype=np.complex128)
        for part in self._blocks(len(positions)):
            total += np.tensordot(amounts[part], self.at_points(positions[part]), axes=1)
        return total

    def _blocks(self, count: int, points: int = 1) -> Iterator[slice]:
        """Yield parts of ``count`` positions of so many points whose spectra fit into a block."""
        size = 16 * len(self.channels) * len(self.bins) * points
        step = max(1, BLOCK_BYTES // size)
        for start in range(0, count, step):
            yield slice(start, start + step)
