"""``smrestore plan``: what a run costs, before it is started."""

from pathlib import Path

from smrestore.support.errors import InputError

DEFAULT = Path("config.yaml")


def plan(*configuration: Path, compare: Path | None = None) -> None:
    """Say what a run of the workflow costs, before it is started.

    Runs each kernel for a moment on this machine, which takes a minute or two, and prints jobs,
    core hours, GPU hours, peak memory and disk of each stage. docs/performance.md says how far to
    trust it.

    Parameters
    ----------
    configuration
        config.yaml, and overlays in order; config.yaml of this folder by default.
    compare
        Folder of results of a finished run: also prints planned against actual.
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
    from smrestore.planning.stages import plan_run
    from smrestore.planning.tables import comparison_rows, stage_rows

    # A wrong folder is found before anything is measured.
    actual = None if compare is None else read_jobs(compare)
    accelerator, notes = _accelerator(config["accelerator"])
    jobs, left_out = plan_run(config, accelerator)
    formats = ("", "", ".3f", ".2f", ".2f", ".2f", ".3f")
    print(tabulate(stage_rows(jobs), headers="keys", floatfmt=formats))
    for note in [*notes, *left_out]:
        print(f"Note: {note}.")
    if actual is not None:
        formats = ("", "", ".1f", ".1f", ".2f", ".2f", ".2f", "", "")
        print()
        print(tabulate(comparison_rows(jobs, actual), headers="keys", floatfmt=formats))


def _accelerator(demand: str) -> tuple[str, list[str]]:
    """Return what trainings are measured on, and what to say about it."""
    from smrestore.networks.shipped import require_torch

    require_torch()
    import torch

    if demand != "cpu" and torch.cuda.is_available():
        return "gpu", [f"trainings on {torch.cuda.get_device_name()}"]
    if demand == "gpu":
        return "cpu", ["the configuration demands a GPU, which is not here: trainings on this CPU"]
    return "cpu", []
