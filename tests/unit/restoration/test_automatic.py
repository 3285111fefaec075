"""Restoration that chooses the method of each component by its expected error."""

import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
from mdf_files import forget_checksums

from smrestore import mdf
from smrestore.cli import main
from smrestore.mdf.restored import EXPECTED_ERROR, METHOD_NAMES, RESTORED_BY
from smrestore.networks import cards
from smrestore.restoration import automatic, expected
from smrestore.restoration.automatic import METHODS, restore_automatically
from smrestore.restoration.summary import RestorationSummary
from smrestore.support.errors import InputError
from smrestore.tasks.scan import scan_task


@pytest.fixture(scope="module")
def restored(scan, tmp_path_factory):
    """Return the decision and the file of a scan that the fitted physics describes."""
    path = tmp_path_factory.mktemp("automatic") / "restored.mdf"
    return restore_automatically(scan, path), path


def truth_of(scan):
    with h5py.File(scan.with_name("truth.h5")) as file:
        return file["system_matrix"][()]


def error_of(images, truth):
    return np.sqrt(np.mean(np.abs(images - truth) ** 2, axis=(-3, -2, -1)))


def test_the_file_says_which_method_and_which_error(scan, restored):
    decision, path = restored
    assert not decision.without_model
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file[RESTORED_BY][()], decision.method)
        assert [name.decode() for name in file[METHOD_NAMES][()]] == list(METHODS)
        np.testing.assert_allclose(file[EXPECTED_ERROR][()], decision.expected_error)
        assert file["/calibration/snr"].shape == decision.method.shape
    facts = dict(mdf.inspect_mdf(path).facts)
    alone = np.count_nonzero(decision.method == 1)
    assert f"network {alone}, model-and-measurement" in facts["restored by"]
    assert "; restored by least expected error (denoising)" in facts["description"]
    rows = decision.rows()
    assert sum(row["components"] for row in rows) == decision.method.size
    assert not list(path.parent.glob(".*"))


def test_rows_are_those_of_their_method(scan, restored, tmp_path, monkeypatch):
    """Where it may be as wrong as it wants, the network restores all, else the model."""
    decision, path = restored
    found = mdf.read_system_matrix(path)
    images = {}
    for number, share, margin in ((1, 0.0, np.inf), (2, np.inf, 0.9)):
        monkeypatch.setattr(automatic, "MARGIN", margin)
        monkeypatch.setattr(expected, "REMAINING", ((1.0, share), (2.0, share)))
        one = tmp_path / f"{number}.mdf"
        alone = restore_automatically(scan, one)
        noisy = alone.summary.noise[0] > 0
        assert (alone.method[0][noisy] == number).all()
        images[number] = mdf.read_system_matrix(one)
    assert not np.allclose(images[1], images[2])
    for number in (1, 2):
        rows = decision.method[0] == number
        np.testing.assert_allclose(found[rows], images[number][rows], rtol=1e-5)


def test_it_is_better_than_what_was_measured(scan, restored):
    decision, path = restored
    truth = truth_of(scan).reshape(mdf.read_system_matrix(path).shape)
    signal = decision.summary.peak[0] > 5 * decision.summary.noise[0]
    before = error_of(mdf.read_system_matrix(scan, background="interpolate"), truth)[signal]
    after = error_of(mdf.read_system_matrix(path), truth)[signal]
    assert np.mean(20 * np.log10(before / after)) > 10
    assert np.median(after / decision.expected_error[0][signal]) < 3


@pytest.fixture(scope="module")
def shuffled(scan, tmp_path_factory):
    """Return the scan with its positions in a wrong order, which no physics describes."""
    path = shutil.copy(scan, tmp_path_factory.mktemp("shuffled") / "scan.mdf")
    with h5py.File(path, "r+") as file:
        forget_checksums(file)
        data, background = file["/measurement/data"], file["/measurement/isBackgroundFrame"]
        positions = np.flatnonzero(~background[()].astype(bool))
        assert data.shape[0] == len(background)
        values = data[()]
        values[positions] = values[np.random.default_rng(0).permutation(positions)]
        data[...] = values
    return path


def test_a_scan_that_nothing_describes_gets_the_network(shuffled, tmp_path):
    decision = restore_automatically(shuffled, tmp_path / "r.mdf")
    assert "unexplained" in decision.without_model
    assert (decision.method == 1).all()
    (row,) = decision.rows()
    assert row["method"] == "network"


def test_neither_physics_nor_networks(shuffled, tmp_path, monkeypatch):
    monkeypatch.setattr(automatic, "networks_installed", lambda: False)
    with pytest.raises(InputError, match=r"unexplained.*networks are not installed"):
        restore_automatically(shuffled, tmp_path / "r.mdf")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["a part of the output", "the fit"])
def test_what_cannot_be_written_is_no_fault_of_the_physics(scan, tmp_path, monkeypatch, place):
    """A full disk is not a reason to go on with the network, and has the name of the output."""
    output, saved = tmp_path / "r.mdf", tmp_path / "fit.json"
    named = output if place == "a part of the output" else saved

    def fails(source, path, *_, **__):
        full = path if named is output else saved
        raise InputError("there is no space left to write it", path=full, remedy="free some")

    monkeypatch.setattr(automatic, "restore_by_model", fails)
    with pytest.raises(InputError, match="no space left") as raised:
        restore_automatically(scan, output, save_fit=saved)
    assert str(raised.value).startswith(f"{named}: there is no space")
    assert not list(tmp_path.iterdir())


def test_damaged_weights_of_the_package_are_found_before_the_fit(scan, tmp_path, monkeypatch):
    shipped = shutil.copytree(cards.SHIPPED / cards.DENOISER, tmp_path / "w" / cards.DENOISER)
    weights = shipped / cards.WEIGHTS
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(bytes(content))
    monkeypatch.setattr(cards, "SHIPPED", shipped.parent)
    monkeypatch.setattr(automatic, "restore_by_model", None)
    with pytest.raises(InputError, match=r"weights are damaged.*Install the package again"):
        restore_automatically(scan, tmp_path / "r.mdf")
    weights.unlink()
    with pytest.raises(InputError, match=r"no such file. Install the package again"):
        restore_automatically(scan, tmp_path / "r.mdf")
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


@pytest.mark.parametrize("task", ["upsampling", "inpainting"])
def test_other_tasks(scan, shuffled, tmp_path, task):
    missing = np.zeros((9, 8, 1), bool)
    missing[3:5, 4] = True
    options = {"upsampling": {"factor": 2}, "inpainting": {"missing": missing}}[task]
    wanted = scan_task(task, **options)
    decision = restore_automatically(scan, tmp_path / "r.mdf", task=wanted)
    assert (decision.method == 2).all()
    with pytest.raises(InputError, match="--as-measured-below: cannot be used for"):
        restore_automatically(scan, tmp_path / "r.mdf", task=wanted, as_measured_below=20)
    if task == "upsampling":
        decision = restore_automatically(shuffled, tmp_path / "w.mdf", task=wanted)
        assert (decision.method == 1).all()
        assert np.isnan(decision.expected_error).all()


def test_uncertain_components_stay_as_they_were(scan, tmp_path):
    decision = restore_automatically(scan, tmp_path / "r.mdf", as_measured_below=20.0)
    left = decision.method[0] == 0
    assert 0 < left.sum() < left.size
    measured = mdf.read_system_matrix(scan, background="interpolate")
    truth = truth_of(scan).reshape(measured.shape)
    strong = np.abs(truth).max(axis=(2, 3, 4)) > 5 * decision.summary.noise[0]
    hidden = np.abs(truth).max(axis=(2, 3, 4)) < 1e-3 * decision.summary.noise[0]
    assert np.mean(left[strong]) < 0.1
    assert hidden.any() and np.mean(left[hidden]) > 0.9
    noise = expected.measured_error(decision.summary)[0]
    np.testing.assert_allclose(decision.expected_error[0][left], noise[left])
    np.testing.assert_allclose(mdf.read_system_matrix(tmp_path / "r.mdf")[left], measured[left])


def test_a_network_keeps_what_is_wrong_with_the_measurement():
    """Jitter of the robot is no noise: fitted physics that explains it away is better."""
    summary = replace(
        RestorationSummary.unknown((1, 1, 3)),
        noise=np.ones((1, 1, 3)),
        peak=np.full((1, 1, 3), 100.0),
        beside_noise=np.array([[[0.0, 4.0, np.nan]]]),
    )
    wins = automatic._network_wins(summary, np.full((1, 1, 3), 2.0))
    assert wins[0, 0].tolist() == [True, False, True]


def test_command(scan, tmp_path, capsys):
    output = tmp_path / "restored.mdf"
    assert main(["restore", "denoising", str(scan), str(output)]) == 0
    printed = capsys.readouterr().out
    assert "expected gain (dB)" in printed
    assert "model-and-measurement" in printed
    assert f"{output}: restored by least expected error" in printed
    options = ["--method", "dct-filter", "--as-measured-below", "20"]
    assert main(["restore", "denoising", str(scan), str(output), *options]) == 2
    assert "--as-measured-below: cannot be used with dct-filter" in capsys.readouterr().err
