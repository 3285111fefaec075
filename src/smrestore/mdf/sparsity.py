"""Sparsity-transformed calibration data: few coefficients of a cosine transform of each row.

For each row the file keeps B of the O coefficients of an orthonormal discrete cosine transform over
the grid, and their 1-based places in the order of the positions (MDF 2.1 specification,
``/measurement/subsamplingIndices``).
"""

import math
from dataclasses import dataclass

import h5py
import numpy as np

from smrestore.mdf.calibration import Calibration
from smrestore.mdf.layout import SPARSITY_TRANSFORMATION, SUBSAMPLING_INDICES, Fields
from smrestore.mdf.limits import reading

TRANSFORMATIONS = {"DCT-I": 1, "DCT-II": 2, "DCT-III": 3, "DCT-IV": 4}


@dataclass(frozen=True, eq=False)
class SparseRows:
    """How the rows of a sparse calibration are decoded.

    Attributes
    ----------
    kind
        Type of the cosine transform, 1 to 4.
    shape
        Voxels along the slow, middle and fast axis of the stored positions.
    indices
        The dataset of 1-based places, (J, C, K, B).
    fields
        The file, for errors.
    """

    kind: int
    shape: tuple[int, int, int]
    indices: h5py.Dataset
    fields: Fields

    @property
    def n_positions(self) -> int:
        """Positions O of a decoded row."""
        return math.prod(self.shape)

    @property
    def n_coefficients(self) -> int:
        """Stored coefficients B of a row."""
        return self.indices.shape[-1]

    def decode(
        self, coefficients: np.ndarray, period: int, channel: int, rows: slice
    ) -> np.ndarray:
        """Return rows at all positions, complex128 (rows, O), from coefficients (rows, B).

        Raises
        ------
        InputError
            If the places of a row are not different numbers from 1 to O.
        """
        # It takes 0.15 s to import, and most files do without.
        import scipy.fft

        with reading(self.fields.path, SUBSAMPLING_INDICES):
            places = self.indices[period, channel, rows].astype(np.int64) - 1
        ordered = np.sort(places, axis=1)
        repeated = (np.diff(ordered, axis=1) == 0).any()
        if repeated or ordered[:, 0].min() < 0 or ordered[:, -1].max() >= self.n_positions:
            raise self.fields.error(
                f"holds other than different places from 1 to {self.n_positions}",
                SUBSAMPLING_INDICES,
                "store the 1-based place of each coefficient",
            )
        full = np.zeros((len(coefficients), self.n_positions), np.complex128)
        np.put_along_axis(full, places, coefficients, axis=1)
        axes = [axis for axis, size in enumerate(self.shape, start=1) if size > 1]
        if not axes:
            return full
        images = full.reshape(-1, *self.shape)
        images = scipy.fft.idctn(images, self.kind, axes=axes, norm="ortho", overwrite_x=True)
        return images.reshape(full.shape)

    @classmethod
    def from_fields(
        cls,
        fields: Fields,
        calibration: Calibration | None,
        n_rows: tuple[int, int, int],
    ) -> "SparseRows":
        """Check the description of sparse data with J, C, K rows; raises :class:`InputError`."""
        if calibration is None:
            raise fields.error(
                "is 1, but only calibration scans can be sparsity-transformed",
                "/measurement/isSparsityTransformed",
                "store the complete data, or add /calibration/method and size",
            )
        name = fields.text(SPARSITY_TRANSFORMATION).strip().upper()
        if name not in TRANSFORMATIONS:
            raise fields.error(
                f"unknown transformation {name!r}",
                SPARSITY_TRANSFORMATION,
                f"store the complete data, or one of {', '.join(TRANSFORMATIONS)}",
            )
        indices = fields.dataset(SUBSAMPLING_INDICES)
        if indices.dtype.kind not in "iu":
            raise fields.error(
                f"has type {indices.dtype} instead of integers",
                SUBSAMPLING_INDICES,
                "store 1-based places",
            )
        shape = tuple(calibration.size["xyz".index(axis)] for axis in reversed(calibration.order))
        if indices.ndim != 4 or indices.shape[:3] != n_rows or indices.shape[3] > math.prod(shape):
            raise fields.wrong_shape(
                SUBSAMPLING_INDICES, indices.shape, f"({', '.join(map(str, n_rows))}, B)"
            )
        return cls(TRANSFORMATIONS[name], shape, indices, fields)
