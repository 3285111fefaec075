"""Options of each task: how a ground truth is degraded.

A new task is one file with its class and one entry here. This module imports no numerical
libraries.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema, model_validator

from smrestore.support.errors import InputError
from smrestore.support.settings import (
    Natural,
    Number,
    Settings,
    Whole,
    check_order,
    setting,
    vector,
)

if TYPE_CHECKING:
    from smrestore.tasks.task import Task


class TaskOptions(Settings):
    """What all tasks have in common."""

    @staticmethod
    @abstractmethod
    def task() -> "type[Task]":
        """Return the class of the task, which takes these options."""

    @property
    def spacing(self) -> int:
        """Voxels of the restored grid from one measured voxel to the next."""
        return getattr(self, "factor", 1)


class DenoisingOptions(TaskOptions):
    """Denoising has no options: every voxel is measured, with too few averages."""

    @staticmethod
    def task() -> "type[Task]":
        """Return the class of the task."""
        from smrestore.tasks.denoising import Denoising

        return Denoising


class AcceleratedOptions(TaskOptions):
    """A calibration that measures a part of the voxels."""

    factor: Whole = setting(
        ...,
        "measure every `factor`-th voxel along each axis, from the first",
        study="2; 2 and 4 for upsampling",
        ge=2,
        le=16,
    )

    @staticmethod
    def task() -> "type[Task]":
        """Return the class of the task."""
        from smrestore.tasks.decimation import AcceleratedCalibration

        return AcceleratedCalibration


class UpsamplingOptions(AcceleratedOptions):
    """Components on a grid finer than any that was measured."""

    truth_spacing: Natural = setting(
        1,
        "every `truth_spacing`-th voxel of the dataset is the ground truth. With 2, a dataset of "
        "`refinement: 4` is used for factor 2, with the same measured grids as for factor 4",
        ours=True,
    )

    @staticmethod
    def task() -> "type[Task]":
        """Return the class of the task."""
        from smrestore.tasks.decimation import Upsampling

        return Upsampling


class InpaintingOptions(TaskOptions):
    """A calibration of which a part failed."""

    mask_ratio: vector(Annotated[Number, Field(ge=0, le=0.9)], 2) = setting(
        ...,
        "range of the share of missing voxels, drawn uniformly",
        study="drawn in training, 0.1 in tests",
    )
    mask_runs: vector(Natural, 2) = setting(
        (1, 1),
        "range of the number of contiguous runs of missing voxels. The axes are permuted and every "
        "second line is reversed at random",
        study="several in training",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_order(self.mask_ratio, "mask_ratio")
        check_order(self.mask_runs, "mask_runs")
        return self

    @staticmethod
    def task() -> "type[Task]":
        """Return the class of the task."""
        from smrestore.tasks.inpainting import Inpainting

        return Inpainting


TASKS: dict[str, type[TaskOptions]] = {
    "denoising": DenoisingOptions,
    "accelerated-calibration": AcceleratedOptions,
    "upsampling": UpsamplingOptions,
    "inpainting": InpaintingOptions,
}
"""Options of all tasks, by the name of the task."""

TaskName = Literal[tuple(TASKS)]


def _options_of_task(given: object, info: ValidationInfo) -> TaskOptions | object:
    """Read the options of the task that the same section names."""
    task = info.data.get("task")
    if task is None:
        return given
    kind = TASKS[task]
    if isinstance(given, TaskOptions):
        given = dict(given)
    if isinstance(given, Mapping):
        known = list(kind.model_fields)
        for name in given:
            if name not in known:
                raise InputError(
                    f"{task} has no such option",
                    field=str(name),
                    remedy=f"use {', '.join(known)}" if known else "leave it out",
                )
    return kind.model_validate(given)


Degradation = Annotated[Any, PlainValidator(_options_of_task), WithJsonSchema({"type": "object"})]
"""Type of the options of a task, which the setting ``task`` before them names."""
