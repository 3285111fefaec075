"""Damaged MDF files: what is done to them, and a process that tries to read them.

As a program, ``python mdf_mutations.py REPORT MEMORY SECONDS FILE...`` reads every file in all ways
and appends one JSON line to the report before and after each. It limits its own memory, and the
time for each file, so that whatever a file does to HDF5 ends this process alone.
"""

import json
import resource
import shutil
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

HUGE = 1 << 40


def mutate(path: Path, rng: np.random.Generator, kind: str) -> str:
    """Damage a file in place; return what was done."""
    return _KINDS[kind](path, rng)


def _flip_bytes(path: Path, rng: np.random.Generator) -> str:
    content = bytearray(path.read_bytes())
    places = rng.integers(0, len(content), int(rng.integers(1, 20)))
    for place in places:
        content[place] ^= int(rng.integers(1, 256))
    path.write_bytes(content)
    return f"flipped bytes at {places.tolist()}"


def _flip_in_structure(path: Path, rng: np.random.Generator) -> str:
    """Flip one byte near a name or signature of HDF5, where damage hurts most."""
    content = bytearray(path.read_bytes())
    marks = (b"HEAP", b"TREE", b"SNOD", b"GCOL", b"OHDR", b"\x89HDF", b"isFour", b"numF", b"cycle")
    places = [i for mark in marks for i in _all_places(content, mark)]
    place = int(rng.choice(places) + rng.integers(0, 64))
    place = min(place, len(content) - 1)
    content[place] = int(rng.integers(0, 256))
    path.write_bytes(content)
    return f"set byte {place}"


def _all_places(content: bytes, mark: bytes) -> list[int]:
    places, start = [], content.find(mark)
    while start >= 0:
        places.append(start)
        start = content.find(mark, start + 1)
    return places


def _cut(path: Path, rng: np.random.Generator) -> str:
    content = path.read_bytes()
    length = int(rng.integers(0, len(content)))
    path.write_bytes(content[:length])
    return f"cut to {length} bytes"


def _names(file: h5py.File) -> list[str]:
    names = []
    file.visititems(lambda name, node: names.append(f"/{name}"))
    return sorted(names)


def _datasets(file: h5py.File) -> list[str]:
    return [name for name in _names(file) if isinstance(file[name], h5py.Dataset)]


def _choose(rng: np.random.Generator, items: list) -> object:
    return items[int(rng.integers(len(items)))]


def _remove(path: Path, rng: np.random.Generator) -> str:
    with h5py.File(path, "r+") as file:
        name = _choose(rng, _names(file))
        del file[name]
    return f"removed {name}"


def _reshape(path: Path, rng: np.random.Generator) -> str:
    with h5py.File(path, "r+") as file:
        name = _choose(rng, _datasets(file))
        old = file[name]
        dtype, shape = old.dtype, list(old.shape)
        change = _choose(rng, ["longer", "shorter", "reversed", "extra", "scalar", "flat", "none"])
        place = int(rng.integers(len(shape))) if shape else 0
        if not shape or change == "extra":
            shape.insert(place, int(rng.integers(1, 3)))
        elif change in ("longer", "shorter"):
            shape[place] = max(0, shape[place] + (1 if change == "longer" else -1))
        elif change == "reversed":
            shape.reverse()
        elif change == "scalar":
            shape = []
        elif change == "flat":
            shape = [int(np.prod(shape))]
        else:
            shape = [0]
        del file[name]
        file.create_dataset(name, shape, dtype)
    return f"gave {name} the shape {tuple(shape)}"


def _retype(path: Path, rng: np.random.Generator) -> str:
    color = h5py.enum_dtype({"red": 0, "green": 1}, basetype="i1")
    types = {
        "text": h5py.string_dtype(),
        "short text": "S3",
        "complex": np.complex64,
        "integer": np.int16,
        "unsigned": np.uint64,
        "double": np.float64,
        "half": np.float16,
        "boolean": np.bool_,
        "enumeration": color,
        "compound": np.dtype([("r", "<f4"), ("i", "S2")]),
        "pair": np.dtype([("r", "<i2"), ("i", "<i2")]),
        "ragged": h5py.vlen_dtype(np.int32),
        "reference": h5py.ref_dtype,
        "opaque": np.dtype("V5"),
    }
    with h5py.File(path, "r+") as file:
        name = _choose(rng, _datasets(file))
        label = _choose(rng, list(types))
        shape = file[name].shape
        del file[name]
        file.create_dataset(name, shape, types[label])
    return f"gave {name} the type {label}"


def _revalue(path: Path, rng: np.random.Generator) -> str:
    values = [
        np.nan,
        np.inf,
        -np.inf,
        -1.0,
        0.0,
        1.5,
        1e300,
        np.uint64(2**64 - 1),
        -(2**63),
        10**6,
        HUGE,
        1 + 1j,
        "",
        "\x1b[31m\nred",
        b"\xff\xfe",
        h5py.Empty("f8"),
    ]
    with h5py.File(path, "r+") as file:
        name = _choose(rng, _datasets(file))
        value = _choose(rng, values)
        shape = file[name].shape
        numeric = not isinstance(value, str | bytes | h5py.Empty)
        del file[name]
        filled = np.full(shape, value) if numeric and rng.random() < 0.5 else value
        file[name] = filled
    return f"set {name} to {value!r}"


def _enlarge(path: Path, rng: np.random.Generator) -> str:
    """Declare a size that no memory holds; the file stays small."""
    with h5py.File(path, "r+") as file:
        name = _choose(rng, _datasets(file))
        dtype = file[name].dtype
        shape = list(file[name].shape) or [1]
        shape[int(rng.integers(len(shape)))] = int(_choose(rng, [1 << 31, HUGE, 1 << 50]))
        del file[name]
        file.create_dataset(name, shape, dtype, chunks=tuple(min(n, 64) for n in shape))
        also = "/acquisition/numFrames"
        if rng.random() < 0.3 and name != also:
            file[also][...] = max(shape)
    return f"declared {name} of shape {tuple(shape)}"


def _relink(path: Path, rng: np.random.Generator) -> str:
    with h5py.File(path, "r+") as file:
        name = _choose(rng, _names(file))
        targets = {
            "itself": h5py.SoftLink(name),
            "nothing": h5py.SoftLink("/nowhere"),
            "the root": h5py.SoftLink("/"),
            "another dataset": h5py.SoftLink(_choose(rng, _datasets(file))),
            "another file": h5py.ExternalLink("absent.mdf", name),
            "a group": None,
        }
        label = _choose(rng, list(targets))
        del file[name]
        if targets[label] is None:
            file.create_group(name)
        else:
            file[name] = targets[label]
    return f"made {name} a link to {label}"


_KINDS: dict[str, Callable[[Path, np.random.Generator], str]] = {
    "bytes": _flip_bytes,
    "structure": _flip_in_structure,
    "cut": _cut,
    "removed": _remove,
    "shape": _reshape,
    "type": _retype,
    "value": _revalue,
    "huge": _enlarge,
    "link": _relink,
}
KINDS = tuple(_KINDS)


def damaged_copy(source: Path, path: Path, seed: tuple[int, ...], kind: str) -> str:
    """Write a damaged copy; return what was done to it."""
    shutil.copy(source, path)
    return mutate(path, np.random.default_rng(seed), kind)


def read_in_all_ways(path: Path) -> dict:
    """Read a file; return errors that users would see, and whether what was read is right."""
    from mdf_files import independent_matrix, independent_read

    from smrestore.mdf import (
        Reconstruction,
        inspect_mdf,
        open_mdf,
        read_spectra,
        read_system_matrix,
        write_reconstruction,
        write_restored,
    )
    from smrestore.mdf.sliced import write_slice
    from smrestore.physics import CalibrationGrid
    from smrestore.support.errors import InputError

    errors, checked = [], 0
    n_periods, is_calibration = 1, True
    try:
        with open_mdf(path) as file:
            n_periods, is_calibration = file.acquisition.n_periods, file.calibration is not None
            is_sparse = file.flags.sparsity_transformed
    except InputError as error:
        errors.append(str(error))
    actions = {}
    if not errors:
        actions["inspect"] = lambda: inspect_mdf(path).text()
        actions["spectra"] = lambda: read_spectra(path, period=n_periods - 1)
        if is_calibration:
            actions["matrix"] = lambda: read_system_matrix(
                path, background=None, period=n_periods - 1
            )

    def restore() -> None:
        periods = range(n_periods)
        matrix = [read_system_matrix(path, background=None, period=period) for period in periods]
        write_restored(path, output, np.stack(matrix), description="restored")

    def reconstruct() -> None:
        grid = CalibrationGrid((2, 2, 1), (0.01, 0.01, 0.0))
        images = Reconstruction(np.zeros((1, 2, 2, 1)), grid, {})
        write_reconstruction(path, output, images, description="reconstructed")

    output = path.with_suffix(".out.mdf")
    if not errors:
        # What is copied into other files is damaged, too.
        actions["reconstruction"] = reconstruct
        if is_calibration:
            actions["restored"] = restore
            if not is_sparse:
                actions["slice"] = lambda: write_slice(path, output, 0)
    for name, action in actions.items():
        try:
            found = action()
        except InputError as error:
            errors.append(str(error))
            continue
        reader = {
            "spectra": lambda: independent_read(path, n_periods - 1)["spectra"],
            "matrix": lambda: independent_matrix(path, period=n_periods - 1),
        }.get(name)
        if reader is None:
            continue
        try:
            expected = reader()
        except Exception:
            # The simple reader does not know the defaults for what is missing.
            continue
        scale = np.abs(expected).max()
        if found.shape != expected.shape or np.abs(found - expected).max() > 1e-5 * scale:
            raise AssertionError(f"{name}: not what the independent reader finds")
        checked += 1
    for error in errors:
        if "\n" in error or not error.startswith(str(path)):
            raise AssertionError(f"unclear error: {error!r}")
    return {"errors": errors, "checked": checked}


def _main(report: str, memory: str, seconds: str, *paths: str) -> None:
    import mdf_files  # noqa: F401 - before the memory is limited

    import smrestore.mdf  # noqa: F401

    warnings.simplefilter("ignore")
    # Python's handler would wait for HDF5 to return; the default one ends the process.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with Path(report).open("a") as lines:

        def tell(**line: object) -> None:
            lines.write(json.dumps(line) + "\n")
            lines.flush()

        for path in paths:
            tell(path=path, state="started")
            signal.alarm(int(seconds))
            try:
                tell(path=path, state="read", **read_in_all_ways(Path(path)))
            except BaseException:
                tell(path=path, state="failed", why=traceback.format_exc())
            signal.alarm(0)


if __name__ == "__main__":
    _main(*sys.argv[1:])
