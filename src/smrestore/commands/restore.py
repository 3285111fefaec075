"""``smrestore restore``: restore a calibration scan."""

import argparse
import math
from pathlib import Path

from smrestore.support.errors import InputError

WITHIN_NOISE = 3.0
"""As in the default run."""


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command with its arguments."""
    parser = commands.add_parser(
        "restore",
        help="restore a calibration scan",
        description="Restore all components of a calibration scan (MDF) and write them as MDF. The "
        "scan itself is never changed. docs/lab.md shows how.",
    )
    parser.add_argument("task", help="denoising, accelerated-calibration, upsampling or inpainting")
    parser.add_argument("scan", type=Path, help="calibration scan, MDF")
    parser.add_argument("output", type=Path, help="MDF file to write")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--model", type=Path, metavar="WEIGHTS", help="weights of a trained network")
    how.add_argument(
        "--method",
        help="classical method: dct-filter, spline (finer grids), biharmonic (missing); or physics "
        "fitted to the scan: model, model-and-measurement",
    )
    parser.add_argument(
        "--save-fit", type=Path, metavar="JSON", help="fitted methods: write the fitted model"
    )
    parser.add_argument(
        "--allow-misfit",
        action="store_true",
        help="fitted methods: restore scans, too, that the model does not describe",
    )
    parser.add_argument(
        "--omega", type=float, default=2.75, help="threshold of dct-filter (default: %(default)s)"
    )
    parser.add_argument(
        "--factor",
        type=int,
        help="accelerated calibration and upsampling: restored voxels for each measured one and "
        "axis",
    )
    parser.add_argument(
        "--mask",
        type=Path,
        metavar="CSV",
        help="inpainting: voxels that are missing, for example of smrestore propose-mask",
    )
    parser.add_argument(
        "--sigma-factor",
        type=float,
        default=0.3,
        help="classical methods are told the standard deviation of the background frames, which "
        "drift, times this; networks are told the noise of the components (default: %(default)s)",
    )
    parser.add_argument(
        "--within-noise",
        type=float,
        default=WITHIN_NOISE,
        metavar="N",
        help="networks change measured voxels by at most so many standard deviations of their "
        "noise; inf for no limit (default: %(default)s)",
    )
    parser.add_argument(
        "--ensemble",
        nargs="+",
        choices=("phases", "flips"),
        default=(),
        help="networks restore turned or mirrored versions of each component, too, and average "
        "them; mirrored ones need a network that was trained with them",
    )
    parser.add_argument(
        "--twins",
        action="store_true",
        help="denoising: average each component with its twin frequencies first",
    )
    parser.add_argument(
        "--background",
        choices=("interpolate", "mean", "none"),
        default="interpolate",
        help="how the background frames are subtracted (default: %(default)s)",
    )
    parser.add_argument(
        "--spectral-leakage",
        choices=("ignore", "correct"),
        default="ignore",
        help="of time signals of several equal drive-field periods per frame; other calibrations "
        "cannot be corrected (default: %(default)s)",
    )
    parser.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="draw components before and after"
    )
    parser.add_argument(
        "--components",
        type=int,
        default=4,
        help="components that are drawn, from weak to strong ones (default: %(default)s)",
    )

    def run(arguments: argparse.Namespace) -> None:
        from tabulate import tabulate

        from smrestore.methods import load_method
        from smrestore.restoration.modelled import METHODS, restore_by_model
        from smrestore.restoration.scan import restore_scan
        from smrestore.restoration.summary import WITH_SIGNAL
        from smrestore.tasks.configured import configured_task

        for option in ("sigma_factor", "within_noise", "components"):
            if not getattr(arguments, option) > 0:
                raise InputError(
                    "is not above 0",
                    field=f"--{option.replace('_', '-')}",
                    remedy="give a positive number",
                )
        if arguments.twins and arguments.task != "denoising":
            raise InputError(
                f"twins cannot be used for {arguments.task}",
                field="--twins",
                remedy="denoise with twins first, and then restore the result",
            )
        entry = {"task": arguments.task, "factor": arguments.factor}
        if arguments.mask is not None:
            entry["missing"] = {"file": arguments.mask}
        task, baseline = configured_task(entry, arguments.scan, arguments.mask), None
        if arguments.method is not None:
            options = {"dct-filter": {"omega": arguments.omega}, "spline": {"alignment": "aligned"}}
            baseline = {"method": arguments.method, **options.get(arguments.method, {})}
        limited = math.isfinite(arguments.within_noise)
        inference = {
            "within_noise": arguments.within_noise if limited else None,
            "ensemble": arguments.ensemble,
        }
        background = None if arguments.background == "none" else arguments.background
        name = arguments.method or str(arguments.model)
        if arguments.method in METHODS:
            summary = restore_by_model(
                arguments.scan,
                arguments.output,
                arguments.method,
                task=task,
                background=background,
                allow_misfit=arguments.allow_misfit,
                save=arguments.save_fit,
            )
        else:
            method = load_method(baseline, arguments.model, task.name, inference=inference)
            summary = restore_scan(
                arguments.scan,
                arguments.output,
                method,
                name=name,
                task=task,
                background_factor=arguments.sigma_factor if baseline else None,
                twins=arguments.twins,
                background=background,
                spectral_leakage=arguments.spectral_leakage,
            )
        print(tabulate(summary.channel_rows(), headers="keys", floatfmt=".2f", missingval=""))
        print(f"Medians over the components with an SNR of {WITH_SIGNAL:g} or more before: largest")
        print("magnitude over the roughness between voxels. It tells smoothness, not truth.")
        print(f"{arguments.output}: restored by {name}")
        if arguments.pictures is not None:
            from smrestore.figures.restoration_view import choose_components, plot_restored

            places = choose_components(summary.snr_before, arguments.components, WITH_SIGNAL)
            pictures = plot_restored(
                arguments.scan,
                arguments.output,
                arguments.pictures,
                places,
                name=name,
                background=background,
                spectral_leakage=arguments.spectral_leakage,
            )
            print("\n".join(map(str, pictures)))

    parser.set_defaults(run=run)
