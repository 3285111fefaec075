"""How wrong the images of a fitted model are, from what positions tell about its unknowns.

Derivatives at some positions give the covariance of the unknowns (as in
:mod:`smrestore.fitting.design`), and that the error of each image: its growth from strong to weak
components. Its size is that of the held-out error where this is well known, in the components
with the highest signal-to-noise ratio, since a model that is wrong errs by more than its covariance
says.

The images alone are meant here; :mod:`smrestore.restoration.expected` has the errors of what is
restored with them.
"""

import numpy as np

from smrestore.fitting.held_out import SNR_LIMITS, SNR_NAMES
from smrestore.fitting.model import FittedModel
from smrestore.fitting.scan import spread_positions
from smrestore.fitting.solve import FLOOR
from smrestore.physics.spectrum import Components

POSITIONS = 30
"""Positions at which derivatives are taken."""
MOST = 1.0
"""Relative error at most: a component that the model does not know at all."""


def image_errors(
    model: FittedModel,
    positions: np.ndarray,
    components: Components,
    noise: np.ndarray,
    energy: np.ndarray,
    factor: np.ndarray,
    white: np.ndarray,
) -> np.ndarray:
    """Return the error of the images of a model over their root mean square, float64 (S,).

    It is 0 out of equilibrium, where it would cost more than the restoration.

    Parameters
    ----------
    positions
        That the model was fitted to, float64 (M, 3) in m.
    components
        S components.
    noise
        Variance of their noise, float64 (S,).
    energy
        Mean square of the images over the positions, float64 (S,).
    factor
        complex128 (S,).
    white
        Power of errors of the measurement beside its noise over that of the images, float64 (S,):
        held-out errors have them as well.
    """
    if model.family.state == "neel":
        # Derivatives of all components take many minutes.
        return np.zeros(len(energy))
    spread = _propagated(model, positions, components, noise, energy, factor)
    ratio = np.sqrt(np.divide(energy, noise, out=np.zeros_like(energy), where=noise > 0))
    of_class = np.searchsorted(SNR_LIMITS, ratio, side="right")
    for number in reversed(range(len(SNR_NAMES))):
        own = (of_class == number) & (spread > 0)
        if SNR_NAMES[number] in model.held_out and own.any():
            unexplained = model.held_out[SNR_NAMES[number]] ** 2 - np.mean(white[own])
            scale = np.sqrt(max(1.0, unexplained / np.mean(spread[own] ** 2)))
            break
    else:
        scale = 1.0
    return np.minimum(scale * spread, MOST)


def _propagated(model, positions, components, noise, energy, factor) -> np.ndarray:
    """Return the relative errors by the covariance of the unknowns, float64 (S,)."""
    few = positions[spread_positions(positions, POSITIONS)]
    images, slopes = model.forward.of_point().images(
        model.family, model.theta, few, components, derivatives=True
    )
    tiny = np.finfo(float).tiny
    own = np.maximum(np.sum(np.abs(images) ** 2, axis=0), tiny)
    product = np.einsum("ps,ups->us", images.conj(), slopes, optimize=True)
    slopes -= images * (product / own)[:, None]
    granted = noise + FLOOR**2 * np.maximum(energy, noise)
    # Components without a factor are not in the scan.
    weight = np.divide(np.abs(factor) ** 2, granted, out=np.zeros_like(energy), where=granted > 0)
    scale = np.sqrt(2 * weight * len(positions) / len(few))
    flat = (slopes * scale).reshape(len(slopes), -1)
    deviation = np.array([unknown.deviation for unknown in model.family.unknowns])
    information = (flat.conj() @ flat.T).real + np.diag(1 / deviation**2)
    covariance = np.linalg.inv(information)
    root = np.linalg.cholesky((covariance + covariance.T) / 2)
    moved = np.einsum("uv,ups->vps", root, slopes, optimize=True)
    return np.sqrt(np.sum(np.abs(moved) ** 2, axis=(0, 1)) / own)
