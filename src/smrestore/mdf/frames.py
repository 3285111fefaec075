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
        mask = fields.array(IS_BACKGROUND_FRAME)
        if mask.size != n_frames:
            raise fields.wrong_shape(IS_BACKGROUND_FRAME, mask.shape, (n_frames,))
        index = np.arange(n_frames)
        if is_permuted:
            permutation = fields.array(FRAME_PERMUTATION).ravel()
            if not np.array_equal(np.sort(permutation), index + 1):
                raise fields.error(
                    f"is no permutation of 1 ... {n_frames}",
                    FRAME_PERMUTATION,
                    "store the 1-based acquisition number of every stored frame",
                )
            index = permutation.astype(np.int64) - 1
        return cls(mask.ravel().astype(bool), index)
