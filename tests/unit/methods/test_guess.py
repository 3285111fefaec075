"""Networks that refine what a classical method restores."""

import dataclasses

import numpy as np
import pytest
import scipy.fft
import torch
from tiny_training import TRAINING

from smrestore.methods import load_method
from smrestore.methods.consistency import power_within_noise
from smrestore.methods.guess import FirstGuess, unmeasured
from smrestore.methods.network import Inference, NetworkMethod
from smrestore.methods.spline import spline_upsample
from smrestore.networks import build_network
from smrestore.noise import NoisePool
from smrestore.simulation.store import SystemMatrixStore
from smrestore.support.errors import InputError
from smrestore.support.seeds import generator
from smrestore.tasks import make_task
from smrestore.tasks.degradation import Degraded
from smrestore.training.data import TrainingPairs, check_data

TASKS = [
    ("denoising", {}, {"method": "dct-filter", "omega": 2.75}),
    ("accelerated-calibration", {"factor": 2}, {"method": "spline", "alignment": "aligned"}),
    ("upsampling", {"factor": 4}, {"method": "spline", "alignment": "aligned"}),
    ("inpainting", {"mask_ratio": [0.1, 0.2], "mask_runs": [1, 3]}, {"method": "biharmonic"}),
]


@pytest.fixture
def data(world):
    return SystemMatrixStore([world.training]), NoisePool(world.pool)


def items_of(data, name, options):
    store, pool = data
    component = store.read(0, 3)
    task = make_task(name, options)
    truth = task.ground_truth(component.image)
    return [
        task.degrade(component, truth, pool, sigma=0.05, rng=generator(key, "guess")).degraded
        for key in (1, 2, 3)
    ]


@pytest.mark.parametrize(("name", "options", "guess"), TASKS)
@pytest.mark.parametrize("canonical", [True, False])
def test_an_untrained_network_gives_the_guess(data, name, options, guess, canonical):
    items = items_of(data, name, options)
    network = build_network(
        "unet", 2, channels=[4, 8], blocks=1, zero_last=True, mask_features=False,
        known_channel=True,
    )  # fmt: skip
    first = FirstGuess.of(guess)
    spacing = items[0].spacing
    method = NetworkMethod(network.eval(), 2, 16, spacing, canonical, guess=first)
    expected = load_method(guess, None)(items)
    for image, wanted in zip(method(items), expected, strict=True):
        np.testing.assert_allclose(image, wanted, atol=1e-6)
    other = dataclasses.replace(items[0], spacing=spacing + 1, size=(20, 20, 1))
    with pytest.raises(InputError, match="factor: the network was trained for"):
        method([other])


@pytest.mark.parametrize(("name", "options", "guess"), TASKS)
def test_training_pairs_hold_the_guess_and_what_was_measured(data, name, options, guess):
    settings = TRAINING.replace(
        task=name, degradation=options, phase="raw", sigma=(0.1, 0.1), guess=guess
    )
    store, pool = data
    check_data(store, pool, settings)
    refined = TrainingPairs(store, pool, settings, 1, "training", 0, 4)
    plain = TrainingPairs(store, pool, settings.replace(guess=None), 1, "training", 0, 4)
    task = make_task(name, options)
    for sample, measured in zip(refined, plain, strict=True):
        patch = (settings.patch,) * 2
        assert sample["degraded"].shape == (2, *patch)
        assert sample["mask"].shape == sample["valid"].shape == (1, *patch)
        torch.testing.assert_close(sample["mask"] + sample["missing"], sample["valid"])
        assert sample["mask"].sum() == measured["mask"].sum()
        assert sample["sigma"] == measured["sigma"]
        if name == "denoising":
            continue
        # What was measured is kept by the guess.
        seen = sample["degraded"][:, sample["mask"][0] > 0]
        known = measured["degraded"][:, measured["mask"][0] > 0]
        torch.testing.assert_close(seen, known, atol=1e-5, rtol=0)
        assert task.spacing == 1 or sample["missing"].sum() > sample["mask"].sum()


def test_unmeasured_voxels_of_both_kinds():
    image = np.zeros((2, 3, 1), np.complex64)
    assert unmeasured(Degraded(image, 0.1)) is None
    missing = np.zeros(image.shape, bool)
    missing[1, 2] = True
    np.testing.assert_array_equal(unmeasured(Degraded(image, 0.1, missing)), missing)
    coarse = unmeasured(Degraded(image, 0.1, missing, spacing=2, size=(3, 5, 1)))
    assert coarse.shape == (3, 5, 1)
    known = np.argwhere(~coarse)[:, :2].tolist()
    assert known == [[0, 0], [0, 2], [0, 4], [2, 0], [2, 2]]


def test_multiples_of_an_image_are_restored_to_multiples():
    torch.manual_seed(0)
    network = build_network(
        "unet", 2, channels=[4, 8], blocks=1, mask_features=False, known_channel=True
    ).eval()
    image, mask = torch.randn(2, 2, 8, 8), (torch.rand(2, 1, 8, 8) > 0.3).float()
    sigma = torch.tensor([0.1, 0.0])
    with torch.no_grad():
        once, threefold = network(image, mask, sigma), network(3 * image, mask, 3 * sigma)
        other = network(image, torch.ones_like(mask), sigma)
    torch.testing.assert_close(threefold, 3 * once, rtol=1e-4, atol=1e-5)
    # Also without noise, the network knows which voxels were measured.
    assert (other - once).abs().amax(dim=(1, 2, 3)).min() > 1e-4


class Brighter(torch.nn.Module):
    """Add a constant everywhere."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, image, mask, sigma):
        return image + self.weight


@pytest.mark.parametrize(("name", "options", "guess"), TASKS)
@pytest.mark.parametrize("sigma", [0.0, 0.05, 10.0])
def test_measured_voxels_stay_within_their_noise(data, name, options, guess, sigma):
    items = [dataclasses.replace(item, sigma=sigma) for item in items_of(data, name, options)]
    inference = Inference(within_noise=3.0)
    first = None if name == "denoising" else FirstGuess.of(guess)
    method = NetworkMethod(Brighter(), 2, 16, items[0].spacing, False, inference, guess=first)
    free = dataclasses.replace(method, inference=Inference())
    added = np.abs(0.5 + 0.5j)
    for item, image, other in zip(items, method(items), free(items), strict=True):
        every = (slice(None, None, item.spacing),) * 3
        known = np.ones(item.image.shape, bool) if item.missing is None else ~item.missing
        change = np.abs(image[every] - item.image)[known]
        np.testing.assert_allclose(change, min(added, 3 * sigma), atol=1e-5)
        elsewhere = unmeasured(item)
        if elsewhere is not None:
            np.testing.assert_array_equal(image[elsewhere], other[elsewhere])


def test_the_network_is_told_what_a_spline_may_miss(data):
    (item, *_) = items_of(data, "upsampling", {"factor": 4})
    options = {"method": "spline", "alignment": "aligned"}
    (plain,), (told,) = (
        FirstGuess.of(options)([item]),
        FirstGuess.of({**options, "error_share": 0.5})([item]),
    )
    np.testing.assert_array_equal(told.image, plain.image)
    assert plain.sigma == item.sigma
    half = spline_upsample(item.image[::2, ::2], (2, 2, 1), item.image.shape)
    error = np.sqrt(np.mean(np.abs(half - item.image) ** 2))
    assert told.sigma == pytest.approx(np.hypot(item.sigma, 0.5 * error), rel=1e-5)
    assert told.sigma > item.sigma
    # Splines are certain of a constant.
    flat = dataclasses.replace(item, image=np.ones_like(item.image))
    (certain,) = FirstGuess.of({**options, "error_share": 0.5})([flat])
    assert certain.sigma == pytest.approx(item.sigma, abs=1e-6)


class Ripple(torch.nn.Module):
    """Add a smooth pattern, of a tenth at most at each voxel."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(0.1))

    def forward(self, image, mask, sigma):
        wave = torch.cos(torch.pi / 8 * (torch.arange(image.shape[-1]) + 0.5))
        return image + self.weight * wave * mask


def test_patterns_that_stand_out_of_the_noise_are_given_back(data):
    item = dataclasses.replace(items_of(data, "denoising", {})[0], sigma=0.1)
    method = NetworkMethod(Ripple(), 2, item.image.shape[0], 1, False)
    limited = dataclasses.replace(method, inference=Inference(spectrum_within_noise=2.75))
    (free,), (image,) = method([item]), limited([item])
    before, after = (
        np.abs(
            scipy.fft.dctn(change.real, norm="ortho")
            + 1j * scipy.fft.dctn(change.imag, norm="ortho")
        )
        for change in (free - item.image, image - item.image)
    )
    # A change below three standard deviations of the noise at every voxel, above them as a whole.
    assert np.abs(free - item.image).max() < 3 * item.sigma
    assert before.max() > 2 * 2.75 * item.sigma
    np.testing.assert_allclose(after, np.minimum(before, 2.75 * item.sigma), atol=1e-5)
    clean = dataclasses.replace(item, sigma=0.0)
    np.testing.assert_allclose(limited([clean])[0], item.image, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.0, 0.01, 0.2])
def test_what_has_too_much_power_for_noise_is_given_back(data, sigma):
    item = dataclasses.replace(items_of(data, "denoising", {})[0], sigma=sigma)
    method = NetworkMethod(Ripple(), 2, item.image.shape[0], 1, False)
    limited = dataclasses.replace(method, inference=Inference(power_within_noise=1.75))
    change, kept = (use([item])[0] - item.image for use in (method, limited))
    power, noise = np.mean(np.abs(change) ** 2), sigma**2
    if power < 1.75 * noise:
        np.testing.assert_array_equal(kept, change)
    else:
        np.testing.assert_allclose(kept, change * noise / power, atol=1e-6)


def test_a_wrong_method_costs_at_most_what_it_was_given(data):
    """Shrinking towards an image that has nothing to do with the component does no harm."""
    item = dataclasses.replace(items_of(data, "denoising", {})[0], sigma=0.1)
    rng = np.random.default_rng(5)
    errors = []
    for _ in range(200):
        noise = rng.normal(0, 0.1 / np.sqrt(2), (2, *item.image.shape))
        measured = (item.image + noise[0] + 1j * noise[1]).astype(np.complex64)
        wrong = np.full_like(measured, rng.uniform(0, 0.3))
        image = power_within_noise(wrong, dataclasses.replace(item, image=measured), 1.75)
        errors.append([np.mean(np.abs(x - item.image) ** 2) for x in (measured, image, wrong)])
    before, after, alone = np.mean(errors, axis=0)
    assert after < before < alone


@pytest.mark.parametrize("limit", ["power_within_noise", "spectrum_within_noise"])
def test_noise_of_missing_voxels_is_unknown(data, limit):
    item = items_of(data, "inpainting", TASKS[-1][1])[0]
    inference = Inference(**{limit: 3.0})
    method = NetworkMethod(Ripple(), 2, 16, item.spacing, False, inference)
    with pytest.raises(InputError, match=rf"{limit}: .* missing"):
        method([item])
