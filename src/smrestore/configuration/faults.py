"""Faults of a configuration: where, what, and what to do."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from smrestore.support.errors import InputError

Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes
    ----------
    key
        Keys from the top of the configuration, and indices into lists.
    what, remedy
        As in :class:`smrestore.support.errors.InputError`.
    """

    key: Key
    what: str
    remedy: str

    def __str__(self) -> str:
        return str(InputError(self.what, field=key_text(self.key), remedy=self.remedy))


class ConfigurationError(InputError):
    """A configuration has faults; as text, one line for each, sorted by key."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = sorted({str(fault) for fault in faults})
        super().__init__(f"{len(self.faults)} faults in the configuration")

    def __str__(self) -> str:
        return "\n".join(self.faults)


def key_text(key: Key) -> str:
    """Return a key as text, for example ``experiments.dncnn.training.sigma[0]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".") or "configuration"


def closest(name: object, known: Iterable[str]) -> str | None:
    """Return the known name that ``name`` is most likely a slip of, None if none is near."""
    plain = {_plain(other): other for other in known}
    found = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.75)
    return plain[found[0]] if found else None


def _plain(name: str) -> str:
    """Return a name without what separates its words, so that batchsize finds batch_size."""
    return re.sub("[-_ ]", "", str(name).lower())


def choice_remedy(name: object, known: Iterable[object]) -> str:
    """Return the remedy for an unknown name: the one that was meant, or all there are."""
    options = [str(option) for option in known]
    guess = closest(name, options) if len(options) > 1 else None
    if guess:
        return f"did you mean {guess!r}?"
    return f"use one of {', '.join(options)}" if options else "add it, there is none yet"
