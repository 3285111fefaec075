"""Say whether two runs of the workflow gave the same results, and where they differ.

    python benchmarks/same_results.py results other/results

Tables, scores, weights and figures are compared byte by byte, HDF5 and MDF files dataset by dataset
and attribute by attribute. What names a run and not its results is left out: logs, benchmarks,
records of provenance, times, commits, and the report, which prints the time that jobs took. The
exit status is 1 if anything differs.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from tabulate import tabulate

from smrestore.support.errors import InputError

LEFT_OUT = {"logs", "benchmarks", "provenance", "tensorboard", "checkpoints"}
"""Folders that tell of the run and not of its results."""
LEFT_OUT_FILES = {"report.html", ".gitkeep"}
RUN_KEYS = {"created", "git_commit", "command", "elapsed_s"}
"""Names of entries, columns and attributes that differ from run to run."""
RUN_DATASETS = {"/time", "/uuid", "/acquisition/startTime", "/experiment/uuid", "/study/uuid"}
"""Datasets of MDF files that differ from run to run."""
SHOWN = 5
"""Differences of a file that are printed."""


@dataclass(frozen=True)
class Difference:
    """A file that differs, and where."""

    path: Path
    places: list[str]


def files_of(folder: Path) -> set[Path]:
    """Return the results below a folder, relative to it.

    Raises
    ------
    InputError
        If there is no such folder, or nothing in it.
    """
    paths = {
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and path.name not in LEFT_OUT_FILES
    }
    found = {path for path in paths if not LEFT_OUT & set(path.parts)}
    if not found:
        raise InputError("no results", path=folder, remedy="give the folder results of a run")
    return found


def without_run_keys(value: object) -> object:
    """Return JSON without the entries that differ from run to run."""
    if isinstance(value, dict):
        return {key: without_run_keys(entry) for key, entry in value.items() if key not in RUN_KEYS}
    return [without_run_keys(entry) for entry in value] if isinstance(value, list) else value


def json_places(one: object, other: object, where: str = "") -> Iterator[str]:
    """Yield the places where two JSON values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from json_places(one.get(key), other.get(key), f"{where}.{key}".lstrip("."))
    elif json.dumps(one) != json.dumps(other):
        yield where or "the whole file"


def compare_json(one: Path, other: Path) -> list[str]:
    """Return the entries of two JSON files that differ."""
    values = [without_run_keys(json.loads(path.read_text())) for path in (one, other)]
    return list(json_places(*values))


def compare_csv(one: Path, other: Path) -> list[str]:
    """Return the columns of two CSV files that differ, and the first row where they do."""
    tables = [[row.split(",") for row in path.read_text().splitlines()] for path in (one, other)]
    if tables[0][:1] != tables[1][:1]:
        return ["columns"]
    if len(tables[0]) != len(tables[1]):
        return [f"{len(tables[0]) - 1} and {len(tables[1]) - 1} rows"]
    first: dict[str, int] = {}
    names = tables[0][0]
    for number, rows in enumerate(zip(*tables, strict=True)):
        for column, (a, b) in enumerate(zip(*rows, strict=False)):
            # Text with commas has more fields than there are names.
            name = names[min(column, len(names) - 1)]
            if a != b and name not in RUN_KEYS:
                first.setdefault(name, number)
        if len(rows[0]) != len(rows[1]):
            first.setdefault("number of fields", number)
    return [f"column {name} from row {row} on" for name, row in first.items()]


def compare_hdf5(one: Path, other: Path) -> list[str]:
    """Return the datasets and attributes of two HDF5 files that differ."""
    with h5py.File(one) as a, h5py.File(other) as b:
        names = [set(_names(file)) for file in (a, b)]
        places = [f"{name}: in one of them only" for name in sorted(names[0] ^ names[1])]
        for name in sorted(names[0] & names[1]):
            if name in RUN_DATASETS or name.rpartition("/")[2] in RUN_KEYS:
                continue
            if isinstance(a[name], h5py.Dataset) and (
                a[name].shape != b[name].shape or not _same(a[name][()], b[name][()])
            ):
                places.append(f"{name}{_how_far(a[name], b[name])}")
            places += [f"{name}@{key}" for key in _attributes(a[name], b[name])]
    return places


def _names(file: h5py.File) -> list[str]:
    found = ["/"]
    file.visit(lambda name: found.append(f"/{name}"))
    return found


def _attributes(one: h5py.HLObject, other: h5py.HLObject) -> Iterator[str]:
    for key in sorted({*one.attrs, *other.attrs} - RUN_KEYS):
        if not (
            key in one.attrs
            and key in other.attrs
            and _same(_plain(one.attrs[key]), _plain(other.attrs[key]))
        ):
            yield key


def _plain(value: object) -> object:
    """Return an attribute; JSON in it without what differs from run to run."""
    if isinstance(value, str) and value[:1] in "{[":
        try:
            return json.dumps(without_run_keys(json.loads(value)))
        except ValueError:
            return value
    return value


def _same(one: object, other: object) -> bool:
    """Return whether two values have the same bytes, so that NaN equals NaN."""
    arrays = np.asarray(one), np.asarray(other)
    if arrays[0].dtype != arrays[1].dtype or arrays[0].shape != arrays[1].shape:
        return False
    if arrays[0].dtype.kind == "O":
        return arrays[0].tolist() == arrays[1].tolist()
    return arrays[0].tobytes() == arrays[1].tobytes()


def _how_far(one: h5py.Dataset, other: h5py.Dataset) -> str:
    if one.shape != other.shape:
        return f": {one.shape} and {other.shape}"
    if one.dtype.kind not in "fc" or one.dtype != other.dtype:
        return ""
    a, b = one[()], other[()]
    largest = np.nanmax(np.abs(a), initial=0.0)
    return (
        f": by up to {np.nanmax(np.abs(a - b), initial=0.0) / (largest or 1.0):.1g} of the largest"
    )


def compare_pdf(one: Path, other: Path) -> list[str]:
    """Return whether two PDF files differ in more than their date."""
    texts = [re.sub(rb"/(Creation|Mod)Date \([^)]*\)", b"", p.read_bytes()) for p in (one, other)]
    return [] if texts[0] == texts[1] else ["the picture"]


def compare_bytes(one: Path, other: Path) -> list[str]:
    """Return where two files differ first."""
    a, b = one.read_bytes(), other.read_bytes()
    if a == b:
        return []
    if len(a) != len(b):
        return [f"{len(a)} and {len(b)} bytes"]
    first = next(i for i, pair in enumerate(zip(a, b, strict=True)) if pair[0] != pair[1])
    return [f"from byte {first} on"]


COMPARE: dict[str, Callable[[Path, Path], list[str]]] = {
    ".json": compare_json,
    ".csv": compare_csv,
    ".h5": compare_hdf5,
    ".mdf": compare_hdf5,
    ".pdf": compare_pdf,
}


def compare(one: Path, other: Path) -> tuple[list[dict[str, object]], list[Difference]]:
    """Return a row for each kind of file, and all files that differ.

    Raises
    ------
    InputError
        If a folder has no results.
    """
    found = files_of(one), files_of(other)
    differences = [
        Difference(path, [f"only in {one if path in found[0] else other}"])
        for path in sorted(found[0] ^ found[1])
    ]
    counts: dict[tuple[str, str], list[int]] = {}
    for path in sorted(found[0] & found[1]):
        places = compare_bytes(one / path, other / path)
        if places:
            places = COMPARE.get(path.suffix, compare_bytes)(one / path, other / path)
        row = counts.setdefault((path.parts[0], path.suffix), [0, 0])
        row[bool(places)] += 1
        if places:
            differences.append(Difference(path, places))
    rows = [
        {"folder": folder, "files": suffix, "same": same, "differ": differ}
        for (folder, suffix), (same, differ) in sorted(counts.items())
    ]
    return rows, differences


def main() -> int:
    """Compare the folders of the command line."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        rows, differences = compare(*map(Path, sys.argv[1:]))
    except InputError as error:
        sys.exit(str(error))
    print(tabulate(rows, headers="keys"))
    for difference in differences:
        more = len(difference.places) - SHOWN
        places = "; ".join(difference.places[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
        print(f"{difference.path}: {places}")
    same = sum(row["same"] for row in rows)
    print(f"{same} files are the same, {len(differences)} differ.")
    return bool(differences)


if __name__ == "__main__":
    sys.exit(main())
