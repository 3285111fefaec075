"""Whether the time limit of a job is longer than an interval, after which a training is saved."""

FIRST_STEPS = 3
"""Steps that are not timed, as they load libraries and choose algorithms."""
TIMED_STEPS = 20
"""Steps that are timed after these."""


def too_short(step_s: float, interval: int, limit_s: float | None) -> str | None:
    """Return what to say if an interval takes longer than a job may, None if it does not.

    A job that hears Slurm's warning saves its state before its time is up. One that is ended
    without a warning, or does not hear it, would never get beyond its first interval.

    Parameters
    ----------
    step_s
        Time of a step in s.
    interval
        Steps of an interval.
    limit_s
        Time limit of the job in s, None if it has none.
    """
    if limit_s is None or step_s * interval <= limit_s:
        return None
    fitting = max(1, int(limit_s / 2 / step_s))
    return (
        f"training.interval: {interval} steps take about {interval * step_s / 60:.0f} min, longer "
        f"than the {limit_s / 60:.0f} min of this job, so a job that ends without a warning loses "
        f"all of its work. Set interval to {fitting} or less, or runtime of train_network to "
        f"{2 * interval * step_s / 60:.0f} min or more in set-resources of the profile"
    )
