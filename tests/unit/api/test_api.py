"""``import smrestore``: scans as objects."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from fitted_scanner import SEQUENCE
from mdf_files import two_periods

import smrestore
from smrestore import mdf
from smrestore.figures.style import NotebookFigure
from smrestore.methods import load_method
from smrestore.physics import mixing_orders
from smrestore.restoration import restore_scan
from smrestore.support.errors import InputError


@pytest.fixture
def measured(scan) -> smrestore.Scan:
    return smrestore.open(scan)


def test_import_is_quick_and_lists_its_names():
    script = (
        "import sys, smrestore\n"
        "assert {'open', 'fit', 'restore', 'Scan'} <= set(dir(smrestore))\n"
        "heavy = {'numpy', 'torch', 'numba', 'pandas', 'h5py', 'matplotlib', 'pydantic'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or None)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        _ = smrestore.opne


def test_what_a_scan_holds(measured, scan):
    assert repr(measured).startswith(f"<Scan {scan.name}: calibration of 9 x 8 x 1 voxels, 3 rec")
    assert measured.unit == "V"
    assert measured.sequence == SEQUENCE
    assert measured.grid.size == (9, 8, 1)
    np.testing.assert_array_equal(measured.channels, [0, 1, 2])
    np.testing.assert_allclose(measured.frequencies, SEQUENCE.frequencies)
    np.testing.assert_array_equal(measured.mixing_orders, mixing_orders(SEQUENCE))
    np.testing.assert_array_equal(measured.snr, mdf.read_snr(scan))
    np.testing.assert_array_equal(
        measured.system_matrix([1], [33, 50]),
        mdf.read_system_matrix(scan, channels=[1], frequencies=[33, 50]),
    )
    np.testing.assert_array_equal(
        measured.spectra([0], frames=measured.is_background),
        mdf.read_spectra(scan, channels=[0], frames=measured.is_background),
    )
    assert measured.inspect().unusual == ()


def test_a_component_has_coordinates(measured, scan):
    component = measured.component(1, (2, 1, 0))
    # 17 and 16 periods of the drive fields in a cycle.
    index = 2 * 17 + 16
    expected = mdf.read_system_matrix(scan, channels=[1], frequencies=[index])[0, 0]
    np.testing.assert_array_equal(component.values, expected)
    np.testing.assert_array_equal(np.abs(component), np.abs(expected))
    np.testing.assert_allclose(component.x, 0.003 * (np.arange(9) - 4))
    np.testing.assert_allclose(component.y, 0.003 * (np.arange(8) - 3.5))
    np.testing.assert_allclose(component.z, [0])
    assert component.frequency == pytest.approx(SEQUENCE.frequencies[index])
    assert component.mixing_order == (2, 1, 0)
    for same in (measured.component(1, (2, 1)), measured.component(1, frequency=index)):
        np.testing.assert_array_equal(same.values, expected)
        assert same.label == component.label
    # An order that is not the lowest one of its frequency: 17 (2 + 16) + 16 (1 - 17).
    assert measured.component(1, (18, -16, 0)).mixing_order == (2, 1, 0)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"channel": 3, "mixing_order": (1, 0, 0)}, "there is no receive channel 3"),
        ({"channel": 0, "mixing_order": (0, 0, 1)}, "no frequency has mixing order (0, 0, 1)"),
        ({"channel": 0, "mixing_order": (-1, 0, 0)}, "all of opposite sign are the same"),
        ({"channel": 0, "mixing_order": (1,)}, "no frequency has mixing order (1,)"),
        ({"channel": 0, "mixing_order": (99, 99, 0)}, "choose one of scan.mixing_orders"),
        ({"channel": 0, "frequency": 10**6}, "frequency index 1000000 is not among"),
        ({"channel": 0}, "give one of the two"),
        ({"channel": 0, "mixing_order": (1, 0), "frequency": 3}, "give one of the two"),
    ],
)
def test_components_that_are_not_there(measured, arguments, expected):
    with pytest.raises(smrestore.InputError) as error:
        measured.component(**arguments)
    assert expected.lower() in str(error.value).lower()


def test_the_strongest_components(measured):
    orders = measured.strongest(0, 4)
    ratios = [measured.snr[0, measured.component(0, order).frequency_index] for order in orders]
    assert ratios == sorted(measured.snr[0], reverse=True)[:4]
    with pytest.raises(smrestore.InputError, match="no receive channel 7"):
        measured.strongest(7)


def test_pictures_are_shown_by_notebooks(measured, tmp_path):
    figure = measured.plot(0, (2, 1))
    assert isinstance(figure, NotebookFigure)
    assert figure._repr_png_().startswith(b"\x89PNG")
    texts = [text.get_text() for text in figure.texts]
    peak = np.abs(measured.component(0, (2, 1))).max()
    assert texts[1].endswith("mixing order (2, 1)")
    assert texts[2] == f"full brightness: {peak:.3g} V"
    bright, dark = (
        measured.plot(0, (2, 1), peak=factor * peak).axes[0].images[0].get_array()
        for factor in (1, 4)
    )
    assert bright.mean() > 2 * dark.mean()


def test_components_without_a_known_sequence(scan, tmp_path):
    path = tmp_path / "scan.mdf"
    path.write_bytes(scan.read_bytes())
    with h5py.File(path, "r+") as file:
        del file["acquisition/gradient"]
    component = smrestore.open(path).component(0, frequency=50)
    assert component.mixing_order is None and component.label.endswith("(k = 50)")
    with pytest.raises(smrestore.InputError, match="the selection field is not stored"):
        smrestore.open(path).component(0, (2, 1, 0))


def test_periods_need_a_choice(scan, tmp_path):
    path = two_periods(scan, tmp_path / "two.mdf")
    with pytest.raises(smrestore.InputError, match="none is chosen"):
        smrestore.open(path).component(0, frequency=50)
    first, second = (smrestore.open(path, period=p).component(0, frequency=50) for p in (0, 1))
    assert np.abs(first).max() > np.abs(second).max()


def test_measurements_have_no_components(world):
    scan = smrestore.open(world.empty)
    assert "measurement" in repr(scan)
    assert scan.spectra([0], [3]).shape == (scan.acquisition.n_frames, 1, 1)
    for asked in (lambda: scan.component(0, frequency=3), lambda: scan.grid):
        with pytest.raises(smrestore.InputError, match="not a calibration scan"):
            asked()
    with pytest.raises(smrestore.InputError, match="No such file"):
        smrestore.open("nowhere.mdf")


def test_restoration_by_a_filter(scan, measured, tmp_path):
    before = scan.read_bytes()
    result = smrestore.restore(measured, method="dct-filter", omega=2.0)
    expected = tmp_path / "expected.mdf"
    method = load_method({"method": "dct-filter", "omega": 2.0}, None)
    summary = restore_scan(scan, expected, method, name="x", background_factor=0.3)
    np.testing.assert_array_equal(result.system_matrix(), mdf.read_system_matrix(expected))
    np.testing.assert_array_equal(result.summary.removed, summary.removed)
    assert list(result.table["channel"]) == [0, 1, 2]
    assert result.before is measured
    change = result.difference(0, (9, 4))
    restored, former = result.component(0, (9, 4)), measured.component(0, (9, 4))
    np.testing.assert_array_equal(change.values, restored.values - former.values)
    assert "minus" in change.title

    saved = result.save(tmp_path / "kept" / "restored.mdf")
    temporary = result.path
    matrix = result.system_matrix()
    assert result.path.exists()
    del result
    assert not temporary.exists() and not temporary.parent.exists()
    np.testing.assert_array_equal(smrestore.open(saved, background=None).system_matrix(), matrix)
    assert scan.read_bytes() == before


def test_results_never_replace_the_scan(scan, measured):
    before = scan.read_bytes()
    result = smrestore.restore(scan, method="dct-filter")
    with pytest.raises(smrestore.InputError, match="must not replace its source"):
        result.save(scan)
    with pytest.raises(smrestore.InputError, match="must not replace its source"):
        smrestore.restore(scan, method="dct-filter", output=scan)
    assert scan.read_bytes() == before


def test_finer_grids_have_no_difference(measured, tmp_path):
    output = tmp_path / "fine.mdf"
    result = smrestore.restore(
        measured, task="upsampling", method="spline", factor=2, output=output
    )
    assert result.path == output and output.exists()
    assert result.component(0, (2, 1)).values.shape == (17, 15, 1)
    with pytest.raises(smrestore.InputError, match="have no difference"):
        result.difference(0, (2, 1))


def test_missing_voxels(measured):
    missing = np.zeros((9, 8, 1), dtype=bool)
    missing[3:5, 4] = True
    result = smrestore.restore(measured, task="inpainting", method="biharmonic", missing=missing)
    change = np.abs(result.difference(0, (2, 1)))
    assert (change[missing] > 0).all()
    with pytest.raises(smrestore.InputError, match="the mask has shape"):
        smrestore.restore(measured, task="inpainting", method="biharmonic", missing=missing[1:])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"method": "magic"}, "unknown method 'magic'"),
        ({"method": "dct-filter", "model": "weights"}, "either a baseline or a model"),
        ({"task": "magic", "method": "dct-filter"}, "no scan can be restored for the task"),
        ({"method": "dct-filter", "fit": "fit.json"}, "cannot be used with dct-filter"),
        ({"task": "upsampling", "method": "spline"}, "needs the number of restored voxels"),
    ],
)
def test_options_that_do_not_belong_together(measured, options, expected):
    with pytest.raises(smrestore.InputError) as error:
        smrestore.restore(measured, **options)
    assert expected in str(error.value)


def test_options_that_do_not_exist_are_named(measured):
    with pytest.raises(InputError, match=r"methd: unknown option\. Did you mean 'method'"):
        smrestore.restore(measured, methd="dct-filter")


def test_fit_and_restoration_by_physics(measured, scan, tmp_path):
    found = smrestore.fit(measured, states=["fluid"])
    assert found.describes and found.held_out["all"] < 0.1
    assert "core diameter" in found.table.index
    assert repr(found).startswith(f"<Fit to {scan.name}: ")
    found.save(tmp_path / "fit.json")
    by_object = smrestore.restore(measured, method="model-and-measurement", fit=found)
    by_file = smrestore.restore(scan, method="model-and-measurement", fit=tmp_path / "fit.json")
    np.testing.assert_array_equal(by_object.system_matrix(), by_file.system_matrix())
    assert by_object.snr.shape == measured.snr.shape
    with h5py.File(Path(scan).with_name("truth.h5")) as file:
        truth = file["system_matrix"][:2]
    chosen = smrestore.restore(measured, fit=found)
    assert chosen.decision is not None and by_object.decision is None
    restored = (measured, by_object, chosen)
    errors = [np.linalg.norm(s.system_matrix([0, 1]) - truth) for s in restored]
    assert max(errors[1:]) < errors[0]


def test_an_example_scan(tmp_path):
    one, other = (
        smrestore.example_scan(tmp_path / name / "scan.mdf", size=(5, 4), averages=1)
        for name in ("one", "other")
    )
    np.testing.assert_array_equal(one.system_matrix(), other.system_matrix())
    assert one.grid.size == (5, 4, 1)
    assert one.inspect().unusual == ()
    assert one.path.with_suffix(".truth.h5").exists()
