"""Exponents of the benchmark of growth."""

import math

import pytest

from checkout import load_benchmark


@pytest.fixture(scope="module")
def growth():
    """The script as a module."""
    return load_benchmark("growth")


def points(growth, seconds, disk):
    numbers = (1, 10, 100, 1000)
    return [growth.Point(n, seconds(n), 2e8, disk(n)) for n in numbers]


def test_exponents_are_those_of_what_grows_beyond_the_start(growth):
    found = points(growth, lambda n: 3 + 0.01 * (n**1.5 - 1), lambda n: 1e4 + n - 1)
    assert growth.exponent(found, "seconds") == pytest.approx(1.5, abs=0.01)
    assert growth.exponent(found, "disk") == pytest.approx(1.0, abs=0.03)


def test_what_does_not_grow_has_no_exponent(growth):
    found = points(growth, lambda n: n, lambda n: n)
    assert math.isnan(growth.exponent(found, "memory"))
    rows = growth.rows(growth.CURVES["matrices"], found)
    assert [row[0] for row in rows[:2]] == ["matrices, 2D, 30 x 30", ""]
    assert rows[-1][1:] == ["exponent", "1.02", "none", "1.02"]


def test_each_curve_spans_a_decade(growth):
    for curve in growth.CURVES.values():
        numbers = [curve.number(point) for point in curve.points[1:]]
        assert numbers[-1] >= 10 * numbers[0]
