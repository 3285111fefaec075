"""The entries of a configuration, looked up by name, and the faults found on the way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from smrestore.configuration.faults import Fault, Key, choice_remedy

Entry = Mapping[str, object]


@dataclass
class Entries:
    """A configuration whose structure may be faulty in places.

    Attributes
    ----------
    config
        The configuration.
    base_directory
        Folder that paths are relative to.
    broken
        Sections ``(section,)`` and entries ``(section, name)`` of faulty structure: they exist, but
        what they say is not judged.
    faults
        Faults found so far.
    """

    config: Mapping[str, object]
    base_directory: Path
    broken: set[Key]
    faults: list[Fault] = field(default_factory=list)

    def fault(self, key: Key, what: str, remedy: str) -> None:
        """Note a fault."""
        self.faults.append(Fault(key, what, remedy))

    def names(self, section: str) -> list[str] | None:
        """Return the names in a section, None if the section is broken."""
        entries = self.config.get(section)
        return list(entries) if isinstance(entries, Mapping) and entries else None

    def sound(self, section: str) -> Iterator[tuple[str, Entry]]:
        """Yield names and entries of a section, without the broken ones."""
        for name in self.names(section) or []:
            if (section, name) not in self.broken:
                yield name, self.config[section][name]

    def get(self, section: str, name: object) -> Entry | None:
        """Return an entry, None if it is missing or broken."""
        return dict(self.sound(section)).get(name)

    def refer(self, key: Key, name: str, *sections: str, what: str) -> Entry | None:
        """Return the entry that ``key`` names in one of the sections.

        A name that does not exist is a fault. None if it does not exist or is broken.
        """
        names = [self.names(section) for section in sections]
        if None in names:
            return None
        known = [other for part in names for other in part]
        if name not in known:
            self.fault(key, f"unknown {what} {name!r}", choice_remedy(name, known))
        return next((e for section in sections if (e := self.get(section, name))), None)

    def scan(self, key: Key, name: str, kind: str) -> Entry | None:
        """Return the scan that ``key`` names; another kind than ``kind`` is a fault."""
        scan = self.refer(key, name, "scans", what="scan")
        if scan and scan["kind"] != kind:
            others = [other for other, entry in self.sound("scans") if entry["kind"] == kind]
            self.fault(
                key,
                f"scan {name!r} is of kind {scan['kind']}, not {kind}",
                f"use one of {', '.join(others)}" if others else f"add a {kind} scan",
            )
            return None
        return scan


def check_order(entries: Entries, key: Key, low: float, high: float) -> None:
    """Note a fault if the first value of a range is above the second."""
    if low > high:
        entries.fault(key, f"{low:g} is above {high:g}", "give the smaller value first")
