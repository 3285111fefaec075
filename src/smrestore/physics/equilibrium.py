"""System matrices of the equilibrium model: fields -> moment -> spectrum.

With cosine excitation the field, and so the moment, is even in time. Half of the samples determine
the spectrum through a DCT-I, the moment spectrum is real and the system matrix purely imaginary.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.fft

from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.moment import langevin_samples, moment_samples
from smrestore.physics.particles import Particle
from smrestore.physics.sequence import Sequence

BLOCK_BYTES = 256 * 2**20
"""Moment samples held at a time, in bytes."""


@dataclass(frozen=True)
class Simulation:
    """Everything that determines one system matrix."""

    particle: Particle
    sequence: Sequence
    grid: CalibrationGrid


def _spectrum_blocks(
    simulation: Simulation, positions: np.ndarray
) -> Iterator[tuple[slice, np.ndarray]]:
    particle, sequence = simulation.particle, simulation.sequence
    gradient = np.array(sequence.gradient)
    selection_field = positions * gradient
    static = particle.beta * selection_field
    n_half = sequence.n_samples // 2 + 1
    drive = particle.beta * sequence.drive_field(n_half)
    if particle.model == "anisotropy":
        grid_field = simulation.grid.positions() * gradient
        largest_field = np.linalg.norm(grid_field, axis=-1).max()
        alpha, easy_axis = particle.anisotropy(selection_field, largest_field)
    block = max(1, BLOCK_BYTES // (3 * n_half * 8))
    for start in range(0, len(positions), block):
        part = slice(start, min(start + block, len(positions)))
        if particle.model == "langevin":
            moment = langevin_samples(static[part], drive)
        else:
            moment = moment_samples(alpha[part], easy_axis[part], static[part], drive)
        yield part, scipy.fft.dct(moment, type=1, axis=-1, overwrite_x=True) / sequence.n_samples


def moment_spectrum(simulation: Simulation, positions: np.ndarray | None = None) -> np.ndarray:
    """Return the discrete Fourier coefficients of the mean moment.

    m_hat[l, k](r) = (1/V) sum_j m_l(r, t_j) exp(-2 pi i j k / V), with m in units of the
    particle's moment m_0.

    Parameters
    ----------
    simulation
        Particle, sequence and grid. V must be even.
    positions
        float64 (P, 3) in m; the voxel centers of the grid if not given. Fluid particles stay scaled
        to the largest selection field on the grid.

    Returns
    -------
    numpy.ndarray
        float64 (3, K, P): receive channel, frequency, position.
    """
    if positions is None:
        positions = simulation.grid.positions().reshape(-1, 3)
    result = np.empty((3, simulation.sequence.n_frequencies, len(positions)))
    for part, spectrum in _spectrum_blocks(simulation, positions):
        result[:, :, part] = spectrum.transpose(1, 2, 0)
    return result


def induction_factor(sequence: Sequence) -> np.ndarray:
    """Return 2 pi k / T, float64 (K,) in 1/s: the system matrix is -1j times it times m_hat."""
    return 2 * np.pi * sequence.frequencies


def system_matrix(simulation: Simulation) -> np.ndarray:
    """Return the system matrix S[l, k](r) = -(2 pi i k / T) m_hat[l, k](r) of receive coils with
    unit sensitivity along x, y and z.

    Returns
    -------
    numpy.ndarray
        complex128 (3, K, Nx, Ny, Nz) in 1/s: receive coil, frequency, voxel.
    """
    spectrum = moment_spectrum(simulation)
    spectrum *= -induction_factor(simulation.sequence)[:, None]
    matrix = np.zeros(spectrum.shape, dtype=np.complex128)
    matrix.imag = spectrum
    return matrix.reshape(*spectrum.shape[:2], *simulation.grid.size)
