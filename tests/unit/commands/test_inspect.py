"""``smrestore inspect``: what it says about good, unusual and wrong files."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from mdf_files import (
    SEQUENCE,
    acquisition,
    calibration,
    edit,
    interleaved,
    raw_signals,
    write_raw,
    write_stored,
)

from smrestore.cli import main
from smrestore.mdf import inspect_mdf, signal_to_noise

MASK = interleaved(3, 4)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return write_raw(
        tmp_path / "scan.mdf",
        raw_signals(0, len(MASK)),
        MASK,
        calibration=calibration(4, 3, 1, is_meandering=True),
        n_averages=7,
    )


def inspected(*arguments: object) -> int:
    return main(["inspect", *map(str, arguments)])


def test_summary_of_a_raw_calibration(scan: Path, capsys: pytest.CaptureFixture) -> None:
    assert inspected(scan) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == str(scan)
    facts = {line[:20].strip(): line[21:].strip() for line in lines if line.startswith("  ")}
    assert facts["version"] == "MDF 2.1.0"
    assert facts["kind"] == "raw calibration scan, method robot (simulated)"
    assert facts["sequence"] == "x 416.67 kHz 12 mT, y 625 kHz 10 mT; cycle 4.8 us"
    assert facts["static field"] == "gradient -1, -1.5, 2.5 T/m"
    assert facts["receiver"].startswith("3 channels, 48 samples and 25 frequencies per period")
    grid = "4 x 3 x 1 voxels, 30 x 20 x 10 mm around (1, 0, 0) mm, order xyz, meandering"
    assert facts["grid"] == grid
    assert facts["averages"] == "7"
    assert facts["frames"] == "16: 12 foreground, 4 background"
    assert facts["background"] == "4 blocks of 1 frame, the first at 0, the last at 15"
    assert facts["flags"] == "none"
    assert facts["transfer function"] == "not stored"
    assert facts["data"] == "time signals (16, 1, 3, 48) int16, 4.61 kB, contiguous"
    for channel, row in enumerate(signal_to_noise(scan)):
        expected = f"median {np.median(row):.3g}, maximum {row.max():.3g}, "
        assert facts[f"SNR, channel {channel}"].startswith(expected)
        assert facts[f"SNR, channel {channel}"].endswith("(computed)")
    assert lines[-1] == "Nothing is unusual."


def test_summary_of_a_processed_calibration(tmp_path: Path) -> None:
    path = write_stored(
        tmp_path / "scan.mdf",
        np.ones((1, 3, 3, 9), np.complex64),
        np.arange(9) >= 6,
        {"isFourierTransformed": True, "isFastFrameAxis": True, "isFrequencySelection": True},
        acquisition=acquisition(9, transfer_function=np.ones((3, 3), complex)),
        calibration=calibration(3, 2, 1, snr=np.array([[[1, 2, 6]] * 3])),
        fields={"/measurement/frequencySelection": np.array([3, 6, 9])},
    )
    summary = inspect_mdf(path)
    facts = dict(summary.facts)
    assert facts["kind"] == "processed calibration scan, method robot"
    assert facts["frequencies"] == "3 stored, index 2 to 8"
    assert facts["background"] == "1 block of 3 frames, the first at 6, the last at 8"
    assert facts["flags"] == "fourier transformed, fast frame axis, frequency selection"
    assert facts["transfer function"] == "stored, data not divided by it"
    ratio = "median 2, maximum 6, 2 of 3 rows at 2 or more (stored)"
    assert facts["SNR, channel 1"] == ratio
    assert summary.unusual == ()


def test_summary_of_a_measurement_of_patches(tmp_path: Path) -> None:
    offsets = np.array([[[0.01, 0, 0]], [[-0.01, 0, 0]]])
    path = write_stored(
        tmp_path / "scan.mdf",
        np.stack([raw_signals(seed, 2) for seed in range(2)], axis=1),
        np.zeros(2),
        {},
        acquisition=replace(acquisition(2), n_periods=2, offset_field=offsets),
    )
    facts = dict(inspect_mdf(path).facts)
    assert facts["kind"] == "measurement without tracer, perhaps an empty scan"
    assert facts["periods"] == "2 per frame, of different fields"
    assert facts["static field"].endswith("offset -10 to 10, 0, 0 mT")
    assert "grid" not in facts
    assert not any(title.startswith("SNR") for title in facts)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("/study/name", None, "/study/name is missing"),
        ("/tracer/batch", None, "/tracer/batch is missing"),
        ("/tracer/color", "red", "/tracer/color is not part of MDF 2.1"),
        ("/acquisition/numFrames", [16], "numFrames has shape (1,) instead of ()"),
        ("/acquisition/gradient", np.eye(3), "has shape (3, 3) instead of (1, 1, 3, 3)"),
        ("/acquisition/drivefield/divider", [[6, 4, 5]], "(1, 3) instead of (3, 1)"),
        ("/measurement/isFastFrameAxis", 0, "isFastFrameAxis has type int64 instead of int8"),
        ("/time", "2024-01-01T00:00:00.123456Z", "MPIFiles.jl needs yyyy-mm-dd"),
        ("/acquisition/drivefield/waveform", "sinus", "the waveform is 'sinus', read as a sine"),
        ("/acquisition/drivefield/strength", np.zeros((1, 3, 1)), "no drive field channel is on"),
        ("/acquisition/gradient", np.ones((1, 1, 3, 3)), "off its diagonal, which are ignored"),
        ("/acquisition/gradient", None, "the selection field is not stored"),
        ("/acquisition/drivefield/divider", [[6], [8], [5]], "96 samples per cycle, the file has"),
        ("/calibration/fieldOfView", None, "field of view of the calibration is not stored"),
        ("/calibration/deltaSampleSize", np.zeros(3), "deltaSampleSize is 0: unknown"),
        ("/calibration/snr", np.zeros((1, 3, 4)), "/calibration/snr: has shape (1, 3, 4)"),
        ("/calibration/snr", np.zeros((3, 25)), "/calibration/snr has shape (3, 25)"),
        ("/measurement/isBackgroundFrame", np.ones(16, np.int8), "all 16 frames are background"),
        ("/measurement/isBackgroundFrame", MASK * 0, "there are no background frames"),
        ("/measurement/isBackgroundFrame", (np.arange(16) > 14) * 1, "single background frame"),
        ("/acquisition/receiver/transferFunction", np.eye(3, 25), "is 0 at 72 places"),
        ("/acquisition/receiver/transferFunction", np.full((3, 25), np.nan), "not finite at 75"),
        ("/measurement/data", np.full((16, 1, 3, 48), np.nan), "NaN or infinite value in frame 0"),
    ],
)
def test_unusual_files_are_read_and_named(scan: Path, name: str, value, expected: str) -> None:
    edit(scan, name, value)
    unusual = inspect_mdf(scan).unusual
    assert any(expected in line for line in unusual), unusual


def test_chunked_data_are_unusual(scan: Path) -> None:
    with h5py.File(scan, "r+") as file:
        data = file["measurement/data"][()]
        del file["measurement/data"]
        file.create_dataset("measurement/data", data=data, chunks=True, compression="gzip")
    summary = inspect_mdf(scan)
    assert "/measurement/data is chunked: MPIFiles.jl cannot map it into memory" in summary.unusual
    assert dict(summary.facts)["data"].endswith("gzip")


def test_large_files_are_not_read(scan: Path) -> None:
    edit(scan, "/measurement/data", np.full((16, 1, 3, 48), np.nan))
    summary = inspect_mdf(scan, read_completely=1000)
    assert summary.unusual == ()
    assert dict(summary.facts)["SNR"] == "not stored; not computed for data of this size"


def test_text_of_a_file_does_not_steer_the_terminal(scan: Path) -> None:
    edit(scan, "/experiment/description", "red \x1b[31m text")
    assert "\x1b" not in inspect_mdf(scan).text()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"MDF     3.30    TGT 15.0", "is an automotive ASAM MDF file, an unrelated format"),
        (b"version https://git-lfs.github.com/spec/v1", "is not an HDF5 file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "truncated or damaged"),
        ({"/version": None}, "is HDF5 but not MDF: there is no version"),
        (
            {"/version": None, "/frequencies": [1.0], "/transferFunction": [1.0]},
            "is a transfer function of MPIFiles.jl",
        ),
        ({"/version": "1.0.5"}, "is not compatible with version 2. Convert it with MPIFiles.jl"),
        ({"/version": "3.0.0"}, "unknown MDF version '3.0.0'"),
        ({"/measurement": None, "/reconstruction/data": [1.0]}, "is a reconstruction"),
        ({"/measurement/data": None}, "this mandatory dataset is missing"),
    ],
)
def test_wrong_files_end_with_one_line(
    scan: Path, capsys: pytest.CaptureFixture, content: object, expected: str
) -> None:
    if isinstance(content, bytes):
        scan.write_bytes(content)
    else:
        for name, value in content.items():
            edit(scan, name, value)
    assert inspected(scan) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith(f"smrestore: error: {scan}: ")
    assert expected in line


def test_folders_and_absent_files(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert inspected(tmp_path) == 2
    assert inspected(tmp_path / "absent.mdf") == 2
    folder, absent = capsys.readouterr().err.splitlines()
    assert "ParaVision" in folder
    assert "No such file" in absent


def test_pictures_of_chosen_components(scan: Path, capsys: pytest.CaptureFixture) -> None:
    folder = scan.parent / "pictures"
    options = ["--component", 0, 2, "--component", 2, 24]
    assert inspected(scan, "--pictures", folder, *options) == 0
    names = ["channel-0-frequency-2.png", "channel-2-frequency-24.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert capsys.readouterr().out.splitlines()[-2:] == [str(folder / name) for name in names]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.iterdir())


def test_pictures_of_the_strongest_components(scan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smrestore.figures.scan_view.STRONGEST", 1)
    folder = scan.parent / "pictures"
    assert inspected(scan, "--pictures", folder) == 0
    expected = {
        f"channel-{channel}-frequency-{k}.png"
        for channel, row in enumerate(signal_to_noise(scan))
        for k in np.argsort(-row)[:1]
    }
    assert {path.name for path in folder.iterdir()} == expected


@pytest.mark.parametrize(
    ("change", "options", "expected"),
    [
        ({}, ["--component", "0", "25"], "frequency index 25 is not among"),
        ({}, ["--component", "3", "2"], "there is no receive channel 3"),
        ({}, ["--period", "1"], "there is no period 1"),
        ({"/calibration/fieldOfView": None}, [], "field of view of the calibration is not stored"),
        ({"/calibration/fieldOfView": [0.0, 0.0, 0.0]}, [], "field of view of 0 m for 4 voxels"),
        ({"/calibration/method": None}, [], "is a measurement, which has no components"),
    ],
)
def test_pictures_that_cannot_be_drawn(
    scan: Path, capsys: pytest.CaptureFixture, change: dict, options: list, expected: str
) -> None:
    for name, value in change.items():
        edit(scan, name, value)
    assert inspected(scan, "--pictures", scan.parent / "pictures", *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("smrestore: error: ")
    assert expected in line


def test_components_need_a_folder(scan: Path, capsys: pytest.CaptureFixture) -> None:
    assert inspected(scan, "--component", 0, 2) == 2
    assert "Give --pictures FOLDER too" in capsys.readouterr().err


def test_the_sequence_of_the_file(scan: Path) -> None:
    """Amplitudes and frequencies come from the file, not from a default."""
    edit(scan, "/acquisition/drivefield/strength", np.array([[[0.003], [0.010], [0.0]]]))
    assert "x 416.67 kHz 3 mT" in dict(inspect_mdf(scan).facts)["sequence"]
    assert SEQUENCE.drive_amplitude[0] != 0.003
