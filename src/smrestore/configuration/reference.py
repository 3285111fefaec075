"""The reference of all settings, and the schema for editors, made from the models.

``python -m smrestore.configuration.reference`` writes ``docs/configuration-reference.md`` and
``config/schema.json``.
"""

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from smrestore.configuration.model import Configuration
from smrestore.support.faults import bare, unit_of
from smrestore.support.settings import Settings
from smrestore.tasks.options import TASKS, Degradation

REFERENCE = Path("docs/configuration-reference.md")
SCHEMA = Path("config/schema.json")
_HEAD = """# Reference of the configuration

All keys with type and range, unit, default and meaning, made from the models in
[src/smrestore/configuration](../src/smrestore/configuration) by
`python -m smrestore.configuration.reference`. [configuration.md](configuration.md) says how to use
them.

"The study" is Tsanda et al., Phys. Med. Biol. 71 (2026) 095029. *Ours* marks a value that the study
does not give: it is a choice of this project. Bold keys must be given. Every entry may also say
`like: OTHER`, another entry of its section, and then has all settings of it that it does not give
itself.
"""
_COLUMNS = "| key | type | unit | default | meaning |\n|---|---|---|---|---|"
_NAMES = {int: "integer", float: "number", bool: "true or false", str: "text"}


def write_reference(folder: str | Path = ".") -> None:
    """Write the reference and the schema below a folder, the root of the repository."""
    (Path(folder) / REFERENCE).write_text(reference(), encoding="utf-8")
    (Path(folder) / SCHEMA).write_text(schema(), encoding="utf-8")


def schema() -> str:
    """Return the JSON schema of configurations and overlays, for editors, in one line.

    It requires no key, because overlays and entries that are like others leave out most of them.
    """
    root = Configuration.model_json_schema()
    for section in root["properties"].values():
        entries = [
            section.get("additionalProperties"),
            *section.get("patternProperties", {}).values(),
        ]
        for entry in filter(None, entries):
            for name in _references(entry):
                kind = root["$defs"][name]
                if kind["type"] == "object":
                    text = "entry of the same section, whose settings this one has as well"
                    like = {"type": "string", "description": text}
                    kind["properties"] = {"like": like, **kind["properties"]}
    return json.dumps(_open(root), separators=(",", ":"), ensure_ascii=False) + "\n"


def _references(part: object) -> Iterator[str]:
    """Yield the models that a part of a schema may be, without the models inside of those."""
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"].rpartition("/")[2]
        for inner in part.get("oneOf", part.get("anyOf", [])):
            yield from _references(inner)


def _open(part: Any) -> Any:
    """Return a schema that requires nothing, without keys that editors do not show."""
    if isinstance(part, list):
        return [_open(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    kept = {}
    for key, inner in part.items():
        if key == "properties" or key == "$defs":
            kept[key] = {name: _open(value) for name, value in inner.items()}
        elif key not in ("required", "title") and not key.startswith("x-"):
            kept["anyOf" if key == "oneOf" else key] = _open(inner)
    return kept


def reference() -> str:
    """Return the reference of all settings as Markdown."""
    single = {
        name: field
        for name, field in Configuration.model_fields.items()
        if bare(field.annotation)[0] in (int, str)
        or get_origin(bare(field.annotation)[0]) is Literal
    }
    parts = [_HEAD, f"## Top level\n\n{_table(single.items())}\n"]
    for name, field in Configuration.model_fields.items():
        if name not in single:
            parts.append(f"## {name}\n\n{_sentence(field.description or '')}{_section(field)}")
    return "\n".join(parts)


def _section(field: FieldInfo) -> str:
    kind, _ = bare(field.annotation)
    if get_origin(kind) is dict:
        kind, _ = bare(get_args(kind)[1])
    elif get_origin(kind) is tuple:
        kind, _ = bare(get_args(kind)[0])
    if get_origin(kind) is tuple:
        kind, _ = bare(get_args(kind)[0])
    kinds = list(_models(kind))
    if len(kinds) == 1:
        return _model(kinds[0])
    return "".join(f"### {_title(kind)}\n\n{_model(kind)}" for kind in kinds)


def _models(kind: Any) -> Iterator[type[Settings]]:
    """Yield the models that a type may be."""
    kind, _ = bare(kind)
    if get_origin(kind) in (Union, UnionType):
        for member in get_args(kind):
            yield from _models(member)
    elif isinstance(kind, type) and issubclass(kind, Settings):
        yield kind


def _title(kind: type[Settings]) -> str:
    """Return what distinguishes a kind of settings: its literals, or its own keys."""
    literals = [
        f"`{name}: {field.default}`" for name, field in kind.model_fields.items() if _is_tag(field)
    ]
    return ", ".join(literals) or inspect.cleandoc(kind.__doc__ or "").split(".")[0]


def _is_tag(field: FieldInfo) -> bool:
    """Tell whether a setting has only one value, which distinguishes its model."""
    one = get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1
    return one and field.default is not PydanticUndefined


def _model(kind: type[Settings]) -> str:
    text = inspect.cleandoc(kind.__doc__ or "")
    rows = list(_rows(kind))
    body = f"{text}\n\n" + (f"{_table(rows)}\n\n" if rows else "")
    for name, field in kind.model_fields.items():
        if field.annotation is Any and Degradation.__metadata__[0] in field.metadata:
            inner = [(task, options) for task, options in TASKS.items() if options.model_fields]
            for task, options in inner:
                body += f"#### `{name}` of {task}\n\n{_model(options)}"
        kinds = list(_models(field.annotation))
        if len(kinds) > 1:
            for variant in kinds:
                body += f"#### `{name}`, {_title(variant)}\n\n{_model(variant)}"
    return body


def _rows(kind: type[Settings], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield all settings of a model with their dotted keys. Inner ones follow their outer one."""
    for name, field in kind.model_fields.items():
        if _is_tag(field):
            continue
        yield f"{prefix}{name}", field
        inner, _ = bare(field.annotation)
        if get_origin(inner) is tuple:
            inner, _ = bare(get_args(inner)[0])
        kinds = list(_models(inner))
        if len(kinds) == 1:
            yield from _rows(kinds[0], f"{prefix}{name}.")


def _table(rows: Any) -> str:
    return "\n".join([_COLUMNS, *(_row(key, field) for key, field in rows)])


def _row(key: str, field: FieldInfo) -> str:
    extra = field.json_schema_extra or {}
    name = key.rpartition(".")[2]
    unit = extra.get("x-unit") or unit_of(name)
    must = field.is_required()
    default = "" if must else _value(field.default)
    kinds = list(_models(_item(field.annotation)))
    text = field.description or " or ".join(
        inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " ")
        for kind in kinds[:1]
    )
    meaning = _sentence(text).strip()
    notes = [
        f"*Study: {extra['x-study']}*" if "x-study" in extra else "",
        "*Ours*" if "x-ours" in extra else "",
    ]
    shown = f"**`{key}`**" if must else f"`{key}`"
    cells = [shown, _type(field), unit, default, " ".join(filter(None, [meaning, *notes]))]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _item(annotation: Any) -> Any:
    kind, _ = bare(annotation)
    return get_args(kind)[0] if get_origin(kind) is tuple else kind


def _value(default: object) -> str:
    if default is None or default == () or default == {}:
        return ""
    if isinstance(default, Settings):
        return ""
    if isinstance(default, tuple):
        return "see below" if isinstance(default[0], Settings) else ", ".join(map(_value, default))
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}" if 1e-3 <= abs(default) < 1e5 or not default else f"{default:.1e}"
    return f"`{default}`" if isinstance(default, str) else str(default)


def _type(field: FieldInfo) -> str:
    kind, notes = bare(field.annotation)
    return _type_text(kind, [*notes, *field.metadata])


def _type_text(kind: Any, notes: list[Any]) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    if get_origin(kind) is tuple:
        item, inner = bare(get_args(kind)[0])
        limits = {
            n: getattr(x, n) for x in notes for n in ("min_length", "max_length") if hasattr(x, n)
        }
        fewest, most = limits.get("min_length"), limits.get("max_length")
        count = f"{fewest} of: " if fewest == most else ""
        return f"list, {count}{_type_text(item, inner)}"
    if get_origin(kind) is dict:
        return "section of keys"
    if list(_models(kind)):
        return "section of keys"
    if kind is Any:
        return "section of keys"
    if get_origin(kind) in (Union, UnionType):
        return "integer of 0 or more, or `mean`"
    return _NAMES.get(kind, "text") + _range(notes)


def _range(notes: list[Any]) -> str:
    limits = {n: getattr(x, n) for x in notes for n in ("ge", "gt", "le", "lt") if hasattr(x, n)}
    low = (
        f"[{limits['ge']:g}" if "ge" in limits else f"({limits['gt']:g}" if "gt" in limits else None
    )
    high = (
        f"{limits['le']:g}]" if "le" in limits else f"{limits['lt']:g})" if "lt" in limits else None
    )
    if low is None and high is None:
        return ""
    if high is None:
        return f", {'from' if low[0] == '[' else 'above'} {low[1:]}"
    return f" in {low}, {high}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}.\n\n" if text else ""


if __name__ == "__main__":
    write_reference()
