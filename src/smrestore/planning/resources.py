"""What jobs should ask a cluster for, from what they are planned to cost."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from smrestore.planning.jobs import Job

RULES = {
    "simulation": "simulate_batch",
    "noise": "build_noise_pool",
    "training": "train_network",
    "evaluation": "evaluate_method",
    "fits": "fit_scan",
    "reconstruction": "reconstruct_scan",
    "positions": "study_positions",
}
"""Rules of stages with a single one that is submitted. Parameters and figures are made where
Snakemake runs."""
TRIES = 5
"""Submissions of a job: ``retries`` of profiles/slurm and the first one. A training goes on where
the last one ended; other jobs begin again."""
MEMORY_MARGIN = 2.0
TIME_MARGIN = 2.0
TRAINING_MARGIN = 1.25
"""Of the time of a training, which nothing but slower cards can make longer."""
BUSY = 0.5
"""Share of several cores that a job keeps busy, assumed."""
MOST_CORES = 8
SHORT_MIN = 60.0
"""Minutes that a job may take before it gets more cores."""
LEAST_MB, STEP_MB = 4000, 1000
GPU_MB = 16000
"""At least, of a training on a GPU: CUDA and the processes that make samples are not planned."""
LEAST_MIN, STEP_MIN = 60, 60
DAY_MIN = 1440
"""Longest runtime that is asked for, in minutes."""


@dataclass(frozen=True)
class Demand:
    """What a rule asks for: cores, memory in MB, time in minutes, GPUs; for its largest job."""

    rule: str
    cores: int
    memory_mb: int
    minutes: int
    gpus: int = 0


def demands(jobs: Iterable[Job]) -> list[Demand]:
    """Return what each rule that is submitted should ask for."""
    by_rule: dict[str, list[Job]] = {}
    for job in jobs:
        rule = job.rule or RULES.get(job.stage)
        if rule is not None:
            by_rule.setdefault(rule, []).append(job)
    return [_demand(rule, found) for rule, found in by_rule.items()]


def _demand(rule: str, jobs: list[Job]) -> Demand:
    gpu = max(job.gpu_seconds for job in jobs) / 60
    memory = MEMORY_MARGIN * max(job.memory for job in jobs) / 1e6
    memory = max(GPU_MB if gpu else LEAST_MB, memory)
    if gpu:
        cores, minutes = MOST_CORES, TRAINING_MARGIN * gpu / TRIES
    else:
        longest = max(job.seconds for job in jobs) / 60
        cores = next((n for n in (1, 2, 4) if _passed(longest, n) <= SHORT_MIN), MOST_CORES)
        minutes = TIME_MARGIN * _passed(longest, cores)
        if rule == "train_network":
            minutes = TRAINING_MARGIN * _passed(longest, cores) / TRIES
    return Demand(
        rule,
        cores,
        STEP_MB * math.ceil(memory / STEP_MB),
        min(DAY_MIN, max(LEAST_MIN, STEP_MIN * math.ceil(minutes / STEP_MIN))),
        int(gpu > 0),
    )


def _passed(core_minutes: float, cores: int) -> float:
    """Return the minutes that pass."""
    return core_minutes / (1 if cores == 1 else BUSY * cores)


def set_resources(found: Iterable[Demand]) -> str:
    """Return YAML for a profile. Each further try gets as much memory again, and more time."""
    lines = ["set-resources:"]
    for demand in found:
        runtime = f'"min({demand.minutes} * attempt, {DAY_MIN})"'
        lines += [
            f"  {demand.rule}:",
            f"    cpus_per_task: {demand.cores}",
            f'    mem_mb: "{demand.memory_mb} * attempt"',
            f"    runtime: {demand.minutes if demand.minutes == DAY_MIN else runtime}",
        ]
        if demand.gpus:
            lines += [f"    gpu: {demand.gpus}"]
    return "\n".join(lines) + "\n"
