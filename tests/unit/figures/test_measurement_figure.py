"""Figures of measurements: what is read is shown, where it belongs, on common scales."""

import h5py
import numpy as np
import pytest
from figure_checks import check_texts
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from mdf_files import two_periods

from smrestore.figures.measurement import drawing
from smrestore.figures.measurement.choice import choose_components, nearest_frequency
from smrestore.figures.measurement.content import ComponentRow, ImageRow, MeasurementFigure
from smrestore.figures.measurement.drawing import draw_measurement_figure
from smrestore.figures.measurement.reading import (
    Column,
    PlaneChoice,
    load_planes,
    read_measurement_figure,
)
from smrestore.figures.panels import Panel
from smrestore.figures.style import FULL_WIDTH_MM
from smrestore.mdf import (
    Acquisition,
    Calibration,
    read_system_matrix,
    write_frames,
    write_restored,
)
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.mixing import UNREACHED, mixing_orders
from smrestore.physics.sequence import Sequence
from smrestore.restoration.scan import restore_scan
from smrestore.support.errors import InputError
from smrestore.tasks.scan import scan_task

FLAT = CalibrationGrid((6, 4, 1), (12e-3, 4e-3, 0.0), (1e-3, 0.0, 0.0))
SOLID = CalibrationGrid((5, 4, 3), (10e-3, 8e-3, 3e-3))
SEQUENCES = {
    2: Sequence((12e-3, 12e-3, 0.0), (-1.0, -1.0, 2.0), (16, 12, 99), 2.5e6, 2.5e6),
    3: Sequence((12e-3, 12e-3, 12e-3), (-1.0, -1.0, 2.0), (4, 3, 5), 2.5e6, 2.5e6),
}


class Files:
    """A calibration scan, its half as "restored", its truth, a phantom and an image."""

    def __init__(self, folder, dimension, grid=None):
        self.grid = grid or {2: FLAT, 3: SOLID}[dimension]
        self.sequence = SEQUENCES[dimension]
        self.orders = mixing_orders(self.sequence)
        rng = np.random.default_rng(2)
        n = self.sequence.n_frequencies
        truth = rng.normal(size=(3, n, *self.grid.size, 2)) @ np.array([1, 1j])
        truth[:, [0, -1]] = truth[:, [0, -1]].real
        self.truth_values = truth
        self.concentration = rng.uniform(size=self.grid.size)
        self.scan, self.restored = folder / "scan.mdf", folder / "restored.mdf"
        self.truth, self.phantom = folder / "scan.truth.h5", folder / "phantom.truth.h5"
        self.image = folder / "image.h5"
        frames = truth.transpose(4, 3, 2, 0, 1).reshape(-1, 3, n)
        signal = np.fft.irfft(frames, n=self.sequence.n_samples, axis=-1)
        background = 1e-3 * rng.normal(size=(3, 3, self.sequence.n_samples))
        write_frames(
            self.scan,
            acquisition=Acquisition.from_sequence(
                self.sequence,
                n_frames=len(frames) + 3,
                n_averages=1,
                n_channels=3,
                start_time="2026-01-01",
            ),
            frames=[signal.astype(np.float64), background],
            is_background=np.arange(len(frames) + 3) >= len(frames),
            description="test",
            calibration=Calibration("robot", self.grid.size, self.grid.fov, self.grid.center),
        )
        write_restored(
            self.scan, self.restored, (0.5 * truth).astype(np.complex64), description="halved"
        )
        for path, dataset, values, scores in (
            (self.truth, "system_matrix", truth.astype(np.complex64), {}),
            (self.phantom, "concentration", self.concentration, {}),
            (self.image, "image", self.concentration / 2, {"psnr_dB": 21.0, "ssim": -0.04}),
        ):
            with h5py.File(path, "w") as file:
                file[dataset] = values
                attributes = {"fov_m": self.grid.fov, "center_m": self.grid.center}
                file.attrs.update({**attributes, **scores})

    def component(self, channel, frequency):
        return channel, tuple(self.orders[frequency].tolist())


@pytest.fixture(scope="module", params=[2, 3], ids=["2D", "3D"])
def files(request, tmp_path_factory):
    return Files(tmp_path_factory.mktemp("scan"), request.param)


@pytest.fixture(scope="module")
def solid(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("solid"), 3)


def drawn(content, monkeypatch):
    """Return the figure of some content, and check its texts."""
    figures = []
    with monkeypatch.context() as patch:
        patch.setattr(drawing, "save", lambda figure, *_: figures.append(figure))
        draw_measurement_figure(content, "f.pdf", "f.png")
    check_texts(figures[0])
    return figures[0]


def texts_of(figure):
    return check_texts(figure)


# Choice


def test_chosen_components_fall_in_snr_and_show_different_images():
    orders = mixing_orders(SEQUENCES[2])
    snr = np.random.default_rng(1).uniform(0, 50, size=(2, len(orders)))
    chosen = choose_components(snr, orders, 4)
    values = [snr[place] for place in chosen]
    assert values == sorted(values, reverse=True)
    assert values == pytest.approx([30, 13.9, 6.5, 3], rel=0.3)
    assert len({tuple(np.abs(orders[k])) for _, k in chosen}) == 4
    assert {channel for channel, _ in chosen} == {0, 1}
    with pytest.raises(InputError, match="0 different components"):
        choose_components(0 * snr, orders)


def test_nearest_order_is_the_same_one_then_the_same_image_then_a_near_one():
    orders = np.array([[1, 0, 0], [3, -2, 0], [2, -1, 0], [2, 1, 0], [4, 1, 0]])
    everything = np.arange(5)
    assert nearest_frequency((2, 1, 0), orders, everything) == 3
    assert nearest_frequency((2, 1, 0), orders, np.array([4, 2, 0])) == 2
    assert nearest_frequency((3, 2, 0), orders, np.array([0, 3, 4])) == 3
    assert nearest_frequency((9, 9, 0), orders, np.array([0])) == 0
    with pytest.raises(InputError, match="no stored frequency"):
        nearest_frequency((1, 0, 0), np.full((2, 3), UNREACHED), np.arange(2))


# Reading


def test_each_column_shows_the_wanted_components(files):
    bins = [(1, 9), (0, 5)]
    content = read_measurement_figure(
        [
            Column("measured", files.scan),
            Column("half", files.restored, files.image),
            Column("truth", files.truth),
        ],
        components=[files.component(*place) for place in bins],
        phantom=files.phantom,
    )
    assert content.columns == ("measured", "half", "truth")
    middle = (files.grid.size[2] - 1) // 2
    for row, (channel, k) in zip(content.components, bins, strict=True):
        measured, half, true = (panel.image for panel in row.panels)
        expected = files.truth_values[channel, k, :, :, middle]
        assert np.allclose(measured, expected, atol=0.1)
        assert np.allclose(half, 0.5 * true)
        assert np.allclose(true, expected)
        # The truth sets the scale: its largest magnitude is bright, its main phase imaginary.
        assert row.peak == pytest.approx(np.abs(true).max())
        assert abs(row.factor) == pytest.approx(1)
        assert np.angle(np.sum((true * row.factor) ** 2)) == pytest.approx(np.pi, abs=1e-5) or (
            np.angle(np.sum((true * row.factor) ** 2)) == pytest.approx(-np.pi, abs=1e-5)
        )
        whole = files.truth_values[channel, k] / np.abs(files.truth_values[channel, k]).max()
        half_error = np.mean(np.stack([whole.real, whole.imag]) ** 2) / 4
        assert row.scores[1] == pytest.approx(-10 * np.log10(half_error), abs=1e-3)
        assert np.isnan(row.scores[2])
    x, y = files.grid.fov[:2]
    left, right, bottom, top = content.components[0].panels[0].extent_mm
    assert (right - left, top - bottom) == pytest.approx((1e3 * x, 1e3 * y))
    planes = [row.title for row in content.images]
    assert len(planes) == (1 if files.grid.size[2] == 1 else 3)
    assert content.images[0].panels[0] is None
    assert np.allclose(content.images[0].phantom.image, files.concentration[:, :, middle])
    assert content.image_scores[1] == (21.0, -0.04)
    assert content.image_peak == pytest.approx(files.concentration.max())


def test_planes_of_images_go_through_the_center_across_each_axis(solid):
    columns = [Column("measured", solid.scan, solid.image)]
    content = read_measurement_figure(columns, components=[solid.component(0, 5)])
    volume = solid.concentration / 2
    for row, expected, words in zip(
        content.images,
        (volume[:, :, 1], volume[:, 1, :], volume[2]),
        ("$z$ = 0.0 mm ($x$ right, $y$ up)", "$y$ = −1.0 mm ($x$ right", "$x$ = 0.0 mm ($y$ r"),
        strict=True,
    ):
        assert np.array_equal(row.panels[0].image, expected)
        assert words in row.title


def test_configured_planes_are_cut(solid):
    planes = load_planes([{"across": "x", "at_mm": -4.2}, {"across": "z"}])
    assert planes == [PlaneChoice("x", pytest.approx(-4.2e-3)), PlaneChoice("z")]
    assert load_planes(None) is None
    content = read_measurement_figure(
        [Column("measured", solid.scan, solid.image), Column("truth", solid.truth)],
        components=[solid.component(2, 7)],
        component_planes=planes,
        image_planes=[PlaneChoice("y", 3e-3)],
    )
    first, second = content.components
    truth = solid.truth_values[2, 7].astype(np.complex64)
    assert np.array_equal(first.panels[1].image, truth[0])
    assert np.array_equal(second.panels[1].image, truth[:, :, 1])
    # Planes of one component share their brightness and phase.
    assert first.peak == second.peak and first.factor == second.factor
    assert first.scores[0] == second.scores[0]
    (row,) = content.images
    assert np.array_equal(row.panels[0].image, solid.concentration[:, 3] / 2)
    assert "plane $y$ = 3.0 mm" in row.title


def test_a_flat_scan_has_no_planes_across_x(tmp_path):
    flat = Files(tmp_path, 2)
    with pytest.raises(InputError, match="no plane across x"):
        read_measurement_figure(
            [Column("measured", flat.scan)],
            components=[flat.component(0, 5)],
            component_planes=[PlaneChoice("x")],
        )


def test_an_order_that_is_not_there_is_replaced_and_named(files):
    wanted = (40, 40, 0)
    content = read_measurement_figure([Column("measured", files.scan)], components=[(0, wanted)])
    title = content.components[0].title
    number = "40, 40" if files.grid.size[2] == 1 else "40, 40, 0"
    assert title.startswith("channel $x$, mixing order (")
    assert f" for ({number}), SNR" in title
    exact = read_measurement_figure(
        [Column("measured", files.scan)], components=[files.component(1, 5)]
    )
    assert " for " not in exact.components[0].title


def test_components_are_chosen_by_snr_if_none_is_given(files):
    content = read_measurement_figure([Column("measured", files.scan)], count=2)
    assert len(content.components) == 2
    assert content.components[0].title != content.components[1].title


def test_one_period_of_several_is_shown_and_named(tmp_path):
    files = Files(tmp_path, 2)
    scan = two_periods(files.scan, tmp_path / "patches.mdf")
    restored = tmp_path / "patches.restored.mdf"
    restore_scan(scan, restored, lambda batch: [0.5 * item.image for item in batch], name="half")
    columns = [Column("measured", scan), Column("half", restored)]
    component = [files.component(0, 5)]
    for period in (None, 0, 1):
        content = read_measurement_figure(columns, components=component, period=period)
        matrix = read_system_matrix(scan, channels=[0], frequencies=[5], period=period or 0)
        measured, half = (panel.image for panel in content.components[0].panels)
        np.testing.assert_array_equal(measured, matrix[0, 0, :, :, 0])
        np.testing.assert_allclose(half, 0.5 * measured, rtol=1e-5)
        assert f"), period {period or 0}, SNR" in content.components[0].title
        chosen = read_measurement_figure(columns, period=period, count=2)
        assert all(f", period {period or 0}, " in row.title for row in chosen.components)
    alike = Column("m", two_periods(files.scan, tmp_path / "alike.mdf", offsets=(0.0, 0.0)))
    content = read_measurement_figure([alike], components=component, period="mean")
    assert ", mean of 2 periods, " in content.components[0].title
    # What has a single period needs no choice.
    content = read_measurement_figure(
        [Column("measured", files.scan)], components=component, period=1
    )
    assert "period" not in content.components[0].title
    for period, fault in (
        (2, r"patches\.mdf: /acquisition/numPeriodsPerFrame: there is no period 2\. Choose from 0"),
        ("mean", r"patches\.mdf: /acquisition/gradient: the fields change from period to period.*"),
    ):
        with pytest.raises(InputError, match=fault):
            read_measurement_figure(columns, components=component, period=period)


def test_scans_are_read_as_the_measurement_says(tmp_path):
    files = Files(tmp_path, 2)
    scan = two_periods(files.scan, tmp_path / "scan.mdf", offsets=(0.0, 0.0))
    component = [files.component(0, 5)]
    for reading in (
        {"background": None, "spectral_leakage": "ignore"},
        {"background": "mean", "spectral_leakage": "correct"},
    ):
        content = read_measurement_figure([Column("m", scan)], components=component, **reading)
        matrix = read_system_matrix(scan, channels=[0], frequencies=[5], period=0, **reading)
        image = content.components[0].panels[0].image
        np.testing.assert_array_equal(image, matrix[0, 0, :, :, 0])


def test_decimated_voxels_stand_around_their_samples(tmp_path, monkeypatch):
    grid = CalibrationGrid((5, 4, 4), (10e-3, 8e-3, 4e-3))
    files = Files(tmp_path, 3, grid)
    task = scan_task("accelerated-calibration", factor=2, decimate=True)
    content = read_measurement_figure(
        [
            Column("measured", files.scan, files.image),
            Column("Decimated (1 of 2)", files.scan, None, task),
            Column("restored", files.restored, files.image),
            Column("truth", files.truth, files.image),
        ],
        components=[files.component(0, 9)],
    )
    (row,) = content.components
    measured, seen, restored, true = row.panels
    # Of the layers z = -1.5, -0.5, 0.5, 1.5 mm the first and third are kept; the lower one of those
    # that are as near to the center of the kept ones is shown in all columns.
    assert "plane $z$ = −1.5 mm" in row.title
    truth = files.truth_values[0, 9].astype(np.complex64)
    assert np.array_equal(true.image, truth[:, :, 0])
    assert np.allclose(measured.image, truth[:, :, 0], atol=0.1)
    assert np.array_equal(restored.image, (files.truth_values[0, 9] / 2).astype("c8")[:, :, 0])
    assert np.allclose(seen.image, truth[::2, ::2, 0], atol=0.1)
    # Samples at x = -4, 0, 4 and y = -3, 1 mm in voxels of 4 mm.
    assert seen.extent_mm == pytest.approx((-6.0, 6.0, -5.0, 3.0))
    assert np.isnan(row.scores[1]) and np.isfinite(row.scores[2])
    figure = drawn(content, monkeypatch)
    components = [ax for ax in figure.axes if ax.images][:4]
    # Coarse voxels do not leave the field of view.
    assert {(*ax.get_xlim(), *ax.get_ylim()) for ax in components} == {(-5.0, 5.0, -4.0, 4.0)}


def test_images_of_other_grids_are_compared_as_concentrations(tmp_path):
    files = Files(tmp_path, 2)
    fine = tmp_path / "fine.h5"
    with h5py.File(fine, "w") as file:
        # The same tracer in voxels of half the width: a quarter in each.
        file["image"] = np.kron(files.concentration[:, :, 0], np.ones((2, 2)))[:, :, None] / 4
        file.attrs.update({"fov_m": files.grid.fov, "center_m": files.grid.center})
    content = read_measurement_figure(
        [Column("coarse", files.scan, files.image), Column("fine", files.restored, fine)],
        components=[files.component(0, 5)],
        phantom=files.phantom,
    )
    (row,) = content.images
    coarse, dense = (panel.image for panel in row.panels)
    assert np.allclose(coarse, files.concentration[:, :, 0] / 2)
    assert np.allclose(dense[::2, ::2], files.concentration[:, :, 0])
    assert np.allclose(row.phantom.image, files.concentration[:, :, 0])


def masked(files):
    missing = np.zeros(files.grid.size, bool)
    missing[1:3, 0, 0] = True
    missing[4, 2, 0] = missing[0, 0, 1] = True
    task = scan_task("inpainting", missing=missing)
    columns = [
        Column("measured", files.scan, files.image),
        Column("masked", files.scan, None, task),
        Column("restored", files.restored, files.image),
        Column("truth", files.truth, files.image),
    ]
    return missing, columns


def test_missing_voxels_are_hatched_where_methods_miss_them(solid, monkeypatch):
    missing, columns = masked(solid)
    content = read_measurement_figure(
        columns, components=[solid.component(1, 9)], phantom=solid.phantom
    )
    assert content.masked_column == 1
    (row,) = content.components
    # Most of them lie in the first layer along z.
    assert "plane $z$ = −1.0 mm" in row.title
    assert np.array_equal(row.missing.image, missing[:, :, 0])
    assert not row.panels[1].image[missing[:, :, 0]].any()
    assert row.panels[1].image[~missing[:, :, 0]].all()
    assert row.panels[0].image.all()
    figure = drawn(content, monkeypatch)
    axes = [ax for ax in figure.axes if ax.images][:4]
    hatched = [[p for p in ax.patches if p.get_hatch()] for ax in axes]
    assert [len(patches) > 0 for patches in hatched] == [False, True, False, False]
    area = sum(patch.get_width() * patch.get_height() for patch in hatched[1])
    assert area == pytest.approx(3 * 2.0 * 2.0)  # three voxels of 2 mm x 2 mm
    corners = {(round(p.get_x(), 6), round(p.get_y(), 6)) for p in hatched[1]}
    assert corners == {(-3.0, -4.0), (-1.0, -4.0), (3.0, 0.0)}
    outlines = [[c for c in ax.collections if isinstance(c, LineCollection)] for ax in axes]
    assert [bool(lines) for lines in outlines] == [True, False, True, True]
    segments = outlines[0][-1].get_segments()
    length = sum(np.linalg.norm(np.diff(segment, axis=0)) for segment in segments)
    # Two voxels side by side have a border of 12 mm, the single one of 8 mm.
    assert length == pytest.approx(20.0)
    # The legend explains the hatching.
    assert "missing" in texts_of(figure)
    others = [p for ax in figure.axes if ax not in axes for p in ax.patches]
    assert any(isinstance(p, Rectangle) and p.get_hatch() for p in others)


def test_faults_name_the_file(tmp_path):
    files = Files(tmp_path, 2)
    measured = Column("measured", files.scan)
    component = [files.component(0, 5)]
    with pytest.raises(InputError, match=r"scan\.truth\.h5.*concentration"):
        read_measurement_figure([measured], components=component, phantom=files.truth)
    with pytest.raises(InputError, match=r"absent\.h5.*cannot be read"):
        read_measurement_figure(
            [measured], components=component, phantom=files.phantom.with_name("absent.h5")
        )
    with pytest.raises(InputError, match="no receive channel 3"):
        read_measurement_figure([measured], components=[(3, (1, 0, 0))])
    with pytest.raises(InputError, match="no columns"):
        read_measurement_figure([])
    with pytest.raises(InputError, match=r"restored\.mdf: /calibration/snr: no sig.* Name the c"):
        read_measurement_figure([Column("restored", files.restored)])


# Drawing


def panel(scale=1.0):
    rng = np.random.default_rng(0)
    return Panel(scale * (rng.normal(size=(6, 4)) + 0j), (-5.0, 7.0, -2.0, 2.0))


def image(peak=1.0):
    return Panel(peak * np.linspace(0, 1, 24).reshape(6, 4), (-5.0, 7.0, -2.0, 2.0))


def content_of(n_columns, *, images=True, phantom=True, scores=True):
    values = (31.25,) * (n_columns - 1) + (np.nan,)
    unknown = (np.nan,) * n_columns
    titles = ("Measured (10 averages)", "U-Net (canonical)", "RDN-Langevin", "Truth")
    row = ImageRow("reconstruction", (image(2.0),) * n_columns, image() if phantom else None)
    return MeasurementFigure(
        columns=tuple(titles[i % 4] for i in range(n_columns)),
        components=(
            ComponentRow(
                "channel $x$, mixing order (2, −1), SNR 3.2",
                (panel(),) * n_columns,
                peak=2.0,
                factor=1j,
                scores=values if scores else unknown,
            ),
        ),
        images=(row,) if images else (),
        image_scores=((20.5, 0.875),) * n_columns if scores else ((np.nan, np.nan),) * n_columns,
        image_peak=1.0,
    )


@pytest.mark.parametrize("scores", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("phantom", [True, False], ids=["phantom", "no-phantom"])
@pytest.mark.parametrize("images", [True, False], ids=["images", "no-images"])
@pytest.mark.parametrize("n_columns", [1, 4, 9])
def test_figure_of_any_content_fits_the_page(monkeypatch, n_columns, images, phantom, scores):
    content = content_of(n_columns, images=images, phantom=phantom, scores=scores)
    figure = drawn(content, monkeypatch)
    width, height = figure.get_size_inches() * 25.4
    assert width <= FULL_WIDTH_MM + 0.1 and height <= 225
    texts = texts_of(figure)
    assert ("31.2 dB" in texts) == (scores and n_columns > 1)
    assert ("phantom" in texts) == (images and phantom)
    assert [t for t in texts if t.startswith("(")] == (["(a)", "(b)"] if images else ["(a)"])


def test_all_panels_have_one_scale_in_mm_and_images_one_range_of_colors(monkeypatch):
    figure = drawn(content_of(4), monkeypatch)
    axes = [ax for ax in figure.axes if len(ax.images) == 1 and ax.get_xlim() == (-5.0, 7.0)]
    assert len(axes) == 9
    page = figure.get_size_inches() * 25.4
    scales = [
        length * span / (high - low)
        for ax in axes
        for length, span, (low, high) in (
            (page[0], ax.get_position().width, ax.get_xlim()),
            (page[1], ax.get_position().height, ax.get_ylim()),
        )
    ]
    assert scales == pytest.approx([scales[0]] * len(scales))
    ranges = {ax.images[0].get_clim() for ax in axes[4:]}
    assert ranges == {(0.0, 1.0)}
    # Images exceed the range, and the bar says so.
    assert figure.axes[-1].get_ylabel() == "relative\nconcentration"
    assert axes[4].images[0].colorbar is None or axes[4].images[0].colorbar.extend == "max"


def test_files_are_equal_in_bytes(tmp_path, solid):
    _, columns = masked(solid)
    files = []
    for name in ("a", "b"):
        content = read_measurement_figure(
            columns, components=[solid.component(0, 3)], phantom=solid.phantom
        )
        paths = [tmp_path / f"{name}.{ending}" for ending in ("pdf", "png")]
        draw_measurement_figure(content, *paths)
        files.append([path.read_bytes() for path in paths])
    assert files[0] == files[1]


def test_a_figure_wants_a_panel_for_each_column():
    row = ComponentRow("a", (panel(),), 1.0, 1.0, (np.nan,))
    with pytest.raises(InputError, match="panels for 2 columns"):
        MeasurementFigure(("a", "b"), (row,), (), ((np.nan, np.nan),) * 2, 1.0)
    with pytest.raises(InputError, match="no panel"):
        row = ComponentRow("a", (None,), 1.0, 1.0, (np.nan,))
        MeasurementFigure(("a",), (row,), (), ((np.nan, np.nan),), 1.0)
