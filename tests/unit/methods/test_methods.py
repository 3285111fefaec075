"""Classical methods and the interface that all methods share."""

import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st

from smrestore.methods import dct_filter, load_method
from smrestore.methods.options import CLASSICAL
from smrestore.support.errors import InputError
from smrestore.tasks.degradation import Degraded

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3))


def image(shape, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    return values.astype(np.complex64)


@given(shape=SHAPES, seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_dct_filter_without_noise_changes_nothing(shape, seed):
    degraded = image(shape, seed)
    restored = dct_filter(degraded, 0.0)
    assert restored.dtype == np.complex64
    np.testing.assert_allclose(restored, degraded, atol=1e-5)


@given(shape=SHAPES, seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_dct_filter_below_the_threshold_leaves_nothing(shape, seed):
    degraded = image(shape, seed)
    energy = np.linalg.norm(degraded)
    assert not dct_filter(degraded, energy / 2.75 * 1.01).any()
    assert not dct_filter(np.zeros(shape, np.complex64), 0.1).any()


@given(
    shape=SHAPES,
    seed=st.integers(0, 1000),
    angle=st.floats(-np.pi, np.pi),
    sigma=st.floats(0, 1),
    scale=st.floats(0.1, 10),
)
@settings(max_examples=60, deadline=None)
def test_dct_filter_commutes_with_phase_and_scale(shape, seed, angle, sigma, scale):
    degraded = image(shape, seed)
    factor = scale * np.exp(1j * angle)
    turned = dct_filter((degraded * factor).astype(np.complex64), sigma * scale)
    expected = dct_filter(degraded, sigma) * factor
    np.testing.assert_allclose(turned, expected, atol=1e-4 * scale)


@given(shape=SHAPES, seed=st.integers(0, 1000), sigma=st.floats(0, 1), omega=st.floats(0.1, 5))
@settings(max_examples=40, deadline=None)
def test_dct_filter_shrinks_magnitudes_by_the_threshold_and_keeps_phases(shape, seed, sigma, omega):
    degraded = image(shape, seed)
    before, after = (
        scipy.fft.dctn(values.real, norm="ortho") + 1j * scipy.fft.dctn(values.imag, norm="ortho")
        for values in (degraded, dct_filter(degraded, sigma, omega))
    )
    np.testing.assert_allclose(
        np.abs(after), np.maximum(np.abs(before) - omega * sigma, 0), atol=1e-4
    )
    np.testing.assert_allclose((after * before.conj()).imag, 0, atol=1e-3)


def test_dct_filter_restores_a_smooth_image():
    x, y = np.meshgrid(np.linspace(0, 1, 30), np.linspace(0, 1, 28), indexing="ij")
    truth = (np.cos(np.pi * x) * np.cos(2 * np.pi * y))[:, :, None] * np.exp(0.4j)
    noise = image(truth.shape) * np.float32(0.2 / np.sqrt(2))
    restored = dct_filter(truth + noise, 0.2)
    assert np.linalg.norm(restored - truth) < 0.3 * np.linalg.norm(noise)


def test_baseline_restores_a_batch_of_different_grids_in_order():
    method = load_method({"method": "dct-filter", "omega": 2.0}, None)
    batch = [Degraded(image(shape, i), 0.1 * i) for i, shape in enumerate([(5, 4, 1), (3, 3, 2)])]
    restored = method(batch)
    assert len(restored) == 2
    for item, result in zip(batch, restored, strict=True):
        assert result.dtype == np.complex64
        np.testing.assert_array_equal(result, dct_filter(item.image, item.sigma, 2.0))
    assert method([]) == []


def test_loading_does_not_change_the_configuration():
    entry = {"method": "dct-filter", "omega": 2.75}
    load_method(entry, None)
    assert entry == {"method": "dct-filter", "omega": 2.75}


def test_wrong_choices_are_named(tmp_path):
    with pytest.raises(InputError, match="method: give either a baseline or a model"):
        load_method(None, None)
    with pytest.raises(InputError, match="method: give either a baseline or a model"):
        load_method({"method": "dct-filter", "omega": 1}, tmp_path)
    with pytest.raises(InputError, match="baselines: unknown method 'median'") as error:
        load_method({"method": "median"}, None)
    assert all(name in str(error.value) for name in CLASSICAL)
    with pytest.raises(InputError, match="no such file, and no network of the package has"):
        load_method(None, tmp_path / "weights.safetensors")
