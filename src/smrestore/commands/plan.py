"""``smrestore plan``: what a run costs, before it is started."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from smrestore.support.errors import InputError

DEFAULT = Path("config.yaml")
ASSUMED = "h100"
"""Card where the configuration demands a GPU and none is here."""


def plan(
    *configuration: Path,
    compare: Path | None = None,
    gpu: Literal["h100", "a100"] | None = None,
    resources: bool = False,
    jobs: Path | None = None,
) -> None:
    """Say what a run of the workflow costs, before it is started.

    Runs each kernel for a moment on this machine, which takes minutes, and prints jobs, core hours,
    GPU hours, peak memory and disk of each stage. docs/performance.md says how far to trust it.

    Parameters
    ----------
    configuration
        config.yaml, and overlays in order; config.yaml of this folder by default.
    compare
        Folder of results of a finished run: also prints planned against actual.
    gpu
        Trainings run on such a GPU, which is not here: GPU hours from the speed of an H100.
    resources
        Also print what each rule should ask Slurm for, as set-resources of a profile.
    jobs
        CSV to write with what each job costs.
    """
    from smrestore.configuration import load_configuration

    if not configuration and not DEFAULT.exists():
        raise InputError(
            "no config.yaml in this folder",
            field="CONFIGURATION",
            remedy="give configuration files",
        )
    config = load_configuration(configuration or [DEFAULT])

    from tabulate import tabulate

    from smrestore.planning.actual import read_jobs
    from smrestore.planning.resources import demands, set_resources
    from smrestore.planning.stages import plan_run
    from smrestore.planning.tables import comparison_rows, stage_rows, write_jobs

    # A wrong folder is found before anything is measured.
    actual = None if compare is None else read_jobs(compare)
    accelerator, gpu, notes = _accelerator(config, gpu)
    with _lines_on_stderr():
        planned, left_out = plan_run(config, accelerator, gpu)
    formats = ("", "", ".3f", ".2f", ".2f", ".2f", ".3f")
    print(tabulate(stage_rows(planned), headers="keys", floatfmt=formats))
    for note in [*notes, *left_out]:
        print(f"Note: {note}.")
    if jobs is not None:
        write_jobs(jobs, planned)
    if resources:
        print()
        print(set_resources(demands(planned)), end="")
    if actual is not None:
        formats = ("", "", ".1f", ".1f", ".2f", ".2f", ".2f", "", "")
        print()
        print(tabulate(comparison_rows(planned, actual), headers="keys", floatfmt=formats))


def _accelerator(config: dict, card: str | None) -> tuple[str, str | None, list[str]]:
    """Return what trainings are measured on, the card if it is assumed, and what to say of it."""
    from smrestore.networks.shipped import require_torch

    require_torch()
    import torch

    from smrestore.planning.gpus import gpu_note

    demand = config["accelerator"]
    if card is None and demand != "cpu" and torch.cuda.is_available():
        return "gpu", None, [f"trainings on {torch.cuda.get_device_name()}"]
    if card is None and demand == "gpu":
        card = ASSUMED
    return "cpu", card, [gpu_note(card, config["experiments"])] if card else []


@contextlib.contextmanager
def _lines_on_stderr() -> Iterator[None]:
    """Show what the plan logs as lines on stderr, where no terminal shows a bar."""
    log = logging.getLogger("smrestore.planning")
    handler = logging.StreamHandler(sys.stderr)
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
