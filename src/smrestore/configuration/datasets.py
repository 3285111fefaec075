"""Datasets that share the parameters of another one."""

from collections.abc import Mapping

Entry = Mapping[str, object]


def resolved_dataset(datasets: Mapping[str, Entry], name: str) -> dict[str, object]:
    """Return all settings of a dataset: what it leaves out is that of the one it draws from."""
    entry = datasets[name]
    source = datasets[entry["draws_of"]] if "draws_of" in entry else {}
    return {"draws_of": name, "evaluator": "table", "refinement": 1, **source, **entry}
