"""Methods on components that a network denoised first."""

import dataclasses

import numpy as np
import pytest

from smrestore.methods import load_method
from smrestore.methods.denoised import REMAINING, DenoisedFirst
from smrestore.networks.cards import DENOISER, shipped_weights
from smrestore.support.errors import InputError
from smrestore.tasks.degradation import Degraded


class Recorder:
    """Adds a number to images and keeps what it is given."""

    def __init__(self, added):
        self.added, self.seen = added, []

    def __call__(self, batch):
        self.seen.extend(batch)
        return [item.image + np.complex64(self.added) for item in batch]


def items():
    image = np.arange(12, dtype=np.complex64).reshape(4, 3, 1) / 11
    coarse = Degraded(image, 0.1, spacing=2, size=(7, 5, 1))
    return [coarse, dataclasses.replace(coarse, sigma=0.0)]


def test_the_method_gets_denoised_components():
    denoiser, method = Recorder(1), Recorder(10)
    found = DenoisedFirst(denoiser, method)(items())
    np.testing.assert_allclose(found[0], items()[0].image + 11, rtol=1e-6)
    np.testing.assert_array_equal(found[1], items()[1].image + 10)  # without noise
    (seen,) = denoiser.seen
    assert (seen.sigma, seen.spacing, seen.restored_size) == (0.1, 1, (4, 3, 1))
    assert [item.sigma for item in method.seen] == [REMAINING * 0.1, 0.0]
    assert all((item.spacing, item.size) == (2, (7, 5, 1)) for item in method.seen)


def test_missing_voxels_are_filled_before():
    image = np.ones((4, 3, 1), np.complex64)
    missing = np.zeros(image.shape, bool)
    missing[1, 1] = True
    item = Degraded(image, 0.1, missing)
    denoiser, method = Recorder(1), Recorder(10)
    found = DenoisedFirst(denoiser, method)([item, dataclasses.replace(item, sigma=0.0)])
    np.testing.assert_allclose(found[0], image + 11, rtol=1e-6)
    np.testing.assert_array_equal(found[1], image + 10)
    assert denoiser.seen[0].missing is None
    assert all(item.missing is missing for item in method.seen)


@pytest.mark.parametrize(
    ("baseline", "spacing"), [({"method": "spline", "alignment": "aligned"}, 2)]
)
def test_noise_does_not_pass_a_spline(baseline, spacing):
    """With the U-Net of the package, a smooth component with noise is restored much better."""
    x, y = np.meshgrid(np.linspace(-3, 3, 49), np.linspace(-3, 3, 41), indexing="ij")
    truth = ((x - 0.3 * y) * np.exp(-(x**2) - y**2))[..., None].astype(np.complex64)
    truth /= np.abs(truth).max()
    rng = np.random.default_rng(0)
    coarse = truth[::spacing, ::spacing]
    noise = rng.normal(size=(2, *coarse.shape)).astype(np.float32) / np.sqrt(2)
    item = Degraded(coarse + 0.1 * (noise[0] + 1j * noise[1]), 0.1, None, spacing, truth.shape)
    (plain,) = load_method(baseline, None)([item])
    method = load_method(baseline, None, denoiser=shipped_weights(DENOISER))
    (denoised,) = method([item])
    error = [np.linalg.norm(image - truth) for image in (plain, denoised)]
    assert error[1] < 0.5 * error[0]


def test_the_denoiser_must_denoise(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_method({"method": "biharmonic"}, None, denoiser=tmp_path / "weights.safetensors")
