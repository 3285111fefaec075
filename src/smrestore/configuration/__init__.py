"""The configuration of the workflow. It is checked and completed before any job starts.

Each section is a module. Its models say type, unit, range, default and meaning of each setting
once, and a function checks what the section says about other sections.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from smrestore.configuration import (
    datasets,
    experiments,
    figures,
    grids,
    measurements,
    methods,
    noise_pools,
    position_studies,
    scans,
    sequences,
    tables,
    test_sets,
)
from smrestore.configuration.entries import Entries
from smrestore.configuration.files import lay_over_base, read_configuration
from smrestore.configuration.likeness import Explicit, make_explicit
from smrestore.configuration.model import Configuration
from smrestore.support.faults import ConfigurationError, Fault, explain

__all__ = [
    "Configuration",
    "ConfigurationError",
    "complete_configuration",
    "lay_over_base",
    "load_configuration",
    "make_explicit",
    "read_configuration",
]

_CHECKS = {
    "datasets": datasets.check,
    "sequences": sequences.check,
    "grids": grids.check,
    "scans": scans.check,
    "noise_pools": noise_pools.check,
    "baselines": methods.check_baseline,
    "experiments": experiments.check,
    "shipped_networks": methods.check_shipped_network,
    "denoised_methods": methods.check_denoised_method,
    "twin_methods": methods.check_twin_method,
    "fitted_methods": methods.check_fitted_method,
    "test_sets": test_sets.check,
    "tables": tables.check,
    "measurements": measurements.check,
    "position_studies": position_studies.check,
    "figures": figures.check,
}


def complete_configuration(
    config: Mapping[str, object], base_directory: str | Path
) -> dict[str, object]:
    """Check a configuration and return it with all settings that it leaves out.

    Parameters
    ----------
    config
        The configuration with all overlays, laid over its base.
    base_directory
        Folder that paths of scans are relative to.

    Returns
    -------
    dict
        Plain YAML. Entries that are like others have all settings of those, and so have datasets
        and scans that rest on others. Defaults are filled in. Settings whose default is None are
        left out, except the ``reference`` of a measurement.

    Raises
    ------
    ConfigurationError
        With one line per fault, sorted by key: key, fault, remedy.
    """
    if not isinstance(config, Mapping):
        raise ConfigurationError(
            [Fault((), f"{config!r} is not a section of keys", "give a section of keys")]
        )
    explicit = make_explicit(config)
    valid, found = _validated(explicit.config)
    broken = {fault.key[:2] for fault in [*explicit.faults, *found]}
    # What could not be resolved exists nevertheless.
    given = {
        section: {**part, **explicit.config[section]} if isinstance(part, Mapping) else part
        for section, part in config.items()
    }
    entries = Entries(valid, given, Path(base_directory), broken)
    datasets.resolve(entries)
    scans.resolve(entries)
    tables.resolve(entries)
    scans.read_stores_of(entries)
    for section, check in _CHECKS.items():
        for name, entry in entries.sound(section):
            check(entries, (section, name), entry)
    faults = _without_inherited([*explicit.faults, *found, *entries.faults], explicit)
    if faults:
        raise ConfigurationError(faults)
    for name, entry in entries.sound("measurements"):
        entries.put("measurements", name, {"reference": None, **entry})
    return entries.config


def load_configuration(
    paths: Iterable[str | Path], base_directory: str | Path = "."
) -> dict[str, object]:
    """Read configuration files, each laid over those before it, and complete the whole.

    Parameters
    ----------
    paths
        The files.
    base_directory
        Folder that paths of scans are relative to.

    Raises
    ------
    ConfigurationError
        If the configuration has faults, see :func:`complete_configuration`.
    InputError
        If a file cannot be read.
    """
    return complete_configuration(read_configuration(paths), base_directory)


def _validated(config: Mapping[str, object]) -> tuple[dict[str, object], list[Fault]]:
    """Return the complete valid sections and entries of a configuration, and all faults."""
    try:
        return Configuration.model_validate(config).plain(), []
    except ValidationError as error:
        faults = explain(error, Configuration, config)
    broken = {fault.key[:2] for fault in faults}
    valid: dict[str, object] = {}
    for section, field in Configuration.model_fields.items():
        given = config.get(section)
        if not isinstance(given, Mapping) or any(f.key == (section,) for f in faults):
            continue
        sound = {name: entry for name, entry in given.items() if (section, name) not in broken}
        adapter = TypeAdapter(field.annotation)
        values = adapter.validate_python(sound)
        valid[section] = adapter.dump_python(values, mode="json", exclude_none=True)
    return valid, faults


def _without_inherited(faults: list[Fault], explicit: Explicit) -> list[Fault]:
    """Return faults without those that an entry inherits from a faulty one that it is like."""
    known = {(fault.key, fault.what) for fault in faults}
    return [
        fault
        for fault in faults
        if (other := explicit.likes.get(fault.key[:2])) is None
        or ((fault.key[0], other, *fault.key[2:]), fault.what) not in known
    ]
