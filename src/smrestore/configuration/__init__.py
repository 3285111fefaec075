"""The configuration of the workflow: it is checked as a whole before any job starts."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from smrestore.configuration.consistency import consistency_faults
from smrestore.configuration.datasets import resolved_dataset
from smrestore.configuration.faults import ConfigurationError
from smrestore.configuration.scans import resolved_scan
from smrestore.configuration.structure import structure_faults
from smrestore.support.errors import InputError

__all__ = [
    "ConfigurationError",
    "check_configuration",
    "read_configuration",
    "resolved_dataset",
    "resolved_scan",
]

# The C loader is ten times faster, and missing from some builds of PyYAML.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def check_configuration(
    config: Mapping[str, object], schema_path: str | Path, base_directory: str | Path
) -> None:
    """Check structure, units and cross-references of a configuration.

    Parameters
    ----------
    config
        The configuration with all overlays merged.
    schema_path
        JSON schema of its structure, as YAML.
    base_directory
        Folder that paths of scans are relative to.

    Raises
    ------
    ConfigurationError
        With one line per fault, sorted by key: key, fault, remedy.
    InputError
        If the schema cannot be read.
    """
    faults = structure_faults(config, _load(schema_path))
    faults += consistency_faults(config, Path(base_directory), faults)
    if faults:
        raise ConfigurationError(faults)


def read_configuration(paths: Iterable[str | Path]) -> dict[str, object]:
    """Read configuration files and lay each one over those before it, as Snakemake does.

    Sections are merged key by key; lists and single values are replaced.

    Raises
    ------
    InputError
        If a file is missing, is not YAML or holds no keys.
    """
    merged: dict[str, object] = {}
    for path in paths:
        part = _load(path)
        if not isinstance(part, dict):
            raise InputError("holds no keys", path=path, remedy="write it as key: value")
        merged = _merged(merged, part)
    return merged


def _merged(base: Mapping, overlay: Mapping) -> dict:
    # A copy, because YAML aliases make one section of the base appear in several places.
    merged = dict(base)
    for key, value in overlay.items():
        both = isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        merged[key] = _merged(base[key], value) if both else value
    return merged


def _load(path: str | Path) -> object:
    try:
        return yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise InputError("no such file", path=path, remedy="check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", path=path, remedy="check the file") from None
    except yaml.YAMLError as error:
        raise InputError(f"not YAML: {error}", path=path, remedy="mend the syntax") from None
