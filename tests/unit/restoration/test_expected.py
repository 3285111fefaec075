"""The expected error of components by fitted physics."""

from types import SimpleNamespace

import numpy as np
import pytest

from smrestore.fitting.apply import Prediction
from smrestore.fitting.posterior import Misfit
from smrestore.physics import Sequence
from smrestore.physics.mixing import mixing_orders, total_order
from smrestore.physics.spectrum import Components
from smrestore.restoration.expected import DOUBT, expected_error, grown_misfit


def test_the_misfit_of_strong_components_tells_that_of_weak_ones():
    """Noise hides the misfit of high orders, so that its likelihood says that there is none."""
    found = grown_misfit({0: 0.02, 1: 0.03, 2: 0.04, 3: 3e-4, 11: 3e-4}, [0, 1], np.arange(20))
    assert found[14] == pytest.approx(0.02 / 2.5 * 14)
    assert (np.diff(found) >= 0).all()
    assert found[0] == found[1] > 0


def test_a_misfit_of_high_orders_says_nothing_of_low_ones():
    low = grown_misfit({0: 0.001, 3: 0.2}, [0], np.array([2, 16]))
    assert low[0] == pytest.approx(0.001 / 2.5 * 2)
    assert low[1] == pytest.approx(0.2 / 15 * 16)
    assert (grown_misfit({}, [0], np.array([2, 16])) == 0).all()


@pytest.fixture
def data():
    """Return a scan in x and y, with a component of each channel."""
    sequence = Sequence((0.012, 0.012, 0.0), (-1.0, -1.0, 2.0), sampling_rate=2.5e6)
    frequency = int(np.flatnonzero(total_order(mixing_orders(sequence)) == 5)[0])
    components = Components(np.arange(3), np.full(3, frequency))
    return SimpleNamespace(sequence=sequence, components=components)


def test_a_share_of_the_misfit_is_doubted(data):
    images = np.full((10, 3), 2.0, np.complex64)
    deviation = np.array([0.0, 10.0, 0.5])
    misfit = Misfit(2.0, 0.0, {1: 0.13, 9: 0.13, 17: 0.9})
    error = expected_error(data, Prediction(images, deviation, misfit))
    assert error[0] == pytest.approx(DOUBT * 0.13 / 6.5 * 5 * 2)
    assert error[1] == pytest.approx(np.hypot(10, error[0]))
    # Across the driven axes, the likelihood knows it.
    assert error[2] == 0.5


def test_of_a_model_alone_it_is_the_deviation(data):
    deviation = np.array([1.0, 2.0, 3.0])
    found = Prediction(np.ones((10, 3), np.complex64), deviation, None)
    assert expected_error(data, found) is deviation
