"""What the entries of a configuration say about each other."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from smrestore.configuration.consistency.datasets import check_dataset, resolve_datasets
from smrestore.configuration.consistency.evaluation import check_table, check_test_set
from smrestore.configuration.consistency.experiments import check_experiment
from smrestore.configuration.consistency.figures import check_figure
from smrestore.configuration.consistency.measurements import check_measurement
from smrestore.configuration.consistency.methods import check_baseline, check_twin_method
from smrestore.configuration.consistency.noise import check_noise_pool
from smrestore.configuration.consistency.scans import (
    check_phantom,
    check_scan,
    read_stores_of,
    resolve_scans,
)
from smrestore.configuration.consistency.sequences import check_grid, check_sequence
from smrestore.configuration.entries import Entries
from smrestore.configuration.faults import Fault

_CHECKS = {
    "datasets": check_dataset,
    "sequences": check_sequence,
    "grids": check_grid,
    "phantoms": check_phantom,
    "scans": check_scan,
    "noise_pools": check_noise_pool,
    "baselines": check_baseline,
    "experiments": check_experiment,
    "twin_methods": check_twin_method,
    "test_sets": check_test_set,
    "tables": check_table,
    "measurements": check_measurement,
    "figures": check_figure,
}


def consistency_faults(
    config: object, base_directory: Path, structure_faults: Iterable[Fault]
) -> list[Fault]:
    """Return the faults between the entries of a configuration.

    ``structure_faults`` tell which entries are not to be judged.
    """
    if not isinstance(config, Mapping):
        return []
    entries = Entries(config, base_directory, {fault.key[:2] for fault in structure_faults})
    resolve_datasets(entries)
    resolve_scans(entries)
    read_stores_of(entries)
    for section, check in _CHECKS.items():
        for name, entry in entries.sound(section):
            check(entries, (section, name), entry)
    return entries.faults
