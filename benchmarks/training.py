"""Speed and memory of trainings: samples per second, and the share of a step that input takes.

python benchmarks/training.py                              # experiments of config.yaml
python benchmarks/training.py --configuration config/paper.yaml
python benchmarks/training.py --allocation                 # with and without freed memory kept
python benchmarks/training.py --quality                    # minutes: time to a quality

Times are processor time of all threads: other programs on the machine disturb it less than the
time that passes. Grids are drawn like those of the configuration; what they hold does not matter
for speed, so components are random numbers. Only --quality simulates.
"""

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate
from torch.utils.data import DataLoader

from smrestore.allocation import keep_freed_memory
from smrestore.configuration import read_configuration, resolved_dataset
from smrestore.methods import dct_filter
from smrestore.noise import NoisePool, build_parametric_pool
from smrestore.parameters import SizeLimits, draw_cases, simulation_of
from smrestore.seeds import generator
from smrestore.simulation import ComponentSelection, Resources, simulate_batch
from smrestore.store import StoredMatrix, SystemMatrixStore, write_store
from smrestore.training.data import TrainingPairs, check_data
from smrestore.training.device import make_fabric
from smrestore.training.loop import Loop, StepBatches
from smrestore.training.run import set_up
from smrestore.training.settings import load_settings

ROOT = Path(__file__).parents[1]
SEED = 1
MATRICES, COMPONENTS = 12, 16
GAINS = (6, 10)
"""Decibels over DCT-F."""
SIGMA = 0.1


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


def input_seconds(pairs: TrainingPairs, batch_size: int) -> float:
    """Return the processor time of a sample, collated."""
    n_steps = max(2, 64 // batch_size)
    samples = StepBatches(range(n_steps), batch_size)
    times = []
    for _ in range(3):
        start = cpu_seconds()
        for _ in DataLoader(pairs, batch_sampler=samples):
            pass
        times.append((cpu_seconds() - start) / (n_steps * batch_size))
    return min(times)


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


def make_loop(entry: dict, datasets: dict, folder: Path) -> Loop:
    """Return the training of an experiment on random numbers."""
    settings = load_settings(entry)
    cases = cases_of(resolved_dataset(datasets, entry["dataset"]), "train", MATRICES)
    write_store(folder / "store.h5", random_matrices(cases))
    store = SystemMatrixStore([folder / "store.h5"])
    pool = make_pool(folder / "pool.h5", cases, store.frequencies())
    check_data(store, pool, settings)
    fabric = make_fabric(settings, "cpu", 1)
    return set_up(fabric, settings, SEED, (store, store), pool, folder / "history.csv", 0)


def measure(name: str, entry: dict, datasets: dict, folder: Path, count: int) -> list[object]:
    """Return the row of one experiment."""
    loop = make_loop(entry, datasets, folder)
    settings = loop.settings
    n_bytes = saved_bytes(loop)
    per_sample = input_seconds(loop.pairs, settings.batch_size)
    step = step_seconds(loop, count)
    parameters = sum(p.numel() for p in loop.network.module.parameters())
    return [
        name,
        entry["network"]["name"],
        settings.dimension,
        settings.patch,
        parameters,
        settings.batch_size,
        1e3 * step,
        settings.batch_size / step,
        1e3 * per_sample,
        100 * per_sample * settings.batch_size / step,
        n_bytes / 2**20,
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


def speed(config: dict, names: list[str] | None, count: int) -> None:
    """Print the table of speed and memory."""
    rows = []
    for name, entry in config["experiments"].items():
        if names and name not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(name, entry, config["datasets"], Path(folder), count))
    headers = [
        "experiment",
        "network",
        "dim.",
        "patch",
        "parameters",
        "batch",
        "step (ms)",
        "samples/s",
        "input (ms/sample)",
        "input (% <= 10)",
        "MiB/sample",
    ]
    print(f"Processor time, {torch.get_num_threads()} thread(s), float32")
    print(tabulate(rows, headers, floatfmt=(*[""] * 6, ".1f", ".3g", ".3f", ".1f", ".2f")))
    print("MiB/sample: what is kept for the backward pass. A step needs about twice as much.")


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
    dataset = resolved_dataset(config["datasets"], entry["dataset"])
    settings = replace(load_settings(entry), interval=100)
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
    parser.add_argument("--steps", type=int, default=5, help="steps to time (default: %(default)s)")
    parser.add_argument("--allocation", action="store_true", help="compare ways to free memory")
    parser.add_argument("--quality", action="store_true", help="train until +10 dB over DCT-F")
    parser.add_argument(
        "--minutes", type=float, default=15, help="limit of --quality per core (default: 15)"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(os.cpu_count() if arguments.quality else 1)
    config = read_configuration([ROOT / "config.yaml", *arguments.configuration])
    if arguments.allocation:
        names = arguments.experiments or list(config["experiments"])
        allocation(config, names, arguments.steps)
        return
    keep_freed_memory()
    if arguments.quality:
        for name in arguments.experiments or ["unet-canonical"]:
            quality(config, name, arguments.minutes)
    else:
        speed(config, arguments.experiments, arguments.steps)


if __name__ == "__main__":
    main()
