"""Pairs that are made in batches are those that are made one by one."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tiny_training import TRAINING

from smrestore.methods.padding import random_offset
from smrestore.noise import NoisePool, build_parametric_pool
from smrestore.physics.parameters import SizeLimits, draw_cases
from smrestore.simulation.batches import ComponentSelection, simulate_batch
from smrestore.simulation.store import SystemMatrixStore
from smrestore.support.errors import InputError
from smrestore.support.seeds import generator
from smrestore.tasks.degradation import complex_sigma
from smrestore.training.batched import (
    DeviceData,
    Draws,
    make_pairs,
    patch_of,
    random_draws,
    size_groups,
)
from smrestore.training.data import TrainingPairs

SETTINGS = TRAINING.replace(patch=20)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A store of grids of several sizes, and a pool of two models of noise."""
    folder = tmp_path_factory.mktemp("batched")
    cases = draw_cases(
        4, seed=1, dataset="some", split="train", dimension=2, limits=SizeLimits((4, 20))
    )
    selection = ComponentSelection(maximum=10)
    simulate_batch(cases, folder / "store.h5", selection=selection, seed=1)
    store = SystemMatrixStore([folder / "store.h5"])
    build_parametric_pool(
        folder / "pool.h5",
        model="drift-white",
        name="some",
        seed=1,
        n_frames=600,
        frequency_axis=np.arange(store.n_frequencies(0), dtype=float),
        frequencies=store.frequencies(),
    )
    return store, NoisePool(folder / "pool.h5")


def sample_draws(pairs: TrainingPairs, numbers: Sequence[int]) -> Draws:
    """Return what :class:`TrainingPairs` draws for the samples of these numbers, on the CPU."""
    records = [_drawn(pairs, number) for number in numbers]
    kinds = {"scale": "f4", "angle": "f4", "sigma": "f4", "noise_scale": "f4", "flipped": bool}
    return Draws(
        **{
            name: torch.from_numpy(
                np.array([record[name] for record in records], dtype=kinds.get(name, "i8"))
            )
            for name in records[0]
        }
    )


def _drawn(pairs: TrainingPairs, index: int) -> dict[str, object]:
    """Return the draws of one sample, in the order in which it takes them."""
    settings, store = pairs.settings, pairs.store
    number, level = pairs.start + index, None
    if pairs.levels:
        number, which = divmod(number, len(pairs.levels))
        level = pairs.levels[which]
    rng = generator(pairs.seed, pairs.purpose, number)
    chosen = int(rng.integers(len(pairs.matrices)))
    counts = [store.n_components(m) for m in pairs.matrices[: chosen + 1]]
    component = sum(counts[:-1]) + int(rng.integers(counts[-1]))
    stored = store.shape(pairs.matrices[chosen])
    size = tuple(min(n, settings.patch) for n in stored)
    crop = random_offset(size, stored, rng) if max(stored) > settings.patch else (0, 0, 0)
    flipped = [False] * 3
    if settings.flips:
        flipped[: settings.dimension] = [rng.random() < 0.5 for _ in range(settings.dimension)]
    scale, angle = rng.uniform(*settings.scale), 2 * np.pi * rng.random()
    sigma = rng.uniform(*settings.sigma)
    if rng.random() < settings.noise_free:
        sigma = 0.0
    sigma = complex_sigma(sigma if level is None else level, settings.sigma_convention)
    frame, noise_scale = 0, 1.0
    if sigma:
        origins, first = pairs.pool.origins, 0
        starts = [max(0, len(o.frames) - int(np.prod(size)) + 1) for o in origins]
        frame = int(rng.integers(sum(starts)))
        for origin, n_starts in zip(origins, starts, strict=True):
            if frame < n_starts:
                break
            frame -= n_starts
            first += len(origin.frames)
        frame += first
        noise_scale = np.sqrt(origin.averages / pairs.pool.averages)
    patch = patch_of(settings)
    offset = random_offset(size[: settings.dimension], patch[: settings.dimension], rng)
    return {
        "component": component,
        "crop": crop,
        "flipped": flipped,
        "scale": scale,
        "angle": angle,
        "sigma": sigma,
        "frame": frame,
        "noise_scale": noise_scale,
        "offset": (*offset, *[0] * (3 - settings.dimension)),
    }


@pytest.mark.parametrize("phase", ["raw", "canonical"])
@pytest.mark.parametrize(
    "changes",
    [{}, {"flips": True, "noise_free": 0.3}, {"patch": 12, "oversize": "crop"}],
    ids=["plain", "flips", "crop"],
)
def test_batch_is_that_of_single_samples(world, phase, changes):
    settings = SETTINGS.replace(phase=phase, **changes)
    pairs = TrainingPairs(*world, settings, 3, "training", 0, 100)
    data = DeviceData.load(*world, settings, "cpu")
    batch = make_pairs(data, sample_draws(pairs, range(20)), settings, patch_of(settings))
    for name, tensor in batch.items():
        wanted = torch.stack([pairs[i][name] for i in range(20)])
        torch.testing.assert_close(tensor, wanted, rtol=0, atol=2e-6)


def test_random_draws_have_the_distributions_of_single_samples(world):
    settings = SETTINGS.replace(flips=True, noise_free=0.2)
    pairs = TrainingPairs(*world, settings, 3, "training", 0, 2000)
    data = DeviceData.load(*world, settings, "cpu")
    single = sample_draws(pairs, range(2000))
    torch.manual_seed(0)
    drawn = random_draws(data, settings, torch.arange(len(data.first)), 2000, patch_of(settings))
    for name in ("component", "flipped", "scale", "angle", "sigma", "offset"):
        one, other = (getattr(draws, name).double() for draws in (single, drawn))
        error = torch.sqrt((one.var(0) + other.var(0)) / 2000)
        assert ((one.mean(0) - other.mean(0)).abs() <= 5 * error).all(), name
    noisy = single.sigma > 0
    one, other = single.frame[noisy].double(), drawn.frame.double()
    assert abs(one.mean() - other.mean()) < 5 * other.std() * (2 / 1500) ** 0.5


def test_groups_hold_all_matrices_and_samples():
    rng = np.random.default_rng(0)
    grids = np.column_stack([*rng.integers(4, 65, (2, 200)), np.ones(200, int)])
    groups = size_groups(grids, 64, 2, 4)
    assert len(groups) == 4
    assert sorted(m for group in groups for m in group.matrices) == list(range(200))
    assert sum(group.samples for group in groups) == 64
    for group in groups:
        assert (grids[list(group.matrices)] <= group.patch).all()
    filled = sum(len(g.matrices) * np.prod(g.patch) for g in groups)
    assert filled < 0.7 * 200 * 64**2


def test_components_out_of_phase_are_refused(world):
    with pytest.raises(InputError, match="without guess or lag"):
        DeviceData.load(*world, SETTINGS.replace(out_of_phase=0.2), "cpu")


def test_other_tasks_are_refused(world):
    with pytest.raises(InputError, match="for denoising"):
        DeviceData.load(
            *world, SETTINGS.replace(task="upsampling", degradation={"factor": 2}), "cpu"
        )
