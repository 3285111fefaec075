"""A restored system matrix, made while it is written."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(eq=False)
class RestoredMatrix:
    """A system matrix that is restored while it is read, in ascending order, like an array.

    Attributes
    ----------
    shape
        (J, C, K, Nx, Ny, Nz).
    rows_at_a_time
        Components of a block. One block is held.
    restore_block
        Returns the components of a period and channel in a slice of the frequencies.
    """

    shape: tuple[int, ...]
    rows_at_a_time: int
    restore_block: Callable[[int, int, slice], np.ndarray]
    _place: tuple[int, int, int] | None = None
    _block: np.ndarray | None = None

    def __getitem__(self, place: tuple[int, int, slice]) -> np.ndarray:
        """Return components of one period and channel, complex64 (n, Nx, Ny, Nz)."""
        period, channel, part = place
        n_frequencies = self.shape[2]
        first, stop, _ = part.indices(n_frequencies)
        pieces = []
        while first < stop:
            number, offset = divmod(first, self.rows_at_a_time)
            if self._place != (period, channel, number):
                start = number * self.rows_at_a_time
                end = min(start + self.rows_at_a_time, n_frequencies)
                # The former block goes first.
                self._block = None
                self._block = self.restore_block(period, channel, slice(start, end))
                self._place = period, channel, number
            pieces.append(self._block[offset : offset + stop - first])
            first += len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
