"""From the fields at a block of positions to their components, in one compiled function."""

from typing import NamedTuple

import numba
import numpy as np

from smrestore.physics.cosines import transform_samples
from smrestore.physics.folding import fold
from smrestore.physics.moment import moment_samples
from smrestore.physics.moment_table import table_samples
from smrestore.physics.vectors import LANES, not_inlined


class Places(NamedTuple):
    """Positions and what the moment depends on there.

    Attributes
    ----------
    rows
        Rows of the result, int64 (P, E): of the position and its images, -1 for none.
    alpha
        Anisotropy energy, float64 (P,).
    easy_axis, static_field, drive_scale
        Easy axis, reduced static field and factor on the drive field, float64 (P, 3).
    """

    rows: np.ndarray
    alpha: np.ndarray
    easy_axis: np.ndarray
    static_field: np.ndarray
    drive_scale: np.ndarray


class Memory(NamedTuple):
    """Working memory: flat float64 arrays, which should be aligned for vectors.

    Attributes
    ----------
    moment
        3 N LANES numbers for N samples.
    signal
        As many for each channel, if they are not components of the moment.
    cells
        See :func:`smrestore.physics.moment_table.table_samples`.
    panel
        See :func:`smrestore.physics.cosines.transform_samples`.
    """

    moment: np.ndarray
    signal: np.ndarray
    cells: np.ndarray
    panel: np.ndarray


@numba.njit(cache=True, nogil=True)
def sample_moment(places, drive_field, table, nodes, cells, moment):
    """Fill ``moment`` (3, N, LANES) at up to LANES positions.

    By quadrature if there are ``nodes``, else by ``table``. Lanes without a position hold
    anything.
    """
    not_inlined()
    if nodes.size:
        moment_samples(
            places.alpha,
            places.easy_axis,
            places.static_field,
            drive_field,
            places.drive_scale,
            nodes,
            moment,
        )
        return
    table_samples(
        table,
        places.alpha,
        places.easy_axis,
        places.static_field,
        drive_field,
        places.drive_scale,
        cells,
        moment,
    )


@numba.njit(cache=True, nogil=True)
def receive(moment, sensitivity, signal):
    """Fill the signals (C, N, LANES) of channels with some sensitivity (C, 3)."""
    # Loops rather than array expressions, which take seconds to compile; so in all of this.
    x, y, z = moment[0].reshape(-1), moment[1].reshape(-1), moment[2].reshape(-1)
    for channel in range(len(sensitivity)):
        a, b, c = sensitivity[channel]
        target = signal[channel].reshape(-1)
        for i in range(target.size):
            target[i] = a * x[i] + b * y[i] + c * z[i]


@numba.njit(cache=True, nogil=True)
def fill_components(
    places, drive_field, table, nodes, sensitivity, pattern, chosen, folding, memory, values
):
    """Fill rows of ``values`` with chosen components.

    Parameters
    ----------
    places
        :class:`Places`.
    drive_field
        Reduced drive field at the samples, float64 (3, N).
    table, nodes
        See :func:`sample_moment`.
    sensitivity
        Of the receive channels, float64 (C, 3); none if they are the components of the moment.
    pattern, chosen, folding
        :class:`~smrestore.physics.cosines.Pattern` of the samples and what becomes of its
        coefficients, :class:`~smrestore.physics.folding.Chosen` and
        :class:`~smrestore.physics.folding.Folding`.
    memory
        :class:`Memory`.
    values
        Component s of the position in each row, (rows, S).
    """
    n_samples = drive_field.shape[1]
    moment = memory.moment.reshape(3, n_samples, LANES)
    for first in range(0, len(places.rows), LANES):
        last = min(first + LANES, len(places.rows))
        some = Places(
            places.rows[first:last],
            places.alpha[first:last],
            places.easy_axis[first:last],
            places.static_field[first:last],
            places.drive_scale[first:last],
        )
        sample_moment(some, drive_field, table, nodes, memory.cells, moment)
        signal = moment
        if len(sensitivity):
            signal = memory.signal.reshape(len(sensitivity), n_samples, LANES)
            receive(moment, sensitivity, signal)
        transform_samples(signal, pattern, memory.panel)
        fold(signal, chosen, folding, some.rows, values)
