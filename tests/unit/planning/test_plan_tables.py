"""Tables of a plan."""

import csv

from smrestore.planning.jobs import Job
from smrestore.planning.tables import comparison_rows, stage_rows, write_jobs


def test_stages_add_up_in_the_order_of_the_data_flow():
    jobs = [
        Job("training", "a", 3600.0, gpu_seconds=1800.0, memory=2**30),
        Job("scans", "b", 1800.0, memory=2**31, disk=2**30),
        Job("scans", "c", 1800.0, disk=2**30),
    ]
    scans, training, everything = stage_rows(jobs)
    assert [scans["stage"], training["stage"], everything["stage"]] == ["scans", "training", "all"]
    assert scans["jobs"] == 2
    assert scans["core hours"] == 1.0
    assert scans["peak memory (GiB)"] == 2.0
    assert scans["disk (GiB)"] == 2.0
    assert training["GPU hours"] == 0.5
    assert everything["core hours"] == 2.0


def test_jobs_are_compared_by_name():
    planned = [Job("scans", "a", 60.0), Job("scans", "b", 600.0), Job("noise", "n", 60.0)]
    actual = [Job("scans", "a", 120.0), Job("scans", "c", 60.0), Job("fits", "f", 60.0)]
    scans, noise, everything = comparison_rows(planned, actual)
    assert (scans["jobs"], scans["only planned"], scans["only run"]) == (1, 1, 1)
    assert scans["ratio"] == 0.5
    assert noise["ratio"] is None
    assert (everything["jobs"], everything["only planned"], everything["only run"]) == (1, 2, 2)


def test_jobs_are_written_with_what_they_cost(tmp_path):
    path = tmp_path / "jobs.csv"
    write_jobs(path, [Job("training", "a,b", 1234.567, gpu_seconds=2.0, memory=1e9)])
    header, row = csv.reader(path.open())
    assert dict(zip(header, row, strict=True)) == {
        "stage": "training",
        "name": "a,b",
        "seconds": "1235",
        "gpu_seconds": "2",
        "memory": "1e+09",
        "disk": "0",
        "rule": "",
    }
