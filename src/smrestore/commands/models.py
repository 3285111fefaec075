"""``smrestore models``: list trained networks."""

import argparse
from pathlib import Path


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command with its arguments."""
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

        from smrestore.networks.weights import list_models

        rows, broken = list_models(arguments.folder)
        if rows:
            print(tabulate(rows, headers="keys", floatfmt=".2f"))
        for fault in broken:
            print(f"broken: {fault}")
        if not rows and not broken:
            print(f"{arguments.folder}: no trained networks")

    parser.set_defaults(run=run)
