"""Regularized Kaczmarz algorithm with projections onto real and non-negative images."""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from numba import njit

from smrestore.reconstruction.rows import row_energies
from smrestore.support.errors import InputError
from smrestore.support.progress import progress_bar


def kaczmarz(
    matrix: np.ndarray,
    measurement: np.ndarray,
    *,
    regularization: float,
    sweeps: int,
    weights: np.ndarray | None = None,
    real: bool = True,
    positive: bool = True,
    order: np.ndarray | None = None,
    progress: bool = False,
) -> np.ndarray:
    """Solve min_c ||W (S c - u)||^2 + lambda ||c||^2 by a fixed number of Kaczmarz sweeps.

    Plain Kaczmarz on the consistent extended system `[W S, sqrt(lambda) I] [c; v] = W u`, rows in
    one fixed order, started from zero for every frame (Knopp et al. 2010, PMB 55, 1577). The image
    stays complex within a sweep; the constraints are projections after each whole sweep, as in
    RegularizedLeastSquares.jl. Without constraints it converges to the Tikhonov solution. With
    ``positive`` it does not reach the non-negative minimizer: compare at equal sweeps.

    The matrix is used as it is stored, complex64 or complex128, without a weighted copy; every sum
    and the image run in float64. With complex64 only the stored entries are rounded, and a
    matrix beyond the cache needs half of the memory traffic. Several frames share each row while it
    is in the cache, and the threads (``numba.set_num_threads``) share the frames. Images do not
    depend on the threads, and on the other frames by rounding only.

    Parameters
    ----------
    matrix
        System matrix rows S, complex (rows, voxels). Rows of zero energy are skipped.
    measurement
        u, complex (rows,) or (rows, frames).
    regularization
        **Absolute** lambda >= 0, in squared units of the weighted matrix.
    sweeps
        Number of passes over all rows, >= 1.
    weights
        Real non-negative weights of the rows, (rows,), applied to matrix and measurement; default
        1.
    real
        Set the imaginary part to zero after each sweep.
    positive
        Set voxels with a negative real part to zero after each sweep.
    order
        Permutation of the rows, int (rows,): the order in which every sweep visits them; as they
        come by default.
    progress
        Show a progress bar over the sweeps.

    Returns
    -------
    np.ndarray
        Real part of the image, float64 (voxels,) or (voxels, frames).

    Raises
    ------
    InputError
        Shapes disagree, a value is not finite, lambda, a weight or the number of sweeps is out of
        range, or the order is no permutation.
    """
    matrix = np.asarray(matrix)
    dtype = np.complex64 if matrix.dtype == np.complex64 else np.complex128
    matrix = np.ascontiguousarray(matrix, dtype=dtype)
    measurement = np.asarray(measurement, dtype=np.complex128)
    weights = np.ones(len(matrix)) if weights is None else np.asarray(weights, dtype=np.float64)
    energies = _checked_energies(matrix, measurement, weights, regularization, sweeps)

    n_rows, n_voxels = matrix.shape
    visits = _checked_order(order, n_rows)
    rows = visits[energies[visits] > 0]
    frames = np.ascontiguousarray(measurement.reshape(n_rows, -1).T)
    image = np.zeros((len(frames), 2, n_voxels))
    slack = np.zeros_like(frames)
    real_part, imaginary_part = image[:, 0], image[:, 1]
    # Interleaved real and imaginary parts: nothing is copied.
    parts = matrix.view(matrix.real.dtype)
    shares = np.array_split(np.arange(len(frames)), min(len(frames), numba.get_num_threads()))
    shares = [slice(share[0], share[-1] + 1) for share in shares]

    # Not by the share, so that images do not depend on the threads.
    sweep_rows = _sweep_one if len(frames) == 1 else _sweep_several

    def sweep(share: slice) -> None:
        sweep_rows(
            parts,
            frames[share],
            weights,
            energies,
            float(regularization),
            rows,
            image[share],
            slack[share],
        )

    with ThreadPoolExecutor(len(shares)) as threads:
        for _ in progress_bar(range(sweeps), desc="Kaczmarz", unit="sweep", disable=not progress):
            # A single frame needs no other thread.
            list(map(sweep, shares) if len(shares) == 1 else threads.map(sweep, shares))
            if real:
                imaginary_part[:] = 0
            if positive:
                image *= (real_part >= 0)[:, np.newaxis]
    return real_part.T.reshape(n_voxels, *measurement.shape[1:])


# Only flags that permit vectorized sums: NaN and infinity keep their meaning.
@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _sweep_one(parts, measurement, weights, energies, regularization, rows, image, slack):
    """Visit every row once and update the image (1, 2, voxels) and ``slack`` (1, rows) in place.

    The step along a row and the product with the next one share a pass over the image, in which the
    next row comes from the memory while the processor is busy.
    """
    root = np.sqrt(regularization)
    predicted = 0j
    # Without any row there is no visit.
    for visit in range(-1 if rows.size else 0, rows.size):
        k, following = rows[max(visit, 0)], rows[min(visit + 1, rows.size - 1)]
        step = 0j
        if visit >= 0:
            residual = weights[k] * (measurement[0, k] - predicted)
            beta = (residual - root * slack[0, k]) / (energies[k] + regularization)
            slack[0, k] += beta * root
            step = weights[k] * beta
        predicted = _step_and_predict_interleaved(
            image[0], parts[k], step.real, step.imag, parts[following]
        )


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, inline="always")
def _step_and_predict_interleaved(image, row, step_re, step_im, following):
    """Return what :func:`_step_and_predict` does, of rows (2 voxels) as they are stored."""
    re, im = image[0], image[1]
    predicted_re, predicted_im = 0.0, 0.0
    for p in range(re.size):
        row_re, row_im = row[2 * p], row[2 * p + 1]
        next_re, next_im = following[2 * p], following[2 * p + 1]
        new_re = re[p] + step_re * row_re + step_im * row_im
        new_im = im[p] + step_im * row_re - step_re * row_im
        re[p], im[p] = new_re, new_im
        predicted_re += next_re * new_re - next_im * new_im
        predicted_im += next_re * new_im + next_im * new_re
    return complex(predicted_re, predicted_im)


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _sweep_several(parts, measurement, weights, energies, regularization, rows, image, slack):
    """Visit every row once and update images (frames, 2, voxels) and ``slack`` in place.

    Real and imaginary parts of a row are taken apart once for all frames, which makes up for the
    additional pass from two frames on.
    """
    n_frames, n_voxels = measurement.shape[0], image.shape[2]
    root = np.sqrt(regularization)
    predicted = np.zeros(n_frames, np.complex128)
    row, following = np.zeros((2, n_voxels), parts.dtype), np.zeros((2, n_voxels), parts.dtype)
    # Without any row there is no visit.
    for visit in range(-1 if rows.size else 0, rows.size):
        k = rows[max(visit, 0)]
        _take_apart(parts[rows[min(visit + 1, rows.size - 1)]], following)
        # All frames use the two rows while they are in the cache.
        for frame in range(n_frames):
            step = 0j
            if visit >= 0:
                residual = weights[k] * (measurement[frame, k] - predicted[frame])
                beta = (residual - root * slack[frame, k]) / (energies[k] + regularization)
                slack[frame, k] += beta * root
                step = weights[k] * beta
            predicted[frame] = _step_and_predict(image[frame], row, step.real, step.imag, following)
        row, following = following, row


@njit(cache=True, nogil=True, inline="always")
def _take_apart(interleaved, planes):
    """Write real and imaginary part of a row to the two ``planes`` (2, voxels)."""
    re, im = planes[0], planes[1]
    for p in range(re.size):
        re[p], im[p] = interleaved[2 * p], interleaved[2 * p + 1]


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, inline="always")
def _step_and_predict(image, row, step_re, step_im, following):
    """Add step * conj(row) to the image (2, voxels) and return its product with ``following``."""
    re, im, row_re, row_im = image[0], image[1], row[0], row[1]
    next_re, next_im = following[0], following[1]
    predicted_re, predicted_im = 0.0, 0.0
    for p in range(re.size):
        new_re = re[p] + step_re * row_re[p] + step_im * row_im[p]
        new_im = im[p] + step_im * row_re[p] - step_re * row_im[p]
        re[p], im[p] = new_re, new_im
        predicted_re += next_re[p] * new_re - next_im[p] * new_im
        predicted_im += next_re[p] * new_im + next_im[p] * new_re
    return complex(predicted_re, predicted_im)


def _checked_order(order: np.ndarray | None, n_rows: int) -> np.ndarray:
    """Return the rows in the order of their visits, int64 (rows,)."""
    if order is None:
        return np.arange(n_rows)
    order = np.asarray(order)
    if order.dtype.kind not in "iu" or not np.array_equal(np.sort(order), np.arange(n_rows)):
        raise InputError(
            f"the order is no permutation of the {n_rows} rows",
            field="order",
            remedy=f"give each of 0 to {n_rows - 1} once",
        )
    return order.astype(np.int64)


def _checked_energies(
    matrix: np.ndarray,
    measurement: np.ndarray,
    weights: np.ndarray,
    regularization: float,
    sweeps: int,
) -> np.ndarray:
    """Return the energies of the weighted rows, (rows,), or say which input is wrong."""
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(
            f"a system matrix of shape {matrix.shape}",
            field="matrix",
            remedy="give at least one row and one voxel as (rows, voxels)",
        )
    n_rows = len(matrix)
    if measurement.ndim not in (1, 2) or len(measurement) != n_rows or measurement.size == 0:
        raise InputError(
            f"a measurement of shape {measurement.shape} for {n_rows} matrix rows",
            field="measurement",
            remedy="select the same rows of the matrix and of the measurement",
        )
    if weights.shape != (n_rows,) or not np.all(np.isfinite(weights) & (weights >= 0)):
        raise InputError(
            "the row weights are not one finite non-negative number per row",
            field="weights",
            remedy=f"give shape ({n_rows},)",
        )
    if not (np.isfinite(regularization) and regularization >= 0):
        raise InputError(
            f"lambda is {regularization}",
            field="regularization",
            remedy="give a finite number of at least 0",
        )
    if sweeps < 1:
        raise InputError(f"{sweeps} sweeps", field="sweeps", remedy="give at least 1")
    if not np.all(np.isfinite(measurement)):
        raise InputError(
            "holds NaN or infinity",
            field="measurement",
            remedy="leave these rows out, or correct the transfer function that made them",
        )
    return np.square(weights) * row_energies(matrix)
