"""What the jobs of a run ask of Slurm, looked at before the first of them is submitted.

Slurm itself refuses a job when it is submitted, maybe after hours of others, or lets it wait for
good. What it has is asked of ``sinfo``; where that does not answer, nothing is checked.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from smrestore.support.errors import InputError

MINUTE = 60.0
START_MINUTES = 2
"""What a job has at least before it is warned: it must load its libraries to hear the warning."""
_SIGNAL = re.compile(r"--signal=\S*?@(\d+)")


@dataclass(frozen=True)
class Request:
    """What a job asks for.

    Attributes
    ----------
    rule
        Name of its rule.
    partitions
        Those that it may run in; the default one if empty.
    gpus
        Whether it asks for GPUs.
    minutes
        Its time limit, None if it has none.
    warning_s
        How long before the time limit it is warned, 0 if not at all.
    """

    rule: str
    partitions: tuple[str, ...] = ()
    gpus: bool = False
    minutes: float | None = None
    warning_s: float = 0.0


@dataclass(frozen=True)
class Partition:
    """What a partition offers: its name, whether it is the default one, GPUs and time limit."""

    name: str
    is_default: bool
    gpus: bool
    minutes: float


def check_jobs(jobs: Iterable[object]) -> None:
    """Make sure that Slurm can run the jobs of a run that are not local.

    Parameters
    ----------
    jobs
        Jobs of Snakemake.

    Raises
    ------
    InputError
        If Slurm is not there, or one of its partitions cannot run a job as the profile asks.
    """
    requests = {request_of(job) for job in jobs if not job.is_local}
    # Other clusters are not ours to ask.
    requests.discard(None)
    if not requests:
        return
    if shutil.which("sbatch") is None:
        raise InputError(
            "there is no sbatch on this computer",
            field="executor",
            remedy="start the run on a login node of a cluster with Slurm, or leave out "
            "--profile slurm to use this computer",
        )
    check_requests(sorted(requests, key=lambda request: request.rule), partitions())


def request_of(job: object) -> Request | None:
    """Return what a job of Snakemake asks for, None if it asks another cluster."""
    resources = job.resources
    if any(resources.get(name) for name in ("cluster", "clusters", "slurm_cluster")):
        return None
    runtime = resources.get("runtime")
    warning = _SIGNAL.search(str(resources.get("slurm_extra", "")))
    return Request(
        job.rule.name,
        tuple(filter(None, str(resources.get("slurm_partition") or "").split(","))),
        bool(resources.get("gpu")) or "gpu" in str(resources.get("gres") or ""),
        float(runtime) if isinstance(runtime, int | float) else None,
        float(warning[1]) if warning else 0.0,
    )


def partitions() -> list[Partition]:
    """Return the partitions of this cluster, empty if it does not say."""
    command = ["sinfo", "--all", "--noheader", "--format=%P|%l|%G"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        return read_partitions(output.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return []


def read_partitions(text: str) -> list[Partition]:
    """Return partitions from lines ``name|time limit|generic resources``, several for each."""
    found: dict[str, Partition] = {}
    for line in filter(None, text.splitlines()):
        label, limit, resources = line.split("|")
        name = label.rstrip("*")
        gpus = "gpu" in resources or (name in found and found[name].gpus)
        found[name] = Partition(name, label.endswith("*"), gpus, _minutes(limit))
    return list(found.values())


def _minutes(limit: str) -> float:
    """Return minutes from ``days-hours:minutes:seconds``; its first parts may be absent."""
    if limit in ("infinite", "n/a"):
        return float("inf")
    days, _, clock = limit.rpartition("-")
    hours, minutes, seconds = (["0", "0", *clock.split(":")])[-3:]
    return 1440 * int(days or 0) + 60 * int(hours) + int(minutes) + int(seconds) / 60


def check_requests(requests: Iterable[Request], offered: Iterable[Partition]) -> None:
    """Compare what jobs ask for with what a cluster offers.

    Parameters
    ----------
    requests
        What jobs ask for.
    offered
        Partitions; if there are none, only what jobs say of themselves is checked.

    Raises
    ------
    InputError
        If a request cannot be met; it names rule, resource and remedy.
    """
    known = {partition.name: partition for partition in offered}
    default = [partition for partition in known.values() if partition.is_default]
    for request in requests:
        _check_warning(request)
        for name in request.partitions if known else ():
            if name not in known:
                raise InputError(
                    f"there is no partition {name!r} on this cluster, but {', '.join(known)}",
                    field=f"{request.rule}: slurm_partition",
                    remedy="name one of them in default-resources or set-resources of your profile",
                )
        places = [known[name] for name in request.partitions if name in known] or default
        if places:
            _check_gpus(request, places, known.values())
            _check_time(request, places)


def _check_warning(request: Request) -> None:
    """Jobs must have time to work before they are warned of their time limit."""
    if request.minutes is None or not request.warning_s:
        return
    least = request.warning_s / MINUTE + START_MINUTES
    if request.minutes < least:
        raise InputError(
            f"the time limit of {request.minutes:g} min is too short: the job is asked to stop "
            f"{request.warning_s / MINUTE:g} min before, when it has hardly started",
            field=f"{request.rule}: runtime",
            remedy=f"give at least {least:g} min, better an hour, in set-resources of your profile",
        )


def _check_gpus(request: Request, places: list[Partition], everywhere: Iterable[Partition]) -> None:
    if not request.gpus or any(place.gpus for place in places):
        return
    others = [partition.name for partition in everywhere if partition.gpus]
    where = (
        f"set slurm_partition of {request.rule} to one that has them ({', '.join(others)})"
        if others
        else f"no partition has any: set gpu: 0 for {request.rule}, to compute on CPUs"
    )
    raise InputError(
        f"a GPU is demanded, but there is none in partition {' or '.join(p.name for p in places)}",
        field=f"{request.rule}: gpu",
        remedy=f"{where}, in set-resources of your profile",
    )


def _check_time(request: Request, places: list[Partition]) -> None:
    longest = max(place.minutes for place in places)
    if request.minutes is not None and request.minutes > longest:
        raise InputError(
            f"{request.minutes:g} min are more than the {longest:g} min that partition "
            f"{' or '.join(p.name for p in places)} allows, so the job would wait for good",
            field=f"{request.rule}: runtime",
            remedy="ask for less in set-resources of your profile, such as "
            f'"min(60 * attempt, {longest:g})", or name another partition',
        )
