"""Rows of the linear system: which (receive channel, frequency) pairs count, and how much."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
from numba import njit

from smrestore.physics.mixing import total_order
from smrestore.support.choices import Weighting
from smrestore.support.errors import InputError


def select_rows(
    snr: np.ndarray,
    frequencies: np.ndarray,
    *,
    snr_threshold: float,
    channels: Sequence[int],
    min_frequency: float = 0.0,
    max_frequency: float = np.inf,
    max_mixing_order: int | None = None,
    mixing_order: np.ndarray | None = None,
) -> np.ndarray:
    """Return the (receive channel, frequency index) pairs that pass every criterion.

    All limits are inclusive. Rows come channel after channel as listed, frequencies ascending
    within a channel: the order in which Kaczmarz visits them.

    Parameters
    ----------
    snr
        Signal-to-noise ratio, (coils, frequencies).
    frequencies
        Frequency of each index in Hz, (frequencies,), ascending.
    snr_threshold
        Smallest SNR kept; 0 switches the criterion off, also for an SNR that is NaN.
    channels
        0-based receive channels.
    min_frequency, max_frequency
        Closed band in Hz.
    max_mixing_order
        Largest |n_x| + |n_y| + |n_z| kept; needs ``mixing_order``.
    mixing_order
        Triple (n_x, n_y, n_z) of each index, (frequencies, 3) integers.

    Returns
    -------
    np.ndarray
        (rows, 2) integers: channel, frequency index.

    Raises
    ------
    InputError
        Shapes disagree, a channel does not exist or is listed twice, or no row passes.
    """
    snr, frequencies = np.asarray(snr), np.asarray(frequencies)
    channels = list(channels)
    if snr.ndim != 2 or frequencies.shape != snr.shape[1:]:
        raise InputError(
            f"SNR of shape {snr.shape} does not fit frequencies of shape {frequencies.shape}",
            field="snr",
            remedy="give shapes (coils, frequencies) and (frequencies,)",
        )
    if len(set(channels)) != len(channels) or not set(channels) <= set(range(len(snr))):
        raise InputError(
            f"receive channels {channels} are not distinct numbers from 0 to {len(snr) - 1}",
            field="channels",
            remedy="list each wanted 0-based channel once",
        )
    in_band = (frequencies >= min_frequency) & (frequencies <= max_frequency)
    if max_mixing_order is not None:
        total = _total_order(mixing_order, frequencies.size)
        in_band &= (total >= 0) & (total <= max_mixing_order)
    kept = (
        in_band & (snr >= snr_threshold) if snr_threshold > 0 else in_band & np.ones_like(snr, bool)
    )
    rows = [(channel, index) for channel in channels for index in np.flatnonzero(kept[channel])]
    if not rows:
        raise InputError(
            f"no row of channels {channels} is left: {np.count_nonzero(in_band)} frequencies lie in"
            f" the band and mixing orders chosen, none of them reaches an SNR of {snr_threshold:g}",
            field="snr_threshold",
            remedy="lower the SNR threshold or widen the channels, the band or the mixing orders",
        )
    return np.array(rows, dtype=np.intp)


def _total_order(mixing_order: np.ndarray | None, n_frequencies: int) -> np.ndarray:
    """Return |n_x| + |n_y| + |n_z| for each frequency index; -1 for those without an order."""
    if mixing_order is None or np.shape(mixing_order) != (n_frequencies, 3):
        raise InputError(
            "a largest mixing order needs the mixing orders of all frequencies",
            field="mixing_order",
            remedy=f"give integers of shape ({n_frequencies}, 3)",
        )
    return total_order(np.asarray(mixing_order))


def row_energies(matrix_rows: np.ndarray) -> np.ndarray:
    """Return the squared 2-norm of each row, float64 (rows,), of a (rows, voxels) matrix.

    The sums run in float64 whatever the dtype of the matrix: raw units and thousands of rows
    exhaust the digits of float32.

    Raises
    ------
    InputError
        A row holds NaN or infinity.
    """
    matrix_rows = np.ascontiguousarray(matrix_rows)
    # Interleaved real and imaginary parts.
    energies = _squared_sums(matrix_rows.view(matrix_rows.real.dtype))
    faulty = np.flatnonzero(~np.isfinite(energies))
    if faulty.size:
        raise InputError(
            f"{faulty.size} of {len(energies)} rows hold NaN or infinity, the first is {faulty[0]}",
            field="matrix",
            remedy="leave these rows out, or correct the transfer function that made them",
        )
    return energies


# Only flags that permit vectorized sums: NaN and infinity keep their meaning.
@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _squared_sums(rows):
    """Return the sum of squares of each row, float64; in one pass at the speed of the memory."""
    sums = np.zeros(rows.shape[0])
    for k in range(rows.shape[0]):
        total = 0.0
        for p in range(rows.shape[1]):
            value = np.float64(rows[k, p])
            total += value * value
        sums[k] = total
    return sums


def row_weights(
    kind: str, matrix_rows: np.ndarray, background_std: np.ndarray | None = None
) -> np.ndarray:
    """Return the real weight of each row, to be applied to the matrix and the measurement alike.

    Parameters
    ----------
    kind
        ``"none"``: 1. ``"row-norm"``: 1 / ||S_k||, after Knopp et al. 2010 (PMB 55, 1577); a zero
        row gets 0. ``"whitening"``: min(sigma) / sigma_k, so that the noisiest rows count least.
    matrix_rows
        Selected rows of the system matrix, complex (rows, voxels).
    background_std
        Standard deviation sigma_k of the complex background of each selected row, (rows,); needed
        for whitening only.

    Returns
    -------
    np.ndarray
        float64 (rows,).

    Raises
    ------
    InputError
        Unknown kind, or a background standard deviation that is missing, not positive or not
        finite.
    """
    n_rows = len(matrix_rows)
    if kind == "none":
        return np.ones(n_rows)
    if kind == "row-norm":
        norms = np.sqrt(row_energies(matrix_rows))
        return np.divide(1.0, norms, out=np.zeros(n_rows), where=norms > 0)
    if kind == "whitening":
        sigma = np.asarray(background_std, dtype=np.float64)
        if sigma.shape != (n_rows,) or not np.all(np.isfinite(sigma) & (sigma > 0)):
            raise InputError(
                "whitening needs one positive background standard deviation per row",
                field="background_std",
                remedy="use a system matrix with at least two background frames,"
                " or another weighting",
            )
        return sigma.min() / sigma
    known = ", ".join(get_args(Weighting))
    raise InputError(f"unknown weighting {kind!r}", field="weighting", remedy=f"use one of {known}")
