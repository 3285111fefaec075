"""Errors that a user can act on."""

from pathlib import Path


class InputError(ValueError):
    """An input is wrong: one line that names the file, the field, the fault and the remedy.

    Parameters
    ----------
    what
        The fault, as a clause without a final full stop.
    path
        File at fault, if any.
    field
        Dataset, column or configuration key at fault, if any.
    remedy
        What the user can do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        path: str | Path | None = None,
        field: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.what, self.path, self.field, self.remedy = what, path, field, remedy
        where = ": ".join(str(part) for part in (path, field) if part is not None)
        message = f"{where}: {what}" if where else what
        if remedy:
            message = f"{message}. {remedy[0].upper()}{remedy[1:]}"
        super().__init__(" ".join(message.split()))


class InterruptionError(Exception):
    """Work was asked to stop, has saved where it stands, and goes on when it runs again."""
