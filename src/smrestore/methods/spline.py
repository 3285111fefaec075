"""Cubic spline interpolation of components that were measured at every s-th voxel.

``aligned`` puts the samples where they were measured, at voxels 0, s, 2s, ... ``half-pixel`` is
what ready-made image resizing does. It takes samples as the centers of larger pixels, as if they
had been measured at (s - 1)/2, s + (s - 1)/2, ..., so it shifts the image by (s - 1)/2 voxels. It
is here for comparison, since published numbers look like it.

The rule at the ends was chosen by the mean PSNR over 60 noise-free components of each of 6
simulated 2D matrices of up to 32 x 32 voxels, in dB:

| ends, beyond the last sample | x2   | x4   |
|:-----------------------------|-----:|-----:|
| natural, hold                | 27.8 | 17.2 |
| natural, linear              | 28.1 | 16.8 |
| clamped, hold                | 27.7 | 17.6 |
| not-a-knot, hold             | 27.1 | 15.9 |
| not-a-knot, cubic            | 24.2 | 12.9 |
"""

import functools
from collections.abc import Sequence
from typing import get_args

import numpy as np

from smrestore.support.choices import Alignment
from smrestore.support.errors import InputError

ALIGNMENTS = get_args(Alignment)
ENDS = ("natural", "not-a-knot", "clamped")
BEYOND = ("hold", "linear")


def spline_upsample(
    image: np.ndarray,
    factor: int | Sequence[int],
    shape: Sequence[int],
    *,
    alignment: str = "aligned",
    ends: str = "natural",
    beyond: str = "hold",
) -> np.ndarray:
    """Interpolate a coarse component by cubic splines along every axis.

    Parameters
    ----------
    image
        Real or complex, of any number of axes: samples at voxels 0, s, 2s, ... along each.
    factor
        s, for all axes or for each of them. It has no effect along axes with one voxel in
        ``shape``.
    shape
        Voxels of the fine grid. Along an axis with N of them, the image has ceil(N / s) samples.
    alignment
        ``aligned``, or ``half-pixel`` for the image that is shifted by (s - 1)/2 voxels.
    ends
        Rule for the outer samples: ``natural`` (second derivative zero), ``not-a-knot`` (exact for
        cubic polynomials) or ``clamped`` (first derivative zero). Two samples give a straight line
        (with ``clamped`` a smooth step), and a single one gives a constant.
    beyond
        Rule beyond the outer samples: ``hold`` repeats their value, and ``linear`` continues with
        the slope of the spline. The first amplifies noise less.

    Returns
    -------
    numpy.ndarray
        Of the given shape. float32 and complex64 keep their type, others become float64 or
        complex128.

    Raises
    ------
    InputError
        If the number of samples does not fit, or a name is unknown.
    """
    image, shape = np.asarray(image), tuple(int(n) for n in shape)
    for field, name, names in (
        ("alignment", alignment, ALIGNMENTS),
        ("ends", ends, ENDS),
        ("beyond", beyond, BEYOND),
    ):
        if name not in names:
            raise InputError(f"unknown {field} {name!r}", field=field, remedy=f"use one of {names}")
    factors = (factor,) * image.ndim if np.ndim(factor) == 0 else tuple(factor)
    factors = tuple(1 if n == 1 else int(s) for n, s in zip(shape, factors, strict=False))
    expected = tuple(-(-n // s) if s > 0 else None for n, s in zip(shape, factors, strict=False))
    if not (image.ndim == len(shape) == len(factors)) or image.shape != expected:
        raise InputError(
            f"samples of shape {image.shape} are not every {factor}-th of {shape} voxels",
            field="shape",
            remedy="give ceil(N / s) samples along each axis",
        )
    fine = image.astype(np.result_type(image.dtype, np.float64))
    for axis, (n, s) in enumerate(zip(shape, factors, strict=True)):
        if s > 1:
            weights = _weights(image.shape[axis], s, n, alignment, ends, beyond)
            fine = np.moveaxis(np.tensordot(weights, fine, axes=(1, axis)), 0, axis)
    keeps = image.dtype in (np.float32, np.complex64)
    return np.ascontiguousarray(fine, dtype=image.dtype if keeps else fine.dtype)


@functools.lru_cache(maxsize=64)
def _weights(
    samples: int, factor: int, length: int, alignment: str, ends: str, beyond: str
) -> np.ndarray:
    """Return the weight of each sample in each voxel along an axis, float64 (length, samples)."""
    if samples == 1:
        return np.ones((length, 1))
    places = factor * np.arange(samples)
    # Loaded here, as it takes half a second and most jobs interpolate nothing.
    from scipy.interpolate import CubicSpline

    spline = CubicSpline(places, np.eye(samples), bc_type=ends)
    shift = (factor - 1) / 2 if alignment == "half-pixel" else 0.0
    wanted = np.arange(length) - shift
    inside = np.clip(wanted, places[0], places[-1])
    weights = spline(inside)
    if beyond == "linear":
        weights += (wanted - inside)[:, None] * spline(inside, 1)
    return weights
