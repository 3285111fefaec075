"""Images that are simulated in stages, some voxels at a time, and read a few images at a time."""

import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

COPY_ROWS = 64
"""Images that are turned from voxel-major to image-major order at a time."""


@dataclass
class StagedImages:
    """Images (n, Nx, Ny, Nz) whose voxels arrive in stages, z fastest.

    Attributes
    ----------
    count, size, dtype
        Number of images, voxels along each axis, and type of the values.
    voxels_per_stage
        Voxels that are held in memory. When these are not all, stages wait on disk.
    folder
        Folder for them, the one for temporary files if not given. The space is free again when the
        object is.
    """

    count: int
    size: tuple[int, int, int]
    dtype: np.dtype
    voxels_per_stage: int
    folder: Path | None = None
    _values: np.ndarray | None = None
    _file: BinaryIO | None = None
    _stages: list[tuple[int, int]] = field(default_factory=list)

    def fill(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield voxels of the grid and an array (voxels, n) to fill, until there are no more."""
        n_voxels = math.prod(self.size)
        buffer = np.empty((min(self.voxels_per_stage, n_voxels), self.count), self.dtype)
        for start in range(0, n_voxels, self.voxels_per_stage):
            voxels = slice(start, min(start + self.voxels_per_stage, n_voxels))
            values = buffer[: voxels.stop - voxels.start]
            yield voxels, values
            if len(values) == n_voxels:
                self._values = values
                return
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115
            self._stages.append((self._file.seek(0, 2), len(values)))
            for row in range(0, self.count, COPY_ROWS):
                np.ascontiguousarray(values[:, row : row + COPY_ROWS].T).tofile(self._file)

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Return the images with ascending ``indices``, (len(indices), Nx, Ny, Nz)."""
        first, last = int(indices[0]), int(indices[-1])
        if self._values is not None:
            parts = [self._values[:, first : last + 1].T]
        else:
            parts = []
            for offset, width in self._stages:
                self._file.seek(offset + first * width * self.dtype.itemsize)
                part = np.fromfile(self._file, self.dtype, (last + 1 - first) * width)
                parts.append(part.reshape(-1, width))
        return np.concatenate(parts, axis=1)[indices - first].reshape(-1, *self.size)


@dataclass(frozen=True)
class NormalizedImages:
    """Chosen images, each divided by its largest magnitude; read by slices like an array.

    Attributes
    ----------
    images, indices, peaks
        Where they come from, which they are (ascending), and their largest magnitudes.
    """

    images: StagedImages
    indices: np.ndarray
    peaks: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (n, Nx, Ny, Nz)."""
        return (len(self.indices), *self.images.size)

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        return self.images.dtype

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return some of the images."""
        images = self.images.read(self.indices[rows])
        images /= self.peaks[rows, None, None, None].astype(images.real.dtype)
        return images
