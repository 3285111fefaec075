"""The entries of a configuration by name, and the faults that are found on the way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from smrestore.support.faults import Fault, Key, choice_remedy

Entry = Mapping[str, object]


@dataclass
class Entries:
    """The complete entries of a configuration, some of which may be faulty.

    Attributes
    ----------
    config
        Complete sections by name, without entries whose structure is faulty.
    given
        The configuration as it was given, for the names of all entries.
    base_directory
        Folder that paths are relative to.
    broken
        Faulty sections ``(section,)`` and entries ``(section, name)``. They exist, but are not
        checked further.
    faults
        Faults found so far.
    """

    config: dict[str, object]
    given: Mapping[str, object]
    base_directory: Path
    broken: set[Key]
    faults: list[Fault] = field(default_factory=list)

    def fault(self, key: Key, what: str, remedy: str) -> None:
        """Note a fault."""
        self.faults.append(Fault(key, what, remedy))

    def set_aside(self, section: str, name: str) -> None:
        """Exclude an entry from further checks."""
        self.broken.add((section, name))

    def put(self, section: str, name: str, entry: Entry) -> None:
        """Replace an entry by its complete form."""
        self.config[section] = {**self.config[section], name: dict(entry)}

    def names(self, section: str) -> list[str] | None:
        """Return the names in a section, None if the section is broken."""
        entries = self.given.get(section)
        return list(entries) if isinstance(entries, Mapping) and entries else None

    def sound(self, section: str) -> Iterator[tuple[str, Entry]]:
        """Yield names and entries of a section, without the broken ones."""
        for name, entry in self.config.get(section, {}).items():
            if (section, name) not in self.broken:
                yield name, entry

    def get(self, section: str, name: object) -> Entry | None:
        """Return an entry, None if it is missing or broken."""
        return dict(self.sound(section)).get(name)

    def refer(self, key: Key, name: str, *sections: str, what: str) -> Entry | None:
        """Return the entry that ``key`` names in one of the sections.

        A name that does not exist is a fault. Then, and if the entry is broken, it returns None.
        """
        names = [self.names(section) for section in sections]
        if None in names:
            return None
        known = [other for part in names for other in part]
        if name not in known:
            self.fault(key, f"unknown {what} {name!r}", choice_remedy(name, known))
        return next((e for section in sections if (e := self.get(section, name))), None)

    def scan(self, key: Key, name: str, kind: str) -> Entry | None:
        """Return the scan that ``key`` names. If it is not of this kind, this is a fault."""
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
