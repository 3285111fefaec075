"""Noise pools and the degradation of components."""

import pickle

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smrestore import mdf
from smrestore.methods.phase import phase_factor
from smrestore.noise import NoisePool, build_noise_pool
from smrestore.simulation.store import SystemMatrixStore
from smrestore.support.errors import InputError
from smrestore.support.seeds import derived_seed, generator
from smrestore.tasks import make_task
from smrestore.tasks.degradation import complex_sigma, pair, scale_to_sigma, unit_maximum


def test_pool_is_the_transposed_scan(world):
    spectra = mdf.read_spectra(world.empty)
    with h5py.File(world.pool) as file:
        np.testing.assert_array_equal(file["noise"][()], spectra.transpose(1, 2, 0))
        np.testing.assert_allclose(
            file["standard_deviation"][()], spectra.std(axis=0, ddof=1), rtol=1e-4, atol=1e-6
        )
        np.testing.assert_allclose(file["mean"][()], spectra.mean(axis=0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(file["frequency_Hz"][()], world.sequence.frequencies)


def test_block_size_does_not_change_the_pool(world, tmp_path):
    build_noise_pool(world.empty, tmp_path / "b.h5", background_level="remove", block_frames=7)
    with h5py.File(world.pool) as one, h5py.File(tmp_path / "b.h5") as other:
        np.testing.assert_array_equal(one["noise"][()], other["noise"][()])


def test_noise_is_consecutive_and_in_acquisition_order(world, tmp_path):
    build_noise_pool(world.empty, tmp_path / "keep.h5", background_level="keep")
    image = NoisePool(tmp_path / "keep.h5").draw_image(1, 30, (5, 4, 1), generator(1, "x"))
    with h5py.File(tmp_path / "keep.h5") as file:
        row = file["noise"][1, 30]
    start = int(np.flatnonzero(row == image[0, 0, 0])[0])
    expected = row[start : start + 20].reshape(4, 5).T[:, :, None]
    np.testing.assert_array_equal(image, expected)


def test_background_level_is_removed_from_each_run(world):
    image = NoisePool(world.pool).draw_image(0, 16, (6, 6, 1), generator(2, "x"))
    assert abs(image.mean()) < 1e-5 * np.abs(image).max()


def test_pool_survives_pickling_for_workers(world):
    pool = NoisePool(world.pool)
    first = pool.draw_image(0, 5, (3, 3, 1), generator(1, "x"))
    copy = pickle.loads(pickle.dumps(pool))
    np.testing.assert_array_equal(copy.draw_image(0, 5, (3, 3, 1), generator(1, "x")), first)
    store = SystemMatrixStore([world.training])
    store.read(0, 0)
    assert len(pickle.loads(pickle.dumps(store))) == len(store)


def test_too_short_pool_is_named(world):
    pool = NoisePool(world.pool)
    with pytest.raises(
        InputError, match=r"pool\.h5: noise: 150 frames are too few for a grid of 40"
    ):
        pool.draw_image(0, 5, (40, 40, 1), generator(1, "x"))
    with pytest.raises(InputError, match="817 frequencies, but the system matrices have 1633"):
        pool.check_fits([(2, 2, 1)], 1633)


def test_scan_with_nan_leaves_no_pool(world, tmp_path):
    acquisition = mdf.Acquisition.from_sequence(
        world.sequence, n_frames=4, start_time="2026-01-01T00:00:00.000"
    )
    frames = np.zeros((4, 3, world.sequence.n_samples), np.float32)
    frames[2, 1, 5] = np.nan
    mdf.write_frames(
        tmp_path / "nan.mdf",
        acquisition=acquisition,
        frames=[frames],
        is_background=np.zeros(4, bool),
        description="broken",
    )
    with pytest.raises(InputError, match=r"nan\.mdf: /measurement/data"):
        build_noise_pool(tmp_path / "nan.mdf", tmp_path / "pool.h5", background_level="keep")
    assert not (tmp_path / "pool.h5").exists()


def test_unknown_background_level_is_named(world, tmp_path):
    with pytest.raises(InputError, match=r"background_level.*remove, keep"):
        build_noise_pool(world.empty, tmp_path / "pool.h5", background_level="drop")


@given(sigma=st.floats(1e-3, 10), offset=st.complex_numbers(max_magnitude=100))
@settings(max_examples=30, deadline=None)
def test_noise_is_scaled_to_the_wanted_deviation(sigma, offset):
    rng = np.random.default_rng(1)
    noise = rng.normal(size=50) + 3j * rng.normal(size=50) + offset
    scaled = scale_to_sigma(noise, sigma)
    assert np.sqrt(np.mean(np.abs(scaled - scaled.mean()) ** 2)) == pytest.approx(sigma)


def test_sigma_conventions():
    assert complex_sigma(0.1, "complex") == 0.1
    assert complex_sigma(0.1, "per-channel") == pytest.approx(0.1 * np.sqrt(2))
    with pytest.raises(InputError, match="sigma_convention"):
        complex_sigma(0.1, "magnitude")
    with pytest.raises(InputError, match="constant"):
        scale_to_sigma(np.ones(4), 0.1)


def test_pair_keeps_truth_and_image_in_step():
    rng = np.random.default_rng(0)
    truth = (rng.normal(size=(4, 3, 1)) + 1j * rng.normal(size=(4, 3, 1))).astype(np.complex64)
    degraded = truth + 0.1
    result = pair(truth, degraded, 0.2)
    assert np.abs(result.degraded.image).max() == pytest.approx(1)
    np.testing.assert_allclose(result.truth * result.factor, truth, rtol=1e-5)
    np.testing.assert_allclose(result.degraded.image * result.factor, degraded, rtol=1e-5)
    assert result.degraded.sigma == pytest.approx(0.2 / result.factor)
    zeros, factor = unit_maximum(np.zeros((2, 2, 1)))
    assert factor == 1
    assert not zeros.any()


def test_denoising_adds_noise_of_the_wanted_strength(world):
    component = SystemMatrixStore([world.training]).read(0, 3)
    pool = NoisePool(world.pool)
    task = make_task("denoising")
    result = task.degrade(component, component.image, pool, sigma=0.2, rng=generator(3, "x"))
    noise = (result.degraded.image - result.truth) * result.factor
    assert np.sqrt(np.mean(np.abs(noise - noise.mean()) ** 2)) == pytest.approx(0.2, rel=1e-4)
    clean = task.degrade(component, component.image, pool, sigma=0, rng=generator(3, "x"))
    np.testing.assert_array_equal(clean.degraded.image, clean.truth)


@given(angle=st.floats(-np.pi, np.pi), seed=st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_phase_factor_makes_rotated_real_images_real(angle, seed):
    real = np.random.default_rng(seed).normal(size=(5, 4, 1))
    image = real * np.exp(1j * angle)
    turned = image / phase_factor(image)
    assert np.abs(turned.imag).max() < 1e-9
    assert abs(phase_factor(image)) == pytest.approx(1)


def test_seeds_name_items_and_not_workers():
    assert derived_seed(1, "a", 2) == derived_seed(1, "a", 2)
    assert len({derived_seed(1, "a", 12), derived_seed(1, "a1", 2), derived_seed(2, "a", 12)}) == 3
    assert generator(1, "x").random() == generator(1, "x").random()
