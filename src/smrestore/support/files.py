"""Files that are either complete or absent, and that say where they come from."""

import contextlib
import functools
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np

from smrestore.support.checksums import (
    ATTRIBUTE_BYTES,
    CHECKSUMMED_STRUCTURE,
    add_checksums,
    count_datasets,
    intact,
    readable,
    remake,
)
from smrestore.support.errors import InputError

_NO_SPACE = re.compile(
    "No space left|File too large|quota exceeded|unable to extend file|requested and .* written",
    re.IGNORECASE,
)


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` which takes its place when the block succeeds.

    The folder is made if needed. When the block raises, the temporary file is removed and a former
    file at ``path`` stays as it was.

    Raises
    ------
    InputError
        If nothing may be written there, or the disk or the quota is full.
    """
    path = Path(path)
    temporary = _temporary(path)
    _check_writable(path, temporary)
    _remove_left(path)
    try:
        yield temporary
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        raise_if_full(error, path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def parts_beside(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` for files that it is made of, and remove it.

    Errors about files in it name ``path``.

    Raises
    ------
    InputError
        If nothing may be written there, or the disk or the quota is full.
    """
    path = Path(path)
    place = path.with_name(f"{path.stem}.parts")
    folder = _temporary(place)
    _check_writable(path, folder)
    _remove_left(place)
    folder.mkdir()
    try:
        yield folder
    except InputError as error:
        if error.path is None or not Path(error.path).is_relative_to(folder):
            raise
        raise InputError(error.what, path=path, field=error.field, remedy=error.remedy) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _temporary(path: Path) -> Path:
    """Return a name beside a path for this process."""
    # The ending is kept, because matplotlib and pandas choose formats by it.
    return path.with_name(f".{path.stem}.{_host()}.{os.getpid()}{path.suffix}")


def _host() -> str:
    return socket.gethostname().replace(".", "-")


def _check_writable(path: Path, temporary: Path) -> None:
    """Make the folder of a file, and a file in it, which libraries could only explain poorly."""
    if path.is_dir():
        raise InputError("is a folder", path=path, remedy="give the name of a file in it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        raise_if_full(error, path)
        raise InputError(
            f"cannot be written ({error.strerror})",
            path=path,
            remedy="choose another folder, or change who may write to this one",
        ) from error


def check_separate(output: str | Path, *inputs: str | Path | None) -> None:
    """Check that a file to write is none of those that it is made of, by name or by link.

    Raises
    ------
    InputError
        If it is; nothing has been written then.
    """
    output = Path(output)
    for source in map(Path, filter(None, inputs)):
        linked = output.exists() and source.exists() and output.samefile(source)
        if linked or output.resolve() == source.resolve():
            raise InputError(
                "a result must not replace its source", path=output, remedy="choose another name"
            )


def _remove_left(path: Path) -> None:
    """Remove temporary files of ``path`` whose processes were killed on this host."""
    name = re.compile(rf"\.{re.escape(f'{path.stem}.{_host()}')}\.(\d+){re.escape(path.suffix)}")
    with contextlib.suppress(OSError):
        for other in path.parent.iterdir():
            found = name.fullmatch(other.name)
            if found and not Path("/proc", found[1]).exists() and Path("/proc/self").exists():
                shutil.rmtree(other) if other.is_dir() else other.unlink()


def raise_if_full(error: Exception, path: str | Path) -> None:
    """Raise the error of a full disk if this is what an error while writing ``path`` says."""
    # HDF5 and NumPy pass on what the system said in words only.
    if _NO_SPACE.search(str(error)):
        raise InputError(
            "there is no space left to write it",
            path=path,
            remedy="free some and run again; finished files stay",
        ) from error


SLACK = 2**16
"""Bytes that an HDF5 file may need beyond its data: headers, and what is written on closing."""


@contextlib.contextmanager
def new_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """Write an HDF5 file that appears when it is complete; see :func:`atomic_path`.

    Its datasets get checksums, see :mod:`smrestore.support.checksums`.
    """
    with atomic_path(path) as temporary:
        with h5py.File(temporary, "w", libver=CHECKSUMMED_STRUCTURE) as file:
            yield file
            reserve_space(file, ATTRIBUTE_BYTES * count_datasets(file))
            add_checksums(file)
            file.flush()
            end = file.id.get_filesize()
        os.truncate(temporary, end)


def reserve_space(file: h5py.File, n_bytes: int) -> None:
    """Make sure that ``n_bytes`` more can be written to a file of :func:`new_hdf5`.

    HDF5 cannot get over a full disk: closing the file may even end the program. With space
    reserved, the failure comes before HDF5 writes, as an ``OSError`` of the system.
    """
    file.flush()
    if hasattr(os, "posix_fallocate"):
        descriptor = os.open(file.filename, os.O_RDWR)
        try:
            os.posix_fallocate(descriptor, file.id.get_filesize(), n_bytes + SLACK)
        finally:
            os.close(descriptor)


@functools.cache
def git_commit() -> str:
    """Return the commit of the source tree that runs, or ``"unknown"`` outside a checkout."""
    try:
        result = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return result.stdout.strip()


def provenance() -> dict[str, str]:
    """Return what made a file: package version, git commit and time (UTC)."""
    return {
        "smrestore_version": version("smrestore"),
        "git_commit": git_commit(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def open_result(path: str | Path, kind: str, *, make: str) -> h5py.File:
    """Open an HDF5 file that another stage has written, and check what it is.

    Parameters
    ----------
    path
        File to read.
    kind
        What its attribute ``format`` must say, ending with the version of the format.
    make
        What the user can do if the file is missing.

    Raises
    ------
    InputError
        If the file is missing, damaged or of another kind.
    """
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError:
        raise InputError("no such file", path=path, remedy=make) from None
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"not a readable HDF5 file, it is truncated or damaged ({error})",
            path=path,
            remedy=remake(path),
        ) from None
    try:
        with readable(path, "format"):
            found = file.attrs.get("format")
    except InputError:
        file.close()
        raise
    if found != kind:
        file.close()
        name = kind.removeprefix("smrestore ").rstrip(" 0123456789")
        raise InputError(
            f"format is {found!r}, not {kind!r}",
            path=path,
            field="format",
            remedy=f"give a {name} made by this version",
        )
    return file


def memory_map(dataset: h5py.Dataset) -> np.ndarray:
    """Return a read-only view of a contiguous HDF5 dataset, without the cost of HDF5 per access.

    Random rows are read several times faster than through h5py, and processes share the pages. The
    dataset must be written contiguously and without filters, and the file must not change.

    Raises
    ------
    InputError
        If its checksum does not agree.
    """
    offset = intact(dataset).id.get_offset()
    if offset is None or dataset.chunks is not None:
        raise ValueError(f"{dataset.name} is not stored contiguously")
    pages = np.memmap(
        dataset.file.filename, dtype=dataset.dtype, mode="r", offset=offset, shape=dataset.shape
    )
    # A plain array is cheaper to index than a memmap.
    return np.asarray(pages)
