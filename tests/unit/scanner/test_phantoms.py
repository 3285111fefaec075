"""Phantoms have the volume of their geometry, at points and on grids."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smrestore.physics import CalibrationGrid
from smrestore.scanner import Phantom, load_phantom
from smrestore.scanner.phantoms import Box, Rod, Spiral, Tube
from smrestore.support.errors import InputError

CUBE = CalibrationGrid((12, 12, 12), (0.024, 0.024, 0.024), (0.0003, -0.0002, 0.0001))
PLANE = CalibrationGrid((20, 16, 1), (0.020, 0.016, 0.0))


def measured_volume(shape, grid, oversampling=8):
    """Return the volume on a grid in m^3, or the cross-section in m^2."""
    image = Phantom((shape,)).on_grid(grid, oversampling)
    return image.sum() * np.prod(grid.voxel[grid.voxel > 0])


def test_phantom_on_a_grid_keeps_the_cross_section_of_a_tube():
    radius, length = 0.00217, 0.0098
    points = ((-0.0051, 0.0013, 0.0), (0.0047, 0.0013, 0.0))
    image = Phantom((Tube(points, radius, 2.0),)).on_grid(PLANE)
    assert image.shape == PLANE.size
    area = 2 * radius * length + np.pi * radius**2
    assert image.sum() * np.prod(PLANE.voxel[:2]) == pytest.approx(2.0 * area, rel=0.01)
    assert image.max() == 2.0
    assert ((image > 0) & (image < 2)).any()


def test_volume_of_a_tube():
    radius, length = 0.0031, 0.0098
    tube = Tube(((-0.0051, 0.0013, 0.0), (0.0047, 0.0013, 0.0)), radius)
    volume = np.pi * radius**2 * length + 4 / 3 * np.pi * radius**3
    assert measured_volume(tube, CUBE) == pytest.approx(volume, rel=0.01)


@pytest.mark.parametrize("inner", [0.0, 0.0012])
def test_volume_of_a_rod_that_lies_askew(inner):
    start, stop, radius = (-0.0061, -0.0042, -0.0055), (0.0073, 0.0031, 0.0052), 0.0027
    volume = np.pi * (radius**2 - inner**2) * np.linalg.norm(np.subtract(stop, start))
    assert measured_volume(Rod(start, stop, radius, inner), CUBE) == pytest.approx(volume, rel=0.01)


def test_rod_has_flat_ends_and_a_hollow_inside():
    rod = Rod((0.0, 0.0, 0.0), (0.0, 0.01, 0.0), 0.002, 0.001)
    inside = [[0.0015, 0.0001, 0.0], [0.0, 0.0099, -0.0019]]
    outside = [[0.0015, -0.0001, 0.0], [0.0015, 0.0101, 0.0], [0.0, 0.005, 0.0005]]
    assert rod.contains(np.array(inside)).all()
    assert not rod.contains(np.array(outside)).any()


@pytest.mark.parametrize("turns", [1.0, 2.25])
def test_volume_of_a_spiral(turns):
    spiral = Spiral((0.0, 0.0, 0.0), 0.002, 0.0035, turns, 0.0011, 0.004)
    # Across r the band has its width at every angle: area = width * integral of r dphi.
    area = 0.0011 * (2 * np.pi * turns * 0.002 + 0.0035 * np.pi * turns**2)
    assert measured_volume(spiral, CUBE) == pytest.approx(0.004 * area, rel=0.01)


def test_spiral_turns_from_x_to_y():
    spiral = Spiral((0.001, 0.0, 0.0), 0.002, 0.004, 1.0, 0.001, 0.002)
    angle = np.pi / 2  # a quarter of the pitch further out
    on_line = np.array([0.001 + 0.003 * np.cos(angle), 0.003 * np.sin(angle), 0.0009])
    assert spiral.contains(on_line)
    assert not spiral.contains(on_line * [1, -1, 1])
    assert not spiral.contains(on_line + np.array([0, 0, 0.0002]))
    assert spiral.contains(np.array([0.001 + 0.00201, 0.0001, 0]))


@pytest.mark.parametrize("wall", [0.0, 0.0013])
def test_volume_of_a_box(wall):
    size = np.array([0.0112, 0.0083, 0.0057])
    box = Box((0.0007, -0.0011, 0.0), tuple(size), wall)
    hollow = (size[0] - 2 * wall) * (size[1] - 2 * wall) * size[2] if wall else 0.0
    # Fine points along the axes meet the faces at once, so rounding does not average out.
    assert measured_volume(box, CUBE, 16) == pytest.approx(np.prod(size) - hollow, rel=0.02)


def test_bent_tube_in_three_dimensions_and_overlap():
    tube = Tube(((0, 0, 0), (0.01, 0, 0), (0.01, 0, 0.01)), 0.002, 1.0)
    inside = np.array([[0.005, 0.0019, 0], [0.01, 0, 0.0119], [-0.0019, 0, 0], [0.011, 0, 0]])
    outside = np.array([[0.005, 0.0021, 0], [0.01, 0, 0.0121], [0.005, 0, 0.005]])
    assert tube.contains(inside).all()
    assert not tube.contains(outside).any()
    ball = Tube(((0, 0, 0), (0, 0, 0)), 0.0015, 3.0)
    assert ball.contains(np.array([0.001, 0.001, 0]))
    assert not ball.contains(np.array([0.0016, 0, 0]))
    phantom = Phantom((tube, ball))
    assert phantom.concentration(np.array([[0, 0, 0], [0.005, 0, 0], [1, 1, 1]])).tolist() == [
        3.0,
        1.0,
        0.0,
    ]


@settings(max_examples=20, deadline=None)
@given(size=st.tuples(*[st.integers(1, 5)] * 3), oversampling=st.integers(1, 4))
def test_blocks_of_a_grid_are_those_of_all_points_at_once(size, oversampling):
    fov = tuple(0.004 * n if n > 1 else 0.0 for n in size)
    grid = CalibrationGrid(size, fov)
    phantom = Phantom((Tube(((-0.005, 0, 0), (0.004, 0.003, 0.001)), 0.003),))
    fine = [n * oversampling if f > 0 else n for n, f in zip(size, fov, strict=True)]
    values = phantom.concentration(CalibrationGrid(tuple(fine), fov).positions())
    parts = [part for n, m in zip(size, fine, strict=True) for part in (n, m // n)]
    expected = values.reshape(parts).mean(axis=(1, 3, 5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("smrestore.scanner.phantoms.BLOCK_POINTS", 7)
        np.testing.assert_allclose(phantom.on_grid(grid, oversampling), expected, atol=1e-15)


TUBE = {"shape": "tube", "points_mm": [[0, 0, 0], [1, 0, 0]], "radius_mm": 2, "concentration": 0.5}
ROD = {"shape": "rod", "start_mm": [0, 0, 0], "stop_mm": [1, 0, 0], "radius_mm": 2}
SPIRAL = {
    "shape": "spiral",
    "center_mm": [1, 0, 0],
    "start_radius_mm": 1,
    "pitch_mm": 2,
    "turns": 1.5,
    "width_mm": 0.5,
    "height_mm": 3,
}
BOX = {"shape": "box", "center_mm": [0, 1, 0], "size_mm": [4, 6, 8]}


def test_configured_shapes_are_in_meters():
    phantom = load_phantom([TUBE, {**ROD, "inner_radius_mm": 1}, SPIRAL, {**BOX, "wall_mm": 1}])
    tube, rod, spiral, box = phantom.shapes
    assert tube == Tube(((0.0, 0.0, 0.0), (0.001, 0.0, 0.0)), 0.002, 0.5)
    assert rod == Rod((0.0, 0.0, 0.0), (0.001, 0.0, 0.0), 0.002, 0.001)
    assert spiral == Spiral((0.001, 0.0, 0.0), 0.001, 0.002, 1.5, 0.0005, 0.003)
    assert box == Box((0.0, 0.001, 0.0), (0.004, 0.006, 0.008), 0.001)


def test_shape_without_a_name_is_a_tube():
    nameless = {key: value for key, value in TUBE.items() if key != "shape"}
    assert load_phantom([nameless]) == load_phantom([TUBE])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({**TUBE, "points_mm": [[0, 0, 0]]}, "points_mm: no line of two or more points"),
        ({**TUBE, "points_mm": [[0, 0], [1, 1]]}, "points_mm: no line of two or more points"),
        ({**TUBE, "radius_mm": 0}, "radius_mm: 0 is not above 0"),
        ({**ROD, "stop_mm": [0, 0, 0]}, "stop_mm: both ends are the same"),
        ({**ROD, "radius_mm": -1}, "radius_mm: -1 is not above 0"),
        ({**ROD, "inner_radius_mm": 2}, "inner_radius_mm: 2 is not below the radius of 2 mm"),
        ({**ROD, "inner_radius_mm": -1}, "inner_radius_mm: -1 is below 0"),
        ({**SPIRAL, "turns": 0}, "turns: 0 is not above 0"),
        ({**SPIRAL, "start_radius_mm": -1}, "start_radius_mm: -1 is below 0"),
        ({**BOX, "size_mm": [1, 0, 1]}, "size_mm: an edge is not above 0"),
        ({**BOX, "wall_mm": 2}, "wall_mm: walls of 2 mm fill the box"),
        ({**BOX, "wall_mm": -1}, "wall_mm: -1 is below 0"),
        ({"shape": "cone"}, "shape: unknown shape 'cone'"),
    ],
)
def test_wrong_shape_is_named(shape, message):
    with pytest.raises(InputError, match=f"phantoms shape 2: {message}"):
        load_phantom([TUBE, shape])
