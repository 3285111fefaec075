"""The moment and the system matrix against reference values, symmetries and limits."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import i0e, i1e

from checkout import ROOT
from smrestore.physics import (
    CalibrationGrid,
    Particle,
    Sequence,
    Simulation,
    mean_moment,
    mixing_orders,
    system_matrix,
    total_order,
)
from smrestore.physics.moment import _scaled_bessel
from smrestore.physics.parameters import read_json_cases, simulation_of
from smrestore.physics.sequence import Sequence as ScanSequence
from smrestore.support.errors import InputError

ORACLE = ROOT / "tests" / "data" / "oracle"
CASES = {case["name"]: case for case in read_json_cases(ORACLE / "system_matrix_cases.json")}
FIELDS = st.floats(-100, 100)


def test_moment_meets_the_oracle():
    oracle = pd.read_csv(ORACLE / "mean_moment.csv")
    along, across = mean_moment(oracle.alpha_k, oracle.xi_parallel, oracle.xi_perpendicular)
    assert np.abs(along - oracle.moment_parallel).max() <= 1e-9
    assert np.abs(across - oracle.moment_perpendicular).max() <= 1e-9


@pytest.mark.parametrize("transform", ["torus", "time"])
@pytest.mark.parametrize("evaluator", ["table", "quadrature"])
@pytest.mark.parametrize("name", CASES)
def test_system_matrix_meets_the_oracle(name, evaluator, transform):
    values = pd.read_csv(ORACLE / "system_matrix.csv").query("case == @name")
    matrix = system_matrix(simulation_of(CASES[name]), evaluator=evaluator, transform=transform)
    ours = matrix[values.coil, values.k, values.ix, values.iy, values.iz]
    truth = values.real.to_numpy() + 1j * values.imag.to_numpy()
    assert len(values) >= 20
    assert np.abs(ours - truth).max() <= 1e-8 * np.abs(matrix).max()
    norms = np.linalg.norm(matrix.reshape(*matrix.shape[:2], -1), axis=-1)
    assert norms.max() == pytest.approx(CASES[name]["max_component_norm"], rel=1e-8)
    assert matrix.shape[1] == CASES[name]["n_frequencies"]


def test_tabulated_bessel_functions_meet_scipy():
    x = np.concatenate([np.linspace(0, 200, 5001), np.logspace(2, 6, 200)])
    ours = np.array([_scaled_bessel(value) for value in x])
    np.testing.assert_allclose(ours[:, 0], i0e(x), rtol=1e-12)
    np.testing.assert_allclose(ours[:, 1], i1e(x), atol=1e-12)


@given(alpha=st.floats(0, 21), parallel=FIELDS, perpendicular=st.floats(0, 100))
@settings(max_examples=200, deadline=None)
def test_moment_is_odd_and_at_most_one(alpha, parallel, perpendicular):
    along, across = mean_moment(alpha, parallel, perpendicular)
    mirrored, same = mean_moment(alpha, -parallel, perpendicular)
    assert along == -mirrored
    assert across == same
    assert np.hypot(along, across) <= 1 + 1e-12
    assert across >= 0


@given(x=st.floats(-80, 80), y=st.floats(0, 80))
@settings(max_examples=100, deadline=None)
def test_moment_without_anisotropy_is_the_langevin_function(x, y):
    size = np.hypot(x, y)
    langevin = size / 3 if size < 1e-4 else 1 / np.tanh(size) - 1 / size
    along, across = mean_moment(0.0, x, y)
    assert np.hypot(along, across) == pytest.approx(langevin, abs=1e-9)
    if size > 1e-6:
        assert along == pytest.approx(langevin * x / size, abs=1e-9)


def test_moment_broadcasts():
    along, across = mean_moment(np.zeros((3, 1)), np.ones(4), 0.5)
    assert along.shape == across.shape == (3, 4)


@pytest.mark.parametrize("name", ["2d-fluid", "2d-langevin"])
def test_half_period_transform_equals_the_full_one(name):
    simulation = simulation_of(CASES[name])
    sequence, particle = simulation.sequence, simulation.particle
    positions = simulation.grid.positions().reshape(-1, 3)[:3]
    field = positions[:, :, None] * np.array(sequence.gradient)[:, None]
    field = field + sequence.drive_field(sequence.n_samples)
    easy_field = positions * np.array(sequence.gradient)
    largest = np.linalg.norm(
        simulation.grid.positions() * np.array(sequence.gradient), axis=-1
    ).max()
    alpha, axis = particle.anisotropy(easy_field, largest)
    if particle.model == "langevin":
        alpha = np.zeros_like(alpha)
    xi = particle.beta * field
    parallel = np.einsum("pct,pc->pt", xi, axis)
    across_vector = xi - parallel[:, None] * axis[:, :, None]
    perpendicular = np.linalg.norm(across_vector, axis=1)
    along, across = mean_moment(alpha[:, None], parallel, perpendicular)
    direction = across_vector / np.maximum(perpendicular, 1e-300)[:, None]
    moment = along[:, None] * axis[:, :, None] + across[:, None] * direction
    expected = np.fft.rfft(moment, axis=-1) / sequence.n_samples
    factor = -2j * np.pi * sequence.frequencies
    ours = system_matrix(simulation, positions, evaluator="quadrature", transform="time")
    assert np.abs(ours.transpose(2, 0, 1) - factor * expected).max() <= 1e-12 * abs(factor).max()


@pytest.mark.parametrize("transform", ["torus", "time"])
def test_blocks_and_threads_do_not_change_the_result(monkeypatch, transform):
    simulation = simulation_of(CASES["2d-fluid"])
    whole = system_matrix(simulation, transform=transform, threads=1)
    monkeypatch.setattr("smrestore.physics.spectrum.BLOCK_SAMPLES", 30_000)
    again = system_matrix(simulation, transform=transform, threads=3)
    np.testing.assert_array_equal(again, whole)


def test_sequences_of_the_study():
    planar = Sequence((0.012, 0.012, 0.0), (-1.0, -1.0, 2.0))
    assert (planar.n_samples, planar.n_frequencies, planar.multipliers) == (3264, 1633, (16, 17, 0))
    assert planar.cycle == pytest.approx(652.8e-6)
    spatial = Sequence((0.012, 0.012, 0.012), (-1.0, -1.0, 2.0))
    assert (spatial.n_samples, spatial.n_frequencies) == (107_712, 53_857)
    assert spatial.multipliers == (528, 561, 544)


@pytest.mark.parametrize(
    ("k", "order"),
    [(0, (0, 0)), (1, (-1, 1)), (16, (1, 0)), (17, (0, 1)), (33, (1, 1)), (49, (2, 1)),
     (136, (0, 8)), (137, (-1, 9)), (800, (16, 32))],
)  # fmt: skip
def test_mixing_orders_of_the_planar_sequence(k, order):
    orders = mixing_orders(Sequence((0.012, 0.012, 0.0), (-1.0, -1.0, 2.0), sampling_rate=2.5e6))
    assert orders.shape == (817, 3)
    assert tuple(orders[k]) == (*order, 0)
    counts = [(total_order(orders) <= limit).sum() for limit in (2, 5, 10, 15, 20)]
    assert counts == [7, 31, 111, 241, 341]


def test_mixing_orders_of_the_spatial_sequence():
    orders = mixing_orders(Sequence((0.012,) * 3, (-1.0, -1.0, 2.0), sampling_rate=2.5e6))
    expected = {528: (1, 0, 0), 544: (0, 0, 1), 16: (-1, 0, 1), 33: (-1, 1, 0), 1089: (1, 1, 0)}
    assert {k: tuple(orders[k].tolist()) for k in expected} == expected
    assert total_order(orders).max() == 49


def test_mixing_order_of_one_driven_axis_is_the_bin():
    orders = mixing_orders(Sequence((0.012, 0.0, 0.0), (-1.0, -1.0, 2.0)))
    np.testing.assert_array_equal(orders[:, 0], np.arange(len(orders)))


def test_voxel_centers():
    grid = CalibrationGrid((2, 4, 1), (0.02, 0.04, 0.0), (0.001, 0.0, 0.003))
    x, y, z = grid.axes()
    np.testing.assert_allclose(x, [-0.004, 0.006])
    np.testing.assert_allclose(y, [-0.015, -0.005, 0.005, 0.015])
    np.testing.assert_allclose(z, [0.003])
    np.testing.assert_allclose(grid.positions()[1, 2], [[0.006, 0.005, 0.003]])


def test_fluid_particle_follows_the_selection_field():
    particle = Particle(20e-9, 5000.0, "fluid", 0.5)
    field = np.array([[0.0, 0.0, 0.0], [0.01, 0.0, 0.0], [0.0, -0.04, 0.0]])
    alpha, axis = particle.anisotropy(field, 0.04)
    np.testing.assert_allclose(alpha, particle.alpha * np.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(axis[1:], [[1, 0, 0], [0, -1, 0]])


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: Particle(0.0), "core_diameter"),
        (lambda: Particle(-1e-9), "core_diameter"),
        (lambda: Particle(float("inf")), "core_diameter"),
        (lambda: Particle(2e-8, 1.0, "fluid", float("nan")), "spatial_modulation"),
        (lambda: Particle(2e-8, -1.0), "anisotropy_constant"),
        (lambda: Particle(2e-8, 1.0, "solid"), "state"),
        (lambda: Particle(2e-8, model="brown"), "model"),
        (lambda: ScanSequence((0.0, 0.0, 0.0), (1, 1, 1)), "drive_amplitude"),
        (lambda: ScanSequence((-0.1, 0.1, 0.0), (1, 1, 1)), "drive_amplitude"),
        (lambda: ScanSequence((0.01, 0.01, 0.0), (1, 0, 1)), "gradient"),
        (lambda: ScanSequence((0.01, 0.01, 0.0), (1, 1, 1), sampling_rate=2.51e6), "sampling_rate"),
        (lambda: CalibrationGrid((0, 1, 1), (1, 1, 1)), "size"),
        (lambda: ScanSequence((0.01, 0.01, 0.0), (1, 1, 1), (102.5, 96, 99)), "dividers"),
        (lambda: ScanSequence((0.01, 0.01, 0.0), (1, 1, 1), (0, 96, 99)), "dividers"),
        (
            lambda: ScanSequence((0.01, 0.01, 0.0), (1, 1, 1), sampling_rate=float("nan")),
            "sampling_rate",
        ),
        (lambda: CalibrationGrid((2, 2, 1), (-1, 1, 1)), "fov"),
        (lambda: CalibrationGrid((2, 2, 1), (float("nan"), 1, 1)), "fov"),
        (lambda: CalibrationGrid((2, 2, 1), (1, 1, 1), (0, float("inf"), 0)), "center"),
    ],
)
def test_bad_input_names_the_field(build, field):
    with pytest.raises(InputError) as caught:
        build()
    assert str(caught.value).startswith(f"{field}: ")
    assert "\n" not in str(caught.value)


def test_simulation_is_imaginary_and_zero_at_direct_current():
    matrix = system_matrix(simulation_of(CASES["2d-immobilized"]))
    assert np.all(matrix.real == 0)
    assert np.all(matrix[:, 0] == 0)


def test_cases_are_the_documented_ones():
    raw = json.loads((ORACLE / "system_matrix_cases.json").read_text())
    assert isinstance(simulation_of(raw[0]), Simulation)
