"""Noise pools: the background of a scanner by receive channel and frequency.

An empty scan is a movie of all frequencies; a pool holds the same numbers frame by frame for each
receive channel and frequency, so that the noise of one component over one calibration is one read.
"""

from smrestore.noise.build import build_noise_pool
from smrestore.noise.origin import Origin, check_disjoint
from smrestore.noise.parametric import PARAMETRIC_MODELS, build_parametric_pool
from smrestore.noise.pool import BACKGROUND_LEVELS, NoisePool

__all__ = [
    "BACKGROUND_LEVELS",
    "PARAMETRIC_MODELS",
    "NoisePool",
    "Origin",
    "build_noise_pool",
    "build_parametric_pool",
    "check_disjoint",
]
