"""Restoration quality of networks that are trained for the same time, on the same data.

    python benchmarks/equal_time.py                                   # after make run
    python benchmarks/equal_time.py --test-set denoising-3d --experiments dncnn-3d rdn-3d
    python benchmarks/equal_time.py --seconds 60 --config config.yaml my-overlay.yaml
    python benchmarks/equal_time.py --experiments unet-canonical rdn --seeds 3

Each experiment is trained as always on its stores and noise pool of a finished run, by its own
recipe but for the number of steps: as many as fit into the given time, by the speed of the first
ones. On a CPU that is processor time of one thread, which depends little on what else the machine
does; on a GPU it is the time that passes. Making the pairs counts, scoring does not. At equal parts
of the way the averaged weights restore the same components of the test set. DCT-F, which needs no
training, stands beside them. Two cores train up to twice as fast in wall time.

The columns at the end say when a network was first ahead of DCT-F by 6 and 10 dB at sigma 0.1, as
far as it was: the times in between two scores are interpolated.

With more than one seed, each experiment is trained from each of them: other first weights, and
other pairs. All experiments take turns with a seed before the next one, so that a machine that
slows down does so for all. Tables have means over the seeds with their 95 % confidence intervals
(Student's t), and differences to the first experiment that are taken seed by seed.
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from smrestore.configuration import load_configuration
from smrestore.evaluation.scores import EvaluationPair, EvaluationSet, evaluation_pairs
from smrestore.evaluation.transfer.classes import between_scans
from smrestore.figures.style import (
    COLORS,
    COLUMN_WIDTH_MM,
    add_axes,
    journal_style,
    new_figure,
    save_as,
)
from smrestore.methods import Method, load_method
from smrestore.methods.network import NetworkMethod
from smrestore.metrics import psnr
from smrestore.noise import NoisePool
from smrestore.simulation.store import SystemMatrixStore
from smrestore.support.allocation import keep_freed_memory
from smrestore.training.data import check_data
from smrestore.training.device import (
    algorithms,
    choose_accelerator,
    input_processes,
    make_fabric,
)
from smrestore.training.loop import Loop
from smrestore.training.run import set_up
from smrestore.training.settings import TrainingSettings, load_settings

ROOT = Path(__file__).parents[1]
REFERENCE_SIGMA = 0.1
GAINS = (6, 10)
PROBE_SHARE = 0.04
"""Of the training time, which the first steps may take that tell how many fit."""


@dataclass
class Clock:
    """Seconds of work: processor time of this process, or time on a GPU and what feeds it."""

    device: torch.device

    def __call__(self) -> float:
        """Return the time in s, when the device has done what it was given."""
        if self.device.type == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()


@dataclass(frozen=True)
class Data:
    """What a training draws its pairs from."""

    store: SystemMatrixStore
    pool: NoisePool
    seed: int


def start(settings: TrainingSettings, data: Data, accelerator: str, folder: str) -> Loop:
    """Return a training before its first step."""
    fabric = make_fabric(settings, accelerator, 1)
    workers = input_processes(accelerator, os.cpu_count())
    stores = data.store, data.store
    history = Path(folder) / "history.csv"
    return set_up(fabric, settings, data.seed, stores, data.pool, history, workers)


def steps_within(settings: TrainingSettings, data: Data, accelerator: str, seconds: float) -> int:
    """Return how many steps a training takes in a time, from some that are thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        loop = start(settings.replace(steps=10**9), data, accelerator, folder)
        clock = Clock(loop.fabric.device)
        steps = loop.steps()
        # The first ones choose algorithms and reserve memory.
        for _ in range(3):
            next(steps)
        begin, count = clock(), 0
        while (used := clock() - begin) < PROBE_SHARE * seconds or not count:
            for _ in range(5):
                next(steps)
            count += 5
        steps.close()
    return max(1, round(seconds * count / used))


def train(
    settings: TrainingSettings, data: Data, accelerator: str, scores: int
) -> Iterator[tuple[int, float, torch.nn.Module]]:
    """Yield steps, seconds and averaged network at equal parts of a training."""
    due = {round(settings.steps * (i + 1) / scores) for i in range(scores)}
    with tempfile.TemporaryDirectory() as folder:
        loop = start(settings, data, accelerator, folder)
        clock = Clock(loop.fabric.device)
        used, begin = 0.0, clock()
        for step in loop.steps():
            if step in due:
                used += clock() - begin
                yield step, used, loop.average.module
                begin = clock()


def as_method(network: torch.nn.Module, settings: TrainingSettings) -> Method:
    """Return a network under training as a method, in evaluation mode."""
    canonical = settings.phase == "canonical"
    network.eval()
    return NetworkMethod(network, settings.dimension, settings.patch, 1, canonical)


def score(method: Method, pairs: Sequence[EvaluationPair]) -> dict[float, float]:
    """Return the mean PSNR in dB at each noise level, relative to a truth of unit maximum."""
    restored = method([item.pair.degraded for item in pairs])
    values: dict[float, list[float]] = {}
    for item, image in zip(pairs, restored, strict=True):
        factor = item.pair.factor
        values.setdefault(item.sigma, []).append(psnr(image * factor, item.pair.truth * factor))
    return {sigma: float(np.mean(of_sigma)) for sigma, of_sigma in values.items()}


def stores_of(results: Path, dataset: str, split: str) -> SystemMatrixStore:
    """Return all system matrices of a split that a run has simulated."""
    folder = results / "system_matrices" / dataset / split
    paths = sorted(folder.glob("*.h5"))
    if not paths:
        raise SystemExit(f"no system matrices in {folder}: make run, or give --results")
    return SystemMatrixStore(paths)


def test_pairs(
    config: Mapping, results: Path, name: str, components: int
) -> tuple[list[EvaluationPair], dict[float, float]]:
    """Return some pairs of a test set, and the mean PSNR of DCT-F over them."""
    entry = config["test_sets"][name]
    test_set = EvaluationSet(
        name=name,
        task=entry["task"],
        components_per_matrix=min(components, entry["components_per_matrix"]),
        sigma=tuple(sorted({*entry["sigma"], REFERENCE_SIGMA})),
        sigma_convention=entry["sigma_convention"],
    )
    store = stores_of(results, entry["dataset"], "test")
    pool = NoisePool(results / "noise" / f"{entry['noise_pool']}.h5")
    pairs = list(evaluation_pairs(test_set, store, pool, config["seed"]))
    baseline = {k: v for k, v in config["baselines"]["dct-f"].items() if k != "label"}
    return pairs, score(load_method(baseline, None), pairs)


def time_to(gain: float, seconds: Sequence[float], leads: Sequence[float]) -> str:
    """Return when a lead in dB was first reached, interpolated; empty if it was not."""
    points = itertools.pairwise(zip((0.0, *seconds), (-np.inf, *leads), strict=True))
    for (earlier, before), (later, after) in points:
        if after >= gain:
            # Nothing is known before the first score.
            share = (gain - before) / (after - before) if np.isfinite(before) else 1.0
            return f"{earlier + share * (later - earlier):.0f} s"
    return ""


def with_interval(values: Sequence[float], sign: str = "") -> str:
    """Return the mean over seeds, and half its 95 % confidence interval if there are several."""
    found = between_scans(values)
    mean = f"{found.mean:{sign}.2f}"
    return mean if found.n < 2 else f"{mean} ± {found.ci95:.2f}"


def mean_way(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of an experiment as means over seeds, by part of the way."""
    return rows.drop(columns="experiment").groupby("part", as_index=False).mean()


def draw(rows: pd.DataFrame, reference: float, path: Path) -> None:
    """Draw the lead over DCT-F at the reference noise level against the training time."""
    with journal_style():
        figure = new_figure(COLUMN_WIDTH_MM, 58.0)
        ax = add_axes(figure, 11.0, 3.0, COLUMN_WIDTH_MM - 14.0, 45.0)
        for color, (name, part) in zip(
            itertools.cycle(COLORS), rows.groupby("experiment", sort=False)
        ):
            way = mean_way(part)
            lead = way[REFERENCE_SIGMA] - reference
            ax.plot(way["seconds"], lead, color=color, marker=".", markersize=3, label=name)
        for gain in GAINS:
            ax.axhline(gain, color="0.7", linewidth=0.5, zorder=0)
        ax.set_xlim(0, rows["seconds"].max())
        ax.set_ylim(bottom=0)
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_xlabel("time of training (s)")
        ax.set_ylabel(rf"PSNR above DCT-F at $\sigma$ = {REFERENCE_SIGMA:g} (dB)")
        ax.legend(loc="lower right")
        save_as(figure, path)


def tables(rows: pd.DataFrame, baseline: Mapping[float, float]) -> str:
    """Return the leads on the way, the results at the end and their differences, as Markdown."""
    reference = baseline[REFERENCE_SIGMA]
    ends = rows[rows["part"] == rows["part"].max()].set_index("seed")
    first = ends[ends["experiment"] == ends["experiment"].iloc[0]]
    on_the_way, differences = [], []
    at_the_end = [{"experiment": "DCT-F", **{f"{s:g}": f"{v:.2f}" for s, v in baseline.items()}}]
    for name, part in rows.groupby("experiment", sort=False):
        leads = {
            f"{seconds:.4g} s": with_interval(scores[REFERENCE_SIGMA] - reference, "+")
            for seconds, scores in part.groupby("part")
        }
        on_the_way.append({"experiment": name, **leads})
        way, last = mean_way(part), ends[ends["experiment"] == name]
        lead = way[REFERENCE_SIGMA] - reference
        at_the_end.append(
            {
                "experiment": name,
                **{f"{sigma:g}": with_interval(last[sigma]) for sigma in baseline},
                "parameters": f"{last['parameters'].iloc[0]:.0f}",
                "steps": f"{last['steps'].mean():.0f}",
                "seconds": f"{last['seconds'].mean():.0f}",
                "samples/s": f"{last['samples'].sum() / last['seconds'].sum():.0f}",
                **{f"+{g} dB after": time_to(g, [*way["seconds"]], [*lead]) for g in GAINS},
            }
        )
        if name != first["experiment"].iloc[0]:
            paired = {f"{s:g}": with_interval(last[s] - first[s], "+") for s in baseline}
            differences.append({"experiment": name, **paired})
    parts = [
        f"PSNR above DCT-F at sigma {REFERENCE_SIGMA:g} in dB, by time of training:",
        _markdown(on_the_way),
        "PSNR in dB at the end, by sigma:",
        _markdown(at_the_end),
    ]
    if differences:
        parts += [
            f"The same minus {first['experiment'].iloc[0]}, seed by seed, in dB:",
            _markdown(differences),
        ]
    return "\n\n".join(parts)


def _markdown(records: list[dict]) -> str:
    return pd.DataFrame(records).fillna("").to_markdown(index=False, disable_numparse=True)


def main() -> None:
    """Train, score and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = ["dncnn", "rdn", "unet-canonical"]
    parser.add_argument("--experiments", nargs="+", default=names, metavar="NAME")
    parser.add_argument("--seconds", type=float, default=240.0, help="time for each")
    parser.add_argument(
        "--scores", type=int, default=8, help="scores on the way, the last included"
    )
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each experiment")
    parser.add_argument("--test-set", default="denoising-2d", metavar="NAME")
    parser.add_argument("--components", type=int, default=2, help="of each matrix to score")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="of a finished run")
    parser.add_argument("--config", nargs="+", type=Path, default=[ROOT / "config.yaml"])
    parser.add_argument("--accelerator", choices=("auto", "gpu", "cpu"), default="auto")
    parser.add_argument("--csv", type=Path, help="also write all scores, after each training")
    parser.add_argument("--picture", type=Path, help="also draw the leads, as .png, .pdf or .svg")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    accelerator = choose_accelerator(arguments.accelerator)
    config = load_configuration(arguments.config)
    pairs, baseline = test_pairs(
        config, arguments.results, arguments.test_set, arguments.components
    )
    records = []
    for seed, name in itertools.product(range(arguments.seeds), arguments.experiments):
        recipe = config["experiments"][name]
        settings = load_settings(recipe)
        store = stores_of(arguments.results, recipe["dataset"], "train")
        pool = NoisePool(arguments.results / "noise" / f"{recipe['noise_pool']}.h5")
        data = Data(store, pool, config["seed"] + seed)
        check_data(store, pool, settings)
        with algorithms(settings.deterministic):
            steps = steps_within(settings, data, accelerator, arguments.seconds)
            training = train(settings.replace(steps=steps), data, accelerator, arguments.scores)
            progress = tqdm(training, f"{name}, seed {seed}", arguments.scores, unit="score")
            for part, (step, seconds, network) in enumerate(progress, start=1):
                scores = score(as_method(network, settings), pairs)
                gain = scores[REFERENCE_SIGMA] - baseline[REFERENCE_SIGMA]
                progress.set_postfix_str(f"{gain:+.2f}")
                records.append(
                    {
                        "experiment": name,
                        "seed": seed,
                        "part": part * arguments.seconds / arguments.scores,
                        "seconds": seconds,
                        "steps": step,
                        "samples": step * settings.batch_size,
                        "parameters": sum(p.numel() for p in network.parameters()),
                        **scores,
                    }
                )
        if arguments.csv:
            pd.DataFrame(records).to_csv(arguments.csv, index=False)
    rows = pd.DataFrame(records)
    place = "one thread" if accelerator == "cpu" else torch.cuda.get_device_name()
    print(f"{len(pairs) // len(baseline)} components; {place}")
    print(tables(rows, baseline))
    if arguments.picture:
        draw(rows, baseline[REFERENCE_SIGMA], arguments.picture)


if __name__ == "__main__":
    main()
