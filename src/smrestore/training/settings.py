"""What determines a trained network, apart from its data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from smrestore.support.errors import InputError

PHASES = ("raw", "canonical")
OVERSIZE = ("error", "exclude", "crop")
EXPORTS = ("last", "best")
LOSS_NAMES = ("l1", "log-error")
PRECISIONS = ("auto", "float32", "bf16", "fp16")
STUDY_LEVELS = (0.06, 0.1, 0.2, 0.3)
"""Noise levels of the study's test sets."""


@dataclass(frozen=True)
class TrainingSettings:
    """The recipe of one experiment.

    Attributes
    ----------
    task
        Name of the restoration task.
    dimension
        2 or 3.
    network
        ``{"name": ..., **sizes}`` for :func:`smrestore.networks.build_network`.
    phase
        ``raw``: components enter the network with a random global phase, as published.
        ``canonical``: they are turned to their own dominant phase first, and back afterwards.
    patch
        Side of the zero-padded patch in voxels of the restored grid.
    oversize
        What to do with matrices whose grid exceeds the patch. ``error``: refuse them. ``exclude``:
        leave them out. ``crop``: draw a random window of the patch for each sample.
    flips
        Mirror the axes of the ground truth at random; not in the study.
    sigma
        Range of the noise standard deviation, drawn uniformly.
    noise_free
        Share of the pairs without noise.
    sigma_convention
        What sigma means, see :func:`smrestore.tasks.degradation.complex_sigma`.
    scale
        Range of the random scale of the ground truth, drawn uniformly.
    steps, batch_size, learning_rate
        Optimizer steps of Adam, samples per step over all devices, and initial rate.
    accumulate
        Parts into which the samples of a step are divided on each device, one after the other: less
        memory for the same step.
    gradient_clip
        Largest norm of the gradient, None for no limit.
    precision
        ``auto`` (mixed precision on GPUs, bf16 where there is, float32 on CPUs), ``float32``,
        ``bf16`` or ``fp16``.
    deterministic
        Use deterministic algorithms only, where a GPU has others that are faster.
    milestones, learning_rate_factor
        Fractions of the steps after which the rate is multiplied by the factor.
    ema_decay
        Decay of the exponential moving average of the weights.
    interval
        Steps between two validations, checkpoints and rows of the history.
    validation_pairs
        Fixed pairs per validation, spread over :attr:`validation_levels`.
    early_stop
        Stop after so many intervals without a better validation PSNR, None for never.
    export
        Weights that the experiment stands for: the ``last`` or those of the ``best`` validation
        PSNR, averaged in both cases.
    degradation
        Options of the task, see :func:`smrestore.tasks.make_task`.
    guess
        Classical method before the network, ``{"method": name, **options}``: the network refines
        what it restores, see :mod:`smrestore.methods.guess`. None if it sees what was measured.
    loss
        ``l1`` or ``log-error``, see :mod:`smrestore.training.objective`.
    missing_weight
        Weight of missing voxels in the loss; that of measured ones is 1.
    """

    task: str
    dimension: int
    network: dict[str, object]
    phase: str
    patch: int
    sigma: tuple[float, float]
    sigma_convention: str
    scale: tuple[float, float]
    steps: int
    batch_size: int
    learning_rate: float
    interval: int
    validation_pairs: int
    milestones: tuple[float, ...] = field(default=(0.5, 0.75, 0.9, 0.95))
    learning_rate_factor: float = 0.5
    ema_decay: float = 0.999
    noise_free: float = 0.0
    degradation: dict[str, object] = field(default_factory=dict)
    guess: dict[str, object] | None = None
    loss: str = "l1"
    missing_weight: float = 1.0
    oversize: str = "error"
    flips: bool = False
    accumulate: int = 1
    gradient_clip: float | None = None
    early_stop: int | None = None
    export: str = "last"
    precision: str = "auto"
    deterministic: bool = False

    def __post_init__(self) -> None:
        for name, known in (
            ("phase", PHASES),
            ("loss", LOSS_NAMES),
            ("oversize", OVERSIZE),
            ("export", EXPORTS),
            ("precision", PRECISIONS),
        ):
            value = getattr(self, name)
            if value not in known:
                raise InputError(
                    f"unknown {value!r}", field=name, remedy=f"use one of {', '.join(known)}"
                )

    @property
    def validation_levels(self) -> tuple[float, ...]:
        """Noise levels of the validation: those of the study that training covers.

        0 is among them if a share of the pairs has no noise. A training range between the levels of
        the study is represented by the middles of its thirds.
        """
        low, high = self.sigma
        inside = tuple(level for level in STUDY_LEVELS if low <= level <= high)
        if not inside:
            inside = tuple(sorted({round(low + (high - low) * k / 6, 4) for k in (1, 3, 5)}))
        return (0.0, *inside) if self.noise_free and inside[0] > 0 else inside


def load_settings(recipe: Mapping[str, object]) -> TrainingSettings:
    """Build the settings from the entry of an experiment in the configuration."""
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in recipe["training"].items()}
    return TrainingSettings(
        task=recipe["task"],
        degradation=dict(recipe.get("degradation", {})),
        dimension=recipe["dimension"],
        network=dict(recipe["network"]),
        phase=recipe["phase"],
        guess=recipe.get("guess"),
        **values,
    )
