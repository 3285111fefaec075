"""Which components of a measured system matrix a figure shows."""

import numpy as np

from smrestore.physics.mixing import UNREACHED, total_order
from smrestore.support.errors import InputError

Order = tuple[int, int, int]


def choose_components(
    snr: np.ndarray,
    orders: np.ndarray,
    count: int = 3,
    *,
    highest_snr: float = 30.0,
    lowest_snr: float = 3.0,
) -> list[tuple[int, int]]:
    """Choose components whose signal-to-noise ratios fall geometrically between two values.

    Receive channels alternate where the choice allows it.

    Parameters
    ----------
    snr
        float (C, K), of the measured system matrix.
    orders
        Mixing orders, int (K, 3). Orders of equal absolute values, which show the same image, and
        the drive frequencies and the direct component are not chosen.

    Returns
    -------
    list of (channel, frequency index), from high to low ratio.

    Raises
    ------
    InputError
        There are fewer than ``count`` such components.
    """
    chosen: list[tuple[int, int]] = []
    candidates = np.argwhere((snr >= lowest_snr) & (total_order(orders) > 1))
    log_snr = np.log(snr[tuple(candidates.T)])
    images = np.abs(orders[candidates[:, 1]])
    for target in np.geomspace(highest_snr, lowest_snr, count):
        if not len(candidates):
            break
        shown = np.isin(candidates[:, 0], [channel for channel, _ in chosen])
        best = np.argmin(np.abs(log_snr - np.log(target)) + 0.2 * shown)
        chosen.append(tuple(candidates[best].tolist()))
        left = (images != images[best]).any(axis=1)
        candidates, log_snr, images = candidates[left], log_snr[left], images[left]
    if len(chosen) < count:
        raise InputError(
            f"{len(chosen)} different components exceed a signal-to-noise ratio of {lowest_snr:g}, "
            f"{count} are wanted",
            field="snr",
            remedy="ask for fewer or lower the ratio",
        )
    return sorted(chosen, key=lambda component: -snr[component])


def nearest_frequency(order: Order, orders: np.ndarray, stored: np.ndarray) -> int:
    """Return the stored frequency whose mixing order is the wanted one, or the nearest to it.

    Nearest in the absolute orders, because orders that differ in sign show the same image; of equal
    ones the nearest with sign, then the lowest frequency.

    Parameters
    ----------
    order
        Wanted mixing order.
    orders
        Mixing orders of all frequencies, int (K, 3).
    stored
        Frequency indices that can be shown, int (F,).

    Raises
    ------
    InputError
        If no stored frequency has a mixing order.
    """
    stored = np.sort(stored)
    stored = stored[(orders[stored] != UNREACHED).all(axis=1)]
    if not len(stored):
        raise InputError(
            "no stored frequency has a mixing order",
            field="mixing_order",
            remedy="show a scan with a drive field",
        )
    found = orders[stored]
    same_image = np.abs(np.abs(found) - np.abs(order)).sum(axis=1)
    with_sign = np.abs(found - np.array(order)).sum(axis=1)
    return int(stored[np.lexsort((stored, with_sign, same_image))[0]])
