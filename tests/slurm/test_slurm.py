"""The documented cluster command, run against a real Slurm."""

import re
from pathlib import Path

import pytest
import slurm_cluster

from checkout import copy_checkout, snakemake

pytestmark = pytest.mark.slurm

# One table, since every job waits for Slurm's scheduler.
TABLE = "results/tables/table6.md"
ARGUMENTS = [TABLE, "--cores", "all", "--profile", "slurm", "--configfile", "config/ci.yaml"]
# A new job is first looked at after 40 s by default, and new files on a local disk need no waiting.
HASTE = ["--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5"]
TIME_LIMIT = 1500  # s


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout without any results."""
    return copy_checkout(tmp_path_factory.mktemp("slurm") / "checkout")


def run_workflow(checkout: Path) -> str:
    """Run the cluster command in the copy and return what it prints."""
    # Jobs inherit the environment of the submission, so they find the same Python.
    result = snakemake(checkout, *ARGUMENTS, *HASTE, timeout=TIME_LIMIT)
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
    assert (checkout / TABLE).stat().st_size > 0
    assert len(slurm_cluster.jobs()) == sum(len(group) for group in jobs.values())
