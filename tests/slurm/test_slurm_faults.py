"""Jobs that Slurm ends. After test_slurm.py, which expects that no other job was submitted."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import slurm_cluster
import yaml

from checkout import copy_checkout, environment

pytestmark = pytest.mark.slurm

MODEL = "results/models/dncnn/weights.safetensors"
STORE = "results/system_matrices/lissajous-2d/train/000.h5"
TIME_LIMIT = 600  # s, far more than it takes where little else runs


# Some seconds of simulation, in which something happens to the job.
SLOW = {
    "datasets": {
        "lissajous-2d": {
            "matrices": {"train": 12},
            "batch_size": 12,
            "evaluator": "quadrature",
        }
    }
}


@pytest.fixture
def start(slurm: None, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Return a function that starts the workflow in a copy; nothing of it is left at the end."""
    checkout = copy_checkout(tmp_path / "checkout")
    started = []

    def start(target: str, settings: dict, *options: str) -> subprocess.Popen:
        overlay = tmp_path / "overlay.yaml"
        overlay.write_text(yaml.safe_dump(settings))
        process = subprocess.Popen(
            [
                *("snakemake", target, "--cores", "all", "--profile", "slurm"),
                *("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5"),
                *("--configfile", "config/ci.yaml", overlay, *options),
            ],
            cwd=checkout,
            env=environment(checkout),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
    running = [job["JobId"] for job in _jobs(checkout) if job["JobState"] in ("RUNNING", "PENDING")]
    for number in running:
        subprocess.run(["scancel", number], check=True)


def test_cancelled_job_is_tried_again(start, tmp_path):
    checkout = tmp_path / "checkout"
    process = start(STORE, SLOW)
    job = _running_job(checkout, process)
    subprocess.run(["scancel", job["JobId"]], check=True)
    output, _ = process.communicate(timeout=TIME_LIMIT)
    assert process.returncode == 0, f"{output[-10000:]}\n{slurm_cluster.logs()}"
    states = {j["JobId"]: j["JobState"] for j in _jobs(checkout)}
    assert states.pop(job["JobId"]) == "CANCELLED"
    assert list(states.values()) == ["COMPLETED"]
    assert [path.name for path in (checkout / STORE).parent.iterdir()] == ["000.h5"]


def test_restart_of_slurmd_loses_no_job(start, tmp_path):
    checkout = tmp_path / "checkout"
    process = start(STORE, SLOW)
    job = _running_job(checkout, process)
    slurm_cluster.restart_node()
    output, _ = process.communicate(timeout=TIME_LIMIT)
    assert process.returncode == 0, f"{output[-10000:]}\n{slurm_cluster.logs()}"
    assert {j["JobId"]: j["JobState"] for j in _jobs(checkout)} == {job["JobId"]: "COMPLETED"}
    assert (checkout / STORE).exists()


def test_training_over_its_time_limit_goes_on_in_the_next_job(start, tmp_path):
    """Slurm ends the first job after a minute, without the warning of the profile."""
    checkout = tmp_path / "checkout"
    training = {"steps": 1_000_000, "interval": 100_000}
    process = start(
        MODEL,
        {"experiments": {"dncnn": {"training": training}}},
        *("--set-resources", "train_network:runtime=attempt", "train_network:gpu=0"),
        "train_network:cpus_per_task=1",
    )
    log = checkout / "results/logs/training/dncnn.log"
    deadline = time.monotonic() + TIME_LIMIT
    while not (log.exists() and "resuming after step" in log.read_text()):
        assert process.poll() is None, process.communicate()[0][-10000:]
        assert time.monotonic() < deadline, slurm_cluster.logs()
        time.sleep(0.5)
    trainings = [j for j in _jobs(checkout) if "rule_train_network" in j["Comment"]]
    assert [j["JobState"] for j in trainings] == ["TIMEOUT", "RUNNING"]
    # The log of the rule begins anew with each try; that of Slurm is one for each job.
    (first,) = checkout.glob(f".snakemake/slurm_logs/**/{trainings[0]['JobId']}.log")
    stopped = re.search(r"stopped by SIGTERM after (\d+) of", first.read_text())
    resumed = re.search(r"resuming after step (\d+)", log.read_text())
    assert 0 < int(resumed[1]) == int(stopped[1])
    # An interval that takes longer than the time limit was announced.
    assert "100000 steps take about" in first.read_text()


def _jobs(checkout: Path) -> list[dict[str, str]]:
    return [job for job in slurm_cluster.jobs() if job.get("WorkDir") == str(checkout)]


def _running_job(checkout: Path, process: subprocess.Popen) -> dict[str, str]:
    """Wait until the simulation has logged something, and return its job."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None
        running = [job for job in _jobs(checkout) if job["JobState"] == "RUNNING"]
        if running and any((checkout / ".snakemake/jobs").glob("*")):
            return running[0]
        time.sleep(0.2)
    raise AssertionError("no job is running")
