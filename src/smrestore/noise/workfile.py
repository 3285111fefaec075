"""Pools in the making: filled block by block, continued after an interruption, complete or absent.

The file is laid out before anything is written to it, so that a process that is killed leaves valid
HDF5; a small file beside it says how many blocks have arrived.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from smrestore.noise.origin import Origin, write_origins
from smrestore.noise.pool import FORMAT
from smrestore.noise.statistics import Run, dataset_shapes, write_statistics
from smrestore.support.checksums import CHECKSUMMED_STRUCTURE, add_checksums
from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path, provenance, raise_if_full, reserve_space
from smrestore.support.progress import progress_bar

Block = tuple[tuple, np.ndarray]
"""Where the values belong in ``noise``, and the values."""


def write_pool(
    path: str | Path,
    *,
    shape: tuple[int, int, int],
    origins: Sequence[Origin],
    attributes: Mapping[str, object],
    frequency: np.ndarray,
    frequency_axis: np.ndarray,
    n_blocks: int,
    block: Callable[[int], Block],
) -> None:
    """Write a pool block by block, then its statistics; it appears when it is complete.

    A run that was interrupted goes on after the last block that reached the disk, if it was about
    the same frames, frequencies and settings; otherwise it starts over. Faults of the input leave
    nothing behind.

    Parameters
    ----------
    path
        Pool to write.
    shape
        Receive channels, frequencies, frames.
    origins
        Where the frames come from, in their order.
    attributes
        ``averages``, ``n_frequencies`` and others that readers need.
    frequency, frequency_axis
        Bin and frequency in Hz of each row, (K,).
    n_blocks, block
        Number of blocks, and the function that gives one.

    Raises
    ------
    InputError
        From ``block``, or if the disk is full.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    progress = path.with_name(f".{path.name}.progress")
    path.parent.mkdir(parents=True, exist_ok=True)
    averages = int(attributes["averages"])
    runs, start = [], 0
    for origin in origins:
        scale = float(np.sqrt(origin.averages / averages))
        runs.append(Run(start, start + len(origin.frames), scale))
        start += len(origin.frames)
    mark = _fingerprint(shape, origins, attributes, frequency, n_blocks)
    try:
        done = _resumable(partial, progress, mark)
        if not done:
            _lay_out(partial, shape, origins, attributes, frequency, frequency_axis, runs)
        with h5py.File(partial, "r+", libver=CHECKSUMMED_STRUCTURE) as file:
            bar = progress_bar(total=n_blocks, initial=done, desc=path.stem, unit="block")
            for number in range(done, n_blocks):
                place, values = block(number)
                file["noise"][place] = values
                file.flush()
                os.fsync(file.id.get_vfd_handle())
                _note(progress, mark, number + 1)
                bar.update()
            bar.close()
            write_statistics(file, runs)
            add_checksums(file)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
        progress.unlink(missing_ok=True)
    except (InputError, OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        progress.unlink(missing_ok=True)
        raise_if_full(error, path)
        raise


def _lay_out(
    partial: Path,
    shape: tuple[int, int, int],
    origins: Sequence[Origin],
    attributes: Mapping[str, object],
    frequency: np.ndarray,
    frequency_axis: np.ndarray,
    runs: Sequence[Run],
) -> None:
    """Create all datasets with their space on disk."""
    statistics = dataset_shapes(shape[:2], runs)
    partial.unlink(missing_ok=True)
    with h5py.File(partial, "w", libver=CHECKSUMMED_STRUCTURE) as file:
        file.attrs.update({"format": FORMAT, **provenance(), **attributes})
        file["frequency"] = frequency.astype(np.int32)
        file["frequency_Hz"] = frequency_axis
        write_origins(file, origins)
        sizes = [(shape, np.complex64), *statistics.values()]
        reserve_space(file, sum(int(np.prod(s)) * np.dtype(d).itemsize for s, d in sizes))
        early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        early.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        # Contiguous, because blocks of frames are written and single rows are read.
        for name, (size, dtype) in {"noise": sizes[0], **statistics}.items():
            file.create_dataset(name, size, dtype, dcpl=early)


def _fingerprint(
    shape: tuple[int, int, int],
    origins: Sequence[Origin],
    attributes: Mapping[str, object],
    frequency: np.ndarray,
    n_blocks: int,
) -> str:
    """Return what a partial pool must have been about to be continued."""
    scans = [
        (o.name, o.uuid, o.digest, o.averages, hashlib.sha256(o.frames.tobytes()).hexdigest())
        for o in origins
    ]
    settings = sorted((name, str(value)) for name, value in attributes.items())
    text = json.dumps([FORMAT, shape, n_blocks, scans, settings, frequency.tolist()])
    return hashlib.sha256(text.encode()).hexdigest()


def _note(progress: Path, mark: str, blocks: int) -> None:
    with atomic_path(progress) as temporary:
        temporary.write_text(json.dumps({"fingerprint": mark, "blocks": blocks}))


def _resumable(partial: Path, progress: Path, mark: str) -> int:
    """Return how many blocks of a partial pool can be kept."""
    try:
        state = json.loads(progress.read_text())
        with h5py.File(partial, "r") as file:
            whole = "noise" in file and "spectrum_frequency" in file
    except (OSError, ValueError):
        return 0
    same = isinstance(state, dict) and state.get("fingerprint") == mark
    return int(state["blocks"]) if whole and same else 0
