"""Studies of how few positions are enough: fits, restorations and images of each set."""

from smrestore.planning.jobs import Job


def plan_study(
    study: str, entry: dict, scan: str, fit: Job, restorations: list[Job], image: Job
) -> Job:
    """Return the job of one scan of a study.

    ``fit``, ``restorations`` and ``image`` are the jobs of its measurement, whose work is done for
    every set of positions.
    """
    n_sets = len(entry["every"]) + len(entry["choices"]) * len(entry["positions"])
    parts = [fit, *restorations, image]
    return Job(
        "positions",
        f"{study}/{scan}",
        n_sets * sum(part.seconds for part in parts),
        memory=max(part.memory for part in parts),
        disk=1e4,
    )
