"""Trainings on a GPU that is not here."""

import pytest

from smrestore.planning.gpus import (
    H100_FLOPS,
    OTHER_FLOPS,
    gpu_note,
    gpu_seconds,
    making_seconds,
)


def test_time_follows_from_the_rate_that_was_measured():
    assert gpu_seconds("h100", "rdn", 10 * H100_FLOPS["rdn"]) == pytest.approx(10)
    assert gpu_seconds("h100", "smrnet", OTHER_FLOPS) == pytest.approx(1)
    assert gpu_seconds("a100", "rdn", 1e15) == pytest.approx(
        989 / 312 * gpu_seconds("h100", "rdn", 1e15)
    )


def test_sixteen_cores_make_as_many_samples_as_were_measured():
    n_bytes = 4 * (7 * 64 * 64 + 1)
    assert 4000 < 16 / making_seconds(n_bytes) < 6000


def test_readers_are_told_what_is_assumed():
    experiments = {"a": {"network": {"name": "rdn"}}, "b": {"network": {"name": "smrnet"}}}
    note = gpu_note("a100", experiments)
    assert "A100" in note
    assert "smrnet" in note
    assert "rdn" not in note
    assert "data sheets" not in gpu_note("h100", experiments)
