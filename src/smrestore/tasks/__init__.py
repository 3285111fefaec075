"""Restoration tasks: how a ground truth is degraded, one module per task."""

from collections.abc import Mapping

from smrestore.support.errors import InputError
from smrestore.tasks.decimation import AcceleratedCalibration, Upsampling
from smrestore.tasks.denoising import Denoising
from smrestore.tasks.inpainting import Inpainting
from smrestore.tasks.task import Task

__all__ = ["TASKS", "Task", "make_task"]

TASKS: dict[str, type[Task]] = {
    "denoising": Denoising,
    "accelerated-calibration": AcceleratedCalibration,
    "upsampling": Upsampling,
    "inpainting": Inpainting,
}


def make_task(name: str, options: Mapping[str, object] | None = None) -> Task:
    """Return a task from its name and its ``degradation`` in the configuration.

    Raises
    ------
    InputError
        If the name or an option is unknown.
    """
    if name not in TASKS:
        raise InputError(
            f"unknown task {name!r}", field="task", remedy=f"use one of {', '.join(TASKS)}"
        )
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in (options or {}).items()}
    try:
        return TASKS[name](**values)
    except TypeError as error:
        raise InputError(
            str(error), field=f"degradation of {name}", remedy="see docs/configuration.md"
        ) from None
