"""Twin frequencies: as much gain as their noise allows, and no harm where there are none."""

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smrestore.methods.twins import combine_twins
from smrestore.physics import CalibrationGrid, Particle, Sequence, Simulation, mixing_orders
from smrestore.physics.mixing import UNREACHED, total_order, twin_groups
from smrestore.physics.spectrum import Components, component_values
from smrestore.support.errors import InputError
from smrestore.support.seeds import generator

PARTICLE = Particle(core_diameter=20e-9, anisotropy_constant=3500.0, state="fluid")
PLANE = Simulation(
    PARTICLE,
    Sequence((0.012, 0.012, 0.0), (-1.0, -1.0, 2.0), sampling_rate=5e6),
    CalibrationGrid((21, 19, 1), (0.034, 0.03, 0.0)),
)
VOLUME = Simulation(
    PARTICLE,
    Sequence((0.012, 0.012, 0.012), (-1.0, -1.0, 2.0), sampling_rate=2.5e6),
    CalibrationGrid((11, 10, 9), (0.034, 0.03, 0.017)),
)


def components(simulation, largest_order):
    """Return the components of a channel with signal, and their mixing orders."""
    orders = mixing_orders(simulation.sequence)
    chosen = np.flatnonzero(np.isin(total_order(orders), range(1, largest_order + 1)))
    positions = simulation.grid.positions().reshape(-1, 3)
    values = component_values(simulation, Components(0 * chosen, chosen), positions).T
    norm = np.linalg.norm(values, axis=1)
    kept = norm > 1e-4 * norm.max()
    images = values[kept].reshape(-1, *simulation.grid.size).astype(np.complex128)
    return images, orders[chosen][kept]


@pytest.fixture(scope="module")
def plane():
    return components(PLANE, 7)


@pytest.fixture(scope="module")
def volume():
    return components(VOLUME, 6)


def noise_like(images, sigma, *keys):
    rng = generator(1, "twins", *keys)
    values = rng.normal(size=(2, *images.shape))
    return (values[0] + 1j * values[1]) * sigma[:, None, None, None] / np.sqrt(2)


def error(images, truth):
    return np.mean(np.abs(images - truth) ** 2, axis=(1, 2, 3))


def decibels(before, after):
    return 10 * np.log10(before / after)


def energy_ratio(images, sigma):
    """Return mean |x|^2 over the variance of the noise."""
    return np.mean(np.abs(images) ** 2, axis=(1, 2, 3)) / sigma**2


# which components are twins


@pytest.mark.parametrize(("simulation", "most"), [(PLANE, 2), (VOLUME, 4)])
def test_groups_are_the_sign_choices_of_a_mixing_order(simulation, most):
    sequence = simulation.sequence
    orders = mixing_orders(sequence)[:2000]
    groups = twin_groups(orders, len(orders))
    assert max(map(len, groups)) == most
    for group in groups[:200]:
        magnitudes = np.unique(np.abs(orders[group]), axis=0)
        assert len(magnitudes) == 1
        signs = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T
        bins = np.abs((signs * magnitudes[0]) @ np.array(sequence.multipliers))
        assert set(group) <= set(bins)
    alone = np.setdiff1d(np.arange(len(orders)), np.concatenate(groups))
    magnitudes = np.abs(orders[alone])
    assert len(np.unique(magnitudes, axis=0)) == len(alone)


def test_bins_without_an_order_have_no_twins():
    orders = np.array([[1, 2, 0], [UNREACHED] * 3, [1, -2, 0], [UNREACHED] * 3, [2, 1, 0]])
    assert [group.tolist() for group in twin_groups(orders, 5)] == [[0, 2]]
    assert twin_groups(orders[1::2], 2) == []


# gain


def test_two_equal_twins_gain_three_decibels(plane):
    images, orders = plane
    sigma = 0.1 * np.abs(images).max(axis=(1, 2, 3))
    noisy = images + noise_like(images, sigma, "plane")
    result = combine_twins(noisy, sigma, orders)
    paired = result.n_twins == 1
    assert paired[np.concatenate(twin_groups(orders, len(orders)))].mean() > 0.9
    gain = decibels(error(noisy, images), error(result.images, images))
    assert np.mean(gain[paired]) == pytest.approx(3.0, abs=0.3)
    assert gain.min() > -0.05
    # What is said to be left is left.
    np.testing.assert_allclose(
        np.sqrt(error(result.images, images)[paired]), result.noise[paired], rtol=0.15
    )


def test_four_equal_twins_gain_six_decibels(volume):
    images, orders = volume
    sigma = 0.1 * np.abs(images).max(axis=(1, 2, 3))
    noisy = images + noise_like(images, sigma, "volume")
    result = combine_twins(noisy, sigma, orders)
    gain = decibels(error(noisy, images), error(result.images, images))
    four = result.n_twins == 3
    assert four.sum() > 50
    assert np.mean(gain[four]) == pytest.approx(6.0, abs=0.4)
    assert np.mean(gain[result.n_twins == 1]) == pytest.approx(3.0, abs=0.3)
    assert gain.min() > -0.05


def test_gain_of_unequal_twins_is_close_to_the_ideal(plane):
    """White noise of one level: twins of low frequency are weak, and gain most."""
    images, orders = plane
    norms = np.sqrt(np.mean(np.abs(images) ** 2, axis=(1, 2, 3)))
    sigma = np.full(len(images), 0.3 * np.median(norms))
    noisy = images + noise_like(images, sigma, "unequal")
    result = combine_twins(noisy, sigma, orders)
    gain = decibels(error(noisy, images), error(result.images, images))
    ratio = energy_ratio(images, sigma)
    compared = 0
    for first, second in twin_groups(orders, len(orders)):
        weak = min(ratio[first], ratio[second])
        if weak < 1:
            continue
        for i in (first, second):
            ideal = 10 * np.log10((ratio[first] + ratio[second]) / ratio[i])
            assert gain[i] > 0.8 * ideal - 0.5, (orders[i], ideal)
            compared += 1
    assert compared > 10
    assert gain.min() > -0.1


def test_amplitudes_are_not_biased():
    """A weak component beside a strong twin keeps its amplitude and phase on average."""
    rng = generator(2, "bias")
    truth = np.array(rng.normal(size=(12, 10, 1)) + 1j * rng.normal(size=(12, 10, 1)))
    truth /= np.sqrt(np.mean(np.abs(truth) ** 2))
    orders = np.array([[1, 2, 0], [1, -2, 0]])
    factors = []
    for i in range(300):
        clean = np.stack([0.7 * truth, 2.0j * truth])
        noisy = clean + noise_like(clean, np.ones(2), "bias", i)
        result = combine_twins(noisy, np.ones(2), orders)
        factors.append(
            [np.vdot(a, b) / np.vdot(a, a) for a, b in zip(clean, result.images, strict=True)]
        )
    factors = np.array(factors)
    deviation = factors.std(axis=0) / np.sqrt(len(factors))
    assert np.all(np.abs(factors.mean(axis=0) - 1) < 4 * deviation + 0.01)


# no harm


def test_images_that_are_no_twins_do_not_suffer():
    rng = generator(3, "strangers")
    shape = (60, 12, 11, 1)
    images = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    orders = np.repeat(np.arange(1, 31)[:, None] * [1, 1, 0], 2, axis=0)
    for level in (0.03, 0.3, 1.0, 10.0):
        sigma = np.full(60, level * np.sqrt(2))
        noisy = images + noise_like(images, sigma, "strangers", str(level))
        result = combine_twins(noisy, sigma, orders)
        gain = decibels(error(noisy, images), error(result.images, images))
        assert gain.min() > -0.2, level
        assert np.mean(gain) > -0.01


def test_wrong_pairs_of_components_do_not_suffer(plane):
    images, orders = plane
    shuffled = orders[generator(4, "shuffle").permutation(len(orders))]
    for level in (0.01, 0.1, 1.0):
        sigma = level * np.abs(images).max(axis=(1, 2, 3))
        noisy = images + noise_like(images, sigma, "shuffled", str(level))
        result = combine_twins(noisy, sigma, shuffled)
        gain = decibels(error(noisy, images), error(result.images, images))
        assert np.quantile(gain, 0.02) > -0.2, level


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_twins_of_another_shape_are_used_only_as_far_as_they_help(share):
    rng = generator(5, "alike")
    shape = (200, 15, 14, 1)
    images = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    images[1::2] = images[::2] + share * images[1::2]
    orders = np.repeat(np.arange(1, 101)[:, None] * [1, 1, 0], 2, axis=0)
    for level in (0.01, 0.1, 1.0):
        sigma = np.full(len(images), level * np.sqrt(2))
        noisy = images + noise_like(images, sigma, "alike", str(share), str(level))
        result = combine_twins(noisy, sigma, orders)
        gain = decibels(error(noisy, images), error(result.images, images))
        assert np.mean(gain) > -0.05, level


# invariance and edges


@given(seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3), angle=st.floats(-np.pi, np.pi))
@settings(max_examples=25, deadline=None)
def test_units_and_phases_of_single_components_stay_theirs(seed, scale, angle):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(6, 5, 1)) + 1j * rng.normal(size=(6, 5, 1))
    images = np.stack([truth, 2 * truth, truth[::-1]])
    noise = np.array([0.2, 0.3, 0.2])
    images += noise_like(images, noise, seed)
    orders = np.array([[1, 2, 0], [1, -2, 0], [3, 0, 0]])
    factor = np.array([1, scale * np.exp(1j * angle), 5j])
    plain = combine_twins(images, noise, orders)
    turned = combine_twins(images * factor[:, None, None, None], noise * np.abs(factor), orders)
    np.testing.assert_allclose(
        turned.images,
        plain.images * factor[:, None, None, None],
        rtol=1e-3,
        atol=1e-4 * max(scale, 5),
    )
    np.testing.assert_allclose(turned.noise, plain.noise * np.abs(factor), rtol=1e-4)


def test_components_alone_and_without_noise_stay_as_they_are(plane):
    images, orders = (part[:30] for part in plane)
    sigma = np.zeros(30)
    result = combine_twins(images, sigma, orders)
    np.testing.assert_allclose(result.images, images, rtol=1e-6)
    assert not result.n_twins.any()
    sigma = 0.1 * np.abs(images).max(axis=(1, 2, 3))
    alone = np.arange(1, 31)[:, None] * [1, 0, 0]
    result = combine_twins(images, sigma, alone)
    np.testing.assert_array_equal(result.images, images.astype(np.complex64))
    np.testing.assert_array_equal(result.noise, sigma)


def test_components_may_come_from_a_file(plane, tmp_path):
    images, orders = plane
    images = images.astype(np.complex64)
    sigma = 0.1 * np.abs(images).max(axis=(1, 2, 3))
    with h5py.File(tmp_path / "images.h5", "w") as file:
        file["images"] = images
        result = combine_twins(file["images"], sigma, orders)
    np.testing.assert_array_equal(result.images, combine_twins(images, sigma, orders).images)


def test_zeros_stay_zeros():
    orders = np.array([[1, 2, 0], [1, -2, 0]])
    result = combine_twins(np.zeros((2, 3, 3, 1), complex), np.ones(2), orders)
    assert not result.images.any()
    np.testing.assert_array_equal(result.noise, 1)


def test_faults_are_named(plane):
    images, orders = plane
    sigma = np.ones(len(images))
    with pytest.raises(InputError, match="mixing_order: twins are found by mixing orders"):
        combine_twins(images, sigma, None)
    with pytest.raises(InputError, match="given are int64 of shape"):
        combine_twins(images, sigma, orders[:5])
    with pytest.raises(InputError, match="given are float64 of shape"):
        combine_twins(images, sigma, orders.astype(float))
    with pytest.raises(InputError, match="images: images of shape"):
        combine_twins(images[0], sigma, orders)
    with pytest.raises(InputError, match="with noise of shape"):
        combine_twins(images, sigma[:5], orders)
    with pytest.raises(InputError, match="noise: is negative or not finite"):
        combine_twins(images, -sigma, orders)
    broken = images.copy()
    broken[:, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="images: components hold NaN or infinity"):
        combine_twins(broken, sigma, orders)
