"""Validation: how well fixed pairs are restored, by noise level."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.utils.data import DataLoader

from smrestore.training.data import Sample, TrainingPairs
from smrestore.training.objective import LOSSES, masked_psnr, repeat
from smrestore.training.settings import TrainingSettings

CACHE_BYTES = 2**28


@dataclass
class Validation:
    """The validation pairs. They are kept in memory if they are small."""

    fabric: Fabric
    settings: TrainingSettings
    pairs: TrainingPairs
    workers: int = 0
    _kept: list[Sample] | None = field(default=None, init=False)

    @torch.no_grad()
    def measure(self, network: nn.Module) -> dict[str, float]:
        """Return loss and mean PSNR in dB of the restored pairs, in all and at each noise level.

        The PSNR before restoration is ``degraded_psnr_dB``.
        """
        settings, fabric = self.settings, self.fabric
        levels, loss_of = settings.validation_levels, LOSSES[settings.loss]
        device = fabric.device
        # Number of samples, loss, PSNR before, PSNR after; the last two rows by level.
        sums = torch.zeros(4, len(levels), dtype=torch.float64, device=device)
        network.eval()
        for numbers, batch in zip(self._numbers(), self._batches(), strict=True):
            batch = fabric.to_device(batch)
            with fabric.autocast():
                restored = network(batch["degraded"], batch["mask"], batch["sigma"]).float()
            truth, valid = batch["truth"], batch["valid"]
            weight = 1 + (settings.missing_weight - 1) * batch["missing"]
            before = repeat(batch["degraded"], truth.shape[2:])
            values = torch.stack(
                (
                    torch.ones(len(numbers), device=device),
                    loss_of(restored, truth, valid, weight).expand(len(numbers)),
                    masked_psnr(before, truth, valid),
                    masked_psnr(restored, truth, valid),
                )
            )
            which = torch.tensor(numbers, device=device) % len(levels)
            sums.index_add_(1, which, values.double())
        sums = fabric.all_reduce(sums, reduce_op="sum")
        count = sums[0].sum()
        loss, before, after = (float(row.sum() / count) for row in sums[1:])
        by_level = (sums[3] / sums[0]).tolist()
        return {
            "validation_loss": loss,
            "validation_psnr_dB": after,
            "degraded_psnr_dB": before,
            **{
                f"psnr_{level:g}_dB": value
                for level, value in zip(levels, by_level, strict=True)
                if value == value  # Fewer pairs than levels leave some without.
            },
        }

    def _numbers(self) -> list[list[int]]:
        """Return the numbers of the pairs in each batch of this device."""
        size = self.settings.batch_size // (self.fabric.world_size * self.settings.accumulate)
        starts = range(0, len(self.pairs), size)
        all_batches = [list(range(s, min(s + size, len(self.pairs)))) for s in starts]
        return all_batches[self.fabric.global_rank :: self.fabric.world_size]

    def _batches(self) -> Iterable[Sample]:
        if self._kept is not None:
            return self._kept
        loader = DataLoader(self.pairs, batch_sampler=self._numbers(), num_workers=self.workers)
        sample = self.pairs[0]
        n_bytes = sum(tensor.nbytes for tensor in sample.values())
        if n_bytes * len(self.pairs) > CACHE_BYTES:
            return loader
        self._kept = list(loader)
        return self._kept
