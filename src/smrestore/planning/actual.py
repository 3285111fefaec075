"""What the jobs of a finished run took, from the benchmark files that Snakemake wrote."""

import json
from pathlib import Path

from smrestore.planning.jobs import Job
from smrestore.support.errors import InputError

SHORT, LONG = 0.5, 30.0
"""Snakemake looks at a job every half second until it has done so 31 times, then every 30 s."""
OFTEN = 31 * SHORT


def read_jobs(results: str | Path) -> list[Job]:
    """Return the jobs of a run; of one that ran several times, the longest.

    Processor time is known up to the last time that Snakemake looked at a job. The rest of its time
    is taken to go on like that.

    Parameters
    ----------
    results
        Folder of results, with a folder ``benchmarks``.

    Raises
    ------
    InputError
        If there are no benchmark files, or one is damaged.
    """
    folder = Path(results) / "benchmarks"
    paths = sorted(folder.glob("*/**/*.jsonl"))
    if not paths:
        raise InputError(
            "no benchmark files", path=folder, remedy="give the results of a finished run"
        )
    return [_read(path, folder) for path in paths]


def _read(path: Path, folder: Path) -> Job:
    stage, *name = path.relative_to(folder).with_suffix("").parts
    try:
        records = [json.loads(line) for line in path.read_text().splitlines()]
        found = [(_core_seconds(r), 2**20 * _number(r["max_rss"])) for r in records]
        seconds, memory = map(max, zip(*found, strict=True))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"no benchmark ({error!r})", path=path, remedy="run the job again"
        ) from None
    return Job(stage, "/".join(name), seconds, memory=memory)


def _core_seconds(record: dict) -> float:
    """Return the processor time of a job until its end."""
    passed, used = float(record["s"]), _number(record["cpu_time"])
    if not used:
        # Too short to be looked at.
        return passed
    if passed <= OFTEN:
        seen = max(SHORT, passed // SHORT * SHORT)
    else:
        seen = OFTEN + (passed - OFTEN) // LONG * LONG
    return used * passed / seen


def _number(value: object) -> float:
    """Return a number, 0 for one that Snakemake does not know (``NA``)."""
    return 0.0 if value in (None, "NA", "-") else float(value)
