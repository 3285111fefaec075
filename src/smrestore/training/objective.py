"""Loss, quality and learning rate of a training, and the moving average of its weights."""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from smrestore.training.settings import TrainingSettings

ERROR_FLOOR = 3e-3
"""Smallest error that counts, in units of a component with maximum 1: 50 dB."""


def masked_l1(
    restored: torch.Tensor,
    truth: torch.Tensor,
    valid: torch.Tensor,
    weight: torch.Tensor | None = None,
    count: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the weighted absolute error, as a mean over both channels and all valid voxels.

    ``restored`` and ``truth`` are (B, 2, *patch), ``valid`` and ``weight`` are (B, 1, *patch).
    Padding has no influence and gets no gradient. Each voxel has a weight, but the error is divided
    by the number of valid voxels. If the batch is a part of a larger one, ``count`` is the number
    of valid voxels in the whole. Then the losses of the parts add up to that of the whole.
    """
    error = (restored.float() - truth).abs() * valid
    if weight is not None:
        error = error * weight
    return error.sum() / (truth.shape[1] * (valid.sum() if count is None else count))


def masked_log_error(
    restored: torch.Tensor,
    truth: torch.Tensor,
    valid: torch.Tensor,
    weight: torch.Tensor | None = None,
    count: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the decimal logarithm of the root mean square error of each sample, as their mean.

    Up to a constant, this is minus a twentieth of the mean PSNR in dB, which the tables show.
    Components that are nearly right count as much as those with much noise, whereas the latter
    dominate :func:`masked_l1`. Errors below :data:`ERROR_FLOOR` of the maximum count as none.
    Parameters are as in :func:`masked_l1`, but ``count`` is a number of samples.
    """
    squared = (restored.float() - truth) ** 2 * valid
    if weight is not None:
        squared = squared * weight
    axes = tuple(range(1, truth.ndim))
    mean = squared.sum(axes) / (truth.shape[1] * valid.sum(axes))
    return (mean + ERROR_FLOOR**2).log10().sum() / (2 * (len(truth) if count is None else count))


Loss = Callable[..., torch.Tensor]
LOSSES: dict[str, Loss] = {"l1": masked_l1, "log-error": masked_log_error}


def loss_count(loss: str, valid: torch.Tensor) -> torch.Tensor:
    """Return what the loss of a batch is divided by: valid voxels, or samples."""
    return valid.sum() if loss == "l1" else torch.as_tensor(float(len(valid)), device=valid.device)


def masked_psnr(restored: torch.Tensor, truth: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Return the PSNR of each sample in dB, (B,). The peak is the largest magnitude of the truth.

    Without any error it is 100 dB.
    """
    axes = tuple(range(1, truth.ndim))
    squared = ((restored.float() - truth) ** 2 * valid).sum(axes) / (2 * valid.sum(axes))
    peak = (truth**2).sum(dim=1).flatten(1).amax(dim=1)
    return 10 * torch.log10(peak / torch.maximum(squared, 1e-10 * peak))


def repeat(image: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Return what was measured on the restored grid of ``size``, each voxel repeated."""
    return nn.functional.interpolate(image, size=tuple(size))


def learning_rate(settings: TrainingSettings, step: int) -> float:
    """Return the learning rate of a step, counted from 0. It decays at the milestones."""
    passed = sum(step >= max(1, round(f * settings.steps)) for f in settings.milestones)
    return settings.learning_rate * settings.learning_rate_factor**passed


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """Return the exponential moving average of a network's weights and statistics.

    The decay warms up as min(decay, (1 + t) / (10 + t)). Otherwise short trainings would keep their
    initial weights. Integer buffers are copied, because averaging would truncate them.
    """

    def average(
        averaged: list[torch.Tensor], current: list[torch.Tensor], count: torch.Tensor
    ) -> None:
        if not averaged[0].is_floating_point():
            torch._foreach_copy_(averaged, current)
            return
        t = float(count)
        torch._foreach_lerp_(averaged, current, 1 - min(decay, (1 + t) / (10 + t)))

    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)
