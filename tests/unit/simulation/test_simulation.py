"""Parameters, their table, and the store of simulated components."""

import dataclasses
import functools
import math
import resource
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smrestore.physics import Particle, system_matrix
from smrestore.physics.dynamics import Rotation, dynamic_values
from smrestore.physics.parameters import (
    MOST_TURNING,
    SizeLimits,
    draw_cases,
    read_cases,
    read_json_cases,
    simulation_of,
    write_cases,
)
from smrestore.simulation.batches import (
    ComponentSelection,
    Resources,
    balanced_batches,
    batch_of,
    estimated_cost,
    simulate_batch,
    simulate_full,
    simulate_matrix,
)
from smrestore.simulation.staging import StagedImages
from smrestore.simulation.store import StoredMatrix, SystemMatrixStore, verify_store, write_store
from smrestore.support.errors import InputError

SMALL = {"dimension": 2, "limits": SizeLimits((3, 9)), "sampling_rate": 2.5e6}
SELECTION = ComponentSelection(1e-5, 40)


def cases(count=3, **changes):
    return draw_cases(count, seed=7, dataset="set", split="train", **{**SMALL, **changes})


@given(seed=st.integers(0, 2**40), dimension=st.sampled_from([2, 3]))
@settings(max_examples=50, deadline=None)
def test_draws_follow_table_1(seed, dimension):
    (case,) = draw_cases(
        1,
        seed=seed,
        dataset="set",
        split="test",
        dimension=dimension,
        limits=SizeLimits((1, 10_000)),
    )
    assert 15 <= case["core_diameter_nm"] <= 25
    assert 1e3 <= case["anisotropy_constant_J_per_m3"] <= 1e4
    assert 0.3 <= case["spatial_modulation"] <= 1.3
    assert np.linalg.norm(case["easy_axis"]) == pytest.approx(1)
    gx, gy, gz = case["gradient_T_per_m"]
    assert 0.1 <= gx <= 1.5
    assert 0.1 <= gy <= 1.5
    assert gz == pytest.approx(-(gx + gy))
    beta = Particle(case["core_diameter_nm"] * 1e-9).beta
    for axis in range(dimension):
        amplitude = case["drive_amplitude_mT"][axis]
        gradient = abs(case["gradient_T_per_m"][axis])
        fov, drive_fov = case["fov_mm"][axis], 2 * amplitude / gradient
        assert 5 <= amplitude <= 14
        assert 1 <= fov / drive_fov <= 2
        assert abs(case["center_mm"][axis]) <= (fov - drive_fov) / 2 + 1e-9
        resolution = 4160 / (beta * gradient)
        assert fov / resolution * 6.24 <= case["size"][axis] <= fov / resolution * 8.32 + 1
    if dimension == 2:
        assert case["drive_amplitude_mT"][2] == case["fov_mm"][2] == case["center_mm"][2] == 0
        assert case["size"][2] == 1


def test_draws_have_the_means_of_the_distribution():
    drawn = draw_cases(
        600, seed=1, dataset="set", split="train", dimension=2, limits=SizeLimits((1, 10_000))
    )
    sizes = np.array([case["size"][:2] for case in drawn])
    assert np.abs(sizes.mean() - 30.5) < 2
    assert np.mean([case["particle_state"] == "fluid" for case in drawn]) == pytest.approx(
        0.5, abs=0.07
    )
    cubes = np.array([case["core_diameter_nm"] ** 3 for case in drawn])
    assert cubes.mean() == pytest.approx((15**3 + 25**3) / 2, rel=0.03)


def test_draws_depend_on_their_place_alone():
    assert cases(5)[:3] == cases(3)
    other = draw_cases(3, seed=7, dataset="set", split="test", **SMALL)
    assert not {c["core_diameter_nm"] for c in other} & {c["core_diameter_nm"] for c in cases(3)}


def test_size_limits_hold_and_impossible_ones_are_named():
    assert all(3 <= n <= 9 for case in cases(20) for n in case["size"][:2])
    with pytest.raises(InputError, match=r"size limits.*Widen"):
        cases(1, limits=SizeLimits((200, 201)))


def test_csv_round_trip_is_exact(tmp_path):
    drawn = cases()
    write_cases(tmp_path / "cases.csv", drawn)
    assert read_cases(tmp_path / "cases.csv") == drawn
    header = (tmp_path / "cases.csv").read_text().splitlines()[0]
    assert "drive_amplitude_x_mT" in header
    assert "gradient_z_T_per_m" in header


def test_csv_faults_are_named(tmp_path):
    path = tmp_path / "cases.csv"
    with pytest.raises(InputError, match="no such file"):
        read_cases(path)
    write_cases(path, cases())
    path.write_text(path.read_text().replace("fov_y_mm", "fov_y_cm"))
    with pytest.raises(InputError, match=r"cases\.csv: fov_y_mm: column is missing"):
        read_cases(path)


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1]", "[{"])
def test_json_faults_are_named(tmp_path, text):
    path = tmp_path / "cases.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"cases\.json: not"):
        read_json_cases(path)


def test_missing_key_of_a_case_is_named():
    case = cases(1)[0]
    del case["fov_mm"]
    with pytest.raises(InputError, match=r"^fov_mm: case 'train-00000' lacks fov_mm"):
        simulation_of(case)


def test_store_holds_the_system_matrix(tmp_path):
    drawn = cases(2)
    path = tmp_path / "000.h5"
    simulate_batch(drawn, path, selection=ComponentSelection(1e-5, 10**6), seed=1)
    store = SystemMatrixStore([path])
    assert len(store) == 2
    for index, case in enumerate(drawn):
        matrix = system_matrix(simulation_of(case))
        norms = np.linalg.norm(matrix.reshape(*matrix.shape[:2], -1), axis=-1)
        assert store.n_components(index) == (norms > 1e-5 * norms.max()).sum()
        assert store.shape(index) == tuple(case["size"])
        assert store.parameters(index) == case
        for component in range(0, store.n_components(index), 37):
            read = store.read(index, component)
            true = matrix[read.channel, read.frequency]
            expected = true * 1j / np.abs(true).max()
            np.testing.assert_allclose(read.image, expected, atol=1e-6)
            assert np.abs(read.image).max() == pytest.approx(1)
            assert store.find(index, read.mixing_order, read.channel) is not None
    with h5py.File(path) as file:
        group = file["train-00000"]
        images, norm = group["components"][()], group["norm"][()]
        recovered = -1j * images[5] * norm[5] / np.linalg.norm(images[5])
        matrix = system_matrix(simulation_of(drawn[0]))
        true = matrix[group["channel"][5], group["frequency"][5]]
        np.testing.assert_allclose(recovered, true, atol=1e-6 * np.abs(true).max())
        assert {"smrestore_version", "git_commit", "seed"} <= set(file.attrs)


def test_result_does_not_depend_on_the_batch(tmp_path):
    drawn = cases(3)
    simulate_batch(drawn, tmp_path / "all.h5", selection=SELECTION, seed=1)
    simulate_batch(drawn[2:], tmp_path / "last.h5", selection=SELECTION, seed=1)
    one, other = SystemMatrixStore([tmp_path / "all.h5"]), SystemMatrixStore([tmp_path / "last.h5"])
    assert other.n_components(0) == 40
    for component in range(40):
        a, b = one.read(2, component), other.read(0, component)
        assert (a.channel, a.frequency) == (b.channel, b.frequency)
        np.testing.assert_array_equal(a.image, b.image)


def test_failed_batch_leaves_nothing_and_keeps_the_former(tmp_path):
    path = tmp_path / "000.h5"
    simulate_batch(cases(1), path, selection=SELECTION, seed=1)
    before = path.read_bytes()
    bad = [*cases(1), {**cases(2)[1], "core_diameter_nm": -1.0}]
    with pytest.raises(InputError, match="core_diameter"):
        simulate_batch(bad, path, selection=SELECTION, seed=1)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kept", [0, 100_000])
def test_full_disk_is_named_and_leaves_nothing(tmp_path, kept):
    path = tmp_path / "000.h5"
    simulate_batch(cases(1), path, selection=SELECTION, seed=1)
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # No file may grow beyond this: for programs it is like a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000 + kept, hard))
        with pytest.raises(InputError, match=r"000\.h5: there is no space left.*Free some"):
            simulate_batch(cases(40), path, selection=ComponentSelection(1e-5, 500), seed=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_little_memory_gives_the_same_matrix_by_way_of_the_disk(tmp_path):
    (case,) = cases(1, limits=SizeLimits((28, 34)))
    selection = ComponentSelection(1e-5, 10**6)
    whole = simulate_matrix(case, selection, seed=3)
    # Less than half of the voxels fit into the half of the memory that components may take.
    memory = math.prod(whole.components.shape) * 4 * 19 // 20
    resources = Resources(memory=memory, scratch=tmp_path, threads=1)
    staged = simulate_matrix(case, selection, seed=3, resources=resources)
    assert staged.components.images.voxels_per_stage < math.prod(case["size"]) / 2
    np.testing.assert_array_equal(staged.frequency, whole.frequency)
    np.testing.assert_array_equal(staged.components[:], whole.components[:])
    staged = StagedImages(5, (3, 4, 1), np.dtype(np.float32), voxels_per_stage=5, folder=tmp_path)
    values = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
    for voxels, part in staged.fill():
        assert len(part) <= 5
        part[:] = values[voxels]
    for indices in ([0, 1, 2, 3, 4], [1, 3], [4]):
        expected = values[:, indices].T.reshape(-1, 3, 4, 1)
        np.testing.assert_array_equal(staged.read(np.array(indices)), expected)
    assert list(tmp_path.iterdir()) == []


def test_too_little_memory_is_named():
    (case,) = cases(1)
    for memory in (1000, 20_000):
        with pytest.raises(InputError, match=r"^memory: .* MiB are too little"):
            simulate_matrix(case, SELECTION, seed=1, resources=Resources(memory=memory))
    with pytest.raises(InputError, match=r"^mem_mb: 100 MB are too little.*Give the job more"):
        Resources.of_job(100, "table", Path())


def test_estimated_norms_choose_like_exact_ones(monkeypatch):
    (case,) = cases(1, limits=SizeLimits((12, 16)))
    everything = ComponentSelection(1e-5, 10**6)
    exact = simulate_matrix(case, everything, seed=1)
    monkeypatch.setattr("smrestore.simulation.batches.N_PROBES", 40)
    estimated = simulate_matrix(case, everything, seed=1)
    np.testing.assert_array_equal(estimated.channel, exact.channel)
    np.testing.assert_array_equal(estimated.frequency, exact.frequency)
    np.testing.assert_array_equal(estimated.norm, exact.norm)
    some = simulate_matrix(case, ComponentSelection(1e-5, 50), seed=1)
    assert len(some.norm) == 50
    assert set(zip(some.channel, some.frequency, strict=True)) <= set(
        zip(exact.channel, exact.frequency, strict=True)
    )


def test_drawn_components_do_not_favor_any(monkeypatch):
    (case,) = cases(1)
    everything = simulate_matrix(case, ComponentSelection(1e-5, 10**6), seed=1)
    counts = np.zeros(len(everything.norm))
    place = {
        pair: i for i, pair in enumerate(zip(everything.channel, everything.frequency, strict=True))
    }
    share = len(counts) // 4
    for seed in range(60):
        drawn = simulate_matrix(case, ComponentSelection(1e-5, share), seed=seed)
        for pair in zip(drawn.channel, drawn.frequency, strict=True):
            counts[place[pair]] += 1
    # Binomial with 60 trials of probability 1/4.
    assert counts.mean() == pytest.approx(15, rel=0.02)
    assert counts.max() < 33
    assert abs(counts[np.argsort(everything.norm)[-20:]].mean() - 15) < 3


def test_rounded_components_are_smaller_and_read_like_others(tmp_path):
    drawn = cases(2, limits=SizeLimits((12, 16)))
    paths = tmp_path / "exact.h5", tmp_path / "rounded.h5"
    for path, decimals in zip(paths, (None, 5), strict=True):
        selection = ComponentSelection(1e-5, 200, decimals)
        simulate_batch(drawn, path, selection=selection, seed=1)
    exact, rounded = (SystemMatrixStore([path]) for path in paths)
    assert paths[1].stat().st_size < 0.75 * paths[0].stat().st_size
    for component in range(0, 200, 17):
        a, b = exact.read(1, component), rounded.read(1, component)
        assert (a.channel, a.frequency) == (b.channel, b.frequency)
        np.testing.assert_allclose(a.image, b.image, atol=1.1e-5)


def test_lagging_particles_give_complex_components(tmp_path):
    case = {**cases(1)[0], "relaxation_time_us": 2.0, "offset_mT": [1.0, 0.0, 0.0]}
    simulate_batch([case], tmp_path / "0.h5", selection=SELECTION, seed=1)
    store = SystemMatrixStore([tmp_path / "0.h5"])
    assert store.parameters(0) == case
    matrix = system_matrix(simulation_of(case))
    for component in range(0, 40, 7):
        read = store.read(0, component)
        true = matrix[read.channel, read.frequency]
        np.testing.assert_allclose(read.image, 1j * true / np.abs(true).max(), atol=1e-6)


def test_matrices_out_of_equilibrium(tmp_path):
    # A short cycle: 34 samples at 625 kHz drive.
    case = {**cases(1, model="neel")[0], "dividers": [4, 3, 5], "size": [4, 3, 1]}
    simulate_batch([case], tmp_path / "0.h5", selection=SELECTION, seed=1)
    store, simulation = SystemMatrixStore([tmp_path / "0.h5"]), simulation_of(case)
    matrix = system_matrix(
        simulation, simulate=functools.partial(dynamic_values, rotation=Rotation("neel"))
    )
    lag = []
    for component in range(store.n_components(0)):
        read = store.read(0, component)
        true = 1j * matrix[read.channel, read.frequency]
        np.testing.assert_allclose(read.image, true / np.abs(true).max(), atol=1e-6)
        lag.append(1 - np.abs(np.sum(true**2)) / np.sum(np.abs(true) ** 2))
    assert max(lag) > 1e-6
    simulate_full([case], tmp_path / "full.h5")
    with h5py.File(tmp_path / "full.h5") as file:
        np.testing.assert_allclose(file[case["name"]]["system_matrix"][()], matrix)


def test_blocked_particles_are_not_drawn_out_of_equilibrium():
    limits = SizeLimits((3, 64))
    drawn = cases(60, model="neel", limits=limits)
    energies = [simulation_of(case).particle.alpha for case in drawn]
    assert max(energies) <= MOST_TURNING
    free = [simulation_of(case).particle.alpha for case in cases(60, limits=limits)]
    assert max(free) > MOST_TURNING


def test_optional_keys_survive_a_csv(tmp_path):
    drawn = [
        {**c, "drive_phase_rad": [-1.5, -1.5, 0.0], "relaxation_time_us": 0.5} for c in cases(2)
    ]
    write_cases(tmp_path / "cases.csv", drawn)
    assert read_cases(tmp_path / "cases.csv") == drawn
    assert simulation_of(drawn[0]).sequence.drive_phase == (-1.5, -1.5, 0.0)


def test_coils_of_a_case():
    case = {**cases(1)[0], "coil_sensitivity": [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]}
    plain, both = system_matrix(simulation_of(cases(1)[0])), system_matrix(simulation_of(case))
    np.testing.assert_allclose(both[1], 0.5 * (plain[0] + plain[1]), atol=1e-6)


def test_twins_share_their_parameters():
    limits = {"limits": SizeLimits((4, 9))}
    plain, langevin = cases(4, **limits), cases(4, model="langevin", **limits)
    fine = cases(4, refinement=4, **limits)
    for one, other, refined in zip(plain, langevin, fine, strict=True):
        assert {**other, "model": "anisotropy"} == one
        assert {**refined, "size": one["size"]} == one
        assert refined["size"] == [4 * one["size"][0], 4 * one["size"][1], 1]


@given(
    costs=st.lists(st.floats(0.1, 1000), min_size=1, max_size=60),
    n_batches=st.integers(1, 20),
)
def test_batches_hold_everything_once_and_are_even(costs, n_batches):
    n_batches = min(n_batches, len(costs))
    batches = balanced_batches(costs, n_batches)
    assert sorted(index for batch in batches for index in batch) == list(range(len(costs)))
    assert all(batches)
    totals = [sum(costs[index] for index in batch) for batch in batches]
    assert max(totals) <= sum(costs) / n_batches + max(costs) + 1e-9


def test_batches_of_cases_are_a_partition():
    drawn = cases(7, limits=SizeLimits((4, 30)))
    names = [case["name"] for number in range(3) for case in batch_of(drawn, number, 3)]
    assert sorted(names) == [case["name"] for case in drawn]
    cost = [sum(map(estimated_cost, batch_of(drawn, number, 3))) for number in range(3)]
    assert max(cost) < 2 * min(cost)


@pytest.mark.parametrize(
    ("fault", "change"),
    [
        ("not finite", {"norm": np.array([np.nan])}),
        ("not normalized", {"components": np.full((1, 2, 2, 1), 0.5, np.float32)}),
        ("shapes disagree", {"channel": np.zeros(2, int)}),
    ],
)
def test_verification_finds_faults(tmp_path, fault, change):
    sound = StoredMatrix(
        "train-00000",
        np.ones((1, 2, 2, 1), np.float32),
        np.zeros(1, int),
        np.ones(1, int),
        np.zeros((1, 3), int),
        np.ones(1),
        {"size": [2, 2, 1]},
    )
    write_store(tmp_path / "sound.h5", [sound])
    verify_store(tmp_path / "sound.h5")
    write_store(tmp_path / "bad.h5", [dataclasses.replace(sound, **change)])
    with pytest.raises(InputError, match=rf"bad\.h5: train-00000: .*{fault}"):
        verify_store(tmp_path / "bad.h5")


def test_wrong_store_files_are_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        len(SystemMatrixStore([tmp_path / "none.h5"]))
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(InputError, match=r"text\.h5: not a readable HDF5 file"):
        len(SystemMatrixStore([tmp_path / "text.h5"]))
    with h5py.File(tmp_path / "other.h5", "w"):
        pass
    with pytest.raises(InputError, match=r"other\.h5: format"):
        len(SystemMatrixStore([tmp_path / "other.h5"]))


def test_full_matrices_of_json_cases(tmp_path):
    drawn = [{**case, "name": f"case {i}"} for i, case in enumerate(cases(2))]
    simulate_full(drawn, tmp_path / "out.h5")
    with h5py.File(tmp_path / "out.h5") as file:
        matrix = file["case 1/system_matrix"]
        assert matrix.dtype == np.complex128
        assert matrix.attrs["unit"] == "1/s"
        np.testing.assert_array_equal(matrix[()], system_matrix(simulation_of(drawn[1])))
    with pytest.raises(InputError, match="two cases are called 'case 0'"):
        simulate_full([drawn[0], drawn[0]], tmp_path / "twice.h5")
    assert not (tmp_path / "twice.h5").exists()
