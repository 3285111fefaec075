"""The error that is expected of components that fitted physics restored together with their scan.

The posterior (:mod:`smrestore.fitting.posterior`) says what noise leaves unknown, if the misfit of
the model is what its likelihood says. Two things are added here.

In weak components, noise hides the misfit, and its likelihood says that there is none. But a wrong
field, position or particle moves the pattern of a component by a share of its waves, and a component
of mixing order n has in the order of n waves over the grid. So the relative misfit grows with the
mixing order: that of strong components, which is well known, tells that of the weak ones.

Where model and measurement disagree smoothly, the measurement is believed. It can be wrong, too: a
scanner that warms up, a robot that is off. No scan tells which of the two it is, so a share of the
misfit counts as error.
"""

import numpy as np

from smrestore.fitting.apply import Prediction
from smrestore.fitting.held_out import ORDER_LIMITS, order_class
from smrestore.fitting.scan import CalibrationData
from smrestore.physics.mixing import mixing_orders, total_order

DOUBT = 0.6
"""Share of the misfit, as an amplitude, that counts as error of the measurement: found with
``benchmarks/expected_error.py`` on the virtual scans."""
MIDDLES = (2.5, 6.5, 10.5, 15.0)
"""Mixing orders that stand for the classes of :data:`smrestore.fitting.held_out.ORDER_LIMITS`."""
CLASSES = len(ORDER_LIMITS) + 1
PER_CHANNEL = 8
"""Numbers of classes of each receive channel in :class:`smrestore.fitting.posterior.Misfit`."""


def expected_error(data: CalibrationData, found: Prediction) -> np.ndarray:
    """Return the expected root mean square error of components, float64 (S,).

    Parameters
    ----------
    data
        The scan.
    found
        Its components by model and measurement; by a model alone, their deviation is returned.
    """
    if found.misfit is None:
        return found.deviation
    total = total_order(mixing_orders(data.sequence))[data.components.frequency]
    driven = [channel for channel in range(3) if data.sequence.driven[channel]]
    relative = grown_misfit(found.misfit.of_class, driven, total)
    # What a channel across the driven axes sees, is unknown of any order: it has its own misfit.
    relative[~np.isin(data.components.channel, driven)] = 0.0
    size = np.sqrt(np.mean(np.abs(found.images) ** 2, axis=0, dtype=np.float64))
    return np.hypot(found.deviation, DOUBT * relative * size)


def grown_misfit(of_class: dict[int, float], channels: list[int], total: np.ndarray) -> np.ndarray:
    """Return the relative misfit of components, at least as it grows from lower mixing orders.

    Parameters
    ----------
    of_class
        Relative misfit by class, see :class:`smrestore.fitting.posterior.Misfit`.
    channels
        Receive channels that tell it.
    total
        |n_x| + |n_y| + |n_z| of the components, int64 (S,).

    Returns
    -------
    numpy.ndarray
        float64 (S,).
    """
    of_order = [
        max((of_class.get(order + PER_CHANNEL * c, 0.0) for c in channels), default=0.0)
        for order in range(CLASSES)
    ]
    per_wave = np.array(of_order) / MIDDLES
    return np.maximum.accumulate(per_wave)[order_class(total)] * np.maximum(total, 1)
