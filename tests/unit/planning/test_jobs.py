"""Measuring kernels."""

import pytest

from smrestore.planning.jobs import evenly, per_item
from smrestore.planning.simulation import _drawn_from, distinct
from smrestore.planning.start import _once, start_of
from smrestore.support.errors import InputError


def test_what_a_further_item_takes_leaves_out_what_all_share():
    def work(count):
        for _ in range(20 + count):
            sum(range(20_000))

    each = per_item(work, 5, 105)
    alone = per_item(lambda count: [sum(range(20_000)) for _ in range(count)], 5, 105)
    assert each == pytest.approx(alone, rel=0.7)


def test_evenly_takes_the_middles_of_equal_parts():
    assert evenly(range(9), 3) == [1, 4, 7]
    assert evenly(range(2), 3) == [0, 1]


def test_different_items_tell_how_many_there_are():
    assert distinct(10, 1e9) == pytest.approx(10, rel=1e-3)
    assert _drawn_from(round(distinct(2000, 700.0)), 2000) == pytest.approx(700, rel=0.02)
    # All differ: there may be any number of them.
    assert _drawn_from(2000, 2000) > 1e5


def test_a_start_takes_time_and_memory():
    start = start_of("parameters")
    assert 0.01 < start.seconds < 60
    assert 10 * 2**20 < start.memory < 2**30


def test_a_missing_part_is_named():
    with pytest.raises(InputError, match=r"smrestore\.nothing"):
        _once(("smrestore.nothing",), False)
