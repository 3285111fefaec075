"""Physics fitted to a scan: derivatives, receive factors, the posterior, and whole scans."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import h5py
import numpy as np
import pytest
from fitted_scanner import GRID, SEQUENCE, SETTINGS
from hypothesis import given, settings
from hypothesis import strategies as st
from mdf_files import forget_checksums
from tiny_scanner import SCANNER, SEED

from smrestore import mdf
from smrestore.cli import main
from smrestore.fitting.family import Family
from smrestore.fitting.forward import Forward
from smrestore.fitting.model import FittedModel
from smrestore.fitting.receive import smooth_factors
from smrestore.fitting.scan import (
    BLOCKS,
    blocks_of,
    fit_scan,
    read_calibration,
    spread_positions,
)
from smrestore.fitting.settings import FitSettings, State
from smrestore.fitting.solve import robust_weights
from smrestore.mdf.background import background_shares, subtract_background
from smrestore.mdf.restored import EXPECTED_ERROR
from smrestore.metrics import psnr
from smrestore.physics.harmonics import norms, solid_harmonics, values
from smrestore.physics.spectrum import Components
from smrestore.restoration.modelled import NOISE_GAIN, restore_by_model
from smrestore.scanner import load_scanner, scan_calibration, scan_empty
from smrestore.scanner.signal import DeltaSample
from smrestore.support.errors import InputError
from smrestore.tasks.scan import scan_task


def quality(path: Path, scan: Path, missing: np.ndarray | None = None) -> float:
    """Return the mean PSNR over the components along driven axes that exceed the noise."""
    restored = mdf.read_system_matrix(path, channels=[0, 1])
    noise = mdf.corrected_noise(scan, channels=[0, 1])
    with h5py.File(scan.parent / "truth.h5") as file:
        truth = file["system_matrix"][:2]
    peak = np.abs(truth).max(axis=(2, 3, 4))
    seen = np.argwhere(peak > noise)
    return float(
        np.mean(
            [
                psnr(restored[c, k] / peak[c, k], truth[c, k] / peak[c, k], valid=missing)
                for c, k in seen
            ]
        )
    )


@settings(deadline=None)
@given(degree=st.integers(0, 6))
def test_harmonics_are_harmonic_and_orthogonal(degree):
    harmonics = solid_harmonics(degree)
    assert len(harmonics) == 2 * degree + 1
    for harmonic in harmonics:
        laplacian: dict[tuple, float] = {}
        for powers, coefficient in harmonic.items():
            assert sum(powers) == degree
            for axis in range(3):
                n = powers[axis]
                if n >= 2:
                    key = tuple(p - 2 * (i == axis) for i, p in enumerate(powers))
                    laplacian[key] = laplacian.get(key, 0) + coefficient * n * (n - 1)
        assert all(abs(value) < 1e-9 for value in laplacian.values())
    height, weight = np.polynomial.legendre.leggauss(12)
    angle = 2 * np.pi * np.arange(24) / 24
    ring = np.sqrt(1 - height**2)[:, None]
    points = np.stack(
        [ring * np.cos(angle), ring * np.sin(angle), np.tile(height[:, None], 24)], axis=-1
    )
    table = np.array([values(h, points).ravel() / norms(h)[0] for h in harmonics])
    gram = (table * np.repeat(weight / 48, 24)) @ table.T
    np.testing.assert_allclose(gram, np.eye(len(table)), atol=1e-12)


@pytest.mark.parametrize("state", [state for state in get_args(State) if state != "neel"])
def test_derivatives_agree_with_finite_differences(state):
    family = Family(state, 3, 2, 2, SEQUENCE.driven, 0.02, core_sizes=2)
    forward = Forward(SEQUENCE, GRID, *DeltaSample((2e-3, 2e-3, 0.0), 2).quadrature())
    rng = np.random.default_rng(0)
    theta = np.array([u.start for u in family.unknowns])
    theta += 0.01 * rng.normal(size=len(theta))
    positions = GRID.positions().reshape(-1, 3)[::7]
    components = Components(np.array([0, 0, 1, 1]), np.array([20, 51, 33, 66]))
    _, slopes = forward.images(family, theta, positions, components, derivatives=True)
    scale = np.linalg.norm(slopes) / len(theta)
    for number in range(len(theta)):
        step = 1e-4
        ends = []
        for sign in (1, -1):
            moved = theta.copy()
            moved[number] += sign * step
            ends.append(forward.images(family, moved, positions, components)[0])
        expected = (ends[0] - ends[1]) / (2 * step)
        error = np.linalg.norm(slopes[number] - expected)
        assert error < 0.01 * np.linalg.norm(expected) + 1e-4 * scale


def test_derivatives_out_of_equilibrium():
    """Steps are larger than in equilibrium, as moments have the error of an integrator."""
    family = Family("neel", 1, 0, 0, SEQUENCE.driven, 0.02, core_sizes=2)
    forward = Forward(SEQUENCE, GRID, np.zeros((1, 3)), np.ones(1), dynamic_tolerance=1e-6)
    theta = np.array([u.start for u in family.unknowns])
    positions = GRID.positions().reshape(-1, 3)[[5, 40]]
    components = Components(np.array([0, 0, 1, 1]), np.array([20, 51, 33, 66]))
    _, slopes = forward.images(family, theta, positions, components, derivatives=True)
    for number in (*range(5), 6, 8):
        ends = []
        for sign in (1, -1):
            moved = theta.copy()
            moved[number] += sign * 0.02
            ends.append(forward.images(family, moved, positions, components)[0])
        expected = (ends[0] - ends[1]) / 0.04
        error = np.linalg.norm(slopes[number] - expected)
        assert error < 0.15 * np.linalg.norm(expected)


@pytest.mark.parametrize(
    ("state", "error", "doubted"),
    [("fluid", 0.3, True), ("fluid", 0.05, False), ("neel", 0.3, False)],
)
def test_a_planar_fit_with_large_errors_should_leave_equilibrium(state, error, doubted):
    family = Family(state, 1, 0, 0, SEQUENCE.driven, 0.02)
    forward = Forward(SEQUENCE, GRID, np.zeros((1, 3)), np.ones(1))
    theta = np.array([u.start for u in family.unknowns])
    model = FittedModel(forward, family, theta, {"all": error}, ())
    assert [("--states fluid neel" in doubt) for doubt in model.doubts()] == [True] * doubted
    assert ("out of equilibrium" in model.physics) == (state == "neel")


def test_smooth_factors_tell_weak_components_from_their_neighbours():
    rng = np.random.default_rng(1)
    frequency = np.linspace(20e3, 1.2e6, 300)
    true = 1 / (1 - (frequency / 9e5) ** 2 + 1j * frequency / 1.35e6)
    true = true * np.exp(-2j * np.pi * frequency * 2e-7)
    deviation = np.where(np.arange(300) % 3, 1.0, 0.02)
    noise = rng.normal(size=(2, 300)) * deviation / np.sqrt(2)
    factor, variance = smooth_factors(frequency, true + noise[0] + 1j * noise[1], deviation**2)
    weak = deviation == 1
    error = np.abs(factor - true)[weak]
    assert np.sqrt(np.mean(error**2)) < 0.05
    assert 0.5 < np.sqrt(np.mean(error**2 / variance[weak])) < 2


def test_a_factor_unlike_its_neighbours_stays_if_it_is_known():
    frequency = np.linspace(20e3, 1.2e6, 100)
    factor = np.ones(100, complex)
    factor[50] = 1.5
    found, _ = smooth_factors(frequency, factor, np.full(100, 1e-8))
    np.testing.assert_allclose(found, factor, atol=1e-3)


def test_shares_are_what_the_subtraction_does():
    times = np.array([1, 2, 3, 6, 7, 8, 11, 12])
    background_times = np.array([0, 4, 5, 9, 10, 13])
    for correction in ("interpolate", "mean"):
        shares = background_shares(times, background_times, correction)
        response = np.empty((8, 6))
        for frame in range(6):
            spectra = np.zeros((1, 1, 8), np.complex64)
            background = np.zeros((6, 1, 1), np.complex64)
            background[frame] = 1
            subtract_background(spectra, times, background, background_times, correction)
            response[:, frame] = -spectra[0, 0].real
        np.testing.assert_allclose(shares @ shares.T, response @ response.T, atol=1e-6)


def test_positions_far_out_are_left_out():
    residual = np.random.default_rng(2).normal(size=(50, 20)) + 0j
    residual[[3, 17]] *= 30
    assert np.flatnonzero(robust_weights(residual) == 0).tolist() == [3, 17]


def test_spread_positions_are_spread():
    positions = GRID.positions().reshape(-1, 3)
    chosen = positions[spread_positions(positions, 8)]
    distance = np.linalg.norm(chosen[:, None] - chosen, axis=-1) + np.eye(8)
    assert distance.min() > 2 * GRID.voxel[0]


def test_the_tracer_is_found(scan):
    fit = fit_scan(read_calibration(scan), SETTINGS)
    found = {row["unknown"]: row["value"] for row in fit.table()}
    assert found["core diameter"] == pytest.approx(20, rel=0.03)
    assert found["diameter spread"] == pytest.approx(0.1, abs=0.02)
    assert found["anisotropy"] == pytest.approx(1500, rel=0.03)
    assert found["spatial modulation"] == pytest.approx(1, abs=0.03)
    assert fit.model.held_out["all"] < 0.05
    again = fit_scan(read_calibration(scan), SETTINGS)
    np.testing.assert_array_equal(again.model.theta, fit.model.theta)


def test_all_tasks_by_the_fitted_model(scan, tmp_path):
    missing = np.zeros(GRID.size, dtype=bool)
    missing[2:4, 3:7] = True
    for number, (task, least) in enumerate(
        [
            (scan_task("denoising"), 42),
            (scan_task("inpainting", missing=missing), 42),
            (scan_task("accelerated-calibration", factor=2, decimate=True), 35),
        ]
    ):
        found = []
        for method in ("model", "model-and-measurement"):
            path = tmp_path / f"{number}-{method}.mdf"
            restore_by_model(scan, path, method, task=task, settings=SETTINGS)
            found.append(quality(path, scan))
        measured = quality(scan, scan)
        assert found[0] > max(least, measured + 8)
        assert found[1] > found[0] - 0.5
    assert quality(tmp_path / "1-model.mdf", scan, missing) > 38


def test_corrupted_positions_are_found(scanner, tmp_path):
    from smrestore.scanner.calibrations import Corruption

    path = tmp_path / "scan.mdf"
    scan_calibration(
        path, tmp_path / "truth.h5", scanner, SEQUENCE, GRID, averages=100, seed=SEED,
        corruption=Corruption("attenuated", 30, 6),
    )  # fmt: skip
    model = fit_scan(read_calibration(path), SETTINGS).model
    order = np.arange(30, 36)
    x, y = order % 9, order // 9
    expected = np.ravel_multi_index((x, y, np.zeros(6, int)), GRID.size)
    assert sorted(model.left_out) == sorted(expected.tolist())


def test_five_core_sizes_stand_for_the_distribution(scan):
    model = fit_scan(read_calibration(scan), SETTINGS).model
    assert model.family.core_sizes == 5
    data = read_calibration(scan)
    images = {
        number: model.forward.of_point().images(
            replace(model.family, core_sizes=number), model.theta, data.positions, data.components
        )[0]
        for number in (3, 5, 9)
    }
    size = np.sqrt(np.mean(np.abs(images[9]) ** 2, axis=0))
    driven = data.components.channel < 2
    weak = driven & (size < 1e-2 * size[driven].max()) & (size > 1e-3 * size[driven].max())
    error = [
        np.median(np.sqrt(np.mean(np.abs(images[n] - images[9]) ** 2, axis=0))[weak] / size[weak])
        for n in (3, 5)
    ]
    assert error[0] > 1e-3 > 5 * error[1]


def test_a_finer_grid(scan, tmp_path):
    path = tmp_path / "fine.mdf"
    task = scan_task("upsampling", factor=2)
    restore_by_model(scan, path, "model-and-measurement", task=task, settings=SETTINGS)
    with mdf.open_mdf(path) as file:
        assert file.grid().size == (17, 15, 1)
    restore_by_model(scan, path, "model", settings=SETTINGS, refinement=3)
    with mdf.open_mdf(path) as file:
        assert file.grid().size == (25, 22, 1)
        assert file.grid().axes()[0][0] == pytest.approx(GRID.axes()[0][0])


@pytest.mark.parametrize("method", ["model", "model-and-measurement"])
def test_the_expected_error_is_the_real_one(method, scan, tmp_path):
    path = tmp_path / "restored.mdf"
    restore_by_model(scan, path, method, settings=SETTINGS)
    restored = mdf.read_system_matrix(path, channels=[0, 1])
    with h5py.File(path) as file:
        expected = file[EXPECTED_ERROR][0, :2]
    with h5py.File(scan.parent / "truth.h5") as file:
        truth = file["system_matrix"][:2]
    error = np.sqrt(np.mean(np.abs(restored - truth) ** 2, axis=(2, 3, 4)))
    peak = np.abs(truth).max(axis=(2, 3, 4))
    seen = peak > mdf.corrected_noise(scan, channels=[0, 1])
    assert 0.3 < np.median(expected[seen] / error[seen]) < 3
    rms = np.sqrt(np.mean(np.abs(restored) ** 2, axis=(2, 3, 4)))
    noise = mdf.corrected_noise(scan, channels=[0, 1])
    ratio = rms[seen] / np.hypot(expected, noise / NOISE_GAIN)[seen]
    np.testing.assert_allclose(mdf.read_snr(path)[:2][seen], ratio, rtol=1e-5)


def test_by_command(scan, tmp_path, capsys):
    path, fit = tmp_path / "restored.mdf", tmp_path / "fit.json"
    arguments = ["restore", "denoising", str(scan), str(path), "--method", "model-and-measurement"]
    assert main([*arguments, "--save-fit", str(fit)]) == 0
    assert "restored by model-and-measurement" in capsys.readouterr().out
    content = json.loads(fit.read_text())
    assert content["periods"][0]["family"]["state"] == "fluid"
    assert content["source"] == scan.name
    assert {"unknown", "value", "standard error", "unit", "at bound"} == set(
        content["periods"][0]["unknowns"][0]
    )


def test_a_fit_is_kept_and_used_again(scan, tmp_path, capsys):
    fit, now, later = (tmp_path / name for name in ("fit.json", "now.mdf", "later.mdf"))
    assert main(["fit", str(scan), str(fit), "--states", "fluid"]) == 0
    printed = capsys.readouterr().out
    assert "core diameter" in printed
    assert "rough in space" in printed
    arguments = ["restore", "denoising", str(scan)]
    assert main([*arguments, str(later), "--method", "model", "--fit", str(fit)]) == 0
    restore_by_model(scan, now, "model", settings=FitSettings(states=("fluid",)))
    np.testing.assert_array_equal(mdf.read_system_matrix(later), mdf.read_system_matrix(now))
    content = json.loads(fit.read_text())
    content["sequence"]["gradient"][0] *= 2
    fit.write_text(json.dumps(content))
    assert main([*arguments, str(tmp_path / "x.mdf"), "--method", "model", "--fit", str(fit)]) == 2
    assert "another sequence" in capsys.readouterr().err
    fit.write_text("{}")
    assert main([*arguments, str(tmp_path / "x.mdf"), "--method", "model", "--fit", str(fit)]) == 2
    assert "no fit of this version" in capsys.readouterr().err
    assert not (tmp_path / "x.mdf").exists()


def test_options_of_other_methods_are_refused(scan, tmp_path, capsys):
    arguments = ["restore", "denoising", str(scan), str(tmp_path / "x.mdf"), "--method"]
    assert main([*arguments, "model", "--twins"]) == 2
    assert "--twins" in capsys.readouterr().err
    assert main([*arguments, "dct-filter", "--allow-misfit"]) == 2
    assert "--allow-misfit" in capsys.readouterr().err
    assert not (tmp_path / "x.mdf").exists()


def changed(scan: Path, folder: Path, edit) -> Path:
    """Return a copy of a scan after ``edit`` of its HDF5 file."""
    path = folder / "changed.mdf"
    path.write_bytes(scan.read_bytes())
    with h5py.File(path, "r+") as file:
        forget_checksums(file)
        edit(file)
    return path


def test_a_header_with_another_gradient_is_named(scan, tmp_path, caplog):
    def edit(file):
        file["acquisition/gradient"][...] *= 1.25

    path = changed(scan, tmp_path, edit)
    restore_by_model(path, tmp_path / "x.mdf", "model", settings=SETTINGS)
    assert "gradient along x: fitted -1" in caplog.text
    assert "header -1.25" in caplog.text
    assert quality(tmp_path / "x.mdf", scan) > 42


def test_a_grid_off_by_a_centimeter_is_named(scan, tmp_path, caplog):
    def edit(file):
        file["calibration/fieldOfViewCenter"][...] = [0.012, 0.0, 0.0]

    path = changed(scan, tmp_path, edit)
    restore_by_model(path, tmp_path / "x.mdf", "model", settings=SETTINGS)
    assert "grid shifted along x by 12 mm" in caplog.text
    assert quality(tmp_path / "x.mdf", scan) > 42


def test_a_scan_that_the_model_does_not_describe_is_refused(scan, tmp_path):
    def edit(file):
        spectra = file["measurement/data"][()]
        is_background = file["measurement/isBackgroundFrame"][()].astype(bool)
        voxels = np.flatnonzero(~is_background)
        spectra[voxels] = spectra[np.random.default_rng(0).permutation(voxels)]
        file["measurement/data"][...] = spectra

    path = changed(scan, tmp_path, edit)
    with pytest.raises(InputError, match="of the signal at held-out positions unexplained"):
        restore_by_model(path, tmp_path / "x.mdf", "model", settings=SETTINGS)
    assert not (tmp_path / "x.mdf").exists()
    restore_by_model(path, tmp_path / "x.mdf", "model", settings=SETTINGS, allow_misfit=True)
    assert (tmp_path / "x.mdf").exists()


def test_a_header_with_another_drive_field_is_named(scan, tmp_path, caplog):
    def edit(file):
        file["acquisition/drivefield/strength"][...] *= 1.2

    path = changed(scan, tmp_path, edit)
    restore_by_model(path, tmp_path / "x.mdf", "model", settings=SETTINGS)
    assert "gradient over drive field along y: fitted 1.1" in caplog.text


def test_gradients_of_the_other_sign_are_the_same_physics(scan, tmp_path):
    """The moment is odd, so the factors take the sign. Only the way to the minimum differs."""

    def edit(file):
        file["acquisition/gradient"][...] *= -1

    path = changed(scan, tmp_path, edit)
    restore_by_model(path, tmp_path / "x.mdf", "model", settings=SETTINGS)
    assert quality(tmp_path / "x.mdf", scan) > 37


def test_saturated_frames_are_refused(scan, tmp_path):
    def edit(file):
        spectra = file["measurement/data"][()]
        largest = int(0.3 * np.abs(spectra).max())
        file["measurement/data"][...] = np.clip(spectra, -largest, largest)

    path = changed(scan, tmp_path, edit)
    with pytest.raises(InputError, match="of the signal at held-out positions unexplained"):
        restore_by_model(path, tmp_path / "x.mdf", "model", settings=SETTINGS)
    assert not (tmp_path / "x.mdf").exists()


def test_a_scan_without_background_frames_is_refused(scan, tmp_path):
    def edit(file):
        is_background = file["measurement/isBackgroundFrame"][()].astype(bool)
        spectra = file["measurement/data"][()][~is_background]
        del file["measurement/data"], file["measurement/isBackgroundFrame"]
        file["measurement/data"] = spectra
        file["measurement/isBackgroundFrame"] = np.zeros(len(spectra), np.int8)
        file["acquisition/numFrames"][...] = len(spectra)

    path = changed(scan, tmp_path, edit)
    for background, message in (("interpolate", "no background frames"), (None, "needs two")):
        with pytest.raises(InputError, match=message):
            restore_by_model(
                path, tmp_path / "x.mdf", "model", settings=SETTINGS, background=background
            )
    assert not (tmp_path / "x.mdf").exists()


def test_two_tracers_in_one_sample_leave_a_misfit_that_measurements_mend(tmp_path):
    entry = copy.deepcopy(SCANNER)
    entry["tracer"]["second_mode"] = {
        "share": 0.5,
        "median_core_diameter_nm": 28.0,
        "diameter_spread": 0.05,
        "anisotropy_constant_J_per_m3": 6000.0,
    }
    path = tmp_path / "scan.mdf"
    two = load_scanner("two", entry)
    scan_calibration(
        path, tmp_path / "truth.h5", two, SEQUENCE, GRID, averages=100, seed=SEED
    )  # fmt: skip
    found = []
    for method in ("model", "model-and-measurement"):
        restore_by_model(path, tmp_path / "x.mdf", method, settings=SETTINGS)
        found.append(quality(tmp_path / "x.mdf", path))
    assert found[0] < 40
    assert found[1] > max(found[0], quality(path, path)) - 0.5


def test_positions_on_a_line_fill_the_plane_by_the_model(scan, tmp_path):
    missing = np.ones(GRID.size, dtype=bool)
    missing[:, 3] = False
    task = scan_task("inpainting", missing=missing)
    restore_by_model(
        scan, tmp_path / "x.mdf", "model-and-measurement", task=task, settings=SETTINGS
    )
    # What lies off the line is extrapolated: better than nothing, far from what a plane tells.
    assert 15 < quality(tmp_path / "x.mdf", scan) < 42


def test_fields_out_of_reach_are_refused(scan, tmp_path):
    def edit(file):
        file["acquisition/gradient"][...] *= 1000

    path = changed(scan, tmp_path, edit)
    with pytest.raises(InputError, match="is likely written in mT/m"):
        restore_by_model(path, tmp_path / "x.mdf", "model", settings=SETTINGS)
    # The fit itself does not take them either.
    with pytest.raises(InputError, match="fields of the header are too strong"):
        fit_scan(read_calibration(path), SETTINGS)


def test_an_empty_calibration_has_no_components(scanner, tmp_path):
    entry = copy.deepcopy(SCANNER)
    for channel in entry["channels"]:
        channel["sensitivity_uV_s"] = 1e-9
    path = tmp_path / "empty.mdf"
    scan_calibration(
        path, tmp_path / "truth.h5", load_scanner("empty", entry), SEQUENCE, GRID, averages=1,
        seed=SEED,
    )  # fmt: skip
    with pytest.raises(InputError, match=r"components exceed their noise|unexplained"):
        restore_by_model(path, tmp_path / "x.mdf", "model", settings=SETTINGS)
    assert not (tmp_path / "x.mdf").exists()


def test_too_few_positions(scan, tmp_path):
    missing = np.ones(GRID.size, dtype=bool)
    missing[:5, 0] = False
    with pytest.raises(InputError, match="5 positions are too few"):
        restore_by_model(
            scan, tmp_path / "x.mdf", "model", task=scan_task("inpainting", missing=missing),
            settings=SETTINGS,
        )  # fmt: skip


def test_a_scan_without_a_sample_is_no_calibration(scanner, tmp_path):
    path = tmp_path / "frames.mdf"
    scan_empty(path, scanner, SEQUENCE, frames=4, seed=SEED)
    with pytest.raises(InputError, match="calibration"):
        restore_by_model(path, tmp_path / "x.mdf", "model", settings=SETTINGS)


def test_fewer_positions_than_unknowns_are_enough(scan, tmp_path):
    """Priors decide what data do not, and standard errors say so."""
    data = read_calibration(scan)
    unused = np.ones(GRID.size, dtype=bool)
    unused.ravel()[spread_positions(data.positions, 12)] = False
    fit = fit_scan(data.without(unused), SETTINGS)
    assert len(fit.table()) > 36
    whole = fit_scan(data, SETTINGS)
    ratio = [
        few["standard error"] / all_["standard error"]
        for few, all_ in zip(fit.table(), whole.table(), strict=False)
    ]
    assert np.median(ratio) > 1.5
    task = scan_task("inpainting", missing=unused)
    restore_by_model(scan, tmp_path / "x.mdf", "model", task=task, settings=SETTINGS)
    assert quality(tmp_path / "x.mdf", scan) > 30


def test_values_that_are_no_numbers_are_named(scan, tmp_path):
    def edit(file):
        spectra = file["measurement/data"][()].astype(np.float32)
        foreground = np.flatnonzero(file["measurement/isBackgroundFrame"][()] == 0)
        spectra[foreground[5]] = np.nan
        del file["measurement/data"]
        file["measurement/data"] = spectra

    path = changed(scan, tmp_path, edit)
    with pytest.raises(InputError, match=r"NaN or infinite value in frame \d+.*voxel"):
        restore_by_model(path, tmp_path / "x.mdf", "model", settings=SETTINGS)
    assert not (tmp_path / "x.mdf").exists()


def test_each_block_is_held_out_once(scan):
    """Errors of any block count: the voxels of one are 5 % too strong."""
    data = read_calibration(scan)
    before = fit_scan(data, SETTINGS).model.held_out["all"]
    block = blocks_of(data)
    for number in (0, BLOCKS - 1):
        images = data.images.copy()
        images[block == number] *= 1.05
        assert fit_scan(replace(data, images=images), SETTINGS).model.held_out["all"] > 2 * before
