"""Positions that share their evaluations of the moment, against each on its own."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from smrestore.physics import (
    CalibrationGrid,
    Components,
    Particle,
    Receiver,
    Sequence,
    Simulation,
    component_values,
    make_plan,
)
from smrestore.physics.mirrors import NO_MIRRORS, Mirrors, originals

PLANAR = Sequence((0.012, 0.010, 0.0), (-1.0, -1.2, 2.2), (10, 9, 8), 2.5e6, 2.5e6)
SPATIAL = Sequence((0.009, 0.010, 0.008), (-1.0, -1.2, 2.2), (10, 9, 8), 2.5e6, 5.0e6)
PLANE = CalibrationGrid((6, 5, 1), (0.03, 0.02, 0.0))
SPACE = CalibrationGrid((4, 3, 2), (0.03, 0.02, 0.01))
FLUID = Particle(21e-9, 4000.0, "fluid", 0.7)
FIXED = Particle(18e-9, 6000.0, "immobilized", easy_axis=(0.5, -0.3, 0.8))
LANGEVIN = Particle(22e-9, model="langevin")
AXES = Mirrors(((1, 0, 0), (0, 1, 0), (0, 0, 1)))
CENTER = Mirrors(((1, 1, 1),))


@pytest.mark.parametrize("particle", [FLUID, FIXED, LANGEVIN])
@pytest.mark.parametrize(
    ("sequence", "grid"),
    [
        (PLANAR, PLANE),
        (SPATIAL, SPACE),
        (dataclasses.replace(SPATIAL, drive_amplitude=(0.0, 0.01, 0.0)), SPACE),
        (dataclasses.replace(PLANAR, drive_phase=(-np.pi / 2, 0.4, 0.0)), PLANE),
        (dataclasses.replace(SPATIAL, drive_phase=(0.3, -1.0, 2.0)), SPACE),
        (dataclasses.replace(PLANAR, offset=(0.004, -0.002, 0.001)), PLANE),
        (Sequence((0.012, 0.010, 0.0), (-1.0, -1.2, 2.2), (4, 3, 2), 1.0e6, 1.25e6), PLANE),
    ],
    ids=["2d", "3d", "1d", "phases", "phases 3d", "offset", "odd"],
)
def test_images_have_the_components_of_their_own_samples(particle, sequence, grid):
    simulation = Simulation(particle, sequence, grid)
    everything = Components.all_of(simulation)
    mirrored = component_values(simulation, everything, transform="torus")
    alone = component_values(simulation, everything, transform="time")
    np.testing.assert_allclose(mirrored, alone, rtol=0, atol=1e-8 * np.abs(alone).max())


@pytest.mark.parametrize("particle", [FLUID, FIXED])
def test_coils_that_mix_the_moment_keep_the_signs(particle):
    rng = np.random.default_rng(1)
    receiver = Receiver(rng.normal(size=(4, 3)), rng.normal(size=(4, PLANAR.n_frequencies)) + 1j)
    particle = dataclasses.replace(particle, relaxation_time=2e-6)
    simulation = Simulation(particle, PLANAR, PLANE, receiver)
    everything = Components.all_of(simulation)
    mirrored = component_values(simulation, everything, transform="torus")
    alone = component_values(simulation, everything, transform="time")
    np.testing.assert_allclose(mirrored, alone, rtol=0, atol=1e-8 * np.abs(alone).max())


@pytest.mark.parametrize(
    ("particle", "sequence", "grid", "places"),
    [
        (FLUID, PLANAR, PLANE, 3 * 3),
        (LANGEVIN, SPATIAL, SPACE, 2 * 2 * 1),
        (FIXED, PLANAR, PLANE, 15),
        (FIXED, SPATIAL, dataclasses.replace(SPACE, size=(3, 3, 3)), 14),
        (FLUID, dataclasses.replace(PLANAR, offset=(0.004, 0.0, 0.0)), PLANE, 6 * 3),
    ],
)
def test_as_few_places_as_the_symmetry_allows(particle, sequence, grid, places):
    simulation = Simulation(particle, sequence, grid)
    plan = make_plan(simulation, grid.positions().reshape(-1, 3), "torus")
    assert len(plan.static_field) == places
    if sequence.offset == (0.0, 0.0, 0.0):
        assert plan.n_shared == pytest.approx(plan.n_evaluations)
    one_by_one = sum(
        make_plan(simulation, position[None], "torus").n_evaluations
        for position in grid.positions().reshape(-1, 3)
    )
    assert plan.n_evaluations < one_by_one


@pytest.mark.parametrize("particle", [FLUID, FIXED])
def test_values_do_not_depend_on_the_other_positions(particle):
    simulation = Simulation(particle, SPATIAL, dataclasses.replace(SPACE, size=(5, 4, 3)))
    everything = Components.all_of(simulation)
    positions = simulation.grid.positions().reshape(-1, 3)
    whole = component_values(simulation, everything, positions)
    order = np.random.default_rng(0).permutation(len(positions))[:23]
    order = np.concatenate([order, order[:5]])
    np.testing.assert_array_equal(
        component_values(simulation, everything, positions[order]), whole[order]
    )


def test_voxel_centers_lie_opposite_each_other():
    for size in (2, 3, 7, 30, 33, 60):
        axis = CalibrationGrid((size, 1, 1), (0.0283, 0.0, 0.0)).axes()[0]
        np.testing.assert_array_equal(axis, -axis[::-1])


@given(
    hnp.arrays(np.float64, (7, 3), elements=st.sampled_from([-2.0, -1.0, -0.0, 0.0, 1.0, 2.5])),
    st.sampled_from([AXES, CENTER, NO_MIRRORS, Mirrors(((1, 0, 0), (0, 1, 0)))]),
)
def test_places_and_images_give_back_the_positions(static_field, mirrors):
    places, images = originals(static_field, mirrors)
    found = places[:, None] * mirrors.signs()
    asked = images >= 0
    assert sorted(images[asked]) == list(range(len(static_field)))
    np.testing.assert_array_equal(found[asked], static_field[images[asked]])
    assert (asked.sum(axis=1) <= mirrors.count(places)).all()
