"""Pairs of degraded and true components, made on the fly.

A sample depends on (seed, sample index) alone, not on workers, batches or interruptions.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from smrestore.degradation import Pair, complex_sigma, unit_maximum
from smrestore.errors import InputError
from smrestore.noise import NoisePool
from smrestore.padding import embed, indicator, random_offset, refined, window
from smrestore.phase import phase_factor
from smrestore.seeds import generator
from smrestore.store import SystemMatrixStore
from smrestore.tasks import make_task
from smrestore.training.settings import TrainingSettings

Sample = dict[str, torch.Tensor]


def check_data(store: SystemMatrixStore, pool: NoisePool, settings: TrainingSettings) -> None:
    """Check before the first step that every sample can be made.

    Raises
    ------
    InputError
        If a matrix has another dimension or exceeds the patch, or the pool does not fit.
    """
    task = make_task(settings.task, settings.degradation)
    if settings.patch % task.spacing:
        raise InputError(
            f"{settings.patch} voxels do not hold whole measured voxels, of which every "
            f"{task.spacing}th voxel is one",
            field="patch",
            remedy=f"give a multiple of {task.spacing}",
        )
    shapes = [task.restored_size(store.shape(i)) for i in range(len(store))]
    for i, shape in enumerate(shapes):
        parameters = store.parameters(i)
        if parameters["dimension"] != settings.dimension:
            raise InputError(
                f"system matrix {parameters['name']} has dimension {parameters['dimension']}, the "
                f"experiment {settings.dimension}",
                path=store.paths[0],
                field="dimension",
                remedy="choose a dataset of the experiment's dimension",
            )
        if max(shape) > settings.patch:
            raise InputError(
                f"grid {shape} of {parameters['name']} exceeds the patch of {settings.patch} "
                "voxels",
                field="patch",
                remedy="enlarge the patch or limit the dataset's grid sizes",
            )
    measured = [task.measured_size(store.shape(i)) for i in range(len(store))]
    pool.check_fits(measured, store.n_frequencies(0), store.frequencies())


@dataclass
class TrainingPairs(Dataset):
    """Samples ``start`` to ``start + count`` of an endless sequence of training pairs.

    A sample is a dictionary of float32 tensors. What was measured: ``degraded`` (2, *patch), and
    ``mask`` (1, *patch) with 1 at measured voxels, on a patch that is smaller by the spacing of the
    task; ``sigma`` (), the standard deviation of the complex noise. What is wanted: ``truth``
    (2, *patch), ``valid`` (1, *patch) with 1 inside the grid and ``missing`` (1, *patch) with 1
    where nothing was measured.
    """

    store: SystemMatrixStore
    pool: NoisePool
    settings: TrainingSettings
    seed: int
    purpose: str
    start: int
    count: int

    def __post_init__(self) -> None:
        self.task = make_task(self.settings.task, self.settings.degradation)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(index)
        settings = self.settings
        rng = generator(self.seed, self.purpose, self.start + index)
        pair = self._pair(rng)
        degraded, truth = pair.degraded.image, pair.truth
        if settings.phase == "canonical":
            turn = np.conj(phase_factor(degraded))
            degraded, truth = degraded * turn, truth * turn
        spacing = pair.degraded.spacing
        size, measured = (image.shape[: settings.dimension] for image in (truth, degraded))
        patch = (settings.patch,) * settings.dimension
        small = (settings.patch // spacing,) * settings.dimension
        place = window(measured, random_offset(measured, small, rng))
        restored = refined(place, spacing, size)
        missing = pair.degraded.missing
        known = True if missing is None else ~missing.reshape(measured)
        unknown = False if missing is None else missing.reshape(size)
        sample = {
            "degraded": embed(degraded.reshape(measured), small, place),
            "mask": indicator(small, place, known),
            "sigma": np.float32(pair.degraded.sigma),
            "truth": embed(truth.reshape(size), patch, restored),
            "valid": indicator(patch, restored),
            "missing": indicator(patch, restored, unknown),
        }
        return {name: torch.as_tensor(array) for name, array in sample.items()}

    def _pair(self, rng: np.random.Generator) -> Pair:
        """Draw a component, rotate and scale it, degrade it."""
        settings = self.settings
        component = self.store.draw(rng)
        truth, _ = unit_maximum(self.task.ground_truth(component.image))
        truth = truth * (rng.uniform(*settings.scale) * np.exp(2j * np.pi * rng.random()))
        sigma = complex_sigma(rng.uniform(*settings.sigma), settings.sigma_convention)
        if rng.random() < settings.noise_free:
            sigma = 0.0
        return self.task.degrade(component, truth, self.pool, sigma=sigma, rng=rng)
