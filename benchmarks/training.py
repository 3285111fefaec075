"""Speed and memory of trainings: samples per second, and the share of a step that input takes.

python benchmarks/training.py                              # experiments of config.yaml
python benchmarks/training.py --configuration config/paper.yaml
python benchmarks/training.py --configuration config/paper.yaml --accelerator gpu
python benchmarks/training.py --allocation                 # with and without freed memory kept
python benchmarks/training.py --checksums                  # what checksums in files cost
python benchmarks/training.py --quality                    # minutes: time to a quality

On CPUs, times are processor time of all threads: other programs on the machine disturb it less than
the time that passes. On a GPU, which all cores but one feed, the time that passes is measured, with
the samples of a training and with one batch again and again. Grids are drawn like those of the
configuration; what they hold does not matter for speed, so components are random numbers. Only
--quality simulates.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from tabulate import tabulate
from torch.utils.data import DataLoader
from tqdm import tqdm

from smrestore.configuration import load_configuration
from smrestore.methods import dct_filter
from smrestore.methods.guess import FirstGuess
from smrestore.noise import NoisePool, build_parametric_pool
from smrestore.physics.parameters import SizeLimits, draw_cases, simulation_of
from smrestore.simulation.batches import ComponentSelection, Resources, simulate_batch
from smrestore.simulation.store import StoredMatrix, SystemMatrixStore, write_store
from smrestore.support.allocation import keep_freed_memory
from smrestore.support.errors import InputError
from smrestore.support.seeds import generator
from smrestore.tasks.degradation import Degraded
from smrestore.training.data import TrainingPairs, check_data
from smrestore.training.device import (
    algorithms,
    choose_accelerator,
    input_processes,
    make_fabric,
)
from smrestore.training.loop import Loop, StepBatches
from smrestore.training.run import set_up
from smrestore.training.settings import load_settings

ROOT = Path(__file__).parents[1]
SEED = 1
MATRICES, COMPONENTS = 12, 16
GAINS = (6, 10)
"""Decibels over DCT-F."""
SIGMA = 0.1
ROUNDS = 12
"""Of which the fastest counts, as of steps."""
COMMON = ["experiment", "network", "dim.", "patch", "parameters", "batch"]
HEADERS = {
    "cpu": (
        [
            "step (ms)",
            "samples/s",
            "input (ms/sample)",
            "input (% <= 10)",
            "guess (ms/sample)",
            "MiB/sample",
        ],
        (".1f", ".3g", ".3f", ".1f", ".3f", ".2f"),
    ),
    "gpu": (
        [
            "same batch (ms)",
            "step (ms)",
            "samples/s",
            "waiting for input (% <= 10)",
            "allocated (GiB)",
            "whole training (h)",
        ],
        (".1f", ".1f", ".3g", ".1f", ".2f", ".1f"),
    ),
}
"""What is measured, and how it is printed."""


def cases_of(dataset: dict, split: str, count: int) -> list[dict]:
    """Return cases of a dataset of the configuration."""
    grid, sequence = dataset["grid"], dataset["sequence"]
    return draw_cases(
        count,
        seed=SEED,
        dataset="benchmark",
        split=split,
        dimension=dataset["dimension"],
        model=dataset["model"],
        limits=SizeLimits(
            (grid["minimum_size"], grid["maximum_size"]),
            tuple(grid.get("average_size", (0.0, float("inf")))),
        ),
        refinement=dataset["refinement"],
        dividers=tuple(sequence["dividers"]),
        base_frequency=sequence["base_frequency_Hz"],
        sampling_rate=sequence["sampling_rate_Hz"],
    )


def random_matrices(cases: Iterable[dict]) -> Iterator[StoredMatrix]:
    """Yield matrices of random numbers on the grids of cases."""
    for case in cases:
        rng = generator(SEED, "benchmark", case["name"])
        images = rng.normal(size=(COMPONENTS, *case["size"])).astype(np.float32)
        images /= np.abs(images).max(axis=(1, 2, 3), keepdims=True)
        index = np.arange(COMPONENTS, dtype=np.int32)
        orders = np.zeros((COMPONENTS, 3), np.int32)
        yield StoredMatrix(
            case["name"], images, index % 3, 100 + index, orders, np.ones(COMPONENTS), case
        )


def make_pool(path: Path, cases: list[dict], frequencies: np.ndarray | None) -> NoisePool:
    """Return a pool with enough frames for the largest grid."""
    count = simulation_of(cases[0]).sequence.n_frequencies
    build_parametric_pool(
        path,
        model="drift-white",
        name="benchmark",
        seed=SEED,
        n_frames=max(2, *(int(np.prod(case["size"])) for case in cases)) * 5 // 4,
        frequency_axis=np.arange(float(count)),
        frequencies=frequencies,
    )
    return NoisePool(path)


def cpu_seconds() -> float:
    """Return the processor time of this process, all threads included."""
    return time.process_time()


class TimedGuess:
    """A first guess that adds up the processor time it takes."""

    def __init__(self, guess: FirstGuess) -> None:
        self.guess, self.seconds = guess, 0.0

    def __call__(self, batch: list[Degraded]) -> list[Degraded]:
        """Return what the guess returns."""
        start = cpu_seconds()
        guessed = self.guess(batch)
        self.seconds += cpu_seconds() - start
        return guessed


def input_seconds(pairs: TrainingPairs, batch_size: int) -> tuple[float, float]:
    """Return the processor time of a sample, collated, and of the first guess that it needs."""
    guess = TimedGuess(pairs.guess) if pairs.guess else None
    timed = replace(pairs)
    timed.guess = guess
    n_steps = max(2, 64 // batch_size)
    samples = StepBatches(range(n_steps), batch_size)
    times = []
    for _ in range(ROUNDS):
        before = guess.seconds if guess else 0.0
        start = cpu_seconds()
        for _ in DataLoader(timed, batch_sampler=samples):
            pass
        whole = cpu_seconds() - start
        guessing = guess.seconds - before if guess else 0.0
        times.append((whole - guessing, guessing))
    count = n_steps * batch_size
    return tuple(min(part) / count for part in zip(*times, strict=True))


def step_seconds(loop: Loop, count: int) -> float:
    """Return the smallest processor time of a step, its input included."""
    times, start = [], None
    for number, _ in enumerate(loop.steps()):
        now = cpu_seconds()
        if start is not None:
            times.append(now - start)
        start = now
        if number == count:
            break
    return min(times)


def saved_bytes(loop: Loop) -> int:
    """Return what a network keeps of one sample until the backward pass."""
    seen: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    network = loop.network.module
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    sample = {name: tensor[None] for name, tensor in loop.pairs[0].items()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = network(sample["degraded"], sample["mask"], sample["sigma"])
        kept = sum(n for pointer, n in seen.items() if pointer not in weights)
    del output
    return kept


def make_loop(entry: dict, datasets: dict, folder: Path, accelerator: str = "cpu") -> Loop:
    """Return the training of an experiment on random numbers."""
    settings = load_settings(entry).replace(steps=10**6)
    cases = cases_of(datasets[entry["dataset"]], "train", MATRICES)
    write_store(folder / "store.h5", random_matrices(cases))
    store = SystemMatrixStore([folder / "store.h5"])
    pool = make_pool(folder / "pool.h5", cases, store.frequencies())
    check_data(store, pool, settings)
    fabric = make_fabric(settings, accelerator, 1)
    workers = input_processes(accelerator, os.cpu_count())
    history = folder / "history.csv"
    return set_up(fabric, settings, SEED, (store, store), pool, history, workers)


def measure(entry: dict, datasets: dict, folder: Path, count: int) -> list[object]:
    """Return the row of one experiment."""
    loop = make_loop(entry, datasets, folder)
    settings = loop.settings
    n_bytes = saved_bytes(loop)
    per_sample, guess = input_seconds(loop.pairs, settings.batch_size)
    step = step_seconds(loop, count)
    parameters = sum(p.numel() for p in loop.network.module.parameters())
    return [
        entry["network"]["name"],
        settings.dimension,
        settings.patch,
        parameters,
        settings.batch_size,
        1e3 * step,
        settings.batch_size / step,
        1e3 * per_sample,
        100 * per_sample * settings.batch_size / step,
        1e3 * guess,
        n_bytes / 2**20,
    ]


def seconds_each(step: Callable[[], object], count: int) -> float:
    """Return the time of a step on a GPU, after some that choose algorithms."""
    for _ in range(5):
        step()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(count):
        step()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / count


def measure_on_gpu(entry: dict, datasets: dict, folder: Path, count: int) -> list[object]:
    """Return the row of one experiment on a GPU."""
    loop = make_loop(entry, datasets, folder, "gpu")
    size = loop.settings.batch_size
    numbers = StepBatches(range(1), size)
    (batch,) = DataLoader(loop.pairs, batch_sampler=numbers, num_workers=1, pin_memory=True)
    batch = loop.fabric.to_device(batch)
    loop.network.train()
    torch.cuda.reset_peak_memory_stats()
    with algorithms(loop.settings.deterministic):
        alone = seconds_each(lambda: loop.take(batch), count)
        steps = loop.steps()
        # Those that the processes have made meanwhile, two each, come for nothing.
        for _ in range(2 * loop.workers):
            next(steps)
        whole = seconds_each(lambda: next(steps), count)
        steps.close()
    return [
        entry["network"]["name"],
        loop.settings.dimension,
        loop.settings.patch,
        sum(p.numel() for p in loop.network.module.parameters()),
        size,
        1e3 * alone,
        1e3 * whole,
        size / whole,
        100 * max(0.0, whole - alone) / whole,
        torch.cuda.max_memory_allocated() / 2**30,
        whole * load_settings(entry).steps / 3600,
    ]


def mean_step(loop: Loop, count: int) -> tuple[float, float, float]:
    """Return the processor time of a step, that of the system within it, in ms, and page faults."""
    steps = loop.steps()
    next(steps)
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(count):
        next(steps)
    after = resource.getrusage(resource.RUSAGE_SELF)
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    faults = after.ru_minflt - before.ru_minflt
    return 1e3 * (user + system) / count, 1e3 * system / count, faults / count


def steps_by_allocation(entry: dict, datasets: dict, count: int) -> list[float]:
    """Return what steps take as the C library frees memory, and with freed memory kept."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        loop = make_loop(entry, datasets, Path(folder))
        default = mean_step(loop, count)
        if not keep_freed_memory():
            raise SystemExit("this C library keeps no freed memory")
        mean_step(loop, 2)
        kept = mean_step(loop, count)
    return [*default, *kept, default[0] / kept[0]]


def allocation(config: dict, names: list[str], count: int) -> None:
    """Print what it gains to keep freed memory, in a process for each experiment."""
    rows = []
    for name in names:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            arguments = config["experiments"][name], config["datasets"], count
            rows.append([name, *pool.apply(steps_by_allocation, arguments)])
    print("A step on one thread as memory is freed by default, and with freed memory kept")
    columns = ["ms", "of it system", "page faults"]
    headers = ["experiment", *columns, *(f"kept: {column}" for column in columns), "ratio"]
    print(tabulate(rows, headers, floatfmt=("", ".1f", ".1f", ".0f", ".1f", ".1f", ".0f", ".2f")))


def write_and_read(path: Path, n_matrices: int, decimals: int | None, count: int) -> list[float]:
    """Return size in MiB and times in ms: write, check when opened, and 1000 random components.

    Times pass on a warm cache of files, in which checksums weigh the most.
    """
    rng = np.random.default_rng(SEED)
    images = rng.normal(size=(COMPONENTS, 64, 64, 1)).astype(np.float32)
    images /= np.abs(images).max(axis=(1, 2, 3), keepdims=True)
    index, orders = np.arange(COMPONENTS), np.zeros((COMPONENTS, 3))
    one = StoredMatrix("", images, index, index, orders, np.ones(COMPONENTS))
    matrices = [replace(one, name=f"{number:03d}") for number in range(n_matrices)]
    written, opened, read = [], [], []
    for _ in range(count):
        path.unlink(missing_ok=True)
        start = time.perf_counter()
        write_store(path, matrices, decimals=decimals)
        written.append(time.perf_counter() - start)
        store = SystemMatrixStore([path])
        start = time.perf_counter()
        _ = store.index, store.components
        opened.append(time.perf_counter() - start)
        places = rng.integers((n_matrices, COMPONENTS), size=(1000, 2)).tolist()
        start = time.perf_counter()
        for matrix, component in places:
            store.read(matrix, component)
        read.append(time.perf_counter() - start)
    size = path.stat().st_size / 2**20
    return [size, *(1e3 * float(np.median(times)) for times in (written, opened, read))]


def checksums(count: int = 7) -> None:
    """Print what checksums cost when stores are written, opened and read at random."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "000.h5"
        for layout, decimals in (("contiguous", None), ("packed", 6)):
            with mock.patch("smrestore.support.files.add_checksums"):
                without = write_and_read(path, 100, decimals, count)
            rows.append([layout, "no", *without])
            rows.append([layout, "yes", *write_and_read(path, 100, decimals, count)])
    headers = ["store", "checksums", "MiB", "write (ms)", "open (ms)", "1000 components (ms)"]
    print(tabulate(rows, headers, floatfmt=".1f"))


def speed(config: dict, names: list[str] | None, count: int, accelerator: str) -> None:
    """Print the table of speed and memory."""
    headers, formats = HEADERS[accelerator]
    row = {"cpu": measure, "gpu": measure_on_gpu}[accelerator]
    rows = []
    chosen = {n: e for n, e in config["experiments"].items() if not names or n in names}
    progress = tqdm(chosen.items(), unit="experiment")
    for name, entry in progress:
        progress.set_postfix_str(name)
        with tempfile.TemporaryDirectory() as folder:
            try:
                rows.append([name, *row(entry, config["datasets"], Path(folder), count)])
            except (InputError, torch.OutOfMemoryError) as error:
                progress.write(f"{name}: {error}", file=sys.stderr)
        if accelerator == "gpu":
            torch.cuda.empty_cache()
    if accelerator == "gpu":
        print(f"{torch.cuda.get_device_name()}, {os.cpu_count()} cores, automatic precision")
    else:
        print(f"Processor time, {torch.get_num_threads()} thread(s), float32")
        print("MiB/sample: what is kept for the backward pass. A step needs about twice as much.")
    print(tabulate(rows, [*COMMON, *headers], floatfmt=(*[""] * len(COMMON), *formats)))


def baseline_psnr(loop: Loop) -> float:
    """Return the mean PSNR of DCT-F over the validation pairs of one noise level, as trainings do.

    Its threshold is that of the true standard deviation of the noise.
    """
    levels = loop.settings.validation_levels
    scores = []
    for number, sample in enumerate(loop.validation.pairs):
        if levels[number % len(levels)] != SIGMA:
            continue
        valid = sample["valid"][0].numpy() > 0
        box = np.ix_(*(np.flatnonzero(valid.any(axis=1 - axis)) for axis in range(2)))
        image, truth = (
            (a[0] + 1j * a[1])[box] for a in (sample[k].numpy() for k in ("degraded", "truth"))
        )
        restored = dct_filter(image[..., None], float(sample["sigma"]))[..., 0]
        squared = np.mean(np.abs(restored - truth) ** 2) / 2
        scores.append(10 * np.log10(np.abs(truth).max() ** 2 / squared))
    return float(np.mean(scores))


def quality(config: dict, name: str, minutes: float) -> None:
    """Print when a training is so much better than DCT-F at one noise level."""
    entry = config["experiments"][name]
    dataset = config["datasets"][entry["dataset"]]
    settings = load_settings(entry).replace(interval=100)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        stores, all_cases = [], []
        for split in ("train", "validation"):
            cases = cases_of(dataset, split, dataset["matrices"][split])
            selection = ComponentSelection(**dataset["components"])
            simulate_batch(
                cases, folder / f"{split}.h5", selection=selection, seed=SEED, resources=Resources()
            )
            stores.append(SystemMatrixStore([folder / f"{split}.h5"]))
            all_cases += cases
        pool = make_pool(folder / "pool.h5", all_cases, None)
        fabric = make_fabric(settings, "cpu", 1)
        loop = set_up(fabric, settings, SEED, stores, pool, folder / "history.csv", 0)
        baseline = baseline_psnr(loop)
        print(f"{name}: {entry['network']}, DCT-F {baseline:.2f} dB at sigma {SIGMA}")
        reached: dict[int, list[float]] = {}
        start, wall = cpu_seconds(), time.monotonic()
        rows = []
        for step in loop.steps():
            if not loop.at_end_of_interval:
                continue
            gain = loop.finish_interval()[f"psnr_{SIGMA:g}_dB"] - baseline
            used = (cpu_seconds() - start) / 60
            row = [step, gain, used, used / torch.get_num_threads(), (time.monotonic() - wall) / 60]
            for target in GAINS:
                if gain >= target:
                    reached.setdefault(target, row)
            if used > minutes * torch.get_num_threads():
                break
        rows = [[f"+{target} dB", *reached.get(target, [])] for target in GAINS]
        rows.append(["end", *row])
    headers = ["gain", "step", "dB over DCT-F", "processor min", "min on idle cores", "min passed"]
    print(tabulate(rows, headers, floatfmt=".2f"))


def main() -> None:
    """Measure what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configuration", type=Path, nargs="*", default=[], help="overlays")
    parser.add_argument("--experiments", nargs="*", help="names (default: all)")
    parser.add_argument(
        "--steps", type=int, default=40, help="steps to time (default: %(default)s)"
    )
    parser.add_argument("--accelerator", choices=("auto", "gpu", "cpu"), default="cpu")
    parser.add_argument("--allocation", action="store_true", help="compare ways to free memory")
    parser.add_argument("--checksums", action="store_true", help="cost of checksums in files")
    parser.add_argument("--quality", action="store_true", help="train until +10 dB over DCT-F")
    parser.add_argument(
        "--minutes", type=float, default=15, help="limit of --quality per core (default: 15)"
    )
    arguments = parser.parse_args()
    if arguments.checksums:
        checksums()
        return
    accelerator = choose_accelerator(arguments.accelerator)
    torch.set_num_threads(os.cpu_count() if arguments.quality else 1)
    config = load_configuration([ROOT / "config.yaml", *arguments.configuration])
    if arguments.allocation:
        names = arguments.experiments or list(config["experiments"])
        allocation(config, names, arguments.steps)
        return
    keep_freed_memory()
    if arguments.quality:
        for name in arguments.experiments or ["unet-canonical"]:
            quality(config, name, arguments.minutes)
    else:
        speed(config, arguments.experiments, arguments.steps, accelerator)


if __name__ == "__main__":
    main()
