"""Trainings of networks, on a CPU or a GPU."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from smrestore.networks import build_network
from smrestore.networks.cost import bytes_per_sample
from smrestore.networks.weights import save_model
from smrestore.noise import NoisePool
from smrestore.planning.jobs import Bench, Job, cpu_seconds
from smrestore.planning.samples import sample_of
from smrestore.planning.start import start_of
from smrestore.simulation.store import SystemMatrixStore
from smrestore.support.allocation import keep_freed_memory
from smrestore.tasks import make_task
from smrestore.training.device import algorithms, input_processes, make_fabric
from smrestore.training.loop import Loop
from smrestore.training.run import set_up
from smrestore.training.settings import TrainingSettings, load_settings

STEPS = {"cpu": 5, "gpu": 20}
"""Steps that are measured, after those that load libraries and choose algorithms."""
FIRST_STEPS = {"cpu": 1, "gpu": 10}
PAIRS = 8
"""Pairs of a validation that are measured."""
LONGEST = 1.5
"""Seconds of steps on a CPU after which no more of them are taken."""
WORKSPACE = 150 * 2**20
"""What PyTorch takes beyond its import, as soon as it computes."""
SAMPLE_BYTES = 2**27
"""Memory that a measured step on a CPU may take: larger batches are measured in part."""


def model_path(bench: Bench, experiment: str) -> Path:
    """Return where untrained weights of an experiment are kept for later kernels."""
    return bench.folder / "models" / experiment / "weights.safetensors"


def plan_training(bench: Bench, experiment: str) -> Job:
    """Return the job of a training, and keep its network."""
    entry = bench.config["experiments"][experiment]
    settings = load_settings(entry)
    network = build_network(dimension=settings.dimension, **settings.network.plain())
    path = model_path(bench, experiment)
    path.parent.mkdir(parents=True)
    save_model(network, {"task": settings.task, "settings": settings.plain()}, path)
    spacing = make_task(settings.task, entry["degradation"]).spacing if not settings.guess else 1
    n_bytes = bytes_per_sample(network, (settings.patch // spacing,) * settings.dimension)
    gpu = bench.accelerator == "gpu"
    parts = settings.batch_size // settings.accumulate
    size = parts
    if not gpu:
        size = max(1, min(parts, int(SAMPLE_BYTES / n_bytes)))
    step, make, check = _measured(bench, entry["dataset"], experiment, settings, size)
    step *= settings.batch_size / size
    intervals = -(-settings.steps // settings.interval)
    seconds = settings.steps * step + settings.validation_pairs * (make + intervals * check)
    start = start_of("training")
    weights = 4.0 * sum(p.numel() for p in network.parameters())
    return Job(
        "training",
        experiment,
        start.seconds + seconds,
        gpu_seconds=start.seconds + seconds if gpu else 0.0,
        # On a GPU, samples are held in its own memory.
        memory=start.memory + WORKSPACE + 6 * weights + (0 if gpu else n_bytes * parts),
        disk=3 * weights,
    )


def _measured(
    bench: Bench, dataset: str, experiment: str, settings: TrainingSettings, size: int
) -> tuple[float, float, float]:
    """Return the seconds of a step of ``size`` samples, and of making and checking a pair."""
    gpu = bench.accelerator == "gpu"
    pairs = min(PAIRS, 2 * size)
    settings = settings.replace(
        steps=10**6, batch_size=size, accumulate=1, validation_pairs=pairs, interval=10**6
    )
    torch.set_num_threads(1)
    keep_freed_memory()
    sample = sample_of(bench, dataset, "train")
    store, pool = SystemMatrixStore([sample.store]), NoisePool(sample.pool)
    fabric = make_fabric(settings, bench.accelerator, 1)
    workers = input_processes(bench.accelerator, torch.get_num_threads())
    history = bench.folder / f"{experiment}.csv"
    with algorithms(settings.deterministic):
        loop = set_up(
            fabric, settings, bench.config["seed"], (store, store), pool, history, workers
        )
        kind = bench.accelerator
        step = _step(loop, FIRST_STEPS[kind], STEPS[kind], gpu)
        model = loop.average.module
        clock = _elapsed if gpu else cpu_seconds
        both = clock(lambda: loop.validation.measure(model))
        check = clock(lambda: loop.validation.measure(model))
    return step, max(both - check, 0) / pairs, check / pairs


def _step(loop: Loop, first: int, count: int, gpu: bool) -> float:
    """Return the median time of a step, processor time on a CPU."""
    clock = time.perf_counter if gpu else time.process_time
    steps, times = loop.steps(), []
    while len(times) < first + count and (gpu or sum(times) < LONGEST):
        start = clock()
        next(steps)
        if gpu:
            torch.cuda.synchronize()
        times.append(clock() - start)
    steps.close()
    # What the first one loads makes no difference if it takes long.
    return median(times[first:] or times)


def _elapsed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start
