"""The steps of a training. Each depends only on its number.

Samples, dropout and learning rate are functions of the step and the seed. So another process can go
on from the state after any step.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule, _FabricOptimizer
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Sampler

from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path
from smrestore.support.seeds import derived_seed
from smrestore.training.data import Sample, TrainingPairs
from smrestore.training.device import memory_errors
from smrestore.training.history import History
from smrestore.training.objective import LOSSES, learning_rate, loss_count
from smrestore.training.settings import TrainingSettings
from smrestore.training.validation import Validation

logger = logging.getLogger(__name__)

BAD_BATCH = "bad_batch.npz"


@dataclass(frozen=True)
class StepBatches(Sampler):
    """Numbers of the samples of each step. Every device takes its share."""

    steps: range
    batch_size: int
    rank: int = 0
    devices: int = 1

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[int]]:
        share = self.batch_size // self.devices
        for step in self.steps:
            first = step * self.batch_size + self.rank * share
            yield list(range(first, first + share))


def parts(batch: Sample, count: int) -> Iterator[Sample]:
    """Divide a batch into equal parts."""
    size = len(batch["sigma"]) // count
    for start in range(0, size * count, size):
        yield {name: tensor[start : start + size] for name, tensor in batch.items()}


@dataclass
class Loop:
    """A network, and everything else that changes during its training.

    Attributes
    ----------
    step
        Steps done.
    totals
        Sums of loss and gradient norm over the steps of the current interval.
    best
        Averaged weights at the best validation so far, on the CPU.
    """

    fabric: Fabric
    settings: TrainingSettings
    seed: int
    network: _FabricModule
    optimizer: _FabricOptimizer
    average: AveragedModel
    pairs: TrainingPairs
    validation: Validation
    history: History
    workers: int = 0
    step: int = 0
    totals: torch.Tensor = field(init=False)
    best: dict[str, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        device = self.fabric.device
        self.totals = torch.zeros(2, dtype=torch.float64, device=device)
        self._first_bad = torch.full((), -1, dtype=torch.int64, device=device)
        self._scaler = getattr(self.fabric.strategy.precision, "scaler", None)

    def state(self) -> dict:
        """Return the state after this step."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
            "totals": self.totals,
            "best": self.best,
            "history": self.history.state(),
        }

    def restore(self, state: dict) -> None:
        """Go on after the step of a state."""
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        self.totals.copy_(state["totals"])
        self.best = state["best"]
        self.history.restore(state["history"])

    def steps(self) -> Iterator[int]:
        """Take the remaining steps, and yield the number of steps done after each."""
        settings, fabric = self.settings, self.fabric
        devices, gpu = fabric.world_size, fabric.device.type == "cuda"
        batches = StepBatches(
            range(self.step, settings.steps), settings.batch_size, fabric.global_rank, devices
        )
        loader = DataLoader(
            self.pairs, batch_sampler=batches, num_workers=self.workers, pin_memory=gpu
        )
        # Reading a result from a GPU, or agreeing with others, makes the device wait.
        patience = 10 if gpu or devices > 1 else 1
        self.network.train()
        for batch in loader:
            with memory_errors(settings, f"a step of {settings.batch_size} samples"):
                self.take(fabric.to_device(batch))
            self.step += 1
            if self.step % patience == 0 or self.at_end_of_interval:
                self._check_finite()
            yield self.step

    @property
    def at_end_of_interval(self) -> bool:
        """Whether validation is due."""
        return self.step % self.settings.interval == 0 or self.step == self.settings.steps

    def take(self, batch: Sample) -> None:
        """Take one step of the optimizer."""
        settings, fabric, devices = self.settings, self.fabric, self.fabric.world_size
        # What is random inside a network, such as dropped paths.
        torch.manual_seed(derived_seed(self.seed, "step", self.step, fabric.global_rank))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(settings, self.step)
        count = loss_count(settings.loss, batch["valid"])
        if devices > 1:
            count = fabric.all_reduce(count, reduce_op="sum")
        loss = torch.zeros((), device=fabric.device)
        for i, part in enumerate(parts(batch, settings.accumulate), start=1):
            with fabric.no_backward_sync(self.network, enabled=i < settings.accumulate):
                restored = self.network(part["degraded"], part["mask"], part["sigma"])
                weight = 1 + (settings.missing_weight - 1) * part["missing"]
                share = LOSSES[settings.loss](restored, part["truth"], part["valid"], weight, count)
                # Devices average their gradients; their shares add up to the whole loss.
                fabric.backward(share * devices)
            loss += share.detach()
        norm = fabric.clip_gradients(
            self.network,
            self.optimizer,
            max_norm=settings.gradient_clip or float("inf"),
            error_if_nonfinite=False,
        )
        self._note(loss, norm)
        scale = self._scaler and self._scaler.get_scale()
        self.optimizer.step()
        self.optimizer.zero_grad()
        # With fp16, a step whose gradient was not finite is skipped.
        if not self._scaler or self._scaler.get_scale() >= scale:
            self.average.update_parameters(self.network.module)

    def _note(self, loss: torch.Tensor, norm: torch.Tensor) -> None:
        """Add to the totals, and note the first step with a loss or gradient that is not finite."""
        finite = torch.isfinite(loss)
        if not self._scaler:
            finite &= torch.isfinite(norm)
        first = (self._first_bad < 0) & ~finite
        self._first_bad = torch.where(first, self.step, self._first_bad)
        self.totals += torch.stack((loss, norm)).double()

    def _check_finite(self) -> None:
        bad = self._first_bad
        if self.fabric.world_size > 1:
            bad = self.fabric.all_reduce(bad, reduce_op="max")
        if int(bad) < 0:
            return
        path = self.history.path.parent / BAD_BATCH
        if self.fabric.is_global_zero:
            self._save_batch(int(bad), path)
        raise InputError(
            f"loss or gradient is not finite in step {int(bad)}, counted from 0; its samples are "
            f"in {path}",
            field="training_loss",
            remedy="lower the learning rate, set gradient_clip, and check the data for extreme "
            "values",
        )

    def _save_batch(self, step: int, path: Path) -> None:
        """Make the samples of a step again and write them."""
        size = self.settings.batch_size
        numbers = range(step * size, (step + 1) * size)
        samples = [self.pairs[number] for number in numbers]
        arrays = {name: np.stack([s[name] for s in samples]) for name in samples[0]}
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, step=step, sample=np.array(numbers), **arrays)

    def finish_interval(self) -> dict[str, float]:
        """Validate the averaged weights and add a row to the history.

        Raises
        ------
        InputError
            If a metric is not finite.
        """
        fabric, settings = self.fabric, self.settings
        loss, norm = fabric.all_reduce(self.totals, reduce_op="sum").tolist()
        n_steps = (self.step - 1) % settings.interval + 1
        row = {
            "step": self.step,
            "learning_rate": learning_rate(settings, self.step),
            "training_loss": loss / n_steps,
            "gradient_norm": norm / fabric.world_size / n_steps,
            **self.validation.measure(self.average.module),
        }
        self.network.train()
        self.totals.zero_()
        wrong = [name for name, value in row.items() if not np.isfinite(value)]
        # Gradients that are not finite are normal with fp16, whose steps are skipped then.
        if wrong and not (self._scaler and wrong == ["gradient_norm"]):
            raise InputError(
                f"not finite after {self.step} steps: {', '.join(wrong)}",
                field="training_loss",
                remedy="lower the learning rate, and check the data for extreme values",
            )
        better = all(
            row["validation_psnr_dB"] > other["validation_psnr_dB"] for other in self.history.rows
        )
        if better:
            self.best = weights_of(self.average.module)
        if fabric.is_global_zero:
            self.history.add(row)
        else:
            self.history.rows.append(row)
        return row


def weights_of(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of the weights and statistics of a network, on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
