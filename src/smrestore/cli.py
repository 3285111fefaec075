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
    for add_command in (_simulate, _check):
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

    def run(arguments: argparse.Namespace) -> None:
        from smrestore.parameters import read_json_cases
        from smrestore.simulation import simulate_full

        simulate_full(read_json_cases(arguments.cases), arguments.output)

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
