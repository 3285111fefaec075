"""Tables of the benchmark of networks trained for the same time."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from checkout import load_benchmark

BASELINE = {0.1: 20.0, 0.3: 15.0}


@pytest.fixture(scope="module")
def equal_time():
    """The script as a module."""
    return load_benchmark("equal_time")


def rows(ends: dict[str, list[float]]) -> pd.DataFrame:
    """Return two scores on the way of each experiment, of each seed; the last at sigma 0.1."""
    records = [
        {
            "experiment": name,
            "seed": seed,
            "part": 50.0 * part,
            "seconds": 50.0 * part,
            "steps": 10 * part,
            "samples": 80 * part,
            "parameters": 123,
            0.1: end - (4.0 if part == 1 else 0.0),
            0.3: end - 5.0,
        }
        for name, of_seeds in ends.items()
        for seed, end in enumerate(of_seeds)
        for part in (1, 2)
    ]
    return pd.DataFrame(records)


def cells(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_interval_is_students(equal_time):
    values = [30.0, 31.0, 33.0]
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    mean, half = map(float, equal_time.with_interval(values).split(" ± "))
    assert (mean - half, mean + half) == pytest.approx((low, high), abs=0.01)
    assert equal_time.with_interval([31.234]) == "31.23"
    assert equal_time.with_interval([1.0, 1.0], "+") == "+1.00 ± 0.00"


def test_differences_are_taken_seed_by_seed(equal_time):
    """What the seeds have in common does not widen the interval of a difference."""
    table = equal_time.tables(rows({"b": [30.0, 34.0], "a": [30.5, 34.5]}), BASELINE)
    ends, _, differences = table.partition("at the end")[2].partition("minus b")
    assert cells(differences)[1:] == [["a", "+0.50 ± 0.00", "+0.50 ± 0.00"]]
    head, filter_row, row, _ = cells(ends)
    assert filter_row[:3] == ["DCT-F", "20.00", "15.00"]
    mean, half = row[1].split(" ± ")
    assert mean == "32.00" and float(half) > 20
    # Half way between the scores at 50 s and 100 s, in the mean over seeds.
    assert dict(zip(head, row, strict=True))["+10 dB after"] == "75 s"


def test_one_seed_and_one_experiment_have_neither_interval_nor_difference(equal_time):
    table = equal_time.tables(rows({"a": [31.0]}), BASELINE)
    assert "±" not in table and "minus" not in table
    assert cells(table)[1] == ["a", "+7.00", "+11.00"]
