"""Pairs of degraded and true components, made on the fly.

A sample depends on (seed, sample index) alone, not on workers, batches or interruptions.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from smrestore.degradation import complex_sigma, unit_maximum
from smrestore.errors import InputError
from smrestore.noise import NoisePool
from smrestore.padding import embed, random_offset, window
from smrestore.phase import phase_factor
from smrestore.seeds import generator
from smrestore.store import SystemMatrixStore
from smrestore.tasks import denoising
from smrestore.training.settings import TrainingSettings

Sample = dict[str, torch.Tensor]


def check_data(store: SystemMatrixStore, pool: NoisePool, settings: TrainingSettings) -> None:
    """Check before the first step that every sample can be made.

    Raises
    ------
    InputError
        If a matrix has another dimension or exceeds the patch, or the pool does not fit.
    """
    shapes = [store.shape(i) for i in range(len(store))]
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
    pool.check_fits(shapes, store.n_frequencies(0), store.frequencies())


@dataclass
class TrainingPairs(Dataset):
    """Samples ``start`` to ``start + count`` of an endless sequence of training pairs.

    A sample is a dictionary of float32 tensors: ``degraded`` and ``truth`` (2, *patch), ``valid``
    (1, *patch) with 1 inside the grid.
    """

    store: SystemMatrixStore
    pool: NoisePool
    settings: TrainingSettings
    seed: int
    purpose: str
    start: int
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(index)
        settings = self.settings
        rng = generator(self.seed, self.purpose, self.start + index)
        component = self.store.draw(rng)
        truth, _ = unit_maximum(component.image)
        truth = truth * (rng.uniform(*settings.scale) * np.exp(2j * np.pi * rng.random()))
        sigma = complex_sigma(rng.uniform(*settings.sigma), settings.sigma_convention)
        pair = denoising.degrade(component, truth, self.pool, sigma=sigma, rng=rng)
        degraded, truth = pair.degraded.image, pair.truth
        if settings.phase == "canonical":
            turn = np.conj(phase_factor(degraded))
            degraded, truth = degraded * turn, truth * turn
        size = degraded.shape[: settings.dimension]
        patch = (settings.patch,) * settings.dimension
        place = window(size, random_offset(size, patch, rng))
        valid = np.zeros((1, *patch), dtype=np.float32)
        valid[(0, *place)] = 1
        return {
            "degraded": torch.from_numpy(embed(degraded.reshape(size), patch, place)),
            "truth": torch.from_numpy(embed(truth.reshape(size), patch, place)),
            "valid": torch.from_numpy(valid),
        }
