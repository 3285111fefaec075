"""Parameters and simulated system matrices."""

import math
from functools import partial

import numpy as np
from scipy.optimize import brentq, nnls

from smrestore.noise.build import frequencies_of
from smrestore.physics.parameters import Case, SizeLimits, draw_cases, simulation_of
from smrestore.planning.jobs import Bench, Job, evenly, steady_seconds
from smrestore.planning.start import start_of
from smrestore.simulation.batches import (
    N_PROBES,
    PROBE_BYTES,
    PROGRAM_MB,
    ComponentSelection,
    Resources,
    estimated_cost,
    simulate_batch,
)

CASES = 24
"""Cases of a split whose cost is estimated; others are taken to cost the mean of these."""
MEASURED = 4
"""Cases of a dataset that are simulated."""
LARGEST = {1: 64, 2: 48, 3: 7}
"""Voxels along each axis of those, at most."""
JOB_MB = 2000
"""Memory that the workflow grants a job of a batch."""


def cases_of(config: dict, dataset: str, split: str, count: int = CASES) -> list[Case]:
    """Return the first cases of a split, the same as the run draws."""
    entry = config["datasets"][dataset]
    grid, sequence = entry["grid"], entry["sequence"]
    return draw_cases(
        min(count, entry["matrices"][split]),
        seed=config["seed"],
        dataset=entry["draws_of"],
        split=split,
        dimension=entry["dimension"],
        model=entry["model"],
        limits=SizeLimits(
            (grid["minimum_size"], grid["maximum_size"]),
            tuple(grid.get("average_size", (0.0, float("inf")))),
        ),
        refinement=entry["refinement"],
        dividers=tuple(sequence["dividers"]),
        base_frequency=sequence["base_frequency_Hz"],
        sampling_rate=sequence["sampling_rate_Hz"],
    )


def plan_parameters(bench: Bench) -> list[Job]:
    """Return the jobs that draw parameters."""
    start = start_of("parameters")
    return [
        Job("parameters", f"{name}/{split}", start.seconds, memory=start.memory, disk=400.0 * count)
        for name, entry in bench.config["datasets"].items()
        for split, count in entry["matrices"].items()
        if count
    ]


def plan_simulation(bench: Bench, dataset: str) -> list[Job]:
    """Return the jobs that simulate the matrices of a dataset."""
    entry = bench.config["datasets"][dataset]
    start = start_of("simulation")
    splits = {
        split: cases_of(bench.config, dataset, split)
        for split, count in entry["matrices"].items()
        if count
    }
    per_work, per_matrix, voxel_bytes = _measured(
        bench, dataset, [case for cases in splits.values() for case in cases]
    )
    limit = (JOB_MB - PROGRAM_MB) * 1e6 / 2
    jobs = []
    for split, cases in splits.items():
        count = entry["matrices"][split]
        n_batches = -(-count // entry["batch_size"])
        seconds = [per_matrix + per_work * _work(case) for case in cases]
        voxels = [int(np.prod(case["size"])) for case in cases]
        share = count / n_batches
        # Candidates, and what is kept of them.
        held = min(1.1 * voxel_bytes * max(voxels), limit) + _probed(cases[0])
        jobs += [
            Job(
                "simulation",
                f"{dataset}/{split}/{batch:03d}",
                start.seconds + share * float(np.mean(seconds)),
                memory=start.memory + held,
                disk=share * voxel_bytes * float(np.mean(voxels)),
            )
            for batch in range(n_batches)
        ]
    return jobs


def _work(case: Case) -> float:
    """Return the evaluations of the moment of a case, with those that choose components."""
    voxels = int(np.prod(case["size"]))
    return estimated_cost(case) * (1 + min(voxels, N_PROBES) / voxels)


def _probed(case: Case) -> float:
    """Return the bytes of all components at some voxels, from which those to keep are chosen."""
    simulation = simulation_of(case)
    count = simulation.sequence.n_frequencies * simulation.receiver.n_channels
    return 3 * min(PROBE_BYTES, 8 * count * N_PROBES)


def _measured(bench: Bench, dataset: str, cases: list[Case]) -> tuple[float, float, float]:
    """Return seconds per evaluation, seconds per matrix, and stored bytes per voxel."""
    entry = bench.config["datasets"][dataset]
    largest = LARGEST[entry["dimension"]]
    chosen = evenly(sorted(cases, key=lambda case: estimated_cost(case)), MEASURED)
    rows, seconds, stores, voxels = [], [], [], []
    for number, case in enumerate(chosen):
        # Of fewer voxels, in the same field of view. Every other one is smaller still, so that the
        # time of a voxel and that of a matrix can be told apart.
        most = max(1, largest // (1 + number % 2))
        small = {**case, "size": tuple(min(n, most) for n in case["size"])}
        path = bench.folder / f"{dataset}-{number}.h5"
        simulate = partial(
            simulate_batch,
            [small],
            path,
            selection=ComponentSelection(**entry["components"]),
            seed=bench.config["seed"],
            resources=Resources(evaluator=entry["evaluator"], threads=1),
        )
        # The first time makes tables, which belong to the start of a job.
        simulate()
        seconds.append(steady_seconds(simulate))
        rows.append([_work(small), 1.0])
        stores.append(path)
        voxels.append(simulation_of(small).grid.n_positions)
    (per_work, per_matrix), _ = nnls(np.array(rows), np.array(seconds))
    found, drawn = len(frequencies_of(stores)), len(stores) * entry["components"]["maximum"]
    bench.strong[dataset] = _drawn_from(found, drawn)
    n_bytes = sum(path.stat().st_size for path in stores)
    return float(per_work), float(per_matrix), n_bytes / sum(voxels)


def distinct(drawn: float, strong: float) -> float:
    """Return how many of ``strong`` items are expected among ``drawn`` random ones."""
    return strong * -math.expm1(-drawn / strong)


def _drawn_from(found: int, drawn: int) -> float:
    """Return of how many items ``found`` different ones are expected among ``drawn``."""
    if found >= 0.999 * drawn:
        return 1e3 * drawn
    return brentq(lambda strong: distinct(drawn, strong) - found, found, 1e6 * drawn)
