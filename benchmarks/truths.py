"""The truth of virtual scans, and how far images are from it."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from smrestore.fitting.scan import CalibrationData
from smrestore.metrics import psnr

SEEN = 0.5
"""True peak over noise from which on a component counts."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The true components of a scan.

    Attributes
    ----------
    images, peak
        complex (S, Nx, Ny, Nz), and their largest magnitudes (S,).
    seen
        Components that count, int64 (n,).
    """

    images: np.ndarray
    peak: np.ndarray
    seen: np.ndarray

    @classmethod
    def of(cls, path: Path, data: CalibrationData) -> "Truth":
        """Read the components of a scan from its file of truth."""
        with h5py.File(path) as file:
            place = np.searchsorted(file["frequency"][:], data.components.frequency)
            images = file["system_matrix"][:][data.components.channel, place]
        peak = np.abs(images).max(axis=(1, 2, 3))
        seen = np.flatnonzero((peak > SEEN * data.noise) & (data.components.frequency > 0))
        return cls(images, peak, seen)

    def quality(self, images: np.ndarray, own: np.ndarray | None = None) -> float:
        """Return the mean PSNR of images (S, Nx, Ny, Nz) of the components ``own``, or all seen."""
        peak = self.peak
        return float(
            np.mean(
                [
                    psnr(images[k] / peak[k], self.images[k] / peak[k])
                    for k in (self.seen if own is None else own)
                ]
            )
        )
