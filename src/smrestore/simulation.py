"""Simulation of batches of system matrices: cases in, store out."""

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import numpy as np

from smrestore.errors import InputError
from smrestore.files import atomic_path, provenance
from smrestore.parameters import Case, simulation_of
from smrestore.physics.equilibrium import induction_factor, moment_spectrum, system_matrix
from smrestore.physics.mixing import mixing_orders
from smrestore.progress import progress_bar
from smrestore.seeds import generator
from smrestore.store import StoredMatrix, verify_store, write_store

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ComponentSelection:
    """Which components of a matrix are kept.

    Attributes
    ----------
    norm_threshold
        Keep those whose L2 norm exceeds this fraction of the largest one of the matrix.
    maximum
        Keep at most this many, drawn at random.
    """

    norm_threshold: float = 1e-5
    maximum: int = 512


def simulate_matrix(case: Case, selection: ComponentSelection, seed: int) -> StoredMatrix:
    """Simulate one case and keep its components by energy.

    The system matrix is imaginary, so the components are stored as real images: S is -1j times a
    component times norm over the L2 norm of the component.
    """
    simulation = simulation_of(case)
    sequence, grid = simulation.sequence, simulation.grid
    images = moment_spectrum(simulation)
    images *= induction_factor(sequence)[:, None]
    norm = np.linalg.norm(images, axis=-1)
    channel, frequency = np.nonzero(norm > selection.norm_threshold * norm.max())
    if len(channel) > selection.maximum:
        rng = generator(seed, "components", case["name"])
        chosen = np.sort(rng.choice(len(channel), selection.maximum, replace=False))
        channel, frequency = channel[chosen], frequency[chosen]
    components = images[channel, frequency]
    components /= np.abs(components).max(axis=1, keepdims=True)
    return StoredMatrix(
        name=case["name"],
        components=components.reshape(-1, *grid.size).astype(np.float32),
        channel=channel,
        frequency=frequency,
        mixing_order=mixing_orders(sequence)[frequency],
        norm=norm[channel, frequency],
        parameters=dict(case),
    )


def simulate_batch(
    cases: list[Case], path: str | Path, *, selection: ComponentSelection, seed: int
) -> None:
    """Simulate cases one after the other and write them as one store, verified by reading it back.

    The result of a case does not depend on the batch it is in.
    """

    def matrices() -> Iterator[StoredMatrix]:
        for case in progress_bar(cases, desc="system matrices", unit="matrix"):
            yield simulate_matrix(case, selection, seed)

    write_store(path, matrices(), {"seed": seed, **asdict(selection)})
    verify_store(path)
    logger.info("%s: %d system matrices", path, len(cases))


def simulate_full(cases: list[Case], path: str | Path) -> None:
    """Write whole matrices of small cases, ``/{name}/system_matrix`` complex128 (coil, k, x, y, z).

    Raises
    ------
    InputError
        If two cases have the same name, or a case is invalid.
    """
    simulations = [simulation_of(case) for case in cases]
    names = [case["name"] for case in cases]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two cases are called {name!r}", field="name", remedy="rename one")
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(provenance())
        pairs = zip(cases, simulations, strict=True)
        for case, simulation in progress_bar(
            pairs, "system matrices", total=len(cases), unit="matrix"
        ):
            group = file.create_group(case["name"])
            group.attrs.update(case)
            group["system_matrix"] = system_matrix(simulation)
            group["system_matrix"].attrs["unit"] = "1/s"
