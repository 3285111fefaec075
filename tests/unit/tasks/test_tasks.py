"""Restoration tasks: degradation of ground truths, and what methods and networks make of it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_training import TRAINING

from smrestore.methods import load_method
from smrestore.methods.network import NetworkMethod
from smrestore.noise import NoisePool
from smrestore.simulation.store import SystemMatrixStore
from smrestore.support.errors import InputError
from smrestore.support.seeds import generator
from smrestore.tasks import TASKS, make_task
from smrestore.tasks.degradation import Degraded
from smrestore.training.data import TrainingPairs, check_data
from smrestore.training.objective import masked_l1

OPTIONS = {
    "denoising": {},
    "accelerated-calibration": {"factor": 2},
    "upsampling": {"factor": 2, "truth_spacing": 2},
    "inpainting": {"mask_ratio": [0.1, 0.2], "mask_runs": [1, 3]},
}
SETTINGS = TRAINING.replace(
    phase="raw", sigma=(0.1, 0.1), steps=2, batch_size=2, interval=1, validation_pairs=2
)


@pytest.fixture
def data(world):
    return SystemMatrixStore([world.training]), NoisePool(world.pool)


def settings_of(name, **changes):
    changes = {"task": name, "degradation": OPTIONS[name], **changes}
    return SETTINGS.replace(**changes)


def degrade(data, name, sigma, key=1):
    store, pool = data
    component = store.read(0, 3)
    task = make_task(name, OPTIONS[name])
    truth = task.ground_truth(component.image)
    assert truth.shape == task.restored_size(component.image.shape)
    result = task.degrade(component, truth, pool, sigma=sigma, rng=generator(key, "task"))
    assert result.degraded.image.shape == task.measured_size(component.image.shape)
    assert result.degraded.restored_size == truth.shape
    np.testing.assert_allclose(result.truth * result.factor, truth, atol=1e-6)
    return result


def measured_part(result):
    """Return the true values of the voxels that were measured."""
    spacing = result.degraded.spacing
    truth = result.truth[(slice(None, None, spacing),) * 3]
    missing = result.degraded.missing
    return truth if missing is None else np.where(missing, 0, truth)


@pytest.mark.parametrize("name", TASKS)
def test_without_noise_what_is_measured_is_true(data, name):
    result = degrade(data, name, 0.0)
    np.testing.assert_allclose(result.degraded.image, measured_part(result), atol=1e-6)
    assert np.abs(result.degraded.image).max() == pytest.approx(1)
    assert result.degraded.sigma == 0


@pytest.mark.parametrize("name", TASKS)
def test_noise_has_the_wanted_strength(data, name):
    result = degrade(data, name, 0.2)
    noise = (result.degraded.image - measured_part(result)) * result.factor
    if name != "inpainting":  # Its noise is that of all voxels, of which some are missing.
        assert np.sqrt(np.mean(np.abs(noise - noise.mean()) ** 2)) == pytest.approx(0.2, rel=1e-3)
    assert result.degraded.sigma * result.factor == pytest.approx(0.2)
    assert np.abs(noise).max() > 0


def test_masks_differ_between_draws_and_are_never_seen(data):
    masks = [degrade(data, "inpainting", 0.1, key).degraded for key in (1, 2)]
    assert not np.array_equal(masks[0].missing, masks[1].missing)
    for degraded in masks:
        assert 0.05 < degraded.missing.mean() < 0.25
        assert not degraded.image[degraded.missing].any()


def test_upsampling_starts_from_the_same_grid_whatever_the_factor(data):
    component = data[0].read(0, 3)
    grids = [
        make_task("upsampling", options).measured_size(component.image.shape)
        for options in ({"factor": 4}, {"factor": 2, "truth_spacing": 2})
    ]
    assert grids[0] == grids[1]


@pytest.mark.parametrize(
    ("name", "options", "fault"),
    [
        ("magic", {}, "task: unknown task 'magic'"),
        ("upsampling", {"factor": 1}, "factor: 1 is below 2"),
        ("inpainting", {"factor": 2}, "degradation of inpainting"),
    ],
)
def test_wrong_tasks_are_named(name, options, fault):
    with pytest.raises(InputError, match=fault):
        make_task(name, options)


@pytest.mark.parametrize("name", TASKS)
@given(index=st.integers(0, 200))
@settings(deadline=None)
def test_padded_samples_hold_the_pair(world, name, index):
    store, pool = SystemMatrixStore([world.training]), NoisePool(world.pool)
    settings = settings_of(name)
    spacing = make_task(name, OPTIONS[name]).spacing
    check_data(store, pool, settings)
    pairs = TrainingPairs(store, pool, settings, 1, "training", 0, 201)
    sample = {key: tensor.numpy() for key, tensor in pairs[index].items()}
    assert sample["truth"].shape == (2, 12, 12)
    assert sample["degraded"].shape == (2, 12 // spacing, 12 // spacing)
    assert sample["mask"].shape == (1, 12 // spacing, 12 // spacing)
    valid, missing = sample["valid"][0] == 1, sample["missing"][0] == 1
    assert not sample["truth"][:, ~valid].any()
    assert not missing[~valid].any()
    assert not sample["degraded"][:, sample["mask"][0] == 0].any()
    # Measured voxels lie where the network will be asked for their true values.
    at = np.s_[::spacing, ::spacing]
    np.testing.assert_array_equal(sample["mask"][0] == 1, (valid & ~missing)[at])
    close = np.abs(sample["degraded"] - sample["truth"][:, *at])[:, sample["mask"][0] == 1]
    assert close.max() < 8 * sample["sigma"]


def test_some_pairs_are_free_of_noise(data):
    settings = settings_of("denoising", noise_free=0.5)
    pairs = TrainingPairs(*data, settings, 1, "training", 0, 60)
    free = sum(float(pairs[i]["sigma"]) == 0 for i in range(60))
    assert 15 < free < 45


def test_patches_hold_whole_measured_voxels(data):
    with pytest.raises(InputError, match="patch: 13 voxels do not hold whole measured voxels"):
        check_data(*data, settings_of("upsampling", patch=13))


def test_missing_voxels_weigh_as_configured():
    truth = torch.zeros(1, 2, 4, 4)
    restored = torch.ones(1, 2, 4, 4)
    valid, missing = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    valid[..., :2] = 1
    missing[..., 0] = 1
    assert masked_l1(restored, truth, valid) == pytest.approx(1)
    assert masked_l1(restored, truth, valid, 1 + 5 * missing) == pytest.approx(3.5)


class Repeat(torch.nn.Module):
    """Repeat each measured voxel; tell of the mask by leaving missing voxels at zero."""

    def __init__(self, spacing):
        super().__init__()
        self.spacing = spacing
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, image, mask, sigma):
        assert sigma.shape == (len(image),)
        values = image * mask * self.weight
        return torch.nn.functional.interpolate(values, scale_factor=float(self.spacing))


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("canonical", [True, False])
def test_networks_see_the_measured_grid_and_give_the_restored_one(data, name, canonical):
    items = [degrade(data, name, 0.1, key).degraded for key in (1, 2, 3)]
    spacing = items[0].spacing
    method = NetworkMethod(Repeat(spacing), 2, 12 // spacing, spacing, canonical)
    for item, image in zip(items, method(items), strict=True):
        assert image.shape == item.restored_size
        near = item.image.repeat(spacing, 0).repeat(spacing, 1)
        expected = near[: image.shape[0], : image.shape[1]]
        np.testing.assert_allclose(image, expected, atol=1e-6)
    other = Degraded(items[0].image, 0.1, spacing=spacing + 1)
    with pytest.raises(InputError, match="factor: the network was trained for"):
        method([other])


@pytest.mark.parametrize(
    ("name", "baseline"),
    [
        ("denoising", {"method": "dct-filter", "omega": 2.75}),
        ("upsampling", {"method": "spline", "alignment": "aligned"}),
        ("accelerated-calibration", {"method": "spline", "alignment": "half-pixel"}),
        ("inpainting", {"method": "biharmonic"}),
    ],
)
def test_classical_methods_restore_their_tasks(data, name, baseline):
    method = load_method(baseline, None)
    results = [degrade(data, name, 0.02, key) for key in (1, 2)]
    restored = method([result.degraded for result in results])
    for result, image in zip(results, restored, strict=True):
        assert image.shape == result.truth.shape
        assert image.dtype == np.complex64
        # The fine patterns of this small grid are beyond interpolation, but not where measured.
        kept = (slice(None, None, result.degraded.spacing),) * 3
        error = np.abs(image - result.truth)[kept]
        if result.degraded.missing is not None:
            error = error[~result.degraded.missing]
        if baseline.get("alignment") != "half-pixel":
            assert np.sqrt(np.mean(error**2)) < 2 * result.degraded.sigma
