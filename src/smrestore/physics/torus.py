"""Spectra by way of the torus of drive phases.

The moment is a function of the phases theta_i = 2 pi f_i t + phi_i and even in each of them, so

    m(theta) = sum over (a, b, c) in Z^3 of m_|a||b||c| exp(i (a theta_x + b theta_y + c theta_z)).

A tensor DCT over a few nodes per axis gives the coefficients of all mixing orders (a, b, c), and
the frequency bin k holds all those with a m_x + b m_y + c m_z = k modulo V, where m_i counts the
periods of drive field i in a cycle of V samples.
"""

import functools

import numba
import numpy as np

from smrestore.physics.cosines import Basis, Pattern
from smrestore.physics.folding import Folding
from smrestore.physics.mirrors import NO_MIRRORS, Mirrors
from smrestore.physics.sequence import Sequence

LADDER = np.array(
    [1, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 72, 80, 96, 128, 160]
)
"""Numbers of nodes per axis that are used, so that many positions share a transform."""
TOLERANCE = 5e-9
"""Size of the first mixing order left out, relative to the largest, where nothing else is asked."""
LARGEST_KEPT = 8192
"""Foldings of sequences with no more frequencies are kept for the next matrix."""
MARGIN = 1.1
"""Factor on the number of nodes, for what the rate of decay does not tell."""


@functools.cache
def _zeros() -> tuple[np.ndarray, np.ndarray]:
    """Return anisotropies and the lowest zero y of the partition function at xi_par = i y.

    It falls from pi (Langevin function) to pi/2 (two states, tanh).
    """
    # Loaded here, because it takes longer to load than the rest and most jobs do not simulate.
    from scipy.optimize import brentq

    u, weight = np.polynomial.legendre.leggauss(200)
    alphas = np.linspace(0, 8, 65) ** 2
    zeros = [
        brentq(
            lambda y, energy: energy @ np.cos(y * u),
            np.pi / 2,
            np.pi + 1e-9,
            args=(weight * np.exp(alpha * (u**2 - 1)),),
        )
        for alpha in alphas
    ]
    return alphas, np.array(zeros)


def _decay_rate(real: np.ndarray, imaginary: np.ndarray) -> np.ndarray:
    """Return by how much the logarithm of coefficients falls per order.

    The nearest singularity lies at cos(theta) = ``real`` + i ``imaginary`` (Bernstein ellipse).
    """
    pole = np.maximum(real, 0) + 1j * imaginary
    return np.arccosh((np.abs(pole + 1) + np.abs(pole - 1)) / 2)


def node_counts(
    alpha: np.ndarray,
    easy_axis: np.ndarray,
    static_field: np.ndarray,
    drive_amplitude: np.ndarray,
    tolerance: float = TOLERANCE,
) -> np.ndarray:
    """Return how many nodes per axis resolve the moment at each position, int64 (P, 3).

    Coefficients decay geometrically at a rate given by the nearest zero of the partition function.
    Two limits bound it: without anisotropy zeros lie where xi . xi = -pi^2, so at
    cos(theta_i) = (-s_i +- i pi) / A_i for a static field s and a drive amplitude A; with two
    states along the easy axis n they lie where n . xi = +- i y(alpha). The slower decay counts.
    Over the parameters of table 1, the orders above the tolerance reach four fifths of this number
    on average, and exceed it by 4 % at the most (benchmarks/simulation.py prints what this means
    for the spectrum).

    Parameters
    ----------
    alpha, easy_axis
        float64 (P,) and (P, 3).
    static_field, drive_amplitude
        Reduced fields, float64 (P, 3), the drive amplitude also (3,) if it is the same everywhere;
        an axis without amplitude gives one node.
    tolerance
        Size of the first mixing order left out, relative to the largest.
    """
    drive_amplitude = np.broadcast_to(drive_amplitude, static_field.shape)
    gap = np.interp(alpha, *_zeros(), right=np.pi / 2)
    along = np.abs(easy_axis) * drive_amplitude
    static_along = np.abs((easy_axis * static_field).sum(axis=1))
    counts = np.ones((len(alpha), 3), dtype=np.int64)
    for i in np.flatnonzero(drive_amplitude.any(axis=0)):
        amplitude = drive_amplitude[:, i]
        single = _decay_rate(np.abs(static_field[:, i]) / amplitude, np.pi / amplitude)
        own = np.maximum(along[:, i], 1e-9 * amplitude)
        others = along.sum(axis=1) - along[:, i]
        two = _decay_rate((static_along - others) / own, gap / own)
        rate = np.where(alpha > 0, np.minimum(single, two), single)
        counts[:, i] = np.ceil(-MARGIN * np.log(tolerance) / rate) + 2
    return counts


def rounded_up(counts: np.ndarray) -> np.ndarray:
    """Return the next number of :data:`LADDER` for each count; 0 where there is none."""
    return np.append(LADDER, 0)[np.searchsorted(LADDER, counts)]


@functools.lru_cache(maxsize=64)
def _axis_cosines(n: int) -> np.ndarray:
    return np.cos((np.arange(n) + 0.5) * np.pi / n)


def node_cosines(counts: tuple[int, int, int]) -> np.ndarray:
    """Return the cosines of the drive phases at all nodes, float64 (3, N), z fastest.

    The phases along an axis are (j + 1/2) pi / n.
    """
    x, y, z = (_axis_cosines(n) for n in counts)
    cosines = np.empty((3, *counts))
    cosines[0] = x[:, None, None]
    cosines[1] = y[:, None]
    cosines[2] = z
    return cosines.reshape(3, -1)


@functools.lru_cache(maxsize=256)
def pattern(counts: tuple[int, int, int]) -> Pattern:
    """Return the transform of samples at the nodes."""
    return Pattern(np.array(counts), False, *(_basis(n) for n in counts))


@functools.cache
def _basis(n: int) -> Basis:
    """Return a DCT-II, scaled to Fourier coefficients.

    Nodes j and n - 1 - j mirror each other, so even orders follow from sums and odd ones from
    differences over the first n / 2 nodes.
    """
    phases = (np.arange(n // 2) + 0.5) * np.pi / n
    orders = np.arange(0, 2 * (n // 2), 2)
    return Basis(*(np.cos(np.outer(phases, orders + parity)) / n for parity in (0, 1)))


def folding(
    sequence: Sequence,
    counts: tuple[int, int, int],
    frequency: np.ndarray,
    mirrors: Mirrors = NO_MIRRORS,
) -> Folding:
    """Return the folding of ``counts`` orders per axis to the bins of a sequence.

    Bins other than those in ``frequency`` may be left empty. A mirror changes the sign of mixing
    orders whose sum over the axes mirrored is odd.
    """
    phases = tuple(
        phase if on else 0.0
        for phase, on in zip(sequence.drive_phase, sequence.driven, strict=True)
    )
    key = (
        sequence.multipliers,
        sequence.n_samples,
        phases,
        sequence.even_in_time,
        counts,
        mirrors.generators,
    )
    if sequence.n_frequencies <= LARGEST_KEPT:
        return _whole_folding(*key)
    wanted = np.zeros(sequence.n_frequencies, dtype=bool)
    wanted[frequency] = True
    return _folding(*key, wanted)


@functools.lru_cache(maxsize=256)
def _whole_folding(
    multipliers: tuple[int, int, int],
    n_samples: int,
    phases: tuple[float, float, float],
    even: bool,
    counts: tuple[int, int, int],
    generators: tuple[tuple[int, int, int], ...],
) -> Folding:
    wanted = np.ones(n_samples // 2 + 1, dtype=bool)
    return _folding(multipliers, n_samples, phases, even, counts, generators, wanted)


def _folding(
    multipliers: tuple[int, int, int],
    n_samples: int,
    phases: tuple[float, float, float],
    even: bool,
    counts: tuple[int, int, int],
    generators: tuple[tuple[int, int, int], ...],
    wanted: np.ndarray,
) -> Folding:
    axes = np.array(generators, dtype=np.int64).reshape(-1, 3)
    arguments = np.array(counts), np.array(multipliers), n_samples, axes, wanted
    start = np.zeros(len(wanted) * 2 ** len(axes) + 1, dtype=np.int64)
    _fold_orders(*arguments, start, None, None)
    np.cumsum(start, out=start)
    source = np.empty(start[-1], dtype=np.int64)
    orders = np.empty((start[-1], 3), dtype=np.int64)
    _fold_orders(*arguments, start.copy(), source, orders)
    phase = orders @ np.array(phases)
    parts = [np.cos(phase)] if even else [np.cos(phase), np.sin(phase)]
    return Folding(start, source, np.stack(parts))


@numba.njit(cache=True, nogil=True)
def _place(order, count):
    """Return where an order lies along its axis after the transform."""
    return order // 2 + order % 2 * (count // 2)


@numba.njit(cache=True, nogil=True)
def _fold_orders(counts, multipliers, n_samples, axes, wanted, place, source, orders):
    """Count the orders of a class of bin k in ``place`` after it, or enter them from there on."""
    n_classes = 2 ** len(axes)
    for a in range(1 - counts[0], counts[0]):
        for b in range(1 - counts[1], counts[1]):
            first = a * multipliers[0] + b * multipliers[1]
            row = (_place(abs(a), counts[0]) * counts[1] + _place(abs(b), counts[1])) * counts[2]
            for c in range(1 - counts[2], counts[2]):
                k = (first + c * multipliers[2]) % n_samples
                if k >= wanted.size or not wanted[k]:
                    continue
                kind = k * n_classes
                for bit in range(len(axes)):
                    kind += ((a * axes[bit, 0] + b * axes[bit, 1] + c * axes[bit, 2]) & 1) << bit
                if source is None:
                    place[kind + 1] += 1
                else:
                    source[place[kind]] = row + _place(abs(c), counts[2])
                    entry = orders[place[kind]]
                    entry[0], entry[1], entry[2] = a, b, c
                    place[kind] += 1
