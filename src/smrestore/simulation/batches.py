"""Simulation of batches of system matrices: cases in, store out."""

import functools
import heapq
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from smrestore.physics.dynamics import Rotation, dynamic_values
from smrestore.physics.mixing import mixing_orders
from smrestore.physics.parameters import Case, simulation_of
from smrestore.physics.spectrum import (
    Components,
    Simulation,
    component_values,
    make_plan,
    system_matrix,
)
from smrestore.simulation.staging import NormalizedImages, StagedImages
from smrestore.simulation.store import StoredMatrix, verify_store, write_store
from smrestore.support.errors import InputError
from smrestore.support.files import new_hdf5, provenance, reserve_space
from smrestore.support.progress import progress_bar
from smrestore.support.seeds import generator

logger = logging.getLogger(__name__)

N_PROBES = 96
"""Voxels at which the norms of all components are estimated."""
PROBE_BYTES = 64 * 2**20
"""Working memory of that estimate."""
PROBE_MARGIN = 10.0
"""A component is looked at closely if its estimate exceeds the threshold over this."""
ROW_BYTES = 32 * 2**20
"""Working memory of norms."""
PROGRAM_MB = 500
"""Memory of the interpreter, libraries and tables."""


@dataclass(frozen=True)
class ComponentSelection:
    """Which components of a matrix are kept.

    Attributes
    ----------
    norm_threshold
        Keep those whose L2 norm exceeds this fraction of the largest one of the matrix.
    maximum
        Keep at most this many, drawn at random.
    decimals
        Round and compress them, see :func:`smrestore.simulation.store.write_store`.
    """

    norm_threshold: float = 1e-5
    maximum: int = 512
    decimals: int | None = None


@dataclass(frozen=True)
class Resources:
    """How a simulation is computed; its result is the same but for rounding.

    Attributes
    ----------
    evaluator
        ``table``, or ``quadrature`` for the slow reference.
    threads
        Threads, as many as Numba has if not given.
    memory
        Bytes that arrays may take: components beyond half of it wait on disk. No limit if not
        given.
    scratch
        Folder for them; the one for temporary files if not given.
    """

    evaluator: str = "table"
    threads: int | None = None
    memory: int | None = None
    scratch: Path | None = None

    @classmethod
    def of_job(cls, memory_mb: float, evaluator: str, scratch: Path) -> "Resources":
        """Return what a job may use that was given ``memory_mb`` altogether.

        Raises
        ------
        InputError
            If the program alone takes all of it.
        """
        memory = int((memory_mb - PROGRAM_MB) * 1e6)
        if memory <= 0:
            raise InputError(
                f"{memory_mb:g} MB are too little for a program that takes about {PROGRAM_MB} MB",
                field="mem_mb",
                remedy="give the job more memory",
            )
        return cls(evaluator=evaluator, memory=memory, scratch=scratch)

    def options(self) -> dict[str, object]:
        """Return the options of :func:`smrestore.physics.component_values`."""
        memory = None if self.memory is None else self.memory // 4
        return {"evaluator": self.evaluator, "threads": self.threads, "memory": memory}


def _candidates(
    simulation: Simulation,
    selection: ComponentSelection,
    rng: np.random.Generator,
    resources: Resources,
) -> tuple[Components, np.ndarray]:
    """Return components that may exceed the threshold, and which of them may be kept, bool (S,).

    Norms are estimated on a random subset of the voxels, so that no more than a few values of each
    component are held at a time. Of those above the threshold a random set is taken, somewhat
    larger than wanted; if all are wanted, those just below it are taken, too. The strongest is
    always there for comparison, but not kept unless it is drawn.
    """
    everything = Components.all_of(simulation)
    positions = simulation.grid.positions().reshape(-1, 3)
    if len(positions) > N_PROBES:
        positions = positions[np.sort(rng.choice(len(positions), N_PROBES, replace=False))]
    dtype = np.float64 if simulation.is_real else np.complex128
    limit = PROBE_BYTES if resources.memory is None else min(PROBE_BYTES, resources.memory // 4)
    rows = max(1, limit // (len(everything) * np.dtype(dtype).itemsize))
    values = np.empty((min(rows, len(positions)), len(everything)), dtype)
    energy = np.zeros(len(everything))
    for start in range(0, len(positions), rows):
        part = positions[start : start + rows]
        block = component_values(
            simulation, everything, part, out=values[: len(part)], **resources.options()
        )
        energy += np.einsum("ps,ps->s", block, block.conj()).real
    norm = np.sqrt(energy)
    norm /= norm.max()
    shuffled = rng.permutation(len(everything))
    norm = norm[shuffled]
    above = shuffled[norm > selection.norm_threshold]
    almost = (norm > selection.norm_threshold / PROBE_MARGIN) & (norm <= selection.norm_threshold)
    spare = selection.maximum + selection.maximum // 16 + 16
    drawn = np.concatenate([above, shuffled[almost]])[:spare]
    found = np.union1d(drawn, energy.argmax())
    chosen = Components(everything.channel[found], everything.frequency[found])
    return chosen, np.isin(found, drawn)


def _measure(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of squares and the largest magnitude of each column, float64 (S,)."""
    energy, peak = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    rows = max(1, ROW_BYTES // (16 * values.shape[1]))
    for start in range(0, len(values), rows):
        magnitude = np.abs(values[start : start + rows]).astype(np.float64)
        energy += np.einsum("ps,ps->s", magnitude, magnitude)
        np.maximum(peak, magnitude.max(axis=0), out=peak)
    return energy, peak


def _voxels_per_stage(n_voxels: int, voxel_bytes: int, memory: int | None) -> int:
    """Return how many voxels are held at a time, each of which takes ``voxel_bytes``."""
    if memory is None:
        return n_voxels
    count = memory // 2 // voxel_bytes
    if count < 1:
        raise InputError(
            f"{memory / 2**20:.3g} MiB are too little: the components of one voxel take "
            f"{voxel_bytes / 2**20:.3g} MiB of half of it",
            field="memory",
            remedy="allow more memory or keep fewer components",
        )
    return min(count, n_voxels)


def _kernel(simulation: Simulation, resources: Resources) -> Callable[..., object]:
    """Return the function that simulates components, in equilibrium or out of it."""
    if simulation.particle.model == "neel":
        rotation = Rotation("neel")
        return functools.partial(dynamic_values, rotation=rotation, threads=resources.threads)
    return functools.partial(component_values, **resources.options())


def simulate_matrix(
    case: Case,
    selection: ComponentSelection,
    seed: int,
    resources: Resources | None = None,
    progress: Callable[[int], object] | None = None,
) -> StoredMatrix:
    """Simulate one case and keep its components by energy, in two passes.

    The first pass estimates norms on a few voxels and finds candidates, the second one simulates
    these on the whole grid and keeps those whose exact norm exceeds the threshold. The first pass
    is one in equilibrium, also where moments lag behind.

    The components are images of i S, which are real in an equilibrium model with cosine excitation:
    S is -1j times a component times its norm over the L2 norm of the component.
    """
    resources = resources or Resources()
    simulation = simulation_of(case)
    grid = simulation.grid
    rng = generator(seed, "components", case["name"])
    candidates, eligible = _candidates(simulation, selection, rng, resources)
    dtype = np.dtype(np.float32 if simulation.is_real else np.complex64)
    voxel_bytes = dtype.itemsize * len(candidates)
    images = StagedImages(
        len(candidates),
        grid.size,
        dtype,
        _voxels_per_stage(grid.n_positions, voxel_bytes, resources.memory),
        resources.scratch,
    )
    positions = grid.positions().reshape(-1, 3)
    energy, peak = np.zeros(len(candidates)), np.zeros(len(candidates))
    fill = _kernel(simulation, resources)
    for voxels, values in images.fill():
        fill(
            simulation,
            components=candidates,
            positions=positions[voxels],
            out=values,
            progress=progress,
        )
        stage_energy, stage_peak = _measure(values)
        energy += stage_energy
        np.maximum(peak, stage_peak, out=peak)
    norm = np.sqrt(energy)
    kept = np.flatnonzero(eligible & (norm > selection.norm_threshold * norm.max()))
    if len(kept) > selection.maximum:
        kept = np.sort(rng.choice(kept, selection.maximum, replace=False))
    return StoredMatrix(
        name=case["name"],
        components=NormalizedImages(images, kept, peak[kept]),
        channel=candidates.channel[kept],
        frequency=candidates.frequency[kept],
        mixing_order=mixing_orders(simulation.sequence)[candidates.frequency[kept]],
        norm=norm[kept],
        parameters=dict(case),
    )


def estimated_cost(case: Case) -> float:
    """Return the evaluations of the moment that a case takes, from a few of its voxels."""
    simulation = simulation_of(case)
    positions = simulation.grid.positions().reshape(-1, 3)
    some = positions[:: max(1, len(positions) // N_PROBES)]
    return make_plan(simulation, some).n_shared / len(some) * len(positions)


def balanced_batches(costs: Sequence[float], n_batches: int) -> list[list[int]]:
    """Share out items among batches of about equal cost.

    The most expensive item left goes to the cheapest batch (Graham 1969), so no batch exceeds the
    mean by more than one item. Returns the indices of each batch in ascending order.
    """
    batches: list[list[int]] = [[] for _ in range(n_batches)]
    heap = [(0.0, number) for number in range(n_batches)]
    for index in sorted(range(len(costs)), key=lambda i: (-costs[i], i)):
        cost, number = heapq.heappop(heap)
        batches[number].append(index)
        heapq.heappush(heap, (cost + costs[index], number))
    return [sorted(batch) for batch in batches]


def batch_of(cases: list[Case], number: int, n_batches: int) -> list[Case]:
    """Return the cases of one of several batches that take about equally long."""
    costs = [estimated_cost(case) for case in cases]
    return [cases[index] for index in balanced_batches(costs, n_batches)[number]]


def simulate_batch(
    cases: list[Case],
    path: str | Path,
    *,
    selection: ComponentSelection,
    seed: int,
    resources: Resources | None = None,
) -> None:
    """Simulate cases one after the other and write them as one store, verified by reading it back.

    The result of a case does not depend on the batch it is in.
    """
    resources = resources or Resources()

    def matrices() -> Iterator[StoredMatrix]:
        voxels = sum(simulation_of(case).grid.n_positions for case in cases)
        with progress_bar(total=voxels, desc="system matrices", unit="voxel") as progress:
            for number, case in enumerate(cases, start=1):
                start = time.perf_counter()
                yield simulate_matrix(case, selection, seed, resources, progress.update)
                logger.info(
                    "%s: %d of %d, %.2f s",
                    case["name"],
                    number,
                    len(cases),
                    time.perf_counter() - start,
                )

    settings = {key: value for key, value in asdict(selection).items() if value is not None}
    attributes = {"seed": seed, "evaluator": resources.evaluator, **settings}
    write_store(path, matrices(), attributes, selection.decimals)
    verify_store(path)
    logger.info("%s: %d system matrices", path, len(cases))


def simulate_full(
    cases: list[Case],
    path: str | Path,
    resources: Resources | None = None,
    transfer_function: np.ndarray | None = None,
) -> None:
    """Write whole matrices of small cases, ``/{name}/system_matrix`` complex128 (coil, k, x, y, z).

    ``transfer_function`` complex (coil, k) multiplies all of them.

    Raises
    ------
    InputError
        If two cases have the same name, or a case is invalid.
    """
    resources = resources or Resources()
    simulations = [simulation_of(case) for case in cases]
    if transfer_function is not None:
        simulations = [
            replace(s, receiver=replace(s.receiver, transfer_function=transfer_function))
            for s in simulations
        ]
    names = [case["name"] for case in cases]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two cases are called {name!r}", field="name", remedy="rename one")
    with new_hdf5(path) as file:
        file.attrs.update(provenance())
        pairs = zip(cases, simulations, strict=True)
        for case, simulation in progress_bar(
            pairs, "system matrices", total=len(cases), unit="matrix"
        ):
            matrix = system_matrix(simulation, simulate=_kernel(simulation, resources))
            reserve_space(file, matrix.nbytes)
            group = file.create_group(case["name"])
            group.attrs.update(case)
            group["system_matrix"] = matrix
            group["system_matrix"].attrs["unit"] = "1/s"
