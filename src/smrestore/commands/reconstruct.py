"""``smrestore reconstruct``: reconstruct a phantom scan."""

from math import inf, isinf
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter
from cyclopts.types import NonNegativeFloat, PositiveInt
from cyclopts.validators import mutually_exclusive

from smrestore.support.choices import Background, Leakage, Weighting

convention = Parameter(group=Group("Regularization (at most one)", validator=mutually_exclusive))


def reconstruct(
    sm: Path,
    phantom: Path,
    output: Path,
    /,
    *,
    calibration: Path | None = None,
    empty: Path | None = None,
    background: Background = "interpolate",
    period: int | Literal["mean"] | None = None,
    spectral_leakage: Leakage = "ignore",
    sweeps: int = 10,
    relative_lambda: Annotated[NonNegativeFloat | None, convention] = None,
    absolute_lambda: Annotated[NonNegativeFloat | None, convention] = None,
    snr: NonNegativeFloat = 1.5,
    channels: Annotated[tuple[int, ...] | None, Parameter(consume_multiple=1)] = None,
    band: Annotated[tuple[float, float], Parameter(metavar="FROM TO", show_default="80 inf")] = (
        80.0,
        inf,
    ),
    max_mixing_order: int | None = None,
    weighting: Weighting = "none",
    no_real: bool = False,
    no_positive: bool = False,
    frames: Annotated[tuple[int, int] | None, Parameter(metavar="FIRST END")] = None,
    average: PositiveInt | None = None,
    shuffle_seed: int | None = None,
) -> None:
    """Reconstruct a phantom scan.

    Uses a system matrix and the regularized Kaczmarz method. The images are written as MDF, with
    a picture. docs/lab.md shows how.

    Parameters
    ----------
    sm
        System matrix, MDF.
    phantom
        Phantom scan, MDF.
    output
        MDF file to write; the picture ends in .png.
    calibration
        Calibration scan as it was measured. It decides on the rows if SM is restored.
    empty
        Empty scan with the background of the phantom.
    background
        How the background frames of SM and calibration are subtracted, if they are not yet.
    period
        Drive-field period of frames with several, from 0, or mean. If left out, all of them are
        used, if both scans have equally many.
    spectral_leakage
        Whether the leakage of phantom and empty scan is corrected, and that of SM and calibration
        if these are time signals of several equal periods.
    sweeps
        Sweeps over all rows.
    relative_lambda
        Lambda over the squared norm of the weighted matrix per voxel; 0.01 if neither is given.
    absolute_lambda
        Lambda itself.
    snr
        Smallest signal-to-noise ratio of a row.
    channels
        Receive channels, from 0; all if left out.
    band
        Frequencies in kHz.
    max_mixing_order
        Largest mixing order; any if left out.
    weighting
        Weights of the rows.
    no_real
        Let the image be complex.
    no_positive
        Let the image be negative.
    frames
        Frames with a phantom, from 0, END not included; all if left out.
    average
        Frames in one image; all of them if left out.
    shuffle_seed
        Visit the rows in a random order; in their own order if left out.
    """
    from smrestore.figures.reconstruction_view import plot_reconstruction
    from smrestore.mdf import open_mdf
    from smrestore.reconstruction import ReconstructionSettings
    from smrestore.reconstruction.output import picture_of, reconstruct_to_mdf

    if channels is None:
        with open_mdf(sm) as file:
            channels = tuple(range(file.acquisition.n_channels))
    if relative_lambda is None and absolute_lambda is None:
        relative_lambda = 0.01
    settings = ReconstructionSettings.checked(
        {
            "sweeps": sweeps,
            "relative_regularization": relative_lambda,
            "absolute_regularization": absolute_lambda,
            "snr_threshold": snr,
            "channels": channels,
            "weighting": weighting,
            "real": not no_real,
            "positive": not no_positive,
            "min_frequency_Hz": 1e3 * band[0],
            "max_frequency_Hz": None if isinf(band[1]) else 1e3 * band[1],
            "max_mixing_order": max_mixing_order,
            "shuffle_seed": shuffle_seed,
            "frames": frames,
            "background": background,
            "period": period,
            "spectral_leakage": spectral_leakage,
        }
    )
    result = reconstruct_to_mdf(
        sm,
        phantom,
        output,
        settings,
        calibration=calibration,
        average_frames=average,
        empty=empty,
    )
    regularization = result.regularization
    plot_reconstruction(
        result.images,
        result.grid,
        picture_of(output),
        title=f"{phantom.stem}, reconstructed with {sm.stem}",
        subtitle=f"{regularization.rows} rows, {sweeps} sweeps, "
        f"relative $\\lambda$ = {regularization.relative:.3g}",
    )
    print(
        f"{len(result.images)} image(s) of {result.averaged_frames} frame(s), "
        f"{regularization.rows} rows, {regularization.voxels} voxels"
    )
    print(
        f"lambda: {regularization.relative:.6g} relative, {regularization.absolute:.6g} "
        f"absolute, squared norm {regularization.squared_norm:.6g}"
    )
    print(f"{output}\n{picture_of(output)}")
