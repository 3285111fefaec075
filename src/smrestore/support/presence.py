"""Who works in a folder: one run of the workflow at a time, and the jobs that it started.

Snakemake's own lock outlives a process that was killed, since nothing tells whether its owner is
alive. Here the kernel tells: processes hold a lock on a file (flock(2)) that ends with them,
however they end. Whoever gets the lock of the run knows that no other run is alive, and removes
what Snakemake has left. Jobs hold locks of their own, because they may outlive a killed run.

Where a file system does not support such locks, Snakemake's own lock alone remains.
"""

import atexit
import contextlib
import fcntl
import os
import shutil
import socket
from pathlib import Path
from typing import TextIO

from smrestore.support.errors import InputError

RUN, JOBS, SNAKEMAKE_LOCKS = "run.lock", "jobs", "locks"

# Kept open until the process ends, which gives them back.
_held: dict[Path, TextIO] = {}


def enter_run(state: Path) -> str | None:
    """Try to become the only run in a folder, and remove the locks of a run that died here.

    Parameters
    ----------
    state
        Folder of Snakemake's state, ``.snakemake``.

    Returns
    -------
    str or None
        Who else works in the folder, None if nobody.
    """
    with contextlib.suppress(OSError):
        state.mkdir(exist_ok=True)
        former = _text(state / RUN)
        if not _hold(state / RUN):
            return former or "another process"
        # A lock of this host is no proof about other hosts on every network file system.
        if former.endswith(f"on {socket.gethostname()}"):
            shutil.rmtree(state / SNAKEMAKE_LOCKS, ignore_errors=True)
        _write(_held[state / RUN], f"process {os.getpid()} on {socket.gethostname()}")
    return None


def start_run(state: Path) -> None:
    """Make sure that jobs may start: there is no other run, and no job of a run that was killed.

    Raises
    ------
    InputError
        If there is.
    """
    if state / RUN not in _held and (other := enter_run(state)):
        raise InputError(
            f"another Snakemake, {other}, works in this folder",
            path=state.resolve().parent,
            remedy="wait until it ends, or use another folder (--directory)",
        )
    if alive := working_jobs(state):
        raise InputError(
            f"jobs of an earlier run still work in this folder: {', '.join(alive)}",
            path=state.resolve().parent,
            remedy="wait until they end, or end them with kill or scancel; trainings go on "
            "where they stopped",
        )


def enter_job(state: Path) -> None:
    """Show that a job works in a folder, until this process ends."""
    with contextlib.suppress(OSError):
        if state.is_dir():
            path = state / JOBS / f"{socket.gethostname()}.{os.getpid()}"
            path.parent.mkdir(exist_ok=True)
            if _hold(path):
                atexit.register(path.unlink, missing_ok=True)
                _write(_held[path], f"process {os.getpid()} on {socket.gethostname()}")


def working_jobs(state: Path) -> list[str]:
    """Return the jobs that are alive, and forget the others."""
    alive = []
    for path in sorted((state / JOBS).glob("*")):
        with contextlib.suppress(OSError):
            text = _text(path)
            if path not in _held and not _hold(path):
                alive.append(text or path.name)
            else:
                path.unlink()
                _held.pop(path).close()
    return alive


def _hold(path: Path) -> bool:
    """Try to lock a file until this process ends; raises ``OSError`` where it is not supported."""
    if path in _held:
        return True
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        if isinstance(error, BlockingIOError):
            return False
        raise
    _held[path] = file
    return True


def _write(file: TextIO, who: str) -> None:
    file.truncate(0)
    file.write(who)
    file.flush()


def _text(path: Path) -> str:
    """Return who wrote into a file, empty if nobody did."""
    try:
        return path.read_text()
    except OSError:
        return ""
