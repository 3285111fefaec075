"""Masks: drawn ones have the exact size and are runs, files come back, faults are found."""

import math

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_scanner import SCANNER, SEED

from smrestore import mdf
from smrestore.physics import CalibrationGrid
from smrestore.scanner import load_scanner, scan_calibration
from smrestore.scanner.calibrations import ATTENUATION, Corruption, calibration_path
from smrestore.support.errors import InputError
from smrestore.support.seeds import generator
from smrestore.tasks.masks import (
    mask_from_indices,
    missing_count,
    propose_mask,
    random_mask,
    read_mask,
    scan_path,
    write_mask,
)

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))


# drawn masks


@given(shape=SHAPES, ratio=st.floats(0, 0.999), runs=st.integers(1, 4), seed=st.integers(0, 10_000))
@settings(max_examples=200, deadline=None)
def test_drawn_masks_have_exactly_the_wanted_size(shape, ratio, runs, seed):
    mask = random_mask(shape, ratio, np.random.default_rng(seed), runs)
    assert mask.shape == shape
    assert mask.dtype == bool
    n = math.prod(shape)
    assert mask.sum() == missing_count(n, ratio)
    assert not mask.all()
    assert mask.any() == (ratio > 0 and n > 1)
    again = random_mask(shape, ratio, np.random.default_rng(seed), runs)
    np.testing.assert_array_equal(mask, again)


@pytest.mark.parametrize(
    ("n", "ratio", "count"),
    [(1, 0.9, 0), (2, 1e-9, 1), (2, 0.999, 1), (10, 0.1, 1), (14175, 0.1, 1418), (100, 0, 0)],
)
def test_counts_at_the_edges(n, ratio, count):
    assert missing_count(n, ratio) == count


def paths(shape):
    """Yield the voxels of a grid in all orders that a run may follow, written out as loops."""
    for axes in [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]:
        for meandering in (False, True):
            lines, number = [], 0
            for a in range(shape[axes[0]]):
                for b in range(shape[axes[1]]):
                    line = []
                    for c in range(shape[axes[2]]):
                        voxel = [0, 0, 0]
                        voxel[axes[0]], voxel[axes[1]], voxel[axes[2]] = a, b, c
                        line.append(tuple(voxel))
                    lines += line[::-1] if meandering and number % 2 else line
                    number += 1
            yield axes, meandering, lines


def is_run(values):
    places = np.flatnonzero(values)
    return places[-1] - places[0] + 1 == len(places)


def test_one_run_is_contiguous_on_a_path_and_all_paths_occur():
    shape, seen = (3, 4, 5), set()
    known = list(paths(shape))
    for i in range(400):
        mask = random_mask(shape, 0.2, generator(1, "mask", i))
        fitting = {
            (axes, meandering)
            for axes, meandering, path in known
            if is_run([mask[voxel] for voxel in path])
        }
        assert fitting
        if len(fitting) == 1:
            seen |= fitting
    assert len(seen) == 12


def test_runs_start_everywhere_and_reach_the_ends():
    masks = [random_mask((6, 5, 1), 0.1, generator(2, i)) for i in range(600)]
    share = np.mean(masks, axis=0)
    assert share.min() > 0.02
    assert share.max() < 0.2


def test_several_runs_are_apart_in_most_masks():
    def runs_on_best_path(mask):
        return min(
            np.sum(np.diff([mask[v] for v in path], prepend=False).astype(bool)) / 2
            for _, _, path in paths(mask.shape)
        )

    rng = generator(3, "runs")
    masks = [random_mask((7, 7, 7), 0.1, rng, runs=3) for _ in range(50)]
    assert np.mean([runs_on_best_path(mask) > 1.5 for mask in masks]) > 0.9


@pytest.mark.parametrize("ratio", [-0.1, 1.0, 2.0, np.nan])
def test_impossible_ratios_are_named(ratio):
    with pytest.raises(InputError, match=r"ratio: a share of .* cannot be missing"):
        random_mask((3, 3, 3), ratio, generator(1))


def test_impossible_grids_and_runs_are_named():
    with pytest.raises(InputError, match="shape: grid of"):
        random_mask((3, 0, 3), 0.1, generator(1))
    with pytest.raises(InputError, match="runs: a mask of 0 runs"):
        random_mask((3, 3, 3), 0.1, generator(1), runs=0)


# numbers of positions


def test_numbers_count_x_fastest():
    mask = mask_from_indices((4, 3, 2), [1, 4, 12])
    assert sorted(zip(*(i.tolist() for i in np.nonzero(mask)), strict=True)) == [
        (0, 0, 1),
        (0, 1, 0),
        (1, 0, 0),
    ]
    other = mask_from_indices((4, 3, 2), [1], order="zyx")
    assert np.argwhere(other).tolist() == [[0, 0, 1]]


def test_numbers_of_visits_follow_the_robot():
    grid = CalibrationGrid((4, 3, 2), (0.04, 0.03, 0.02))
    course = calibration_path(grid, meandering=True)
    np.testing.assert_array_equal(scan_path(grid.size, meandering=True), course.voxel)
    mask = mask_from_indices(grid.size, range(5, 9), meandering=True)
    assert set(np.flatnonzero(mask)) == set(course.voxel[5:9])


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ([24], "position 24 does not lie within the 24 positions"),
        ([-1], "position -1 does not"),
        ([0.5], "positions are of type float64"),
        (range(24), "all voxels are missing"),
    ],
)
def test_wrong_numbers_are_named(positions, message):
    with pytest.raises(InputError, match=message):
        mask_from_indices((4, 3, 2), positions)
    with pytest.raises(InputError, match="order: 'xy' is no order"):
        mask_from_indices((4, 3, 2), [0], order="xy")


# files


@given(shape=SHAPES, ratio=st.floats(0, 0.9), seed=st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_files_come_back(tmp_path_factory, shape, ratio, seed):
    path = tmp_path_factory.mktemp("masks") / "mask.csv"
    rng = np.random.default_rng(seed)
    mask = random_mask(shape, ratio, rng)
    write_mask(path, mask)
    np.testing.assert_array_equal(read_mask(path, shape), mask)
    write_mask(path, mask, rng.normal(size=shape))
    np.testing.assert_array_equal(read_mask(path, shape), mask)


def test_files_are_tables_that_people_can_write(tmp_path):
    path = tmp_path / "mask.csv"
    mask = np.zeros((3, 2, 2), bool)
    mask[2, 0, 1] = mask[0, 1, 0] = True
    write_mask(path, mask)
    assert path.read_text() == "# grid 3 2 2\nx,y,z\n0,1,0\n2,0,1\n"
    path.write_text(
        "# from the log of the robot\nz, why, y, x\n1, jammed, 0, 2\n\n0, jammed, 1, 0\n"
    )
    np.testing.assert_array_equal(read_mask(path, (3, 2, 2)), mask)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# grid 3 2 1\nx,y,z\n0,0,0\n", r"grid: is for a grid of \(3, 2, 1\) voxels"),
        (b"x,y\n0,0\n", "has no columns x, y, z"),
        (b"", "has no columns x, y, z"),
        (b"x,y,z\n0,0\n", "'0,0' is no voxel"),
        (b"x,y,z\n0,0,0.5\n", "'0,0,0.5' is no voxel"),
        (b"x,y,z\n0,2,0\n", r"voxel \(0, 2, 0\) does not lie within a grid of \(3, 2, 2\)"),
        (b"x,y,z\n0,-1,0\n", r"voxel \(0, -1, 0\) does not"),
        (b"\x89HDF\r\n\x1a\n\xff", "is no text"),
    ],
)
def test_wrong_files_are_named(tmp_path, content, message):
    path = tmp_path / "mask.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_mask(path, (3, 2, 2))
    assert str(path) in str(error.value)


def test_missing_and_complete_masks_are_named(tmp_path):
    with pytest.raises(InputError, match=r"mask\.csv: cannot be read"):
        read_mask(tmp_path / "mask.csv", (3, 2, 2))
    with pytest.raises(InputError, match="all voxels are missing"):
        write_mask(tmp_path / "mask.csv", np.ones((2, 2, 2), bool))


# proposals


GRID = CalibrationGrid((11, 10, 1), (0.026, 0.024, 0.0))


@pytest.fixture(scope="module")
def scan(world, tmp_path_factory):
    """Return a function from a corruption to the components, noise and corrupted voxels."""

    def make(corruption, name):
        folder = tmp_path_factory.mktemp("scan")
        paths = folder / f"{name}.mdf", folder / f"{name}.h5"
        scan_calibration(
            *paths,
            load_scanner("tiny", {**SCANNER, "tracer": {**SCANNER["tracer"], "core_sizes": 2}}),
            world.sequence,
            GRID,
            averages=100,
            seed=SEED,
            meandering=True,
            corruption=corruption,
            max_mixing_order=16,
        )
        matrix = mdf.read_system_matrix(paths[0])
        noise = mdf.background_std(paths[0])
        mask = np.zeros(GRID.size, bool)
        with h5py.File(paths[1]) as file:
            mask[tuple(file["corrupted"][()].T)] = True
        return matrix.reshape(-1, *GRID.size), noise.ravel(), mask

    return make


@pytest.mark.parametrize("kind", ["stuck", "attenuated"])
@pytest.mark.parametrize("first", [1, 47, 99])
def test_proposal_finds_a_corrupted_run(scan, kind, first):
    images, noise, wrong = scan(Corruption(kind, first, 11), f"{kind}-{first}")
    proposal = propose_mask(images, noise, meandering=True)
    assert proposal.mask.shape == GRID.size
    assert (proposal.mask & wrong).sum() >= 10
    assert (proposal.mask & ~wrong).sum() <= 2
    sign = proposal.repetition if kind == "stuck" else proposal.deviation
    assert np.median(sign[wrong]) > 2 > 1 > np.median(sign[~wrong])


def test_proposal_for_a_sound_scan_is_almost_empty(scan):
    images, noise, _ = scan(None, "sound")
    proposal = propose_mask(images, noise, meandering=True)
    assert proposal.mask.sum() <= 2
    np.testing.assert_array_equal(
        proposal.score, np.maximum(proposal.deviation, proposal.repetition)
    )
    # A few outliers here and there are found, too, and what lies between near ones is closed.
    images[:, 3, 4, 0] *= ATTENUATION
    images[:, 8, 2, 0] *= 1 / ATTENUATION
    again = propose_mask(images, noise, meandering=True).mask
    assert again[3, 4, 0]
    assert again[8, 2, 0]
    assert again.sum() <= 4


def test_proposal_does_not_depend_on_units_and_phases(scan):
    images, noise, _ = scan(Corruption("attenuated", 30, 11), "scaled")
    factor = np.exp(1j * np.linspace(0, 9, len(images))) * 1e3
    before = propose_mask(images, noise, meandering=True)
    after = propose_mask(
        images * factor[:, None, None, None].astype(np.complex64), noise * 1e3, meandering=True
    )
    np.testing.assert_array_equal(before.mask, after.mask)
    np.testing.assert_allclose(before.score, after.score, rtol=1e-2)


def test_proposals_that_cannot_be_made_are_named():
    rng = generator(1, "weak")
    images = rng.normal(size=(40, 7, 5, 7)) + 0j
    with pytest.raises(InputError, match="images: only 0 components have a peak"):
        propose_mask(images, np.ones(40))
    with pytest.raises(InputError, match="too small to tell outliers"):
        propose_mask(images[:, :2, :2, :1], np.full(40, 0.1))
    with pytest.raises(InputError, match="with noise of shape"):
        propose_mask(images, np.ones(39))
    images[3, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        propose_mask(images, np.full(40, 0.1))
