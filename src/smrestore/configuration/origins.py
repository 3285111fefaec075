"""The complete configuration as YAML, with the origin of each value."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from smrestore.configuration import complete_configuration
from smrestore.configuration.files import lay_over, read_parts
from smrestore.configuration.likeness import Explicit, make_explicit
from smrestore.support.faults import Key

DEFAULT = "default"
_NOTHING = object()


def show_configuration(paths: Sequence[str | Path], base_directory: str | Path) -> str:
    """Return the complete configuration as YAML, with comments on the origin of each value.

    The origin is a file, a file and the entry that this one is like or rests on, or the default.

    Parameters
    ----------
    paths
        Configuration files, each laid over those before it.
    base_directory
        Folder that paths of scans are relative to.

    Raises
    ------
    ConfigurationError
        If the configuration has faults.
    InputError
        If a file cannot be read.
    """
    parts = read_parts(paths)
    merged = lay_over(parts.values())
    complete = complete_configuration(merged, base_directory)
    explicit = make_explicit(merged)
    return "\n".join(_lines(complete, (), parts, explicit)) + "\n"


def _lines(
    settings: Mapping[str, object], place: Key, parts: Mapping[str, object], explicit: Explicit
) -> Iterator[str]:
    for name, value in settings.items():
        key, margin = (*place, name), "  " * len(place)
        if isinstance(value, Mapping) and value:
            yield f"{margin}{name}:"
            yield from _lines(value, key, parts, explicit)
        else:
            origin = _origin(key, value, parts, explicit)
            yield f"{margin}{name}: {_text(value)} # {origin}"


def _text(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10**9, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _origin(key: Key, value: object, parts: Mapping[str, object], explicit: Explicit) -> str:
    """Return the origin of the value of a key."""
    if len(key) < 2:
        return _file(key, value, parts) or DEFAULT
    section, name, *inner = key
    if section == "scans" and name in explicit.repeated:
        again = explicit.repeated[name]
        return _file(key, value, parts) or f"repetition of {again}"
    if inner == ["realizations"] and value and not _file(key, value, parts):
        return "repetitions of the calibration"
    for other in _chain(section, name, explicit):
        if file := _file((section, other, *inner), value, parts):
            return file if other == name else f"{file}, {other}"
    return DEFAULT


def _chain(section: str, name: str, explicit: Explicit) -> Iterator[str]:
    """Yield an entry and the entries that it has settings from, the nearest first."""
    while name:
        yield name
        entry = explicit.config[section].get(name)
        following = explicit.likes.get((section, name))
        if following is None and isinstance(entry, Mapping):
            following = entry.get("draws_of") or entry.get("repeats")
        name = following


def _file(key: Key, value: object, parts: Mapping[str, object]) -> str | None:
    """Return the last file that gives a key this value, None if there is none."""
    for file, part in reversed(parts.items()):
        found: object = part
        for step in key:
            found = found.get(step, _NOTHING) if isinstance(found, Mapping) else _NOTHING
        if found is _NOTHING:
            continue
        # Shapes and the like are completed within lists.
        return file if found == value or isinstance(found, list) else None
    return None
