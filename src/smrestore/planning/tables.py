"""Tables of a plan for readers: stages, and planned against actual."""

import csv
from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path

from smrestore.planning.jobs import STAGES, Job
from smrestore.support.files import atomic_path


def stage_rows(jobs: Iterable[Job]) -> list[dict[str, object]]:
    """Return a row for each stage with jobs, and one for all together."""
    by_stage = _by_stage(jobs)
    rows = [_row(stage, found) for stage, found in by_stage.items()]
    everything = [job for found in by_stage.values() for job in found]
    return [*rows, _row("all", everything)]


def _by_stage(jobs: Iterable[Job]) -> dict[str, list[Job]]:
    jobs = list(jobs)
    found = {stage: [job for job in jobs if job.stage == stage] for stage in STAGES}
    return {stage: some for stage, some in found.items() if some}


def _row(stage: str, jobs: list[Job]) -> dict[str, object]:
    return {
        "stage": stage,
        "jobs": len(jobs),
        "core hours": sum(job.seconds for job in jobs) / 3600,
        "longest job (min)": max((job.seconds for job in jobs), default=0.0) / 60,
        "GPU hours": sum(job.gpu_seconds for job in jobs) / 3600,
        "peak memory (GiB)": max((job.memory for job in jobs), default=0.0) / 2**30,
        "disk (GiB)": sum(job.disk for job in jobs) / 2**30,
    }


def comparison_rows(planned: Iterable[Job], actual: Iterable[Job]) -> list[dict[str, object]]:
    """Return a row for each stage: planned and actual processor time of the jobs that both have.

    ``only planned`` and ``only run`` count the others.
    """
    measured = {(job.stage, job.name): job for job in actual}
    plans = _by_stage(planned)
    rows, pairs = [], []
    for stage, jobs in plans.items():
        both = [(job, measured[stage, job.name]) for job in jobs if (stage, job.name) in measured]
        n_run = sum(other == stage for other, _ in measured)
        pairs += both
        rows.append(_comparison(stage, both, len(jobs) - len(both), n_run - len(both)))
    rows.append(
        _comparison(
            "all",
            pairs,
            sum(row["only planned"] for row in rows),
            len(measured) - len(pairs),
        )
    )
    return rows


def _comparison(
    stage: str, pairs: list[tuple[Job, Job]], only_planned: int, only_run: int
) -> dict[str, object]:
    plan, run = (sum(pair[i].seconds for pair in pairs) / 60 for i in (0, 1))
    memory = [max((pair[i].memory for pair in pairs), default=0.0) / 2**30 for i in (0, 1)]
    return {
        "stage": stage,
        "jobs": len(pairs),
        "planned (core min)": plan,
        "actual (core min)": run,
        "ratio": plan / run if run else None,
        "planned peak (GiB)": memory[0],
        "actual peak (GiB)": memory[1],
        "only planned": only_planned,
        "only run": only_run,
    }


def write_jobs(path: str | Path, jobs: Iterable[Job]) -> None:
    """Write a CSV of what each job costs; columns are those of :class:`Job`.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(Job))
        for job in jobs:
            writer.writerow(f"{v:.4g}" if isinstance(v, float) else v for v in astuple(job))
