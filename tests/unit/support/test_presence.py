"""Who works in a folder, found out by processes that are killed."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smrestore.support import presence
from smrestore.support.errors import InputError

STAY = "print('ready', flush=True); import time; time.sleep(60)"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A folder as a run that was killed leaves it."""
    state = tmp_path / ".snakemake"
    (state / "locks").mkdir(parents=True)
    (state / "locks/0.output.lock").write_text("results/report.html\n")
    yield state
    for path in [path for path in presence._held if path.is_relative_to(state)]:
        presence._held.pop(path).close()


@pytest.fixture
def start(state: Path) -> Iterator[Callable[[str], subprocess.Popen]]:
    """Return a function that starts a process which takes part, and stays."""
    processes = []

    def start(function: str) -> subprocess.Popen:
        code = (
            "from pathlib import Path; from smrestore.support.presence import *; "
            f"{function}(Path({str(state)!r})); {STAY}"
        )
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def locks(state: Path) -> bool:
    return (state / "locks").exists()


def test_lock_of_a_killed_run_is_removed(state, start):
    process = start("enter_run")
    assert locks(state)  # nobody is known to have left it
    process.kill()
    process.wait()
    assert presence.enter_run(state) is None
    assert not locks(state)
    presence.start_run(state)


def test_lock_of_a_living_run_stays_and_a_second_one_is_refused(state, start):
    process = start("enter_run")
    assert f"process {process.pid} on " in presence.enter_run(state)
    with pytest.raises(InputError, match=f"another Snakemake, process {process.pid} on .* works"):
        presence.start_run(state)
    assert locks(state)


def test_lock_from_another_host_stays(state):
    """Some network file systems keep locks of files on each host apart."""
    (state / "run.lock").write_text("process 1 on another-host")
    assert presence.enter_run(state) is None
    assert locks(state)


def test_run_waits_for_jobs_of_a_killed_run(state, start):
    process = start("enter_job")
    assert presence.enter_run(state) is None
    with pytest.raises(InputError, match=f"still work in this folder: process {process.pid} on"):
        presence.start_run(state)
    process.kill()
    process.wait()
    presence.start_run(state)
    assert not list((state / "jobs").iterdir())


def test_file_systems_without_locks_are_left_to_snakemake(state, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("not supported")

    monkeypatch.setattr(presence.fcntl, "flock", refuse)
    assert presence.enter_run(state) is None
    presence.enter_job(state)
    presence.start_run(state)
    assert locks(state)


def test_jobs_outside_of_a_workflow_leave_nothing(tmp_path):
    presence.enter_job(tmp_path / ".snakemake")
    assert not list(tmp_path.iterdir())
