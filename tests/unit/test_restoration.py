"""Restoration of measured calibration scans."""

import h5py
import numpy as np
import pytest
from tiny_scanner import SEED

from smrestore import mdf, restoration
from smrestore.errors import InputError
from smrestore.methods import load_method
from smrestore.metrics import psnr
from smrestore.physics import CalibrationGrid
from smrestore.restoration import restore_matrix, restore_scan
from smrestore.scanner import scan_calibration


def identity(batch):
    return [item.image for item in batch]


@pytest.fixture(scope="module")
def noisy(world, tmp_path_factory):
    """A calibration with a single average on a finer grid, and its truth."""
    folder = tmp_path_factory.mktemp("noisy")
    paths = folder / "noisy.mdf", folder / "noisy.truth.h5"
    grid = CalibrationGrid((15, 13, 1), (0.030, 0.026, 0.0))
    scan_calibration(*paths, world.scanner, world.sequence, grid, averages=1, seed=SEED)
    return paths


def random_matrix(shape=(2, 5, 4, 3, 2)):
    rng = np.random.default_rng(0)
    scale = 10.0 ** rng.uniform(-6, 3, size=(*shape[:2], 1, 1, 1))
    values = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    return (scale * values).astype(np.complex64)


def test_identity_keeps_scale_and_phase_of_every_component():
    matrix = random_matrix()
    matrix[1, 2] = 0
    restored = restore_matrix(matrix, np.ones((2, 5)), identity)
    assert restored.dtype == np.complex64
    np.testing.assert_allclose(restored, matrix, rtol=1e-6)
    assert not restored[1, 2].any()


def test_method_sees_unit_maximum_and_the_relative_noise():
    matrix = random_matrix()
    noise = np.abs(matrix).mean(axis=(2, 3, 4)).astype(float)
    seen = []

    def witness(batch):
        seen.extend(batch)
        return identity(batch)

    restore_matrix(matrix, noise, witness, sigma_factor=0.3)
    assert len(seen) == 10
    for item, (c, k) in zip(seen, np.ndindex(2, 5), strict=True):
        peak = np.abs(matrix[c, k]).max()
        assert item.image.dtype == np.complex64
        np.testing.assert_allclose(item.image, matrix[c, k] / peak, rtol=1e-6)
        assert item.sigma == pytest.approx(0.3 * noise[c, k] / peak)


def test_results_go_where_they_came_from_in_any_batch(monkeypatch):
    matrix = random_matrix()
    noise = np.zeros((2, 5))

    def halve(batch):
        return [item.image / 2 for item in batch]

    expected = matrix / 2
    for size in (1, 3, 10, 256):
        monkeypatch.setattr(restoration, "BATCH", size)
        np.testing.assert_allclose(restore_matrix(matrix, noise, halve), expected, rtol=1e-6)


def test_restored_scan_is_an_mdf_of_the_method_output(world, tmp_path):
    path = tmp_path / "restored.mdf"
    before = world.calibration.read_bytes()
    method = load_method({"method": "dct-filter", "omega": 2.75}, None)
    restore_scan(world.calibration, path, method, name="DCT-F", sigma_factor=0.3)
    assert world.calibration.read_bytes() == before
    matrix = mdf.read_system_matrix(world.calibration)
    noise = mdf.background_std(world.calibration)
    expected = restore_matrix(matrix, noise, method, sigma_factor=0.3)
    np.testing.assert_array_equal(mdf.read_system_matrix(path), expected)
    assert not np.allclose(expected, matrix)
    with mdf.open_mdf(path) as file, mdf.open_mdf(world.calibration) as source:
        assert file.flags.background_corrected
        assert not file.is_background.any()
        assert file.calibration.grid() == source.calibration.grid() == world.grid
        assert file.acquisition.sequence() == source.acquisition.sequence()
        description = file.hdf5["/experiment/description"][()].decode()
    assert description.splitlines() == ["calibration scan, 100 averages", "restored by DCT-F"]


def test_identity_writes_the_corrected_matrix(world, tmp_path):
    restore_scan(world.calibration, tmp_path / "same.mdf", identity, name="nothing")
    np.testing.assert_allclose(
        mdf.read_system_matrix(tmp_path / "same.mdf"),
        mdf.read_system_matrix(world.calibration),
        rtol=1e-6,
    )


def test_source_is_never_overwritten(world, tmp_path):
    copy = tmp_path / "scan.mdf"
    copy.write_bytes(world.calibration.read_bytes())
    (tmp_path / "link.mdf").symlink_to(copy)
    for destination in (copy, tmp_path / "link.mdf"):
        with pytest.raises(InputError, match="must not replace its source"):
            restore_scan(copy, destination, identity, name="nothing")
    assert copy.read_bytes() == world.calibration.read_bytes()


def test_measurement_is_no_calibration(world, tmp_path):
    with pytest.raises(InputError, match="is a measurement, not a calibration scan"):
        restore_scan(world.empty, tmp_path / "r.mdf", identity, name="nothing")
    assert list(tmp_path.iterdir()) == []


def test_dct_filter_comes_closer_to_the_truth(noisy, tmp_path):
    path, truth_path = noisy
    method = load_method({"method": "dct-filter", "omega": 2.75}, None)
    restore_scan(path, tmp_path / "r.mdf", method, name="DCT-F", sigma_factor=0.3)
    measured, restored = mdf.read_system_matrix(path), mdf.read_system_matrix(tmp_path / "r.mdf")
    with h5py.File(truth_path) as file:
        truth = file["system_matrix"][()]
    # Components with signal above and below their noise, as a reconstruction uses them.
    ratio = np.abs(truth).max(axis=(2, 3, 4)) / mdf.background_std(path)
    rows = np.argwhere((ratio > 2) & (ratio < 30))
    assert len(rows) > 50
    gains = []
    for c, k in rows:
        peak = np.abs(truth[c, k]).max()
        gains.append(
            psnr(restored[c, k] / peak, truth[c, k] / peak)
            - psnr(measured[c, k] / peak, truth[c, k] / peak)
        )
    assert np.mean(gains) > 1
    assert np.mean(np.array(gains) > 0) > 0.9
