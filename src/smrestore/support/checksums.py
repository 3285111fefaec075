"""Checksums inside HDF5 files: damaged values are never taken for measured ones.

HDF5's own checksums (the filter ``fletcher32``) need chunks and exclude lossy compression in h5py,
while stores, pools and MDF files are contiguous so that they can be mapped into memory. Therefore
each dataset carries a CRC-32 of what is stored on disk, as the attribute :data:`CHECKSUM`. It is
compared once per process and file before the values are used. Files without checksums, such as the
scans of a lab, are read as they are.
"""

import contextlib
import shlex
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np

from smrestore.support.errors import InputError

CHECKSUM = "crc32"
ATTRIBUTE_BYTES = 512
"""Space for the checksum of one dataset, with what HDF5 needs around it."""
PIECE_BYTES = 2**20
CHECKSUMMED_STRUCTURE = ("v110", "v110")
"""Versions of HDF5 (``libver``) whose files have checksums of their structure and attributes."""

# What h5py raises about damaged files depends on where the damage is.
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError)

_intact: set[tuple] = set()


def add_checksums(file: h5py.File) -> None:
    """Give each dataset of a file that is being written its checksum."""
    file.flush()
    for dataset in _datasets(file):
        dataset.attrs[CHECKSUM] = np.uint32(_checksum(dataset))


def check_datasets(file: h5py.File) -> None:
    """Compare all datasets of a file with their checksums; raises :class:`InputError`."""
    with readable(file.filename, "/"):
        for dataset in _datasets(file):
            intact(dataset)


def count_datasets(file: h5py.File) -> int:
    """Return the number of datasets of a file."""
    return sum(1 for _ in _datasets(file))


def intact(dataset: h5py.Dataset) -> h5py.Dataset:
    """Return a dataset of an open file after a look at its checksum, if it has one.

    Raises
    ------
    InputError
        If the values are not those that were written.
    """
    path = dataset.file.filename
    with readable(path, dataset.name):
        status = Path(path).stat()
        key = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size, dataset.name)
        if key in _intact:
            return dataset
        written = dataset.attrs.get(CHECKSUM)
        if written is not None and int(written) != _checksum(dataset):
            raise InputError(
                "the values are not those that were written: the file is damaged, or was changed",
                path=path,
                field=dataset.name,
                remedy=remake(
                    path,
                    otherwise=f"copy or write it again; if it was changed on purpose, remove the "
                    f"attribute {CHECKSUM} of this dataset",
                ),
            )
    _intact.add(key)
    return dataset


@contextlib.contextmanager
def readable(path: str | Path, field: str, remedy: str | None = None) -> Iterator[None]:
    """Turn whatever h5py raises about ``field`` of a damaged file into an :class:`InputError`.

    ``remedy`` is :func:`remake` by default.
    """
    try:
        yield
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(
            f"cannot be read, the file is damaged ({error or type(error).__name__})",
            path=path,
            field=field,
            remedy=remedy or remake(path),
        ) from error


def remake(path: str | Path, otherwise: str = "write it anew, or copy it again") -> str:
    """Return what to type to get a damaged file again.

    Files below ``results`` of the working directory are those of the workflow. Links there lead to
    files of somebody else; for them and all others it is ``otherwise``.
    """
    path = Path(path)
    if path.is_absolute():
        with contextlib.suppress(ValueError):
            path = path.relative_to(Path.cwd())
    if path.parts[:1] != ("results",) or path.is_symlink():
        return otherwise
    return (
        f"make it again, with the options of your run: snakemake --cores all --forcerun "
        f"{shlex.quote(str(path))}"
    )


def _datasets(group: h5py.Group) -> Iterator[h5py.Dataset]:
    for name in group:
        # Links may lead into other files, or nowhere.
        if isinstance(group.get(name, getlink=True), h5py.HardLink):
            node = group[name]
            if isinstance(node, h5py.Dataset):
                yield node
            elif isinstance(node, h5py.Group):
                yield from _datasets(node)


def _checksum(dataset: h5py.Dataset) -> int:
    """Return the CRC-32 of shape, type and values."""
    checksum = zlib.crc32(f"{dataset.shape} {dataset.dtype.str}".encode())
    if dataset.shape is None or dataset.size == 0:
        return checksum
    if dataset.dtype.kind == "O":
        # Text of variable length: what is stored in its place are references.
        return zlib.crc32(repr(np.asarray(dataset[()]).tolist()).encode(), checksum)
    if dataset.external or dataset.is_virtual:
        raise ValueError("the values lie in another file")
    path, offset = Path(dataset.file.filename), dataset.id.get_offset()
    if offset is not None:
        return _checksum_of_parts(path, [(offset, dataset.nbytes)], checksum)
    if dataset.chunks is not None:
        chunks = []
        dataset.id.chunk_iter(lambda c: chunks.append((c.chunk_offset, c.byte_offset, c.size)))
        chunks.sort()
        checksum = zlib.crc32(str([chunk[0] for chunk in chunks]).encode(), checksum)
        return _checksum_of_parts(path, [chunk[1:] for chunk in chunks], checksum)
    return zlib.crc32(np.ascontiguousarray(dataset[()]).tobytes(), checksum)


def _checksum_of_parts(path: Path, parts: Iterable[tuple[int, int]], checksum: int) -> int:
    """Return the CRC-32 of parts of a file, given by offset and size and read in pieces."""
    piece = memoryview(bytearray(PIECE_BYTES))
    with path.open("rb", buffering=0) as file:
        for offset, n_bytes in parts:
            file.seek(offset)
            while n_bytes:
                count = file.readinto(piece[: min(n_bytes, PIECE_BYTES)])
                if not count:
                    raise OSError("the file ends before the values")
                checksum = zlib.crc32(piece[:count], checksum)
                n_bytes -= count
    return checksum
