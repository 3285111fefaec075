"""Piecewise constant images on the voxels of other grids."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smrestore.evaluation.transfer.regridding import regridded
from smrestore.physics.grid import CalibrationGrid

sizes = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3))


@given(sizes, st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_same_grid_changes_nothing_and_finer_voxels_repeat(size, factor):
    grid = CalibrationGrid(size, (0.03, 0.02, 0.01), (0.001, -0.002, 0.0))
    images = np.random.default_rng(0).normal(size=(2, *size)) * (1 + 2j)
    assert regridded(images, grid, grid) is images
    fine = CalibrationGrid(tuple(factor * n for n in size), grid.fov, grid.center)
    repeated = images.repeat(factor, 1).repeat(factor, 2).repeat(factor, 3)
    np.testing.assert_allclose(regridded(images, grid, fine), repeated, rtol=1e-12)
    # And back: the mean of equal voxels.
    np.testing.assert_allclose(regridded(repeated, fine, grid), images, rtol=1e-12)


@given(sizes, sizes, st.floats(-0.02, 0.02))
@settings(max_examples=50, deadline=None)
def test_constants_stay_inside_and_nothing_lies_outside(first, second, shift):
    source = CalibrationGrid(first, (0.03, 0.02, 0.01))
    target = CalibrationGrid(second, (0.02, 0.03, 0.01), (shift, 0.0, 0.0))
    image = regridded(np.ones(first), source, target)
    assert image.shape == second
    x = target.axes()[0]
    half = target.voxel[0] / 2
    inside = (x + half > -0.015 + 1e-9) & (x - half < 0.015 - 1e-9)
    y = target.axes()[1]
    inside_y = (y + target.voxel[1] / 2 > -0.01 + 1e-9) & (y - target.voxel[1] / 2 < 0.01 - 1e-9)
    expected = np.zeros(second)
    expected[np.ix_(inside, inside_y)] = 1
    np.testing.assert_allclose(image, expected, atol=1e-6)


def test_a_voxel_across_two_is_their_mean():
    source = CalibrationGrid((2, 1, 1), (0.02, 0.01, 0.0))
    target = CalibrationGrid((3, 1, 1), (0.015, 0.01, 0.0))
    image = np.array([1.0, 5.0]).reshape(2, 1, 1)
    np.testing.assert_allclose(regridded(image, source, target).ravel(), [1, 3, 5])


@pytest.mark.parametrize(("source", "target"), [(0.0, 0.0), (0.0, 0.004), (0.004, 0.0)])
def test_axes_without_extent(source, target):
    one = CalibrationGrid((2, 2, 1), (0.02, 0.02, source))
    other = CalibrationGrid((2, 2, 1), (0.02, 0.02, target))
    image = np.arange(4.0).reshape(2, 2, 1)
    np.testing.assert_array_equal(regridded(image, one, other), image)


def test_dtype_of_single_precision_stays():
    grid = CalibrationGrid((2, 2, 1), (0.02, 0.02, 0.0))
    image = np.ones((2, 2, 1), np.complex64)
    fine = CalibrationGrid((4, 4, 1), grid.fov)
    assert regridded(image, grid, fine).dtype == np.complex64
