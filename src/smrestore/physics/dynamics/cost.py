"""How many harmonics and how much time the dynamics of some positions take, said beforehand."""

import functools

import numpy as np

from smrestore.physics.setup import Simulation
from smrestore.physics.vectors import LANES

HIGHEST_DEGREE = 250
"""Harmonics of more degrees are not counted; they would take gigabytes for eight positions."""


@functools.cache
def _polynomials() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return nodes and weights of Gauss and Legendre, and the polynomials there, (nodes, l)."""
    u, weight = np.polynomial.legendre.leggauss(2 * HIGHEST_DEGREE)
    return u, weight, np.polynomial.legendre.legvander(u, HIGHEST_DEGREE)


@functools.lru_cache(maxsize=4096)
def sufficient_degree(field: float, alpha: float, tail: float) -> int:
    """Return the degree beyond which moments of equilibrium stay below ``tail``.

    The field lies along the easy axis, where the density is narrowest: with w the weight
    exp(field u + alpha u^2), the moments are sqrt(2l + 1) times the mean of Legendre's P_l(u).
    :data:`HIGHEST_DEGREE` stands for any above it.
    """
    u, weight, legendre = _polynomials()
    exponent = field * u + alpha * u * u
    weight = weight * np.exp(exponent - exponent.max())
    weight /= weight.sum()
    moments = np.sqrt(2 * np.arange(HIGHEST_DEGREE + 1) + 1) * np.abs(weight @ legendre)
    return int(np.flatnonzero(moments > tail)[-1]) + 1


def harmonics_memory(degree: int, plane: bool) -> int:
    """Return the bytes that a thread works in, up to this largest degree."""
    width = 1 if plane else 2
    sizes = width * np.arange(1, degree + 2)
    return int(8 * LANES * ((sizes**2).sum() + 30 * sizes.sum()))


# From benchmarks/dynamics.py, on one core: steps for each unit that the reduced field changes by,
# at a tolerance of 1e-4, and microseconds of a step of eight positions at a largest degree of 10.
_STEPS_PER_UNIT, _ORDER = 2.5, 0.3
_STEP = {True: 25.0, False: 130.0}


def estimated_hours(
    simulation: Simulation, degrees: np.ndarray, plane: np.ndarray, tolerance: float, threads: int
) -> float:
    """Return the time for positions whose moments need these largest degrees, in hours.

    Half of it or twice as much are likely. ``degrees`` and ``plane`` are (P,).
    """
    sequence = simulation.sequence
    swing = simulation.particle.beta * np.array(sequence.drive_amplitude)
    units = 4 * np.linalg.norm(swing * np.array(sequence.multipliers))
    steps = 1.2 * _STEPS_PER_UNIT * max(units, 20.0) * (tolerance / 1e-4) ** -_ORDER
    microseconds = np.where(plane, _STEP[True], _STEP[False]) * (degrees / 10) ** 2.5
    return float(microseconds.sum()) / LANES * steps / threads / 3.6e9
