"""The command ``smrestore``: arguments in, exit code out. What runs is in smrestore.commands."""

import os
import sys
from collections.abc import Sequence
from typing import Any

from cyclopts import App, CycloptsError, Parameter, Token, convert

from smrestore.commands.check import check
from smrestore.commands.demo import demo
from smrestore.commands.export import export
from smrestore.commands.fit import fit
from smrestore.commands.import_ import import_
from smrestore.commands.inspect import inspect
from smrestore.commands.models import models
from smrestore.commands.plan import plan
from smrestore.commands.plan_calibration import plan_calibration
from smrestore.commands.plot import plot
from smrestore.commands.propose_mask import propose_mask
from smrestore.commands.provenance import provenance
from smrestore.commands.reconstruct import reconstruct
from smrestore.commands.restore import restore
from smrestore.commands.simulate import simulate
from smrestore.commands.view import view
from smrestore.support.errors import InputError
from smrestore.support.messages import plain_warnings

COMMANDS = (
    demo,
    simulate,
    plot,
    inspect,
    view,
    plan_calibration,
    propose_mask,
    fit,
    restore,
    reconstruct,
    export,
    import_,
    models,
    provenance,
    check,
    plan,
)
"""In the order of the help."""


DEBUG = "--debug"
"""Accepted by all commands."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    0 is success, 2 an error that the user can mend, 1 a fault of this program, 130 an interruption
    (Ctrl-C). Errors are one line each on stderr. With ``--debug``, or SMRESTORE_DEBUG=1 in the
    environment, they raise instead, so that Python shows where they come from.
    """
    tokens = sys.argv[1:] if arguments is None else list(arguments)
    options = tokens[: tokens.index("--")] if "--" in tokens else tokens
    if DEBUG in options or os.environ.get("SMRESTORE_DEBUG", "0") not in ("", "0"):
        _run([token for token in tokens if token != DEBUG])
        return 0
    try:
        with plain_warnings():
            _run(tokens)
        # A closed pipe shows here, and not when Python ends.
        sys.stdout.flush()
    except (InputError, CycloptsError) as error:
        return _failed(2, *str(error).splitlines())
    except BrokenPipeError:
        # Whoever reads the output, such as head, has enough of it. Python would complain on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.strerror is not None:
            names = [str(name) for name in (error.filename, error.filename2) if name is not None]
            return _failed(2, ": ".join([*names, error.strerror]))
        return _unexpected(error)
    except MemoryError:
        return _failed(2, "the memory is full. Close other programs, or choose less at a time")
    except KeyboardInterrupt:
        return _failed(130, "interrupted")
    except Exception as error:
        return _unexpected(error)
    return 0


def _run(tokens: list[str]) -> None:
    if not tokens:
        raise InputError("none is given", field="COMMAND", remedy="see smrestore --help")
    application()(tokens, exit_on_error=False, print_error=False, result_action="return_value")


def _failed(code: int, *faults: str) -> int:
    for fault in faults:
        print(f"smrestore: error: {fault}", file=sys.stderr)
    return code


def _unexpected(error: Exception) -> int:
    """Say in one line that this program is at fault."""
    what = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".: ")
    return _failed(
        1,
        f"unexpected {what}. This is a fault of smrestore: please run the command again with "
        f"{DEBUG}, and report what it prints",
    )


def application() -> App:
    """Return the parser of the command line with all commands."""
    app = App(
        name="smrestore",
        help="Restoration of magnetic particle imaging system matrices.\n\n"
        "With --debug, errors of any command show where they come from.",
        version=_version,
        suppress_keyboard_interrupt=False,
        help_format="plaintext",
        default_parameter=Parameter(negative="", converter=_exactly, show_default=_shown),
    )
    for place, command in enumerate(COMMANDS):
        # Markdown joins the lines of docstrings. It takes 50 ms, which --help alone does without.
        app.command(command, sort_key=place, help_format="markdown")
    app.register_install_completion_command(
        help="Complete commands and options with the tab key: bash, zsh, fish or PowerShell."
    )
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


if __name__ == "__main__":
    sys.exit(main())
