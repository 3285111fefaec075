"""Faults of settings: where, what, and what to do."""

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError

from smrestore.support.errors import InputError

Key = tuple[str | int, ...]

_TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "tuple_type": "a list",
    "dict_type": "a section of keys",
    "model_type": "a section of keys",
    "model_attributes_type": "a section of keys",
}
_UNITS = {
    "T_per_m": "T/m",
    "J_per_m3": "J/m^3",
    "uV_s": "uV s",
    **{unit: unit for unit in ("kHz", "Hz", "mT", "mm", "nm", "us", "ns", "mV", "V", "s")},
}
_LENGTHS = ("min_length", "max_length")
_RANGES = {
    "greater_than_equal": ("ge", "below", "give {:g} or more"),
    "greater_than": ("gt", "not above", "give more than {:g}"),
    "less_than_equal": ("le", "above", "give {:g} or less"),
    "less_than": ("lt", "not below", "give less than {:g}"),
}


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes
    ----------
    key
        Keys from the top of the settings, and indices into lists.
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


def unit_of(name: str) -> str:
    """Return the unit that the name of a setting ends with, "" if it has none."""
    found = re.search(f"_({'|'.join(_UNITS)})$", name)
    return _UNITS[found[1]] if found else ""


def closest(name: object, known: Iterable[str]) -> str | None:
    """Return the known name that ``name`` is most likely a slip of, None if none is near."""
    plain = {_plain(other): other for other in known}
    found = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.75)
    return plain[found[0]] if found else None


def _plain(name: object) -> str:
    """Return a name without what separates its words, so that batchsize finds batch_size."""
    return re.sub("[-_ ]", "", str(name).lower())


def choice_remedy(name: object, known: Iterable[object]) -> str:
    """Return the remedy for an unknown name: the one that was meant, or all there are."""
    options = [str(option) for option in known]
    guess = closest(name, options) if len(options) > 1 else None
    if guess:
        return f"did you mean {guess!r}?"
    return f"use one of {', '.join(options)}" if options else "add it, there is none yet"


def explain(error: ValidationError, model: type[BaseModel], given: object) -> list[Fault]:
    """Return the faults that a validation found, in plain words, one for each key.

    Parameters
    ----------
    error
        What the validation raised.
    model, given
        The model, and what does not fit it.
    """
    faults = [
        fault
        for line in error.errors(include_url=False)
        for fault in _explain_line(line, model, given)
    ]
    return list(dict.fromkeys(faults))


def _explain_line(
    line: Mapping[str, Any], model: type[BaseModel], given: object
) -> Iterator[Fault]:
    place, value, context = line["loc"], line["input"], line.get("ctx", {})
    # Tags tell variants apart, and are no keys.
    key: Key = tuple(part for part in place if not str(part).startswith("~"))
    match line["type"]:
        case "value_error":
            fault = context["error"]
            inner = (fault.field,) if getattr(fault, "field", None) else ()
            yield Fault((*key, *inner), fault.what, fault.remedy)
        case "extra_forbidden":
            yield Fault(key, "unknown key", choice_remedy(key[-1], _known(model, place[:-1])))
        case "missing":
            known = _known(model, place[:-1])
            section = _at(given, key[:-1])
            # A misspelled key is reported once, as an unknown one.
            meant = {closest(name, known) for name in section if name not in known}
            if key[-1] not in meant:
                remedy = f"add it to {key_text(key[:-1])}"
                yield Fault(key, "the key is missing", remedy)
        case "string_pattern_mismatch" if key[-1] == "[key]":
            yield Fault(
                key[:-1],
                f"{value!r} cannot be a name, because names become file names",
                "use letters, digits and hyphens only",
            )
        case "invalid_key":
            yield Fault(key, "this key is no text", "put it in quotes")
        case "string_type" if key and key[-1] == "[key]":
            yield Fault(key[:-1], "this key is no text", "put it in quotes")
        case "literal_error":
            known = [part.strip("'") for part in re.split(", | or ", context["expected"])]
            what = "the value is empty" if value is None else f"unknown {value!r}"
            yield Fault(key, what, choice_remedy(value, known))
        case "finite_number":
            yield Fault(key, f"{value} is not a finite number", "give a finite number")
        case "string_too_short":
            yield Fault(key, "the text is empty", "write one")
        case "too_short" | "too_long":
            if isinstance(value, Mapping):
                yield Fault(key, "the section is empty", "add at least one entry")
            else:
                limit = {name: context[name] for name in _LENGTHS if name in context}
                fewest, most = map((_lengths(model, place) | limit).get, _LENGTHS)
                # Items that are faulty themselves are not counted.
                if len(value) < (fewest or 0) or len(value) > (most or math.inf):
                    wanted = f"{fewest} or more" if fewest and fewest != most else str(most)
                    yield Fault(key, f"a list of {len(value)}", f"give {wanted}")
        case kind if kind in _RANGES:
            limit, relation, remedy = _RANGES[kind]
            yield Fault(key, *_out_of_range(key, value, relation, context[limit], remedy))
        case kind if kind in _TYPES:
            yield _wrong_type(key, value, _TYPES[kind])
        case _:
            yield Fault(key, line["msg"], "see docs/configuration-reference.md")


def _wrong_type(key: Key, value: object, expected: str) -> Fault:
    if value is None:
        if expected == "a section of keys" and len(key) <= 1:
            return Fault(key, "the section is empty", "add at least one entry")
        return Fault(key, "the value is empty", f"give {expected}")
    if isinstance(value, str) and expected.endswith("number") and _is_number(value):
        return Fault(
            key,
            f"YAML takes {value!r} for text, not for a number",
            "write numbers without quotes, and exponents with point and sign, such as 1.0e-3",
        )
    if isinstance(value, float) and value.is_integer() and expected == "a whole number":
        return Fault(key, f"{value} is not a whole number", f"write {int(value)}")
    return Fault(key, f"{value!r} is not {expected}", f"give {expected}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _out_of_range(
    key: Key, value: float, relation: str, limit: float, remedy: str
) -> tuple[str, str]:
    unit = unit_of(next((part for part in reversed(key) if isinstance(part, str)), ""))
    what = f"{value!r} is {relation} {limit:g} {unit}".rstrip()
    if unit:
        return f"{what}, which may be a wrong unit", f"give {unit}"
    return what, remedy.format(limit)


def _at(given: object, key: Key) -> Mapping[str, object]:
    """Return the section of keys at a place of what was given, an empty one if it was not."""
    for part in key:
        given = given.get(part, {}) if isinstance(given, Mapping) else given[part]
    return given


def _known(model: type[BaseModel], place: Key) -> list[str]:
    """Return the keys that settings at a place may have."""
    kind, _ = type_at(model, place)
    return list(getattr(kind, "model_fields", ()))


def _lengths(model: type[BaseModel], place: Key) -> dict[str, int]:
    """Return how many items a list may have, at least and at most."""
    _, metadata = type_at(model, place)
    return {
        name: getattr(fact, name)
        for fact in metadata
        for name in _LENGTHS
        if getattr(fact, name, None) is not None
    }


def type_at(kind: Any, place: Key) -> tuple[Any, list[Any]]:
    """Return the type at a place of a model, and what is known of it besides.

    ``place`` is that of an error: keys, indices, and tags of variants.
    """
    kind, metadata = bare(kind)
    for part in place:
        if kind is Any:
            return kind, []
        if get_origin(kind) in (Union, UnionType):
            members = get_args(kind)
            if str(part).startswith("~"):
                members = [m for m in members if Tag(part) in getattr(m, "__metadata__", ())]
                kind, metadata = bare(members[0])
                continue
            kind, metadata = bare(next(m for m in members if m is not type(None)))
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields[part]
            kind, inner = bare(field.annotation)
            metadata = [*inner, *field.metadata]
        elif get_origin(kind) is dict:
            kind, metadata = bare(get_args(kind)[1])
        else:
            kind, metadata = bare(get_args(kind)[0])
    return kind, metadata


def bare(kind: Any) -> tuple[Any, list[Any]]:
    """Return a type without annotations and without None, and its annotations."""
    metadata: list[Any] = []
    while True:
        if get_origin(kind) is Annotated:
            kind, *notes = get_args(kind)
            for note in notes:
                metadata += [note, *getattr(note, "metadata", ())]
        elif get_origin(kind) in (Union, UnionType) and type(None) in get_args(kind):
            others = [member for member in get_args(kind) if member is not type(None)]
            if len(others) > 1:
                return kind, metadata
            kind = others[0]
        else:
            return kind, metadata
