"""The command ``smrestore``: arguments in, exit code out. What runs is in smrestore.commands."""

import sys
from collections.abc import Sequence
from typing import Any

from cyclopts import App, CycloptsError, Parameter, Token, convert

from smrestore.commands.check import check
from smrestore.commands.fit import fit
from smrestore.commands.inspect import inspect
from smrestore.commands.models import models
from smrestore.commands.plan_calibration import plan_calibration
from smrestore.commands.plot import plot
from smrestore.commands.propose_mask import propose_mask
from smrestore.commands.provenance import provenance
from smrestore.commands.reconstruct import reconstruct
from smrestore.commands.restore import restore
from smrestore.commands.simulate import simulate
from smrestore.support.errors import InputError

COMMANDS = (
    simulate,
    plot,
    inspect,
    plan_calibration,
    propose_mask,
    fit,
    restore,
    reconstruct,
    models,
    provenance,
    check,
)
"""In the order of the help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, or 2 after an error that the user can mend.

    Such errors are one line each on stderr; anything else is a fault of this program and raises.
    """
    tokens = sys.argv[1:] if arguments is None else list(arguments)
    try:
        if not tokens:
            raise InputError("none is given", field="COMMAND", remedy="see smrestore --help")
        _app()(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except (InputError, CycloptsError) as error:
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


def _app() -> App:
    app = App(
        name="smrestore",
        help="Restoration of magnetic particle imaging system matrices.",
        version=_version,
        help_format="plaintext",
        default_parameter=Parameter(negative="", converter=_exactly, show_default=_shown),
    )
    for place, command in enumerate(COMMANDS):
        # Markdown joins the lines of docstrings. It takes 50 ms, which --help alone does without.
        app.command(command, sort_key=place, help_format="markdown")
    return app


def _version() -> str:
    from importlib.metadata import version

    return f"smrestore {version('smrestore')}"


def _exactly(kind: Any, tokens: Sequence[Token]) -> Any:
    """Convert an argument; Cyclopts by itself would round 2.7 to a whole number."""
    return convert(kind, tokens, None if kind is bool else lambda leaf, text: leaf(text))


def _shown(default: object) -> str | None:
    """Return a default as the help states it: that flags are not set goes without saying."""
    return None if default is False or default in (None, ()) else str(default)
