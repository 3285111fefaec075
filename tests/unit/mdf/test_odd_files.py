"""Files that groups have: dead channels, wrong units, other spellings of what MDF demands."""

import h5py
import numpy as np
import pytest
from mdf_files import (
    acquisition,
    calibration,
    edit,
    forget_checksums,
    interleaved,
    raw_signals,
    two_periods,
    write_raw,
    write_stored,
)

from smrestore.mdf import dead_channels, inspect_mdf, open_mdf, read_system_matrix

MASK = interleaved(3, 4)
FACTOR = "/acquisition/receiver/dataConversionFactor"


@pytest.fixture
def scan(tmp_path):
    return write_raw(
        tmp_path / "scan.mdf",
        raw_signals(0, len(MASK)),
        MASK,
        calibration=calibration(4, 3, 1, is_meandering=True, delta_sample_size=(2e-3,) * 3),
        conversion_factor=np.array([[1e-4, 0.5]] * 3),
    )


@pytest.fixture
def processed(tmp_path):
    rng = np.random.default_rng(0)
    spectra = rng.normal(size=(2, 1, 3, 25, 14)).astype(np.float32)
    return write_stored(
        tmp_path / "processed.mdf",
        (spectra[0] + 1j * spectra[1]).astype(np.complex64),
        np.arange(14) >= 12,
        {"isFourierTransformed": True, "isFastFrameAxis": True},
        calibration=calibration(4, 3, 1),
        acquisition=acquisition(14, transfer_function=np.full((3, 25), 1 - 2j)),
    )


def dead(path, **options):
    with open_mdf(path) as file:
        return dead_channels(file, **options)


def set_channel(path, channel, value, *, axis=2):
    with h5py.File(path, "r+") as file:
        forget_checksums(file)
        data = file["measurement/data"]
        values = data[()]
        values[(slice(None),) * axis + (channel,)] = value
        data[...] = values


def test_live_channels(scan, processed, tmp_path):
    assert dead(scan) == dead(processed) == {}
    assert dead(two_periods(scan, tmp_path / "two.mdf")) == {}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: edit(path, FACTOR, [[1, 0], [0, 0.1], [1, 0]]), "conversion factor is 0"),
        (lambda path: set_channel(path, 1, 1234), "its signal is constant"),
    ],
)
def test_dead_channels_of_time_signals(scan, change, reason):
    change(scan)
    found = dead(scan)
    assert list(found) == [1] and reason in found[1]
    expected = f"receive channel 1 is dead: {found[1]}"
    assert expected in inspect_mdf(scan).unusual
    by_description = inspect_mdf(scan, read_completely=0).unusual
    assert (expected in by_description) == ("factor" in reason)


def test_zeros_are_told_from_constants(scan, processed):
    set_channel(processed, 0, 0, axis=1)
    assert dead(processed) == {0: "all its values are 0"}
    edit(scan, FACTOR)
    set_channel(scan, 2, 0)
    assert dead(scan) == {2: "all its values are 0"}


def test_a_single_live_frame_is_enough(scan, processed):
    with h5py.File(scan, "r+") as file:
        forget_checksums(file)
        data = file["measurement/data"]
        data[:13, :, 1] = 7
    assert dead(scan) == {}
    with h5py.File(processed, "r+") as file:
        forget_checksums(file)
        data = file["measurement/data"]
        data[:, 1, :20] = 0
    assert dead(processed) == {}


def test_a_channel_that_is_dead_in_one_period_is_not_dead(scan, tmp_path):
    path = two_periods(scan, tmp_path / "two.mdf")
    with h5py.File(path, "r+") as file:
        forget_checksums(file)
        file["measurement/data"][:, 0, 1] = 5
    assert dead(path) == {}
    with h5py.File(path, "r+") as file:
        forget_checksums(file)
        file["measurement/data"][:, 1, 1] = 5
    assert list(dead(path)) == [1]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "drivefield/strength",
            [[[12.0], [10], [0]]],
            "is 12 T: scanners stay below 0.5 T, and it",
        ),
        ("drivefield/strength", [[[12.0], [10], [0]]], "likely written in mT"),
        ("drivefield/strength", [[[9549.0], [9549], [0]]], "likely written in A/m"),
        ("drivefield/strength", [[[1.2e-8], [1e-8], [0]]], "scanners have more than 1e-05 T"),
        ("drivefield/phase", [[[90.0], [90], [90]]], "is 90 rad: it is likely written in degrees"),
        ("drivefield/baseFrequency", 250.0, "the fastest drive field is 62.5 Hz: scanners"),
        ("drivefield/baseFrequency", 250.0, "likely written in kHz"),
        ("gradient", np.diag([-1000.0, -1500, 2500])[None, None], "likely written in mT/m"),
        ("gradient", np.diag([1.0, 1.5, 2.5])[None, None], "whose sum is not 0"),
        ("offsetField", np.full((1, 1, 3), 20.0), "is 20 T: scanners stay below 3 T"),
    ],
)
def test_fields_that_no_scanner_has(scan, name, value, expected):
    edit(scan, f"/acquisition/{name}", value)
    (line, *_) = [line for line in inspect_mdf(scan).unusual if expected in line]
    assert line.startswith(f"/acquisition/{name}: ")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("/calibration/fieldOfView", [30.0, 20, 10], "is 30 m: scanners stay below 1 m, and it is"),
        ("/calibration/fieldOfViewCenter", [0.0, 0, 5], "likely written in mm"),
        ("/calibration/deltaSampleSize", [2.0, 2, 2], "likely written in mm"),
        (
            "/calibration/deltaSampleSize",
            [0.05, 0.002, 0.002],
            "and the whole field of view 0.03 m",
        ),
        ("/calibration/deltaSampleSize", [-1e-3, 1e-3, 1e-3], "is -0.001 m: lengths have no sign"),
        ("/scanner/boreSize", 120.0, "likely written in mm"),
        ("/tracer/concentration", [100.0], "likely written in mmol/l"),
        ("/tracer/volume", [10.0], "likely written in ml"),
    ],
)
def test_sizes_that_no_scanner_has(scan, name, value, expected):
    edit(scan, name, value)
    lines = inspect_mdf(scan).unusual
    assert any(line.startswith(name) and expected in line for line in lines), lines


def test_receivers_that_no_scanner_has(scan):
    for name, value in (("bandwidth", 5.0), ("numSamplingPoints", 48)):
        edit(scan, f"/acquisition/receiver/{name}", value)
    edit(scan, "/acquisition/drivefield/cycle", 4.8)
    lines = inspect_mdf(scan).unusual
    assert any("bandwidth: is 5 Hz: scanners have more than 1000 Hz" in line for line in lines)


@pytest.mark.parametrize("names", [("r", "i"), ("real", "imag"), ("Real", "Imag"), ("re", "im")])
@pytest.mark.parametrize("number", ["<f4", "<f8", "<i4"])
def test_complex_numbers_as_any_compound(processed, names, number):
    with open_mdf(processed) as file:
        function = file.transfer_function
    with h5py.File(processed, "r+") as file:
        forget_checksums(file)
        data = np.round(100 * file["measurement/data"][()])
        for name, values in (
            ("measurement/data", data),
            ("acquisition/receiver/transferFunction", function),
        ):
            compound = np.empty(values.shape, [(part, number) for part in names])
            compound[names[0]], compound[names[1]] = values.real, values.imag
            del file[name]
            file[name] = compound
    expected = data[:, :, :, :12].reshape(3, 25, 1, 3, 4).transpose(0, 1, 4, 3, 2)
    np.testing.assert_array_equal(read_system_matrix(processed, background=None), expected)
    with open_mdf(processed) as file:
        np.testing.assert_array_equal(file.transfer_function, function)
    lines = [line for line in inspect_mdf(processed).unusual if "compound" in line]
    assert len(lines) == (0 if names == ("r", "i") else 2)
    assert all(f"{names[0]} and {names[1]} instead of r and i" in line for line in lines)


def test_other_compounds_are_no_numbers(processed):
    with h5py.File(processed, "r+") as file:
        forget_checksums(file)
        shape = file["measurement/data"].shape
        del file["measurement/data"]
        file["measurement/data"] = np.zeros(shape, [("abs", "f4"), ("phase", "f4")])
    with pytest.raises(ValueError, match="not complex numbers"):
        read_system_matrix(processed)


@pytest.mark.parametrize("value", [np.float64(2e-3), np.array([2e-3])])
def test_a_single_sample_length_is_a_cube(scan, value):
    edit(scan, "/calibration/deltaSampleSize", value)
    with open_mdf(scan) as file:
        assert file.calibration.delta_sample_size == (2e-3,) * 3
    assert any("single length instead of three" in line for line in inspect_mdf(scan).unusual)


@pytest.mark.parametrize("name", ["/acquisition/numFrames", "/acquisition/receiver/numChannels"])
def test_counts_that_the_data_tell(scan, processed, name):
    for path in (scan, processed):
        expected = read_system_matrix(path)
        edit(path, name)
        np.testing.assert_array_equal(read_system_matrix(path), expected)
        assert f"{name} is missing: read from the shape of the data" in inspect_mdf(path).unusual
