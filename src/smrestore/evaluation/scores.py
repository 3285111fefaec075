"""Evaluation of a method on simulated components with known truth: one row per component."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from smrestore.evaluation.simulated_twins import degrade_with_twins
from smrestore.methods import Method
from smrestore.metrics import psnr, ssim
from smrestore.noise import NoisePool, check_disjoint
from smrestore.simulation.store import Component, SystemMatrixStore
from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path
from smrestore.support.progress import progress_bar
from smrestore.support.seeds import generator
from smrestore.tasks import make_task
from smrestore.tasks.degradation import Pair, complex_sigma, unit_maximum
from smrestore.tasks.task import Task

logger = logging.getLogger(__name__)

BATCH = 256


@dataclass(frozen=True)
class EvaluationSet:
    """Which components are degraded how.

    Attributes
    ----------
    name, task
        The name enters the seeds.
    components_per_matrix
        Drawn without replacement from each matrix.
    sigma, sigma_convention
        Noise standard deviations relative to a truth of unit maximum, and what they mean.
    particle_state
        Only matrices with ``fluid`` or ``immobilized`` particles; all if not given.
    degradation
        Options of the task, see :func:`smrestore.tasks.make_task`.
    """

    name: str
    task: str
    components_per_matrix: int
    sigma: tuple[float, ...]
    sigma_convention: str
    particle_state: str | None = None
    degradation: Mapping[str, object] = field(default_factory=dict)

    def make_task(self) -> Task:
        """Return the task with its options."""
        return make_task(self.task, self.degradation)

    def matrices(self, store: SystemMatrixStore) -> list[int]:
        """Return the indices of the matrices that belong to the test set.

        Raises
        ------
        InputError
            If there are none.
        """
        chosen = [
            matrix
            for matrix in range(len(store))
            if self.particle_state in (None, store.parameters(matrix)["particle_state"])
        ]
        if not chosen:
            raise InputError(
                f"no system matrix has {self.particle_state} particles",
                path=store.paths[0],
                field="particle_state",
                remedy="simulate more matrices, or test with those of any particles",
            )
        return chosen


@dataclass(frozen=True)
class EvaluationPair:
    """A component of a test set at one noise level."""

    component: Component
    pair: Pair
    sigma: float


def evaluation_pairs(
    test_set: EvaluationSet,
    store: SystemMatrixStore,
    pool: NoisePool,
    seed: int,
    twins: bool = False,
) -> Iterator[EvaluationPair]:
    """Yield the pairs of a test set; the same ones for every method.

    The truth has unit maximum and a random global phase. Noise levels of one component share phase
    and noise, so that they differ in strength alone. With ``twins``, the components are averaged
    with their twin frequencies, see :func:`.simulated_twins.degrade_with_twins`.
    """
    task = test_set.make_task()
    for matrix in test_set.matrices(store):
        n_components = store.n_components(matrix)
        rng = generator(seed, "test set", test_set.name, matrix)
        count = min(test_set.components_per_matrix, n_components)
        for index in np.sort(rng.choice(n_components, count, replace=False)):
            component = store.read(matrix, int(index))
            truth, _ = unit_maximum(task.ground_truth(component.image))
            truth = (truth * np.exp(2j * np.pi * rng.random())).astype(np.complex64)
            noise_rng = partial(generator, seed, "test noise", test_set.name, matrix, int(index))
            for sigma in test_set.sigma:
                strength = complex_sigma(sigma, test_set.sigma_convention)
                if twins:
                    orders = store.mixing_orders(matrix)
                    pair = degrade_with_twins(
                        component, truth, pool, sigma=strength, mixing_order=orders, rng=noise_rng
                    )
                else:
                    pair = task.degrade(component, truth, pool, sigma=strength, rng=noise_rng())
                yield EvaluationPair(component, pair, sigma)


def score(
    item: EvaluationPair, restored: np.ndarray, test_set: EvaluationSet, method: str, seed: int
) -> dict:
    """Return the row of one restored component; metrics relative to a truth of unit maximum."""
    factor = item.pair.factor
    component = item.component
    truth = item.pair.truth * factor
    row = {
        "test_set": test_set.name,
        "task": test_set.task,
        "method": method,
        "matrix": component.matrix,
        "channel": component.channel,
        "frequency": component.frequency,
    }
    for axis, order in zip("xyz", component.mixing_order, strict=True):
        row[f"mixing_order_{axis}"] = order
    for axis, size in zip("xyz", truth.shape, strict=True):
        row[f"size_{axis}"] = size
    degraded = item.pair.degraded
    missing = degraded.missing
    row |= {
        "sigma": item.sigma,
        "scale": degraded.spacing,
        "mask_ratio": 0.0 if missing is None else float(missing.mean()),
        "psnr": psnr(restored * factor, truth),
        "ssim": ssim(restored * factor, truth),
        "seed": seed,
    }
    if missing is not None:
        row["psnr_missing"] = psnr(restored * factor, truth, valid=missing)
    return row


def evaluate(
    test_set: EvaluationSet,
    method: Method,
    name: str,
    *,
    matrices: Sequence[str | Path],
    noise_pool: str | Path,
    seed: int,
    path: str | Path,
    trained_with: Sequence[str | Path] = (),
    twins: bool = False,
) -> None:
    """Restore a whole test set with one method and write a CSV with a row per component.

    ``trained_with`` are the noise pools that the method was trained with. With ``twins``, the
    method gets components that are averaged with their twin frequencies, which is defined for
    denoising.

    Raises
    ------
    InputError
        If the noise pool does not fit the matrices or shares frames with that of the training, or a
        restored image is not finite.
    """
    if twins and test_set.task != "denoising":
        raise InputError(
            f"twins are averaged for denoising, not for {test_set.task}",
            field="task",
            remedy="use the method on single components",
        )
    store, pool = SystemMatrixStore(matrices), NoisePool(noise_pool)
    task = test_set.make_task()
    shapes = [task.measured_size(store.shape(m)) for m in range(len(store))]
    pool.check_fits(shapes, store.n_frequencies(0), store.frequencies())
    for path_of_pool in trained_with:
        training = NoisePool(path_of_pool).origins
        check_disjoint(pool.origins, training, path=noise_pool, trained_with=path_of_pool)
    total = len(test_set.sigma) * sum(
        min(test_set.components_per_matrix, store.n_components(m)) for m in test_set.matrices(store)
    )
    rows: list[dict] = []
    batch: list[EvaluationPair] = []
    with progress_bar(total=total, desc=name, unit="component") as progress:

        def restore_batch() -> None:
            restored = method([item.pair.degraded for item in batch])
            for item, image in zip(batch, restored, strict=True):
                rows.append(score(item, image, test_set, name, seed))
            progress.update(len(batch))
            batch.clear()

        for item in evaluation_pairs(test_set, store, pool, seed, twins):
            batch.append(item)
            if len(batch) == BATCH:
                restore_batch()
        restore_batch()
    table = pd.DataFrame(rows)
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)
    for sigma, group in table.groupby("sigma"):
        logger.info("%s at sigma %g: %.2f dB", name, sigma, group["psnr"].mean())
