"""Parameters, their table, and the store of simulated components."""

import dataclasses

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smrestore.errors import InputError
from smrestore.parameters import (
    SizeLimits,
    draw_cases,
    read_cases,
    read_json_cases,
    simulation_of,
    write_cases,
)
from smrestore.physics import Particle, system_matrix
from smrestore.simulation import ComponentSelection, simulate_batch, simulate_full
from smrestore.store import StoredMatrix, SystemMatrixStore, verify_store, write_store

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
