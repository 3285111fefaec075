"""Restoration quality of networks that are trained for the same time, on the same data.

    python benchmarks/equal_time.py                                   # after make run
    python benchmarks/equal_time.py --test-set denoising-3d --experiments dncnn-3d rdn-3d
    python benchmarks/equal_time.py --seconds 60 --config config.yaml my-overlay.yaml

Each experiment is trained on its stores and noise pool of a finished run, by its own recipe but for
the length: training ends after the given processor time of one thread, which also scales the
milestones of the learning rate. Making the pairs counts, scoring does not. Unlike wall time,
processor time depends little on what else the machine does. At equal times along the way the
averaged weights restore the same components of the test set. DCT-F, which needs no training, stands
beside them. Two cores train up to twice as fast in wall time.

The columns at the end say when a network was first ahead of DCT-F by 6 and 10 dB at sigma 0.1, as
far as it was: the times in between two scores are interpolated.
"""

import argparse
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from smrestore.allocation import keep_freed_memory
from smrestore.configuration import read_configuration
from smrestore.evaluation import EvaluationPair, EvaluationSet, evaluation_pairs
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
from smrestore.networks import build_network
from smrestore.noise import NoisePool
from smrestore.store import SystemMatrixStore
from smrestore.training.data import TrainingPairs, check_data
from smrestore.training.objective import learning_rate, masked_l1, moving_average
from smrestore.training.settings import TrainingSettings, load_settings

ROOT = Path(__file__).parents[1]
REFERENCE_SIGMA = 0.1
GAINS = (6, 10)
PARTS = 1_000_000
"""Of the training time, in which the schedule of the learning rate is counted."""


def train(
    settings: TrainingSettings,
    store: SystemMatrixStore,
    pool: NoisePool,
    seed: int,
    times: Sequence[float],
) -> Iterator[tuple[int, torch.nn.Module]]:
    """Yield steps and averaged network whenever a processor time in s has been used."""
    torch.manual_seed(seed)
    sizes = dict(settings.network)
    network = build_network(sizes.pop("name"), settings.dimension, **sizes)
    if settings.dimension == 2:
        network = network.to(memory_format=torch.channels_last)
    averaged = moving_average(network, settings.ema_decay)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    schedule = replace(settings, steps=PARTS)
    endless = TrainingPairs(store, pool, settings, seed, "training", 0, 1 << 40)
    batches = iter(DataLoader(endless, settings.batch_size))
    start = time.process_time()
    step, waiting = 0, list(times)
    while waiting:
        used = time.process_time() - start
        if used >= waiting[0]:
            waiting.pop(0)
            paused = time.process_time()
            yield step, averaged.module
            start += time.process_time() - paused
            continue
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(schedule, int(PARTS * used / times[-1]))
        batch = next(batches)
        restored = network(batch["degraded"], batch["mask"], batch["sigma"])
        loss = masked_l1(restored, batch["truth"], batch["valid"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        averaged.update_parameters(network)
        step += 1


def as_method(network: torch.nn.Module, settings: TrainingSettings) -> Method:
    """Return a network under training as a method, in evaluation mode."""
    canonical = settings.phase == "canonical"
    return NetworkMethod(network.eval(), settings.dimension, settings.patch, 1, canonical)


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


def draw(rows: pd.DataFrame, reference: float, path: Path) -> None:
    """Draw the lead over DCT-F at the reference noise level against the training time."""
    with journal_style():
        figure = new_figure(COLUMN_WIDTH_MM, 58.0)
        ax = add_axes(figure, 11.0, 3.0, COLUMN_WIDTH_MM - 14.0, 45.0)
        for color, (name, part) in zip(
            itertools.cycle(COLORS), rows.groupby("experiment", sort=False)
        ):
            lead = part[REFERENCE_SIGMA] - reference
            ax.plot(part["seconds"], lead, color=color, marker=".", markersize=3, label=name)
        for gain in GAINS:
            ax.axhline(gain, color="0.7", linewidth=0.5, zorder=0)
        ax.set_xlim(0, rows["seconds"].max())
        ax.set_ylim(bottom=0)
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_xlabel("processor time of training (s)")
        ax.set_ylabel(rf"PSNR above DCT-F at $\sigma$ = {REFERENCE_SIGMA:g} (dB)")
        ax.legend(loc="lower right")
        save_as(figure, path)


def tables(rows: pd.DataFrame, baseline: Mapping[float, float]) -> str:
    """Return the leads on the way, and the results at the end, as Markdown."""
    reference = baseline[REFERENCE_SIGMA]
    on_the_way, at_the_end = [], [{"experiment": "DCT-F", **_texts(baseline)}]
    for name, part in rows.groupby("experiment", sort=False):
        lead = part[REFERENCE_SIGMA] - reference
        times = dict(zip((f"{s:.0f} s" for s in part["seconds"]), lead, strict=True))
        on_the_way.append({"experiment": name, **{k: f"{v:+.2f}" for k, v in times.items()}})
        last = part.iloc[-1]
        at_the_end.append(
            {
                "experiment": name,
                **_texts({sigma: last[sigma] for sigma in baseline}),
                "parameters": f"{last['parameters']:.0f}",
                "steps": f"{last['steps']:.0f}",
                "samples/s": f"{last['samples'] / last['seconds']:.0f}",
                **{f"+{g} dB after": time_to(g, [*part["seconds"]], [*lead]) for g in GAINS},
            }
        )
    parts = [
        f"PSNR above DCT-F at sigma {REFERENCE_SIGMA:g} in dB, by processor time of training:",
        _markdown(on_the_way),
        "PSNR in dB at the end, by sigma:",
        _markdown(at_the_end),
    ]
    return "\n\n".join(parts)


def _texts(values: Mapping[float, float]) -> dict[str, str]:
    return {f"{sigma:g}": f"{value:.2f}" for sigma, value in values.items()}


def _markdown(records: list[dict]) -> str:
    return pd.DataFrame(records).fillna("").to_markdown(index=False, disable_numparse=True)


def main() -> None:
    """Train, score and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = ["dncnn", "rdn", "swinir", "unet-canonical"]
    parser.add_argument("--experiments", nargs="+", default=names, metavar="NAME")
    parser.add_argument("--seconds", type=float, default=240.0, help="processor time for each")
    parser.add_argument(
        "--scores", type=int, default=8, help="scores on the way, the last included"
    )
    parser.add_argument("--test-set", default="denoising-2d", metavar="NAME")
    parser.add_argument("--components", type=int, default=2, help="of each matrix to score")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="of a finished run")
    parser.add_argument("--config", nargs="+", type=Path, default=[ROOT / "config.yaml"])
    parser.add_argument("--picture", type=Path, help="also draw the leads, as .png, .pdf or .svg")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    config = read_configuration(arguments.config)
    pairs, baseline = test_pairs(
        config, arguments.results, arguments.test_set, arguments.components
    )
    times = [arguments.seconds * (i + 1) / arguments.scores for i in range(arguments.scores)]
    records = []
    for name in arguments.experiments:
        recipe = config["experiments"][name]
        settings = load_settings(recipe)
        store = stores_of(arguments.results, recipe["dataset"], "train")
        pool = NoisePool(arguments.results / "noise" / f"{recipe['noise_pool']}.h5")
        check_data(store, pool, settings)
        training = train(settings, store, pool, config["seed"], times)
        progress = tqdm(zip(times, training, strict=True), name, len(times), unit="score")
        for seconds, (steps, network) in progress:
            scores = score(as_method(network, settings), pairs)
            progress.set_postfix_str(f"{scores[REFERENCE_SIGMA] - baseline[REFERENCE_SIGMA]:+.2f}")
            records.append(
                {
                    "experiment": name,
                    "seconds": seconds,
                    "steps": steps,
                    "samples": steps * settings.batch_size,
                    "parameters": sum(p.numel() for p in network.parameters()),
                    **scores,
                }
            )
    rows = pd.DataFrame(records)
    print(f"{len(pairs) // len(baseline)} components; one thread")
    print(tables(rows, baseline))
    if arguments.picture:
        draw(rows, baseline[REFERENCE_SIGMA], arguments.picture)


if __name__ == "__main__":
    main()
