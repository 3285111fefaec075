"""A training run: from data to weights, resumable at any moment."""

import csv
import hashlib
import json
import logging
import os
import shutil
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.plugins.environments import LightningEnvironment
from torch.utils.data import DataLoader

from smrestore.errors import InputError
from smrestore.files import atomic_path
from smrestore.models import save_model
from smrestore.noise import NoisePool
from smrestore.store import SystemMatrixStore
from smrestore.training.data import TrainingPairs, check_data
from smrestore.training.module import Restoration, moving_average
from smrestore.training.settings import TrainingSettings

logger = logging.getLogger(__name__)


class PairData(lightning.LightningDataModule):
    """Training pairs of the current interval, and the fixed validation pairs.

    An interval of training is one epoch of the trainer, so a checkpoint at its end needs no state
    of samplers or workers: the next interval starts at the next sample.
    """

    def __init__(
        self,
        training: SystemMatrixStore,
        validation: SystemMatrixStore,
        pool: NoisePool,
        settings: TrainingSettings,
        seed: int,
        workers: int,
    ) -> None:
        super().__init__()
        self.training, self.validation, self.pool = training, validation, pool
        self.settings, self.seed, self.workers = settings, seed, workers

    def _loader(self, store: SystemMatrixStore, purpose: str, start: int, count: int) -> DataLoader:
        pairs = TrainingPairs(store, self.pool, self.settings, self.seed, purpose, start, count)
        return DataLoader(pairs, self.settings.batch_size, num_workers=self.workers)

    def train_dataloader(self) -> DataLoader:
        """Return the pairs of the trainer's current interval."""
        settings = self.settings
        first = self.trainer.current_epoch * settings.interval
        steps = min(settings.interval, settings.steps - first)
        return self._loader(
            self.training, "training", first * settings.batch_size, steps * settings.batch_size
        )

    def val_dataloader(self) -> DataLoader:
        """Return the validation pairs, the same each time."""
        return self._loader(self.validation, "validation", 0, self.settings.validation_pairs)


class History(Callback):
    """One row per interval, kept in the checkpoint and written as CSV after each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self._elapsed = 0.0
        self._started = time.monotonic()

    def state_dict(self) -> dict:
        """Return the rows so far and the time they took."""
        return {"rows": self.rows, "elapsed": self._elapsed}

    def load_state_dict(self, state_dict: dict) -> None:
        """Continue after the rows of a checkpoint."""
        self.rows, self._elapsed = state_dict["rows"], state_dict["elapsed"]

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Add a row. The validation of the interval has run before."""
        if self.rows and self.rows[-1]["step"] == trainer.global_step:
            return  # Lightning ends the last interval of a checkpoint once more when it resumes.
        now = time.monotonic()
        self._elapsed += now - self._started
        self._started = now
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if not all(map(torch.isfinite, trainer.callback_metrics.values())):
            raise InputError(
                f"not finite after {trainer.global_step} steps: {metrics}",
                field="training_loss",
                remedy="lower the learning rate, and check the data for extreme values",
            )
        (learning_rate,) = trainer.lr_scheduler_configs[0].scheduler.get_last_lr()
        self.rows.append(
            {
                "step": trainer.global_step,
                "learning_rate": learning_rate,
                "training_loss": metrics["training_loss"],
                "validation_loss": metrics["validation_loss"],
                "validation_psnr_dB": metrics["validation_psnr_dB"],
                "degraded_psnr_dB": metrics["degraded_psnr_dB"],
                "elapsed_s": round(self._elapsed, 1),
            }
        )
        with atomic_path(self.path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.rows[0])
            writer.writeheader()
            writer.writerows(self.rows)
        logger.info(
            "step %d of %d: loss %.5f, validation PSNR %.2f dB (degraded %.2f dB), %.0f s",
            trainer.global_step,
            trainer.max_steps,
            metrics["training_loss"],
            metrics["validation_psnr_dB"],
            metrics["degraded_psnr_dB"],
            self._elapsed,
        )


def precision(accelerator: str) -> str:
    """Return mixed precision where the device has it: bf16, else fp16; float32 on CPU."""
    if accelerator == "cpu":
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"


def choose_accelerator(demand: str) -> str:
    """Return ``gpu`` or ``cpu`` for a demand of auto, gpu or cpu.

    Raises
    ------
    InputError
        If a GPU is demanded and none is visible.
    """
    if demand == "auto":
        return "gpu" if torch.cuda.is_available() else "cpu"
    if demand == "gpu" and not torch.cuda.is_available():
        raise InputError(
            "a GPU is demanded, but PyTorch sees none",
            field="accelerator",
            remedy="request one from the cluster, or set the accelerator to auto or cpu",
        )
    return demand


def fingerprint(
    settings: TrainingSettings, seed: int, data: Sequence[str | Path], code: str
) -> str:
    """Return what a checkpoint must agree on to be resumed: recipe, seed, code and data files."""
    files = [(str(path), Path(path).stat().st_size) for path in data]
    text = json.dumps([asdict(settings), seed, code, files], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _resumable(checkpoint: Path, mark: Path, expected: str) -> bool:
    """Tell whether a checkpoint belongs to this very training; clear the folder if not."""
    if checkpoint.exists() and mark.exists() and mark.read_text() == expected:
        return True
    shutil.rmtree(mark.parent, ignore_errors=True)
    mark.parent.mkdir(parents=True)
    mark.write_text(expected)
    return False


def train(
    *,
    settings: TrainingSettings,
    training: Sequence[str | Path],
    validation: Sequence[str | Path],
    noise_pool: str | Path,
    seed: int,
    model: str | Path,
    history: str | Path,
    checkpoints: str | Path,
    code: str = "",
    accelerator: str = "auto",
    devices: int = 1,
    threads: int = 1,
) -> None:
    """Train a network and write its weights, card and history.

    A run that was interrupted continues after the last interval it completed and ends with the
    weights of an uninterrupted one. The checkpoints are removed at the end.

    Parameters
    ----------
    settings, seed
        The recipe and the global seed.
    training, validation
        System matrix stores of both splits.
    noise_pool
        Pool that the noise is drawn from.
    model, history
        ``weights.safetensors`` (its card is written beside it) and ``history.csv``.
    checkpoints
        Folder for the state of a run in progress.
    code
        Identity of the code; a checkpoint of other code is not resumed.
    accelerator, devices, threads
        ``auto``, ``gpu`` or ``cpu``; number of GPUs; CPU threads.

    Raises
    ------
    InputError
        If the data do not fit the settings, a demanded GPU is absent or the loss is not finite.
    """
    accelerator = choose_accelerator(accelerator)
    threads = min(threads, os.cpu_count())
    torch.set_num_threads(threads)
    model, history, checkpoints = Path(model), Path(history), Path(checkpoints)
    stores = SystemMatrixStore(training), SystemMatrixStore(validation)
    pool = NoisePool(noise_pool)
    for store in stores:
        check_data(store, pool, settings)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    # Lightning has its own ideas of Slurm and of checkpoint folders, and uses what is deprecated.
    warnings.filterwarnings(
        "ignore", message=".*(`srun` command|LeafSpec|many workers|Checkpoint directory)"
    )
    lightning.seed_everything(seed, verbose=False)
    module = Restoration(settings)
    n_parameters = sum(p.numel() for p in module.network.parameters())
    logger.info("%s with %d parameters on %s", settings.network, n_parameters, accelerator)
    workers = 0 if accelerator == "cpu" else max(1, threads - 1)
    data = PairData(*stores, pool, settings, seed, workers)
    last = checkpoints / "last.ckpt"
    mark = fingerprint(settings, seed, [*training, *validation, noise_pool], code)
    resume = _resumable(last, checkpoints / "fingerprint", mark)
    if resume:
        logger.info("resuming from %s", last)
    rows = History(history)
    trainer = lightning.Trainer(
        accelerator=accelerator,
        devices=devices if accelerator == "gpu" else 1,
        precision=precision(accelerator),
        max_steps=settings.steps,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=False,
        # Snakemake runs the process; Lightning must not take a Slurm job's environment for its own.
        plugins=[LightningEnvironment()],
        callbacks=[
            moving_average(settings.ema_decay),
            rows,
            ModelCheckpoint(
                dirpath=checkpoints,
                filename=last.stem,
                enable_version_counter=False,
                every_n_epochs=1,
                save_on_train_epoch_end=True,
            ),
        ],
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
        default_root_dir=checkpoints,
    )
    trainer.fit(module, data, ckpt_path=last if resume else None, weights_only=False)
    if trainer.global_step < settings.steps:
        raise InputError(
            f"stopped after {trainer.global_step} of {settings.steps} steps",
            path=checkpoints,
            remedy="run again to resume",
        )
    card = {
        "task": settings.task,
        "settings": asdict(settings),
        "parameters": n_parameters,
        "seed": seed,
        "metrics": rows.rows[-1],
        "noise_pool": str(noise_pool),
        "training": [str(path) for path in training],
    }
    save_model(module.network, card, model)
    shutil.rmtree(checkpoints)
