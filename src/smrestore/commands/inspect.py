"""``smrestore inspect``: describe an MDF file."""

import argparse
from pathlib import Path

from smrestore.support.errors import InputError


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command with its arguments."""
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
