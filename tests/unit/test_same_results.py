"""The comparison of two folders of results."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from checkout import ROOT, environment


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Return two folders of results that differ in times, commits and logs only."""
    folders = tmp_path / "one", tmp_path / "other"
    for number, folder in enumerate(folders):
        for name in ("tables", "models/dncnn", "noise", "logs", "scans"):
            (folder / name).mkdir(parents=True)
        (folder / "logs/run.log").write_text(f"{number}")
        (folder / "tables/table2.csv").write_text("method,psnr\ndct-f,25.0\nrdn,40.0\n")
        (folder / "models/dncnn/history.csv").write_text(f"step,elapsed_s\n1,0.{number}\n")
        card = {"created": f"2026-01-0{number + 1}", "settings": {"patch": 64}, "sha256": "ab"}
        (folder / "models/dncnn/card.json").write_text(json.dumps(card))
        with h5py.File(folder / "noise/training.h5", "w") as file:
            file.attrs.update({"created": str(number), "format": "pool 1"})
            file["frames"] = np.array([1.0, np.nan, 3.0])
        with h5py.File(folder / "scans/snake.mdf", "w") as file:
            file["time"] = f"2026-01-0{number + 1}"
            file["measurement/data"] = np.arange(6, dtype=np.int16)
    return folders


def run(*folders: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "benchmarks/same_results.py", *folders]
    return subprocess.run(command, capture_output=True, text=True, env=environment(ROOT))


def test_times_and_commits_are_no_difference(folders):
    result = run(*folders)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "5 files are the same, 0 differ." in result.stdout


def change_table(folder: Path) -> None:
    (folder / "tables/table2.csv").write_text("method,psnr\ndct-f,25.0\nrdn,40.1\n")


def change_card(folder: Path) -> None:
    path = folder / "models/dncnn/card.json"
    path.write_text(path.read_text().replace("64", "65"))


def change_history(folder: Path) -> None:
    (folder / "models/dncnn/history.csv").write_text("step,elapsed_s\n2,0.1\n")


def change_pool(folder: Path) -> None:
    with h5py.File(folder / "noise/training.h5", "r+") as file:
        file["frames"][2] = 3.3
        file.attrs["format"] = "pool 2"


def change_scan(folder: Path) -> None:
    with h5py.File(folder / "scans/snake.mdf", "r+") as file:
        del file["measurement/data"]
        file["measurement/data"] = np.arange(5, dtype=np.int16)


def remove_pool(folder: Path) -> None:
    (folder / "noise/training.h5").unlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_table, "tables/table2.csv: column psnr from row 2 on"),
        (change_card, "models/dncnn/card.json: settings.patch"),
        (change_history, "models/dncnn/history.csv: column step from row 1 on"),
        (change_pool, "noise/training.h5: /@format; /frames: by up to 0.1 of the largest"),
        (change_scan, "scans/snake.mdf: /measurement/data: (6,) and (5,)"),
        (remove_pool, "noise/training.h5: only in"),
    ],
)
def test_differences_are_named_by_file_and_place(folders, change, said):
    change(folders[1])
    result = run(*folders)
    assert result.returncode == 1
    assert [line for line in result.stdout.splitlines() if line.startswith(said)], result.stdout
    assert "1 differ." in result.stdout


def test_folders_without_results_are_named(folders, tmp_path):
    shutil.rmtree(folders[0])
    result = run(*folders)
    assert result.returncode == 1
    assert f"{folders[0]}: no results. Give the folder" in result.stderr
    assert "FOLDER" not in result.stderr
    assert run(folders[1]).returncode == 1
