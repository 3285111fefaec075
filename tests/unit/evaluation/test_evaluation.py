"""Evaluation: equal terms for all methods, and rows that keep the contract."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from smrestore.evaluation import scores
from smrestore.evaluation.scores import EvaluationSet, evaluate, evaluation_pairs
from smrestore.methods import load_method
from smrestore.noise import NoisePool, build_noise_pool
from smrestore.physics import Sequence
from smrestore.scanner import scan_empty
from smrestore.simulation.store import SystemMatrixStore
from smrestore.support.errors import InputError

SEED = 5
TEST_SET = EvaluationSet("tiny-test", "denoising", 4, (0.1, 0.3), "complex")
COLUMNS = [
    "test_set",
    "task",
    "method",
    "matrix",
    "channel",
    "frequency",
    "mixing_order_x",
    "mixing_order_y",
    "mixing_order_z",
    "size_x",
    "size_y",
    "size_z",
    "sigma",
    "scale",
    "mask_ratio",
    "psnr",
    "ssim",
    "seed",
]


def identity(batch):
    return [item.image for item in batch]


def run(world, path, method=identity, test_set=TEST_SET, seed=SEED, **changes):
    arguments = {"matrices": [world.validation], "noise_pool": world.pool, **changes}
    evaluate(test_set, method, "some", seed=seed, path=path, **arguments)
    return pd.read_csv(path)


def pairs(world, test_set=TEST_SET, seed=SEED):
    store, pool = SystemMatrixStore([world.validation]), NoisePool(world.pool)
    return list(evaluation_pairs(test_set, store, pool, seed))


def test_every_method_sees_the_same_images_whatever_the_batch(world, tmp_path, monkeypatch):
    seen = {}

    def witness(name, method):
        def restore(batch):
            seen.setdefault(name, []).extend(batch)
            return method(batch)

        return restore

    run(world, tmp_path / "a.csv", witness("identity", identity))
    dct = load_method({"method": "dct-filter", "omega": 2.75}, None)
    run(world, tmp_path / "b.csv", witness("dct", dct))
    monkeypatch.setattr(scores, "BATCH", 3)
    run(world, tmp_path / "c.csv", witness("small batches", identity))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "c.csv").read_bytes()
    assert len(seen["identity"]) == len(seen["dct"]) == len(seen["small batches"]) == 16
    for items in zip(*seen.values(), strict=True):
        assert items[0].sigma == items[1].sigma == items[2].sigma
        for item in items[1:]:
            np.testing.assert_array_equal(item.image, items[0].image)


def test_a_batch_that_divides_the_test_set_gives_the_same_file(world, tmp_path, monkeypatch):
    run(world, tmp_path / "a.csv")
    monkeypatch.setattr(scores, "BATCH", 8)
    run(world, tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_components_are_drawn_once_and_truths_have_unit_maximum(world):
    items = pairs(world)
    chosen = {(i.component.matrix, i.component.channel, i.component.frequency) for i in items}
    assert len(chosen) == 8
    assert len(items) == 16
    for item in items:
        truth = item.pair.truth * item.pair.factor
        assert np.abs(truth).max() == pytest.approx(1, abs=1e-5)
        assert np.abs(item.pair.degraded.image).max() == pytest.approx(1, abs=1e-5)
        assert item.pair.degraded.sigma * item.pair.factor == pytest.approx(item.sigma)
    phases = [np.angle(np.sum(i.pair.truth.astype(complex) ** 2)) for i in items[::2]]
    assert np.std(phases) > 0.3


def test_noise_levels_of_a_component_differ_in_strength_alone(world):
    items = pairs(world)
    for low, high in zip(items[::2], items[1::2], strict=True):
        assert low.component.frequency == high.component.frequency
        noise = [(i.pair.degraded.image - i.pair.truth) * i.pair.factor for i in (low, high)]
        np.testing.assert_allclose(noise[1], 3 * noise[0], atol=1e-5)


def test_pairs_depend_on_seed_and_name(world):
    first = pairs(world)[0].pair.degraded.image
    assert np.array_equal(pairs(world)[0].pair.degraded.image, first)
    renamed = EvaluationSet("other", "denoising", 4, (0.1, 0.3), "complex")
    for other in (pairs(world, seed=SEED + 1), pairs(world, renamed)):
        assert not np.array_equal(other[0].pair.degraded.image, first)


def test_all_components_are_taken_where_there_are_fewer(world):
    everything = EvaluationSet("all", "denoising", 10_000, (0.1,), "complex")
    store = SystemMatrixStore([world.validation])
    items = pairs(world, everything)
    assert len(items) == sum(store.n_components(m) for m in range(len(store)))


def test_rows_keep_the_contract(world, tmp_path):
    rows = run(world, tmp_path / "rows.csv")
    assert rows.columns.tolist() == COLUMNS
    assert len(rows) == 16
    store = SystemMatrixStore([world.validation])
    assert rows["matrix"].nunique() == len(store) == 2
    for row, item in zip(rows.itertuples(), pairs(world), strict=True):
        component = item.component
        assert (row.matrix, row.channel) == (component.matrix, component.channel)
        assert row.frequency == component.frequency
        order = (row.mixing_order_x, row.mixing_order_y, row.mixing_order_z)
        assert order == component.mixing_order
        assert (row.size_x, row.size_y, row.size_z) == component.image.shape
        assert row.sigma == item.sigma
    for column, value in (
        ("test_set", "tiny-test"),
        ("task", "denoising"),
        ("method", "some"),
        ("scale", 1),
        ("mask_ratio", 0),
        ("seed", SEED),
    ):
        assert (rows[column] == value).all()


def test_perfect_method_scores_perfectly(world, tmp_path):
    truths = iter([item.pair.truth for item in pairs(world)])
    rows = run(world, tmp_path / "rows.csv", lambda batch: [next(truths) for _ in batch])
    assert np.isposinf(rows["psnr"]).all()
    np.testing.assert_allclose(rows["ssim"], 1, atol=1e-6)


@pytest.mark.parametrize(("convention", "expected"), [("complex", 23.01), ("per-channel", 20.0)])
def test_noise_of_a_tenth_has_the_expected_psnr(world, tmp_path, convention, expected):
    test_set = EvaluationSet("tenth", "denoising", 5, (0.1,), convention)
    rows = run(world, tmp_path / "rows.csv", test_set=test_set)
    # The level of each run of noise is removed, so its deviation is all of its error.
    np.testing.assert_allclose(rows["psnr"], expected, atol=0.01)
    assert (rows["ssim"] < 0.999).all()


def test_a_quiet_method_beats_the_identity_in_noise(world, tmp_path):
    dct = load_method({"method": "dct-filter", "omega": 2.75}, None)
    by_dct = run(world, tmp_path / "dct.csv", dct).query("sigma == 0.3")
    unchanged = run(world, tmp_path / "identity.csv").query("sigma == 0.3")
    assert by_dct["psnr"].mean() > unchanged["psnr"].mean() + 1


def test_same_seed_same_bytes(world, tmp_path):
    dct = load_method({"method": "dct-filter", "omega": 2.75}, None)
    for name, seed in (("a", SEED), ("b", SEED), ("c", SEED + 1)):
        run(world, tmp_path / f"{name}.csv", dct, seed=seed)
    first = (tmp_path / "a.csv").read_bytes()
    assert (tmp_path / "b.csv").read_bytes() == first
    assert (tmp_path / "c.csv").read_bytes() != first


def test_broken_method_leaves_no_file(world, tmp_path):
    path = tmp_path / "rows.csv"
    with pytest.raises(InputError, match="restored: the image holds NaN"):
        run(world, path, lambda batch: [item.image * np.nan for item in batch])
    assert not path.exists()


def test_pool_of_other_frequencies_is_named(world, tmp_path):
    sequence = Sequence((0.012, 0.012, 0.0), (-1.0, -1.0, 2.0), sampling_rate=5e6)
    scan_empty(tmp_path / "wide.mdf", world.scanner, sequence, frames=150, seed=1)
    build_noise_pool(tmp_path / "wide.mdf", tmp_path / "wide.h5", background_level="keep")
    with pytest.raises(InputError, match="1633 frequencies, but the system matrices have 817"):
        run(world, tmp_path / "rows.csv", noise_pool=tmp_path / "wide.h5")
    assert not (tmp_path / "rows.csv").exists()


def test_particle_state_chooses_matrices(world, tmp_path):
    store = SystemMatrixStore([world.validation])
    states = [store.parameters(matrix)["particle_state"] for matrix in range(2)]
    some = dataclasses.replace(TEST_SET, particle_state=states[0])
    chosen = [pair.component.matrix for pair in pairs(world, some)]
    expected = [f"validation-{i:05d}" for i in range(2) if states[i] == states[0]]
    assert list(dict.fromkeys(chosen)) == expected
    # The others would be the same without it: draws depend on the place of a matrix.
    whole = [pair for pair in pairs(world) if pair.component.matrix in expected]
    for one, other in zip(pairs(world, some), whole, strict=True):
        np.testing.assert_array_equal(one.pair.degraded.image, other.pair.degraded.image)
    none = dataclasses.replace(TEST_SET, particle_state="gas")
    with pytest.raises(InputError, match="particle_state: no system matrix has gas particles"):
        run(world, tmp_path / "rows.csv", test_set=none)


def test_noise_of_the_training_is_refused(world, tmp_path):
    """Whatever the pools are called, their frames must differ."""
    build_noise_pool(world.empty, tmp_path / "renamed.h5", background_level="keep")
    with pytest.raises(InputError, match=r"pool\.h5: scans: 150 frames of scan 'empty' are also"):
        run(world, tmp_path / "rows.csv", trained_with=[tmp_path / "renamed.h5"])
    build_noise_pool(world.calibration, tmp_path / "other.h5", background_level="keep")
    run(world, tmp_path / "rows.csv", trained_with=[tmp_path / "other.h5"])
