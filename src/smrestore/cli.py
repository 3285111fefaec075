"""The command ``smrestore``.

One function per command: it adds the command with its arguments and says what runs. Libraries are
imported when a command runs, because some take seconds, and ``--help`` must not.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from smrestore.errors import InputError

SCHEMA = Path("workflow/schemas/config.schema.yaml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, or 2 after an error that the user can mend.

    Such errors are one line each on stderr; anything else is a fault of this program and raises.
    """
    parsed = _parser().parse_args(arguments)
    try:
        parsed.run(parsed)
    except InputError as error:
        faults = str(error).splitlines()
    except OSError as error:
        if error.strerror is None:
            raise
        faults = [f"{error.filename}: {error.strerror}"]
    else:
        return 0
    for fault in faults:
        print(f"smrestore: error: {fault}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smrestore",
        description="Restoration of magnetic particle imaging system matrices.",
    )
    parser.add_argument("--version", action="version", version=f"smrestore {version('smrestore')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add_command in (_simulate, _plot, _inspect, _restore, _reconstruct, _models, _check):
        add_command(commands)
    return parser


def _simulate(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "simulate",
        help="simulate complete system matrices of small grids",
        description="Simulate complete system matrices: all receive channels and frequencies. "
        "docs/data-formats.md describes both files.",
    )
    parser.add_argument("cases", type=Path, help="JSON file with a list of cases")
    parser.add_argument("output", type=Path, help="HDF5 file to write")
    parser.add_argument(
        "--evaluator",
        choices=("table", "quadrature"),
        default="table",
        help="how the mean moment is computed; quadrature is the slow reference "
        "(default: %(default)s)",
    )
    parser.add_argument("--threads", type=int, help="threads (default: all cores)")
    parser.add_argument(
        "--transfer-function",
        type=Path,
        metavar="SCAN",
        help="MDF file whose transfer function the system matrices are multiplied by",
    )

    def run(arguments: argparse.Namespace) -> None:
        from smrestore.parameters import read_json_cases
        from smrestore.simulation import Resources, simulate_full

        if arguments.threads is not None and arguments.threads < 1:
            raise InputError(
                f"{arguments.threads} threads", field="--threads", remedy="give 1 or more"
            )
        resources = Resources(evaluator=arguments.evaluator, threads=arguments.threads)
        cases, transfer = read_json_cases(arguments.cases), None
        if arguments.transfer_function is not None:
            transfer = _read_transfer_function(arguments.transfer_function)
        simulate_full(cases, arguments.output, resources, transfer)

    parser.set_defaults(run=run)


def _read_transfer_function(path: Path) -> object:
    """Return the transfer function of a scan, complex128 (C, K)."""
    from smrestore.mdf import open_mdf

    with open_mdf(path) as scan:
        if scan.transfer_function is None:
            raise InputError(
                "no transfer function inside",
                path=path,
                field="/acquisition/receiver/transferFunction",
                remedy="give a scan with one",
            )
        return scan.transfer_function


def _plot(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "plot",
        help="draw a component of a simulated system matrix",
        description="Draw a component of a system matrix store, or of complete system matrices: "
        "its plane in 2D, in 3D the three planes through its strongest voxel.",
    )
    parser.add_argument("file", type=Path, help="HDF5 file of simulated system matrices")
    parser.add_argument("output", type=Path, help="picture to write: .png, .pdf or .svg")
    parser.add_argument("--matrix", help="name of the matrix (default: the first)")
    parser.add_argument(
        "--channel", type=int, default=0, help="receive channel, from 0 (default: %(default)s)"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--frequency", type=int, help="frequency bin, from 0 (default: the strongest component)"
    )
    which.add_argument(
        "--mixing-order",
        type=int,
        nargs=3,
        metavar=("X", "Y", "Z"),
        help="multiples of the drive frequencies",
    )

    def run(arguments: argparse.Namespace) -> None:
        from smrestore.figures.component_view import ComponentChoice, plot_component

        order = arguments.mixing_order and tuple(arguments.mixing_order)
        choice = ComponentChoice(arguments.matrix, arguments.channel, arguments.frequency, order)
        plot_component(arguments.file, arguments.output, choice)

    parser.set_defaults(run=run)


def _inspect(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "inspect",
        help="describe an MDF file",
        description="Describe an MDF file: what was measured, how it is stored, and what is "
        "unusual. docs/mdf.md explains each line.",
    )
    parser.add_argument("file", type=Path, help="MDF file")
    parser.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="draw components of a calibration scan"
    )
    parser.add_argument(
        "--component",
        type=int,
        nargs=2,
        action="append",
        metavar=("CHANNEL", "FREQUENCY"),
        help="component to draw, counted from 0; may be repeated (default: those of the highest "
        "signal-to-noise ratio in each channel)",
    )
    parser.add_argument(
        "--period", type=int, default=0, help="drive-field period to draw (default: %(default)s)"
    )

    def run(arguments: argparse.Namespace) -> None:
        from smrestore.mdf import inspect_mdf

        if arguments.component and arguments.pictures is None:
            raise InputError(
                "there is no folder for the pictures",
                field="--component",
                remedy="give --pictures FOLDER too",
            )
        print(inspect_mdf(arguments.file).text())
        if arguments.pictures is not None:
            from smrestore.figures.scan_view import plot_scan

            for picture in plot_scan(
                arguments.file, arguments.pictures, arguments.component, arguments.period
            ):
                print(picture)

    parser.set_defaults(run=run)


def _restore(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "restore",
        help="restore a calibration scan",
        description="Restore all components of a calibration scan (MDF) and write them as MDF. The "
        "scan itself is never changed. docs/lab.md shows how.",
    )
    parser.add_argument("task", help="what is restored: denoising")
    parser.add_argument("scan", type=Path, help="calibration scan, MDF")
    parser.add_argument("output", type=Path, help="MDF file to write")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--model", type=Path, metavar="WEIGHTS", help="weights of a trained network")
    how.add_argument("--method", help="classical method: dct-filter")
    parser.add_argument(
        "--omega", type=float, default=2.75, help="threshold of dct-filter (default: %(default)s)"
    )
    parser.add_argument(
        "--sigma-factor",
        type=float,
        default=0.3,
        help="classical methods are told the standard deviation of the background frames, which "
        "drift, times this (default: %(default)s)",
    )
    parser.add_argument(
        "--background",
        choices=("interpolate", "mean", "none"),
        default="interpolate",
        help="how the background frames are subtracted (default: %(default)s)",
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
        from smrestore.restoration import WITH_SIGNAL, restore_scan
        from smrestore.tasks.scan import scan_task

        if not arguments.sigma_factor > 0 or arguments.components < 1:
            wrong = "--sigma-factor" if not arguments.sigma_factor > 0 else "--components"
            raise InputError("is not above 0", field=wrong, remedy="give a positive number")
        task, baseline = scan_task(arguments.task), None
        if arguments.method is not None:
            baseline = {"method": arguments.method, "omega": arguments.omega}
        method = load_method(baseline, arguments.model, task.name)
        name = arguments.method or str(arguments.model)
        background = None if arguments.background == "none" else arguments.background
        summary = restore_scan(
            arguments.scan,
            arguments.output,
            method,
            name=name,
            task=task,
            sigma_factor=arguments.sigma_factor if baseline else 1.0,
            background=background,
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
            )
            print("\n".join(map(str, pictures)))

    parser.set_defaults(run=run)


def _reconstruct(commands: argparse._SubParsersAction) -> None:
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
        help="of phantom and empty scan (default: %(default)s)",
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
        settings = ReconstructionSettings(
            sweeps=arguments.sweeps,
            relative_regularization=relative,
            absolute_regularization=arguments.absolute_lambda,
            snr_threshold=arguments.snr,
            channels=tuple(channels),
            weighting=arguments.weighting,
            real=not arguments.no_real,
            positive=not arguments.no_positive,
            min_frequency_Hz=1e3 * arguments.band[0],
            max_frequency_Hz=1e3 * arguments.band[1],
            max_mixing_order=arguments.max_mixing_order,
            shuffle_seed=arguments.shuffle_seed,
            frames=arguments.frames and tuple(arguments.frames),
            background=arguments.background,
            period=_period(arguments.period),
            spectral_leakage=arguments.spectral_leakage,
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


def _models(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "models",
        help="list trained networks",
        description="List the trained networks below a folder, and name those that cannot be used.",
    )
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path("results/models"),
        help="folder to search (default: %(default)s)",
    )

    def run(arguments: argparse.Namespace) -> None:
        from tabulate import tabulate

        from smrestore.models import list_models

        rows, broken = list_models(arguments.folder)
        if rows:
            print(tabulate(rows, headers="keys", floatfmt=".2f"))
        for fault in broken:
            print(f"broken: {fault}")
        if not rows and not broken:
            print(f"{arguments.folder}: no trained networks")

    parser.set_defaults(run=run)


def _period(text: str | None) -> int | str | None:
    """Return a period as the library takes it; what is no number stays text."""
    return int(text) if text is not None and text.isdecimal() else text


def _check(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "check",
        help="check a configuration",
        description="Check a configuration and print one line per fault. docs/configuration.md "
        "describes all keys.",
    )
    parser.add_argument(
        "configuration", type=Path, nargs="+", help="config.yaml, and overlays in their order"
    )
    parser.add_argument(
        "--schema", type=Path, default=SCHEMA, help="JSON schema (default: %(default)s)"
    )

    def run(arguments: argparse.Namespace) -> None:
        from smrestore.configuration import check_configuration, read_configuration

        config = read_configuration(arguments.configuration)
        check_configuration(config, arguments.schema, Path.cwd())
        print(f"{', '.join(map(str, arguments.configuration))}: no faults")

    parser.set_defaults(run=run)
