"""Writing MDF files that the reference reader MPIFiles.jl opens."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from smrestore.mdf.data import TILE_BYTES
from smrestore.mdf.layout import CONDITIONAL, MANDATORY, RECONSTRUCTION, TRACER
from smrestore.mdf.limits import reading
from smrestore.support.checksums import add_checksums, intact
from smrestore.support.errors import InputError
from smrestore.support.files import new_hdf5, reserve_space


@dataclass(frozen=True, eq=False)
class Blocks:
    """A dataset that is written piece by piece.

    Attributes
    ----------
    shape, dtype
        Of the whole dataset.
    blocks
        Yields (index, values): ``dataset[index] = values`` is done for each.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    blocks: Iterable[tuple[Any, np.ndarray]]


def write_mdf(path: str | Path, fields: Mapping[str, Any]) -> None:
    """Write an MDF v2 file, completely or not at all.

    Datasets are contiguous and uncompressed, because MPIFiles.jl maps them into memory; booleans
    become int8, text UTF-8, complex numbers compounds of ``r`` and ``i``; single values are scalar
    (MDF 2.1 specification). Each dataset gets a checksum, as an attribute.

    Parameters
    ----------
    path
        Destination; a former file is replaced.
    fields
        Dataset name such as ``/study/name`` -> number, text, array, array of text, :class:`Blocks`,
        or a dataset of an open HDF5 file, which is copied.

    Raises
    ------
    InputError
        If a mandatory dataset is missing, or there is no space for the file.
    """
    _check_complete(path, fields)
    with new_hdf5(path) as file:
        reserve_space(file, sum(map(_size_of, fields.values())))
        for name, value in fields.items():
            _write(file, name, value)
        add_checksums(file)


def timestamp(time: datetime | str | None = None) -> str:
    """Return a time, now by default, as MDF stores it: UTC, milliseconds, no zone."""
    if isinstance(time, str):
        return time
    if time is None:
        time = datetime.now(UTC)
    if time.tzinfo is not None:
        time = time.astimezone(UTC).replace(tzinfo=None)
    return time.isoformat(timespec="milliseconds")


def _check_complete(path: str | Path, fields: Mapping[str, Any]) -> None:
    required = list(MANDATORY)
    if RECONSTRUCTION in fields:
        # The measurement is optional in a file with a result.
        required = [name for name in required if not name.startswith("/measurement/")]
    if any(name.startswith("/tracer/") for name in fields):
        required += TRACER
    for flag, names in CONDITIONAL.items():
        # A flag copied from another file is a dataset, hence the [()].
        if flag in fields and np.asarray(fields[flag])[()]:
            required += names
    missing = [name for name in required if name not in fields]
    if missing:
        raise InputError(
            "this mandatory dataset is missing",
            path=path,
            field=missing[0],
            remedy="give it a value",
        )


def _size_of(value: Any) -> int:
    """Return about how many bytes a value takes in the file, rather too many."""
    header = 1024
    if isinstance(value, (Blocks, h5py.Dataset)):
        shape = value.shape or ()
        return header + math.prod(shape) * value.dtype.itemsize
    array = np.asarray(value)
    if array.dtype.kind in "OU":
        return header + sum(64 + len(str(text).encode()) for text in array.ravel())
    return header + array.nbytes


def _write(file: h5py.File, name: str, value: Any) -> None:
    if isinstance(value, h5py.Dataset):
        _copy(file, name, value)
        return
    if isinstance(value, Blocks):
        dataset = file.create_dataset(name, value.shape, value.dtype.newbyteorder("<"))
        for index, values in value.blocks:
            dataset[index] = values
        return
    array = np.asarray(value)
    if array.dtype.kind in "OU":
        file.create_dataset(name, data=array.astype(object)[()], dtype=h5py.string_dtype())
    elif array.dtype.kind == "b":
        file.create_dataset(name, data=array.astype(np.int8))
    else:
        file.create_dataset(name, data=array, dtype=array.dtype.newbyteorder("<"))


def _copy(file: h5py.File, name: str, source: h5py.Dataset) -> None:
    """Copy a dataset of another file, contiguously and in pieces."""
    with reading(source.file.filename, name):
        intact(source)
        if source.chunks is None:
            file.require_group(name.rpartition("/")[0] or "/")
            file.copy(source, name)
            return
        copy = file.create_dataset(name, source.shape, source.dtype)
        row_bytes = math.prod(source.shape[1:]) * source.dtype.itemsize
        step = max(1, TILE_BYTES // max(1, row_bytes))
        for start in range(0, len(source), step):
            copy[start : start + step] = source[start : start + step]
