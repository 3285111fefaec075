"""Positions of a calibration scan that look wrong: a proposal that the user confirms."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smrestore.support.errors import InputError
from smrestore.tasks.masks.measured import scan_path

GROUPS = 8
"""Groups of components whose energies are compared, from strong to weak ones."""
WITH_SIGNAL = 5.0
"""Smallest ratio of peak and noise of a component that is used."""
MINIMUM_COMPONENTS = 16
DEGREE = 2
"""Degree of the polynomials for the logarithms of the energies. With a higher degree, they would
also follow a wrong line or plane at the edge of the grid."""
VOXELS_PER_TERM = 6
"""Smallest number of voxels for each coefficient of the polynomials."""
DEVIATION_LIMIT = 8.0
"""A position whose energies deviate by more than this many times the median is proposed. On
virtual scans without a fault the largest deviation is about 4. A tenth of the signal gives 20."""
REPETITION_LIMIT = 2.0
"""A position is proposed if the energy of its difference from the one before is less than this
many times that of the noise. Two measurements of one place have 1."""
REPETITION_SIGNAL = 20.0
"""Smallest energy over that of the noise at which a repetition counts."""
LARGEST_GAP = 2
"""So many positions between two proposed ones, in the order of the scan, are proposed as well."""
ITERATIONS = 20
LEAST_WEIGHT = 1e-3
"""Smallest weight of an outlier. With it, the equations can always be solved."""


@dataclass(frozen=True, eq=False)
class MaskProposal:
    """What :func:`propose_mask` finds. All arrays are (Nx, Ny, Nz).

    Attributes
    ----------
    mask
        bool: positions to leave out.
    score
        float64: the larger of ``deviation`` and ``repetition``. Positions above 1 are proposed.
    deviation
        Deviation of its energies from smooth ones, over :data:`DEVIATION_LIMIT`.
    repetition
        :data:`REPETITION_LIMIT` over its difference from the position before. 0 where the signal
        is too weak to tell.
    """

    mask: np.ndarray
    score: np.ndarray
    deviation: np.ndarray
    repetition: np.ndarray


def propose_mask(
    images: np.ndarray,
    noise: np.ndarray,
    *,
    order: str = "xyz",
    meandering: bool = False,
) -> MaskProposal:
    """Propose outlier positions of a calibration scan.

    On coarse grids, single components oscillate too fast to tell a wrong voxel from its neighbours.
    But the sum of the energies of many components is smooth. So components with signal are
    normalized and divided into :data:`GROUPS` groups by strength. A quadratic polynomial over the
    grid is fitted to the logarithm of the energy of each group. All groups share the weights, which
    are small for outliers (iteratively reweighted least squares: first the magnitudes, then Tukey's
    biweight). This finds a run of wrong positions even if it is several planes thick. A second sign
    tells that the robot has not moved: consecutive positions that differ only by noise.

    A position that is wrong in only a few components is not found.

    Parameters
    ----------
    images
        complex (n, Nx, Ny, Nz): many components of all channels, background subtracted.
    noise
        Standard deviation of the complex noise of each component, float64 (n,), in units of the
        images.
    order, meandering
        Order of acquisition: see :func:`smrestore.tasks.masks.scan_path`.

    Raises
    ------
    InputError
        If the grid is too small, too few components have signal, or a value is not finite.
    """
    images, noise = np.asarray(images), np.asarray(noise, dtype=np.float64)
    if images.ndim != 4 or noise.shape != images.shape[:1]:
        raise InputError(
            f"images of shape {images.shape} with noise of shape {noise.shape}",
            field="images",
            remedy="give components (n, Nx, Ny, Nz) and one number for each",
        )
    size = images.shape[1:]
    terms = _polynomials(size)
    rows = _with_signal(images, noise)
    path = scan_path(size, order, meandering=meandering)
    repetition = np.zeros(len(path))
    repetition[path] = _repetition(images, noise, rows, path)
    courses = _log_energies(images, rows)
    deviation = _deviation(courses, terms, repetition <= 1) / DEVIATION_LIMIT
    score = np.maximum(deviation, repetition)
    mask = np.zeros(len(path), dtype=bool)
    mask[path] = _without_gaps(score[path] > 1)
    return MaskProposal(*(a.reshape(size) for a in (mask, score, deviation, repetition)))


def _with_signal(images: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the indices of components with signal, strongest first."""
    norm, peak = np.empty(len(images)), np.empty(len(images))
    for i, image in enumerate(images):
        norm[i], peak[i] = np.linalg.norm(image), np.abs(image).max()
    if not (np.isfinite(norm).all() and np.isfinite(noise).all()):
        raise InputError("components or noise hold NaN or infinity", field="images")
    rows = np.flatnonzero((noise > 0) & (peak > WITH_SIGNAL * noise))
    if len(rows) < MINIMUM_COMPONENTS:
        raise InputError(
            f"only {len(rows)} components have a peak of more than {WITH_SIGNAL:g} times the noise",
            field="images",
            remedy="give more components, or name the missing voxels yourself",
        )
    return rows[np.argsort(-norm[rows], kind="stable")]


def _polynomials(size: Sequence[int]) -> np.ndarray:
    """Return products of Legendre polynomials up to the total degree, float64 (P, terms)."""
    axes = [np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in size]
    factors = [np.polynomial.legendre.legvander(x, min(DEGREE, len(x) - 1)) for x in axes]
    terms = []
    for degrees in itertools.product(*(range(f.shape[1]) for f in factors)):
        if sum(degrees) <= DEGREE:
            columns = (f[:, d] for f, d in zip(factors, degrees, strict=True))
            terms.append(np.einsum("i,j,k->ijk", *columns).ravel())
    if VOXELS_PER_TERM * len(terms) > np.prod(size):
        raise InputError(
            f"a grid of {tuple(size)} voxels is too small to tell outliers",
            field="images",
            remedy="name the missing voxels yourself",
        )
    return np.stack(terms, axis=1)


def _log_energies(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the logarithm of the energy of each group of components, float64 (P, groups)."""
    logarithms = []
    for group in np.array_split(rows, min(GROUPS, len(rows) // 2)):
        energy = np.zeros(images[0].size)
        for row in group:
            share = np.abs(images[row].ravel()).astype(np.float64) ** 2
            energy += share / share.sum()
        # Zeros, where nothing was stored, stay finite.
        logarithms.append(np.log(np.maximum(energy, 1e-12 * energy.max())))
    return np.stack(logarithms, axis=1)


def _deviation(courses: np.ndarray, terms: np.ndarray, trusted: np.ndarray) -> np.ndarray:
    """Return how far each voxel is from smooth energies (P, groups), in medians, float64 (P,).

    Only voxels that are ``trusted``, bool (P,), have an influence on the smooth energies.
    """
    start = np.where(trusted, 1.0, LEAST_WEIGHT) if trusted.any() else np.ones(len(courses))
    weights = start
    for iteration in range(2 * ITERATIONS):
        weighted = weights[:, None] * terms
        coefficients = np.linalg.solve(terms.T @ weighted, weighted.T @ courses)
        residual = np.abs(courses - terms @ coefficients)
        scale = np.maximum(np.median(residual, axis=0), np.finfo(float).tiny)
        distance = np.sqrt(np.mean((residual / scale) ** 2, axis=1))
        distance /= np.median(distance)
        if iteration < ITERATIONS:
            weights = start / np.maximum(distance, 0.5)
        else:
            weights = start * np.maximum(1 - (distance / 4) ** 2, LEAST_WEIGHT) ** 2
    return distance


def _repetition(
    images: np.ndarray, noise: np.ndarray, rows: np.ndarray, path: np.ndarray
) -> np.ndarray:
    """Return :data:`REPETITION_LIMIT` over the energy of changes along the path, float64 (P,)."""
    change, energy = np.zeros(len(path)), np.zeros(len(path))
    for row in rows:
        course = images[row].reshape(-1)[path].astype(np.complex128) / noise[row]
        energy += np.abs(course) ** 2 / len(rows)
        # Two measurements of one place differ by twice the energy of noise.
        change[1:] += np.abs(np.diff(course)) ** 2 / (2 * len(rows))
    change[0] = np.inf
    told = np.minimum(energy, np.median(energy)) > REPETITION_SIGNAL
    return np.where(told, REPETITION_LIMIT / np.maximum(change, 1e-3), 0.0)


def _without_gaps(found: np.ndarray) -> np.ndarray:
    """Return bool (P,) with short gaps between two found positions closed."""
    closed = found.copy()
    places = np.flatnonzero(found)
    for first, second in itertools.pairwise(places):
        if second - first - 1 <= LARGEST_GAP:
            closed[first:second] = True
    return closed
