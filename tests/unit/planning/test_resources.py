"""What jobs ask a cluster for."""

import yaml

from smrestore.planning.jobs import Job
from smrestore.planning.resources import demands, set_resources


def only(*jobs):
    (demand,) = demands(jobs)
    return demand


def test_short_jobs_get_one_core_and_the_least():
    demand = only(Job("evaluation", "a/b", 30.0, memory=2e8))
    assert demand.rule == "evaluate_method"
    assert (demand.cores, demand.memory_mb, demand.minutes, demand.gpus) == (1, 4000, 60, 0)


def test_the_largest_job_decides_with_a_margin():
    small, long, large = (
        Job("evaluation", "a", 60.0, memory=1e9),
        Job("evaluation", "b", 6 * 3600.0, memory=1e9),
        Job("evaluation", "c", 60.0, memory=2.1e9),
    )
    demand = only(small, long, large)
    # Eight cores, half of them busy: 1.5 hours, and twice that.
    assert (demand.cores, demand.minutes) == (8, 180)
    assert demand.memory_mb == 5000


def test_trainings_on_a_gpu_go_on_in_further_tries():
    demand = only(Job("training", "swinir", 1e6, gpu_seconds=80 * 3600.0, memory=1e9))
    assert (demand.gpus, demand.cores) == (1, 8)
    assert 5 * demand.minutes >= 80 * 60 * 1.25
    assert demand.minutes <= 1440


def test_no_more_than_a_day_is_asked_for():
    assert only(Job("evaluation", "a", 1e8)).minutes == 1440


def test_rules_of_a_stage_are_kept_apart_and_local_ones_left_out():
    found = demands(
        [
            Job("scans", "a", 1.0, rule="scan_empty"),
            Job("scans", "b", 1.0, rule="scan_phantom"),
            Job("parameters", "a/train", 1.0),
            Job("figures", "figure1", 1.0),
        ]
    )
    assert [demand.rule for demand in found] == ["scan_empty", "scan_phantom"]


def test_what_is_printed_is_a_profile():
    jobs = [
        Job("training", "rdn", 1.0, gpu_seconds=36e3, memory=3e9),
        Job("fits", "a", 1e8, memory=3e9),
    ]
    text = set_resources(demands(jobs))
    profile = yaml.safe_load(text)["set-resources"]
    assert profile["train_network"] == {
        "cpus_per_task": 8,
        "mem_mb": "16000 * attempt",
        "runtime": "min(180 * attempt, 1440)",
        "gpu": 1,
    }
    assert profile["fit_scan"]["runtime"] == 1440
