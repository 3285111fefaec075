"""Fokker-Planck dynamics against equilibrium, theory, and solvers that share nothing with it."""

import dataclasses
import itertools

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from smrestore.physics import (
    CalibrationGrid,
    Components,
    LocalFields,
    Particle,
    Receiver,
    Sequence,
    Simulation,
    component_values,
    mean_moment,
)
from smrestore.physics.dynamics import Rotation, dynamic_values
from smrestore.physics.dynamics.couplings import couplings
from smrestore.physics.dynamics.periodic import Accuracy, periodic_moments
from smrestore.physics.dynamics.rosenbrock import (
    DONE,
    Fields,
    equilibrium,
    integrate,
    make_memory,
)
from smrestore.physics.vectors import LANES
from smrestore.support.errors import InputError

TAU = 1e-6
"""Relaxation time of tests that choose one, in s."""
RATE = 0.5 / TAU
KINDS = ((True, 0.0), (False, 0.0), (False, 10.0))
"""In a plane, in space, with precession at a damping of 0.1."""

SHORT = Sequence((0.012, 0.010, 0.0), (-1.0, -1.2, 2.2), (10, 9, 8), 2.5e5, 2.5e6)
SPATIAL = Sequence((0.009, 0.010, 0.008), (-1.0, -1.2, 2.2), (4, 3, 5), 1.0e5, 2.0e6)
GRID = CalibrationGrid((3, 2, 2), (0.03, 0.02, 0.01), (0.001, 0.0, 0.002))
FLUID = Particle(21e-9, 4000.0, "fluid", 0.7)
FIXED = Particle(18e-9, 6000.0, "immobilized", easy_axis=(0.5, -0.3, 0.8))


def check(what: str, error: float, bound: float) -> None:
    """Compare, and print for docs/dynamics.md: pytest -s tests/unit/test_dynamics.py."""
    print(f"\n{what}: {error:.1e} (<= {bound:.1e})", end="")
    assert error <= bound


def kind_of(plane: bool, precession: float) -> str:
    return "in a plane" if plane else "precession" if precession else "in space"


class Ensemble:
    """Eight densities in constant fields, in the frame of their easy axes."""

    def __init__(self, alpha, field, plane=False, precession=0.0, degree=30, rate=RATE):
        self.links = couplings(degree, plane, precession)
        self.memory = make_memory(self.links)
        self.degree = degree
        constant = np.concatenate(
            [np.ones(LANES), np.broadcast_to(alpha, LANES), *np.broadcast_to(field, (LANES, 3)).T]
        )
        nothing = np.zeros((3, 3 * LANES)), np.zeros(3), np.zeros(3)
        self.fields = Fields(rate * constant, *nothing)
        self.state = np.zeros(self.links.n_unknowns * LANES)
        self.state[:LANES] = 1.0

    def settle(self):
        equilibrium(self.links, self.fields, 0.0, self.degree, 1.0, self.memory, self.state)
        return self

    def follow(self, duration, n_samples, tolerance=1e-9):
        """Return the moment at the beginnings of equal intervals, (n_samples, LANES, 3)."""
        moments = np.zeros((3, n_samples, LANES))
        interval = duration / n_samples
        status, *_ = integrate(
            self.links,
            self.fields,
            0.0,
            duration,
            1e-3 * interval,
            self.degree,
            tolerance,
            1e-7,
            self.memory,
            self.state,
            interval,
            n_samples,
            moments,
        )
        assert status == DONE
        return moments.transpose(1, 2, 0)

    @property
    def moment(self):
        """The moment now, (LANES, 3)."""
        state = self.state.reshape(-1, LANES)
        at = self.links.start[1]
        y = np.zeros(LANES) if self.links.width[1] == 1 else state[at + 1]
        return np.stack([-state[at], -y, state[1] / np.sqrt(2)], axis=1) * np.sqrt(2 / 3)


def boltzmann(alpha, field):
    across = np.hypot(field[:, 0], field[:, 1])
    along, sideways = mean_moment(alpha, field[:, 2], across)
    return np.stack([sideways * field[:, 0] / across, sideways * field[:, 1] / across, along], 1)


def random_fields(plane, strength, seed=1):
    rng = np.random.default_rng(seed)
    field = rng.normal(0, strength, (LANES, 3))
    if plane:
        field[:, 1] = 0
    return rng.uniform(0, 6, LANES), field


@pytest.mark.parametrize(("plane", "precession"), KINDS)
def test_equilibrium_is_boltzmann(plane, precession):
    alpha, field = random_fields(plane, 6.0)
    ensemble = Ensemble(alpha, field, plane, precession, degree=40).settle()
    error = abs(ensemble.moment - boltzmann(alpha, field)).max()
    check(f"Boltzmann, solved, {kind_of(plane, precession)}", error, 1e-10)


@pytest.mark.parametrize(("plane", "precession"), KINDS)
def test_any_density_relaxes_to_boltzmann(plane, precession):
    alpha, field = random_fields(plane, 3.0)
    ensemble = Ensemble(0.3 * alpha, field, plane, precession, degree=24)
    moments = ensemble.follow(60 * TAU, 50, tolerance=1e-7)
    error = abs(ensemble.moment - boltzmann(0.3 * alpha, field)).max()
    check(f"Boltzmann, relaxed, {kind_of(plane, precession)}", error, 1e-8)
    assert np.linalg.norm(moments, axis=-1).max() <= 1
    np.testing.assert_allclose(ensemble.state[:LANES], 1.0, atol=1e-12)


@pytest.mark.parametrize(("plane", "precession"), KINDS)
def test_free_moments_decay_by_their_degree(plane, precession):
    """Without field and anisotropy, degree l decays at l(l + 1) / (2 tau)."""
    ensemble = Ensemble(0.0, (0.0, 0.0, 0.0), plane, precession, degree=10)
    state = ensemble.state.reshape(-1, LANES)
    places = [
        (degree, ensemble.links.start[m] + ensemble.links.width[m] * (degree - m))
        for m in range(7)
        for degree in range(m, 7)
    ]
    for _, at in places:
        state[at] = 0.1 + 0.01 * at
    ensemble.follow(TAU, 4, tolerance=1e-10)
    for degree, at in places:
        expected = (0.1 + 0.01 * at) * np.exp(-degree * (degree + 1) / 2)
        np.testing.assert_allclose(state[at], expected, atol=2e-8)


def slowest_rate(sigma, degree=40):
    """Return the rate at which a small moment along the easy axis decays in the end, times tau."""
    ensemble = Ensemble(sigma, (0.0, 0.0, 0.2), plane=True, degree=degree).settle()
    ensemble.fields.constant[4 * LANES :] = 0
    time = 4 * TAU * (1 if sigma < 3 else np.exp(sigma) / sigma**1.5)
    ensemble.follow(time, 2)
    moments = ensemble.follow(time, 2)[:, 0, 2]
    return np.log(moments[0] / moments[1]) / (time / 2) * TAU


@pytest.mark.parametrize("sigma", [0.1, 0.3])
def test_low_barriers_slow_the_moment_by_brown(sigma):
    """The lowest eigenvalue for small sigma (Brown 1963): 1 - 2 sigma/5 + 48 sigma^2/875."""
    expected = 1 - 2 * sigma / 5 + 48 * sigma**2 / 875
    error = abs(slowest_rate(sigma) - expected)
    check(f"Rate at sigma = {sigma}", error, 0.02 * sigma**3 + 1e-6)


@pytest.mark.parametrize("sigma", [10.0, 14.0])
def test_high_barriers_are_crossed_by_brown(sigma):
    """Kramers' escape (Brown 1963): 2 sigma^(3/2) exp(-sigma) (1 - 1/sigma) / sqrt(pi)."""
    expected = 2 * sigma**1.5 * np.exp(-sigma) / np.sqrt(np.pi) * (1 - 1 / sigma)
    error = abs(slowest_rate(sigma) / expected - 1)
    check(f"Rate at sigma = {sigma} over that of high barriers, less 1", error, 1.5 / sigma**2)


@pytest.mark.parametrize("sigma", [1.0, 4.0])
def test_moment_across_the_axis_begins_to_decay_by_its_effective_rate(sigma):
    """Initially at (2 + S) / (2 tau (1 - S)), S = <P_2> (Raikher and Shliomis 1975)."""
    ensemble = Ensemble(sigma, (1e-3, 0.0, 0.0), plane=True).settle()
    order = ensemble.state.reshape(-1, LANES)[2, 0] / np.sqrt(5)
    ensemble.fields.constant[2 * LANES :] = 0
    time = 1e-4 * TAU
    moments = ensemble.follow(2 * time, 2)[:, 0, 0]
    rate = np.log(moments[0] / moments[1]) / time * TAU
    error = abs(rate / ((2 + order) / 2 / (1 - order)) - 1)
    check(f"Initial rate across the axis, sigma = {sigma}, relative", error, 1e-3)


def one_axis(frequency_divider, amplitude, gradient=-1.0):
    return Sequence((amplitude, 0, 0), (gradient, 0.5, 0.5), (frequency_divider, 1, 1), 2.5e6, 5e6)


def center(simulation):
    return np.zeros((1, 3)), Components.all_of(simulation)


@pytest.mark.parametrize("kind", ["neel", "brown"])
def test_weak_fields_give_debye(kind):
    rotation = Rotation(kind, damping=1e-3, hydrodynamic_diameter=30e-9)
    particle = Particle(20e-9, 0.0)
    simulation = Simulation(particle, one_axis(100, 2e-5), GRID)
    positions, components = center(simulation)
    values = dynamic_values(simulation, rotation, components, positions, tolerance=1e-7)[0]
    tau = rotation.relaxation_time(particle)
    assert 2 * np.pi * 2.5e4 * tau > 0.1
    debye = dataclasses.replace(particle, relaxation_time=tau)
    expected = component_values(dataclasses.replace(simulation, particle=debye), components,
                                positions)[0]  # fmt: skip
    check(f"Debye, {kind}", abs(values - expected).max() / abs(expected).max(), 5e-5)


def test_weak_fields_along_the_axis_relax_slower_by_the_anisotropy():
    """chi = beta/3 (1 + 2 S) / (1 + i omega tau'), nearly one mode at low barriers."""
    rotation = Rotation(damping=1e-3)
    particle = Particle(20e-9, 300.0, "immobilized", easy_axis=(1.0, 0.0, 0.0))
    simulation = Simulation(particle, one_axis(100, 2e-5), GRID)
    positions = np.zeros((1, 3))
    first = Components(np.array([0]), np.array([1]))
    value = dynamic_values(simulation, rotation, first, positions, tolerance=1e-7)[0, 0]
    still = component_values(simulation, first, positions)[0, 0]
    sigma = particle.alpha
    slowed = rotation.relaxation_time(particle) / (1 - 2 * sigma / 5 + 48 * sigma**2 / 875)
    assert slowed > 1.08 * rotation.relaxation_time(particle)
    expected = still / (1 + 2j * np.pi * 2.5e4 * slowed)
    check("Debye along the axis, sigma = 0.3", abs(value / expected - 1), 2e-3)


def test_slow_fields_give_langevin():
    """The distance from equilibrium is that of a delay: it falls with the frequency."""
    particle = Particle(20e-9, 0.0)
    distances = []
    for divider in (100, 1000):
        sequence = Sequence((0.01, 0, 0), (-1, 0.5, 0.5), (divider, 1, 1), 2.5e6, 5e7 / divider)
        simulation = Simulation(particle, sequence, GRID)
        positions, components = np.array([[0.004, 0.002, 0.0]]), Components.all_of(simulation)
        values = dynamic_values(simulation, Rotation(), components, positions, tolerance=1e-6)
        still = component_values(simulation, components, positions)
        distances.append(abs(values - still).max() / abs(still).max())
    check("Distance from Langevin at 25 kHz", distances[0], 4e-3)
    check("Distance from Langevin at 2.5 kHz", distances[1], 4e-4)
    assert distances[1] == pytest.approx(distances[0] / 10, rel=0.05)


def test_equilibrium_is_a_rotation_too():
    simulation = Simulation(FLUID, SHORT, GRID)
    components = Components.all_of(simulation)
    values = dynamic_values(simulation, Rotation("equilibrium"), components)
    assert values.dtype == np.complex128
    np.testing.assert_array_equal(values, component_values(simulation, components))


def test_fast_rotation_is_equilibrium():
    """Strong damping leaves microseconds of a field no time: the limit is equilibrium."""
    particle = Particle(15e-9, 2000.0)
    slow = dataclasses.replace(SHORT, base_frequency=2.5e3, sampling_rate=2.5e4)
    simulation = Simulation(particle, slow, GRID)
    components = Components.all_of(simulation)
    values = dynamic_values(simulation, Rotation(damping=1.0), components, tolerance=1e-6)
    still = component_values(simulation, components)
    assert abs(values - still).max() < 2e-5 * abs(still).max()


def test_tolerance_holds():
    """Converged in steps, degree and closure: errors follow the tolerance."""
    positions = np.array([[0.001, 0.002, 0.0], [0.01, -0.004, 0.0], [-0.014, 0.009, 0.0]])
    for particle, precession in ((FLUID, False), (FIXED, True)):
        simulation = Simulation(particle, SHORT, GRID)
        components = Components.all_of(simulation)
        run = (simulation, Rotation(precession=precession), components, positions)
        exact = dynamic_values(*run, tolerance=1e-6)
        for tolerance in (1e-2, 1e-3, 1e-4):
            values = dynamic_values(*run, tolerance=tolerance)
            error = abs(values - exact).max() / abs(exact).max()
            check(f"Components, {particle.state}, precession {precession}", error, tolerance)


def test_degree_converges():
    """A fixed largest degree gives the moment that the automatic one does."""
    alpha, field = random_fields(True, 2.0)
    errors = []
    exact = Ensemble(alpha, field, plane=True, degree=40).settle().moment
    for degree in (8, 12, 16, 20):
        moment = Ensemble(alpha, field, plane=True, degree=degree).settle().moment
        errors.append(abs(moment - exact).max())
    assert all(b < 0.05 * a for a, b in itertools.pairwise(errors))
    assert errors[-1] < 1e-8


def test_plane_and_space_agree():
    """In a plane, unknowns that vanish there may be kept."""
    sequence, accuracy = SHORT, Accuracy.of(1e-6)
    rng = np.random.default_rng(3)
    alpha, static = random_fields(True, 3.0)
    drive = rng.normal(0, 3, (3, 3, LANES))
    drive[:, 1], drive[2] = 0, 0
    constant = np.concatenate([np.ones(LANES), alpha, *static.T])
    frequency = 2 * np.pi * np.array([25000.0, 25000.0 / 0.9, 0.0])
    fields = Fields(RATE * constant, RATE * drive.reshape(3, -1), frequency, np.zeros(3))
    some, all_ = (
        periodic_moments(couplings(26, plane, 0.0), fields, sequence, accuracy)[0]
        for plane in (True, False)
    )
    np.testing.assert_allclose(some, all_, atol=1e-6)
    assert abs(all_[1]).max() < 1e-10


def test_precession_does_nothing_around_the_axis_of_symmetry():
    particle = Particle(20e-9, 3000.0, "immobilized", easy_axis=(1.0, 0.0, 0.0))
    simulation = Simulation(particle, one_axis(100, 0.01), GRID)
    positions = np.array([[0.002, 0.0, 0.0]])
    components = Components.all_of(simulation)
    without, with_it = (
        dynamic_values(simulation, Rotation(precession=p), components, positions, tolerance=1e-7)
        for p in (False, True)
    )
    np.testing.assert_allclose(with_it, without, atol=2e-6 * abs(without).max())


def test_strong_damping_suppresses_precession():
    particle = dataclasses.replace(FIXED, core_diameter=21e-9)
    simulation = Simulation(particle, SHORT, GRID)
    positions, components = np.array([[0.004, 0.003, 0.0]]), Components.all_of(simulation)
    difference = []
    for damping in (3.0, 100.0):
        without, with_it = (
            dynamic_values(simulation, Rotation("neel", p, damping), components, positions)
            for p in (False, True)
        )
        difference.append(abs(with_it - without).max() / abs(without).max())
    assert difference[1] < 0.2 * difference[0]


RADAU_TIMES = np.array([(4 - np.sqrt(6)) / 10, (4 + np.sqrt(6)) / 10, 1.0])
RADAU = np.linalg.solve(np.vander(RADAU_TIMES, 3, increasing=True), np.eye(3))
# The collocation weights a_ij = int_0^c_i l_j of Lagrange's polynomials l_j (Hairer and Wanner II).
RADAU = (np.vander(RADAU_TIMES, 4, increasing=True)[:, 1:] / [1, 2, 3]) @ RADAU


def explicit_matrices(degree, precession):
    """Return the matrices of diffusion, anisotropy and the field along x, y and z, written out.

    They act on complex moments of all m, of which (l, m) is number l^2 + l + m.
    """
    size = (degree + 1) ** 2
    matrices = np.zeros((5, size, size), dtype=complex)

    def put(kind, row, ell, m, value):
        if 0 <= ell <= degree and abs(m) <= ell:
            matrices[kind, row, ell * ell + ell + m] += value

    def a(ell, m):
        return np.sqrt(max(ell * ell - m * m, 0) / (4 * ell * ell - 1)) if ell else 0.0

    for ell in range(degree + 1):
        for m in range(-ell, ell + 1):
            row = ell * ell + ell + m
            put(0, row, ell, m, -ell * (ell + 1))
            put(1, row, ell + 2, m, -2 * ell * a(ell + 1, m) * a(ell + 2, m))
            put(1, row, ell, m, 3 * (a(ell + 1, m) ** 2 + a(ell, m) ** 2 - 1 / 3))
            if ell > 1:
                put(1, row, ell - 2, m, (2 * ell + 2) * a(ell, m) * a(ell - 1, m))
            put(4, row, ell + 1, m, -ell * a(ell + 1, m))
            put(4, row, ell - 1, m, (ell + 1) * a(ell, m))
            above, below = (2 * ell + 1) * (2 * ell + 3), max((2 * ell - 1) * (2 * ell + 1), 1)
            up = [np.sqrt((ell + s * m + 1) * (ell + s * m + 2) / above) for s in (1, -1)]
            down = [np.sqrt(max((ell - s * m) * (ell - s * m - 1), 0) / below) for s in (1, -1)]
            for sign, kind_factor in ((1, (0.5, -0.5j)), (-1, (0.5, 0.5j))):
                which = 0 if sign == 1 else 1
                for kind, factor in zip((2, 3), kind_factor, strict=True):
                    put(kind, row, ell + 1, m + sign, factor * sign * ell * up[which])
                    put(kind, row, ell - 1, m + sign, factor * sign * (ell + 1) * down[which])
            turn = 1j * precession
            put(4, row, ell, m, turn * m)
            for sign, kind_factor in ((1, (0.5, -0.5j)), (-1, (0.5, 0.5j))):
                ladder = np.sqrt(max((ell - sign * m) * (ell + sign * m + 1), 0))
                for kind, factor in zip((2, 3), kind_factor, strict=True):
                    put(kind, row, ell, m + sign, turn * factor * ladder)
            put(1, row, ell + 1, m, 2 * turn * m * a(ell + 1, m))
            put(1, row, ell - 1, m, 2 * turn * m * a(ell, m))
    return matrices


@pytest.mark.parametrize("precession", [False, True])
def test_dense_equations_agree(precession):
    """Radau's method on dense equations, in one frame, over one cycle of three driven axes."""
    rotation = Rotation(precession=precession, damping=0.05)
    particle = Particle(12e-9, 9000.0, "immobilized", easy_axis=(0.0, 0.0, 1.0))
    sequence = dataclasses.replace(
        SPATIAL, dividers=(2, 3, 1), base_frequency=4.0e6, sampling_rate=8.0e7
    )
    simulation = Simulation(particle, sequence, GRID)
    position = np.array([[0.002, 0.003, -0.001]])
    degree = 12 if precession else 9
    matrices = explicit_matrices(degree, 1 / rotation.damping if precession else 0.0)
    rate = 0.5 / rotation.relaxation_time(particle)
    frequency = 2 * np.pi * np.array(sequence.multipliers) / sequence.cycle
    still, swing = (
        particle.beta * sequence.static_field(position)[0],
        particle.beta * np.array(sequence.drive_amplitude),
    )

    def generator(time):
        field = still + swing * np.cos(frequency * time)
        return rate * np.tensordot([1, particle.alpha, *field], matrices, axes=1)

    values, vectors = np.linalg.eig(generator(0.0))
    y = vectors[:, abs(values).argmin()]
    y = y / y[0]
    # Radau's method of order 5 solves linear equations by one system of three stages, from a
    # sixth of a cycle before.
    n, parts = sequence.n_samples, 2
    step = sequence.cycle / n / parts
    states = []
    with threadpool_limits(1):
        for number in range(-n * parts // 6, n * parts):
            if number >= 0 and number % parts == 0:
                states.append(y)
            generators = [generator((number + c) * step) for c in RADAU_TIMES]
            system = -step * RADAU[:, :, None, None] * np.array(generators)
            system = system.transpose(0, 2, 1, 3).reshape(3 * len(y), -1)
            stages = np.linalg.solve(system + np.eye(3 * len(y)), np.tile(y, 3))
            y = stages[2 * len(y) :]
    states = np.array(states).T
    x_plus_iy = -np.sqrt(2 / 3) * states[3]
    moments = np.stack([x_plus_iy.real, x_plus_iy.imag, states[2].real / np.sqrt(3)])
    expected = np.fft.rfft(moments, axis=1) / sequence.n_samples
    expected = (simulation.component_factor() * expected).ravel()
    ours = dynamic_values(
        simulation, rotation, Components.all_of(simulation), position, tolerance=1e-6
    )[0]
    error = abs(ours - expected).max() / abs(expected).max()
    check(f"Dense equations by Radau, precession {precession}", error, 2e-5)


def stochastic_moment(alpha, field, precession, duration, n_steps, n_particles, seed=0):
    """Return the mean moment some time after a field is switched on, and its standard error.

    Heun's method with noise in the field of Landau and Lifshitz (Garcia-Palacios and Lazaro, Phys.
    Rev. B 58 (1998) 14937), in times of tau.
    """
    rng = np.random.default_rng(seed)
    m = rng.normal(size=(n_particles, 3))
    m /= np.linalg.norm(m, axis=1, keepdims=True)
    step = duration / n_steps
    damping = 1 / precession
    rate = 0.5
    strength = np.sqrt(2 / (rate * (1 + 1 / damping**2)) / step)

    def slope(m, noise):
        h = field + noise
        h[:, 2] += 2 * alpha * m[:, 2]
        along = np.sum(h * m, axis=1, keepdims=True)
        return rate * (h - along * m + np.cross(h, m) / damping)

    for _ in range(n_steps):
        noise = strength * rng.normal(size=m.shape)
        first = slope(m, noise)
        second = slope(m + step * first, noise.copy())
        m = m + step / 2 * (first + second)
        m /= np.linalg.norm(m, axis=1, keepdims=True)
    return m.mean(axis=0), m.std(axis=0) / np.sqrt(n_particles)


def test_stochastic_particles_agree():
    """Landau, Lifshitz and Gilbert with noise, 20 000 particles, 0.7 tau after a step."""
    alpha, field, precession = 1.5, np.array([2.0, 0.5, 1.0]), 2.0
    mean, error = stochastic_moment(alpha, field, precession, 0.7, 500, 20_000)
    ensemble = Ensemble(alpha, field, precession=precession)
    ensemble.follow(0.7 * TAU, 2, tolerance=1e-8)
    deviation = (abs(mean - ensemble.moment[0]) / error).max()
    check("Stochastic particles, standard errors", deviation, 4.5)
    # Without precession, the moment across the plane would be far from this.
    without = Ensemble(alpha, field)
    without.follow(0.7 * TAU, 2, tolerance=1e-8)
    assert abs(without.moment[0] - mean).max() > 5 * error.max()


@pytest.mark.parametrize("sequence", [SHORT, SPATIAL])
@pytest.mark.parametrize("kind", ["neel", "brown"])
def test_moments_stay_inside_the_sphere(sequence, kind):
    """From all components at a position, the moment at each sample; none is longer than 1."""
    rotation = Rotation(kind, kind == "neel", hydrodynamic_diameter=25e-9)
    simulation = Simulation(FLUID, sequence, GRID)
    components = Components.all_of(simulation)
    values = dynamic_values(simulation, rotation, components)
    spectra = values.reshape(-1, 3, sequence.n_frequencies).copy()
    spectra[..., 1:] /= simulation.component_factor()[:, 1:]
    spectra[..., 0] = 0  # the derivative has no mean
    moments = np.fft.irfft(spectra, sequence.n_samples, axis=-1) * sequence.n_samples
    change = np.linalg.norm(moments, axis=1).max()
    assert 0.1 < change <= 2


def test_fields_at_positions_replace_those_of_the_sequence():
    simulation = Simulation(FIXED, SHORT, GRID)
    components = Components.all_of(simulation)
    positions = GRID.positions().reshape(-1, 3)
    static = SHORT.static_field(positions)
    fields = LocalFields(static, np.ones_like(static))
    ours = dynamic_values(simulation, Rotation(), components, positions, fields=fields)
    expected = dynamic_values(simulation, Rotation(), components)
    np.testing.assert_allclose(ours, expected, atol=1e-9 * abs(expected).max())
    wide = LocalFields(static, np.full_like(static, 1.25))
    amplitude = tuple(1.25 * a for a in SHORT.drive_amplitude)
    other = Simulation(FIXED, dataclasses.replace(SHORT, drive_amplitude=amplitude), GRID)
    ours = dynamic_values(simulation, Rotation(), components, positions, fields=wide)
    expected = dynamic_values(other, Rotation(), components, positions)
    np.testing.assert_allclose(ours, expected, atol=1e-9 * abs(expected).max())


def test_small_fields_across_the_plane_act_on_the_equilibrium():
    flat_grid = CalibrationGrid((4, 2, 1), (0.03, 0.02, 0.0))
    simulation = Simulation(FLUID, SHORT, flat_grid)
    components = Components.all_of(simulation)
    in_plane = np.flatnonzero(components.channel < 2)
    positions = flat_grid.positions().reshape(-1, 3)
    static = SHORT.static_field(positions)
    static[:, 2] = 4e-4
    fields = LocalFields(static, np.ones_like(static))
    exact, flat = (
        dynamic_values(
            simulation, Rotation(flat=flat), components, positions, fields=fields, tolerance=1e-6
        )[:, in_plane]
        for flat in (False, True)
    )
    without = dynamic_values(simulation, Rotation(), components, positions, tolerance=1e-6)
    largest = abs(exact).max()
    neglected = abs(without[:, in_plane] - exact).max() / largest
    error = abs(flat - exact).max() / largest
    check("fields of 0.4 mT across the plane, in equilibrium alone", error, 1e-3)
    assert error < neglected / 3


def test_coils_threads_and_the_order_of_components():
    sensitivity = np.array([[0.3, 0.9, -0.1], [1.0, -0.2, 0.4]])
    unit, coils = (Simulation(FLUID, SHORT, GRID, r) for r in (Receiver(), Receiver(sensitivity)))
    everything = Components.all_of(unit)
    full = dynamic_values(unit, Rotation(), everything, threads=1)
    full = full.reshape(len(full), 3, -1)
    some = Components(np.array([1, 0, 1]), np.array([7, 3, 0]))
    calls = []
    out = np.empty((len(full), 3), np.complex64)
    ours = dynamic_values(coils, Rotation(), some, threads=2, out=out, progress=calls.append)
    assert ours is out and sum(calls) == len(full)
    expected = np.einsum("cj,pjk->pck", sensitivity, full)[:, some.channel, some.frequency]
    np.testing.assert_allclose(ours, expected, atol=1e-6 * abs(full).max())


def test_the_phase_of_the_drive_only_delays():
    """Sine instead of cosine excitation of one axis is a shift in time."""
    cosine = one_axis(100, 0.01)
    sine = dataclasses.replace(cosine, drive_phase=(-np.pi / 2, 0.0, 0.0))
    particle = dataclasses.replace(FLUID, core_diameter=25e-9)
    position = np.array([[0.003, 0.0, 0.0]])
    simulation = Simulation(particle, cosine, GRID)
    components = Components.all_of(simulation)
    expected = dynamic_values(simulation, Rotation(), components, position, tolerance=1e-6)
    ours = dynamic_values(
        Simulation(particle, sine, GRID), Rotation(), components, position, tolerance=1e-6
    )
    shift = np.exp(-0.5j * np.pi * components.frequency)
    np.testing.assert_allclose(ours, expected * shift, atol=1e-5 * abs(expected).max())


def test_slow_relaxation_is_extrapolated():
    """A barrier that takes many cycles to cross still gives the periodic state."""
    particle = Particle(20e-9, 11_000.0, "immobilized", easy_axis=(1.0, 0.0, 0.0))
    sequence = dataclasses.replace(one_axis(100, 0.003), offset=(0.001, 0.0, 0.0))
    simulation = Simulation(particle, sequence, GRID)
    position, components = center(simulation)
    values = dynamic_values(simulation, Rotation(), components, position, tolerance=1e-5)
    tight = dynamic_values(simulation, Rotation(), components, position, tolerance=1e-7)
    assert abs(values - tight).max() < 1e-4 * abs(tight).max()


def test_cycles_that_do_not_close(monkeypatch):
    monkeypatch.setattr("smrestore.physics.dynamics.periodic.MOST_CYCLES", 2)
    particle = Particle(20e-9, 11_000.0, "immobilized", easy_axis=(1.0, 0.0, 0.0))
    simulation = Simulation(particle, one_axis(100, 0.003), GRID)
    positions, components = center(simulation)
    with pytest.raises(InputError, match=r"^anisotropy_constant: .*not periodic after 2.*Reduce"):
        dynamic_values(simulation, Rotation(), components, positions)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "nee"}, "kind"),
        ({"viscosity": 0.0}, "viscosity"),
        ({"viscosity": np.nan}, "viscosity"),
        ({"damping": -0.1}, "damping"),
        ({"hydrodynamic_diameter": 0.0}, "hydrodynamic_diameter"),
        ({"kind": "brown", "precession": True}, "precession"),
        ({"precession": True, "flat": True}, "flat"),
    ],
)
def test_faults_of_a_rotation(changes, field):
    with pytest.raises(InputError, match=rf"^{field}: .*\. \w+ "):
        Rotation(**changes)


def test_negative_anisotropy():
    with pytest.raises(InputError, match="anisotropy_constant"):
        Particle(20e-9, -1.0)


LARGE = CalibrationGrid((60, 60, 60), (0.03, 0.03, 0.03))
THREE_AXES = Sequence((0.012, 0.012, 0.012), (-1.0, -1.0, 2.0))


@pytest.mark.parametrize(
    ("particle", "rotation", "sequence", "grid", "options", "message"),
    [
        (FLUID, Rotation("brown", viscosity=1e-14), SHORT, GRID, {}, "viscosity: .* Use equilib"),
        (
            FLUID,
            Rotation("brown", hydrodynamic_diameter=15e-9),
            SHORT,
            GRID,
            {},
            "hydrodynamic_diameter: .*core",
        ),
        (
            dataclasses.replace(FLUID, relaxation_time=1e-6),
            Rotation(),
            SHORT,
            GRID,
            {},
            "relaxation_time: ",
        ),
        (Particle(300e-9, 100.0), Rotation(), SHORT, GRID, {}, "core_diameter: .*GiB.*Reduce"),
        (FLUID, Rotation(), SHORT, GRID, {"memory": 1000}, "core_diameter: .*GiB.*Reduce"),
        (
            FLUID,
            Rotation(precession=True),
            THREE_AXES,
            LARGE,
            {},
            "hours: 216000 positions would take about .* hours, .* Use fewer",
        ),
        (FLUID, Rotation(), SHORT, GRID, {"tolerance": 1e-12}, "tolerance: .* Give"),
        (
            FLUID,
            Rotation(),
            SHORT,
            GRID,
            {"fields": LocalFields(np.ones((3, 3)), np.ones((3, 3)))},
            "static_field: shape",
        ),
    ],
)
def test_faults_of_a_request(particle, rotation, sequence, grid, options, message):
    simulation = Simulation(particle, sequence, grid)
    some = Components(np.array([0]), np.array([1]))
    with pytest.raises(InputError, match=f"^{message}"):
        dynamic_values(simulation, rotation, some, **options)
