"""Reading configuration files, and laying them over each other as Snakemake does."""

from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path

import yaml

from smrestore.support.errors import InputError

# The C loader is ten times faster, and missing from some builds of PyYAML.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_configuration(paths: Iterable[str | Path]) -> dict[str, object]:
    """Read configuration files and lay each one over those before it, as Snakemake does.

    Sections are merged key by key. Lists and single values are replaced.

    Raises
    ------
    InputError
        If a file is missing, is not YAML or holds no keys.
    """
    return lay_over(read_parts(paths).values())


def read_parts(paths: Iterable[str | Path]) -> dict[str, dict[str, object]]:
    """Read configuration files, and the base that they name.

    Returns
    -------
    dict
        Content of each file by its path, without the key ``base``. The base comes first.

    Raises
    ------
    InputError
        If a file is missing, is not YAML or holds no keys.
    """
    parts = {str(path): read_part(path) for path in paths}
    folder = Path(next(iter(parts), "")).parent
    below = _read_base(lay_over(parts.values()), folder)
    return below | {path: _without_base(part) for path, part in parts.items()}


def lay_over_base(config: Mapping[str, object], folder: str | Path) -> dict[str, object]:
    """Return a merged configuration, laid over the base that it names.

    Parameters
    ----------
    config
        The configuration with all overlays merged.
    folder
        Folder of the first configuration file. The path of the base is relative to it.

    Raises
    ------
    InputError
        If the base is missing, is not YAML or holds no keys.
    """
    return lay_over([*_read_base(config, Path(folder)).values(), _without_base(config)])


def _read_base(config: Mapping[str, object], folder: Path) -> dict[str, dict[str, object]]:
    """Return the base of a configuration by its path. Without a base, nothing is returned."""
    base = config.get("base")
    if base is None:
        return {}
    if not isinstance(base, str):
        raise InputError(f"{base!r} is not a text", field="base", remedy="give the path of a file")
    path = folder / base
    if not path.exists():
        raise InputError(f"there is no file {path}", field="base", remedy="check the path")
    part = read_part(path)
    if "base" in part:
        raise InputError("a base has no base itself", path=path, field="base", remedy="remove it")
    return {str(path): part}


def _without_base(config: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in config.items() if key != "base"}


def lay_over(parts: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """Return configurations, each laid over those before it."""
    return reduce(_merged, parts, {})


def _merged(base: Mapping, overlay: Mapping) -> dict:
    # A copy, because YAML aliases make one section of the base appear in several places.
    merged = dict(base)
    for key, value in overlay.items():
        both = isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        merged[key] = _merged(base[key], value) if both else value
    return merged


def read_part(path: str | Path) -> dict[str, object]:
    """Read one configuration file.

    Raises
    ------
    InputError
        If it is missing, is not YAML or holds no keys.
    """
    try:
        part = yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise InputError("no such file", path=path, remedy="check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", path=path, remedy="check the file") from None
    except yaml.YAMLError as error:
        raise InputError(f"not YAML: {error}", path=path, remedy="mend the syntax") from None
    if not isinstance(part, dict):
        raise InputError("holds no keys", path=path, remedy="write it as key: value")
    return part
