"""Datasets: those that draw from others, grids and sampling."""

from smrestore.configuration.consistency.sequences import check_sampling, simulated_axes
from smrestore.configuration.datasets import resolved_dataset
from smrestore.configuration.entries import Entries, Entry, check_order
from smrestore.configuration.faults import Key


def resolve_datasets(entries: Entries) -> None:
    """Complete datasets that draw from others; those that cannot are set aside with a fault."""
    resolved = {}
    for name, entry in entries.sound("datasets"):
        key = ("datasets", name, "draws_of")
        other = entry.get("draws_of")
        source = entries.refer(key, other, "datasets", what="dataset") if other else {}
        if source and "draws_of" in source:
            entries.fault(
                key,
                f"dataset {other!r} draws from {source['draws_of']!r} itself",
                f"name {source['draws_of']!r}",
            )
            source = None
        if source is None:
            entries.broken.add(("datasets", name))
        else:
            resolved[name] = resolved_dataset(entries.config["datasets"], name)
    if resolved:
        entries.config = {**entries.config, "datasets": {**entries.config["datasets"], **resolved}}


def check_dataset(entries: Entries, key: Key, entry: Entry) -> None:
    """Check sizes and sampling of a dataset."""
    if entry["draws_of"] != key[1]:
        return  # The dataset it draws from is checked itself.
    grid = entry["grid"]
    low, high = grid["minimum_size"], grid["maximum_size"]
    check_order(entries, (*key, "grid", "minimum_size"), low, high)
    if "average_size" in grid:
        check_order(entries, (*key, "grid", "average_size"), *grid["average_size"])
    check_sampling(
        entries, (*key, "sequence"), entry["sequence"], simulated_axes(entry["dimension"])
    )
