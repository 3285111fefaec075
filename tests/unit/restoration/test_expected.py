"""The expected error of components by fitted physics."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from smrestore.fitting.apply import Prediction
from smrestore.physics import Sequence
from smrestore.physics.mixing import mixing_orders, total_order
from smrestore.physics.spectrum import Components
from smrestore.restoration.expected import (
    CERTAIN,
    DOUBT,
    REMAINING,
    beyond_noise,
    fitted_error,
    measured_error,
    network_error,
    remaining_noise,
)
from smrestore.restoration.summary import RestorationSummary


@pytest.fixture
def data():
    """Return a scan in x and y, with a component of each channel."""
    sequence = Sequence((0.012, 0.012, 0.0), (-1.0, -1.0, 2.0), sampling_rate=2.5e6)
    frequency = int(np.flatnonzero(total_order(mixing_orders(sequence)) == 5)[0])
    components = Components(np.arange(3), np.full(3, frequency))
    return SimpleNamespace(
        sequence=sequence, components=components, noise=np.full(3, 0.1), images=np.zeros((12, 3))
    )


def test_a_share_of_the_misfit_is_doubted(data):
    images = np.full((10, 3), 2.0, np.complex64)
    deviation = np.array([0.0, 10.0, 0.5])
    expected = fitted_error(data, Prediction(images, deviation, np.array([0.13, 0.13, 0.0])))
    error = expected.error
    assert error[0] == pytest.approx(DOUBT * 0.13 * 2)
    assert error[1] == pytest.approx(np.hypot(10, error[0]))
    # Across the driven axes, it is in the deviation.
    assert error[2] == 0.5
    # Other methods keep what is wrong with the measurement.
    np.testing.assert_allclose(expected.beside_noise[:2], error[0])


def test_of_a_model_alone_it_is_the_deviation(data):
    deviation = np.array([1.0, 2.0, 3.0])
    found = Prediction(np.ones((10, 3), np.complex64), deviation, None)
    assert fitted_error(data, found).error is deviation


def test_what_is_taken_away_counts_if_it_is_more_than_what_is_left(data):
    """A model that is blind to a component takes it away."""
    rng = np.random.default_rng(0)
    data.noise = np.full(3, 1.0)
    noise = rng.normal(size=(400, 3, 2)) @ [1, 1j] / np.sqrt(2)
    data.images = np.array([5.0, 5.0, 0.0]) + noise
    restored = np.zeros((400, 3), np.complex64)
    restored[:, 0] = 5
    expected = fitted_error(data, Prediction(restored, np.zeros(3), np.zeros(3)))
    error = expected.error
    assert error[0] == 0
    assert error[1] == pytest.approx(5, rel=0.05)
    # It has none of the signal, and noise may hide some.
    assert error[2] == pytest.approx(np.sqrt(CERTAIN / 20))
    np.testing.assert_allclose(expected.beside_noise, 0)


def test_noise_explains_a_change_of_its_own_size():
    change = np.array([0.5, 1.0, 1.05, 3.0])
    beyond = beyond_noise(change, np.ones(4), 400)
    np.testing.assert_allclose(beyond[:3], 0)
    assert beyond[3] == pytest.approx(np.sqrt(8), rel=0.02)


def test_the_remaining_noise_grows_with_the_signal():
    shares = remaining_noise(np.geomspace(0.1, 1e4, 50))
    assert (np.diff(shares) >= 0).all()
    assert shares[0] == REMAINING[0][1]
    assert shares[-1] == 1


def test_without_physics_what_is_wrong_with_the_measurement_stays():
    summary = replace(
        RestorationSummary.unknown((1, 1, 3)),
        noise=np.array([[[1.0, 1.0, 0.0]]]),
        peak=np.array([[[100.0, 100.0, 0.0]]]),
        beside_noise=np.array([[[0.0, 3.0, np.nan]]]),
    )
    share = float(remaining_noise(np.array(100.0)))
    np.testing.assert_allclose(network_error(summary)[0, 0], [share, np.hypot(share, 3), 0])
    np.testing.assert_allclose(measured_error(summary)[0, 0], [1, np.hypot(1, 3), 0])
