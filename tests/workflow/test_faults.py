"""What goes wrong around a run: processes, files, clocks, disks. docs/reliability.md lists all."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from plans import CI, write_overlay

from checkout import copy_checkout, environment, snakemake

POOL, PLOT = "results/noise/training.h5", "results/noise/training.png"
SCAN = "results/scans/empty-training.mdf"
MATRICES = "results/system_matrices/lissajous-2d/train/000.h5"
DAY = 86400


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with a scan, a noise pool and its picture; tests undo what they change."""
    checkout = copy_checkout(tmp_path_factory.mktemp("faults") / "checkout")
    assert run(checkout, PLOT).returncode == 0
    return checkout


def run(checkout: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return snakemake(checkout, *arguments, "--cores", "2", "--configfile", CI, timeout=120)


@pytest.fixture
def start(checkout: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Return a function that starts Snakemake; nothing of it is left at the end."""
    started = []

    def start(*arguments: str | Path) -> subprocess.Popen:
        command = ["snakemake", *map(str, arguments), "--cores", "2"]
        process = subprocess.Popen(
            [*command, "--max-jobs-per-timespan", "100/1s"],
            cwd=checkout,
            env=environment(checkout),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an overlay with which a simulation takes longer than any test."""
    dataset = {"matrices": {"train": 40}, "batch_size": 40, "evaluator": "quadrature"}
    return write_overlay(
        tmp_path_factory.mktemp("slow") / "slow.yaml", {"datasets": {"lissajous-2d": dataset}}
    )


def simulation(process: subprocess.Popen) -> psutil.Process:
    """Wait for the script that simulates, and return it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in psutil.Process(process.pid).children(recursive=True):
            try:
                if any("simulate_batch.py" in word for word in child.cmdline()[1:2]):
                    time.sleep(2)  # until it simulates
                    return child
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.05)
    raise AssertionError("no simulation has started")


def lines(output: str, text: str) -> list[str]:
    return [line for line in output.splitlines() if text in line]


def test_killed_snakemake_leaves_a_folder_that_the_next_one_takes(checkout, start, slow):
    slowly = [MATRICES, "--configfile", CI, slow]
    process = start(*slowly)
    job = simulation(process)
    second = snakemake(checkout, *slowly, "--cores", "2", timeout=120)
    assert second.returncode != 0
    assert f"Another Snakemake, process {process.pid} on" in second.stdout
    assert "LockException" in second.stdout
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    third = snakemake(checkout, *slowly, "--cores", "2", timeout=120)
    assert third.returncode != 0
    assert re.search(rf"jobs of an earlier run still work .*process {job.pid} on", third.stdout)
    os.killpg(process.pid, signal.SIGKILL)
    job.wait(10)
    fourth = run(checkout, MATRICES)
    assert fourth.returncode == 0, fourth.stdout[-5000:]


def test_killed_simulation_fails_its_job_and_leaves_nothing_half_written(checkout, start, slow):
    process = start(MATRICES, "--configfile", CI, slow)
    simulation(process).kill()
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "simulate_batch" in output
    assert not (checkout / MATRICES).exists()


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_damaged_pool_is_named_with_the_command_that_makes_it_again(checkout):
    whole, status = (checkout / POOL).read_bytes(), (checkout / POOL).stat()
    flip_a_byte(checkout / POOL)
    # Snakemake sees nothing.
    os.utime(checkout / POOL, ns=(status.st_atime_ns, status.st_mtime_ns))
    failed = run(checkout, PLOT, "--forcerun", "plot_noise_pool")
    assert failed.returncode != 0
    assert "Traceback" not in failed.stdout
    (line,) = set(re.findall(r"ERROR smrestore\S*: (.*)", failed.stdout))
    assert line.startswith(f"{POOL}: ")
    assert "the values are not those that were written" in line
    program, *arguments = shlex.split(line.rpartition(": ")[2])
    assert (program, arguments[-2:]) == ("snakemake", ["--forcerun", POOL])
    again = run(checkout, PLOT, *arguments[-2:])
    assert again.returncode == 0, again.stdout[-5000:]
    assert len((checkout / POOL).read_bytes()) == len(whole)
    assert "Nothing to be done" in run(checkout, PLOT).stdout


def test_input_dated_in_the_future_is_named_until_it_is_touched(checkout):
    """As clocks that disagree leave it."""
    later = time.time() + DAY
    os.utime(checkout / SCAN, (later, later))
    failed = run(checkout, PLOT)
    os.utime(checkout / SCAN)
    assert failed.returncode != 0
    (line,) = lines(failed.stdout, f"Output {POOL} has older modification time")
    assert f"than input {SCAN}" in line
    assert "clock skew" in line
    assert not (checkout / POOL).exists()
    again = run(checkout, PLOT)
    assert again.returncode == 0, again.stdout[-5000:]


def own_scan(checkout: Path, folder: Path) -> tuple[Path, list[str | Path]]:
    """Return a scan of a lab, and the arguments that make a pool of it."""
    scan = folder / "own.mdf"
    shutil.copy(checkout / SCAN, scan)
    entries = {
        "scans": {"own": {"source": "file", "kind": "empty", "path": str(scan)}},
        "noise_pools": {"training": {"scans": ["own"]}},
    }
    overlay = write_overlay(folder / "overlay.yaml", entries)
    (folder / "run").mkdir()
    options = [POOL, "--directory", folder / "run", "--configfile", checkout / CI, overlay]
    return scan, options


def test_input_that_is_removed_during_a_run_is_named(checkout, start, tmp_path):
    scan, options = own_scan(checkout, tmp_path)
    process = start(*options)
    link = tmp_path / "run/results/scans/own.mdf"
    while not link.is_symlink():
        assert process.poll() is None
        time.sleep(0.02)
    scan.unlink()
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in output
    assert re.search(r"own\.mdf", output)
    assert not (tmp_path / "run" / POOL).exists()
    # The next run names the scan by its entry.
    result = snakemake(checkout, *options, "--cores", "2", timeout=120)
    assert lines(result.stdout, f"scans.own.path: no such file: {scan}")


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Return a function that mounts a small file system in memory."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")

    def mount(*options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", folder]
        if subprocess.run(command, capture_output=True).returncode != 0:
            pytest.skip("nothing can be mounted here")
        return folder

    yield mount
    subprocess.run(["umount", folder], capture_output=True)


def test_read_only_input_is_enough(checkout, tmp_path, mount):
    folder = mount("size=64m")
    scan, options = own_scan(checkout, tmp_path)
    shutil.move(scan, folder / "own.mdf")
    scan.symlink_to(folder / "own.mdf")
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    result = snakemake(checkout, *options, "--cores", "2", timeout=120)
    assert result.returncode == 0, result.stdout[-5000:]
    assert (tmp_path / "run" / POOL).exists()


def test_full_disk_is_named_and_leaves_nothing(checkout, tmp_path, mount):
    folder = mount("size=128k")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/results").symlink_to(folder)
    options = ["--directory", tmp_path / "run", "--configfile", checkout / CI]
    result = snakemake(checkout, SCAN, "--cores", "2", *options, timeout=120)
    assert result.returncode != 0
    assert lines(result.stdout, f"{SCAN}: there is no space left to write it. Free some")
    assert "Traceback" not in result.stdout
    assert not list(folder.rglob("*.mdf"))
