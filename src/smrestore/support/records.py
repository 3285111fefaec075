"""Records of how results were made: one JSON file for each output of a job.

The record of ``results/noise/training.h5`` is ``results/provenance/noise/training.h5.json``. It
holds the inputs with their checksums, so the chain leads from any result back to parameters and
scans. Records are no outputs of the workflow: nothing runs again for them.
"""

import functools
import hashlib
import json
import logging
import platform
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path, git_commit

logger = logging.getLogger(__name__)

FOLDER = "provenance"
PACKAGES = ("smrestore", "numpy", "scipy", "numba", "h5py", "pandas", "torch", "snakemake")


@dataclass(frozen=True)
class Made:
    """What is known of a file.

    Attributes
    ----------
    path
        The file.
    record
        How it was made; empty if there is no record of it.
    state
        ``as recorded``, ``changed since``, ``missing`` or ``no record``.
    outdated
        Inputs that are not any more what the file was made from.
    """

    path: Path
    record: Mapping[str, object]
    state: str
    outdated: tuple[str, ...]


def write_records(
    outputs: Sequence[str | Path],
    inputs: Sequence[str | Path],
    *,
    rule: str,
    wildcards: Mapping[str, object],
    settings: Mapping[str, object],
    started: datetime,
) -> None:
    """Write a record of each output of a job that has ended well.

    Outputs outside of a folder ``results`` get none. Records that cannot be written give a warning,
    as the results themselves are complete.

    Parameters
    ----------
    outputs, inputs
        Files, relative to the working directory or absolute.
    rule, wildcards, settings
        What the job was, and its parameters.
    started
        When it started.
    """
    try:
        job = {
            "rule": rule,
            "wildcards": dict(wildcards),
            "settings": dict(settings),
            "inputs": [_identity(Path(path)) for path in inputs],
            "started": started.isoformat(timespec="seconds"),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "host": socket.gethostname(),
            "platform": platform.platform(),
            "git_commit": git_commit(),
            "versions": _versions(),
        }
        for output in map(Path, outputs):
            place = record_path(output)
            if place is not None:
                with atomic_path(place) as temporary:
                    text = json.dumps({**_identity(output), **job}, indent=1, default=str)
                    temporary.write_text(text + "\n")
    except (OSError, InputError) as error:
        logger.warning("no record of how the outputs were made could be written: %s", error)


def record_path(path: Path) -> Path | None:
    """Return where the record of a result is, None for files outside of ``results``."""
    parts = path.parts
    if "results" not in parts[:-1]:
        return None
    # The last folder of this name: a project may lie in another folder of results.
    place = len(parts) - 1 - parts[::-1].index("results", 1)
    return Path(*parts[: place + 1], FOLDER, *parts[place + 1 : -1], f"{path.name}.json")


def read_record(path: Path) -> dict[str, object]:
    """Return the record of a file, empty if there is none.

    Raises
    ------
    InputError
        If it is damaged.
    """
    place = record_path(path)
    if place is None or not place.exists():
        return {}
    try:
        record = json.loads(place.read_text())
        if not isinstance(record["inputs"], list) or not isinstance(record["sha256"], str):
            raise TypeError("inputs or sha256 are of another type")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"no readable record ({error!r})",
            path=place,
            remedy="delete it; the next run of the job writes it anew",
        ) from None
    return record


def chain(path: Path) -> Iterator[Made]:
    """Yield a file and all that it was made from, each once, results before their inputs.

    Checksums of all files are computed anew.

    Raises
    ------
    InputError
        If there is no such file, or a record is damaged.
    """
    if not path.exists():
        raise InputError("no such file", path=path, remedy="give a result of the workflow")
    # Paths in records are relative to the folder that holds ``results``.
    place = record_path(path.absolute())
    base = Path.cwd() if place is None else Path(str(place).rpartition(f"/results/{FOLDER}/")[0])
    digest = functools.cache(_digest)
    pending, seen = [path.absolute()], set()
    while pending:
        file = pending.pop(0)
        if file in seen:
            continue
        seen.add(file)
        record = read_record(file)
        inputs = {base / entry["path"]: entry for entry in record.get("inputs", ())}
        outdated = [e["path"] for p, e in inputs.items() if digest(p) != e.get("sha256")]
        yield Made(_shown(file, base), record, _state(record, digest(file)), tuple(outdated))
        pending += inputs


def _shown(path: Path, base: Path) -> Path:
    return path.relative_to(base) if path.is_relative_to(base) else path


def _state(record: Mapping[str, object], digest: str | None) -> str:
    if digest is None:
        return "missing"
    if not record:
        return "no record"
    return "as recorded" if digest == record["sha256"] else "changed since"


def _digest(path: Path) -> str | None:
    """Return the SHA-256 of a file, None if there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _identity(path: Path) -> dict[str, object]:
    """Return path, size and SHA-256; what a record knows of an unchanged file is not read again."""
    if not path.is_file():
        return {"path": str(path)}
    status = path.stat()
    known = {"path": str(path), "bytes": status.st_size, "changed": status.st_mtime_ns}
    try:
        record = read_record(path)
    except InputError:
        record = {}
    if all(record.get(key) == known[key] for key in ("bytes", "changed")):
        return {**known, "sha256": record["sha256"]}
    return {**known, "sha256": _digest(path)}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
