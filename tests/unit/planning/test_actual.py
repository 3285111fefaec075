"""What finished jobs took, from benchmark files."""

import json

import pytest

from smrestore.planning.actual import read_jobs
from smrestore.support.errors import InputError


def _write(folder, name, **record):
    path = folder / "benchmarks" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"s": 2.0, "cpu_time": 1.5, "max_rss": 100.0} | record
    path.write_text(json.dumps(record) + "\n")
    return path


def test_jobs_have_stage_name_time_and_memory(tmp_path):
    _write(tmp_path, "fits/snake/snake-b/equilibrium")
    (job,) = read_jobs(tmp_path)
    assert (job.stage, job.name) == ("fits", "snake/snake-b/equilibrium")
    assert job.seconds == pytest.approx(1.5)
    assert job.memory == 100 * 2**20


@pytest.mark.parametrize(
    ("record", "seconds"),
    [
        # Seen last after 2.5 s, of 2.9.
        ({"s": 2.9, "cpu_time": 2.5}, 2.9),
        # After 15.5 s, of 31; the rest goes on like that.
        ({"s": 31.0, "cpu_time": 4.0}, 8.0),
        # After 45.5 s.
        ({"s": 45.5, "cpu_time": 13.0}, 13.0),
        # Never seen.
        ({"s": 0.3, "cpu_time": 0.0}, 0.3),
        ({"s": 0.3, "cpu_time": "NA", "max_rss": "NA"}, 0.3),
        ({"s": 0.3, "cpu_time": None}, 0.3),
    ],
)
def test_time_after_the_last_look_goes_on_like_before(tmp_path, record, seconds):
    _write(tmp_path, "noise/training", **record)
    assert read_jobs(tmp_path)[0].seconds == pytest.approx(seconds)


def test_a_folder_without_benchmarks_is_named(tmp_path):
    with pytest.raises(InputError, match="no benchmark files"):
        read_jobs(tmp_path)


@pytest.mark.parametrize("text", ["", "{", '{"s": "soon"}\n', '{"s": 1.0}\n'])
def test_a_damaged_file_is_named(tmp_path, text):
    path = _write(tmp_path, "noise/training")
    path.write_text(text)
    with pytest.raises(InputError, match=r"training\.jsonl"):
        read_jobs(tmp_path)
