"""Profiles fit the rules of the workflow and do not hide keys of each other."""

import csv
import re

import yaml

from checkout import ROOT
from smrestore.planning.jobs import Job
from smrestore.planning.resources import TRIES, demands, set_resources

PLAN = ROOT / "tests/data/plan-paper.csv"
"""By ``smrestore plan config.yaml config/paper.yaml --gpu h100 --jobs`` with this path."""


def profile(name: str) -> dict:
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


def rule_names() -> set[str]:
    files = [ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]
    return {
        name
        for file in files
        for name in re.findall(r"^ *rule (\w+):", file.read_text(), flags=re.MULTILINE)
    }


def test_slurm_profile_is_found_from_the_checkout():
    # Snakemake looks for `--profile slurm` in the working directory, not in profiles/.
    assert (ROOT / "slurm").is_symlink()
    assert (ROOT / "slurm" / "config.yaml").samefile(ROOT / "profiles/slurm/config.yaml")


def test_default_profile_hides_no_key_of_the_slurm_profile():
    assert not profile("default").keys() & profile("slurm").keys()


def test_slurm_profile_names_existing_rules():
    assert profile("slurm")["set-resources"].keys() <= rule_names()


def first_try(value: object) -> float:
    """Return a resource of the first submission."""
    return float(eval(str(value), {"__builtins__": {}, "attempt": 1, "min": min}))


def test_slurm_profile_asks_for_what_the_study_is_planned_to_take():
    with PLAN.open(newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = ("seconds", "gpu_seconds", "memory", "disk")
    jobs = [Job(**row | {key: float(row[key]) for key in numbers}) for row in rows]
    planned = yaml.safe_load(set_resources(demands(jobs)))["set-resources"]
    assert len(planned) > 10
    slurm = profile("slurm")
    below = [
        f"{rule}: {key}"
        for rule, wanted in planned.items()
        for key, value in wanted.items()
        if first_try(value)
        > first_try(
            slurm["set-resources"].get(rule, {}).get(key) or slurm["default-resources"].get(key, 1)
        )
    ]
    assert below == []


def test_plan_knows_how_often_the_profile_tries():
    assert 1 + profile("slurm")["retries"] == TRIES
