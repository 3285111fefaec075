"""Images of a phantom that restored system matrices give, and their errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from smrestore.evaluation.transfer.regridding import regridded
from smrestore.metrics import psnr, ssim
from smrestore.physics.grid import CalibrationGrid
from smrestore.reconstruction import ReconstructionSettings
from smrestore.reconstruction.matching import check_matrix
from smrestore.reconstruction.scans import PhantomImages, read_problem, solve_problem
from smrestore.support.checksums import intact, readable
from smrestore.support.files import new_hdf5, provenance


@dataclass(frozen=True)
class Variant:
    """One of the system matrices that a phantom scan is reconstructed with.

    Attributes
    ----------
    name
        A method, ``measured``, ``reference`` or ``truth``.
    label
        The same for readers.
    matrix
        MDF, or the truth of a virtual scan.
    own_rows
        Whether the signal-to-noise ratio that the matrix states chooses its rows, not that of
        the calibration as it was measured.
    same_grid
        Whether it is on the grid of the truth, so that its components are compared with it.
    """

    name: str
    label: str
    matrix: str | Path
    own_rows: bool = False
    same_grid: bool = True


def reconstruct_scan(
    variants: Sequence[Variant],
    calibration: str | Path,
    phantom: str | Path,
    *,
    settings: ReconstructionSettings,
    truth: str | Path | None,
    path: str | Path,
    empty: str | Path | None = None,
) -> None:
    """Reconstruct a phantom scan with each system matrix and write images, rows and settings.

    Parameters
    ----------
    variants
        The system matrices to use.
    calibration
        The degraded calibration scan; it alone decides on rows and weights, so that methods are
        compared on equal terms, but for those with rows of their own.
    phantom
        Phantom scan.
    truth
        Truth file with ``concentration``, None if nobody knows it. On another grid, the image is
        compared as piecewise constant, see :func:`.regridding.regridded`.
    path
        HDF5 file, with a group for each system matrix.
    empty
        Empty scan with the background of the phantom scan, None if it has frames of its own.

    Raises
    ------
    InputError
        If the scans do not match, or no row passes the criteria.
    """
    for variant in variants:
        check_matrix(variant.matrix, calibration, settings)
    problem = read_problem(calibration, phantom, settings, empty=empty)
    with new_hdf5(path) as file:
        file["rows"] = problem.rows.chosen
        if len(problem.rows.periods) > 1:
            file["row_periods"] = problem.rows.period
        file.attrs.update(
            {
                **provenance(),
                "frames": problem.averaged_frames,
                "sweeps": settings.sweeps,
                "weighting": settings.weighting,
            }
        )
        for variant in variants:
            own = problem
            if variant.own_rows:
                own = read_problem(variant.matrix, phantom, settings, empty=empty)
            result = solve_problem(own, variant.matrix, settings)
            _write_image(file.create_group(variant.name), variant.label, result, truth)


def _write_image(
    group: h5py.Group, label: str, result: PhantomImages, truth: str | Path | None
) -> None:
    image, grid, regularization = result.images[0], result.grid, result.regularization
    quality = {"psnr_dB": np.nan, "ssim": np.nan}
    if truth is not None:
        quality = _quality(image, grid, truth)
    group["image"] = image
    group["image"].attrs["unit"] = "concentration of the delta sample"
    group.attrs.update(
        {
            **quality,
            "label": label,
            "rows": len(result.rows.chosen),
            "fov_m": grid.fov,
            "center_m": grid.center,
            "relative_regularization": regularization.relative,
            "absolute_regularization": regularization.absolute,
            "squared_norm": regularization.squared_norm,
        }
    )


def _quality(image: np.ndarray, grid: CalibrationGrid, truth: str | Path) -> dict[str, float]:
    """Return PSNR and SSIM against the true concentration, on its grid."""
    with readable(truth, "concentration"), h5py.File(truth, "r") as file:
        concentration = intact(file["concentration"])[()]
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
