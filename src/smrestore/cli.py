"""The command ``smrestore``: arguments in, exit code out. What runs is in smrestore.commands."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from smrestore.commands import COMMANDS
from smrestore.support.errors import InputError


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
    for command in COMMANDS:
        command.add_command(commands)
    return parser
