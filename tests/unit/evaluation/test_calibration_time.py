"""Times of calibrations: the study's example, and those of files."""

import pandas as pd
import pytest

from smrestore import mdf
from smrestore.evaluation.calibration_time import (
    STUDY,
    Calibration,
    duration,
    read_calibration,
    size_for_readers,
    tabulate_calibration_times,
)
from smrestore.report.markdown import read_markdown
from smrestore.support.errors import InputError


def test_example_of_the_study():
    assert STUDY.cycle == pytest.approx(21.5424e-3)
    assert STUDY.seconds / 3600 == pytest.approx(4.1, abs=0.05)
    every_second = STUDY.every(2)
    assert every_second.size == (10, 10, 10)
    assert every_second.seconds / 60 == pytest.approx(35.9, abs=0.05)
    # What the study prints is an eighth.
    assert STUDY.seconds / 60 / 8 == pytest.approx(31, abs=0.5)


def test_grids_by_hand():
    calibration = Calibration((7, 4, 1), 10, 0.01, robot_time=1.0)
    assert calibration.positions == 28
    assert calibration.seconds == pytest.approx(28 * 1.1)
    assert calibration.every(2).size == (4, 2, 1)
    assert calibration.every(3).size == (3, 2, 1)
    assert calibration.refined(2).size == (13, 7, 1)
    assert calibration.refined(2).every(2) == calibration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(14775.9, "4.1 h"), (2154.2, "35.9 min"), (3600, "1 h"), (59.4, "59.4 s"), (0.2, "0.2 s")],
)
def test_durations_for_readers(seconds, text):
    assert duration(seconds) == text


def test_files_tell_positions_averages_and_cycle(world, tmp_path):
    found = read_calibration(world.calibration, 0.5)
    assert found == Calibration((7, 5, 1), 100, world.sequence.cycle, 0.5)
    with pytest.raises(InputError):
        read_calibration(world.empty)


def test_table_of_each_kind_of_saving(world, tmp_path):
    path = str(world.calibration)
    entry = {"calibration": path, "robot_time_s": 0.0}
    tabulate_calibration_times(
        [
            {**entry, "name": "fast", "task": "accelerated-calibration"}
            | {"factor": 2, "decimate": True},
            {**entry, "name": "fine", "task": "upsampling", "factor": 2, "decimate": False}
            | {"robot_time_s": 1.0},
            {**entry, "name": "noisy", "task": "denoising", "reference": path},
        ],
        csv=tmp_path / "t.csv",
        markdown=tmp_path / "t.md",
    )
    with mdf.open_mdf(path) as file:
        position = file.acquisition.cycle * file.acquisition.n_averages
    fast, fine, noisy = pd.read_csv(tmp_path / "t.csv").itertuples()
    assert (fast.positions, fast.full_positions) == (4 * 3, 7 * 5)
    assert (fast.time_s, fast.factor) == (pytest.approx(12 * position), pytest.approx(35 / 12))
    assert (fine.positions, fine.full_positions) == (7 * 5, 13 * 9)
    assert fine.full_time_s == pytest.approx(13 * 9 * (position + 1))
    assert noisy.factor == 1
    page = read_markdown(tmp_path / "t.md")
    ((_, table),) = page.tables
    assert table["scan"].tolist() == ["fast", "fine", "noisy", "the study's"]
    assert table.iloc[-1][["takes", "which takes"]].tolist() == ["35.9 min", "4.1 h"]
    assert "1000 positions" in page.after
    assert "Background frames are not counted" in page.after


def test_without_savings_the_example_stands_alone(tmp_path):
    tabulate_calibration_times([], csv=tmp_path / "t.csv", markdown=tmp_path / "t.md")
    assert pd.read_csv(tmp_path / "t.csv").empty
    assert len(read_markdown(tmp_path / "t.md").tables[0][1]) == 1


def test_one_of_each_is_no_plural():
    assert size_for_readers(1, 1) == "1 position, 1 average"
    assert size_for_readers(35, 10) == "35 positions, 10 averages"
