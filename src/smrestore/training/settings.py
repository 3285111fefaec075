"""What determines a trained network, apart from its data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from smrestore.errors import InputError

PHASES = ("raw", "canonical")


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
        Side of the zero-padded patch in voxels of the restored grid; no training grid may be
        larger.
    sigma
        Range of the noise standard deviation, drawn uniformly.
    noise_free
        Share of the pairs without noise.
    sigma_convention
        What sigma means, see :func:`smrestore.degradation.complex_sigma`.
    scale
        Range of the random scale of the ground truth, drawn uniformly.
    steps, batch_size, learning_rate
        Optimizer steps of Adam, samples per step, and initial rate.
    milestones, learning_rate_factor
        Fractions of the steps after which the rate is multiplied by the factor.
    ema_decay
        Decay of the exponential moving average of the weights.
    interval
        Steps between two validations, checkpoints and rows of the history.
    validation_pairs
        Fixed pairs per validation.
    degradation
        Options of the task, see :func:`smrestore.tasks.make_task`.
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
    missing_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.phase not in PHASES:
            raise InputError(
                f"unknown {self.phase!r}", field="phase", remedy=f"use one of {', '.join(PHASES)}"
            )


def load_settings(recipe: Mapping[str, object]) -> TrainingSettings:
    """Build the settings from the entry of an experiment in the configuration."""
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in recipe["training"].items()}
    return TrainingSettings(
        task=recipe["task"],
        degradation=dict(recipe.get("degradation", {})),
        dimension=recipe["dimension"],
        network=dict(recipe["network"]),
        phase=recipe["phase"],
        **values,
    )
