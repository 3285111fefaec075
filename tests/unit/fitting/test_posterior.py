"""Model and measurement: how far a model is believed, and what both say together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smrestore.fitting.basis import MISFITS, Basis, blocks
from smrestore.fitting.misfit import CLEAR, NONE, learn_misfit
from smrestore.fitting.posterior import combine


@given(largest=st.integers(1, 400), gap=st.integers(1, 3))
@settings(deadline=None, max_examples=30)
def test_blocks_hold_each_wanted_position_once(largest, gap):
    wanted = np.stack(np.meshgrid(*map(np.arange, (9, 8, 3)), indexing="ij"), axis=-1)
    measured = wanted[::gap, ::gap].reshape(-1, 3).astype(float)
    wanted = wanted.reshape(-1, 3).astype(float)
    found = list(blocks(measured, wanted, 2.0, largest))
    np.testing.assert_array_equal(np.sort(np.concatenate([own for _, own in found])), range(216))
    assert all(1 <= len(near) <= max(largest, 1) for near, _ in found)
    if len(measured) <= largest:
        assert len(found) == 1


def test_large_grids_need_few_blocks():
    grid = np.stack(np.meshgrid(*[np.arange(19.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    found = list(blocks(grid, grid, 7.0))
    assert len(found) <= 64
    assert all(len(near) <= 1500 for near, _ in found)


def test_blocks_restore_as_the_whole_does():
    """What is farther away than the margin hardly tells anything."""
    rng = np.random.default_rng(5)
    places = np.stack(np.meshgrid(*map(np.arange, (12, 11, 1)), indexing="ij"), axis=-1)
    places = places.reshape(-1, 3).astype(float)
    length, noise = 1.2, np.full(40, 0.05**2)
    square = np.sum((places[:, None] - places) ** 2, axis=-1)
    root = np.linalg.cholesky(np.exp(-0.5 * square / length**2) + 1e-9 * np.eye(len(places)))
    wrong = 0.2 * root @ rng.normal(size=(len(places), 80)).view(complex) / np.sqrt(2)
    model = rng.normal(size=(len(places), 80)).view(complex) / np.sqrt(2)
    true = model + wrong
    measured = true + 0.05 * rng.normal(size=(len(places), 80)).view(complex) / np.sqrt(2)
    usual = np.full(40, 0.2)
    errors = []
    for largest in (1000, 70):
        restored = model.copy()
        for near, own in blocks(places, places, 2 * length, largest):
            basis = Basis.at(places[near], places[own], length, None)
            restored[own], _ = combine(
                measured[near], model[near], model[own], noise, usual, basis, 0.0, 10.0
            )
        errors.append(np.sqrt(np.mean(np.abs(restored - true) ** 2)))
    assert errors[1] < 1.05 * errors[0] < 0.05


def drawn(rho: float, noise: float, seed: int = 0, length: float = 2.0):
    """Return truth, model and measurement of 60 components, as the posterior assumes them."""
    rng = np.random.default_rng(seed)
    places = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0), [0.0], indexing="ij"), -1)
    places = places.reshape(-1, 3)
    square = np.sum((places[:, None] - places) ** 2, axis=-1)
    root = np.linalg.cholesky(np.exp(-0.5 * square / length**2) + 1e-9 * np.eye(81))

    def normal():
        return (rng.normal(size=(81, 60)) + 1j * rng.normal(size=(81, 60))) / np.sqrt(2)

    model = np.exp(2j * np.pi * rng.uniform(size=60)) * np.cos(places[:, :1] / 2 + places[:, 1:2])
    energy = np.mean(np.abs(model) ** 2, axis=0)
    truth = model + rho * np.sqrt(energy) * (root @ normal())
    return truth, model, truth + noise * normal(), places


@pytest.mark.parametrize(
    ("rho", "noise"), [(0.02, 0.3), (0.3, 0.03), (0.1, 0.1), (0.0, 0.1), (1e-5, 3e-4)]
)
def test_model_and_measurement_is_no_worse_than_either(rho, noise):
    truth, model, measured, places = drawn(rho, noise)
    classes, variance = np.zeros(60, dtype=int), np.full(60, noise**2)
    energy = np.mean(np.abs(model) ** 2, axis=0)
    misfit, _ = learn_misfit(measured - model, energy, [variance], classes, places, None, 5.0)
    basis = Basis.at(places, places, misfit.of_class[0].length, None)
    usual = misfit.usual(classes)
    mean, deviation = combine(measured, model, model, variance, usual, basis, 0.0, 5.0)

    def error(images):
        return float(np.sqrt(np.mean(np.abs(images - truth) ** 2)))

    assert error(mean) <= 1.03 * min(error(model), error(measured)) + 0.04 * noise
    if rho == 0.1:  # both have a say, and the expected error is the real one
        assert error(mean) < 0.8 * min(error(model), error(measured))
        assert 0.8 < np.sqrt(np.mean(deviation**2)) / error(mean) < 1.25


@pytest.mark.parametrize("length", [0.7, 3.5])
def test_likelihoods_by_nodes_are_those_of_all_rows(length):
    rng = np.random.default_rng(5)
    places = drawn(0.1, 0.1)[3]
    basis = Basis.at(places, places, length, None)
    noise = np.exp(rng.normal(0, 2, 40))
    energy = noise * 10 ** rng.uniform(-3, 8, 40)
    true = rng.uniform(1e-3, 1, 40) ** 2 * energy
    power = (basis.strength[:, None] * true + noise) * rng.exponential(size=(81, 40))
    found = basis.nodes.likelihoods(power, energy, noise, 0.1)
    for number, rho in enumerate(MISFITS):
        spread = basis.strength[:, None] * (rho**2 * energy + 0.1**2 * noise) + noise
        direct = -np.sum(np.log(spread) + power / spread, axis=0)
        np.testing.assert_allclose(found[:, number], direct, rtol=1e-3, atol=0.1)


def test_the_likeliest_of_several_noises_is_found():
    _, model, measured, places = drawn(0.1, 0.1)
    energy = np.mean(np.abs(model) ** 2, axis=0)
    noises = [np.full(60, variance) for variance in (0.001**2, 0.1**2, 1.0)]
    classes = np.zeros(60, dtype=int)
    misfit, number = learn_misfit(measured - model, energy, noises, classes, places, None, 50.0)
    assert number == 1
    alone, _ = learn_misfit(measured - model, energy, noises[1:2], classes, places, None, 50.0)
    assert misfit == alone


def test_misfit_fills_positions_that_were_not_measured():
    truth, model, measured, places = drawn(0.3, 0.01)
    known = np.flatnonzero((places[:, :2] % 2 == 0).all(axis=1))
    basis = Basis.at(places[known], places, 2.0, None)
    mean, _ = combine(
        measured[known], model[known], model, np.full(60, 1e-4), np.full(60, 0.3), basis, 0.0, 5.0
    )
    assert np.linalg.norm(mean - truth) < 0.5 * np.linalg.norm(model - truth)


def test_each_class_has_its_own_length():
    """Components without a say take the length of the class before them."""
    parts = [drawn(0.1, 1e-3, seed, length) for seed, length in enumerate((3.5, 0.7))]
    parts.append(drawn(0.1, 0.3, 2, 0.7))
    truth, model, measured = (np.concatenate([p[i] for p in parts], axis=1) for i in range(3))
    places, classes = parts[0][3], np.repeat([0, 1, 2], 60)
    noise = np.repeat([1e-3**2, 1e-3**2, 0.3**2], 60)
    energy = np.mean(np.abs(model) ** 2, axis=0)
    assert (energy[classes == 2] < CLEAR * 0.3**2).all()
    misfit, _ = learn_misfit(measured - model, energy, [noise], classes, places, None, 5.0)
    assert [misfit.of_class[number].length for number in (0, 1, 2)] == [3.5, 0.7, 0.7]
    found = {length: some for length, _, some in misfit.kinds(classes)}
    assert {length: len(some) for length, some in found.items()} == {3.5: 60, 0.7: 120}
    # Rough misfit that passes for smooth one is spread over positions that do not have it.
    rough, usual = classes == 1, misfit.usual(classes)
    errors = []
    for length in (0.7, 3.5):
        basis = Basis.at(places, places, length, None)
        mean, _ = combine(*(values[:, rough] for values in (measured, model, model)),
                          noise[rough], usual[rough], basis, 0.0, 5.0)  # fmt: skip
        errors.append(np.linalg.norm(mean - truth[:, rough]))
    assert errors[0] < 0.7 * errors[1]


def test_components_in_which_the_model_sees_nothing_have_a_class_of_their_own():
    truth, _, measured, places = drawn(0.1, 0.1)
    energy = np.full(60, 1e-9)
    misfit, _ = learn_misfit(
        measured - truth, energy, [np.full(60, 0.01)], np.zeros(60, int), places, None, 5.0
    )
    assert list(misfit.of_class) == [NONE]
    assert not misfit.of_classes(np.zeros(60, int)).any()
    assert misfit.usual(np.zeros(60, int)).all()


@pytest.mark.parametrize("times", [0.5, 1.0, 2.0])
def test_drift_of_a_component_may_be_more_or_less_than_that_of_all(times):
    """What is smooth beside the model is drift rather than misfit, if misfit is known better."""
    rng = np.random.default_rng(3)
    truth, model, _, places = drawn(0.02, 0.1)
    square = np.sum((places[:, None] - places) ** 2, axis=-1)
    root = np.linalg.cholesky(np.exp(-0.5 * square / 2.0**2) + 1e-9 * np.eye(81))
    noise = 0.1 * rng.normal(size=(2, 81, 120)).view(complex) / np.sqrt(2)
    measured = truth + noise[0] + times * root @ noise[1]
    basis = Basis.at(places, places, 2.0, None)
    mean, deviation = combine(
        measured, model, model, np.full(60, 0.01), np.full(60, 0.02), basis, 1.0, 5.0
    )
    error, of_model = np.linalg.norm(mean - truth), np.linalg.norm(model - truth)
    assert error < 1.25 * of_model
    assert 0.7 < np.linalg.norm(deviation) * np.sqrt(81) / error < 1.6
