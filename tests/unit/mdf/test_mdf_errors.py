"""Wrong files: one line with file, field and remedy."""

import h5py
import numpy as np
import pytest
from mdf_files import SEQUENCE, calibration, edit, interleaved, raw_signals, write_raw, write_stored

from smrestore.mdf import (
    background_std,
    open_mdf,
    read_background,
    read_spectra,
    read_system_matrix,
    signal_to_noise,
)
from smrestore.mdf.layout import MANDATORY
from smrestore.support.errors import InputError

MASK = interleaved(2, 3)
OPTIONAL_FOR_READING = {
    name
    for name in MANDATORY
    if name.startswith(("/uuid", "/time", "/study", "/experiment", "/scanner"))
    or (name.startswith("/measurement/is") and not name.endswith(("Frame", "Transformed")))
} | {
    "/acquisition/numAverages",
    "/acquisition/numFrames",
    "/acquisition/receiver/numChannels",
    "/acquisition/numPeriodsPerFrame",
    "/acquisition/startTime",
    "/acquisition/drivefield/phase",
    "/acquisition/drivefield/waveform",
    "/acquisition/receiver/unit",
    "/measurement/isFastFrameAxis",
    "/measurement/isSparsityTransformed",
}


@pytest.fixture
def scan(tmp_path):
    return write_raw(
        tmp_path / "scan.mdf",
        raw_signals(0, len(MASK)),
        MASK,
        calibration=calibration(3, 2, 1),
    )


def message(path, action=open_mdf, **arguments) -> str:
    """Return the error of an action after checking its form: one line, the file, a remedy."""
    with pytest.raises(InputError) as caught:
        action(path, **arguments)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(str(path))
    assert caught.value.remedy
    return text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"MDF     3.30    TGT 15.0", "ASAM MDF"),
        (b"version https://git-lfs.github.com/spec/v1", "not an HDF5 file"),
        (b"", "not an HDF5 file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "truncated or damaged"),
    ],
)
def test_files_of_other_kinds(tmp_path, content, expected):
    path = tmp_path / "scan.mdf"
    path.write_bytes(content)
    assert expected in message(path)


def test_missing_file_and_folder(tmp_path):
    assert "No such file" in message(tmp_path / "scan.mdf")
    assert "ParaVision" in message(tmp_path)


def test_truncated_file(scan):
    content = scan.read_bytes()
    scan.write_bytes(content[: len(content) * 3 // 4])
    assert "truncated" in message(scan)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.0.5", "saveasMDF"),
        ("3.0.0", "unknown MDF version '3.0.0'"),
        ("new", "unknown MDF version 'new'"),
        (None, "HDF5 but not MDF"),
    ],
)
def test_versions(scan, version, expected):
    edit(scan, "/version", version)
    text = message(scan)
    assert expected in text
    assert f"{scan}: /version" in text


@pytest.mark.parametrize("version", ["2.0.0", "2.0.1", "2.1.0"])
def test_versions_that_are_read(scan, version):
    edit(scan, "/version", version)
    assert read_spectra(scan).shape == (len(MASK), 3, 25)


@pytest.mark.parametrize("name", sorted(set(MANDATORY) - OPTIONAL_FOR_READING - {"/version"}))
def test_each_needed_dataset_is_named_when_missing(scan, name):
    edit(scan, name)
    assert f"{name}: this mandatory dataset is missing" in message(scan)


@pytest.mark.parametrize("name", sorted(OPTIONAL_FOR_READING))
def test_other_datasets_may_be_missing(scan, name):
    edit(scan, name)
    assert read_system_matrix(scan).shape == (3, 25, 3, 2, 1)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("/measurement/data", np.zeros((8, 3, 48)), "(9, 1, 3, 48)"),
        ("/measurement/data", np.zeros((9, 1, 3, 48), complex), "not real numbers"),
        ("/measurement/isFourierTransformed", np.int8(1), "not complex numbers"),
        ("/measurement/isSparsityTransformed", np.int8(1), "no spectra with the frames last"),
        ("/measurement/isBackgroundCorrected", np.int8(2), "is 2 instead of 0 or 1"),
        ("/measurement/isBackgroundFrame", np.full(9, 3, np.int8), "other values than 0 and 1"),
        ("/measurement/isFrequencySelection", np.int8(1), "frequencySelection: this mandatory"),
        ("/measurement/isFramePermutation", np.int8(1), "framePermutation: this mandatory"),
        ("/measurement/isBackgroundFrame", np.zeros(8, np.int8), "(8,) instead of (9,)"),
        ("/measurement/isBackgroundFrame", "no", "instead of numbers"),
        ("/acquisition/numFrames", np.zeros(0), "is empty"),
        ("/acquisition/numFrames", h5py.Empty("f"), "is empty"),
        ("/acquisition/numFrames", [9, 9], "(2,) instead of ()"),
        ("/acquisition/numFrames", 9.5, "positive count"),
        ("/acquisition/numFrames", float("nan"), "positive count"),
        ("/acquisition/numPeriodsPerFrame", 2, "instead of (9, 2, 3, 48)"),
        ("/acquisition/numPeriodsPerFrame", np.uint64(2**64 - 1), "instead of (9, 18446744"),
        ("/acquisition/receiver/bandwidth", 1.0e7, "2 * bandwidth * cycle is 96"),
        ("/acquisition/drivefield/cycle", float("nan"), "is nan"),
        ("/acquisition/drivefield/cycle", 1.0, "2 * bandwidth * cycle is 1e+07"),
        ("/acquisition/drivefield/baseFrequency", -1.0, "is -1"),
        ("/acquisition/drivefield/strength", np.full(3, np.nan), "NaN or infinite"),
        ("/acquisition/receiver/numSamplingPoints", 2**40, "is 1.1e+12"),
        ("/calibration/fieldOfView", [1j, 0, 0], "complex instead of real"),
        ("/calibration/size", [10**6, 10**6, 1], "1e+12 positions"),
        ("/acquisition/drivefield/divider", [6, 4], "(2,) instead of (3, F)"),
        ("/acquisition/drivefield/strength", np.ones((2, 3, 1)), "instead of (1, 3, 1)"),
        ("/acquisition/drivefield/waveform", ["sine", "sine"], "(2,) instead of (3,)"),
        ("/acquisition/gradient", np.ones((2, 3)), "(2, 3) instead of (J, Y, 3, 3)"),
        ("/acquisition/offsetField", np.ones(2), "(2,) instead of (J, Y, 3)"),
        ("/acquisition/receiver/dataConversionFactor", np.ones(3), "(3,) instead of (3, 2)"),
        ("/acquisition/receiver/transferFunction", np.ones((3, 4)), "(3, 4) instead of (3, 25)"),
        ("/calibration/size", [3, 2], "(2,) instead of (3,)"),
        ("/calibration/size", [3, 2, 0], "voxels"),
        ("/calibration/size", None, "not on a regular grid"),
        ("/calibration/order", "xxz", "no order of the axes"),
    ],
)
def test_contradictions_name_the_dataset(scan, name, value, expected):
    edit(scan, name, value)
    text = message(scan)
    assert expected in text
    assert text.removeprefix(f"{scan}: ").startswith("/")


def test_reconstruction_without_measurement(scan):
    edit(scan, "/measurement")
    edit(scan, "/reconstruction/data", np.zeros(3))
    assert "is a reconstruction" in message(scan)


def test_permutation_must_be_one(scan):
    edit(scan, "/measurement/isFramePermutation", np.int8(1))
    edit(scan, "/measurement/framePermutation", np.arange(9))
    assert "no permutation of 1 ... 9" in message(scan)


@pytest.mark.filterwarnings("ignore:.*counts from 0")
@pytest.mark.parametrize("selection", [[1, 1], [1, 26], [-1, 2], [-1, 0]])
def test_frequency_selection_must_fit(tmp_path, selection):
    path = write_stored(
        tmp_path / "scan.mdf",
        np.zeros((1, 1, 3, 2), np.complex64),
        [0],
        {"isFourierTransformed": True, "isFrequencySelection": True},
        fields={"/measurement/frequencySelection": np.array(selection)},
    )
    assert "is no selection from the 25 frequencies" in message(path)


def test_several_periods_demand_a_choice(tmp_path):
    path = write_raw(tmp_path / "scan.mdf", raw_signals(0, 2), [0, 0])
    edit(path, "/acquisition/numPeriodsPerFrame", 2)
    edit(path, "/measurement/data", np.zeros((2, 2, 3, 48)))
    with open_mdf(path) as file:
        assert file.acquisition.n_periods == 2
    assert "2 drive-field periods per frame" in message(path, read_spectra)
    assert "there is no period 2" in message(path, open_mdf, period=2)
    assert read_spectra(path, period=1).shape == (2, 3, 25)


def test_selections_outside_the_file(scan):
    assert "no receive channel 3" in message(scan, read_spectra, channels=[0, 3])
    assert "no frame -1" in message(scan, read_spectra, frames=[-1])
    assert "frequency index 25 is not among" in message(scan, read_spectra, frequencies=[25])
    assert "no frequencies are chosen" in message(scan, read_spectra, frequencies=[])


def test_frequency_that_is_not_stored(tmp_path):
    path = write_stored(
        tmp_path / "scan.mdf",
        np.zeros((1, 1, 3, 2), np.complex64),
        [0],
        {"isFourierTransformed": True, "isFrequencySelection": True},
        fields={"/measurement/frequencySelection": np.array([3, 8])},
    )
    text = message(path, read_spectra, frequencies=[7, 3])
    assert "/measurement/frequencySelection: frequency index 3 is not among the 2 stored" in text


def test_measurement_instead_of_calibration_scan(tmp_path):
    path = write_raw(tmp_path / "scan.mdf", raw_signals(0, 2), [0, 0])
    assert "not a calibration scan" in message(path, read_system_matrix)


def test_grid_that_disagrees_with_the_frames(scan):
    edit(scan, "/calibration/size", [3, 3, 1])
    text = message(scan, read_system_matrix)
    assert "/calibration/size" in text
    assert "9 positions, but there are 6 foreground frames" in text


def test_no_background_frames(tmp_path):
    path = write_raw(
        tmp_path / "scan.mdf", raw_signals(0, 6), np.zeros(6), calibration=calibration(3, 2, 1)
    )
    assert "background: none" in message(path, read_system_matrix)
    assert read_system_matrix(path, background=None).shape == (3, 25, 3, 2, 1)
    assert read_background(path).shape == (0, 3, 25)
    assert "Use a scan with more of them" in message(path, background_std)
    assert "needs background frames" in message(path, signal_to_noise)


def test_no_transfer_function_to_divide_by(scan):
    text = message(scan, read_spectra, transfer_function="divide")
    assert "transferFunction" in text
    assert "transfer_function: ignore" in text


def test_unknown_choices(scan):
    with pytest.raises(InputError, match="unknown background correction 'drift'"):
        read_system_matrix(scan, background="drift")
    with pytest.raises(InputError, match="unknown policy 'multiply'"):
        read_spectra(scan, transfer_function="multiply")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite(tmp_path, value):
    data = np.ones((1, 3, 25, 6), np.complex64)
    data[0, 1, 4, 5] = value
    path = write_stored(
        tmp_path / "scan.mdf",
        data,
        np.zeros(6),
        {"isFourierTransformed": True, "isFastFrameAxis": True},
        calibration=calibration(3, 2, 1),
    )
    text = message(path, read_system_matrix, background=None)
    where = "frame 5 (voxel 2, 1, 0), channel 1, frequency index 4"
    assert f"/measurement/data: NaN or infinite value in {where}" in text
    rest = read_system_matrix(path, background=None, frequencies=[3, 5])
    np.testing.assert_array_equal(rest, 1)


def test_time_signal_with_nan(tmp_path):
    signal = np.ones((2, 3, SEQUENCE.n_samples))
    signal[1, 2, 7] = np.nan
    path = write_raw(tmp_path / "scan.mdf", signal, [0, 0])
    assert "frame 1, channel 2" in message(path, read_spectra)
    assert read_spectra(path, frames=[0]).shape == (1, 3, 25)
