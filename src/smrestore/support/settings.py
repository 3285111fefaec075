"""Settings that describe themselves: type, range, default, meaning.

Sections of the configuration, options of networks, methods and tasks, and recipes of trainings are
such models. From them come the checks, the schema for editors and the tables of the reference.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    Tag,
    ValidationError,
)

from smrestore.support.errors import InputError
from smrestore.support.faults import choice_remedy, explain, key_text

# YAML has numbers, whole numbers, truth values and texts; none is taken for another here.
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Flag = Annotated[bool, Strict()]
Text = Annotated[str, Strict(), Field(min_length=1)]
Name = Annotated[str, Strict(), Field(pattern="^[A-Za-z0-9][A-Za-z0-9-]*$")]
Natural = Annotated[int, Strict(), Field(ge=1)]
Count = Annotated[int, Strict(), Field(ge=0)]
Positive = Annotated[float, Strict(), Field(gt=0)]


def _without_braces(path: str) -> str:
    if "{" in path or "}" in path:
        raise InputError(
            f"{path!r} has braces, which Snakemake takes for wildcards",
            remedy="rename the file, or give a link to it",
        )
    return path


FilePath = Annotated[Text, AfterValidator(_without_braces)]
TAG = "~"
"""First letter of the tags that tell the variants of a setting apart."""


class Settings(BaseModel):
    """Settings by name, which cannot be changed and allow no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def checked(cls, values: Mapping[str, object], place: str = "") -> Self:
        """Build settings from a mapping, such as an entry of the configuration.

        Parameters
        ----------
        values
            Settings by name; those that are left out have their defaults.
        place
            What the settings are of, for messages.

        Raises
        ------
        InputError
            If a setting is unknown, missing, of another type or out of range.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            fault = explain(error, cls, values)[0]
            where = key_text(fault.key) if fault.key else ""
            field = ".".join(part for part in (place, where) if part)
            raise InputError(fault.what, field=field or None, remedy=fault.remedy) from None

    def replace(self, **changes: object) -> Self:
        """Return settings of which some are changed.

        Raises
        ------
        InputError
            If a changed setting is not allowed.
        """
        return self.checked({**dict(self), **changes})

    def plain(self) -> dict[str, Any]:
        """Return all settings as YAML has them, without those that are None."""
        return self.model_dump(mode="json", exclude_none=True)


def setting(
    default: object = ...,
    description: str = "",
    *,
    unit: str | None = None,
    study: str | None = None,
    ours: bool = False,
    **limits: object,
) -> Any:
    """Declare a setting.

    Parameters
    ----------
    default
        Its value if it is left out; ``...`` if it must be given.
    description
        What it means, for the reference.
    unit
        Its unit, if the name does not end with it.
    study
        The value of the study.
    ours
        The study does not give a value; it is a choice of this project.
    limits
        Range, such as ``ge``, ``gt``, ``le``, ``lt``, ``min_length`` and ``max_length``.
    """
    facts = {"unit": unit, "study": study, "ours": ours or None}
    extra = {f"x-{name}": fact for name, fact in facts.items() if fact is not None}
    return Field(default, description=description, json_schema_extra=extra or None, **limits)


def _is_listed_once(values: object) -> object:
    if isinstance(values, list | tuple):
        texts = [repr(value) for value in values]
        if len(set(texts)) < len(texts):
            raise InputError("an entry is listed twice", remedy="list each one once")
    return values


Once = BeforeValidator(_is_listed_once)
"""Nothing is listed twice."""


def check_order(values: tuple[float, float], field: str) -> None:
    """Refuse a range whose first value is above the second.

    Raises
    ------
    InputError
        If it is so; ``field`` is the setting at fault.
    """
    low, high = values
    if low > high:
        raise InputError(
            f"{low:g} is above {high:g}", field=field, remedy="give the smaller value first"
        )


def vector(item: Any, fewest: int, most: int | None = None) -> Any:
    """Return the type of a list of so many items; ``most`` is ``fewest`` if it is not given."""
    most = fewest if most is None else most
    return Annotated[tuple[item, ...], Field(min_length=fewest, max_length=most)]


def either(*kinds: type[Settings], by: str, default: str | None = None) -> Any:
    """Return the type of settings of several kinds, which a literal setting tells apart.

    Parameters
    ----------
    kinds
        Models, each with a setting ``by`` that is a literal.
    by
        Name of this setting.
    default
        Its value if it is left out; None if it must be given.
    """
    known = {value: kind for kind in kinds for value in literals(kind, by)}

    def check(value: object) -> object:
        if isinstance(value, Mapping):
            check_choice(value, by, list(known), default)
        return value

    def tag(value: object) -> str:
        if isinstance(value, Mapping):
            chosen = value.get(by, default)
        else:
            chosen = getattr(value, by, next(iter(known)))
        return f"{TAG}{chosen}"

    return union({f"{TAG}{value}": kind for value, kind in known.items()}, tag, check)


def union(
    kinds: Mapping[str, type[Settings]],
    tag: Callable[[object], str],
    check: Callable[[object], object],
) -> Any:
    """Return the type of settings of several kinds.

    Parameters
    ----------
    kinds
        Models by their tags, which begin with :data:`TAG`.
    tag
        Returns the tag of given settings.
    check
        Returns given settings if they can have a tag, and raises an :class:`InputError` if not.
    """
    tagged = [Annotated[kind, Tag(name)] for name, kind in kinds.items()]
    joined = tagged[0]
    for kind in tagged[1:]:
        joined = joined | kind
    if len(tagged) == 1:
        return Annotated[next(iter(kinds.values())), BeforeValidator(check)]
    return Annotated[joined, Discriminator(tag), BeforeValidator(check)]


def check_choice(
    values: Mapping[str, object], name: str, known: list[object], default: object = None
) -> None:
    """Refuse settings of which one is not among the known values.

    Raises
    ------
    InputError
        If it is missing without default, empty or unknown.
    """
    if name not in values:
        if default is None:
            raise InputError(
                "the key is missing", field=name, remedy=f"use one of {', '.join(map(str, known))}"
            )
        return
    if values[name] not in known or isinstance(values[name], bool):
        empty = values[name] is None
        raise InputError(
            "the value is empty" if empty else f"unknown {values[name]!r}",
            field=name,
            remedy=choice_remedy(values[name], known),
        )


def literals(model: type[Settings], name: str) -> tuple[object, ...]:
    """Return the values that a literal setting of a model may have."""
    return model.model_fields[name].annotation.__args__


Dimension = Literal[2, 3]
