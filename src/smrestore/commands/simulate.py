"""``smrestore simulate``: simulate complete system matrices."""

import argparse
from pathlib import Path

from smrestore.support.errors import InputError


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command with its arguments."""
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
        from smrestore.physics.parameters import read_json_cases
        from smrestore.simulation.batches import Resources, simulate_full

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
