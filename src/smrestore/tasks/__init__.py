"""Restoration tasks: how a ground truth is degraded. One module per task."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from smrestore.support.errors import InputError
from smrestore.tasks.options import TASKS

if TYPE_CHECKING:
    from smrestore.tasks.task import Task

__all__ = ["TASKS", "make_task"]


def make_task(name: str, options: Mapping[str, object] | None = None) -> "Task":
    """Return a task by its name and its ``degradation`` in the configuration.

    Raises
    ------
    InputError
        If the name or an option is unknown.
    """
    if name not in TASKS:
        raise InputError(
            f"unknown task {name!r}", field="task", remedy=f"use one of {', '.join(TASKS)}"
        )
    chosen = TASKS[name].checked(options or {}, f"degradation of {name}")
    return chosen.task()(**dict(chosen))
