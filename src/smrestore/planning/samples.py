"""Stores and noise pools of random numbers, on grids of the configuration.

What they hold does not matter for speed, but sizes, frequencies and mixing orders do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smrestore.noise.build import frequencies_of
from smrestore.noise.parametric import build_parametric_pool
from smrestore.physics.mixing import mixing_orders
from smrestore.physics.parameters import Case, simulation_of
from smrestore.planning.jobs import Bench, evenly
from smrestore.planning.simulation import cases_of
from smrestore.simulation.store import StoredMatrix, write_store
from smrestore.support.seeds import generator

MATRICES = 3
COMPONENTS = 12
"""Of each matrix."""


@dataclass(frozen=True)
class Sample:
    """A store, a pool with noise for its components and their twins, and the cases."""

    store: Path
    pool: Path
    cases: Sequence[Case]


def sample_of(bench: Bench, dataset: str, split: str) -> Sample:
    """Return a sample of a split, from its cases of small, usual and large grids."""
    cases = cases_of(bench.config, dataset, split)
    chosen = evenly(sorted(cases, key=lambda case: np.prod(case["size"])), MATRICES)
    name = f"sample-{dataset}-{split}"
    store, pool = bench.folder / f"{name}.store.h5", bench.folder / f"{name}.pool.h5"
    if not store.exists():
        seed = bench.config["seed"]
        write_store(store, _random_matrices(chosen, seed))
        build_parametric_pool(
            pool,
            model="drift-white",
            name=name,
            seed=seed,
            n_frames=max(2, *(int(np.prod(case["size"])) for case in chosen)) * 5 // 4,
            frequency_axis=np.arange(float(simulation_of(chosen[0]).sequence.n_frequencies)),
            frequencies=frequencies_of([store], twins=True),
        )
    return Sample(store, pool, chosen)


def _random_matrices(cases: Sequence[Case], seed: int) -> Iterator[StoredMatrix]:
    for case in cases:
        rng = generator(seed, "plan", case["name"])
        images = rng.normal(size=(COMPONENTS, *case["size"])).astype(np.float32)
        images /= np.abs(images).max(axis=(1, 2, 3), keepdims=True)
        orders = mixing_orders(simulation_of(case).sequence)
        # Low mixing orders, as of strong components, which have twins.
        low = np.argsort(np.abs(orders).sum(axis=1), kind="stable")[1 : 8 * COMPONENTS]
        frequency = np.sort(rng.choice(low, COMPONENTS, replace=False)).astype(np.int32)
        channel = (np.arange(COMPONENTS) % case["dimension"]).astype(np.int32)
        yield StoredMatrix(
            case["name"],
            images,
            channel,
            frequency,
            orders[frequency].astype(np.int32),
            np.ones(COMPONENTS),
            case,
        )
