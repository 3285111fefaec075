"""Reconstruction of a lab's own scans: two MDF files in, an MDF file out."""

from pathlib import Path

import numpy as np

from smrestore import mdf
from smrestore.reconstruction.scans import PhantomImages, reconstruct_phantom
from smrestore.reconstruction.settings import ReconstructionSettings
from smrestore.support.files import check_separate, provenance


def reconstruct_to_mdf(
    matrix: str | Path,
    phantom: str | Path,
    output: str | Path,
    settings: ReconstructionSettings,
    *,
    calibration: str | Path | None = None,
    average_frames: int | None = None,
    empty: str | Path | None = None,
) -> PhantomImages:
    """Reconstruct a phantom scan and write the images as MDF.

    Parameters
    ----------
    matrix
        System matrix, MDF.
    phantom
        Phantom scan, MDF.
    output
        MDF file to write. Its picture, see :func:`picture_of`, must replace no scan either.
    settings
        Choice of rows, weighting, regularization, constraints and frames.
    calibration
        Calibration scan that decides on rows and weights, if the matrix is a restored one; by
        default the matrix.
    average_frames
        Consecutive frames that one image is made of; None averages all into one image.
    empty
        Empty scan with the background of the phantom scan, if it has no background frames.

    Raises
    ------
    InputError
        If the output is one of the inputs, the scans do not match, or no row passes.
    """
    sources = {"matrix": matrix, "phantom": phantom, "calibration": calibration, "empty": empty}
    for made in (output, picture_of(output)):
        check_separate(made, *sources.values())
    result = reconstruct_phantom(
        matrix,
        calibration or matrix,
        phantom,
        settings,
        average_frames=average_frames,
        empty=empty,
    )
    mdf.write_reconstruction(
        phantom,
        output,
        mdf.Reconstruction(result.images, result.grid, _parameters(result, settings, sources)),
        description=f"reconstructed with {Path(matrix).name} by {settings.sweeps} Kaczmarz sweeps",
    )
    return result


def picture_of(output: str | Path) -> Path:
    """Return the path of the picture beside an MDF file."""
    return Path(output).with_suffix(".png")


def _parameters(
    result: PhantomImages, settings: ReconstructionSettings, sources: dict[str, object]
) -> dict[str, object]:
    """Return all that decides on the images, as it is stored; docs/data-formats.md lists it."""
    regularization = result.regularization
    given = settings.model_dump() | {
        "max_frequency_Hz": np.inf
        if settings.max_frequency_Hz is None
        else settings.max_frequency_Hz,
        "relative_regularization": regularization.relative,
        "absolute_regularization": regularization.absolute,
    }
    return {
        **{key: _stored(value) for key, value in given.items() if value is not None},
        "squared_norm": regularization.squared_norm,
        "voxels": regularization.voxels,
        "rows": result.rows.chosen,
        **({"row_periods": result.rows.period} if len(result.rows.periods) > 1 else {}),
        # MPIFiles.jl derives the time axis from it.
        "nAverages": result.averaged_frames,
        **{name: str(Path(path).name) for name, path in sources.items() if path is not None},
        **provenance(),
    }


def _stored(value: object) -> object:
    return np.array(value) if isinstance(value, tuple) else value
