"""Scans that repeat another one."""

from collections.abc import Mapping

Entry = Mapping[str, object]


def resolved_scan(scans: Mapping[str, Entry], name: str) -> dict[str, object]:
    """Return all settings of a scan: what a repeated one leaves out is that of its original."""
    entry = scans[name]
    original = scans[entry["repeats"]] if "repeats" in entry else {}
    return {**original, **entry}
