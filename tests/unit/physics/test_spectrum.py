"""The fast ways to a system matrix against the slow ones, over all they may be asked for."""

import dataclasses
import itertools
import threading

import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import i0e, i1e

from smrestore.physics import (
    CalibrationGrid,
    Components,
    Particle,
    Receiver,
    Sequence,
    Simulation,
    component_values,
    lattice,
    make_plan,
    mean_moment,
    spectrum,
    system_matrix,
    torus,
)
from smrestore.physics.cosines import panel_size, transform_samples
from smrestore.physics.folding import Chosen, fold
from smrestore.physics.moment import REACH, quadrature, sufficient_quadrature
from smrestore.physics.moment_table import moment_table, table_samples
from smrestore.physics.parameters import SizeLimits, draw_case, simulation_of
from smrestore.physics.vectors import LANES
from smrestore.support.errors import InputError

TOLERANCE = 1e-8
"""Largest error of a spectrum, relative to the largest component of its matrix."""

PLANAR = Sequence((0.012, 0.010, 0.0), (-1.0, -1.2, 2.2), (10, 9, 8), 2.5e6, 2.5e6)
SPATIAL = Sequence((0.009, 0.010, 0.008), (-1.0, -1.2, 2.2), (10, 9, 8), 2.5e6, 5.0e6)
GRID = CalibrationGrid((3, 2, 2), (0.03, 0.02, 0.01), (0.001, 0.0, 0.002))
FLUID = Particle(21e-9, 4000.0, "fluid", 0.7)
FIXED = Particle(18e-9, 6000.0, "immobilized", easy_axis=(0.5, -0.3, 0.8))


def direct(simulation: Simulation, positions: np.ndarray) -> np.ndarray:
    """Return the system matrix (C, K, P) by the definition: every sample, a full FFT."""
    sequence, particle = simulation.sequence, simulation.particle
    corners = sequence.static_field(simulation.grid.positions())
    static = sequence.static_field(positions)
    alpha, axis = particle.anisotropy(static, np.linalg.norm(corners, axis=-1).max())
    times = np.arange(sequence.n_samples) / sequence.sampling_rate
    drive = [
        a * np.cos(2 * np.pi * sequence.base_frequency / divider * times + phase)
        for a, divider, phase in zip(
            sequence.drive_amplitude, sequence.dividers, sequence.drive_phase, strict=True
        )
    ]
    xi = particle.beta * (static[:, :, None] + np.array(drive))
    parallel = np.einsum("pct,pc->pt", xi, axis)
    rest = xi - parallel[:, None] * axis[:, :, None]
    across = np.linalg.norm(rest, axis=1)
    m_parallel, m_across = mean_moment(alpha[:, None], parallel, across)
    moment = m_parallel[:, None] * axis[:, :, None]
    moment = moment + (m_across / np.maximum(across, 1e-300))[:, None] * rest
    signal = np.einsum("cl,plt->cpt", simulation.receiver.sensitivity, moment)
    spectra = np.fft.rfft(signal, axis=-1) / sequence.n_samples
    frequencies = np.arange(spectra.shape[-1]) / sequence.cycle
    factor = -2j * np.pi * frequencies / (1 + 2j * np.pi * frequencies * particle.relaxation_time)
    if simulation.receiver.transfer_function is not None:
        factor = factor * simulation.receiver.transfer_function
    else:
        factor = np.tile(factor, (len(signal), 1))
    return (spectra * factor[:, None]).transpose(0, 2, 1)


def error(simulation: Simulation, positions: np.ndarray, **options) -> float:
    """Return the largest error, relative to the largest component."""
    expected = direct(simulation, positions)
    return np.abs(system_matrix(simulation, positions, **options) - expected).max() / (
        np.abs(expected).max()
    )


@pytest.mark.parametrize("transform", ["torus", "time"])
@pytest.mark.parametrize("particle", [FLUID, FIXED, Particle(22e-9, model="langevin")])
@pytest.mark.parametrize(
    "sequence",
    [
        PLANAR,
        SPATIAL,
        dataclasses.replace(SPATIAL, drive_amplitude=(0.0, 0.01, 0.0)),
        dataclasses.replace(PLANAR, drive_phase=(-np.pi / 2, -np.pi / 2, 0.0)),
        dataclasses.replace(PLANAR, drive_phase=(np.pi, 0.0, 0.3)),
        dataclasses.replace(SPATIAL, drive_phase=(0.3, -1.0, 2.0)),
        dataclasses.replace(SPATIAL, offset=(0.004, -0.002, 0.001)),
        Sequence((0.012, 0.010, 0.0), (-1.0, -1.2, 2.2), (4, 3, 2), 1.0e6, 1.25e6),
        Sequence((0.012, 0.010, 0.0), (-1.0, -1.2, 2.2), (5, 3, 2), 1.0e6, 3.4e6),
    ],
    ids=["2d", "3d", "1d", "sine", "negative", "phases", "offset", "odd", "aliased"],
)
def test_every_sequence_meets_the_definition(sequence, particle, transform):
    simulation = Simulation(particle, sequence, GRID)
    positions = GRID.positions().reshape(-1, 3)[::5]
    assert error(simulation, positions, transform=transform) <= TOLERANCE
    assert error(simulation, positions, transform=transform, evaluator="quadrature") <= TOLERANCE


@pytest.mark.parametrize("transform", ["torus", "time"])
def test_receive_chain_and_relaxation_meet_the_definition(transform):
    rng = np.random.default_rng(1)
    receiver = Receiver(
        rng.normal(size=(4, 3)),
        rng.normal(size=(4, PLANAR.n_frequencies)) + 1j,
    )
    particle = dataclasses.replace(FLUID, relaxation_time=2e-6)
    simulation = Simulation(particle, PLANAR, GRID, receiver)
    positions = GRID.positions().reshape(-1, 3)[:5]
    assert error(simulation, positions, transform=transform) <= TOLERANCE
    assert system_matrix(simulation).shape == (4, PLANAR.n_frequencies, *GRID.size)


def test_a_real_model_stays_real_and_others_are_complex():
    simulation = Simulation(FLUID, PLANAR, GRID)
    assert component_values(simulation, Components.all_of(simulation)).dtype == np.float64
    lagging = dataclasses.replace(FLUID, relaxation_time=1e-6)
    shifted = dataclasses.replace(PLANAR, drive_phase=(1.0, 0.0, 0.0))
    for changed in (
        dataclasses.replace(simulation, particle=lagging),
        dataclasses.replace(simulation, sequence=shifted),
    ):
        assert not changed.is_real
        assert component_values(changed, Components.all_of(changed)).dtype == np.complex128


CORNERS = [
    (d, k, state, q, a)
    for d in (15e-9, 25e-9)
    for k in (1e3, 1e4)
    for state, q in (("fluid", 0.3), ("fluid", 1.3), ("immobilized", 1.0))
    for a in (5e-3, 14e-3)
]


@pytest.mark.parametrize(("diameter", "constant", "state", "modulation", "amplitude"), CORNERS)
def test_corners_of_table_1_meet_the_exact_path(diameter, constant, state, modulation, amplitude):
    axis = (1.0, 0.0, 0.0) if amplitude < 0.01 else (0.6, 0.48, 0.64)
    particle = Particle(diameter, constant, state, modulation, axis)
    sequence = Sequence((amplitude, amplitude, 0.0), (-0.1, -1.5, 1.6))
    fov = tuple(4 * amplitude / abs(g) for g in sequence.gradient[:2])
    grid = CalibrationGrid((9, 9, 1), (*fov, 0.0), (fov[0] / 4, 0.0, 0.0))
    check_fast_path(Simulation(particle, sequence, grid), np.random.default_rng(0))


@given(seed=st.integers(0, 2**32), langevin=st.booleans())
@settings(max_examples=25, deadline=None)
def test_draws_of_table_1_meet_the_exact_path(seed, langevin):
    rng = np.random.default_rng(seed)
    model = "langevin" if langevin else "anisotropy"
    limits = SizeLimits((4, 40))
    check_fast_path(
        simulation_of(draw_case(rng, "case", dimension=2, limits=limits, model=model)), rng
    )


def check_fast_path(simulation: Simulation, rng: np.random.Generator) -> None:
    """Compare table and chosen transform with quadrature of every time sample at a few voxels."""
    positions = simulation.grid.positions().reshape(-1, 3)
    components = Components.all_of(simulation)
    # The largest component, over all of the grid: errors are measured by it.
    largest = np.abs(component_values(simulation, components)).max()
    some = positions[rng.choice(len(positions), 6, replace=False)]
    exact = component_values(simulation, components, some, evaluator="quadrature", transform="time")
    for transform in ("fastest", "time"):
        fast = component_values(simulation, components, some, transform=transform)
        assert np.abs(fast - exact).max() <= TOLERANCE * largest


@pytest.mark.slow
def test_a_spatial_draw_meets_the_exact_path():
    rng = np.random.default_rng(5)
    case = draw_case(rng, "case", dimension=3, limits=SizeLimits((4, 12)))
    simulation = simulation_of(case)
    positions = simulation.grid.positions().reshape(-1, 3)
    components = Components.all_of(simulation)
    some = positions[rng.choice(len(positions), 3, replace=False)]
    exact = component_values(simulation, components, some, evaluator="quadrature", transform="time")
    for transform in ("fastest", "time"):
        fast = component_values(simulation, components, some, transform=transform)
        assert np.abs(fast - exact).max() <= TOLERANCE * np.abs(exact).max()


def test_table_meets_quadrature_beyond_the_range_of_table_1():
    # 35 nm: alpha up to 55, fields up to 200.
    rng = np.random.default_rng(2)
    alpha = np.linspace(0, 55, 40)
    axis = rng.normal(size=(40, 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    static, drive = rng.uniform(-80, 80, (40, 3)), rng.uniform(-40, 40, (3, 200))
    reach = np.linalg.norm(static, axis=1).max() + np.linalg.norm(drive, axis=0).max()
    moment = np.empty((40, 3, 200))
    table = moment_table(alpha, reach, reach)
    cells, scale = np.empty(table[0, :, :, 0].size * LANES), np.ones_like(static)
    for first in range(0, 40, LANES):
        part, lanes = slice(first, first + LANES), np.empty((3, 200, LANES))
        fields = alpha[part], axis[part], static[part], drive, scale[part]
        table_samples(table, *fields, cells, lanes)
        moment[part] = lanes.transpose(2, 0, 1)
    field = static[:, :, None] + drive
    parallel = np.einsum("pct,pc->pt", field, axis)
    rest = field - parallel[:, None] * axis[:, :, None]
    across = np.linalg.norm(rest, axis=1)
    along, perpendicular = mean_moment(alpha[:, None], parallel, across)
    expected = along[:, None] * axis[:, :, None] + (perpendicular / across)[:, None] * rest
    assert np.abs(moment - expected).max() <= 1e-8


def test_quadrature_grows_with_the_field():
    assert sufficient_quadrature(REACH).shape[1] == 24
    assert sufficient_quadrature(4 * REACH).shape[1] == 48
    strong = np.array([mean_moment(60.0, x, y) for x, y in ((-300.0, 200.0), (5.0, 400.0))])
    u, weight = np.polynomial.legendre.leggauss(400)
    for (x, y), ours in zip(((-300.0, 200.0), (5.0, 400.0)), strong, strict=True):
        s = np.sqrt(1 - u**2)
        exponent = 60 * u**2 + x * u + y * s
        energy = weight * np.exp(exponent - exponent.max())
        z = (energy * i0e(y * s)).sum()
        expected = (energy * i0e(y * s) * u).sum() / z, (energy * i1e(y * s) * s).sum() / z
        np.testing.assert_allclose(ours, expected, atol=1e-10)


def test_quadrature_integrates_polynomials():
    u, sin, weight = quadrature(48)
    assert 2 * weight.sum() == pytest.approx(2)
    assert 2 * (weight * u**10).sum() == pytest.approx(2 / 11)
    np.testing.assert_allclose(u**2 + sin**2, 1)


def test_each_component_is_that_of_the_whole_matrix():
    simulation = Simulation(FIXED, SPATIAL, GRID)
    everything = Components.all_of(simulation)
    whole = component_values(simulation, everything)
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(everything), 50, replace=False)
    some = Components(everything.channel[chosen], everything.frequency[chosen])
    np.testing.assert_array_equal(component_values(simulation, some), whole[:, chosen])
    single = component_values(simulation, some, out=np.empty((12, 50), np.float32))
    np.testing.assert_array_equal(single, whole[:, chosen].astype(np.float32))


def test_strong_fields_are_sampled_in_time_and_weak_ones_on_the_torus():
    sequence = Sequence((0.014,) * 3, (-1, -1, 2))
    strong = Simulation(Particle(25e-9, 1e4, "immobilized"), sequence, GRID)
    weak = Simulation(Particle(15e-9, 1e3), Sequence((0.005,) * 3, (-1, -1, 2)), GRID)
    at_center = np.zeros((1, 3))
    assert make_plan(strong, at_center).groups[0].counts is None
    counts = make_plan(weak, at_center).groups[0].counts
    assert all(8 <= n <= 16 for n in counts)
    with pytest.raises(InputError, match=r"^transform: .*'fastest'"):
        component_values(
            Simulation(Particle(60e-9, 1e4), Sequence((0.05,) * 3, (-1, -1, 2)), GRID),
            Components.all_of(strong),
            at_center,
            transform="torus",
        )


def test_nodes_grow_with_field_and_anisotropy():
    axis, static = np.array([[1.0, 0.0, 0.0]]), np.zeros((1, 3))

    def count(alpha, amplitude, offset=0.0):
        amplitudes = np.array([amplitude, amplitude, 0.0])
        place = static + np.array([offset, 0.0, 0.0])
        return torus.node_counts(np.array([alpha]), axis, place, amplitudes)[0]

    assert count(0.0, 5.0)[2] == 1
    assert count(0.0, 10.0)[0] > count(0.0, 5.0)[0] > count(0.0, 1.0)[0]
    assert count(10.0, 5.0)[0] > count(1.0, 5.0)[0] > count(0.0, 5.0)[0]
    assert count(5.0, 5.0, 15.0)[0] < count(5.0, 5.0)[0]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"evaluator": "series"}, "evaluator"),
        ({"transform": "fft"}, "transform"),
        ({"memory": 10_000}, "memory"),
    ],
)
def test_bad_options_name_the_field(options, field):
    simulation = Simulation(FLUID, SPATIAL, GRID)
    with pytest.raises(InputError, match=f"^{field}: "):
        component_values(simulation, Components.all_of(simulation), **options)


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: Receiver(np.ones((2, 2))), "sensitivity"),
        (lambda: Receiver(np.full((3, 3), np.nan)), "sensitivity"),
        (lambda: Receiver(transfer_function=np.ones((2, 5))), "transfer_function"),
        (lambda: Receiver(transfer_function=np.full((3, 5), np.inf)), "transfer_function"),
        (
            lambda: Simulation(FLUID, PLANAR, GRID, Receiver(transfer_function=np.ones((3, 5)))),
            "transfer_function",
        ),
        (lambda: dataclasses.replace(FLUID, relaxation_time=-1.0), "relaxation_time"),
        (lambda: dataclasses.replace(FLUID, easy_axis=(0.0, 0.0, 0.0)), "easy_axis"),
        (lambda: dataclasses.replace(FLUID, anisotropy_constant=np.inf), "anisotropy_constant"),
        (lambda: dataclasses.replace(PLANAR, offset=(np.nan, 0, 0)), "offset"),
        (lambda: dataclasses.replace(PLANAR, dividers=(0, 1, 1)), "dividers"),
        (lambda: dataclasses.replace(PLANAR, base_frequency=0.0), "base_frequency"),
    ],
)
def test_bad_input_names_the_field(build, field):
    with pytest.raises(InputError) as caught:
        build()
    assert str(caught.value).startswith(f"{field}: ")


def test_an_error_in_a_block_is_raised_and_leaves_no_block_behind(monkeypatch):
    before = threading.active_count()

    def broken(*_):
        raise FloatingPointError("no")

    simulation = Simulation(FLUID, SPATIAL, GRID)
    system_matrix(simulation, threads=2)
    monkeypatch.setattr(spectrum, "fill_components", broken)
    with pytest.raises(FloatingPointError):
        system_matrix(simulation, threads=2, transform="torus")
    monkeypatch.undo()
    assert system_matrix(simulation, threads=2).shape[2:] == GRID.size
    assert threading.active_count() <= before + 2


def test_progress_counts_every_position():
    simulation, done = Simulation(FLUID, PLANAR, GRID), []
    component_values(simulation, Components.all_of(simulation), progress=done.append)
    assert sum(done) == GRID.n_positions


@pytest.mark.parametrize("counts", [(8, 1, 1), (12, 8, 1), (1, 8, 20), (8, 12, 16)])
def test_transform_at_the_nodes_is_a_cosine_transform(counts):
    rng = np.random.default_rng(0)
    moment = rng.normal(size=(2, *counts, LANES))
    moment[1] = 0
    axes = [axis + 1 for axis, n in enumerate(counts) if n > 1]
    expected = scipy.fft.dctn(moment, type=2, axes=axes) / np.prod([2 * n for n in counts if n > 1])
    flat = np.ascontiguousarray(moment.reshape(2, -1, LANES))
    pattern = torus.pattern(counts)
    transform_samples(flat, pattern, np.empty(panel_size(pattern)))
    ours = flat.reshape(2, *counts, LANES)
    for axis, n in enumerate(counts):
        orders = np.concatenate([np.arange(0, n, 2), np.arange(1, n, 2)])
        expected = np.take(expected, orders, axis=axis + 1)
    np.testing.assert_allclose(ours, expected, atol=1e-14)


@pytest.mark.parametrize("n_samples", [1, 2, 16, 17, 30, 90, 720, 3264, 3570])
def test_spectra_by_prime_factors_are_those_of_an_fft(n_samples):
    lengths = lattice.factors(n_samples)
    assert np.prod(lengths) == n_samples
    assert all(np.gcd(a, b) == 1 for a, b in itertools.combinations(lengths, 2))
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(1, n_samples, LANES))
    samples += samples[:, -np.arange(n_samples)]
    expected = np.fft.rfft(samples[0], axis=0).real / n_samples
    chosen = samples[:, lattice.sample_numbers(lengths)]
    pattern = lattice.pattern(lengths)
    transform_samples(chosen, pattern, np.empty(panel_size(pattern)))
    bins = np.arange(n_samples // 2 + 1)
    components = Chosen(np.zeros_like(bins), bins, np.ones((1, len(bins))), np.ones((len(bins), 1)))
    values = np.empty((LANES, len(bins)))
    fold(chosen, components, lattice.folding(lengths), np.arange(LANES)[:, None], values)
    np.testing.assert_allclose(values.T, expected, atol=1e-14)


def test_cycles_without_small_factors_and_uneven_ones_take_an_fft():
    assert lattice.axis_lengths(PLANAR) == (2, 5, 9)
    awkward = Sequence((0.012, 0.0, 0.0), (-1.0, -1.2, 2.2), (997, 1, 1), 2.5e6, 2.5e6)
    shifted = dataclasses.replace(PLANAR, drive_phase=(0.5, 0.0, 0.0))
    assert lattice.axis_lengths(awkward) is None
    assert lattice.axis_lengths(shifted) is None
    simulation = Simulation(FIXED, awkward, CalibrationGrid((3, 1, 1), (0.02, 0.0, 0.0)))
    expected = system_matrix(simulation, transform="torus")
    ours = system_matrix(simulation, transform="time")
    assert np.abs(ours - expected).max() <= TOLERANCE * np.abs(expected).max()
