"""PSNR and SSIM against definitions and scikit-image; confidence intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from smrestore.metrics import confidence_interval, psnr, ssim
from smrestore.support.errors import InputError


def complex_noise(rng, shape, sigma=1.0):
    """Return complex white noise; sigma is the standard deviation of the complex values."""
    return sigma / np.sqrt(2) * (rng.normal(size=shape) + 1j * rng.normal(size=shape))


def pair(shape, seed=0, sigma=0.2):
    """Return a restored image and a smooth complex truth of unit maximum."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    truth = np.exp(1j) * np.prod([np.cos(3 * axis + 0.4) for axis in axes], axis=0)
    truth /= np.abs(truth).max()
    return truth + complex_noise(rng, shape, sigma), truth


def reference_ssim(x, y, data_range=1.0):
    return structural_similarity(
        x,
        y,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=data_range,
        win_size=11,
    )


@pytest.mark.parametrize("shape", [(24, 31), (11, 11), (24, 19, 1), (13, 12, 15)])
@pytest.mark.parametrize("data_range", [1.0, 2.0])
def test_ssim_equals_scikit_image(shape, data_range):
    restored, truth = pair(shape)
    x, y = restored.squeeze(), truth.squeeze()
    channels = [
        reference_ssim(x.real, y.real, data_range),
        reference_ssim(x.imag, y.imag, data_range),
    ]
    assert ssim(restored, truth, data_range=data_range) == pytest.approx(
        np.mean(channels), abs=1e-6
    )
    magnitude = reference_ssim(np.abs(x), np.abs(y), data_range)
    found = ssim(restored, truth, data_range=data_range, mode="magnitude")
    assert found == pytest.approx(magnitude, abs=1e-6)


def test_real_images_have_one_channel():
    restored, truth = (image.real for image in pair((20, 20)))
    assert ssim(restored, truth) == pytest.approx(reference_ssim(restored, truth), abs=1e-6)
    assert psnr(restored, truth) == pytest.approx(
        -10 * np.log10(np.mean((restored - truth) ** 2)), abs=1e-12
    )


def test_short_axes_are_reflected():
    restored, truth = pair((7, 20, 1), seed=3)
    padded = [
        np.pad(image.squeeze(), ((5, 5), (0, 0)), mode="symmetric") for image in (restored, truth)
    ]
    expected = np.mean([reference_ssim(*(getattr(p, c) for p in padded)) for c in ("real", "imag")])
    assert ssim(restored, truth) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 1), (1, 30, 1), (4, 5, 6), (12, 3, 12)])
def test_small_images_are_defined(shape):
    restored, truth = pair(shape)
    assert np.isfinite(ssim(restored, truth))
    assert np.isfinite(psnr(restored, truth))
    assert ssim(truth, truth) == pytest.approx(1, abs=1e-12)


def test_noise_of_complex_sigma_one_tenth_gives_23_dB():  # noqa: N802
    rng = np.random.default_rng(5)
    values = [psnr(*pair((24, 24, 1), seed=rng.integers(1 << 30), sigma=0.1)) for _ in range(100)]
    assert np.mean(values) == pytest.approx(23.0, abs=0.1)


def test_psnr_of_a_constant_error():
    truth = np.zeros((4, 4, 2), complex)
    assert psnr(truth + 0.1, truth) == pytest.approx(20 + 10 * np.log10(2))
    assert psnr(truth + 0.1, truth, mode="magnitude") == pytest.approx(20)
    assert psnr(truth + 0.1, truth, peak=10) == pytest.approx(40 + 10 * np.log10(2))
    assert psnr(truth + 0.1j, truth.real) == pytest.approx(20 + 10 * np.log10(2))


def test_perfect_restoration():
    _, truth = pair((12, 12, 12))
    assert psnr(truth, truth) == np.inf
    assert ssim(truth, truth) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("mode", ["channels", "magnitude"])
def test_invalid_pixels_never_count(mode):
    restored, truth = pair((9, 8, 1))
    valid = np.zeros((9, 8, 1), bool)
    valid[2:7, 1:5] = True
    expected = psnr(restored[2:7, 1:5], truth[2:7, 1:5], mode=mode)
    restored[~valid] = np.nan
    assert psnr(restored, truth, valid=valid, mode=mode) == pytest.approx(expected, abs=1e-12)


@given(
    seed=st.integers(0, 1 << 20),
    shape=st.lists(st.integers(1, 14), min_size=2, max_size=3),
    scale=st.floats(1e-3, 10),
)
@settings(max_examples=60, deadline=None)
def test_ssim_lies_between_minus_one_and_one_and_is_symmetric(seed, shape, scale):
    rng = np.random.default_rng(seed)
    x, y = complex_noise(rng, shape, scale), complex_noise(rng, shape, scale)
    y = y - 2 * x  # strong anticorrelation, so that the lower bound is approached
    value = ssim(x, y)
    assert -1 - 1e-9 <= value <= 1 + 1e-9
    assert value == pytest.approx(ssim(y, x), abs=1e-12)


@given(seed=st.integers(0, 1 << 20), sigma=st.floats(1e-6, 1), factor=st.floats(1.01, 10))
@settings(max_examples=40, deadline=None)
def test_psnr_falls_with_noise(seed, sigma, factor):
    _, truth = pair((6, 7, 2), seed)
    noise = complex_noise(np.random.default_rng(seed), truth.shape, sigma)
    loss = psnr(truth + noise, truth) - psnr(truth + factor * noise, truth)
    assert loss == pytest.approx(20 * np.log10(factor), abs=1e-6)


@pytest.mark.parametrize("metric", [psnr, ssim])
@pytest.mark.parametrize("value", [np.nan, np.inf, complex(0, np.nan)])
def test_non_finite_images_are_refused(metric, value):
    restored, truth = pair((12, 12))
    restored[3, 3] = value
    with pytest.raises(InputError, match="restored"):
        metric(restored, truth)
    with pytest.raises(InputError, match="truth"):
        metric(truth, restored)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_images_that_cannot_be_compared_are_refused(metric):
    restored, truth = pair((12, 12))
    with pytest.raises(InputError, match="shapes"):
        metric(restored[:, :-1], truth)
    with pytest.raises(InputError, match="shapes"):
        metric(restored.ravel(), truth.ravel())
    with pytest.raises(InputError, match="mode"):
        metric(restored, truth, mode="phase")


@pytest.mark.parametrize("valid", [np.zeros((12, 12), bool), np.ones((12, 11), bool)])
def test_useless_masks_are_refused(valid):
    with pytest.raises(InputError, match="valid"):
        psnr(*pair((12, 12)), valid=valid)


def test_confidence_interval():
    mean, ci95, n = confidence_interval([1.0, 2.0, 3.0, 6.0])
    assert (mean, n) == (3.0, 4)
    # Deviations -2, -1, 0, 3: s^2 = 14 / 3.
    assert ci95 == pytest.approx(1.96 * np.sqrt(14 / 3) / 2)


def test_confidence_interval_where_it_is_undefined():
    single = confidence_interval([4.0])
    assert single.mean == 4.0
    assert np.isnan(single.ci95)
    perfect = confidence_interval([4.0, np.inf])
    assert perfect.mean == np.inf
    assert np.isnan(perfect.ci95)
    for values in ([], [1.0, np.nan]):
        with pytest.raises(InputError):
            confidence_interval(values)
