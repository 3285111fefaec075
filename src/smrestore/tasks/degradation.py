"""From ground truth to degraded component: the steps that all restoration tasks share.

The order follows Tsanda et al. 2026, section 3.3: normalize, rotate the phase, scale, degrade, add
noise, normalize by the largest magnitude of the degraded image.
"""

from dataclasses import dataclass
from typing import get_args

import numpy as np

from smrestore.noise import NoisePool
from smrestore.simulation.store import Component
from smrestore.support.choices import SigmaConvention
from smrestore.support.errors import InputError

SIGMA_CONVENTIONS = get_args(SigmaConvention)


@dataclass(frozen=True)
class Degraded:
    """One component as a restoration method sees it.

    Attributes
    ----------
    image
        complex64 (Nx, Ny, Nz) with largest magnitude 1.
    sigma
        Standard deviation of its complex noise, sqrt(mean |n - mean n|^2), in units of ``image``.
    missing
        bool (Nx, Ny, Nz): voxels that were not measured. ``image`` is 0 there. None if all were.
    spacing
        Voxels of the restored grid from one voxel of ``image`` to the next. The first is at 0.
    size
        Voxels of the restored grid. If left out, those of ``image``.
    """

    image: np.ndarray
    sigma: float
    missing: np.ndarray | None = None
    spacing: int = 1
    size: tuple[int, int, int] | None = None

    @property
    def restored_size(self) -> tuple[int, int, int]:
        """Voxels along x, y and z of the restored component."""
        return self.image.shape if self.size is None else self.size


@dataclass(frozen=True)
class Pair:
    """A degraded component with its ground truth.

    Attributes
    ----------
    degraded
        What the method sees.
    truth
        complex64, in the units of ``degraded.image``.
    factor
        The magnitude that both were divided by; ``truth * factor`` is the original truth.
    """

    degraded: Degraded
    truth: np.ndarray
    factor: float


def unit_maximum(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the image divided by its largest magnitude, and this magnitude.

    An image of zeros is returned as it is, with factor 1.
    """
    factor = float(np.abs(image).max())
    if factor == 0:
        return image, 1.0
    return image / factor, factor


def complex_sigma(sigma: float, convention: str) -> float:
    """Return the standard deviation of the complex noise with a given ``sigma``.

    ``complex``: sigma is sqrt(mean |n - mean n|^2). ``per-channel``: sigma is the standard
    deviation of the real and of the imaginary part, so the complex one is sqrt(2) times larger.
    """
    if convention not in SIGMA_CONVENTIONS:
        raise InputError(
            f"unknown convention {convention!r}",
            field="sigma_convention",
            remedy=f"use one of {', '.join(SIGMA_CONVENTIONS)}",
        )
    return sigma * np.sqrt(2) if convention == "per-channel" else sigma


def scale_to_sigma(noise: np.ndarray, sigma: float) -> np.ndarray:
    """Scale noise to sqrt(mean |n - mean n|^2) = sigma.

    Raises
    ------
    InputError
        If the noise is constant.
    """
    deviation = np.sqrt(np.mean(np.abs(noise - noise.mean()) ** 2))
    if not deviation > 0:
        raise InputError("noise is constant, so it cannot be scaled", remedy="check the empty scan")
    return noise * (sigma / deviation)


def component_noise(
    pool: NoisePool,
    component: Component,
    shape: tuple[int, int, int],
    sigma: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return noise over a grid, from the receive channel and frequency of the component.

    A run of frames fills the grid in the order of acquisition. It is scaled so that
    sqrt(mean |n - mean n|^2) is ``sigma``. No noise is drawn if ``sigma`` is 0.

    Returns
    -------
    numpy.ndarray
        complex64 of the given shape.
    """
    if sigma == 0:
        return np.zeros(shape, np.complex64)
    noise = pool.draw_image(component.channel, component.frequency, shape, rng)
    return scale_to_sigma(noise, sigma)


def pair(
    truth: np.ndarray,
    degraded: np.ndarray,
    sigma: float,
    *,
    missing: np.ndarray | None = None,
    spacing: int = 1,
) -> Pair:
    """Divide a degraded image and its truth by the largest measured magnitude.

    Parameters
    ----------
    truth
        complex64 (Nx, Ny, Nz).
    degraded
        complex64, the measured voxels. Those that are ``missing`` become 0.
    sigma
        Standard deviation of the complex noise in units of both.
    missing, spacing
        As in :class:`Degraded`.
    """
    if missing is not None:
        degraded = np.where(missing, 0, degraded)
    image, factor = unit_maximum(degraded)
    return Pair(
        Degraded(image.astype(np.complex64), sigma / factor, missing, spacing, truth.shape),
        (truth / factor).astype(np.complex64),
        factor,
    )
