"""Drawings of phantoms: outlines are those of the bodies, dimensions those of the configuration."""

import numpy as np
import pytest
import yaml
from figure_checks import check_texts
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import PathPatch

from checkout import ROOT
from smrestore.figures import figure2
from smrestore.figures.figure2 import describe, draw_figure2, length_text
from smrestore.figures.phantom_outlines import FROM_ABOVE, FROM_FRONT, bounds_of, outline
from smrestore.scanner.phantoms import load_phantom
from smrestore.support.errors import InputError

CONFIG = yaml.safe_load((ROOT / "config/study.yaml").read_text())["phantoms"]
SHAPES = {
    "tube": {"points_mm": [[-8, 8, 0], [8, 8, 0], [8, -3, 4]], "radius_mm": 1.5},
    "rod": {"shape": "rod", "start_mm": [-5, 1, 0], "stop_mm": [6, -3, 4], "radius_mm": 2.0},
    "upright": {"shape": "rod", "start_mm": [1, 1, -2], "stop_mm": [1, 1, 5], "radius_mm": 2.0},
    "pipe": {
        "shape": "rod",
        "start_mm": [1, 1, -2],
        "stop_mm": [1, 1, 5],
        "radius_mm": 2.0,
        "inner_radius_mm": 1.2,
    },
    "spiral": {
        "shape": "spiral",
        "center_mm": [1, 2, 3],
        "start_radius_mm": 0.5,
        "pitch_mm": 3.0,
        "turns": 1.75,
        "width_mm": 1.5,
        "height_mm": 2.0,
    },
    "box": {"shape": "box", "center_mm": [1, 0, -1], "size_mm": [8, 6, 3]},
    "frame": {"shape": "box", "center_mm": [1, 0, -1], "size_mm": [8, 6, 3], "wall_mm": 1.0},
}


def shape_of(name, **changes):
    return load_phantom([{**SHAPES[name], **changes}]).shapes[0]


def seen(part, points):
    """Tell which points (n, 2) lie in the silhouette."""
    inside = np.zeros(len(points), bool)
    for polygon in part.parts:
        inside |= part.__class__((polygon,)).path.contains_points(points)
    for polygon in part.holes:
        inside &= ~part.__class__((polygon,)).path.contains_points(points)
    return inside


@pytest.mark.parametrize("view", [FROM_ABOVE, FROM_FRONT], ids=["above", "front"])
@pytest.mark.parametrize("name", SHAPES)
def test_silhouette_is_where_a_line_of_sight_meets_the_body(name, view):
    shape = shape_of(name)
    part = outline(shape, view)
    rng = np.random.default_rng(5)
    points = rng.uniform(-13, 13, size=(1500, 2))
    depths = np.linspace(-13, 13, 521)
    positions = np.empty((len(points), len(depths), 3))
    positions[..., view.horizontal], positions[..., view.vertical] = points.T[:, :, None]
    positions[..., view.depth] = depths
    meets = shape.contains(positions * 1e-3).any(axis=1)
    wrong = meets != seen(part, points)
    # Lines that graze a body miss it between two sampled depths; circles are polygons.
    assert wrong.mean() < 0.01 and meets.any()
    ends = positions[shape.contains(positions * 1e-3)][:, view.depth] * view.towards
    assert part.front == pytest.approx(ends.max(), abs=0.2)


@given(st.sampled_from(sorted(SHAPES)), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_no_point_of_a_body_lies_beyond_its_bounds(name, seed):
    shape = shape_of(name)
    points = np.random.default_rng(seed).uniform(-13, 13, size=(2000, 3))
    points = points[shape.contains(points * 1e-3)]
    for view in (FROM_ABOVE, FROM_FRONT):
        left, right, bottom, top = outline(shape, view).bounds
        x, y = points[:, view.axes].T
        assert ((x >= left - 0.01) & (x <= right + 0.01)).all()
        assert ((y >= bottom - 0.01) & (y <= top + 0.01)).all()


def test_inner_edges_are_holes_from_above_and_hidden_from_the_front():
    for name in ("frame", "pipe"):
        above, front = (outline(shape_of(name), view) for view in (FROM_ABOVE, FROM_FRONT))
        assert len(above.holes) == 1 and not above.hidden
        assert len(front.hidden) == 1 and not front.holes


def test_a_frame_hides_what_is_inside_from_the_front_but_not_from_above():
    outer, inner = shape_of("frame"), shape_of("box", size_mm=[3, 3, 3])
    for view, hidden in ((FROM_FRONT, True), (FROM_ABOVE, False)):
        assert outline(outer, view).covers(outline(inner, view)) == hidden
        assert not outline(inner, view).covers(outline(outer, view))


def drawn(phantoms, monkeypatch):
    figures = []
    with monkeypatch.context() as patch:
        patch.setattr(figure2, "save", lambda figure, *_: figures.append(figure))
        draw_figure2(phantoms, "f.pdf", "f.png")
    return figures[0], check_texts(figures[0])


def test_default_phantoms_are_drawn_life_size_with_their_dimensions(monkeypatch):
    phantoms = {name: load_phantom(CONFIG[name]) for name in CONFIG}
    figure, texts = drawn(phantoms, monkeypatch)
    assert [t for t in texts if t.startswith("(")] == ["(a)", "(b)", "(c)", "(d)"]
    # Snake: 17 mm and a diameter of 2.5 mm; resolution: angles of the rods; spiral: pitch; nested.
    assert {"19.5", "18.5", "8", "2.5", "20°", "30°", "7°", "10°", "4.5", "15", "11", "7"} <= set(
        texts
    )
    assert texts.count("8") == 2
    assert any("scale 1 : 1" in text for text in texts)
    assert {"0.7", "1"} <= set(texts)
    width = figure.get_size_inches()[0] * 25.4
    assert width == pytest.approx(170, abs=0.1)
    for ax in figure.axes:
        if any(isinstance(patch, PathPatch) for patch in ax.patches):
            low, high = ax.get_xlim()
            assert ax.get_position().width * width == pytest.approx(high - low)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_any_number_of_phantoms_and_sizes_fits(monkeypatch, count):
    large = [{"shape": "box", "center_mm": [5, 0, 0], "size_mm": [120, 90, 40], "wall_mm": 4}]
    phantoms = {f"p-{i}": load_phantom(large) for i in range(count)}
    figure, texts = drawn(phantoms, monkeypatch)
    assert {"120", "90", "40"} <= set(texts)
    assert not any("scale 1 : 1" in text and "1 : 1." not in text for text in texts) or count == 1
    assert figure.get_size_inches()[1] * 25.4 < 225


def test_descriptions_name_every_kind_of_shape():
    lines = describe(load_phantom(list(SHAPES.values())))
    assert lines == [
        "bent tube, ⌀ 3",
        "3 rods, ⌀ 4 (inside 2.4), length 12.4 and 7",
        "band, width 1.5, 1.75 turns from radius 0.5",
        "2 boxes, wall 1",
    ]


def test_lengths_are_in_mm_to_a_tenth():
    assert [length_text(x) for x in (2.0, 2.04, 2.25, 0.96)] == ["2", "2", "2.2", "1"]


def test_bounds_hold_all_outlines():
    parts = [outline(shape_of("box"), FROM_ABOVE), outline(shape_of("tube"), FROM_ABOVE)]
    assert bounds_of(parts) == pytest.approx((-9.5, 9.5, -4.5, 9.5), abs=1e-3)


def test_figure2_needs_a_phantom():
    with pytest.raises(InputError, match="no phantom"):
        draw_figure2({}, "f.pdf", "f.png")


def test_files_are_equal_in_bytes(tmp_path):
    phantoms = {"nested": load_phantom(CONFIG["nested"])}
    files = []
    for name in ("a", "b"):
        paths = [tmp_path / f"{name}.{ending}" for ending in ("pdf", "png")]
        draw_figure2(phantoms, *paths)
        files.append([path.read_bytes() for path in paths])
    assert files[0] == files[1]
