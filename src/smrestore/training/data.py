"""Pairs of degraded and true components, made on the fly.

A sample depends only on the seed and its index, not on workers, batches or interruptions.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.utils.data import Dataset

from smrestore.methods.guess import FirstGuess
from smrestore.methods.padding import embed, indicator, random_offset, refined, window
from smrestore.methods.phase import phase_factor
from smrestore.noise import NoisePool
from smrestore.simulation.store import Component, SystemMatrixStore
from smrestore.support.errors import InputError
from smrestore.support.seeds import generator
from smrestore.tasks import make_task
from smrestore.tasks.degradation import Pair, complex_sigma, unit_maximum
from smrestore.training.settings import TrainingSettings

Sample = dict[str, torch.Tensor]

NEAR = 2
"""Largest difference of mixing orders along an axis at which components are taken for near."""


@dataclass(frozen=True)
class Selection:
    """The matrices of a store that samples are drawn from.

    Attributes
    ----------
    matrices
        Their indices in the store.
    excluded, cropped
        How many matrices are larger than the patch and are left out, or cut.
    """

    matrices: tuple[int, ...]
    excluded: int = 0
    cropped: int = 0

    def __str__(self) -> str:
        text = f"{len(self.matrices)} system matrices"
        if self.excluded:
            text += f", without {self.excluded} that exceed the patch"
        return text + (f", {self.cropped} of which are cropped" if self.cropped else "")


def select(store: SystemMatrixStore, settings: TrainingSettings) -> Selection:
    """Select matrices by the rule for those that are larger than the patch."""
    task = make_task(settings.task, settings.degradation)
    sizes = [max(task.restored_size(store.shape(i))) for i in range(len(store))]
    fitting = tuple(i for i, size in enumerate(sizes) if size <= settings.patch)
    oversize = len(sizes) - len(fitting)
    if settings.oversize == "exclude":
        return Selection(fitting, excluded=oversize)
    return Selection(tuple(range(len(sizes))), cropped=oversize)


def check_data(store: SystemMatrixStore, pool: NoisePool, settings: TrainingSettings) -> Selection:
    """Check before the first step that every sample can be made, and return the matrices used.

    Raises
    ------
    InputError
        If a matrix has another dimension, a matrix is larger than the patch and there is no rule
        for this, all matrices are left out, or the pool does not fit.
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
        if max(shape) > settings.patch and settings.oversize == "error":
            raise InputError(
                f"grid {shape} of {parameters['name']} exceeds the patch of {settings.patch} "
                "voxels",
                field="patch",
                remedy="enlarge the patch, limit the dataset's grid sizes, or let oversize crop or "
                "exclude them",
            )
    selection = select(store, settings)
    if not selection.matrices:
        raise InputError(
            f"all {len(store)} system matrices exceed the patch of {settings.patch} voxels",
            path=store.paths[0],
            field="oversize",
            remedy="enlarge the patch, or crop them",
        )
    cut = [tuple(min(n, settings.patch) for n in shapes[i]) for i in selection.matrices]
    measured = [tuple(-(-n // task.spacing) for n in shape) for shape in cut]
    pool.check_fits(measured, store.n_frequencies(0), store.frequencies())
    return selection


@dataclass
class TrainingPairs(Dataset):
    """Samples ``start`` to ``start + count`` of an endless sequence of training pairs.

    With ``levels``, samples are fixed pairs for validation: each component comes at all noise
    levels in turn. Its noise is the same each time, but for the strength.

    A sample is a dictionary of float32 tensors.

    - What was measured: ``degraded`` (2, *patch) and ``mask`` (1, *patch), which is 1 at measured
      voxels. This patch is smaller by the spacing of the task. ``sigma`` () is the standard
      deviation of the complex noise.
    - What is wanted: ``truth`` (2, *patch), ``valid`` (1, *patch), which is 1 inside the grid, and
      ``missing`` (1, *patch), which is 1 where nothing was measured.

    After a first guess, ``degraded`` and ``mask`` have the whole patch, too, and ``degraded`` is
    the guess where ``mask`` is 0.
    """

    store: SystemMatrixStore
    pool: NoisePool
    settings: TrainingSettings
    seed: int
    purpose: str
    start: int
    count: int
    levels: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        self.task = make_task(self.settings.task, self.settings.degradation)
        self.guess = FirstGuess.of(self.settings.guess)
        self.matrices = select(self.store, self.settings).matrices

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(index)
        settings = self.settings
        number, level = self.start + index, None
        if self.levels:
            number, which = divmod(number, len(self.levels))
            level = self.levels[which]
        rng = generator(self.seed, self.purpose, number)
        pair = self._pair(rng, level)
        seen, truth = pair.degraded, pair.truth
        if self.guess is not None:
            (seen,) = self.guess([seen])
        degraded = seen.image
        if settings.phase == "canonical":
            turn = np.conj(phase_factor(degraded))
            degraded, truth = degraded * turn, truth * turn
        spacing = seen.spacing
        size, measured = (image.shape[: settings.dimension] for image in (truth, degraded))
        patch = (settings.patch,) * settings.dimension
        small = (settings.patch // spacing,) * settings.dimension
        place = window(measured, random_offset(measured, small, rng))
        restored = refined(place, spacing, size)
        missing = seen.missing
        known = True if missing is None else ~missing.reshape(measured)
        unknown = False if missing is None else missing.reshape(size)
        sample = {
            "degraded": embed(degraded.reshape(measured), small, place),
            "mask": indicator(small, place, known),
            "sigma": np.array(seen.sigma, np.float32),
            "truth": embed(truth.reshape(size), patch, restored),
            "valid": indicator(patch, restored),
            "missing": indicator(patch, restored, unknown),
        }
        return {name: torch.from_numpy(array) for name, array in sample.items()}

    def _pair(self, rng: np.random.Generator, level: float | None) -> Pair:
        """Draw a component, cut it to the patch, rotate its phase, scale it and degrade it."""
        settings = self.settings
        matrix = self.matrices[int(rng.integers(len(self.matrices)))]
        number = int(rng.integers(self.store.n_components(matrix)))
        component = self.store.read(matrix, number)
        if settings.out_of_phase:
            component = self._lagging(component, matrix, number, rng)
        truth = self.task.ground_truth(component.image)
        if max(truth.shape) > settings.patch:
            size = tuple(min(n, settings.patch) for n in truth.shape)
            truth = truth[window(size, random_offset(size, truth.shape, rng))]
        if settings.flips:
            axes = [axis for axis in range(settings.dimension) if rng.random() < 0.5]
            truth = np.flip(truth, axes)
        truth, _ = unit_maximum(truth)
        truth = truth * (rng.uniform(*settings.scale) * np.exp(2j * np.pi * rng.random()))
        sigma = rng.uniform(*settings.sigma)
        if rng.random() < settings.noise_free:
            sigma = 0.0
        if level is not None:
            sigma = level
        sigma = complex_sigma(sigma, settings.sigma_convention)
        return self.task.degrade(component, truth, self.pool, sigma=sigma, rng=rng)

    def _lagging(
        self, component: Component, matrix: int, number: int, rng: np.random.Generator
    ) -> Component:
        """Add another component of the matrix, nearly of the same mixing order, out of phase.

        With Neel rotation, the part of a component that is out of phase looks most like those
        components: correlations of 0.6 to 0.7 with the best one (docs/dynamics.md).
        """
        share = rng.uniform(0.0, self.settings.out_of_phase)
        index = self.store.index[matrix]
        away = np.abs(index["mixing_order"] - index["mixing_order"][number]).max(axis=1)
        near = (index["channel"] == component.channel) & (away > 0) & (away <= NEAR)
        if not near.any():
            return component
        other = self.store.read(matrix, int(rng.choice(np.flatnonzero(near)))).image
        size = share * np.linalg.norm(component.image) / np.linalg.norm(other)
        return replace(component, image=component.image + np.complex64(1j * size) * other)
