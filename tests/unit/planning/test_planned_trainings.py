"""Trainings, planned from a few steps."""

import copy
from dataclasses import replace

import pytest

from checkout import ROOT
from smrestore.configuration import load_configuration
from smrestore.planning import training
from smrestore.planning.jobs import Bench
from smrestore.planning.training import Times, Trainings


@pytest.fixture(scope="module")
def config():
    config = load_configuration([ROOT / "config.yaml", ROOT / "config/ci.yaml"])
    name = next(iter(config["experiments"]))
    return {**config, "experiments": {name: config["experiments"][name]}}


@pytest.fixture
def bench(config, tmp_path):
    return Bench(copy.deepcopy(config), tmp_path)


def only(bench):
    (name,) = bench.config["experiments"]
    return Trainings(bench).plan(name)


def test_only_what_grows_with_voxels_is_scaled_from_smaller_patches(bench, monkeypatch):
    recipe = bench.config["experiments"][next(iter(bench.config["experiments"]))]
    recipe["training"] |= {"steps": 1000, "interval": 1000, "patch": 32, "batch_size": 8}
    made = {16: 0.5, 32: 2.0}
    monkeypatch.setattr(training, "STEP_FLOPS", 1.0)
    monkeypatch.setattr(training, "_step", lambda *_, **__: 10.0)
    monkeypatch.setattr(training, "_update_seconds", lambda _: 1.0)
    monkeypatch.setattr(training, "_make_seconds", lambda pairs: made[pairs.settings.patch])
    job = only(bench)
    # Two patches of 16 x 16 voxels took 10 s, of which 1 s is the update and 0.5 s each the making;
    # a patch of the training has four times as many voxels.
    step = 1.0 + 8 * (2.0 + 4 * ((10.0 - 1.0) / 2 - 0.5))
    assert job.seconds == pytest.approx(1000 * step, rel=0.01)


def test_experiments_of_the_same_settings_are_measured_once(bench, monkeypatch):
    ((name, entry),) = bench.config["experiments"].items()
    bench.config["experiments"] = {name: entry, "again": entry}
    measured = []
    monkeypatch.setattr(
        training,
        "_on_cpu",
        lambda bench, recipe: measured.append(recipe.experiment) or Times(1.0, 0.0, 0.0),
    )
    trainings = Trainings(bench)
    first, second = trainings.plan(name), trainings.plan("again")
    assert measured == [name]
    assert first.seconds == second.seconds > entry["training"]["steps"]


def test_a_training_on_an_assumed_gpu_waits_for_what_is_slower(bench, monkeypatch, tmp_path):
    recipe = bench.config["experiments"][next(iter(bench.config["experiments"]))]
    recipe["training"] |= {"steps": 1000, "interval": 1000, "validation_pairs": 8}
    small = only(replace(bench, gpu="h100"))
    assert small.gpu_seconds > 0
    # Cores make samples for a network that takes hardly any time, whatever the card.
    faster = only(replace(bench, gpu="a100", folder=tmp_path / "a100"))
    assert faster.gpu_seconds == pytest.approx(small.gpu_seconds, rel=0.01)
    monkeypatch.setattr(training, "flops", lambda *_, **__: 1e15)
    large = {
        card: only(replace(bench, gpu=card, folder=tmp_path / f"large-{card}"))
        for card in ("h100", "a100")
    }
    assert large["a100"].gpu_seconds > 2 * large["h100"].gpu_seconds > 4 * small.gpu_seconds
    assert large["h100"].seconds > large["h100"].gpu_seconds


def test_validation_pairs_that_memory_does_not_hold_are_made_each_time(bench, monkeypatch):
    entry = next(iter(bench.config["experiments"].values()))
    entry["training"] |= {"steps": 100, "interval": 10, "validation_pairs": 1000}
    monkeypatch.setattr(training, "_on_cpu", lambda *_: Times(0.0, 1.0, 0.0))
    kept = only(bench).seconds
    assert 1000 <= kept < 1100
    monkeypatch.setattr(training, "CACHE_BYTES", 1)
    assert 10_000 <= only(replace(bench, folder=bench.folder / "again")).seconds < 10_100
