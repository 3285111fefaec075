"""Twin frequencies in simulated test sets: their noise, their gain, and what the method is told."""

import dataclasses
from functools import partial

import numpy as np
import pandas as pd
import pytest

from smrestore.evaluation.scores import EvaluationSet, evaluate
from smrestore.evaluation.simulated_twins import degrade_with_twins, twin_bins
from smrestore.noise import NoisePool, build_parametric_pool
from smrestore.noise.build import frequencies_of
from smrestore.physics import Sequence, mixing_orders
from smrestore.simulation.store import Component
from smrestore.support.errors import InputError
from smrestore.support.seeds import generator
from smrestore.tasks import make_task

SEQUENCE = Sequence((0.012, 0.012, 0.0), (-1.0, -1.0, 2.0), sampling_rate=2.5e6)
ORDERS = mixing_orders(SEQUENCE)
SIZE = (16, 15, 1)
SIGMA = 0.1
TEST_SET = EvaluationSet("twins", "denoising", 20, (0.1,), "complex")


def truth():
    x, y = np.meshgrid(np.linspace(-1, 1, SIZE[0]), np.linspace(-1, 1, SIZE[1]), indexing="ij")
    image = np.cos(4 * x) * np.cos(3 * y) * np.exp(0.4j)
    return (image / np.abs(image).max())[..., None].astype(np.complex64)


def component(frequency):
    return Component("m", 0, frequency, tuple(ORDERS[frequency]), truth())


@pytest.fixture(scope="module")
def white(tmp_path_factory):
    """White noise of equal strength at all frequencies."""
    path = tmp_path_factory.mktemp("pools") / "white.h5"
    build_parametric_pool(
        path,
        model="white",
        name="w",
        seed=1,
        n_frames=400,
        frequency_axis=SEQUENCE.frequencies,
    )
    return path


def degrade(pool, frequency, seed=0):
    rng = partial(generator, seed, "noise")
    return degrade_with_twins(
        component(frequency),
        truth(),
        NoisePool(pool),
        sigma=SIGMA,
        mixing_order=ORDERS,
        rng=rng,
    )


def test_twins_share_their_mixing_order_but_for_signs():
    # 16 periods of x and 17 of y: 1 x 16 + 2 x 17 and 2 x 17 - 16.
    assert twin_bins(ORDERS, 50).tolist() == twin_bins(ORDERS, 18).tolist() == [18, 50]
    assert twin_bins(ORDERS, 16).tolist() == [16]


def test_a_component_without_twins_is_degraded_as_by_denoising(white):
    alone = degrade(white, 16)
    task = make_task("denoising")
    rng = generator(0, "noise")
    single = task.degrade(component(16), truth(), NoisePool(white), sigma=SIGMA, rng=rng)
    np.testing.assert_allclose(alone.degraded.image, single.degraded.image, atol=1e-5)
    assert alone.degraded.sigma == pytest.approx(single.degraded.sigma, rel=1e-4)


@pytest.mark.parametrize(("frequency", "twin"), [(50, 18), (18, 50)])
def test_noise_falls_with_the_strength_of_the_twin(white, frequency, twin):
    left, told = [], []
    for seed in range(12):
        pair = degrade(white, frequency, seed)
        error = (pair.degraded.image - pair.truth) * pair.factor
        left.append(np.sqrt(np.mean(np.abs(error) ** 2)))
        told.append(pair.degraded.sigma * pair.factor)
    # Equal noise, and signals in proportion to the frequency; factor and weights are estimates.
    expected = SIGMA / np.sqrt(1 + (twin / frequency) ** 2)
    assert np.mean(left) == pytest.approx(expected, rel=0.12)
    assert np.mean(told) == pytest.approx(expected, rel=0.12)


def test_twins_that_the_pool_lacks_are_left_out(tmp_path):
    path = tmp_path / "few.h5"
    build_parametric_pool(
        path,
        model="white",
        name="w",
        seed=1,
        n_frames=400,
        frequency_axis=SEQUENCE.frequencies,
        frequencies=np.array([18]),
    )
    assert degrade(path, 18).degraded.sigma * degrade(path, 18).factor == pytest.approx(SIGMA)


def test_needed_frequencies_hold_the_twins(world):
    single, both = (frequencies_of([world.validation], twins=t) for t in (False, True))
    expected = {b for k in single for b in twin_bins(ORDERS, k)}
    assert set(single) < set(both) == expected


def test_evaluation_gains_by_twins_without_any_filter(world, tmp_path):
    rows = []
    for twins in (False, True):
        path = tmp_path / f"{twins}.csv"
        evaluate(
            TEST_SET,
            lambda batch: [item.image for item in batch],
            "identity",
            matrices=[world.validation],
            noise_pool=world.pool,
            seed=3,
            path=path,
            twins=twins,
        )
        rows.append(pd.read_csv(path))
    keys = ["matrix", "channel", "frequency", "sigma"]
    pd.testing.assert_frame_equal(rows[0][keys], rows[1][keys])
    gain = rows[1]["psnr"] - rows[0]["psnr"]
    assert gain.mean() > 0.5
    assert gain.min() > -0.5


def test_twins_are_for_denoising_alone(world, tmp_path):
    test_set = dataclasses.replace(
        TEST_SET, task="inpainting", degradation={"mask_ratio": (0.1, 0.1)}
    )
    with pytest.raises(InputError, match="not for inpainting"):
        evaluate(
            test_set,
            lambda batch: [item.image for item in batch],
            "identity",
            matrices=[world.validation],
            noise_pool=world.pool,
            seed=3,
            path=tmp_path / "x.csv",
            twins=True,
        )
