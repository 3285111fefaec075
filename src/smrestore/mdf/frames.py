"""The frame table: which stored frame was measured when, and with or without a sample."""

from dataclasses import dataclass

import numpy as np

from smrestore.mdf.layout import FRAME_PERMUTATION, IS_BACKGROUND_FRAME, Fields


@dataclass(frozen=True, eq=False)
class FrameTable:
    """Kind and acquisition time of every stored frame.

    Attributes
    ----------
    is_background
        bool (N,): the sample or phantom was outside of the bore.
    acquisition_index
        int64 (N,): 0-based place of each stored frame in the order of acquisition.
    """

    is_background: np.ndarray
    acquisition_index: np.ndarray

    @property
    def foreground(self) -> np.ndarray:
        """Stored indices of the foreground frames in stored order, int64 (O,)."""
        return np.flatnonzero(~self.is_background)

    @property
    def background(self) -> np.ndarray:
        """Stored indices of the background frames in the order of acquisition, int64 (E,)."""
        stored = np.flatnonzero(self.is_background)
        return stored[np.argsort(self.acquisition_index[stored])]

    @classmethod
    def from_fields(cls, fields: Fields, n_frames: int, is_permuted: bool) -> "FrameTable":
        """Read mask and permutation of ``n_frames`` frames; raises :class:`InputError`."""
        mask = read_mask(fields, n_frames)
        index = np.arange(n_frames)
        if is_permuted:
            index = read_permutation(fields)
            if not _is_permutation(index, n_frames):
                raise fields.error(
                    f"is no permutation of 1 ... {n_frames}",
                    FRAME_PERMUTATION,
                    "store the 1-based acquisition number of every stored frame",
                )
        return cls(mask, index)

    @classmethod
    def of_sparse(
        cls, fields: Fields, n_stored: int, n_coefficients: int, n_positions: int, is_permuted: bool
    ) -> tuple["FrameTable", bool]:
        """Return the table of the frames that sparse data decode to, and if their times are known.

        Stored are B coefficients and E background frames in this order, which the mask counts
        (MDF 2.1 specification); decoded are O positions and E background frames. A permutation of
        all O + E frames tells their times. Some writers store one of another length, which tells
        nothing, and many store none.
        """
        mask = read_mask(fields, n_stored)
        if not np.array_equal(mask, np.arange(n_stored) >= n_coefficients):
            raise fields.error(
                f"does not mark {n_coefficients} coefficients and then background frames",
                IS_BACKGROUND_FRAME,
                "store 0 for each coefficient and 1 for each background frame",
            )
        n_frames = n_positions + n_stored - n_coefficients
        table = cls(np.arange(n_frames) >= n_positions, np.arange(n_frames))
        if is_permuted:
            index = read_permutation(fields)
            if _is_permutation(index, n_frames):
                return cls(table.is_background, index), True
        return table, False


def read_mask(fields: Fields, n_frames: int) -> np.ndarray:
    """Return the mask of the background frames, bool (n_frames,)."""
    mask = fields.array(IS_BACKGROUND_FRAME)
    if mask.size != n_frames:
        raise fields.wrong_shape(IS_BACKGROUND_FRAME, mask.shape, (n_frames,))
    if not np.isin(mask, (0, 1)).all():
        raise fields.error("holds other values than 0 and 1", IS_BACKGROUND_FRAME, "store 0 or 1")
    return mask.ravel().astype(bool)


def read_permutation(fields: Fields) -> np.ndarray:
    """Return the permutation as 0-based acquisition indices, int64, without a check."""
    return fields.integers(FRAME_PERMUTATION).ravel() - 1


def _is_permutation(index: np.ndarray, n_frames: int) -> bool:
    return np.array_equal(np.sort(index), np.arange(n_frames))
