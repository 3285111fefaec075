"""Jobs that Slurm ends. After test_slurm.py, which expects that no other job was submitted."""

import subprocess
import time
from pathlib import Path

import pytest
import slurm_cluster
import yaml

from checkout import copy_checkout, environment

pytestmark = pytest.mark.slurm

STORE = "results/system_matrices/lissajous-2d/train/000.h5"


def test_cancelled_job_is_tried_again(slurm: None, tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    # Some seconds of simulation, in which the job is found and cancelled.
    dataset = {"matrices": {"train": 12}, "batch_size": 12, "evaluator": "quadrature"}
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"datasets": {"lissajous-2d": dataset}}))
    process = subprocess.Popen(
        [
            *("snakemake", STORE, "--cores", "all", "--profile", "slurm"),
            *("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5"),
            *("--configfile", "config/ci.yaml", overlay),
        ],
        cwd=checkout,
        env=environment(checkout),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        job = _running_job(checkout, process)
        subprocess.run(["scancel", job["JobId"]], check=True)
        output, _ = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, f"{output[-10000:]}\n{slurm_cluster.logs()}"
    states = {j["JobId"]: j["JobState"] for j in _jobs(checkout)}
    assert states.pop(job["JobId"]) == "CANCELLED"
    assert list(states.values()) == ["COMPLETED"]
    assert [path.name for path in (checkout / STORE).parent.iterdir()] == ["000.h5"]


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
