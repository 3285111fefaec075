"""Figures: colors mean what they say, panels lie where they should, files are reproducible."""

import colorsys
import re
import struct

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from smrestore.figures import training_curve
from smrestore.figures.complex_color import complex_to_rgb, draw_wheel
from smrestore.figures.figure1 import (
    Selection,
    choose_matrices,
    draw_figure1,
    find_components,
)
from smrestore.figures.panels import cut, draw_component, plane, round_length
from smrestore.figures.style import (
    COLUMN_WIDTH_MM,
    FULL_WIDTH_MM,
    journal_style,
    new_figure,
    save,
    text_width_mm,
    wrap_text,
)
from smrestore.figures.training_curve import draw_training_curve
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.parameters import SizeLimits, draw_cases
from smrestore.simulation.batches import ComponentSelection, simulate_batch
from smrestore.simulation.store import SystemMatrixStore
from smrestore.support.errors import InputError

GRID = CalibrationGrid((6, 4, 1), (12e-3, 4e-3, 1e-3), (1e-3, 0.0, 0.0))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "0.h5"
    limits = SizeLimits((6, 14))
    cases = draw_cases(3, seed=5, dataset="d", split="test", dimension=2, limits=limits)
    simulate_batch(cases, path, selection=ComponentSelection(maximum=400), seed=5)
    return SystemMatrixStore([path])


def png_size_mm(path):
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return width / 300 * 25.4, height / 300 * 25.4


def pdf_width_mm(path):
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", path.read_bytes())
    return float(box[1]) / 72 * 25.4


# Colors


@given(st.floats(-np.pi, np.pi), st.floats(0, 1))
def test_brightness_depends_on_the_magnitude_alone(phase, magnitude):
    red, green, blue = _linear(complex_to_rgb(magnitude * np.exp(1j * phase), peak=1.0))
    # The lightness of Oklab, from the published forward transform.
    cones = [
        0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue,
        0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue,
        0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue,
    ]
    lightness = np.dot([0.2104542553, 0.7936177850, -0.0040720468], np.cbrt(cones))
    assert lightness == pytest.approx(0.75 * magnitude, abs=2e-3)


def _linear(rgb):
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def test_hue_runs_once_around_with_the_phase():
    phases = np.linspace(-np.pi, np.pi, 73)
    hues = [colorsys.rgb_to_hsv(*rgb)[0] for rgb in complex_to_rgb(np.exp(1j * phases))]
    steps = np.diff(np.unwrap(hues, period=1))
    assert (steps > 0).all()
    assert steps.sum() == pytest.approx(1)


def test_the_two_signs_of_a_simulated_component_are_orange_and_blue():
    orange, blue = complex_to_rgb(np.array([1j, -1j]))
    assert orange[0] > orange[1] > orange[2]
    assert blue[2] > blue[1] > blue[0]


def test_zero_is_black_and_the_peak_scales():
    assert not complex_to_rgb(np.zeros((2, 2))).any()
    image = np.array([0.5j, 1j])
    assert complex_to_rgb(image, peak=0.5)[0] == pytest.approx(complex_to_rgb(image)[1])
    assert complex_to_rgb(image, peak=0.5)[1] == pytest.approx(complex_to_rgb(image)[1])


@pytest.mark.parametrize("image", [np.array([np.nan]), np.array([np.inf * 1j])])
def test_values_that_are_not_finite_are_refused(image):
    with pytest.raises(InputError, match="NaN or infinity"):
        complex_to_rgb(image)


def test_wheel_shows_the_color_of_each_phase():
    ax = Figure().add_subplot()
    draw_wheel(ax)
    (disk,) = ax.images
    pixels = np.asarray(disk.get_array())
    assert disk.origin == "lower"
    assert np.allclose(pixels[200, -1], complex_to_rgb(np.array([1.0])))
    assert np.allclose(pixels[-1, 200], complex_to_rgb(np.array([1j])))
    assert not pixels[200, 200].any()


# Panels


def test_x_points_right_and_y_up_in_mm():
    image = np.zeros((6, 4, 1))
    image[5, 0, 0] = 1.0
    panel = plane(image, GRID)
    assert panel.extent_mm == pytest.approx((-5.0, 7.0, -2.0, 2.0))
    ax = Figure().add_subplot()
    draw_component(ax, panel)
    (shown,) = ax.images
    assert shown.origin == "lower"
    assert ax.get_aspect() == 1
    rows, columns = np.nonzero(np.asarray(shown.get_array()).any(axis=-1))
    assert (rows.tolist(), columns.tolist()) == ([0], [5])


def test_plane_takes_the_nearest_height():
    grid = CalibrationGrid((2, 2, 3), (2e-3, 2e-3, 3e-3))
    image = np.broadcast_to(np.arange(3.0), (2, 2, 3))
    assert (plane(image, grid).image == 1).all()
    assert (plane(image, grid, z=0.8e-3).image == 2).all()


def test_planes_across_each_axis_keep_the_order_of_the_others():
    grid = CalibrationGrid((2, 3, 4), (2e-3, 6e-3, 8e-3), (1e-3, 0.0, 0.0))
    image = np.arange(24.0).reshape(2, 3, 4)
    for across, extent in ((0, (-3, 3, -4, 4)), (1, (0, 2, -4, 4)), (2, (0, 2, -3, 3))):
        panel = cut(image, grid, across, 0.4e-3)
        # 0.4 mm: voxel 0 of two around 1 mm, 1 of three around 0 mm, 2 of four around 0 mm.
        index = (0, 1, 2)[across]
        assert np.array_equal(panel.image, np.take(image, index, axis=across))
        assert panel.extent_mm == pytest.approx(extent)


def test_no_plane_where_the_grid_does_not_extend():
    with pytest.raises(InputError, match="no plane across x"):
        cut(np.zeros((6, 4, 1)), CalibrationGrid((6, 4, 1), (12e-3, 4e-3, 0.0)), 0, 0.0)


def test_plane_needs_an_image_of_the_size_of_the_grid():
    with pytest.raises(InputError, match=r"\(4, 6, 1\)"):
        plane(np.zeros((4, 6, 1)), GRID)


@given(st.floats(1e-3, 1e4))
def test_round_length_is_1_2_or_5(length):
    result = round_length(length)
    assert length / 2.5 <= result * (1 + 1e-6) and result <= length * (1 + 1e-6)
    assert f"{result:e}"[0] in "125"


# Text


@settings(deadline=None)
@given(st.text("ab -", max_size=30), st.floats(1, 40))
def test_wrapped_text_keeps_its_words_and_its_width(text, width):
    lines = wrap_text(text, width).split("\n")
    assert re.sub(r"\s", "", "".join(lines)) == re.sub(r"\s", "", text)
    for line in lines:
        unbreakable = not re.search(r"\S\s+\S|-[^\s-]", line)
        assert unbreakable or text_width_mm(line) <= width


# Files


def test_files_are_equal_in_bytes_whatever_the_settings_of_the_user(tmp_path):
    def draw(name):
        with journal_style():
            figure = new_figure(COLUMN_WIDTH_MM, 20)
            figure.add_subplot().plot([1, 2], label="a")
            save(figure, tmp_path / f"{name}.pdf", tmp_path / f"{name}.png")
        return [(tmp_path / f"{name}.{ending}").read_bytes() for ending in ("pdf", "png")]

    first = draw("a")
    with matplotlib.rc_context({"lines.linewidth": 5, "savefig.bbox": "tight"}):
        assert draw("b") == first
    assert png_size_mm(tmp_path / "a.png") == pytest.approx((85, 20), abs=0.1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.pdf", "a.png", "b.pdf", "b.png"]


# Figure 1


def test_figure1_is_drawn_at_full_width(store, tmp_path):
    pdf, png = tmp_path / "f.pdf", tmp_path / "f.png"
    draw_figure1(store, Selection(choose_matrices(store)), pdf, png)
    assert png_size_mm(png)[0] == pytest.approx(FULL_WIDTH_MM, abs=0.1)
    assert pdf_width_mm(pdf) == pytest.approx(FULL_WIDTH_MM, abs=0.1)


def test_all_chosen_matrices_differ_and_are_at_most_those_there_are(store):
    chosen = choose_matrices(store, 4)
    assert sorted(chosen) == [0, 1, 2]
    diameters = [store.parameters(i)["core_diameter_nm"] for i in chosen]
    assert diameters == sorted(diameters)


def test_missing_components_are_replaced_by_near_ones_and_never_twice(store):
    orders = [(n, n, 0) for n in range(6)]
    found = find_components(store, 0, [*orders, (50, 50, 0)], 0)
    assert found.pop() is None
    replaced = [c is not None and c.mixing_order != o for c, o in zip(found, orders, strict=True)]
    assert any(replaced) and not all(replaced)
    for component, order in zip(found, orders, strict=True):
        if component is None:
            continue
        distance = np.abs(np.abs(component.mixing_order) - np.array(order)).sum()
        assert component.channel == 0 and distance <= 3
        if store.find(0, order, 0) is not None:
            assert component.mixing_order == order
    frequencies = [c.frequency for c in found if c is not None]
    assert len(set(frequencies)) == len(frequencies)


def test_figure1_needs_matrices(store, tmp_path):
    with pytest.raises(InputError, match="nothing to show"):
        draw_figure1(store, Selection(()), tmp_path / "f.pdf", tmp_path / "f.png")


# Training curve


HISTORY = (
    "step,learning_rate,training_loss,validation_loss,validation_psnr_dB,degraded_psnr_dB,elapsed_s\n"
    "100,0.001,0.08,0.07,21,19,3\n200,0.001,0.05,0.05,23,19,6\n"
)


def test_training_curve_of_two_networks_fills_a_column(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(HISTORY)
    histories = {"DnCNN": tmp_path / "a.csv", "RDN": tmp_path / "b.csv"}
    draw_training_curve(histories, tmp_path / "c.pdf", tmp_path / "c.png")
    assert png_size_mm(tmp_path / "c.png")[0] == pytest.approx(COLUMN_WIDTH_MM, abs=0.1)


def test_losses_may_be_negative(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(training_curve, "save", lambda figure, *paths: figures.append(figure))
    (tmp_path / "l1.csv").write_text(HISTORY)
    (tmp_path / "log.csv").write_text(
        HISTORY.replace("0.08,0.07", "-1.2,-1.1").replace("0.05,0.05", "-1.4,-1.3")
    )
    for name in ("l1", "log"):
        draw_training_curve({name: tmp_path / f"{name}.csv"}, "c.pdf", "c.png")
    linear = figures[1].axes[1]
    assert [figure.axes[1].get_yscale() for figure in figures] == ["log", "linear"]
    low, high = linear.get_ylim()
    assert low < -1.4 and high > -1.1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("", "no training history"), (HISTORY.replace("validation_loss", "x"), "validation_loss")],
)
def test_training_curve_names_the_file_at_fault(tmp_path, text, complaint):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=rf"a\.csv.*{complaint}"):
        draw_training_curve({"a": tmp_path / "a.csv"}, tmp_path / "c.pdf", tmp_path / "c.png")
