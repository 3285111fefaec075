"""Slices of calibration scans."""

import dataclasses

import h5py
import numpy as np
import pytest
from mdf_files import edit, forget_checksums, write_stored

from smrestore import mdf
from smrestore.mdf import import_scan
from smrestore.mdf.layout import MANDATORY, TRACER
from smrestore.mdf.sliced import write_slice
from smrestore.physics import CalibrationGrid, Sequence
from smrestore.support.errors import InputError

SEQUENCE = Sequence((0.012, 0.0, 0.0), (-1.0, -1.0, 2.0), sampling_rate=2.5e6)
GRID = CalibrationGrid((4, 3, 3), (0.008, 0.006, 0.009), (0.001, 0.002, 0.003))


def raw_scan(path, *, meandering=False, order="xyz"):
    """Write a robot's scan with a background frame around every line, drifting linearly in time."""
    calibration = mdf.Calibration(
        "robot", GRID.size, GRID.fov, GRID.center, order=order, is_meandering=meandering
    )
    n_fast = GRID.size["xyz".index(order[0])]
    background = []
    for position in range(calibration.n_positions):
        if position % n_fast == 0:
            background.append(True)
        background.append(False)
    background.append(True)
    background = np.array(background)
    rng = np.random.default_rng(1)
    frames = rng.integers(-999, 999, (len(background), 2, SEQUENCE.n_samples)).astype(np.int16)
    frames[background] = 0
    frames += (10 * np.arange(len(background))[:, None, None]).astype(np.int16)
    acquisition = mdf.Acquisition.from_sequence(
        SEQUENCE,
        n_frames=len(background),
        n_channels=2,
        start_time="2026-01-01T00:00:00.000",
        conversion_factor=np.array([[1e-3, 0.0], [2e-3, 0.0]]),
    )
    mdf.write_frames(
        path,
        acquisition=acquisition,
        frames=[frames],
        is_background=background,
        description="scan",
        calibration=calibration,
        tracer=mdf.Tracer("t", 0.1, 1e-9),
        fields={"/calibration/snr": np.ones((1, 2, SEQUENCE.n_frequencies)), "/_mine": 7},
    )
    return path


def processed_scan(path, source):
    """Write the same as a converted system matrix: spectra, positions last, background behind."""
    with mdf.open_mdf(source) as file:
        calibration, acquisition = file.calibration, file.acquisition
        voxels = calibration.voxels(acquired=True)
        x, y, z = np.unravel_index(voxels, calibration.size)
        order = np.lexsort((x, y, z))
        stored = np.concatenate([file.frames.foreground[order], file.frames.background])
        n_background = len(file.frames.background)
    spectra = mdf.read_spectra(source)[stored].transpose(1, 2, 0)[None]
    mdf.write_frames(
        path,
        acquisition=acquisition,
        frames=[np.zeros((acquisition.n_frames, 2, SEQUENCE.n_samples), np.int16)],
        is_background=np.arange(len(stored)) >= len(stored) - n_background,
        description="converted",
        calibration=calibration,
        tracer=mdf.Tracer("t", 0.1, 1e-9),
    )
    with h5py.File(path, "r+") as file:
        forget_checksums(file)
        for name in ("isFourierTransformed", "isFastFrameAxis", "isFramePermutation"):
            file[f"/measurement/{name}"][()] = 1
        file["/measurement/framePermutation"] = stored + 1
        file["/calibration/order"][()] = "xyz"
        del file["/acquisition/receiver/dataConversionFactor"], file["/measurement/data"]
        file["/measurement/data"] = spectra
    return path


def write(tmp_path, kind, **options):
    raw = raw_scan(tmp_path / "raw.mdf", **options)
    return raw if kind == "raw" else processed_scan(tmp_path / "processed.mdf", raw)


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("order", ["xyz", "yxz", "zxy"])
@pytest.mark.parametrize("meandering", [False, True])
@pytest.mark.parametrize("kind", ["raw", "processed"])
def test_slice_holds_its_part_of_the_matrix(tmp_path, kind, meandering, order, index):
    source = write(tmp_path, kind, meandering=meandering, order=order)
    import_scan(source, tmp_path / "slice.mdf", kind="calibration", slice_index=index)
    uncorrected = {"background": None}
    expected = mdf.read_system_matrix(source, **uncorrected)[..., index : index + 1]
    found = mdf.read_system_matrix(tmp_path / "slice.mdf", **uncorrected)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    with mdf.open_mdf(tmp_path / "slice.mdf") as file:
        assert file.calibration.size == (4, 3, 1)
        np.testing.assert_allclose(file.calibration.fov, (0.008, 0.006, 0.003))
        np.testing.assert_allclose(file.calibration.center, (0.001, 0.002, 0.003 * index))
        assert file.calibration.snr is None
        assert file.hdf5["/_mine"][()] == 7 if kind == "raw" else True


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("kind", ["raw", "processed"])
def test_background_is_interpolated_as_in_the_whole_scan(tmp_path, kind, index):
    source = write(tmp_path, kind, meandering=True)
    import_scan(source, tmp_path / "slice.mdf", kind="calibration", slice_index=index)
    expected = mdf.read_system_matrix(source)[..., index : index + 1]
    found = mdf.read_system_matrix(tmp_path / "slice.mdf")
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    with mdf.open_mdf(tmp_path / "slice.mdf") as file:
        assert len(file.frames.background) == 4  # around three lines


def test_scan_without_background_frames_between(tmp_path):
    """The only frames of background are kept for every slice."""
    source = raw_scan(tmp_path / "raw.mdf")
    with h5py.File(source, "r+") as file:
        forget_checksums(file)
        mask = file["/measurement/isBackgroundFrame"][()].astype(bool)
        keep = np.flatnonzero(~mask | (np.arange(len(mask)) == len(mask) - 1))
        data = file["/measurement/data"][()][keep]
        del file["/measurement/data"], file["/measurement/isBackgroundFrame"]
        file["/measurement/data"] = data
        file["/measurement/isBackgroundFrame"] = mask[keep].astype(np.int8)
        file["/acquisition/numFrames"][()] = len(keep)
    import_scan(source, tmp_path / "slice.mdf", kind="calibration", slice_index=0)
    with mdf.open_mdf(tmp_path / "slice.mdf") as file:
        assert len(file.frames.background) == 1


def test_equal_slices_have_equal_identifiers(tmp_path):
    source = raw_scan(tmp_path / "raw.mdf")
    identifiers = []
    for i, index in enumerate((0, 0, 1)):
        path = tmp_path / f"{i}.mdf"
        import_scan(source, path, kind="calibration", slice_index=index)
        with h5py.File(path) as file:
            identifiers.append(file["/uuid"].asstr()[()])
            assert f"slice {index + 1} of 3" in file["/experiment/description"].asstr()[()]
    assert identifiers[0] == identifiers[1] != identifiers[2]


def test_scans_of_other_writers_lack_what_does_not_matter(tmp_path):
    source = raw_scan(tmp_path / "scan.mdf")
    expected = tmp_path / "expected.mdf"
    write_slice(source, expected, 1)
    for name in (
        "/study", "/tracer/batch", "/scanner/facility", "/acquisition/numAverages",
        "/acquisition/drivefield/phase", "/measurement/isFramePermutation",
        "/measurement/isSparsityTransformed",
    ):  # fmt: skip
        edit(source, name)
    for path in (tmp_path / "slice.mdf", tmp_path / "again.mdf"):
        write_slice(source, path, 1)
        np.testing.assert_array_equal(
            mdf.read_system_matrix(path), mdf.read_system_matrix(expected)
        )
        with h5py.File(path) as file, h5py.File(tmp_path / "slice.mdf") as first:
            assert all(name in file for name in (*MANDATORY, *TRACER))
            assert file["/study/uuid"][()] == first["/study/uuid"][()]


def test_sparse_data_have_no_slices(tmp_path):
    source = raw_scan(tmp_path / "raw.mdf")
    matrix, background = (
        mdf.read_system_matrix(source, background=None),
        mdf.read_background(source),
    )
    images = matrix.transpose(0, 1, 4, 3, 2).reshape(*matrix.shape[:2], -1)
    rows = np.concatenate([images, background.transpose(1, 2, 0)], axis=2)[None]
    with mdf.open_mdf(source) as file:
        described = dataclasses.replace(file.acquisition, conversion_factor=None)
        grid = file.calibration
    n_positions = images.shape[-1]
    places = np.broadcast_to(np.arange(n_positions) + 1, (1, *images.shape))
    write_stored(
        tmp_path / "sparse.mdf",
        rows.astype(np.complex64),
        np.arange(rows.shape[-1]) >= n_positions,
        {"isFourierTransformed": True, "isFastFrameAxis": True, "isSparsityTransformed": True},
        acquisition=described,
        calibration=grid,
        fields={
            "/measurement/sparsityTransformation": "DCT-II",
            "/measurement/subsamplingIndices": places,
        },
    )
    with pytest.raises(InputError, match=r"isSparsityTransformed: .*no slice of them"):
        import_scan(tmp_path / "sparse.mdf", tmp_path / "s.mdf", kind="calibration", slice_index=1)
    assert not (tmp_path / "s.mdf").exists()


def test_faults(world, tmp_path):
    source = raw_scan(tmp_path / "raw.mdf")
    with pytest.raises(InputError, match=r"size: there is no slice 3 in a grid of 4 x 3 x 3"):
        import_scan(source, tmp_path / "s.mdf", kind="calibration", slice_index=3)
    with pytest.raises(InputError, match="is a measurement, not a calibration scan"):
        import_scan(world.empty, tmp_path / "s.mdf", kind="empty", slice_index=0)
    assert not (tmp_path / "s.mdf").exists()
