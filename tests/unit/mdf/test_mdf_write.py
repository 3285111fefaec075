"""Writing MDF files: what MPIFiles.jl needs, and restored system matrices."""

from datetime import UTC, datetime, timedelta, timezone

import h5py
import numpy as np
import pytest
from mdf_files import (
    TIME,
    UUID,
    acquisition,
    calibration,
    edit,
    independent_matrix,
    independent_read,
    interleaved,
    raw_signals,
    write_raw,
    write_stored,
)

from smrestore.mdf import (
    Blocks,
    Tracer,
    open_mdf,
    read_system_matrix,
    write_frames,
    write_mdf,
    write_restored,
)
from smrestore.mdf.layout import MANDATORY
from smrestore.mdf.scans import descriptive_fields, measurement_flags
from smrestore.mdf.writer import timestamp
from smrestore.physics import CalibrationGrid
from smrestore.support.errors import InputError

MASK = interleaved(3, 4)
K = 25


@pytest.fixture
def scan(tmp_path):
    return write_raw(
        tmp_path / "scan.mdf",
        raw_signals(0, len(MASK)),
        MASK,
        calibration=calibration(4, 3, 1, is_meandering=True, delta_sample_size=(0.0, 0.0, 0.0)),
        conversion_factor=np.array([[1e-3, 0.1], [2e-3, 0.0], [-1e-3, -0.2]]),
        transfer_function=np.arange(1, 76).reshape(3, 25) * (1 + 1j),
        n_averages=7,
    )


def test_raw_scan_is_stored_as_the_specification_demands(scan):
    with h5py.File(scan) as file:
        assert set(MANDATORY) <= {f"/{name}" for name in names(file)}
        data = file["measurement/data"]
        assert data.shape == (len(MASK), 1, 3, 48)
        assert data.dtype == "<i2"
        np.testing.assert_array_equal(data[:, 0], raw_signals(0, len(MASK)))
        assert file["acquisition/receiver/transferFunction"].dtype == "<c16"
        for name in names(file):
            assert file[name].chunks is None
            assert set(file[name].attrs) == {"crc32"}
            flag = name.rpartition("/")[2].startswith("is")
            if flag and not name.endswith("isBackgroundFrame"):
                assert file[name].shape == ()
                assert file[name].dtype == np.int8
        mask = file["measurement/isBackgroundFrame"]
        assert mask.dtype == np.int8
        np.testing.assert_array_equal(mask, MASK)
        for name in ("numFrames", "numAverages", "numPeriodsPerFrame", "drivefield/cycle"):
            assert file["acquisition"][name].shape == ()
        assert file["acquisition/numFrames"][()] == len(MASK)
        assert file["acquisition/drivefield/strength"].shape == (1, 3, 1)
        assert file["acquisition/drivefield/phase"][()].tolist() == [[[np.pi / 2]] * 3]
        assert file["acquisition/drivefield/divider"].shape == (3, 1)
        assert file["acquisition/drivefield/waveform"].asstr()[()].tolist() == [["sine"]] * 3
        assert file["acquisition/gradient"].shape == (1, 1, 3, 3)
        assert file["acquisition/receiver/bandwidth"][()] == 5e6
        assert file["tracer/name"].asstr()[()].tolist() == ["Perimag"]
        assert file["calibration/size"][()].tolist() == [4, 3, 1]
        assert file["version"].asstr()[()] == "2.1.0"
        assert file["time"].asstr()[()] == TIME
        assert file["uuid"].asstr()[()] == UUID
        assert h5py.check_string_dtype(file["uuid"].dtype).encoding == "utf-8"


def names(file: h5py.File) -> list[str]:
    found = []
    file.visititems(lambda name, node: found.append(name) if hasattr(node, "shape") else None)
    return found


def test_same_scan_same_bytes(tmp_path):
    paths = [tmp_path / name for name in ("a.mdf", "b.mdf")]
    for path in paths:
        write_raw(path, raw_signals(1, 4), np.zeros(4), calibration=calibration(2, 2, 1))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_empty_scan_has_no_tracer_and_may_be_described_further(tmp_path):
    path = write_raw(
        tmp_path / "scan.mdf",
        raw_signals(2, 3),
        np.zeros(3),
        tracer=None,
        fields={"/scanner/name": "Prüfstand", "/_custom/temperature": np.array([21.5])},
    )
    with h5py.File(path) as file:
        assert "tracer" not in file
        assert "calibration" not in file
        assert file["scanner/name"].asstr()[()] == "Prüfstand"
        assert file["_custom/temperature"][0] == 21.5
        assert file["experiment/isSimulation"][()] == 1


def test_blocks_are_taken_one_by_one(tmp_path):
    raw = raw_signals(3, 7)
    seen = []

    def blocks():
        for start in range(0, 7, 3):
            seen.append(start)
            yield raw[start : start + 3]

    path = write_raw(tmp_path / "scan.mdf", raw, np.zeros(7), frames=blocks())
    assert seen == [0, 3, 6]
    spectra = np.fft.rfft(raw.astype(float), axis=-1)
    np.testing.assert_allclose(independent_read(path)["spectra"], spectra)


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([np.zeros((3, 3, 48))], "only 3 of 4 frames"),
        ([], "only 0 of 4 frames"),
        ([np.zeros((3, 3, 48)), np.zeros((2, 3, 48))], "does not fit at frame 3"),
        ([np.zeros((4, 2, 48))], "does not fit at frame 0"),
        ([np.zeros((2, 3, 48), np.int16), np.zeros((2, 3, 48), np.int32)], "int32"),
    ],
)
def test_wrong_blocks_leave_no_file(tmp_path, blocks, expected):
    path = tmp_path / "scan.mdf"
    with pytest.raises(InputError, match=expected):
        write_raw(path, np.zeros((4, 3, 48)), np.zeros(4), frames=blocks)
    assert list(tmp_path.iterdir()) == []


def test_scan_that_contradicts_itself(tmp_path):
    values = {"frames": [], "description": "", "acquisition": acquisition(4)}
    with pytest.raises(InputError, match="4 frames are announced"):
        write_frames(tmp_path / "scan.mdf", is_background=np.zeros(3), **values)
    with pytest.raises(InputError, match="6 positions, the scan 4 foreground"):
        write_frames(
            tmp_path / "scan.mdf",
            is_background=np.zeros(4),
            calibration=calibration(3, 2, 1),
            **values,
        )


def complete_fields() -> dict:
    return {
        **descriptive_fields(TIME, UUID),
        **acquisition(2).to_fields(),
        "/measurement/data": np.zeros((2, 1, 3, 48)),
        "/measurement/isBackgroundFrame": np.zeros(2, bool),
        **measurement_flags(),
    }


@pytest.mark.parametrize("name", MANDATORY)
def test_no_mandatory_dataset_is_forgotten(tmp_path, name):
    fields = complete_fields()
    del fields[name]
    with pytest.raises(InputError, match=f"{name}: this mandatory dataset is missing"):
        write_mdf(tmp_path / "scan.mdf", fields)
    assert list(tmp_path.iterdir()) == []


def test_conditional_datasets(tmp_path):
    fields = complete_fields() | {"/measurement/isFramePermutation": True}
    with pytest.raises(InputError, match="/measurement/framePermutation"):
        write_mdf(tmp_path / "scan.mdf", fields)
    fields = complete_fields() | {"/tracer/name": np.array(["Perimag"])}
    with pytest.raises(InputError, match="/tracer/batch"):
        write_mdf(tmp_path / "scan.mdf", fields)
    write_mdf(tmp_path / "scan.mdf", fields | Tracer("Perimag", 0.1, 1e-6).to_fields())


def test_failed_write_keeps_the_former_file(tmp_path):
    path = tmp_path / "scan.mdf"
    write_mdf(path, complete_fields())
    former = path.read_bytes()

    def fail():
        yield slice(0, 1), np.zeros((1, 1, 3, 48))
        raise RuntimeError("scanner off")

    data = Blocks((2, 1, 3, 48), np.dtype(float), fail())
    with pytest.raises(RuntimeError):
        write_mdf(path, complete_fields() | {"/measurement/data": data})
    assert path.read_bytes() == former
    assert list(tmp_path.iterdir()) == [path]


def test_timestamp_has_milliseconds_and_no_zone():
    late = timezone(timedelta(hours=2))
    assert timestamp(datetime(2024, 1, 1, 12, 0, 0, 123456, late)) == "2024-01-01T10:00:00.123"
    assert timestamp(datetime(2024, 1, 1)) == "2024-01-01T00:00:00.000"
    assert datetime.now(UTC).isoformat()[:10] == timestamp()[:10]
    assert len(timestamp()) == 23


def test_restored_matrix_is_read_again(scan, tmp_path):
    """Raw, meandering, integer source: nothing may be applied a second time."""
    edit(scan, "/calibration/_temperatures", np.arange(3.0))
    edit(scan, "/measurement/_monitoring/field", np.arange(4))
    edit(scan, "/custom/auxiliaryData", np.arange(5))
    edit(scan, "/calibration/snr", np.ones((1, 3, K)))
    edit(scan, "/calibration/positions", np.zeros((12, 3)))
    edit(scan, "/acquisition/startTime", "2020-01-01T00:00:00.000")
    matrix = read_system_matrix(scan) * np.float32(0.5)
    snr = np.arange(3.0 * K).reshape(3, K)
    path = tmp_path / "restored" / "scan.mdf"
    write_restored(scan, path, matrix, description="halved", snr=snr)

    np.testing.assert_array_equal(read_system_matrix(path), matrix)
    np.testing.assert_array_equal(read_system_matrix(path, background=None), matrix)
    np.testing.assert_array_equal(independent_matrix(path), matrix)
    with open_mdf(path) as file:
        assert file.flags.fourier_transformed
        assert file.flags.fast_frame_axis
        assert file.flags.background_corrected
        assert not file.flags.frame_permutation
        assert not file.flags.frequency_selection
        assert not file.is_background.any()
        assert file.acquisition.n_averages == 7
        assert file.acquisition.conversion_factor is None
        assert not file.calibration.is_meandering
        np.testing.assert_array_equal(file.calibration.snr, snr[None])
    with h5py.File(scan) as source, h5py.File(path) as file:
        assert file["measurement/data"].shape == (1, 3, K, 12)
        assert file["measurement/data"].dtype == np.complex64
        assert file["measurement/data"].chunks is None
        assert file["acquisition/numFrames"][()] == 12
        assert file["experiment/description"].asstr()[()] == "test\nhalved"
        assert file["version"].asstr()[()] == "2.1.0"
        assert file["uuid"].asstr()[()] != source["uuid"].asstr()[()]
        assert file["time"].asstr()[()] != source["time"].asstr()[()]
        changed = {"version", "uuid", "time", "experiment/description", "acquisition/numFrames"}
        changed |= {"calibration/isMeanderingGrid", "calibration/snr"}
        dropped = {"calibration/positions", "acquisition/receiver/dataConversionFactor"}
        kept = {
            name
            for name in names(source)
            if not name.startswith("measurement/") or "_monitoring" in name
        }
        assert kept - dropped == set(names(file)) - {
            name for name in names(file) if name.startswith("measurement/") and "_" not in name
        }
        for name in kept - dropped - changed:
            np.testing.assert_array_equal(file[name][()], source[name][()], err_msg=name)
            assert file[name].dtype == source[name].dtype


def test_restored_matrix_of_chosen_frequencies_on_a_finer_grid(scan, tmp_path):
    rng = np.random.default_rng(4)
    grid = CalibrationGrid((7, 5, 1), (0.03, 0.02, 0.01), (0.001, 0.0, 0.0))
    frequencies = [2, 5, 24]
    matrix = rng.normal(size=(3, 3, *grid.size)).astype(np.complex64)
    path = tmp_path / "fine.mdf"
    write_restored(
        scan,
        path,
        matrix,
        description="upsampled",
        frequencies=frequencies,
        grid=grid,
        background_corrected=False,
        time=TIME,
        uuid=UUID,
    )
    with open_mdf(path) as file:
        assert file.calibration.grid() == grid
        assert file.frequency_indices.tolist() == frequencies
        assert file.calibration.snr is None
        assert not file.flags.background_corrected
        full = np.arange(1, 76).reshape(3, 25) * (1 + 1j)
        np.testing.assert_array_equal(file.acquisition.transfer_function, full[:, frequencies])
    with h5py.File(path) as file:
        assert file["measurement/frequencySelection"][()].tolist() == [3, 6, 25]
        assert file["uuid"].asstr()[()] == UUID
        assert file["time"].asstr()[()] == TIME
    np.testing.assert_array_equal(read_system_matrix(path, background=None), matrix)
    np.testing.assert_array_equal(independent_matrix(path), matrix)
    # And once more, from a source that stores a selection itself.
    again = tmp_path / "again.mdf"
    write_restored(path, again, matrix[:, [0, 2]], description="cut", frequencies=[2, 24])
    np.testing.assert_array_equal(read_system_matrix(again), matrix[:, [0, 2]])
    with open_mdf(again) as file:
        np.testing.assert_array_equal(file.transfer_function, full[:, [2, 24]])


def test_restored_matrix_from_a_processed_file_of_another_writer(tmp_path):
    """Chunked, compressed, incomplete description, other axis order, permuted frames."""
    rng = np.random.default_rng(5)
    data = (rng.normal(size=(1, 3, K, 8)) + 1j).astype(np.complex64)
    mask = np.arange(8) >= 6
    source = write_stored(
        tmp_path / "source.mdf",
        data,
        mask,
        {"isFourierTransformed": True, "isFastFrameAxis": True, "isFramePermutation": True},
        calibration=calibration(3, 2, 1, order="yxz"),
        fields={"/measurement/framePermutation": np.array([2, 3, 4, 5, 6, 7, 1, 8])},
    )
    with h5py.File(source, "r+") as file:
        del file["study"], file["measurement/isSparsityTransformed"]
        file["tracer/name"] = ["Perimag"]
        options = {"chunks": True, "compression": "gzip"}
        file.create_dataset("_log", data=np.arange(100), **options)
        texts = np.array(["ä", "b"], dtype=object)
        file.create_dataset("_texts", data=texts, dtype=h5py.string_dtype(), **options)
    matrix = read_system_matrix(source)
    path = tmp_path / "restored.mdf"
    write_restored(source, path, matrix, description="as it was")
    np.testing.assert_array_equal(read_system_matrix(path), matrix)
    np.testing.assert_array_equal(independent_matrix(path), matrix)
    with h5py.File(path) as file:
        assert all(file[name].chunks is None for name in names(file))
        assert file["_texts"].asstr()[()].tolist() == ["ä", "b"]
        assert set(MANDATORY) <= {f"/{name}" for name in names(file)}
        assert file["tracer/name"].asstr()[()].tolist() == ["Perimag"]
        assert file["calibration/order"].asstr()[()] == "xyz"


def test_restored_matrix_is_what_other_readers_take(scan, tmp_path):
    """Shapes and times that MPIFiles.jl rejects are mended, not copied."""
    edit(scan, "/study/number", [5])
    edit(scan, "/study/name", ["lab"])
    edit(scan, "/study/time", "2024-05-06T09:08:09.123456+02:00")
    edit(scan, "/acquisition/startTime", "2024-05-06T07:08:09.123456Z")
    edit(scan, "/scanner/name", ["a", "b"])
    edit(scan, "/acquisition/drivefield/waveform", "sine")
    path = tmp_path / "restored.mdf"
    write_restored(scan, path, read_system_matrix(scan), description="")
    with h5py.File(path) as file:
        assert file["study/number"][()] == 5
        assert file["study/number"].shape == file["study/name"].shape == ()
        assert file["study/name"].asstr()[()] == "lab"
        assert file["study/time"].asstr()[()] == "2024-05-06T07:08:09.123"
        assert file["acquisition/startTime"].asstr()[()] == "2024-05-06T07:08:09.123"
        assert file["scanner/name"].asstr()[()].tolist() == ["a", "b"]
        assert file["acquisition/drivefield/waveform"].shape == (3, 1)


def test_restored_matrix_never_replaces_its_source(scan, tmp_path):
    matrix = read_system_matrix(scan)
    link = tmp_path / "link.mdf"
    link.symlink_to(scan)
    former = scan.read_bytes()
    hard_link = tmp_path / "hard.mdf"
    hard_link.hardlink_to(scan)
    for destination in (scan, link, hard_link, tmp_path / "folder" / ".." / "scan.mdf"):
        with pytest.raises(InputError, match="must not replace its source"):
            write_restored(scan, destination, matrix, description="")
    assert scan.read_bytes() == former


def test_restored_matrix_of_the_wrong_shape(scan, tmp_path):
    matrix = read_system_matrix(scan)
    for wrong in (matrix[:2], matrix[:, :5], matrix[:, :, :3]):
        with pytest.raises(InputError, match="the restored matrix has shape"):
            write_restored(scan, tmp_path / "restored.mdf", wrong, description="")
    measurement = write_raw(tmp_path / "phantom.mdf", raw_signals(1, 2), [0, 0])
    with pytest.raises(InputError, match="not a calibration scan"):
        write_restored(measurement, tmp_path / "restored.mdf", matrix, description="")
