"""Real solid harmonics: the shapes that magnetic fields can have where no current flows.

Where no current flows, a static field is the gradient of a harmonic potential, and each Cartesian
component of a drive field is a harmonic function (Jackson, Classical Electrodynamics, chapter 3).
Both are expanded in homogeneous polynomials.
"""

import functools
import math

import numpy as np

Polynomial = dict[tuple[int, int, int], float]
"""Coefficient by the powers of x, y and z."""

_LOW: dict[int, tuple[Polynomial, ...]] = {
    0: ({(0, 0, 0): 1},),
    1: ({(1, 0, 0): 1}, {(0, 1, 0): 1}, {(0, 0, 1): 1}),
    2: (
        {(1, 1, 0): 1},
        {(0, 1, 1): 1},
        {(1, 0, 1): 1},
        {(2, 0, 0): 1, (0, 2, 0): -1},
        {(0, 0, 2): 2, (2, 0, 0): -1, (0, 2, 0): -1},
    ),
    3: (
        {(1, 1, 1): 1},
        {(2, 0, 1): 1, (0, 2, 1): -1},
        {(3, 0, 0): 1, (1, 2, 0): -3},
        {(2, 1, 0): 3, (0, 3, 0): -1},
        {(1, 0, 2): 4, (3, 0, 0): -1, (1, 2, 0): -1},
        {(0, 1, 2): 4, (2, 1, 0): -1, (0, 3, 0): -1},
        {(0, 0, 3): 2, (2, 0, 1): -3, (0, 2, 1): -3},
    ),
}


@functools.cache
def solid_harmonics(degree: int) -> tuple[Polynomial, ...]:
    """Return the 2 ``degree`` + 1 real solid harmonics of a degree, orthogonal over a sphere.

    Degrees up to 3 are written out; higher ones are r^l P_l^m times cos(m phi) and sin(m phi) in
    Cartesian coordinates, from m = 0 on.
    """
    if degree in _LOW:
        return _LOW[degree]
    found = []
    for m in range(degree + 1):
        height: Polynomial = {}
        for k in range((degree - m) // 2 + 1):
            power = degree - 2 * k - m
            factor = (-1) ** k * math.comb(degree, k) * math.comb(2 * degree - 2 * k, degree)
            factor *= math.perm(degree - 2 * k, m)
            # (x^2 + y^2 + z^2)^k z^power
            for a in range(k + 1):
                for b in range(k + 1 - a):
                    count = math.comb(k, a) * math.comb(k - a, b)
                    key = (2 * a, 2 * b, 2 * (k - a - b) + power)
                    height[key] = height.get(key, 0) + factor * count
        for part in (0, 1) if m else (0,):
            # Real or imaginary part of (x + i y)^m.
            ring = {
                (m - j, j, 0): math.comb(m, j) * (-1) ** (j // 2) for j in range(part, m + 1, 2)
            }
            found.append(_product(height, ring))
    return tuple(found)


def _product(first: Polynomial, second: Polynomial) -> Polynomial:
    result: Polynomial = {}
    for a, x in first.items():
        for b, y in second.items():
            key = (a[0] + b[0], a[1] + b[1], a[2] + b[2])
            result[key] = result.get(key, 0) + x * y
    return {key: value for key, value in result.items() if value}


def values(polynomial: Polynomial, points: np.ndarray) -> np.ndarray:
    """Return a polynomial at points (..., 3), float64 (...)."""
    result = np.zeros(points.shape[:-1])
    for powers, coefficient in polynomial.items():
        result += coefficient * np.prod(points ** np.array(powers), axis=-1)
    return result


def gradient(polynomial: Polynomial, points: np.ndarray) -> np.ndarray:
    """Return the gradient of a polynomial at points (..., 3), float64 (..., 3)."""
    parts = []
    for axis in range(3):
        derivative: Polynomial = {}
        for powers, coefficient in polynomial.items():
            if powers[axis]:
                lower = tuple(p - (i == axis) for i, p in enumerate(powers))
                derivative[lower] = coefficient * powers[axis]
        parts.append(values(derivative, points))
    return np.stack(parts, axis=-1)


def norms(polynomial: Polynomial) -> tuple[float, float]:
    """Return the root mean square of a polynomial and of its gradient over the unit sphere."""
    return _norms(tuple(polynomial.items()))


@functools.cache
def _norms(key: tuple) -> tuple[float, float]:
    polynomial = dict(key)
    height, weight = np.polynomial.legendre.leggauss(8)
    angle = 2 * np.pi * np.arange(16) / 16
    ring = np.sqrt(1 - height**2)[:, None]
    points = np.stack(
        [ring * np.cos(angle), ring * np.sin(angle), np.tile(height[:, None], 16)], axis=-1
    )
    weights = weight[:, None] / 32

    def rms(squares: np.ndarray) -> float:
        return float(np.sqrt(np.sum(weights * squares)))

    return rms(values(polynomial, points) ** 2), rms((gradient(polynomial, points) ** 2).sum(-1))
