"""Spectra of samples in time, by way of the prime factors of their number.

Where V = N_x N_y N_z with factors that have no divisor in common, a discrete Fourier transform of
length V is one over three axes (Good, J. R. Stat. Soc. B 20, 1958): with sample numbers and bins ::

    j = (j_x V / N_x + j_y V / N_y + j_z V / N_z) mod V,    k_i = k mod N_i,

j k / V and j_x k_x / N_x + j_y k_y / N_y + j_z k_z / N_z differ by a whole number. Samples that are
even in time, x[-j] = x[j], need only j_z <= N_z / 2, and have a real spectrum, the sum of x times
the cosine of three angles. This is a sum of products with an even number of sines.
"""

import functools
import itertools
import math

import numpy as np

from smrestore.physics.cosines import Basis, Pattern
from smrestore.physics.folding import Folding
from smrestore.physics.sequence import Sequence

LONGEST = 400
"""Largest sum of N_x, N_y and N_z for which this is faster than an FFT."""


def axis_lengths(sequence: Sequence) -> tuple[int, int, int] | None:
    """Return N_x, N_y, N_z; None if the moment is not even in time or they are too large."""
    if not sequence.even_in_time:
        return None
    lengths = factors(sequence.n_samples)
    return lengths if sum(lengths) <= LONGEST else None


@functools.cache
def factors(n_samples: int) -> tuple[int, int, int]:
    """Return N_x, N_y, N_z of least sum; the largest is last, whose samples are halved."""
    powers, rest, prime = [], n_samples, 2
    while rest > 1:
        power = math.gcd(rest, prime ** rest.bit_length())
        if power > 1:
            powers.append(power)
        rest, prime = rest // power, prime + 1
    shares = itertools.product(range(3), repeat=len(powers))
    products = (
        [math.prod(p for p, axis in zip(powers, share, strict=True) if axis == i) for i in range(3)]
        for share in shares
    )
    return tuple(sorted(min(products, key=sum)))


def sample_numbers(lengths: tuple[int, int, int]) -> np.ndarray:
    """Return which samples of the period are taken, int64 (N,), z fastest."""
    n_samples = math.prod(lengths)
    counts = (*lengths[:2], lengths[2] // 2 + 1)
    x, y, z = (np.arange(n) * (n_samples // m) for n, m in zip(counts, lengths, strict=True))
    return ((x[:, None, None] + y[:, None] + z) % n_samples).ravel()


@functools.lru_cache(maxsize=8)
def pattern(lengths: tuple[int, int, int]) -> Pattern:
    """Return the transform of the samples."""
    n_x, n_y, n_z = lengths
    counts = np.array([n_x, n_y, n_z // 2 + 1])
    return Pattern(counts, True, _whole_period(n_x), _whole_period(n_y), _half_period(n_z))


def _angles(n: int) -> np.ndarray:
    """Return 2 pi j k / n for j, k <= n / 2, float64."""
    half = np.arange(n // 2 + 1)
    return 2 * np.pi / n * (np.outer(half, half) % n)


def _whole_period(n: int) -> Basis:
    """Return the transform along an axis of n samples; sums of a sample with itself count half."""
    cosines, n_odd = np.cos(_angles(n)), (n - 1) // 2
    cosines[np.array([0, n // 2] if n % 2 == 0 else [0])] /= 2
    return Basis(cosines, np.sin(_angles(n))[1 : n_odd + 1, 1 : n_odd + 1].copy())


def _half_period(n: int) -> Basis:
    """Return the transform along an axis of which the samples up to n / 2 are known."""
    cosines = 2 * np.cos(_angles(n))
    cosines[np.array([0, n // 2] if n % 2 == 0 else [0])] /= 2
    return Basis(cosines, 2 * np.sin(_angles(n)))


@functools.lru_cache(maxsize=8)
def folding(lengths: tuple[int, int, int]) -> Folding:
    """Return which products of cosines and sines make up each frequency bin up to V / 2."""
    n_samples = math.prod(lengths)
    counts = (*lengths[:2], lengths[2] // 2 + 1)
    bins = np.arange(n_samples // 2 + 1)
    places, signs = [], []
    for n in lengths:
        k = bins % n
        mirrored = np.minimum(k, n - k)
        places.append((mirrored, n // 2 + mirrored))
        signs.append((np.ones(len(bins)), np.sign(n - 2 * k) * (k > 0)))
    source, weight = [], []
    for odd_x, odd_y in itertools.product((0, 1), repeat=2):
        odd = odd_x, odd_y, odd_x ^ odd_y
        x, y, z = places[0][odd_x], places[1][odd_y], places[2][0]
        # Where an axis has no such sine, its sign is 0.
        x, y = np.minimum(x, counts[0] - 1), np.minimum(y, counts[1] - 1)
        source.append((x * counts[1] + y) * counts[2] + z)
        sign = math.prod(s[o] for s, o in zip(signs, odd, strict=True))
        weight.append((-1) ** (sum(odd) // 2) * sign / n_samples)
    start = 4 * np.arange(len(bins) + 1)
    return Folding(start, np.stack(source, axis=1).ravel(), np.stack(weight, axis=1).reshape(1, -1))
