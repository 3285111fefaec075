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
    for add_command in (_simulate, _plot, _inspect, _check):
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
