"""The command that restores a lab's own scan, and its pictures."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from mdf_files import two_periods
from tiny_scanner import SEED

from smrestore import mdf
from smrestore.cli import main
from smrestore.figures.restoration_view import choose_components, plot_restored
from smrestore.methods import load_method
from smrestore.networks import build_network
from smrestore.networks.weights import save_model
from smrestore.physics import CalibrationGrid
from smrestore.restoration.scan import restore_scan
from smrestore.scanner import scan_calibration
from smrestore.scanner.calibrations import Corruption
from smrestore.tasks.masks import read_mask

NETWORK = {"name": "dncnn", "features": 4, "depth": 3, "batch_norm": False, "mask_features": True}


def restore(*arguments: object) -> int:
    return main(["restore", "denoising", *map(str, arguments)])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network with random weights, as a training leaves it."""
    torch.manual_seed(0)
    sizes = {key: value for key, value in NETWORK.items() if key != "name"}
    network = build_network("dncnn", 2, **sizes)
    settings = {
        "task": "denoising",
        "degradation": {},
        "network": NETWORK,
        "dimension": 2,
        "patch": 16,
        "phase": "canonical",
    }
    path = tmp_path / "model" / "weights.safetensors"
    path.parent.mkdir()
    save_model(network, {"task": "denoising", "settings": settings}, path)
    return path


def test_classical_method(world, tmp_path, capsys):
    before = world.calibration.read_bytes()
    output = tmp_path / "new" / "restored.mdf"
    assert restore(world.calibration, output, "--method", "dct-filter", "--sigma-factor", 0.5) == 0
    assert world.calibration.read_bytes() == before
    method = load_method({"method": "dct-filter", "omega": 2.75}, None)
    expected = tmp_path / "expected.mdf"
    summary = restore_scan(
        world.calibration, expected, method, name="dct-filter", background_factor=0.5
    )
    np.testing.assert_array_equal(mdf.read_system_matrix(output), mdf.read_system_matrix(expected))
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert "SNR before" in header and "SNR after" in header
    for printed, row in zip(rows[:3], summary.channel_rows(), strict=True):
        found = [float(number) for number in printed.split()]
        np.testing.assert_allclose(found, list(row.values()), atol=0.006)
        assert row["with signal"] > 5
        # A filter takes noise away, and no more than there is.
        assert row["SNR after"] > row["SNR before"] > 5
        assert 0 < row["removed / noise"] < 1.5


@pytest.mark.parametrize(
    ("options", "inference", "twins"),
    [
        ([], {"within_noise": 3.0, "power_within_noise": 1.75}, False),
        (["--within-noise", "inf"], {}, False),
        (["--within-noise", 1, "--ensemble", "phases", "--twins"],
         {"within_noise": 1.0, "power_within_noise": 1.75, "ensemble": ["phases"]}, True),
    ],
)  # fmt: skip
def test_network(world, tmp_path, model, capsys, options, inference, twins):
    output = tmp_path / "restored.mdf"
    assert restore(world.calibration, output, "--model", model, *options) == 0
    assert f"{output}: restored by {model}" in capsys.readouterr().out
    expected, plain = tmp_path / "expected.mdf", tmp_path / "plain.mdf"
    method = load_method(None, model, inference=inference)
    restore_scan(world.calibration, expected, method, name="network", twins=twins)
    found = mdf.read_system_matrix(output)
    np.testing.assert_array_equal(found, mdf.read_system_matrix(expected))
    restore_scan(world.calibration, plain, load_method(None, model), name="network")
    assert np.array_equal(found, mdf.read_system_matrix(plain)) == (not inference)


def test_network_of_another_task_or_dimension(world, tmp_path, model, capsys):
    volume = tmp_path / "volume.mdf"
    grid = CalibrationGrid((4, 3, 2), (0.028, 0.02, 0.01))
    setup = (world.scanner, world.sequence, grid)
    scan_calibration(volume, tmp_path / "t.h5", *setup, averages=1, seed=1)
    assert restore(volume, tmp_path / "planes.mdf", "--model", model) == 0  # plane by plane
    assert mdf.read_system_matrix(tmp_path / "planes.mdf").shape[-3:] == (4, 3, 2)
    capsys.readouterr()
    card = model.with_name("card.json")
    entries = json.loads(card.read_text())
    entries["settings"] |= {"task": "upsampling", "degradation": {"factor": 2}}
    card.write_text(json.dumps(entries | {"task": "upsampling"}))
    assert restore(world.calibration, tmp_path / "r.mdf", "--model", model) == 2
    assert "task: the network was trained for upsampling, not for denoising. Give" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "r.mdf").exists()


def test_leakage(world, tmp_path, capsys):
    scan = two_periods(world.calibration, tmp_path / "scan.mdf", offsets=(0.0, 0.0))
    options = ["--method", "dct-filter", "--spectral-leakage", "correct"]
    pictures = ["--pictures", tmp_path / "pictures", "--components", 1]
    assert restore(scan, tmp_path / "r.mdf", *options, *pictures) == 0
    with mdf.open_mdf(tmp_path / "r.mdf") as file:
        assert file.leakage_is_corrected
    assert len(list((tmp_path / "pictures").iterdir())) == 1
    capsys.readouterr()
    assert restore(world.calibration, tmp_path / "x.mdf", *options) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "isSpectralLeakageCorrected: each frame of a calib" in error


def test_pictures(world, tmp_path, capsys):
    folder = tmp_path / "pictures"
    options = ["--method", "dct-filter", "--pictures", folder, "--components", 3]
    assert restore(world.calibration, tmp_path / "r.mdf", *options) == 0
    pictures = sorted(folder.iterdir())
    assert len(pictures) == 3
    printed = capsys.readouterr().out.splitlines()
    assert sorted(printed[-3:]) == [str(picture) for picture in pictures]
    assert all(picture.stat().st_size > 10_000 for picture in pictures)


def test_pictures_show_both_scans_on_one_scale(world, tmp_path, monkeypatch):
    restored = tmp_path / "r.mdf"
    half = lambda batch: [0.5 * item.image for item in batch]  # noqa: E731
    restore_scan(world.calibration, restored, half, name="half")
    drawn = []
    monkeypatch.setattr(
        "smrestore.figures.restoration_view.draw_component",
        lambda ax, panel, peak: drawn.append((ax, panel, peak)),
    )
    plot_restored(world.calibration, restored, tmp_path, [(0, 1, 33)], name="half")
    (left, measured, peak), (right, halved, same) = drawn
    assert peak == same == np.abs(measured.image).max()
    np.testing.assert_allclose(halved.image, measured.image / 2, rtol=1e-5)
    matrix = mdf.read_system_matrix(world.calibration, channels=[1], frequencies=[33])
    np.testing.assert_array_equal(measured.image, matrix[0, 0, :, :, 0])
    assert measured.extent_mm == (-14, 14, -10, 10)
    assert (left.get_title(), right.get_title()) == ("measured", "restored by half")
    title = left.figure.texts[0].get_text()
    assert title == "receive channel 1, 50.55 kHz (k = 33), mixing order (1, 1)"


def test_choice_of_components_runs_from_weak_to_strong():
    snr = np.array([[[1.0, 9.0, np.nan, 6.0], [20.0, np.inf, 4.0, 7.0]]])
    assert choose_components(snr, 3, 5.0) == [(0, 0, 3), (0, 0, 1), (0, 1, 1)]
    assert choose_components(snr, 1, 5.0) == [(0, 0, 3)]
    by_rank = [(0, 0, 3), (0, 1, 3), (0, 0, 1), (0, 1, 0), (0, 1, 1)]
    assert choose_components(snr, 99, 5.0) == by_rank
    # The strongest where none is strong.
    assert choose_components(snr[..., [0, 3]], 2, 1e9) == [(0, 1, 1), (0, 1, 0)]
    periods = snr.transpose(1, 0, 2)
    assert choose_components(periods, 1, 5.0) == [(0, 0, 3)]
    assert choose_components(periods, 99, 8.0) == [(0, 0, 1), (1, 0, 0), (1, 0, 1)]


def test_errors_are_one_line(world, tmp_path, capsys):
    source, output = world.calibration, tmp_path / "r.mdf"
    for arguments, message in (
        ([source, output, "--method", "magic"], "unknown method 'magic'"),
        ([source, source, "--method", "dct-filter"], "must not replace its source"),
        ([world.empty, output, "--method", "dct-filter"], "not a calibration scan"),
        ([source, output, "--model", tmp_path / "none"], "no such file"),
        (
            [source, output, "--method", "dct-filter", "--sigma-factor", 0],
            "--sigma-factor. Must be > 0",
        ),
        ([source, output, "--model", "x", "--within-noise", 0], "--within-noise. Must be > 0"),
    ):
        assert restore(*arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("smrestore: error: ") and message in line
    assert main(["restore", "magic", str(source), str(output), "--method", "dct-filter"]) == 2
    assert "no scan can be restored for the task 'magic'" in capsys.readouterr().err
    twins = ["restore", "upsampling", str(source), str(output), "--method", "spline", "--twins"]
    assert main([*twins, "--factor", "2"]) == 2
    assert "--twins: twins cannot be used for upsampling" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_one_method_at_most(world, tmp_path, capsys):
    options = ["--method", "dct-filter", "--model", "x"]
    assert restore(world.calibration, tmp_path / "r.mdf", *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "Mutually exclusive arguments: {--model, --method}" in line


def test_a_network_of_the_package(world, tmp_path, capsys):
    output = tmp_path / "restored.mdf"
    assert restore(world.calibration, output, "--model", "swinir") == 0
    assert "restored by swinir" in capsys.readouterr().out


def test_missing_positions_are_proposed_and_restored(tmp_path, world, capsys):
    """A robot that stays where it is leaves positions that look wrong; inpainting restores them."""
    scan, truth = tmp_path / "stuck.mdf", tmp_path / "stuck.truth.h5"
    grid = CalibrationGrid((11, 9, 1), (0.030, 0.026, 0.0))
    corruption = Corruption("stuck", first=40, count=10)
    scan_calibration(
        scan,
        truth,
        world.scanner,
        world.sequence,
        grid,
        averages=100,
        seed=SEED,
        corruption=corruption,
    )
    mask = tmp_path / "mask.csv"
    assert main(["propose-mask", str(scan), str(mask)]) == 0
    assert "10 of 99 positions look wrong" in capsys.readouterr().out
    with h5py.File(truth) as file:
        wrong = np.zeros(grid.size, bool)
        wrong[tuple(file["corrupted"][()].T)] = True
        matrix = file["system_matrix"][()]
    np.testing.assert_array_equal(read_mask(mask, grid.size), wrong)
    restored = tmp_path / "restored.mdf"
    arguments = ["restore", "inpainting", str(scan), str(restored), "--method", "biharmonic"]
    assert main(arguments) == 2
    assert "inpainting needs the positions that are missing" in capsys.readouterr().err
    assert main([*arguments, "--mask", str(mask)]) == 0
    before, after = (
        np.abs(mdf.read_system_matrix(path) - matrix)[:, 1:, wrong].mean()
        for path in (scan, restored)
    )
    assert after < before
    # All periods of a multi-patch scan tell which positions are wrong.
    patches = two_periods(scan, tmp_path / "patches.mdf")
    assert main(["propose-mask", str(patches), str(mask)]) == 0
    np.testing.assert_array_equal(read_mask(mask, grid.size), wrong)


def test_complex_numbers_as_another_compound(world, tmp_path, capsys):
    usual, other = tmp_path / "usual.mdf", tmp_path / "other.mdf"
    assert restore(world.calibration, usual, "--method", "dct-filter") == 0
    shutil.copy(usual, other)
    with h5py.File(other, "r+") as file:
        values = file["measurement/data"][()]
        compound = np.empty(values.shape, [("real", "f4"), ("imag", "f4")])
        compound["real"], compound["imag"] = values.real, values.imag
        del file["measurement/data"]
        file["measurement/data"] = compound
    capsys.readouterr()
    assert main(["inspect", str(other)]) == 0
    assert "is a compound of real and imag instead of r and i" in capsys.readouterr().out
    for scan in (usual, other):
        assert restore(scan, tmp_path / f"{scan.stem}.again.mdf", "--method", "dct-filter") == 0
        assert main(["export", str(scan), str(tmp_path / f"{scan.stem}.npz")]) == 0
    found, expected = (
        mdf.read_system_matrix(tmp_path / f"{name}.again.mdf") for name in ("other", "usual")
    )
    np.testing.assert_array_equal(found, expected)
    with np.load(tmp_path / "other.npz") as left, np.load(tmp_path / "usual.npz") as right:
        np.testing.assert_array_equal(left["system_matrix"], right["system_matrix"])
