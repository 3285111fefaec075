"""The signal of a real sample: many core sizes, relaxation, and a receive chain."""

from dataclasses import dataclass

import numpy as np

from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.particles import Particle
from smrestore.physics.receiver import Receiver
from smrestore.physics.sequence import Sequence
from smrestore.physics.spectrum import Simulation, system_matrix


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
    """

    median_core_diameter: float
    diameter_spread: float
    anisotropy_constant: float
    spatial_modulation: float
    relaxation_time: float

    def fractions(self, n_sizes: int = 7) -> list[tuple[Particle, float]]:
        """Return particles and their share of the magnetic moment.

        Gauss-Hermite quadrature of the log-normal number distribution, weighted by volume.
        """
        nodes, weights = np.polynomial.hermite_e.hermegauss(n_sizes)
        diameters = self.median_core_diameter * np.exp(self.diameter_spread * nodes)
        shares = weights * diameters**3
        shares /= shares.sum()
        return [
            (
                Particle(
                    core_diameter=float(diameter),
                    anisotropy_constant=self.anisotropy_constant,
                    state="fluid",
                    spatial_modulation=self.spatial_modulation,
                    relaxation_time=self.relaxation_time
                    * float(diameter / self.median_core_diameter) ** 3,
                ),
                float(share),
            )
            for diameter, share in zip(diameters, shares, strict=True)
        ]


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


def sample_spectrum(
    tracer: Tracer,
    channels: tuple[ReceiveChannel, ...],
    sequence: Sequence,
    grid: CalibrationGrid,
    positions: np.ndarray | None = None,
) -> np.ndarray:
    """Return the noise-free spectrum of a delta sample at each position.

    The equilibrium moments of all core sizes are added by their share, delayed by first-order
    (Debye) relaxation, 1 / (1 + 2 pi i f tau), induced into the coils and passed through the
    receive chain. The spectrum is scaled as an unnormalized FFT of the voltage.

    Returns
    -------
    numpy.ndarray
        complex128 (C, K, P) in V.
    """
    receiver = Receiver(
        transfer_function=sequence.n_samples * transfer_function(channels, sequence.frequencies)
    )
    spectrum = 0
    for particle, share in tracer.fractions():
        spectrum = spectrum + share * system_matrix(
            Simulation(particle, sequence, grid, receiver),
            grid.positions().reshape(-1, 3) if positions is None else positions,
        )
    # Samples of a real voltage hold no phase at the Nyquist frequency.
    if sequence.n_samples % 2 == 0:
        spectrum[:, -1] = spectrum[:, -1].real
    return spectrum
