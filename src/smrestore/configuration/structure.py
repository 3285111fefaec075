"""The structure of a configuration, checked against its JSON schema, with faults in plain words."""

import math
import re
from collections.abc import Iterator, Mapping

import jsonschema
from jsonschema import Draft202012Validator, ValidationError

from smrestore.configuration.faults import Fault, Key, choice_remedy, closest, key_text

# JSON takes 1500.0 for an integer, Python functions that want one do not.
_Validator = jsonschema.validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)

_TYPES = {
    "object": "a section of keys",
    "array": "a list",
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}
_UNITS = ("T_per_m", "J_per_m3", "uV_s", "kHz", "Hz", "mT", "mm", "nm", "us", "ns", "mV", "V")
_RANGES = {
    "below": "give {:g} or more",
    "not above": "give more than {:g}",
    "above": "give {:g} or less",
    "not below": "give less than {:g}",
}
_SPELLED = {"T_per_m": "T/m", "J_per_m3": "J/m^3", "uV_s": "uV s"}


def structure_faults(config: object, schema: Mapping[str, object]) -> list[Fault]:
    """Return where a configuration departs from the schema, one fault per key.

    Structure is dispatched by ``if``/``then`` in the schema, never by ``oneOf``, so that each
    error of the validator concerns a single key.
    """
    faults = [*_beyond_schema((), config)]
    for error in _Validator(schema).iter_errors(config):
        faults += _explain(error)
    return list(dict.fromkeys(faults))


def _beyond_schema(key: Key, value: object) -> Iterator[Fault]:
    """Find what a schema cannot judge: keys that are no text, .inf and .nan."""
    if isinstance(value, Mapping):
        for name, entry in value.items():
            if not isinstance(name, str):
                yield Fault((*key, name), "this key is no text", "put it in quotes")
            yield from _beyond_schema((*key, name), entry)
    elif isinstance(value, list):
        for i, entry in enumerate(value):
            yield from _beyond_schema((*key, i), entry)
    elif isinstance(value, float) and not math.isfinite(value):
        yield Fault(key, f"{value} is not a finite number", "give a finite number")


def _explain(error: ValidationError) -> Iterator[Fault]:
    key, value, limit = tuple(error.absolute_path), error.instance, error.validator_value
    unit = _unit(key)
    match error.validator:
        case "pattern":
            yield Fault(
                (*key, value),
                f"{value!r} cannot be a name, because names become file names",
                "use letters, digits and hyphens only",
            )
        case "additionalProperties":
            yield from _unknown_keys(key, value, error.schema["properties"])
        case "required":
            yield from _missing_keys(key, value, error.schema)
        case "type":
            yield _wrong_type(key, value, [limit] if isinstance(limit, str) else limit)
        case "enum":
            what = "the value is empty" if value is None else f"unknown {value!r}"
            yield Fault(key, what, choice_remedy(value, limit))
        case "minimum" | "exclusiveMinimum":
            relation = "below" if error.validator == "minimum" else "not above"
            yield Fault(key, *_out_of_range(value, relation, limit, unit))
        case "maximum" | "exclusiveMaximum":
            relation = "above" if error.validator == "maximum" else "not below"
            yield Fault(key, *_out_of_range(value, relation, limit, unit))
        case "minItems" | "maxItems":
            fewest, most = error.schema.get("minItems"), error.schema.get("maxItems")
            wanted = str(most) if fewest == most else f"{fewest} or more"
            yield Fault(key, f"a list of {len(value)}", f"give {wanted}")
        case "uniqueItems":
            yield Fault(key, "an entry is listed twice", "list each one once")
        case "minProperties":
            yield Fault(key, "the section is empty", "add at least one entry")
        case "minLength":
            yield Fault(key, "the text is empty", "write one")
        case _:
            yield Fault(key, error.message, "see docs/configuration.md")


def _unknown_keys(key: Key, section: Mapping, known: Mapping) -> Iterator[Fault]:
    for name in section:
        if isinstance(name, str) and name not in known:
            yield Fault((*key, name), "unknown key", choice_remedy(name, known))


def _missing_keys(key: Key, section: Mapping, schema: Mapping) -> Iterator[Fault]:
    known = schema.get("properties", {})
    # A misspelled key is reported once, as an unknown one.
    meant = {closest(name, known) for name in section if name not in known}
    for name in schema["required"]:
        if name not in section and name not in meant:
            yield Fault((*key, name), "the key is missing", f"add it to {key_text(key)}")


def _wrong_type(key: Key, value: object, wanted: list[str]) -> Fault:
    expected = " or ".join(_TYPES[kind] for kind in wanted)
    if value is None:
        thing = "section" if wanted == ["object"] else "value"
        remedy = "add at least one entry" if thing == "section" else f"give {expected}"
        return Fault(key, f"the {thing} is empty", remedy)
    if isinstance(value, str) and {"number", "integer"} & set(wanted) and _is_number(value):
        return Fault(
            key,
            f"YAML takes {value!r} for text, not for a number",
            "write numbers without quotes, and exponents with point and sign, such as 1.0e-3",
        )
    if isinstance(value, float) and value.is_integer() and wanted == ["integer"]:
        return Fault(key, f"{value} is not a whole number", f"write {int(value)}")
    return Fault(key, f"{value!r} is not {expected}", f"give {expected}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _unit(key: Key) -> str:
    """Return the unit that the last named part of a key ends with, "" if it has none."""
    name = next((part for part in reversed(key) if isinstance(part, str)), "")
    found = re.search(f"_({'|'.join(_UNITS)})$", name)
    return _SPELLED.get(found[1], found[1]) if found else ""


def _out_of_range(value: float, relation: str, limit: float, unit: str) -> tuple[str, str]:
    what = f"{value!r} is {relation} {limit:g} {unit}".rstrip()
    if unit:
        return f"{what}, which may be a wrong unit", f"give {unit}"
    return what, _RANGES[relation].format(limit)
