"""Physics fitted to a scan with a dead receive channel."""

import h5py
import numpy as np
from fitted_scanner import SETTINGS
from mdf_files import forget_checksums

from smrestore.mdf import read_system_matrix
from smrestore.restoration.modelled import restore_by_model


def test_channels_around_a_dead_one_are_restored(scan, tmp_path, caplog):
    path, output = tmp_path / "scan.mdf", tmp_path / "restored.mdf"
    path.write_bytes(scan.read_bytes())
    with h5py.File(path, "r+") as file:
        forget_checksums(file)
        file["measurement/data"][:, :, 0] = 0
    summary = restore_by_model(path, output, "model-and-measurement", settings=SETTINGS)
    assert "receive channel 0 is dead" in caplog.text
    restored, measured = read_system_matrix(output), read_system_matrix(scan)
    assert (restored[0] == 0).all()
    strongest = np.argmax(summary.snr_before[0, 1])
    error = np.linalg.norm(restored[1, strongest] - measured[1, strongest])
    assert error < 0.1 * np.linalg.norm(measured[1, strongest])
    assert np.isnan(summary.snr_before[0, 0]).all()
