"""The documented cluster command, run against a real Slurm."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import slurm_cluster

pytestmark = pytest.mark.slurm

ROOT = Path(__file__).parents[2]
COMMAND = ["snakemake", "--cores", "all", "--profile", "slurm", "--configfile", "config/ci.yaml"]
# A new job is first looked at after 40 s by default, and new files on a local disk need no waiting.
HASTE = ["--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5"]
TIME_LIMIT = 1500  # s


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what git tracks, or would track, into a folder without any results."""
    target = tmp_path_factory.mktemp("slurm") / "checkout"
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listing.split("\0")):
        if not os.path.lexists(ROOT / name):
            continue  # deleted, but not yet committed
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    return target


def run_workflow(checkout: Path) -> str:
    """Run the cluster command in the copy and return what it prints."""
    # Jobs inherit the environment of the submission, so they find the same Python.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        COMMAND + HASTE,
        cwd=checkout,
        env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIME_LIMIT,
    )
    assert result.returncode == 0, f"{result.stdout[-20000:]}\n{slurm_cluster.logs()}"
    return result.stdout


@pytest.fixture(scope="module")
def jobs(slurm: None, checkout: Path) -> dict[str, list[dict[str, str]]]:
    """Run the workflow once; return the jobs that Slurm knows afterwards, by rule."""
    run_workflow(checkout)
    by_rule: dict[str, list[dict[str, str]]] = {}
    for job in slurm_cluster.jobs():
        rule = re.fullmatch(r"rule_(.+?)(_wildcards_.*)?", job["Comment"]).group(1)
        by_rule.setdefault(rule, []).append(job)
    return by_rule


def test_work_is_done_by_slurm_at_the_first_try(jobs):
    expected = {"simulate_batch", "build_noise_pool", "train_network", "evaluate_method"}
    assert expected <= jobs.keys()
    states = {rule: {job["JobState"] for job in jobs[rule]} for rule in jobs}
    assert states == {rule: {"COMPLETED"} for rule in jobs}


def test_trainings_hold_a_gpu_and_nothing_else_does(jobs):
    assert {job["JOB_GRES"] for job in jobs["train_network"]} == {"gpu:1"}
    assert {job["TresPerJob"] for job in jobs["train_network"]} == {"gres:gpu:1"}
    others = [job for rule in jobs.keys() - {"train_network"} for job in jobs[rule]]
    assert not [job["Comment"] for job in others if "gpu" in job.get("JOB_GRES", "")]


def test_jobs_get_the_cores_of_the_profile(jobs):
    assert {job["NumCPUs"] for job in jobs["train_network"]} == {"8"}
    assert {job["NumCPUs"] for job in jobs["simulate_batch"]} == {"4"}


def test_rules_of_seconds_are_not_submitted(jobs):
    assert not jobs.keys() & {"sample_parameters", "make_table", "plot_figure1", "write_report"}


def test_second_run_submits_nothing(jobs, checkout):
    assert "Nothing to be done" in run_workflow(checkout)
    assert (checkout / "results" / "report.html").stat().st_size > 0
    assert len(slurm_cluster.jobs()) == sum(len(group) for group in jobs.values())
