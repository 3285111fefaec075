"""Trainings of networks, on a CPU, on a GPU that is here, or on one that is assumed."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch

from smrestore.networks import build_network
from smrestore.networks.base import Network
from smrestore.networks.cost import bytes_per_sample, flops
from smrestore.networks.weights import save_model
from smrestore.noise import NoisePool
from smrestore.planning.gpus import FEEDING, gpu_seconds, making_seconds
from smrestore.planning.jobs import Bench, Job, cpu_seconds
from smrestore.planning.networks import reduced
from smrestore.planning.samples import sample_of
from smrestore.planning.start import start_of
from smrestore.simulation.store import SystemMatrixStore
from smrestore.support.allocation import keep_freed_memory
from smrestore.tasks import make_task
from smrestore.training.data import TrainingPairs
from smrestore.training.device import algorithms, input_processes, make_fabric
from smrestore.training.loop import Loop
from smrestore.training.run import set_up
from smrestore.training.settings import TrainingSettings, load_settings
from smrestore.training.validation import CACHE_BYTES

STEPS = {"cpu": 5, "gpu": 20}
"""Steps that are measured, after those that load libraries and choose algorithms."""
FIRST_STEPS = {"cpu": 1, "gpu": 10}
PAIRS = 8
"""Pairs that are made, and those of a validation that are measured."""
LONGEST = 1.5
"""Seconds of steps on a CPU after which no more of them are taken."""
WORKSPACE = 150 * 2**20
"""What PyTorch takes beyond its import, as soon as it computes."""
SAMPLE_BYTES = 2**27
"""Memory that a measured step on a CPU may take: larger batches are measured in part."""
STEP_FLOPS = 1e11
"""Arithmetic of a measured step on a CPU, at most about: larger patches are measured in part."""


def model_path(bench: Bench, experiment: str) -> Path:
    """Return where untrained weights of an experiment are kept for later kernels."""
    return bench.folder / "models" / experiment / "weights.safetensors"


@dataclass(frozen=True)
class Times:
    """Seconds of a step, of making a pair, and of checking one in a validation.

    On a GPU that is assumed, ``cores`` are the processor time of a step, and ``step`` and ``check``
    the time that passes; otherwise both are one.
    """

    step: float
    make: float
    check: float
    cores: float | None = None


@dataclass(frozen=True)
class _Recipe:
    """An experiment, its network, and the shape of a sample: (2, *grid)."""

    experiment: str
    dataset: str
    settings: TrainingSettings
    network: Network
    shape: tuple[int, ...]

    @property
    def spacing(self) -> int:
        return self.settings.patch // self.shape[1]

    @property
    def part(self) -> int:
        return self.settings.batch_size // self.settings.accumulate


class Trainings:
    """Trainings; experiments of the same settings share what a step takes."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._known: dict[str, Times] = {}

    def plan(self, experiment: str) -> Job:
        """Return the job of a training, and keep its network."""
        recipe = self._recipe(experiment)
        settings, network = recipe.settings, recipe.network
        key = str(settings.plain())
        if key not in self._known:
            self._known[key] = self._times(recipe)
        times = self._known[key]
        pairs, intervals = settings.validation_pairs, -(-settings.steps // settings.interval)
        # Validation pairs that are too large to be kept are made each time.
        makes = pairs * (intervals if pairs * _pair_bytes(recipe) > CACHE_BYTES else 1)
        start = start_of("training")
        passed = start.seconds + settings.steps * times.step + pairs * intervals * times.check
        made = makes * times.make
        seconds = passed + made
        if times.cores is not None:
            seconds += settings.steps * times.cores
            made /= FEEDING
        weights = 4.0 * sum(p.numel() for p in network.parameters())
        held = recipe.part * bytes_per_sample(network, recipe.shape[1:])
        return Job(
            "training",
            experiment,
            seconds,
            gpu_seconds=passed + made if self.bench.on_gpu else 0.0,
            # On a GPU, samples are held in its own memory.
            memory=start.memory + WORKSPACE + 6 * weights + (0 if self.bench.on_gpu else held),
            disk=3 * weights,
        )

    def _recipe(self, experiment: str) -> _Recipe:
        entry = self.bench.config["experiments"][experiment]
        settings = load_settings(entry)
        network = build_network(dimension=settings.dimension, **settings.network.plain())
        path = model_path(self.bench, experiment)
        path.parent.mkdir(parents=True)
        save_model(network, {"task": settings.task, "settings": settings.plain()}, path)
        spacing = 1 if settings.guess else make_task(settings.task, settings.degradation).spacing
        shape = 2, *(settings.patch // spacing,) * settings.dimension
        return _Recipe(experiment, entry["dataset"], settings, network, shape)

    def _times(self, recipe: _Recipe) -> Times:
        if self.bench.gpu is not None:
            measure = _assumed
        else:
            measure = _on_gpu if self.bench.on_gpu else _on_cpu
        with algorithms(recipe.settings.deterministic):
            return measure(self.bench, recipe)


def _pair_bytes(recipe: _Recipe) -> int:
    """Return the bytes of a pair: see :class:`smrestore.training.data.TrainingPairs`."""
    settings = recipe.settings
    restored = settings.patch**settings.dimension
    return 4 * (3 * restored // recipe.spacing**settings.dimension + 4 * restored + 1)


def _on_cpu(bench: Bench, recipe: _Recipe) -> Times:
    """Return processor times, from a step of fewer samples or smaller patches if it takes long."""
    settings, network, shape = recipe.settings, recipe.network, recipe.shape
    n_bytes = bytes_per_sample(network, shape[1:])
    size = max(1, min(recipe.part, int(SAMPLE_BYTES / n_bytes)))
    small, ratio = reduced(network, (size, *shape), STEP_FLOPS, training=True)
    # Of a sample of the training over one of those measured.
    ratio *= small[0] / size
    loop = _loop(bench, recipe, small[0], small[2] * recipe.spacing)
    step = _step(loop, FIRST_STEPS["cpu"], STEPS["cpu"], gpu=False)
    model = loop.average.module
    loop.validation.measure(model)
    check = cpu_seconds(lambda: loop.validation.measure(model)) / len(loop.validation.pairs)
    update = _update_seconds(loop)
    part, make = _make_seconds(loop.pairs), _make_seconds(replace(loop.pairs, settings=settings))
    each = max(step - update, 0.0) / small[0] - part
    return Times(
        update + settings.batch_size * (make + ratio * max(each, 0.0)), make, ratio * check
    )


def _on_gpu(bench: Bench, recipe: _Recipe) -> Times:
    """Return the times that pass on the GPU of this machine."""
    settings = recipe.settings
    loop = _loop(bench, recipe, recipe.part, settings.patch)
    step = _step(loop, FIRST_STEPS["gpu"], STEPS["gpu"], gpu=True)
    model, pairs = loop.average.module, len(loop.validation.pairs)
    both, check = (_elapsed(lambda: loop.validation.measure(model)) for _ in range(2))
    return Times(step * settings.accumulate, max(both - check, 0) / pairs, check / pairs)


def _assumed(bench: Bench, recipe: _Recipe) -> Times:
    """Return the times that pass on a GPU that is not here, by its rate of arithmetic."""
    settings, network = recipe.settings, recipe.network
    batch = recipe.part, *recipe.shape
    step, check = (
        gpu_seconds(bench.gpu, settings.network.name, flops(network, batch, training=training))
        for training in (True, False)
    )
    make = making_seconds(_pair_bytes(recipe))
    made = settings.batch_size * make
    # The GPU waits where its cores make samples more slowly than it takes them.
    step = max(settings.accumulate * step, made / FEEDING)
    return Times(step, make, check / recipe.part, cores=made)


def _loop(bench: Bench, recipe: _Recipe, size: int, patch: int) -> Loop:
    """Return a training of steps of ``size`` samples, on smaller patches if demanded."""
    settings = recipe.settings
    settings = settings.replace(
        steps=10**6,
        batch_size=size,
        accumulate=1,
        patch=patch,
        oversize="crop" if patch < settings.patch else settings.oversize,
        validation_pairs=min(PAIRS, 2 * size),
        interval=10**6,
    )
    torch.set_num_threads(1)
    keep_freed_memory()
    sample = sample_of(bench, recipe.dataset, "train")
    store, pool = SystemMatrixStore([sample.store]), NoisePool(sample.pool)
    kind = bench.accelerator
    fabric = make_fabric(settings, kind, 1)
    workers = input_processes(kind, torch.get_num_threads())
    history = bench.folder / f"{recipe.experiment}.csv"
    return set_up(fabric, settings, bench.config["seed"], (store, store), pool, history, workers)


def _make_seconds(pairs: TrainingPairs) -> float:
    """Return the time to make a pair."""
    return cpu_seconds(lambda: [pairs[i] for i in range(PAIRS)], repeats=2) / PAIRS


def _update_seconds(loop: Loop) -> float:
    """Return the time that a step takes whatever its samples: clipping, optimizer, average."""
    for parameter in loop.network.parameters():
        parameter.grad = torch.zeros_like(parameter)

    def update() -> None:
        loop.fabric.clip_gradients(
            loop.network, loop.optimizer, max_norm=1.0, error_if_nonfinite=False
        )
        loop.optimizer.step()
        loop.average.update_parameters(loop.network.module)

    return cpu_seconds(update, repeats=2)


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
