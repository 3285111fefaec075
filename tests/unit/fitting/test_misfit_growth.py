"""How the misfit of a model depends on the size of components."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smrestore.fitting.basis import MISFITS
from smrestore.fitting.growth import POWER, STRONG, Growth, learn_growth


def known(misfit: np.ndarray, width: float = 0.2) -> np.ndarray:
    """Return likelihoods of components whose misfit is known within a width of its logarithm."""
    return -0.5 * ((np.log(MISFITS) - np.log(misfit)[:, None]) / width) ** 2


@given(st.floats(5e-4, 0.05), st.floats(0.15, 0.45))
def test_the_law_is_found(strongest, power):
    rng = np.random.default_rng(1)
    size = np.geomspace(1e-3, 1, 200)
    misfit = np.minimum(strongest * size**-power * np.exp(0.3 * rng.normal(size=200)), 1.9)
    found = learn_growth(known(misfit), MISFITS, size)
    assert found.strongest == pytest.approx(strongest, rel=0.15)
    assert found.power == pytest.approx(power, abs=0.05)


def test_components_that_noise_hides_say_little():
    """Strong components tell the misfit; weak ones, of which all is likely, follow the law."""
    strong = known(np.full(10, 0.01))
    hidden = np.zeros((500, len(MISFITS)))
    size = np.r_[np.geomspace(0.5, 1, 10), np.full(500, 1e-3)]
    found = learn_growth(np.concatenate([strong, hidden]), MISFITS, size)
    assert found.power == pytest.approx(POWER, abs=0.1)
    assert found.misfit(np.array([0.7]))[0] == pytest.approx(0.01, rel=0.1)
    assert found.misfit(np.array([1e-3]))[0] > 0.05


def test_misfit_by_size():
    found = Growth(0.01, 0.5).misfit(np.array([1.0, 0.01, 1e-9, 0.0]))
    np.testing.assert_allclose(found, [0.01, 0.1, 1.0, 0.0])


def test_a_measurement_is_wrong_by_one_share():
    growth = Growth(0.01, 0.5)
    found = growth.of_measurement(np.array([1.0, STRONG, 1e-3, 0.0]))
    largest = 0.01 * STRONG**-0.5
    np.testing.assert_allclose(found, [0.01, largest, largest, 0.0])
