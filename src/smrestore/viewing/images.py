"""A phantom reconstructed with every file of the page."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smrestore.physics import CalibrationGrid
from smrestore.reconstruction import ReconstructionSettings
from smrestore.reconstruction.scans import reconstruct_phantom
from smrestore.viewing.matrices import ViewedMatrix

SETTINGS = {
    "sweeps": 10,
    "relative_regularization": 0.01,
    "snr_threshold": 1.5,
    "min_frequency_Hz": 80e3,
}
"""Those of ``smrestore reconstruct`` if none are given."""


@dataclass(frozen=True, eq=False)
class PhantomImage:
    """The mean of all frames of a phantom scan, reconstructed.

    Attributes
    ----------
    image
        float64 (Nx, Ny, Nz), concentration over that of the delta sample. Where voxels are smaller
        than those of the first file, it is that of as many as fill one of these.
    grid
        Its grid.
    rows
        Rows of the system matrix that were used.
    """

    image: np.ndarray
    grid: CalibrationGrid
    rows: int


def reconstruct_images(matrices: list[ViewedMatrix], phantom: str | Path) -> list[PhantomImage]:
    """Reconstruct a phantom scan with each file, all with the rows of the first.

    Parameters
    ----------
    matrices
        The files. The first decides on rows, so its signal-to-noise ratio must be known.
    phantom
        MDF file of the phantom scan.

    Raises
    ------
    InputError
        If the scans do not match, or no row passes.
    """
    settings = ReconstructionSettings.checked(
        {**SETTINGS, "channels": tuple(range(matrices[0].n_channels))}
    )
    images = []
    for matrix in matrices:
        result = reconstruct_phantom(matrix.path, matrices[0].path, phantom, settings)
        # Each voxel stands for a delta sample, and on a finer grid more of them share the tracer.
        finer = math.prod(result.grid.size) / math.prod(matrices[0].grid.size)
        images.append(
            PhantomImage(finer * result.images[0], result.grid, result.regularization.rows)
        )
    return images
