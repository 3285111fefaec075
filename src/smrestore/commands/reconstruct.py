"""``smrestore reconstruct``: reconstruct a phantom scan."""

import argparse
from math import isinf
from pathlib import Path

from smrestore.support.errors import InputError


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command with its arguments."""
    parser = commands.add_parser(
        "reconstruct",
        help="reconstruct a phantom scan",
        description="Reconstruct a phantom scan (MDF) with a system matrix (MDF) by the "
        "regularized Kaczmarz method, and write the images as MDF with a picture beside. "
        "docs/lab.md shows how.",
    )
    parser.add_argument("matrix", type=Path, metavar="SM", help="system matrix, MDF")
    parser.add_argument("phantom", type=Path, metavar="PHANTOM", help="phantom scan, MDF")
    parser.add_argument(
        "output", type=Path, metavar="OUTPUT", help="MDF file to write; the picture ends in .png"
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="SCAN",
        help="calibration scan as it was measured, which decides on the rows if SM is restored",
    )
    parser.add_argument(
        "--empty", type=Path, metavar="SCAN", help="empty scan with the background of the phantom"
    )
    parser.add_argument(
        "--background",
        choices=("interpolate", "mean", "none"),
        default="interpolate",
        help="how the background frames of SM and calibration are subtracted, unless they are "
        "already (default: %(default)s)",
    )
    parser.add_argument(
        "--period",
        metavar="N",
        help="drive-field period of frames with several, from 0, or mean (default: all of them, "
        "if both scans have equally many)",
    )
    parser.add_argument(
        "--spectral-leakage",
        choices=("ignore", "correct"),
        default="ignore",
        help="of phantom and empty scan, and of SM and calibration if these are time signals of "
        "several equal periods (default: %(default)s)",
    )
    parser.add_argument("--sweeps", type=int, default=10, help="default: %(default)s")
    convention = parser.add_mutually_exclusive_group()
    convention.add_argument(
        "--relative-lambda",
        type=float,
        help="regularization relative to the squared norm of the weighted matrix per voxel "
        "(default: 0.01)",
    )
    convention.add_argument("--absolute-lambda", type=float, help="regularization as it is solved")
    parser.add_argument(
        "--snr", type=float, default=1.5, help="smallest SNR of a row (default: %(default)s)"
    )
    parser.add_argument(
        "--channels", type=int, nargs="+", help="receive channels, from 0 (default: all)"
    )
    parser.add_argument(
        "--band",
        type=float,
        nargs=2,
        default=(80.0, float("inf")),
        metavar=("FROM", "TO"),
        help="frequencies in kHz (default: 80 and higher)",
    )
    parser.add_argument("--max-mixing-order", type=int, help="default: no limit")
    parser.add_argument(
        "--weighting",
        choices=("none", "row-norm", "whitening"),
        default="none",
        help="weights of the rows (default: %(default)s)",
    )
    parser.add_argument("--no-real", action="store_true", help="let the image be complex")
    parser.add_argument("--no-positive", action="store_true", help="let the image be negative")
    parser.add_argument(
        "--frames",
        type=int,
        nargs=2,
        metavar=("FIRST", "END"),
        help="frames with a phantom, from 0, END not included (default: all)",
    )
    parser.add_argument(
        "--average", type=int, metavar="N", help="frames in one image (default: all of them)"
    )
    parser.add_argument(
        "--shuffle-seed", type=int, help="visit the rows in a random order (default: as they come)"
    )

    def run(arguments: argparse.Namespace) -> None:
        from smrestore.figures.reconstruction_view import plot_reconstruction
        from smrestore.mdf import open_mdf
        from smrestore.reconstruction import ReconstructionSettings
        from smrestore.reconstruction.output import picture_of, reconstruct_to_mdf

        if arguments.average is not None and arguments.average < 1:
            raise InputError("is below 1", field="--average", remedy="give 1 or more")
        channels = arguments.channels
        if channels is None:
            with open_mdf(arguments.matrix) as file:
                channels = range(file.acquisition.n_channels)
        relative = arguments.relative_lambda
        if relative is None and arguments.absolute_lambda is None:
            relative = 0.01
        settings = ReconstructionSettings.checked(
            {
                "sweeps": arguments.sweeps,
                "relative_regularization": relative,
                "absolute_regularization": arguments.absolute_lambda,
                "snr_threshold": arguments.snr,
                "channels": tuple(channels),
                "weighting": arguments.weighting,
                "real": not arguments.no_real,
                "positive": not arguments.no_positive,
                "min_frequency_Hz": 1e3 * arguments.band[0],
                "max_frequency_Hz": None if isinf(arguments.band[1]) else 1e3 * arguments.band[1],
                "max_mixing_order": arguments.max_mixing_order,
                "shuffle_seed": arguments.shuffle_seed,
                "frames": arguments.frames and tuple(arguments.frames),
                "background": arguments.background,
                "period": _period(arguments.period),
                "spectral_leakage": arguments.spectral_leakage,
            }
        )
        result = reconstruct_to_mdf(
            arguments.matrix,
            arguments.phantom,
            arguments.output,
            settings,
            calibration=arguments.calibration,
            average_frames=arguments.average,
            empty=arguments.empty,
        )
        regularization = result.regularization
        plot_reconstruction(
            result.images,
            result.grid,
            picture_of(arguments.output),
            title=f"{arguments.phantom.stem}, reconstructed with {arguments.matrix.stem}",
            subtitle=f"{regularization.rows} rows, {settings.sweeps} sweeps, "
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
        print(f"{arguments.output}\n{picture_of(arguments.output)}")

    parser.set_defaults(run=run)


def _period(text: str | None) -> int | str | None:
    """Return a period as the library takes it; what is no number stays text."""
    return int(text) if text is not None and text.isdecimal() else text
