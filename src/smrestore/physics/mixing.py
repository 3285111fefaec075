"""Mixing orders: which multiples of the drive frequencies meet in a frequency bin."""

import functools

import numpy as np

from smrestore.physics.sequence import Sequence
from smrestore.support.errors import InputError

UNREACHED = np.iinfo(np.int64).min
"""Stands in all three places of a bin that no order within the search range reaches."""


def mixing_orders(sequence: Sequence) -> np.ndarray:
    """Return the mixing order of every frequency bin, int64 (K, 3).

    Bin k holds the orders (n_x, n_y, n_z) with k = n_x m_x + n_y m_y + n_z m_z, where m_i is the
    number of periods of drive field i in a cycle. The triple of lowest |n_x| + |n_y| + |n_z| is
    given, the last one in ascending order where several tie, as in MPIFiles.jl
    (searched over |n_i| <= round(K / m_i)). Axes without a drive field have order 0. The sequences
    of common scanners reach every bin; others hold ``UNREACHED``.
    """
    return _mixing_orders(sequence.multipliers, sequence.n_frequencies).copy()


# The matrices of a dataset share their sequence, and in 3D the search takes seconds.
@functools.lru_cache(maxsize=8)
def _mixing_orders(multipliers: tuple[int, int, int], n_bins: int) -> np.ndarray:
    reach = [round(n_bins / m) if m else 0 for m in multipliers]
    axes = [np.arange(-n, n + 1) for n in reach]
    orders = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    bins = orders @ np.array(multipliers)
    inside = (bins >= 0) & (bins < n_bins)
    orders, bins = orders[inside], bins[inside]
    total = np.abs(orders).sum(axis=1)
    # Descending total, then ascending enumeration: the last assignment to a bin wins.
    ranking = np.lexsort((np.arange(len(total)), -total))
    result = np.full((n_bins, 3), UNREACHED, dtype=np.int64)
    result[bins[ranking]] = orders[ranking]
    return result


def total_order(orders: np.ndarray) -> np.ndarray:
    """Return |n_x| + |n_y| + |n_z| of mixing orders (..., 3); -1 for bins that none reaches."""
    reached = (orders != UNREACHED).all(axis=-1)
    return np.where(reached, np.abs(np.where(orders == UNREACHED, 0, orders)).sum(axis=-1), -1)


def format_order(order: np.ndarray, driven: tuple[bool, bool, bool]) -> str:
    """Return an order as text, for example ``(3, -1)`` where x and y are driven."""
    return "(" + ", ".join(str(int(n)) for n, on in zip(order, driven, strict=True) if on) + ")"


def twin_groups(mixing_order: np.ndarray | None, n_components: int) -> list[np.ndarray]:
    """Return the groups of components that have the same mixing order up to signs.

    Parameters
    ----------
    mixing_order
        Of each component of **one** receive channel, int (K, 3), as given by
        :func:`mixing_orders`. Bins without a mixing order have no twins.
    n_components
        K.

    Returns
    -------
    list of numpy.ndarray
        Ascending indices of the members of each group. A group has at least two.

    Raises
    ------
    InputError
        If the mixing orders are missing, or are not K triples of integers.
    """
    orders = np.asarray(mixing_order)
    if mixing_order is None or orders.shape != (n_components, 3) or orders.dtype.kind not in "iu":
        found = "none" if mixing_order is None else f"{orders.dtype} of shape {orders.shape}"
        raise InputError(
            f"twins are found by mixing orders, int ({n_components}, 3); given are {found}",
            field="mixing_order",
            remedy="give those of the drive-field sequence for the frequencies of the components",
        )
    reached = np.flatnonzero(total_order(orders) >= 0)
    if not len(reached):
        return []
    _, label = np.unique(np.abs(orders[reached]), axis=0, return_inverse=True)
    label = label.ravel()
    by_label = np.argsort(label, kind="stable")
    bounds = np.flatnonzero(np.diff(label[by_label])) + 1
    return [group for group in np.split(reached[by_label], bounds) if len(group) > 1]
