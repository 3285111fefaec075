"""Images of a phantom that restored system matrices give, and their errors."""

from pathlib import Path

import h5py
import numpy as np

from smrestore.files import atomic_path, provenance
from smrestore.metrics import psnr, ssim
from smrestore.physics.grid import CalibrationGrid
from smrestore.reconstruction import ReconstructionSettings
from smrestore.reconstruction.scans import reconstruct_phantom
from smrestore.transfer.regridding import regridded


def reconstruct_scan(
    matrix: str | Path,
    calibration: str | Path,
    phantom: str | Path,
    *,
    settings: ReconstructionSettings,
    truth: str | Path | None,
    label: str,
    path: str | Path,
    empty: str | Path | None = None,
) -> None:
    """Reconstruct a phantom scan with one system matrix and write image, rows and settings.

    Parameters
    ----------
    matrix
        The system matrix to use: MDF, or the truth of a virtual scan.
    calibration
        The degraded calibration scan; it alone decides on rows and weights, so that methods are
        compared on equal terms.
    phantom
        Phantom scan.
    truth
        Truth file with ``concentration``, None if nobody knows it. On another grid, the image is
        compared as piecewise constant, see :func:`smrestore.transfer.regridding.regridded`.
    label
        Name of the system matrix for figures.
    empty
        Empty scan with the background of the phantom scan, None if it has frames of its own.

    Raises
    ------
    InputError
        If the scans do not match, or no row passes the criteria.
    """
    result = reconstruct_phantom(matrix, calibration, phantom, settings, empty=empty)
    image, regularization = result.images[0], result.regularization
    quality = {"psnr_dB": np.nan, "ssim": np.nan}
    if truth is not None:
        quality = _quality(image, result.grid, truth)
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file["image"] = image
        file["image"].attrs["unit"] = "concentration of the delta sample"
        file["rows"] = result.rows.chosen
        if len(result.rows.periods) > 1:
            file["row_periods"] = result.rows.period
        file.attrs.update(
            {
                **provenance(),
                **quality,
                "label": label,
                "fov_m": result.grid.fov,
                "center_m": result.grid.center,
                "frames": result.averaged_frames,
                "sweeps": settings.sweeps,
                "weighting": settings.weighting,
                "relative_regularization": regularization.relative,
                "absolute_regularization": regularization.absolute,
                "squared_norm": regularization.squared_norm,
            }
        )


def _quality(image: np.ndarray, grid: CalibrationGrid, truth: str | Path) -> dict[str, float]:
    """Return PSNR and SSIM against the true concentration, on its grid."""
    with h5py.File(truth, "r") as file:
        concentration = file["concentration"][()]
        place = tuple(file.attrs["fov_m"]), tuple(file.attrs["center_m"])
    true_grid = CalibrationGrid(concentration.shape, *place)
    # A voxel of concentration 1 holds one delta sample, however large it is.
    extended = (grid.voxel > 0) & (true_grid.voxel > 0)
    share = np.prod(true_grid.voxel[extended] / grid.voxel[extended])
    image = share * regridded(image, grid, true_grid)
    peak = concentration.max()
    return {
        "psnr_dB": psnr(image, concentration, peak=peak),
        "ssim": ssim(image, concentration, data_range=peak),
    }
