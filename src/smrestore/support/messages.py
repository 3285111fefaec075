"""Warnings as plain lines, for people at a command line."""

import contextlib
import logging
import sys
import warnings
from collections.abc import Callable, Iterator

PACKAGE = "smrestore"


@contextlib.contextmanager
def plain_warnings() -> Iterator[None]:
    """Show warnings as ``smrestore: warning: ...`` on stderr, each once.

    These are those of the log of this package, and those of the module ``warnings``, which Python
    would show with file names and source code.
    """
    shown: set[str] = set()

    def show(text: str) -> None:
        line = " ".join(text.split())
        if line not in shown:
            shown.add(line)
            print(f"{PACKAGE}: warning: {line}", file=sys.stderr)

    def show_warning(message: Warning | str, *_: object) -> None:
        show(str(message))

    log = logging.getLogger(PACKAGE)
    handler = _Lines(show)
    log.addHandler(handler)
    propagate, log.propagate = log.propagate, _is_configured()
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            yield
    finally:
        log.removeHandler(handler)
        log.propagate = propagate


class _Lines(logging.Handler):
    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self.show = show

    def emit(self, record: logging.LogRecord) -> None:
        """Show the message alone."""
        self.show(record.getMessage())


def _is_configured() -> bool:
    """Say whether whoever runs this listens to the log as well."""
    return bool(logging.getLogger().handlers)
