"""Table 2 of the study in ten minutes of one GPU: simulate, train, evaluate, all in one process.

    python benchmarks/gpu_run.py --minutes 8 --out OUT        # one H100, 16 cores, no network
    python benchmarks/gpu_run.py --small --out OUT            # the same in miniature, on a CPU

The 2D sets of ``config/paper.yaml`` are simulated on all cores, and virtual scanners measure empty
scans. Components and noise then lie in the memory of the GPU, where pairs are made in batches
(:mod:`smrestore.training.batched`), grids of similar size together. Each network is trained for a
share of the time that is left. While the next one is trained, the cores evaluate the last one.

``OUT`` gets, after each network: ``NETWORK.zip`` with weights, card and history, for
``smrestore restore --model``; ``table2.csv``, ``rows.zip`` and ``timings.json``.
"""

# ruff: noqa: E402

import argparse
import copy
import json
import math
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

# Libraries read these when they are loaded, therefore here: one thread for each process.
for _name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np
import pandas as pd
import torch
from torch import nn

from smrestore.configuration import load_configuration
from smrestore.evaluation.scores import EvaluationSet, evaluate
from smrestore.evaluation.tables import TabulatedSet, compare, read_published, summarize
from smrestore.methods import load_method
from smrestore.networks import build_network
from smrestore.networks.weights import save_model
from smrestore.noise import NoisePool, build_noise_pool
from smrestore.physics.parameters import SizeLimits, draw_cases
from smrestore.scanner import load_scanner, load_sequence, scan_empty
from smrestore.simulation.batches import (
    ComponentSelection,
    Resources,
    balanced_batches,
    simulate_batch,
)
from smrestore.simulation.store import SystemMatrixStore
from smrestore.support.seeds import derived_seed
from smrestore.training.batched import (
    DeviceData,
    Draws,
    Group,
    make_pairs,
    patch_of,
    random_draws,
    size_groups,
)
from smrestore.training.data import Sample, check_data
from smrestore.training.objective import LOSSES, masked_psnr
from smrestore.training.provenance import data_provenance, noise_provenance
from smrestore.training.settings import STUDY_LEVELS, TrainingSettings

ROOT = Path(__file__).parents[1]
PEAK_FLOPS = 8e14
"""Of a large product of bf16 matrices on an H100, in 1/s."""
WARM_UP = 0.03
"""Share of the time in which the learning rate rises; it falls as a cosine in the rest."""
PUBLISHED = {"dct-f": "dct-f", "dncnn": "dncnn", "rdn": "rdn", "swinir": "swinir"}
CANONICAL = {"within_noise": 3.0, "ensemble": ("phases",)}


@dataclass(frozen=True)
class Recipe:
    """A network, its training, and what share of the time it gets."""

    network: Mapping[str, object]
    share: float
    batch_size: int
    learning_rate: float
    phase: str = "raw"
    groups: int = 4


RECIPES = {
    "unet-canonical": Recipe(
        {"name": "unet", "channels": [64, 128, 256], "blocks": 2, "fades_below": 0.1},
        share=0.42,
        batch_size=128,
        learning_rate=1e-3,
        phase="canonical",
    ),
    # Statistics of batches need all sizes together, on the patch that restoration pads to.
    "dncnn": Recipe(
        {"name": "dncnn", "features": 64, "depth": 17},
        share=0.16,
        batch_size=128,
        learning_rate=2e-4,
        groups=0,
    ),
    "rdn": Recipe(
        {
            "name": "rdn",
            "features": 64,
            "growth": 32,
            "blocks": 5,
            "layers": 6,
            "mask_features": True,
            "zero_last": True,
        },
        share=0.24,
        batch_size=32,
        learning_rate=5e-4,
    ),
    "swinir": Recipe(
        {
            "name": "swinir",
            "features": 60,
            "depths": [4, 4, 4],
            "heads": 6,
            "drop_path": 0.0,
            "mask_features": True,
            "zero_last": True,
        },
        share=0.18,
        batch_size=16,
        learning_rate=5e-4,
    ),
}
SMALL_NETWORKS = {
    "unet-canonical": {"name": "unet", "channels": [8, 16], "blocks": 1, "fades_below": 0.1},
    "dncnn": {"name": "dncnn", "features": 8, "depth": 4},
    "rdn": {
        "name": "rdn",
        "features": 8,
        "growth": 4,
        "blocks": 1,
        "layers": 2,
        "mask_features": True,
    },
    "swinir": {
        "name": "swinir",
        "features": 8,
        "depths": [2],
        "heads": 2,
        "mask_features": True,
        "zero_last": True,
    },
}


@dataclass(frozen=True)
class Scale:
    """How much is simulated, trained and evaluated."""

    matrices: Mapping[str, int]
    components: int
    patch: int
    frames: int
    test_components: int
    twin_components: int
    pairs: int
    workers: int


def scale_of(small: bool) -> Scale:
    """Return the scale of the study, or one for tests."""
    if small:
        return Scale({"train": 6, "validation": 2, "test": 2}, 20, 16, 300, 2, 1, 4, 1)
    workers = max(1, len(os.sched_getaffinity(0)) - 1)
    return Scale(
        {"train": 1000, "validation": 100, "test": 300}, 760, 64, 8192, 10, 4, 256, workers
    )


def settings_of(recipe: Recipe, patch: int) -> TrainingSettings:
    """Return the recipe as the card of a network has it; steps are what the time allows."""
    return TrainingSettings.checked(
        {
            "task": "denoising",
            "dimension": 2,
            "network": dict(recipe.network),
            "phase": recipe.phase,
            "patch": patch,
            "sigma": (0.0, 0.3),
            "sigma_convention": "complex",
            "scale": (0.5, 1.0),
            "steps": 1,
            "batch_size": recipe.batch_size,
            "learning_rate": recipe.learning_rate,
            "interval": 1,
            "validation_pairs": 1,
            "loss": "log-error",
            "gradient_clip": 0.5,
        }
    )


# What processes of the pool do.


def simulate_cases(cases: list[dict], path: Path, components: int, seed: int) -> None:
    """Simulate some cases as one store."""
    selection = ComponentSelection(maximum=components)
    simulate_batch(cases, path, selection=selection, seed=seed, resources=Resources(threads=1))


def measure_noise(path: Path, config: Mapping, frames: int, seed: int) -> None:
    """Let the virtual scanner of the default run measure an empty scan, and make a pool of it."""
    scan = path.with_suffix(".mdf")
    scanner = load_scanner("virtual", config["scanners"]["virtual"])
    sequence = load_sequence(config["sequences"]["lissajous-xy"])
    scan_empty(scan, scanner, sequence, frames=frames, seed=seed)
    build_noise_pool([scan], path, background_level="remove")
    scan.unlink()


@dataclass(frozen=True)
class TestPart(EvaluationSet):
    """Every ``parts``-th matrix of a test set; the pairs are those of the whole."""

    part: int = 0
    parts: int = 1

    def matrices(self, store: SystemMatrixStore) -> list[int]:
        """Return the indices of the matrices of this part."""
        return super().matrices(store)[self.part :: self.parts]


def evaluate_part(
    test_set: TestPart,
    name: str,
    model: Path | None,
    inference: Mapping[str, object],
    stores: Sequence[Path],
    pools: tuple[Path, Path],
    seed: int,
    path: Path,
    twins: bool,
) -> Path:
    """Evaluate a method on a part of the test set; return the file of its rows."""
    torch.set_num_threads(1)
    baseline = {"method": "dct-filter", "omega": 2.75} if model is None else None
    evaluate(
        test_set,
        load_method(baseline, model, "denoising", inference=inference),
        name,
        matrices=stores,
        noise_pool=pools[1],
        trained_with=() if model is None else [pools[0]],
        seed=seed,
        path=path,
        twins=twins,
    )
    return path


@dataclass
class Evaluations:
    """Evaluations that run beside the training, and the tables of those that have ended."""

    executor: ProcessPoolExecutor
    stores: Sequence[Path]
    pools: tuple[Path, Path]
    folder: Path
    out: Path
    scale: Scale
    seed: int
    running: list[tuple[str, list[Future]]] = field(default_factory=list)
    rows: dict[str, pd.DataFrame] = field(default_factory=dict)

    def start(
        self,
        name: str,
        model: Path | None = None,
        inference: Mapping[str, object] | None = None,
        twins: bool = False,
    ) -> None:
        """Evaluate a method in all processes."""
        scale = self.scale
        parts = min(scale.workers, scale.matrices["test"])
        futures = [
            self.executor.submit(
                evaluate_part,
                TestPart(
                    name="denoising-2d",
                    task="denoising",
                    components_per_matrix=scale.twin_components if twins else scale.test_components,
                    sigma=STUDY_LEVELS,
                    sigma_convention="complex",
                    part=part,
                    parts=parts,
                ),
                name,
                model,
                inference or {},
                self.stores,
                self.pools,
                self.seed,
                self.folder / f"{name}-{part}.csv",
                twins,
            )
            for part in range(parts)
        ]
        self.running.append((name, futures))

    def collect(self, until: float | None = None) -> None:
        """Write the tables of what has ended, waiting ``until`` this time for all of it."""
        for name, futures in list(self.running):
            if until is None and not all(future.done() for future in futures):
                continue
            if until is not None:
                wait(futures, timeout=max(0.1, until - now()))
            done = [future for future in futures if future.done()]
            if len(done) < len(futures):
                print(f"{name}: {len(done)} of {len(futures)} parts in time", flush=True)
            try:
                tables = [pd.read_csv(future.result()) for future in done]
                if tables:
                    self.rows[name] = pd.concat(tables)
            except Exception as error:
                print(f"{name}: {error!r}", flush=True)
            self.running.remove((name, futures))
        if self.rows:
            self.write()

    def write(self) -> None:
        """Write table 2 and the rows behind it."""
        tabulated = TabulatedSet("denoising-2d", "denoising", 2, "complex")
        parts = [summarize(rows, tabulated, number=2) for rows in self.rows.values()]
        published = read_published(ROOT / "workflow" / "published" / "tables.csv")
        table = compare(pd.concat(parts), published, PUBLISHED)
        table.to_csv(self.out / "table2.csv", index=False)
        with zipfile.ZipFile(self.out / "rows.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, rows in self.rows.items():
                archive.writestr(f"{name}.csv", rows.to_csv(index=False, float_format="%.6g"))

    def leads(self) -> dict[str, dict[str, float]]:
        """Return the mean PSNR of each method by noise level in dB."""
        return {
            name: {
                f"{sigma:g}": round(part["psnr"].mean(), 3) for sigma, part in rows.groupby("sigma")
            }
            for name, rows in self.rows.items()
        }


# Training.


def now() -> float:
    """Return a time in s."""
    return time.perf_counter()


def rate(progress: float) -> float:
    """Return the learning rate at a share of the time, relative to its largest."""
    if progress < WARM_UP:
        return max(0.02, progress / WARM_UP)
    return 0.005 + 0.995 * 0.5 * (
        1 + math.cos(math.pi * min(1, (progress - WARM_UP) / (1 - WARM_UP)))
    )


@dataclass
class Trainer:
    """A network under training, whose whole step is one graph on a GPU.

    Attributes
    ----------
    totals
        Steps, and sums of loss and norm of the gradient since they were read last, float64 (3,).
    """

    settings: TrainingSettings
    data: DeviceData
    groups: Sequence[Group]
    device: torch.device
    totals: torch.Tensor = field(init=False)
    flops: float = 0.0

    def __post_init__(self) -> None:
        network = build_network(dimension=2, **self.settings.network.plain()).to(self.device)
        self.network = network.to(memory_format=torch.channels_last).train()
        self.average = copy.deepcopy(self.network)
        self.rate = torch.tensor(0.0, device=self.device)
        gpu = self.device.type == "cuda"
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=self.rate, fused=gpu, capturable=gpu
        )
        self.totals = torch.zeros(3, dtype=torch.float64, device=self.device)
        self.taken = torch.zeros((), device=self.device)
        self.members = [torch.tensor(g.matrices, device=self.device) for g in self.groups]
        self.replay: Callable[[], object] = self.step

    def pairs(self, number: int) -> Sample:
        """Draw the pairs of a group for one step."""
        group = self.groups[number]
        draws = random_draws(
            self.data, self.settings, self.members[number], group.samples, group.patch
        )
        return make_pairs(self.data, draws, self.settings, group.patch)

    def step(self) -> None:
        """Take a step of the optimizer."""
        settings = self.settings
        self.optimizer.zero_grad(set_to_none=False)
        total = sum(group.samples for group in self.groups)
        loss = torch.zeros((), device=self.device)
        for number, group in enumerate(self.groups):
            with torch.no_grad():
                batch = self.pairs(number)
            with self.autocast():
                restored = self.network(batch["degraded"], batch["mask"], batch["sigma"])
            part = LOSSES[settings.loss](restored, batch["truth"], batch["valid"])
            part = part * (group.samples / total)
            part.backward()
            loss += part.detach()
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        # A step that is not finite is left out, as nothing can stop a graph.
        share = torch.where(
            torch.isfinite(norm), (settings.gradient_clip / (norm + 1e-6)).clamp(max=1.0), 0.0
        )
        for gradient in gradients:
            gradient.nan_to_num_(0.0, 0.0, 0.0)
        torch._foreach_mul_(gradients, share)
        self.optimizer.step()
        self._average()
        self.totals += torch.stack([torch.ones_like(loss), loss, norm]).double()

    def autocast(self) -> torch.autocast:
        """Return the context of mixed precision; none on CPUs."""
        gpu = self.device.type == "cuda"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=gpu, cache_enabled=False)

    @torch.no_grad()
    def _average(self) -> None:
        """Update the moving average, as :func:`smrestore.training.objective.moving_average`."""
        weight = 1 - torch.minimum(
            torch.full_like(self.taken, self.settings.ema_decay),
            (1 + self.taken) / (10 + self.taken),
        )
        states = (self.average.state_dict().values(), self.network.state_dict().values())
        pairs = [(a, b) for a, b in zip(*states, strict=True) if a.is_floating_point()]
        averaged, current = [a for a, _ in pairs], [b for _, b in pairs]
        change = torch._foreach_sub(current, averaged)
        torch._foreach_mul_(change, weight)
        torch._foreach_add_(averaged, change)
        self.taken += 1

    def prepare(self) -> None:
        """Count the operations of a step, and record it as a graph on a GPU."""
        self.rate.fill_(1e-6)
        if self.device.type != "cuda":
            self._count()
            self.step()
            return
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._count()
            for _ in range(3):
                self.step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step()
        self.replay = graph.replay

    @torch.no_grad()
    def _count(self) -> None:
        """Count the operations of convolutions and linear layers, three times for a gradient."""

        def count(layer: nn.Module, inputs: tuple[torch.Tensor], result: torch.Tensor) -> None:
            values = inputs[0] if getattr(layer, "transposed", False) else result
            channels = layer.weight.shape[0 if layer.weight.ndim == 2 else 1]
            each = layer.weight.numel() / (values.shape[1] if layer.weight.ndim > 2 else channels)
            self.flops += 3 * 2 * values.numel() * each

        kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
        layers = [layer for layer in self.average.modules() if isinstance(layer, kinds)]
        handles = [layer.register_forward_hook(count) for layer in layers]
        self.average.eval()
        for number in range(len(self.groups)):
            batch = self.pairs(number)
            with self.autocast():
                self.average(batch["degraded"], batch["mask"], batch["sigma"])
        for handle in handles:
            handle.remove()

    def input_seconds(self) -> float:
        """Return how long the pairs of a step take alone, in s."""
        if self.device.type != "cuda":
            begin = now()
            for number in range(len(self.groups)):
                self.pairs(number)
            return now() - begin
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph), torch.no_grad():
            kept = [self.pairs(number) for number in range(len(self.groups))]
        graph.replay()
        torch.cuda.synchronize()
        begin = now()
        for _ in range(10):
            graph.replay()
        torch.cuda.synchronize()
        del kept
        return (now() - begin) / 10

    def synchronize(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    @torch.no_grad()
    def validate(self, fixed: Mapping[float, Sample]) -> dict[str, float]:
        """Return the mean PSNR of fixed pairs by noise level in dB, with the averaged weights."""
        self.average.eval()
        row = {}
        for level, batch in fixed.items():
            values = []
            for start in range(0, len(batch["sigma"]), 64):
                part = {name: tensor[start : start + 64] for name, tensor in batch.items()}
                with self.autocast():
                    restored = self.average(part["degraded"], part["mask"], part["sigma"])
                values.append(masked_psnr(restored, part["truth"], part["valid"]))
            row[f"psnr_{level:g}_dB"] = float(torch.cat(values).mean())
        row["validation_psnr_dB"] = float(np.mean(list(row.values())))
        return row

    def train(self, seconds: float, fixed: Mapping[float, Sample]) -> list[dict[str, float]]:
        """Train for a time, which includes preparation and validation; return the history."""
        begin = now()
        self.prepare()
        rows: list[dict[str, float]] = []
        burst, steps = (10 if self.device.type == "cuda" else 1), 0
        self.totals.zero_()
        self.synchronize()
        training, due = 0.0, 1
        prepared = now() - begin
        print(f"prepared in {prepared:.1f} s", flush=True)
        while (elapsed := now() - begin) < seconds or not rows:
            self.rate.fill_(self.settings.learning_rate * rate(elapsed / seconds))
            started = now()
            for _ in range(burst):
                self.replay()
            self.synchronize()
            training += now() - started
            steps += burst
            if now() - begin > seconds * due / 10 or now() - begin > seconds:
                count, loss, norm = self.totals.tolist()
                self.totals.zero_()
                row = {
                    "elapsed_s": now() - begin,
                    "step": steps,
                    "learning_rate": float(self.rate),
                    "training_loss": loss / count,
                    "gradient_norm": norm / count,
                    **self.validate(fixed),
                    "training_s": training,
                }
                rows.append(row)
                due += 1
                print({k: round(v, 5) for k, v in row.items()}, flush=True)
        return rows


def fixed_pairs(
    data: DeviceData, settings: TrainingSettings, count: int, seed: int
) -> dict[float, Sample]:
    """Return pairs for validation at each noise level, which differ in the noise level alone."""
    torch.manual_seed(seed)
    device, patch = data.values.device, patch_of(settings)
    matrices = torch.arange(len(data.first), device=device)
    draws = random_draws(data, settings, matrices, count, patch, 0.1)

    def at(level: float) -> Draws:
        return replace(draws, sigma=torch.full_like(draws.sigma, level))

    return {level: make_pairs(data, at(level), settings, patch) for level in STUDY_LEVELS}


def train_network(
    name: str,
    recipe: Recipe,
    data: Mapping[str, DeviceData],
    seconds: float,
    scale: Scale,
    seed: int,
    device: torch.device,
) -> tuple[nn.Module, TrainingSettings, list[dict[str, float]], dict[str, object]]:
    """Train one network; return it with its settings, history and timings."""
    settings = settings_of(recipe, scale.patch)
    grids = data["train"].grids
    groups = [Group(patch_of(settings), tuple(range(len(grids))), recipe.batch_size)]
    if recipe.groups:
        groups = size_groups(grids, recipe.batch_size, 2, recipe.groups)
    fixed = fixed_pairs(data["validation"], settings, scale.pairs, derived_seed(seed, "fixed"))
    torch.manual_seed(derived_seed(seed, name) % 2**63)
    trainer = Trainer(settings, data["train"], groups, device)
    rows = trainer.train(seconds, fixed)
    last = rows[-1]
    step_s = last["training_s"] / last["step"]
    samples = sum(group.samples for group in groups)
    filled = [np.mean(grids[list(g.matrices)].prod(axis=1) / np.prod(g.patch)) for g in groups]
    facts = {
        "parameters": sum(p.numel() for p in trainer.network.parameters()),
        "seconds": last["elapsed_s"],
        "steps": last["step"],
        "samples": last["step"] * samples,
        "step_ms": 1e3 * step_s,
        "samples_per_s": samples / step_s,
        "input_share": trainer.input_seconds() / step_s,
        "flops_per_step": trainer.flops,
        "model_flops_utilization": trainer.flops / step_s / PEAK_FLOPS,
        "voxels_that_are_no_padding": float(np.mean(filled)),
        "groups": [[*group.patch, group.samples] for group in groups],
        "validation": {k: v for k, v in last.items() if k.startswith(("psnr", "validation"))},
    }
    if device.type == "cuda":
        facts["allocated_GiB"] = torch.cuda.max_memory_allocated() / 2**30
        torch.cuda.reset_peak_memory_stats()
    settings = settings.replace(steps=last["step"], interval=max(1, last["step"] // len(rows)))
    return trainer.average, settings, rows, facts


def save_network(
    network: nn.Module, card: Mapping[str, object], rows: list[dict], folder: Path, archive: Path
) -> Path:
    """Write weights, card and history to a folder and, packed, to an archive."""
    weights = folder / "weights.safetensors"
    save_model(network, card, weights)
    pd.DataFrame(rows).to_csv(folder / "history.csv", index=False)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.iterdir()):
            file.write(path, f"{folder.name}/{path.name}")
    return weights


# The whole.


@dataclass
class Run:
    """Where the run is, and how long its parts took."""

    out: Path
    begin: float
    timings: dict[str, object] = field(default_factory=dict)

    def note(self, name: str, value: object = None) -> None:
        """Keep what took until now, or a value, and write all to ``timings.json``."""
        self.timings[name] = round(now() - self.begin, 2) if value is None else value
        if value is None:
            print(f"{self.timings[name]:.1f} s: {name}", flush=True)
        (self.out / "timings.json").write_text(json.dumps(self.timings, indent=1) + "\n")


def make_data(
    executor: ProcessPoolExecutor, work: Path, scale: Scale, config: Mapping, seed: int, run: Run
) -> tuple[dict[str, list[Path]], tuple[Path, Path]]:
    """Simulate all sets and measure both empty scans."""
    pools = work / "training.h5", work / "test.h5"
    futures = [
        executor.submit(
            measure_noise, path, config, scale.frames, derived_seed(seed, "scan", path.stem)
        )
        for path in pools
    ]
    stores: dict[str, list[Path]] = {}
    for split, count in scale.matrices.items():
        cases = draw_cases(
            count,
            seed=seed,
            dataset="lissajous-2d",
            split=split,
            dimension=2,
            limits=SizeLimits((4, scale.patch)),
        )
        batches = balanced_batches(
            [math.prod(case["size"]) + 300 for case in cases],
            min(count, 4 * scale.workers if split == "train" else scale.workers),
        )
        stores[split] = []
        for number, batch in enumerate(batches):
            path = work / f"{split}-{number:03d}.h5"
            part = [cases[i] for i in batch]
            futures.append(executor.submit(simulate_cases, part, path, scale.components, seed))
            stores[split].append(path)
    for number, future in enumerate(futures):
        future.result()
        if number == len(pools) - 1:
            run.note("empty scans and noise pools")
    return stores, pools


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--minutes", type=float, default=8.0, help="time until all is written")
    parser.add_argument("--networks", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--small", action="store_true", help="in miniature")
    parser.add_argument("--matrices", type=float, default=1.0, help="factor of their number")
    parser.add_argument("--seconds", type=float, help="for each network, instead of shares")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--commit", default="", help="of the code, for the cards")
    options = parser.parse_args(arguments)
    run = Run(options.out, now())
    deadline = run.begin + 60 * options.minutes
    options.out.mkdir(parents=True, exist_ok=True)
    scale = scale_of(options.small)
    if options.matrices != 1:
        scale = replace(
            scale,
            matrices={k: max(2, round(n * options.matrices)) for k, n in scale.matrices.items()},
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.benchmark_limit = 4
    torch.set_float32_matmul_precision("high")
    config = load_configuration([ROOT / "config.yaml"])
    with tempfile.TemporaryDirectory() as folder:
        executor = ProcessPoolExecutor(scale.workers, multiprocessing.get_context("spawn"))
        try:
            _run(options, run, deadline, scale, device, config, Path(folder), executor)
        finally:
            processes = list((executor._processes or {}).values())
            executor.shutdown(wait=False, cancel_futures=True)
            if now() > deadline - 5:
                for process in processes:
                    process.terminate()
            for process in processes:
                process.join()
    run.note("end")


def _run(
    options: argparse.Namespace,
    run: Run,
    deadline: float,
    scale: Scale,
    device: torch.device,
    config: Mapping,
    work: Path,
    executor: ProcessPoolExecutor,
) -> None:
    seed = options.seed
    if not options.small:
        subprocess.run([sys.executable, "-m", "smrestore.compiled"], check=True)
        run.note("compiled")
    stores, pools = make_data(executor, work, scale, config, seed, run)
    run.note("simulated")
    splits = {split: SystemMatrixStore(paths) for split, paths in stores.items()}
    pool = NoisePool(pools[0])
    common = settings_of(RECIPES["unet-canonical"], scale.patch)
    selections = {split: check_data(splits[split], pool, common) for split in splits}
    data = {
        split: DeviceData.load(splits[split], pool, common, device)
        for split in ("train", "validation")
    }
    run.note("loaded")
    run.note(
        "data",
        {
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
            "torch": torch.__version__,
            "workers": scale.workers,
            "matrices": dict(scale.matrices),
            "components": len(data["train"].start),
            "training_GiB": data["train"].values.nbytes / 2**30,
            "noise_GiB": data["train"].noise.nbytes / 2**30,
        },
    )
    evaluations = Evaluations(executor, stores["test"], pools, work, options.out, scale, seed)
    evaluations.start("dct-f")
    evaluations.start("twin-dct-f", twins=True)
    recipes = {name: RECIPES[name] for name in options.networks}
    if options.small:
        recipes = {
            name: replace(
                recipe, network=SMALL_NETWORKS[name], batch_size=8, groups=min(2, recipe.groups)
            )
            for name, recipe in recipes.items()
        }
    shares = sum(recipe.share for recipe in recipes.values())
    # The last evaluation, which nothing hides, and starting and ending of networks.
    reserve = 3 if options.small else min(55, 7 * options.minutes)
    available = max(len(recipes), deadline - now() - reserve)
    networks: dict[str, object] = {}
    for name, recipe in recipes.items():
        seconds = options.seconds or available * recipe.share / shares
        if now() + seconds > deadline - reserve / 2:
            seconds = deadline - reserve / 2 - now()
        if seconds < 1:
            print(f"{name}: no time is left", flush=True)
            continue
        print(f"{name}: {seconds:.0f} s", flush=True)
        try:
            network, settings, rows, facts = train_network(
                name, recipe, data, seconds, scale, seed, device
            )
        except Exception as error:  # The other networks shall have their chance.
            traceback.print_exc()
            run.note(f"failed {name}", repr(error))
            continue
        networks[name] = facts
        print(name, {k: v for k, v in facts.items() if k != "validation"}, flush=True)
        card = {
            "task": "denoising",
            "settings": settings.plain(),
            "parameters": facts["parameters"],
            "seed": seed,
            "normalization": "divided by the largest magnitude that was measured",
            "names": {"experiment": name, "dataset": "lissajous-2d", "noise_pool": "training"},
            "training": data_provenance(splits["train"], selections["train"]),
            "validation": data_provenance(splits["validation"], selections["validation"]),
            "noise_pool": noise_provenance(pool),
            "metrics": rows[-1],
            "command": " ".join(["python benchmarks/gpu_run.py", *sys.argv[1:]]),
            "code": options.commit,
            "schedule": "learning rate rises, then falls as a cosine, by time",
            "timings": facts,
        }
        archive = options.out / f"{name}.zip"
        model = save_network(network, card, rows, work / name, archive)
        run.note("networks", networks)
        run.note(name)
        if name == "unet-canonical":
            evaluations.start(name, model, CANONICAL)
            evaluations.start(f"{name}-plain", model)
            evaluations.start(f"twin-{name}", model, CANONICAL, twins=True)
        else:
            evaluations.start(name, model)
        evaluations.collect()
    evaluations.collect(until=deadline - 2)
    run.note("psnr_dB", evaluations.leads())
    if evaluations.rows:
        print(pd.DataFrame(evaluations.leads()).T.to_string(), flush=True)


if __name__ == "__main__":
    main()
