"""Datasets of a file that are copied into another one."""

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

import h5py

from smrestore.mdf.data import data_bytes
from smrestore.mdf.file import MdfFile
from smrestore.mdf.layout import MANDATORY, Fields, links
from smrestore.mdf.limits import DESCRIPTION_BYTES
from smrestore.mdf.writer import timestamp

EXPANSION = 100
"""A copied dataset may be so many times as large as its file, in which it may be compressed."""


def copied_datasets(file: MdfFile, wanted: Callable[[str], bool]) -> dict[str, Any]:
    """Return the datasets of an open file whose names are wanted, to be written again.

    Single values and times come in the form that MPIFiles.jl takes.

    Raises
    ------
    InputError
        If the file is damaged there.
    """
    fields = Fields(file.hdf5, file.path)
    return {
        name: _conforming(fields, name)
        for name in links(file.hdf5, file.path)
        if wanted(name) and name in fields
    }


def conforming_time(text: str) -> str:
    """Return a time without zone and microseconds; text that is none stays as it is."""
    try:
        return timestamp(datetime.fromisoformat(text.strip()))
    except ValueError:
        return text


def is_user_defined(name: str) -> bool:
    """Say whether a dataset is none of the specification, by its name."""
    return any(part.startswith("_") for part in name.split("/"))


def _check_size(fields: Fields, name: str, dataset: h5py.Dataset) -> None:
    n_bytes = 0 if dataset.shape is None else data_bytes(dataset)
    if n_bytes > max(DESCRIPTION_BYTES, EXPANSION * fields.path.stat().st_size):
        raise fields.error(
            f"claims {n_bytes / 1e9:.3g} GB in shape {dataset.shape}, far more than the file has",
            name,
            "store the shape of its values, or remove it",
        )


def _conforming(fields: Fields, name: str) -> Any:
    """Return a dataset to copy, or its value if MPIFiles.jl would not take it as it is."""
    dataset = fields.dataset(name, may_be_empty=True)
    _check_size(fields, name, dataset)
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    if dataset.shape is None or math.prod(dataset.shape) != 1:
        return dataset
    if name == "/study/time" and is_text:
        return conforming_time(fields.text(name))
    if name in MANDATORY and dataset.shape != ():
        return fields.text(name) if is_text else fields.array(name).reshape(())
    return dataset
