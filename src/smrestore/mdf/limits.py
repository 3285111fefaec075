"""Limits on what a file may demand: its data must be readable and fit into the memory."""

import contextlib
import math
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from smrestore.support.checksums import readable, remake
from smrestore.support.errors import InputError

DESCRIPTION_BYTES = 1 << 28
"""More than the description of any real scan: only ``/measurement/data`` is larger."""

MAXIMUM_SAMPLES = 1 << 25
"""Samples per period: 600 times those of a 3D Lissajous sequence."""

MAXIMUM_POSITIONS = 1 << 26
"""Positions of a calibration: a cube of 400 along each axis."""

AGAIN = "copy or download the file again, or write it anew"


@contextlib.contextmanager
def reading(path: str | Path, field: str) -> Iterator[None]:
    """Turn whatever h5py raises about ``field`` of a damaged file into an :class:`InputError`."""
    with readable(path, field, remake(path, otherwise=AGAIN)):
        yield


def new_array(shape: tuple[int, ...], dtype: type, path: str | Path, field: str) -> np.ndarray:
    """Return an empty array for what is read from ``field``.

    Raises
    ------
    InputError
        If it would not fit into the free memory. Systems that promise more than they have would
        end the program later, without a word.
    """
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    available = available_memory()
    error = InputError(
        f"{shape} values take {n_bytes / 1e9:.3g} GB, but {available / 1e9:.3g} GB of memory "
        "are free",
        path=path,
        field=field,
        remedy="choose fewer channels, frequencies or frames at a time",
    )
    if n_bytes > available:
        raise error
    try:
        return np.empty(shape, dtype)
    except (MemoryError, ValueError):
        raise error from None


def available_memory() -> int:
    """Return the bytes that this process may still use."""
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # Linux knows better: what is free or could be freed.
    with contextlib.suppress(OSError, ValueError, IndexError), Path("/proc/meminfo").open() as info:
        (line,) = [line for line in info if line.startswith("MemAvailable:")]
        available = 1024 * int(line.split()[1])
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        available = min(available, limit)
    return available
