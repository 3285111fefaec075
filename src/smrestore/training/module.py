"""The optimization problem: loss, optimizer, schedule, averaged weights."""

import lightning
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import nn

from smrestore.networks import build_network
from smrestore.training.data import Sample
from smrestore.training.settings import TrainingSettings


def masked_l1(
    restored: torch.Tensor,
    truth: torch.Tensor,
    valid: torch.Tensor,
    weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the weighted absolute error, as a mean over both channels and all valid voxels.

    Shapes (B, 2, *patch) twice and (B, 1, *patch) twice. Padding has no influence and gets no
    gradient. The weights are those of each voxel: the error is divided by the number of valid
    voxels, whatever their weights.
    """
    error = (restored.float() - truth).abs() * valid
    if weight is not None:
        error = error * weight
    return error.sum() / (truth.shape[1] * valid.sum())


def masked_psnr(restored: torch.Tensor, truth: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Return the PSNR of each sample in dB, (B,); its peak is the truth's largest magnitude."""
    axes = tuple(range(1, truth.ndim))
    squared = ((restored.float() - truth) ** 2 * valid).sum(axes) / (2 * valid.sum(axes))
    peak = (truth**2).sum(dim=1).flatten(1).amax(dim=1)
    return 10 * torch.log10(peak / squared)


class Restoration(lightning.LightningModule):
    """A network with its training recipe: Adam and a multi-step schedule."""

    def __init__(self, settings: TrainingSettings) -> None:
        super().__init__()
        self.settings = settings
        sizes = dict(settings.network)
        network = build_network(sizes.pop("name"), settings.dimension, **sizes)
        # Convolutions in 2D run faster this way, on CPUs and with half precision on GPUs.
        channels_last = settings.dimension == 2
        self.network = network.to(memory_format=torch.channels_last) if channels_last else network

    def _restore(self, batch: Sample) -> torch.Tensor:
        return self.network(batch["degraded"], batch["mask"], batch["sigma"])

    def _loss(self, restored: torch.Tensor, batch: Sample) -> torch.Tensor:
        weight = 1 + (self.settings.missing_weight - 1) * batch["missing"]
        return masked_l1(restored, batch["truth"], batch["valid"], weight)

    def training_step(self, batch: Sample, _: int) -> torch.Tensor:
        """Return the loss of a batch."""
        loss = self._loss(self._restore(batch), batch)
        self.log("training_loss", loss, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch: Sample, _: int) -> None:
        """Log loss and PSNR of a validation batch, for the averaged weights."""
        restored = self._restore(batch)
        count = len(restored)
        loss = self._loss(restored, batch)
        psnr = masked_psnr(restored, batch["truth"], batch["valid"]).mean()
        before = masked_psnr(self._repeat(batch), batch["truth"], batch["valid"]).mean()
        self.log("validation_loss", loss, batch_size=count)
        self.log("validation_psnr_dB", psnr, batch_size=count, prog_bar=True)
        self.log("degraded_psnr_dB", before, batch_size=count)

    @staticmethod
    def _repeat(batch: Sample) -> torch.Tensor:
        """Return what was measured on the restored grid, each voxel repeated."""
        return nn.functional.interpolate(batch["degraded"], size=batch["truth"].shape[2:])

    def configure_optimizers(self) -> dict:
        """Return Adam, and the schedule counted in steps."""
        settings = self.settings
        optimizer = torch.optim.Adam(self.network.parameters(), lr=settings.learning_rate)
        schedule = torch.optim.lr_scheduler.MultiStepLR(
            optimizer,
            [max(1, round(f * settings.steps)) for f in settings.milestones],
            settings.learning_rate_factor,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def moving_average(decay: float) -> WeightAveraging:
    """Return the callback that keeps an exponential moving average of weights and statistics.

    The decay warms up as min(decay, (1 + t) / (10 + t)), otherwise short trainings would keep their
    initial weights. Integer buffers are copied, because averaging would truncate them.
    """

    def average(averaged: torch.Tensor, current: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        if not averaged.is_floating_point():
            return current
        t = float(count)
        return torch.lerp(current, averaged, min(decay, (1 + t) / (10 + t)))

    return WeightAveraging(use_buffers=True, avg_fn=average)
