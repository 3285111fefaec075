"""A training run: from data to weights. It can be resumed at any time."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric

from smrestore.networks import build_network
from smrestore.networks.cards import OTHER_START, checksum_key, other_start, shipped_weights
from smrestore.networks.weights import load_model, save_card, save_weights
from smrestore.noise import NoisePool
from smrestore.simulation.store import SystemMatrixStore
from smrestore.support.allocation import keep_freed_memory
from smrestore.support.errors import InputError, InterruptionError
from smrestore.support.progress import progress_bar
from smrestore.training.checkpoints import Checkpoints
from smrestore.training.data import Selection, TrainingPairs, check_data
from smrestore.training.device import (
    algorithms,
    choose_accelerator,
    input_processes,
    make_fabric,
    memory_errors,
)
from smrestore.training.history import History
from smrestore.training.interruption import StopRequest, stop_request
from smrestore.training.loop import Loop, weights_of
from smrestore.training.objective import moving_average
from smrestore.training.provenance import data_provenance, noise_provenance
from smrestore.training.settings import TrainingSettings
from smrestore.training.time_limit import FIRST_STEPS, TIMED_STEPS, too_short
from smrestore.training.validation import Validation

logger = logging.getLogger(__name__)


def fingerprint(
    settings: TrainingSettings, seed: int, data: Sequence[str | Path], code: str
) -> str:
    """Return what must be the same to resume a checkpoint: recipe, seed, code and data files."""
    files = [(str(path), Path(path).stat().st_size) for path in data]
    text = json.dumps([settings.plain(), seed, code, files], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


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
    gpus: int = 1,
    processes: int = 1,
    threads: int = 1,
    names: Mapping[str, str] | None = None,
    time_limit_s: float | None = None,
) -> None:
    """Train a network and write its weights, card and history.

    An interrupted run continues after its last checkpoint and ends with the weights of an
    uninterrupted one. A checkpoint is written after each interval, and when SIGTERM or SIGUSR1 asks
    to stop. They are removed at the end.

    Parameters
    ----------
    settings, seed
        The recipe and the global seed.
    training, validation
        System matrix stores of both splits.
    noise_pool
        Pool that the noise is drawn from.
    model, history
        ``weights.safetensors`` (card, ``last.safetensors`` and ``best.safetensors`` are written
        beside it) and ``history.csv`` (logs for TensorBoard are written beside it).
    checkpoints
        Folder for the state of a run in progress.
    code
        Identity of the code; a checkpoint of other code is not resumed.
    accelerator
        ``auto``, ``gpu`` or ``cpu``.
    gpus, processes
        Number of GPUs, or of processes on a CPU.
    threads
        CPU threads.
    names
        Names of experiment, dataset and noise pool, for the card.
    time_limit_s
        Time limit of the job in s, for a warning if an interval takes longer.

    Raises
    ------
    InputError
        If the data do not fit the settings, a demanded GPU is missing, the memory is too small or
        the loss is not finite.
    InterruptionError
        If a signal asked to stop.
    """
    accelerator = choose_accelerator(accelerator)
    threads = min(threads, os.cpu_count())
    torch.set_num_threads(threads)
    keep_freed_memory()
    model = Path(model)
    stores = SystemMatrixStore(training), SystemMatrixStore(validation)
    pool = NoisePool(noise_pool)
    selections = [check_data(store, pool, settings) for store in stores]
    mark = fingerprint(settings, seed, [*training, *validation, noise_pool], code)
    kept = Checkpoints(Path(checkpoints), mark)
    workers = input_processes(accelerator, threads)
    fabric = make_fabric(settings, accelerator, gpus if accelerator == "gpu" else processes)
    with stop_request() as stop, algorithms(settings.deterministic):
        fabric.launch()
        if fabric.is_global_zero:
            _log_start(settings, selections, accelerator, fabric.world_size)
        with memory_errors(settings, "the network"):
            loop = set_up(fabric, settings, seed, stores, pool, Path(history), workers)
        # One process removes what is damaged before the others look.
        with fabric.rank_zero_first():
            state = kept.load()
        if state:
            loop.restore(state)
            if fabric.is_global_zero:
                logger.info("resuming after step %d", loop.step)
        _run(loop, kept, stop, time_limit_s)
    if fabric.is_global_zero:
        card = {
            "task": settings.task,
            "settings": settings.plain(),
            "parameters": sum(p.numel() for p in loop.average.module.parameters()),
            "seed": seed,
            "normalization": "divided by the largest magnitude that was measured",
            "names": dict(names or {}),
            "training": data_provenance(stores[0], selections[0]),
            "validation": data_provenance(stores[1], selections[1]),
            "noise_pool": noise_provenance(pool),
        }
        _export(loop, card, model)
        kept.remove()
    fabric.barrier()


def _log_start(
    settings: TrainingSettings, selections: Sequence[Selection], accelerator: str, devices: int
) -> None:
    logger.info("%s on %d %s", settings.network, devices, accelerator)
    for name, selection in zip(("training", "validation"), selections, strict=True):
        logger.info("%s with %s", name, selection)


def starting_weights(settings: TrainingSettings) -> dict[str, torch.Tensor]:
    """Return the weights that a training begins with.

    Raises
    ------
    InputError
        If there is no such network in the package, or it is not the one of the settings.
    """
    network, card = load_model(shipped_weights(settings.start))
    other = other_start(
        settings.start, settings.task, settings.dimension, settings.phase, settings.network.name
    )
    mine = build_network(dimension=settings.dimension, **settings.network.plain()).state_dict()
    weights = network.state_dict()
    shapes = [{key: tuple(value.shape) for key, value in w.items()} for w in (mine, weights)]
    if other is None and shapes[0] != shapes[1]:
        other = (
            f"{settings.start!r} of the package has network {card['settings']['network']}, the "
            f"experiment {settings.network}"
        )
    if other is not None:
        raise InputError(other, field="training.start", remedy=OTHER_START)
    return weights


def set_up(
    fabric: Fabric,
    settings: TrainingSettings,
    seed: int,
    stores: Sequence[SystemMatrixStore],
    pool: NoisePool,
    history: Path,
    workers: int,
) -> Loop:
    """Build the network with fresh weights, and everything that trains it."""
    torch.manual_seed(seed)
    network = build_network(dimension=settings.dimension, **settings.network.plain())
    if settings.start is not None:
        network.load_state_dict(starting_weights(settings))
    if settings.dimension == 2:
        # Convolutions in 2D run faster this way, on CPUs and with half precision on GPUs.
        network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    average = moving_average(network, settings.ema_decay).to(fabric.device)
    wrapped, optimizer = fabric.setup(network, optimizer)
    pairs = TrainingPairs(
        stores[0], pool, settings, seed, "training", 0, settings.steps * settings.batch_size
    )
    fixed = TrainingPairs(
        stores[1],
        pool,
        settings,
        seed,
        "validation",
        0,
        settings.validation_pairs,
        settings.validation_levels,
    )
    check = Validation(fabric, settings, fixed, workers)
    log = History(history)
    return Loop(fabric, settings, seed, wrapped, optimizer, average, pairs, check, log, workers)


def _run(
    loop: Loop, kept: Checkpoints, stop: StopRequest, time_limit_s: float | None = None
) -> None:
    """Take the remaining steps.

    Raises
    ------
    InterruptionError
        If a signal asked to stop. The state is saved before.
    """
    settings, fabric = loop.settings, loop.fabric
    first = fabric.is_global_zero
    if loop.step and _stops_early(loop):
        return
    # Processes that work together must stop after the same step.
    patience = 1 if fabric.world_size == 1 else 10
    with progress_bar(
        total=settings.steps, initial=loop.step, desc="training", unit="step", disable=not first
    ) as bar:
        timed = loop.step + FIRST_STEPS, loop.step + FIRST_STEPS + TIMED_STEPS
        start = 0.0
        for step in loop.steps():
            bar.update()
            if step == timed[0]:
                start = time.monotonic()
            if step == timed[1] and first:
                seconds = (time.monotonic() - start) / TIMED_STEPS
                if warning := too_short(seconds, settings.interval, time_limit_s):
                    logger.warning(warning)
            if loop.at_end_of_interval:
                row = loop.finish_interval()
                if first:
                    kept.save(step, loop.state())
                    _log_row(row, settings.steps)
                if _stops_early(loop):
                    return
            if step == settings.steps or step % patience:
                continue
            if _agreed(fabric, bool(stop)):
                if first:
                    kept.save(step, loop.state())
                fabric.barrier()
                name = stop.signal.name if stop else "a signal"
                raise InterruptionError(
                    f"stopped by {name} after {step} of {settings.steps} steps; run again to go on"
                )


def _agreed(fabric: Fabric, wish: bool) -> bool:
    """Tell whether the answer is yes in any process."""
    if fabric.world_size == 1:
        return wish
    wishes = torch.tensor(float(wish), device=fabric.device)
    return bool(fabric.all_reduce(wishes, reduce_op="max") > 0)


def _stops_early(loop: Loop) -> bool:
    """Tell whether validation has not improved for too long."""
    limit = loop.settings.early_stop
    if limit is None or not loop.history.rows or loop.history.intervals_since_best() < limit:
        return False
    if loop.fabric.is_global_zero:
        logger.info("stopping early: %d intervals without a better validation PSNR", limit)
    return True


def _log_row(row: Mapping[str, float], steps: int) -> None:
    logger.info(
        "step %d of %d: loss %.5f, gradient %.3g, validation PSNR %.2f dB (degraded %.2f dB), "
        "%.0f s",
        row["step"],
        steps,
        row["training_loss"],
        row["gradient_norm"],
        row["validation_psnr_dB"],
        row["degraded_psnr_dB"],
        row["elapsed_s"],
    )


def _export(loop: Loop, card: dict[str, object], model: Path) -> None:
    """Write the last and the best weights, those that the experiment exports, and the card."""
    log = loop.history
    log.close()
    weights = {"last": weights_of(loop.average.module), "best": loop.best}
    rows = {"last": log.rows[-1], "best": log.best()}
    export = loop.settings.export
    paths = {name: model.with_name(f"{name}.safetensors") for name in weights}
    checksums = {
        checksum_key(paths[name]): save_weights(tensors, paths[name])
        for name, tensors in weights.items()
    }
    checksums[checksum_key(model)] = save_weights(weights[export], model)
    save_card({**card, "metrics": rows[export], **rows, **checksums}, model)
