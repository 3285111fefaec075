"""Courses of the background that all components share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orth, subspace_angles

from smrestore.fitting.basis import Basis
from smrestore.fitting.drift import SharedDrift, Whitening, shared_drift
from smrestore.fitting.misfit import learn_misfit
from smrestore.fitting.posterior import combine

POSITIONS, COMPONENTS = 81, 300


def normal(rng: np.random.Generator, *size: int) -> np.ndarray:
    """Return complex normal values of unit variance."""
    return (rng.normal(size=size) + 1j * rng.normal(size=size)) / np.sqrt(2)


def walks(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return courses that wander over the positions, float64 (M, count)."""
    return orth(np.cumsum(rng.normal(size=(POSITIONS, count)), axis=0))


@pytest.fixture
def shares() -> np.ndarray:
    """Return two background frames that each half of the positions has subtracted."""
    return np.repeat(np.eye(2), [40, 41], axis=0) * 0.7


@given(seed=st.integers(0, 1000), with_shares=st.booleans())
@settings(max_examples=20, deadline=None)
def test_no_course_is_found_in_noise(seed, with_shares):
    rng = np.random.default_rng(seed)
    shares = rng.uniform(0, 0.8, (POSITIONS, 3)) if with_shares else None
    noise = np.exp(rng.normal(0, 2, COMPONENTS))
    values = normal(rng, POSITIONS, COMPONENTS)
    if with_shares:
        values += shares @ normal(rng, 3, COMPONENTS)
    assert len(shared_drift(values * np.sqrt(noise), np.arange(COMPONENTS), shares)) == 0


def test_courses_are_found_beside_subtracted_background(shares):
    rng = np.random.default_rng(3)
    courses = walks(rng, 2)
    noise = np.exp(rng.normal(0, 2, COMPONENTS))
    values = normal(rng, POSITIONS, COMPONENTS) + shares @ normal(rng, 2, COMPONENTS)
    values += 3 * courses @ normal(rng, 2, COMPONENTS)
    # Low frequencies may hold signals that the model does not know.
    values[:, : COMPONENTS // 3] += 100 * rng.normal(size=(POSITIONS, 1))
    found = shared_drift(values * np.sqrt(noise), np.arange(COMPONENTS), shares)
    assert len(found) == 2
    assert np.degrees(subspace_angles(found.courses, courses)).max() < 20
    np.testing.assert_allclose(found.strength, 9, rtol=0.6)


def test_white_and_colored(shares):
    rng = np.random.default_rng(4)
    whitening = Whitening(shares)
    values = normal(rng, POSITIONS, 5)
    np.testing.assert_allclose(whitening.colored(whitening.white(values)), values, atol=1e-12)
    root = whitening.colored(np.eye(POSITIONS))
    np.testing.assert_allclose(root @ root, np.eye(POSITIONS) + shares @ shares.T, atol=1e-12)


@pytest.mark.parametrize("rho", [0.01, 0.2])
def test_shared_courses_do_not_pass_for_misfit(rho):
    rng = np.random.default_rng(5)
    places = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0), [0.0], indexing="ij"), -1)
    places = places.reshape(-1, 3)
    square = np.sum((places[:, None] - places) ** 2, axis=-1)
    root = np.linalg.cholesky(np.exp(-0.5 * square / 2.0**2) + 1e-9 * np.eye(POSITIONS))
    model = np.exp(2j * np.pi * rng.uniform(size=60)) * np.cos(places[:, :1] / 2 + places[:, 1:2])
    energy, noise = np.mean(np.abs(model) ** 2, axis=0), np.full(60, 0.05**2)
    truth = model + rho * np.sqrt(energy) * (root @ normal(rng, POSITIONS, 60))
    quiet = truth + 0.05 * normal(rng, POSITIONS, 60)
    courses = walks(rng, 2)
    drifting = quiet + 20 * 0.05 * courses @ normal(rng, 2, 60)

    def restored(measured, drift):
        classes = np.zeros(60, dtype=int)
        misfit, _ = learn_misfit(
            measured - model, energy, [noise], classes, places, None, 5.0, drift
        )
        of_all = misfit.of_class[0]
        basis = Basis.at(places, places, of_all.length, None, drift)
        usual = misfit.usual(classes)
        mean, deviation = combine(measured, model, model, noise, usual, basis, of_all.drift, 5.0)
        return np.sqrt(np.mean(np.abs(mean - truth) ** 2)), np.sqrt(np.mean(deviation**2))

    calm, _ = restored(quiet, None)
    error, expected = restored(drifting, SharedDrift(courses, np.full(2, 3.0)))
    unaware, _ = restored(drifting, None)
    assert unaware > 2 * calm  # otherwise drift is no problem here
    assert error < 0.8 * unaware
    if rho < 0.1:  # a misfit that is stronger and smooth may explain what is along the courses
        assert error < 1.2 * calm
    assert error < 1.1 * np.sqrt(np.mean(np.abs(model - truth) ** 2))
    assert 0.7 < expected / error < 1.4
