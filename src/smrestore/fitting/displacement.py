"""Where the sample was beside the positions of the grid, from what all components say together.

A robot stops somewhere near a position, and all components of it are those of the true place. With
the images s_k of the model and their gradients, the residuals at a position r are

    m_k - s_k = grad s_k . delta(r) + noise,

three numbers for thousands of components. Each half of the components gives an estimate, and their
difference is the error of it, by noise and by a model that is wrong otherwise. What both halves
agree on is a displacement: a smooth part, which is a field that the model lacks, and a part that is
white over the positions. The latter alone is the robot's: smooth part and jitter are separated by
maximum likelihood, as a Gaussian process and as white noise (Rasmussen and Williams 2006, Gaussian
Processes for Machine Learning, chapter 2).
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_triangular
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from smrestore.fitting.basis import MARGIN, blocks, center_most
from smrestore.fitting.model import FittedModel
from smrestore.physics.spectrum import Components

COMPONENTS = 300
"""Components that tell displacements at most: those that stand out most."""
FEWEST_COMPONENTS, FEWEST_POSITIONS = 40, 40
"""With less, jitter is not told from smooth displacements."""
STEP = 0.02
"""Of the finite differences, in voxels."""
SMOOTH = np.geomspace(2e-3, 0.3, 4)
"""Standard deviations of the smooth part, in distances of neighbours, among which the likeliest is
taken."""
JITTERS = np.geomspace(5e-4, 0.15, 17)
"""Likewise of the jitter. More is no robot's."""
LENGTHS = (1.5, 3.0, 6.0)
"""Likewise correlation lengths of the smooth part."""
LEARNING = 300
"""Positions, the nearest to the center, that tell these three at most."""
CERTAIN = 6.0
"""Gain of the log-likelihood from which on there is jitter."""
MEDIAN_OF_SQUARE = 0.455
"""Median of the square of a normal variable of unit variance."""


@dataclass(frozen=True, eq=False)
class Displacement:
    """What a robot did at the measured positions.

    Attributes
    ----------
    moved
        Where the sample was, relative to the positions, float64 (M, 3) in m.
    jitter
        Standard deviation along an axis in m.
    unknown
        Variance of the displacement that remains unknown, over that which was found.
    """

    moved: np.ndarray
    jitter: float
    unknown: float


def find_displacement(
    model: FittedModel,
    positions: np.ndarray,
    components: Components,
    factor: np.ndarray,
    residual: np.ndarray,
    energy: np.ndarray,
    noise: np.ndarray,
) -> Displacement | None:
    """Return the displacements of the sample that are white over positions, None if there are none.

    Parameters
    ----------
    positions
        float64 (M, 3) in m.
    components
        S components.
    factor
        Of the images of the model, complex128 (S,).
    residual
        Measured minus model, complex (M, S).
    energy
        Mean square of the model over the positions, float64 (S,).
    noise
        Variance of the noise, float64 (S,).
    """
    voxel = model.forward.grid.voxel
    axes = [axis for axis in model.family.driven_axes if voxel[axis] > 0]
    seen = np.flatnonzero((energy > noise) & (noise > 0))
    if len(positions) < FEWEST_POSITIONS or len(seen) < FEWEST_COMPONENTS or not axes:
        return None
    if model.family.state == "neel":
        # Each image takes a hundred times as long.
        return None
    scatter = np.mean(np.abs(residual[:, seen]) ** 2, axis=0, dtype=np.float64)
    scatter = np.maximum(scatter, noise[seen])
    order = np.argsort(-energy[seen] / scatter, kind="stable")[:COMPONENTS]
    seen, scatter = seen[order], scatter[order]
    part = Components(components.channel[seen], components.frequency[seen])
    # Gradients need less accuracy than images: those of a point cost an eighth.
    point = replace(model, forward=model.forward.of_point())
    center = point.images(positions, part)
    slopes = np.empty((len(axes), len(positions), len(seen)), np.complex128)
    for number, axis in enumerate(axes):
        beside = positions.copy()
        beside[:, axis] += STEP * voxel[axis]
        slopes[number] = (point.images(beside, part) - center) * factor[seen]
    slopes /= STEP * np.sqrt(scatter)
    target = residual[:, seen] / np.sqrt(scatter)
    found, variance = _estimate(slopes, target)
    halves = [_estimate(slopes[:, :, half::2], target[:, half::2])[0] for half in (0, 1)]
    difference = 0.25 * (halves[0] - halves[1]) ** 2
    variance *= float(np.median(difference / variance)) / MEDIAN_OF_SQUARE
    places = positions / np.where(voxel > 0, voxel, 1.0)
    white = _white_part(places, found, variance)
    if white is None:
        return None
    own, jitter, unknown = white
    moved = np.zeros((len(positions), 3))
    moved[:, axes] = own * voxel[axes]
    known = float(np.mean(own**2))
    size = float(np.sqrt(np.mean(np.square(voxel[axes]))))
    return Displacement(moved, jitter * size, unknown / max(known, np.finfo(float).tiny))


def _estimate(slopes: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the displacement of each position and its variance, float64 (M, n) each.

    ``slopes`` (n, M, S) and ``target`` (M, S) are in units of the scatter of each component.
    """
    normal = np.einsum("aps,bps->pab", slopes.conj(), slopes, optimize=True).real
    side = np.einsum("aps,ps->pa", slopes.conj(), target, optimize=True).real
    # Where a position tells nothing, a displacement of a thousand voxels is the variance.
    normal += 1e-6 * np.eye(len(slopes))
    inverse = np.linalg.inv(normal)
    return np.einsum("pab,pb->pa", inverse, side), np.einsum("paa->pa", inverse) / 2


def _white_part(
    places: np.ndarray, found: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, float, float] | None:
    """Return the white part of displacements, its standard deviation and remaining variance.

    All in voxels: ``places`` (M, 3), ``found`` and its ``variance`` (M, n). None if there is none.
    """
    spacing = float(np.median(cKDTree(places).query(places, k=2)[0][:, 1]))
    near = center_most(places, LEARNING)
    square = _square_distances(places[near]) / spacing**2
    best = without = (-np.inf, 0.0, 0.0, 0.0)
    for length in LENGTHS:
        shape = np.exp(-0.5 * square / length**2)
        for smooth in SMOOTH * spacing:
            for jitter in (0.0, *(JITTERS * spacing)):
                own = smooth**2 * shape
                score = sum(
                    _likelihood(own, found[near, axis], variance[near, axis] + jitter**2)
                    for axis in range(found.shape[1])
                )
                trial = score, length, float(smooth), float(jitter)
                if jitter == 0:
                    without = max(without, trial)
                best = max(best, trial)
    score, length, smooth, jitter = best
    if score - without[0] < CERTAIN:
        return None
    part, unknown = np.empty_like(found), 0.0
    for around, own in blocks(places, places, MARGIN * length * spacing):
        square = _square_distances(places[around]) / spacing**2
        shape = smooth**2 * np.exp(-0.5 * square / length**2)
        inside = np.searchsorted(around, own)
        for axis in range(found.shape[1]):
            inverse = np.linalg.inv(shape + np.diag(variance[around, axis] + jitter**2))
            part[own, axis] = jitter**2 * (inverse[inside] @ found[around, axis])
            left = jitter**2 - jitter**4 * np.diag(inverse)[inside]
            unknown += float(np.sum(left)) / found.size
    return part, jitter, unknown


def _square_distances(places: np.ndarray) -> np.ndarray:
    return cdist(places, places, "sqeuclidean")


def _likelihood(smooth: np.ndarray, values: np.ndarray, variance: np.ndarray) -> float:
    triangle = np.linalg.cholesky(smooth + np.diag(variance))
    white = solve_triangular(triangle, values, lower=True)
    return float(-np.log(np.diag(triangle)).sum() - 0.5 * white @ white)
