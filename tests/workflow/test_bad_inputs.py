"""Faulty configurations and files: one clear line each, and nothing half-written."""

import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from mdf_files import forget_checksums
from plans import CI, write_overlay

from checkout import ROOT, snakemake
from smrestore.configuration import load_configuration

DATA = "/measurement/data"
MASK = "/measurement/isBackgroundFrame"
FRAMES = "/acquisition/numFrames"
SIZE = "/calibration/size"
BANDWIDTH = "/acquisition/receiver/bandwidth"
SHORT = 20  # frames, fewer than the voxels of the largest grid


def _keep_frames(path: Path, kept: np.ndarray) -> None:
    with h5py.File(path, "r+") as file:
        for name in (DATA, MASK):
            values = file[name][kept]
            del file[name]
            file[name] = values
        file[FRAMES][...] = np.count_nonzero(kept)


def not_hdf5(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\n")


def version_1(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["version"]
        file["version"] = "1.0.5"


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def no_background(path: Path) -> None:
    with h5py.File(path) as file:
        foreground = file[MASK][()] == 0
    _keep_frames(path, foreground)


def nan(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        values = file[DATA][()].astype(np.float32)
        values[3, 0, 1, 7] = np.nan
        del file[DATA]
        file[DATA] = values


def grid(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file[SIZE][1] += 1


def missing_dataset(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file[BANDWIDTH]


# Damage to a calibration scan -> the stage that notices and what it says.
DAMAGE = {
    not_hdf5: ("scans", "is not an HDF5 file"),
    version_1: ("scans", "/version: MDF version 1.0.5 is not compatible with version 2"),
    truncated: ("scans", "the HDF5 file cannot be opened, it is truncated or damaged"),
    missing_dataset: ("scans", f"{BANDWIDTH}: this mandatory dataset is missing"),
    no_background: ("restoration", f"{MASK}: there are no background frames to subtract"),
    nan: ("restoration", f"{DATA}: NaN or infinite value in frame 3 (voxel 2, 0, 0), channel 1"),
    grid: ("scans", f"{SIZE}: a grid of 7 x 6 x 1 has 42 positions, but there are 35"),
}


def _name(damage) -> str:
    return damage.__name__.replace("_", "-")


@pytest.fixture(scope="module")
def outcome(finished, tmp_path_factory):
    """Folder and output of one run that restores all damaged scans and an intact one.

    It also trains with an empty scan that is too short.
    """
    folder = tmp_path_factory.mktemp("damaged")
    for stage in ("parameters", "system_matrices"):
        shutil.copytree(finished / "results" / stage, folder / "results" / stage)
    snake = dict(load_configuration([ROOT / "config.yaml", ROOT / CI])["measurements"]["snake"])
    del snake["realizations"]
    snake["restore"] = "all"
    scans, measurements = {}, {}
    for name, damage in {"intact": None, **{_name(damage): damage for damage in DAMAGE}}.items():
        path = folder / f"{name}-original.mdf"
        shutil.copy(finished / "results/scans/snake-calibration.mdf", path)
        with h5py.File(path, "r+") as file:
            forget_checksums(file)
        if damage:
            damage(path)
        scans[name] = {"source": "file", "kind": "calibration", "path": str(path)}
        measurements[name] = snake | {"calibration": name, "reference": None, "methods": ["dct-f"]}
    short = folder / "short-original.mdf"
    shutil.copy(finished / "results/scans/empty-training.mdf", short)
    with h5py.File(short, "r+") as file:
        forget_checksums(file)
        n_frames = len(file[DATA])
    _keep_frames(short, np.arange(n_frames) < SHORT)
    scans["short"] = {"source": "file", "kind": "empty", "path": str(short)}
    settings = {
        "scans": scans,
        "measurements": measurements,
        "noise_pools": {"training": {"scans": ["short"]}},
    }
    overlay = write_overlay(folder / "overlay.yaml", settings)
    result = snakemake(
        finished,
        *(f"results/restored/{name}/dct-f.mdf" for name in measurements),
        "results/models/dncnn/weights.safetensors",
        *("--keep-going", "--cores", "2", "--directory", folder),
        *("--configfile", finished / CI, overlay),
        timeout=600,
    )
    assert result.returncode != 0
    return folder, result.stdout


def _only_error(log: Path) -> str:
    errors = [line for line in log.read_text().splitlines() if " ERROR " in line]
    assert len(errors) == 1
    return errors[0]


@pytest.mark.parametrize("damage", DAMAGE, ids=_name)
def test_damaged_scan_is_named_with_its_fault(outcome, damage):
    folder, output = outcome
    name = _name(damage)
    stage, fault = DAMAGE[damage]
    log = f"{name}.log" if stage == "scans" else f"{name}/dct-f.log"
    error = _only_error(folder / "results/logs" / stage / log)
    file = folder / f"{name}-original.mdf" if stage == "scans" else f"results/scans/{name}.mdf"
    assert f"{file}: {fault}" in error
    assert error in output
    assert (folder / f"results/scans/{name}.mdf").exists() == (stage != "scans")
    assert not (folder / f"results/restored/{name}/dct-f.mdf").exists()


def test_short_empty_scan_is_named_with_its_fault(outcome):
    folder, output = outcome
    error = _only_error(folder / "results/logs/training/dncnn.log")
    assert re.search(
        rf"results/noise/training.h5: noise: {SHORT} frames are too few for a grid of [\dx]+ = \d+",
        error,
    )
    assert error in output
    assert not list((folder / "results/models").rglob("*.*"))


def test_intact_scan_is_restored_beside_damaged_ones(outcome):
    assert (outcome[0] / "results/restored/intact/dct-f.mdf").stat().st_size > 0


def test_damaged_inputs_leave_no_traceback_and_no_temporary_files(outcome):
    folder, output = outcome
    assert "Traceback" not in output
    assert not list((folder / "results").rglob(".*"))


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"datasets": None}, "datasets: the section is empty"),
        ({"experiments": {"dncnn": {"tranining": {}}}}, "experiments.dncnn.tranining: unknown key"),
        (
            {"scans": {"empty-training": {"frames": SHORT}}},
            "experiments.dncnn.noise_pool: the 20 frames of scan 'empty-training' are too few",
        ),
        (
            {"scans": {"own": {"source": "file", "kind": "empty", "path": "no/such.mdf"}}},
            "scans.own.path: no such file",
        ),
        ({"base": "none.yaml"}, "base: there is no file"),
    ],
    ids=["empty-section", "unknown-key", "short-virtual-scan", "missing-file", "missing-base"],
)
def test_faulty_configuration_is_named_by_its_key(empty_checkout, tmp_path, settings, fault):
    overlay = write_overlay(tmp_path / "overlay.yaml", settings)
    folder = tmp_path / "folder"
    folder.mkdir()
    options = ["--cores", "2", "--directory", folder, "--configfile", empty_checkout / CI, overlay]
    result = snakemake(empty_checkout, "parameters", *options, timeout=120)
    assert result.returncode != 0
    assert len([line for line in result.stdout.splitlines() if fault in line]) == 1
    assert "Traceback" not in result.stdout
    assert not (folder / "results").exists()
