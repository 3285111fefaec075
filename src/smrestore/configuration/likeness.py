"""Shorter configurations: entries that are like others, and repetitions of scans."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import ascii_lowercase

from smrestore.configuration.scans import MOST_REPETITIONS
from smrestore.support.faults import Fault, Key, choice_remedy

DISCRIMINATORS = {"network": "name", "guess": "method"}
"""Settings of several kinds, and the key that tells the kinds apart."""

RESTING_ON = {
    "task": ("degradation", "factor", "decimate", "missing"),
    "calibration": ("realizations",),
}
"""Settings that are dropped if another one changes."""


@dataclass
class Explicit:
    """A configuration in which every entry has all of its own settings.

    Attributes
    ----------
    config
        The configuration without ``like`` and ``repetitions``.
    likes
        The entry that each one is like, by section and name.
    repeated
        Scans that stand for ``repetitions`` of another one, by name.
    faults
        Faults of entries that could not be resolved. ``config`` lacks them.
    """

    config: dict[str, object]
    likes: dict[Key, str] = field(default_factory=dict)
    repeated: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def make_explicit(config: Mapping[str, object]) -> Explicit:
    """Resolve ``like`` and ``repetitions``. The configuration may have faults of any kind."""
    explicit = Explicit(dict(config))
    for section, entries in config.items():
        if isinstance(entries, Mapping):
            explicit.config[section] = {
                name: entry
                for name in entries
                if (entry := _resolved(explicit, section, entries, name)) is not _BROKEN
            }
    _repeat_scans(explicit)
    return explicit


_BROKEN = object()


def _resolved(explicit: Explicit, section: str, entries: Mapping[str, object], name: str) -> object:
    """Return an entry with all settings that it has from others."""
    chain = [name]
    while isinstance(entries[chain[-1]], Mapping) and "like" in entries[chain[-1]]:
        other, known = entries[chain[-1]]["like"], [n for n in entries if n != chain[-1]]
        key = (section, chain[-1], "like")
        if not isinstance(other, str) or other not in entries:
            if len(chain) == 1:
                remedy = choice_remedy(other, known)
                explicit.faults.append(Fault(key, f"there is no entry {other!r} here", remedy))
            return _BROKEN
        if other in chain:
            # The whole circle is one fault, reported by its first entry.
            circle = chain[chain.index(other) :]
            if name == min(circle):
                text = " is like ".join([*circle, other])
                fault = Fault(key, f"{text}, which is a circle", "let one of them stand alone")
                explicit.faults.append(Fault((section, name, "like"), fault.what, fault.remedy))
            return _BROKEN
        chain.append(other)
    if len(chain) > 1:
        explicit.likes[section, name] = chain[1]
    entry = entries[chain[-1]]
    for follower in reversed(chain[:-1]):
        own = {key: value for key, value in entries[follower].items() if key != "like"}
        entry = laid_over(entry, own)
    return entry


def laid_over(base: object, own: Mapping[str, object], inside: str = "") -> object:
    """Return settings with others laid over them, key by key. Lists and single values replace.

    Settings of another kind replace, too: a network of another name does not keep the sizes of the
    one before. Options of another task and realizations of another calibration are dropped.
    """
    if not isinstance(base, Mapping) or is_other_kind(base, own, inside):
        return dict(own)
    merged = dict(base)
    for name, others in RESTING_ON.items():
        if own.get(name, base.get(name)) != base.get(name):
            for other in others:
                merged.pop(other, None)
    for key, value in own.items():
        both = isinstance(value, Mapping) and key in merged
        merged[key] = laid_over(merged[key], value, str(key)) if both else value
    return merged


def is_other_kind(base: Mapping[str, object], own: Mapping[str, object], inside: str) -> bool:
    """Tell whether two settings of the same key are of different kinds."""
    by = DISCRIMINATORS.get(inside)
    return by in own and own[by] != base.get(by)


def _repeat_scans(explicit: Explicit) -> None:
    """Make a scan of each repetition, and a realization of it in measurements with its original."""
    scans = explicit.config.get("scans")
    if not isinstance(scans, Mapping):
        return
    spelled: dict[str, object] = {}
    again: dict[str, list[str]] = {}
    for name, scan in scans.items():
        if name in spelled:
            continue  # It changes a repetition.
        spelled[name] = scan
        if not isinstance(scan, Mapping) or scan.get("kind") != "calibration":
            continue
        count = scan.get("repetitions")
        if isinstance(count, bool) or count not in range(1, MOST_REPETITIONS + 1):
            continue
        spelled[name] = {key: value for key, value in scan.items() if key != "repetitions"}
        again[name] = [f"{name}-{letter}" for letter in ascii_lowercase[1 : count + 1]]
        entry = {"source": "virtual", "kind": "calibration", "repeats": scan.get("repeats", name)}
        if "repeats" in scan and "averages" in scan:
            entry["averages"] = scan["averages"]
        for other in again[name]:
            spelled[other] = laid_over(entry, given) if _is(given := scans.get(other)) else entry
            explicit.repeated[other] = name
    explicit.config["scans"] = spelled
    measurements = explicit.config.get("measurements")
    if isinstance(measurements, Mapping):
        explicit.config["measurements"] = {
            name: {**entry, "realizations": again[entry["calibration"]]}
            if _is(entry)
            and "realizations" not in entry
            and isinstance(entry.get("calibration"), str)
            and entry["calibration"] in again
            else entry
            for name, entry in measurements.items()
        }


def _is(entry: object) -> bool:
    return isinstance(entry, Mapping)
