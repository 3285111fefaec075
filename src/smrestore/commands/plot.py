"""``smrestore plot``: draw a component of a simulated system matrix."""

import argparse
from pathlib import Path


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command with its arguments."""
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
