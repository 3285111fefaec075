"""The settings that determine a trained network, apart from its data."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from smrestore.methods.options import AnyGuess
from smrestore.networks.options import AnyNetwork
from smrestore.support.choices import SigmaConvention
from smrestore.support.errors import InputError
from smrestore.support.settings import (
    Dimension,
    Flag,
    Natural,
    Number,
    Settings,
    Text,
    check_order,
    setting,
    vector,
)
from smrestore.tasks.options import Degradation, DenoisingOptions, TaskName

STUDY_LEVELS = (0.06, 0.1, 0.2, 0.3)
"""Noise levels of the study's test sets."""

Sigma = Annotated[Number, Field(ge=0, le=1)]
SIGMA_CONVENTION = (
    "`complex`: sigma is that of the complex noise, sqrt(mean abs(n - mean n)^2). `per-channel`: "
    "of its real and its imaginary part each"
)


class Training(Settings):
    """The recipe of a training: what ``training`` says in the configuration."""

    patch: Natural = setting(
        ...,
        "side of the patch to which components are zero-padded, at a random place, on the restored "
        "grid; a multiple of the factor",
        unit="voxels",
        study="fixed size, not given",
    )
    oversize: Literal["error", "exclude", "crop"] = setting(
        "error",
        "matrices whose ground truth is larger than the patch. `error`: refuse them. `exclude`: "
        "leave them out. `crop`: draw a random window of the patch for each sample. Their number "
        "is logged and written to the card",
        ours=True,
    )
    flips: Flag = setting(False, "mirror each axis of the ground truth at random", study="not done")
    sigma: vector(Sigma, 2) = setting(
        (0.0, 0.3),
        "range of the noise standard deviation, drawn uniformly; relative to a component of unit "
        "maximum",
        ours=True,
    )
    sigma_convention: SigmaConvention = setting("complex", SIGMA_CONVENTION, ours=True)
    noise_free: Number = setting(0.0, "share of the pairs without noise", ours=True, ge=0, le=1)
    scale: vector(Annotated[Number, Field(gt=0, le=100)], 2) = setting(
        (0.5, 1.0), "range of the random scale of the ground truth, drawn uniformly", ours=True
    )
    out_of_phase: Number = setting(
        0.0,
        "largest root mean square of a second component, which is added a quarter of a period out "
        "of phase, over that of the first; drawn uniformly. The second one is of the same matrix "
        "and receive channel and has nearly the same mixing order. So components are not real up "
        "to a phase, as those of particles that lag behind the field",
        ours=True,
        ge=0,
        le=1,
    )
    loss: Literal["l1", "log-error"] = setting(
        "l1",
        "`l1`: mean absolute error of all voxels of a batch. `log-error`: mean logarithm of the "
        "root mean square error of each sample, so that components that are nearly right count as "
        "much as those with much noise. Padding never counts",
        study="`l1`",
    )
    missing_weight: Number = setting(
        1.0,
        "weight of the error at missing voxels, against 1 at measured ones",
        study="weighted, not given",
        gt=0,
        le=1000,
    )
    start: Text | None = setting(
        None,
        "network of the package whose weights the training begins with; it must have the same "
        "sizes. Fresh weights if left out",
        ours=True,
    )
    steps: Natural = setting(..., "optimizer steps of Adam", ours=True)
    batch_size: Natural = setting(
        ...,
        "components per step, over all devices; a multiple of devices times `accumulate`",
        ours=True,
    )
    accumulate: Natural = setting(
        1,
        "compute the components of a step on each device in this many parts, one after the other. "
        "The step is the same in less memory, except for batch normalization",
    )
    gradient_clip: Number | None = setting(
        None, "largest L2 norm of the gradient; no limit if left out", ours=True, gt=0
    )
    precision: Literal["auto", "float32", "bf16", "fp16"] = setting(
        "auto",
        "`auto`: mixed precision on GPUs (bf16, or fp16 where there is none), float32 on CPUs. "
        "fp16 works on GPUs only",
        study="mixed",
    )
    deterministic: Flag = setting(
        False,
        "use only deterministic algorithms on a GPU, which are slower. On a CPU, trainings can "
        "always be repeated bit for bit",
    )
    learning_rate: Number = setting(..., "initial learning rate", ours=True, gt=0, le=1)
    milestones: vector(Annotated[Number, Field(gt=0, lt=1)], 0, 100) = setting(
        (0.5, 0.75, 0.9, 0.95),
        "fractions of the steps after which the rate is multiplied by the factor",
        study="several steps, not given",
    )
    learning_rate_factor: Number = setting(
        0.5, "factor of the learning rate after each milestone", ours=True, gt=0, le=1
    )
    ema_decay: Number = setting(
        0.999,
        "decay of the exponential moving average of the weights, which are the result",
        study="used, decay not given",
        ge=0,
        lt=1,
    )
    interval: Natural = setting(
        ...,
        "steps between validations, checkpoints and rows of the history; a run that is killed "
        "loses one interval at most",
        ours=True,
    )
    validation_pairs: Natural = setting(
        ...,
        "fixed pairs per validation, spread evenly over noise levels: those of 0.06, 0.1, 0.2, 0.3 "
        "that lie in `sigma` (the middles of its thirds if none does), and 0 if `noise_free` is "
        "above 0",
        ours=True,
    )
    early_stop: Natural | None = setting(
        None,
        "stop after this many intervals without a better validation PSNR; never if left out",
        ours=True,
    )
    export: Literal["last", "best"] = setting(
        "last",
        "weights that the experiment exports: the last ones, or those with the best validation "
        "PSNR; both are averaged",
        ours=True,
    )

    @model_validator(mode="after")
    def _check_training(self) -> Self:
        check_order(self.sigma, "sigma")
        check_order(self.scale, "scale")
        if self.batch_size % self.accumulate:
            raise InputError(
                f"{self.batch_size} components cannot be divided into {self.accumulate} equal "
                "parts",
                field="batch_size",
                remedy=f"give a multiple of accumulate, {self.accumulate}",
            )
        return self


class Learned(Settings):
    """What a network is trained for, and what it sees."""

    task: TaskName = setting(..., "restoration problem")
    degradation: Degradation = setting(
        DenoisingOptions(), "options of the task", validate_default=True
    )
    dimension: Dimension = setting(..., "driven axes, of network and dataset")
    network: AnyNetwork = setting(..., "architecture and its sizes", study="sizes not given")
    phase: Literal["raw", "canonical"] = setting(
        "raw",
        "`raw`: components enter with a random global phase. `canonical`: they are turned to their "
        "own dominant phase before the network and back afterwards",
        study="`raw`",
    )
    guess: AnyGuess | None = setting(
        None,
        "classical method of the task whose result the network refines. The network sees a "
        "complete image on the restored grid and is told which voxels were measured, so it has no "
        "factor of its own and needs `mask_features: false`; with `zero_last` it starts where the "
        "classical method ends",
        study="none",
    )


class TrainingSettings(Training, Learned):
    """The whole recipe of one experiment."""

    @property
    def validation_levels(self) -> tuple[float, ...]:
        """Noise levels of the validation: those of the study that are within the training range.

        0 is added if a share of the pairs has no noise. If no level of the study is within the
        range, the middles of its thirds are used.
        """
        low, high = self.sigma
        inside = tuple(level for level in STUDY_LEVELS if low <= level <= high)
        if not inside:
            inside = tuple(sorted({round(low + (high - low) * k / 6, 4) for k in (1, 3, 5)}))
        return (0.0, *inside) if self.noise_free and inside[0] > 0 else inside


def load_settings(recipe: Mapping[str, object]) -> TrainingSettings:
    """Build the settings from the entry of an experiment in the configuration."""
    learned = {name: recipe[name] for name in Learned.model_fields if name in recipe}
    return TrainingSettings.checked({**learned, **recipe["training"]})
