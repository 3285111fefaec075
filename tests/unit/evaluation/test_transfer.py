"""Transfer to scans: equal rows for all system matrices, images and scores against the truth."""

import dataclasses
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
from mdf_files import forget_checksums, two_periods
from tiny_scanner import SEED

from smrestore import mdf
from smrestore.evaluation.transfer.classes import snr_names
from smrestore.evaluation.transfer.components import score_components
from smrestore.evaluation.transfer.gains import transfer_gains
from smrestore.evaluation.transfer.images import Variant, reconstruct_scan
from smrestore.evaluation.transfer.rows import load_reconstruction_settings, scored_rows
from smrestore.evaluation.transfer.table import make_transfer_table
from smrestore.evaluation.transfer.twin_table import make_twin_table
from smrestore.figures.transfer import TransferPanel, draw_transfer
from smrestore.metrics import psnr, ssim
from smrestore.physics import CalibrationGrid, Sequence, mixing_orders
from smrestore.reconstruction import ReconstructionSettings
from smrestore.reconstruction.calibration_rows import read_rows, select_rows
from smrestore.reconstruction.phantom_scan import read_measurement
from smrestore.report.markdown import read_table
from smrestore.restoration.scan import restore_scan
from smrestore.scanner import (
    load_phantom,
    repeat_calibration,
    scan_calibration,
    scan_empty,
    scan_phantom,
)
from smrestore.support.errors import InputError

GRID = CalibrationGrid((11, 9, 1), (0.022, 0.018, 0.0))
SEQUENCE = Sequence((0.012, 0.012, 0.0), (-1.0, -1.0, 2.0), sampling_rate=1.25e6)
SETTINGS = ReconstructionSettings(
    sweeps=50,
    relative_regularization=0.001,
    snr_threshold=5.0,
    channels=(0, 1),
    weighting="whitening",
)


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A noisy calibration and a phantom scan of one scanner, with their truth."""

    calibration: object
    truth: object
    phantom: object
    phantom_truth: object
    restored: object


@pytest.fixture(scope="module")
def measurement(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("transfer")
    files = Measurement(
        *(folder / name for name in ("c.mdf", "c.truth.h5", "p.mdf", "p.truth.h5", "r.mdf"))
    )
    scan = (world.scanner, SEQUENCE, GRID)
    scan_calibration(files.calibration, files.truth, *scan, averages=1, seed=SEED)
    bar = {"points_mm": [[-5, -2, 0], [5, -2, 0], [5, 3, 0]], "radius_mm": 1.5}
    scan_phantom(
        files.phantom,
        files.phantom_truth,
        *scan,
        load_phantom([bar]),
        frames=5,
        background_frames=4,
        averages=100,
        seed=SEED,
    )
    restore_scan(
        files.calibration,
        files.restored,
        lambda batch: [0.5 * item.image for item in batch],
        name="half",
    )
    return files


def reconstruct(measurement, matrix, path, truth=True, **changes):
    name = path.stem
    reconstruct_scan(
        [Variant(name, name.title(), matrix)],
        measurement.calibration,
        measurement.phantom,
        settings=SETTINGS.replace(**changes),
        truth=measurement.phantom_truth if truth else None,
        path=path,
    )
    with h5py.File(path) as file:
        attributes = {**file.attrs, **file[name].attrs}
        return file[name]["image"][()], file["rows"][()], attributes


def test_settings_come_from_the_configuration():
    entry = {
        "sweeps": 10,
        "relative_regularization": 0.3,
        "snr_threshold": 1.5,
        "channels": [0, 1],
        "weighting": "none",
        "min_frequency_Hz": 30e3,
    }
    settings = load_reconstruction_settings(entry)
    assert settings == ReconstructionSettings(
        sweeps=10,
        relative_regularization=0.3,
        snr_threshold=1.5,
        channels=(0, 1),
        min_frequency_Hz=30e3,
    )
    assert entry["channels"] == [0, 1]


def test_rows_pass_the_settings_and_carry_what_belongs_to_them(measurement):
    rows = select_rows(measurement.calibration, SETTINGS)
    snr = mdf.read_snr(measurement.calibration)
    assert set(rows.chosen[:, 0]) == {0, 1}
    np.testing.assert_array_equal(rows.snr, snr[tuple(rows.chosen.T)])
    assert (rows.snr >= 5).all()
    assert len(rows.chosen) == (snr[:2] >= 5).sum() < snr[:2].size
    std = mdf.background_std(measurement.calibration)
    np.testing.assert_array_equal(rows.background_std, std[tuple(rows.chosen.T)])
    orders = mixing_orders(SEQUENCE)
    np.testing.assert_array_equal(rows.mixing_order, orders[rows.chosen[:, 1]])


@pytest.mark.parametrize("channels", [(0, 1), (1,), (2, 0)])
def test_all_matrices_are_read_at_the_same_rows(measurement, channels):
    rows = select_rows(
        measurement.calibration, SETTINGS.replace(channels=channels, snr_threshold=0)
    )
    place = tuple(rows.chosen.T)
    measured = read_rows(measurement.calibration, rows)
    assert measured.shape == (len(rows.chosen), *GRID.size)
    np.testing.assert_array_equal(measured, mdf.read_system_matrix(measurement.calibration)[place])
    np.testing.assert_allclose(read_rows(measurement.restored, rows), measured / 2, rtol=1e-6)
    with h5py.File(measurement.truth) as file:
        np.testing.assert_array_equal(
            read_rows(measurement.truth, rows), file["system_matrix"][()][place]
        )


def test_rows_in_any_order_are_read_in_that_order(measurement):
    rows = select_rows(measurement.calibration, SETTINGS)
    order = np.random.default_rng(0).permutation(len(rows.chosen))
    shuffled = dataclasses.replace(rows, chosen=rows.chosen[order])
    np.testing.assert_array_equal(
        read_rows(measurement.calibration, shuffled),
        read_rows(measurement.calibration, rows)[order],
    )


def test_measurement_is_the_mean_without_background(measurement):
    rows = select_rows(measurement.calibration, SETTINGS)
    spectra = mdf.read_spectra(measurement.phantom).astype(complex)
    expected = spectra[4:].mean(axis=0) - spectra[:4].mean(axis=0)
    np.testing.assert_allclose(
        read_measurement(measurement.phantom, rows)[0][:, 0],
        expected[tuple(rows.chosen.T)],
        rtol=1e-9,
    )


def test_measurement_without_background_frames_is_used_as_it_is(measurement, world):
    rows = select_rows(measurement.calibration, SETTINGS)
    expected = mdf.read_spectra(world.empty).astype(complex).mean(axis=0)
    np.testing.assert_allclose(
        read_measurement(world.empty, rows)[0][:, 0], expected[tuple(rows.chosen.T)], rtol=1e-9
    )


def test_phantom_of_background_alone_is_named(measurement, tmp_path):
    path = tmp_path / "background.mdf"
    path.write_bytes(measurement.phantom.read_bytes())
    with h5py.File(path, "r+") as file:
        forget_checksums(file)
        file["/measurement/isBackgroundFrame"][...] = 1
    rows = select_rows(measurement.calibration, SETTINGS)
    with pytest.raises(
        InputError, match=r"background\.mdf: /measurement/isBackgroundFrame: all frames"
    ):
        read_measurement(path, rows)


def test_background_of_a_phantom_may_be_an_empty_scan(world, measurement):
    rows = select_rows(measurement.calibration, SETTINGS)
    place = tuple(rows.chosen.T)
    spectra = mdf.read_spectra(world.calibration).astype(np.complex128)
    with mdf.open_mdf(world.calibration) as file:
        background = file.is_background
    empty = mdf.read_spectra(world.empty).astype(np.complex128).mean(axis=0)
    expected = spectra[~background].mean(axis=0) - empty
    found, averaged = read_measurement(world.calibration, rows, empty=world.empty)
    assert averaged == (~background).sum()
    np.testing.assert_allclose(found[:, 0], expected[place], rtol=1e-9)


def test_empty_scan_of_another_sequence_is_named(world, measurement, tmp_path):
    with pytest.raises(InputError, match=r"empty\.mdf: /acquisition/receiver/bandwidth"):
        reconstruct_scan(
            [Variant("m", "Mine", measurement.calibration)],
            measurement.calibration,
            measurement.phantom,
            settings=SETTINGS,
            truth=None,
            path=tmp_path / "x.h5",
            empty=world.empty,
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("drive_amplitude", (0.012, 0.011, 0.0)),
        ("gradient", (-1.0, -1.2, 2.2)),
        ("dividers", (102, 99, 99)),
        ("base_frequency", 2.55e6),
        ("sampling_rate", 5e6),
    ],
)
def test_phantom_of_another_sequence_names_what_differs(measurement, world, tmp_path, field, value):
    other = dataclasses.replace(SEQUENCE, **{field: value})
    scan_empty(tmp_path / "other.mdf", world.scanner, other, frames=2, seed=1)
    files = dataclasses.replace(measurement, phantom=tmp_path / "other.mdf")
    dataset = {
        "drive_amplitude": "/acquisition/drivefield/strength",
        "gradient": "/acquisition/gradient",
        "dividers": "/acquisition/drivefield/divider",
        "base_frequency": "/acquisition/drivefield/baseFrequency",
        "sampling_rate": "/acquisition/receiver/bandwidth",
    }[field]
    with pytest.raises(InputError, match=rf"other\.mdf: {dataset}: is .* in the calibration"):
        reconstruct(files, measurement.truth, tmp_path / "r.h5")
    assert not (tmp_path / "r.h5").exists()


def test_truth_recovers_the_phantom_better_than_the_measurement(measurement, tmp_path):
    noisy, rows, noisy_score = reconstruct(
        measurement, measurement.calibration, tmp_path / "measured.h5"
    )
    image, same_rows, score = reconstruct(measurement, measurement.truth, tmp_path / "truth.h5")
    np.testing.assert_array_equal(rows, same_rows)
    with h5py.File(measurement.phantom_truth) as file:
        truth = file["concentration"][()]
    assert score["psnr_dB"] > noisy_score["psnr_dB"] + 1
    assert score["ssim"] > noisy_score["ssim"]
    assert score["psnr_dB"] > 20
    assert score["psnr_dB"] == pytest.approx(psnr(image, truth, peak=truth.max()))
    assert noisy_score["ssim"] == pytest.approx(ssim(noisy, truth, data_range=truth.max()))
    # In units of the delta sample: the whole amount is found.
    assert image.sum() == pytest.approx(truth.sum(), rel=0.1)


def test_halved_matrix_doubles_the_image(measurement, tmp_path):
    image, _, _ = reconstruct(measurement, measurement.calibration, tmp_path / "a.h5")
    doubled, _, _ = reconstruct(measurement, measurement.restored, tmp_path / "b.h5")
    np.testing.assert_allclose(doubled, 2 * image, rtol=1e-3, atol=1e-6)


def test_file_says_how_it_was_made(measurement, tmp_path):
    image, rows, attributes = reconstruct(
        measurement, measurement.calibration, tmp_path / "measured.h5", truth=False, sweeps=3
    )
    assert image.shape == GRID.size
    assert rows.shape == (len(rows), 2)
    assert np.isnan(attributes["psnr_dB"]) and np.isnan(attributes["ssim"])
    assert (attributes["sweeps"], attributes["weighting"]) == (3, "whitening")
    assert attributes["label"] == "Measured"
    np.testing.assert_allclose(attributes["fov_m"], GRID.fov)
    assert attributes["absolute_regularization"] == pytest.approx(
        attributes["relative_regularization"] * attributes["squared_norm"] / GRID.n_positions
    )
    assert {"smrestore_version", "git_commit", "created"} <= set(attributes)


def test_matrices_of_one_file_are_those_of_their_own(measurement, tmp_path):
    matrices = {"measured": measurement.calibration, "half": measurement.restored}
    alone = {n: reconstruct(measurement, m, tmp_path / f"{n}.h5")[0] for n, m in matrices.items()}
    together = tmp_path / "both.h5"
    reconstruct_scan(
        [Variant(name, name.title(), matrix) for name, matrix in matrices.items()],
        measurement.calibration,
        measurement.phantom,
        settings=SETTINGS,
        truth=measurement.phantom_truth,
        path=together,
    )
    with h5py.File(together) as file:
        assert set(file) == {"rows", *matrices}
        for name, image in alone.items():
            np.testing.assert_array_equal(file[name]["image"][()], image)
            assert file[name].attrs["label"] == name.title()


def score(measurement, matrix, method, path, **changes):
    score_components(
        [Variant(method, method, matrix)],
        measurement.calibration,
        measurement.truth,
        settings=SETTINGS.replace(**changes),
        measurement="bar",
        path=path,
    )
    return pd.read_csv(path)


def test_component_scores_are_relative_to_the_true_peak(measurement, tmp_path):
    rows = select_rows(measurement.calibration, SETTINGS)
    table = score(measurement, measurement.calibration, "measured", tmp_path / "measured.csv")
    assert table.columns.tolist() == [
        "measurement",
        "method",
        "scan",
        "channel",
        "frequency",
        "mixing_order_x",
        "mixing_order_y",
        "mixing_order_z",
        "snr",
        "sigma",
        "used",
        "psnr",
        "ssim",
    ]
    assert (table["measurement"] == "bar").all() and (table["scan"] == "c").all()
    used = table.loc[table["used"], ["channel", "frequency"]]
    np.testing.assert_array_equal(used, rows.chosen)
    assert 1.5 <= table["snr"].min() < 5 and len(table) > len(used)
    with h5py.File(measurement.truth) as file:
        truth = file["system_matrix"][()]
    matrix = mdf.read_system_matrix(measurement.calibration)
    for row in table.iloc[::17].itertuples():
        place = row.channel, row.frequency
        peak = np.abs(truth[place]).max()
        assert row.psnr == pytest.approx(psnr(matrix[place] / peak, truth[place] / peak))
        assert row.ssim == pytest.approx(ssim(matrix[place] / peak, truth[place] / peak))
        noise = mdf.corrected_noise(measurement.calibration, [row.channel], [row.frequency])
        assert row.sigma == pytest.approx(noise.item() / peak)


def test_all_but_the_truth_are_scored(measurement, tmp_path):
    shutil.copy(measurement.truth, tmp_path / "copy.h5")
    files = {
        "measured": measurement.calibration,
        "truth": measurement.truth,
        "perfect": tmp_path / "copy.h5",
    }
    score_components(
        [Variant(name, name, path) for name, path in files.items()],
        measurement.calibration,
        measurement.truth,
        settings=SETTINGS,
        measurement="bar",
        path=tmp_path / "s.csv",
    )
    table = pd.read_csv(tmp_path / "s.csv").set_index("method")
    assert set(table.index) == {"measured", "perfect"}
    assert np.isposinf(table.loc["perfect", "psnr"]).all()
    alone = score(measurement, measurement.calibration, "measured", tmp_path / "m.csv")
    pd.testing.assert_frame_equal(table.loc[["measured"]].reset_index()[alone.columns], alone)


def test_rows_without_true_signal_have_no_score(measurement, tmp_path):
    # Frequency 0 is among these rows, and coils induce nothing there.
    band = {"snr_threshold": 0, "max_frequency_Hz": 10e3}
    rows = select_rows(measurement.calibration, SETTINGS.replace(**band))
    table = score(measurement, measurement.calibration, "m", tmp_path / "m.csv", **band)
    assert rows.chosen[:, 1].min() == 0
    signal = rows.chosen[rows.chosen[:, 1] > 0]
    np.testing.assert_array_equal(table[["channel", "frequency"]], signal)
    assert np.isfinite(table["psnr"]).all()
    assert np.isfinite(table["snr"]).all() and table["used"].all()


def test_a_period_of_several_is_scored_by_its_own_noise(measurement, tmp_path):
    scan = two_periods(measurement.calibration, tmp_path / "scan.mdf")
    variants = [Variant("measured", "Measured", scan)]
    for threshold in (5, 0):
        band = {"snr_threshold": threshold, "min_frequency_Hz": 3e5, "max_frequency_Hz": 4e5}
        settings = SETTINGS.replace(period=1, **band)
        rows = scored_rows(scan, settings)
        assert set(rows.periods) == {1}
        # A computed ratio is the median over the periods.
        place = tuple(rows.chosen.T)
        np.testing.assert_array_equal(rows.snr, mdf.read_snr(scan, period=1)[place])
        score_components(
            variants,
            scan,
            measurement.truth,
            settings=settings,
            measurement="bar",
            path=tmp_path / "s.csv",
        )
        table = pd.read_csv(tmp_path / "s.csv")
        with h5py.File(measurement.truth) as file:
            peak = np.abs(file["system_matrix"][()]).max(axis=(2, 3, 4))[place]
        sigma = mdf.corrected_noise(scan, period=1)[place] / peak
        np.testing.assert_allclose(table["sigma"], sigma)
    both = scored_rows(scan, settings.replace(period=None))
    assert set(both.periods) == {0, 1} and len(both.chosen) == 2 * len(rows.chosen)
    assert np.isfinite(both.snr).all()


def test_missing_voxels_have_a_score_of_their_own(measurement, tmp_path):
    missing = np.zeros(GRID.size, bool)
    missing[3:6, 2] = True
    path = tmp_path / "s.csv"
    score_components(
        [Variant("half", "Half", measurement.restored)],
        measurement.calibration,
        measurement.truth,
        settings=SETTINGS,
        measurement="bar",
        path=path,
        missing=missing,
    )
    table = pd.read_csv(path)
    rows = scored_rows(measurement.calibration, SETTINGS)
    restored, truth = (read_rows(p, rows) for p in (measurement.restored, measurement.truth))
    peak = np.abs(truth[0]).max()
    error = np.abs((restored[0] - truth[0])[missing] / peak) ** 2
    expected = 10 * np.log10(2 / error.mean())  # two channels
    assert table["psnr_missing"][0] == pytest.approx(expected, rel=1e-4)


def test_a_finer_truth_compares_the_calibration_as_piecewise_constant(world, measurement, tmp_path):
    size = tuple(2 * n - 1 for n in GRID.size[:2])
    fov = tuple(m * f / (2 * n) for m, f, n in zip(size, GRID.fov, GRID.size, strict=False))
    fine = CalibrationGrid((*size, 1), (*fov, 0.0))
    truth = tmp_path / "fine.truth.h5"
    scan = (world.scanner, SEQUENCE, fine)
    scan_calibration(tmp_path / "fine.mdf", truth, *scan, averages=1, seed=SEED)
    files = dataclasses.replace(measurement, truth=truth)
    table = score(files, measurement.calibration, "measured", tmp_path / "m.csv")
    rows = scored_rows(measurement.calibration, SETTINGS)
    coarse, true = read_rows(measurement.calibration, rows)[0], read_rows(truth, rows)[0]
    x, y = (np.arange(n) for n in size)
    # Voxels between two measured ones are the mean of both.
    near = [(axis // 2, -(-axis // 2)) for axis in (x, y)]
    spread = sum(coarse[np.ix_(a, b)] for a in near[0] for b in near[1]) / 4
    peak = np.abs(true).max()
    assert table["psnr"][0] == pytest.approx(psnr(spread / peak, true / peak), rel=1e-4)
    shutil.copy(truth, tmp_path / "copy.h5")
    perfect = score(files, tmp_path / "copy.h5", "perfect", tmp_path / "t.csv")
    assert np.isposinf(perfect["psnr"]).all()


def test_image_on_another_grid_than_the_truth_is_compared_on_that_of_the_truth(
    world, measurement, tmp_path
):
    fine = dataclasses.replace(GRID, size=(22, 18, 1))
    phantom, truth = tmp_path / "p.mdf", tmp_path / "p.truth.h5"
    bar = {"points_mm": [[-5, -2, 0], [5, -2, 0], [5, 3, 0]], "radius_mm": 1.5}
    scan_phantom(
        phantom,
        truth,
        world.scanner,
        SEQUENCE,
        fine,
        load_phantom([bar]),
        frames=2,
        background_frames=2,
        averages=100,
        seed=SEED,
    )
    files = dataclasses.replace(measurement, phantom=phantom, phantom_truth=truth)
    image, _, quality = reconstruct(files, measurement.truth, tmp_path / "i.h5", sweeps=3)
    with h5py.File(truth) as file:
        true = file["concentration"][()]
    # The tracer of a voxel is spread over the four that it consists of.
    repeated = image.repeat(2, axis=0).repeat(2, axis=1) / 4
    assert quality["psnr_dB"] == pytest.approx(psnr(repeated, true, peak=true.max()))
    assert quality["psnr_dB"] > 15
    assert quality["ssim"] == pytest.approx(ssim(repeated, true, data_range=true.max()))


@pytest.fixture(scope="module")
def repeated(world, measurement, tmp_path_factory):
    """Files of two noisy scans of one truth, scored and reconstructed."""
    folder = tmp_path_factory.mktemp("repeated")
    scans = {"": measurement.calibration, "again": folder / "again.mdf"}
    scan = (world.scanner, SEQUENCE, GRID)
    repeat_calibration(scans["again"], measurement.truth, *scan, averages=1, seed=SEED)
    images, scores = [], []
    for name, calibration in scans.items():
        (folder / name).mkdir(exist_ok=True)
        files = dataclasses.replace(measurement, calibration=calibration)
        images.append(folder / name / "measured.h5")
        reconstruct(files, calibration, images[-1], sweeps=3)
        scores.append(folder / name / "measured.csv")
        score(files, calibration, "measured", scores[-1])
    return images, scores


def test_repeated_scans_give_intervals_of_their_own(repeated, tmp_path):
    images, scores = repeated
    names = {"csv": tmp_path / "csv", "markdown": tmp_path / "t.md"}
    names["classes"] = tmp_path / "classes.md"
    make_transfer_table(images, scores, methods=["measured"], **names)
    table = pd.read_csv(tmp_path / "csv").set_index(["by", "class"])
    rows = pd.concat([pd.read_csv(path) for path in scores])
    whole = table.loc[("all", "all")]
    components = rows.groupby(["channel", "frequency"])["psnr"]
    assert whole["scans"] == 2 and whole["components"] == len(components) < len(rows)
    assert whole["component_psnr_dB"] == pytest.approx(rows["psnr"].mean())
    # Wider than if both scores of a component were independent, narrower than with one score.
    independent = 1.96 * rows["psnr"].std() / np.sqrt(len(rows))
    ci95 = whole["component_psnr_dB_ci95"]
    assert independent * 1.01 < ci95 < independent * np.sqrt(2)
    by_scan = rows.groupby("scan")["psnr"].mean()
    # Two values: Student's t of one degree of freedom.
    expected = 12.706 * by_scan.std() / np.sqrt(2)
    assert whole["component_psnr_dB_ci95_scans"] == pytest.approx(expected, rel=1e-4)
    quality = [h5py.File(path)["measured"].attrs["psnr_dB"] for path in images]
    assert whole["image_psnr_dB"] == pytest.approx(np.mean(quality))
    expected = 12.706 * np.std(quality, ddof=1) / np.sqrt(2)
    assert whole["image_psnr_dB_ci95"] == pytest.approx(expected, rel=1e-4)
    assert table.loc["snr"].index.tolist() == [
        n for n in snr_names() if n in table.loc["snr"].index
    ]
    noisy = table.loc[("snr", "1.5 to 3"), "component_psnr_dB"]
    assert noisy < table.loc[("snr", "100 or more"), "component_psnr_dB"]
    some = rows[(rows["snr"] >= 1.5) & (rows["snr"] < 3)]
    assert noisy == pytest.approx(some["psnr"].mean())
    assert len(read_table(tmp_path / "classes.md").columns) > 4


def gains_of(repeated, tmp_path, simulated):
    """Return gains of a method that adds 2 dB to every component of the scan."""
    scores = [pd.read_csv(path) for path in repeated[1]]
    better = [part.assign(method="better", psnr=part["psnr"] + 2) for part in scores]
    paths = []
    for i, part in enumerate([*scores, *better]):
        paths.append(tmp_path / f"{i}.csv")
        part.to_csv(paths[-1], index=False)
    base = pd.DataFrame({"matrix": "m", "channel": 0, "frequency": range(8), "psnr": 20.0})
    tests = []
    for method in ("measured", "better"):
        levels = [
            base.assign(method=method, sigma=s, psnr=20 + gain * (method == "better"))
            for s, gain in simulated.items()
        ]
        tests.append(tmp_path / f"{method}.csv")
        pd.concat(levels).to_csv(tests[-1], index=False)
    return transfer_gains(
        tests, paths, baseline="measured", methods=["better"], sigma_convention="complex"
    )


def test_gains_are_paired_and_meet_at_the_noise_of_the_scan(repeated, tmp_path):
    # The simulated gain is 1000 sigma, so that its mean tells at which noise it was looked up.
    gains = gains_of(repeated, tmp_path, {0.0: 0.0, 10.0: 10_000.0})
    rows = pd.concat([pd.read_csv(path) for path in repeated[1]])
    assert [gain.snr_class for gain in gains] == [
        name for name in snr_names() if name in {gain.snr_class for gain in gains}
    ]
    for gain in gains:
        assert gain.measured == pytest.approx(2)
        assert gain.measured_ci95 == pytest.approx(0, abs=1e-9)
    part = rows[rows["snr"] >= 100]
    assert gains[-1].snr_class == "100 or more"
    assert gains[-1].simulated == pytest.approx(1000 * part["sigma"].mean())
    assert gains[0].simulated > gains[-1].simulated


def test_figure_of_gains_and_its_limits(repeated, tmp_path):
    gains = gains_of(repeated, tmp_path, {0.1: 3.0, 0.3: 4.0})
    panel = TransferPanel("Denoising", "DCT-F", {"better": "Better"}, gains)
    draw_transfer([panel] * 4, tmp_path / "t.pdf", tmp_path / "t.png")
    for name in ("t.pdf", "t.png"):
        assert (tmp_path / name).stat().st_size > 10_000
    with pytest.raises(InputError, match="no panel"):
        draw_transfer([], tmp_path / "x.pdf", tmp_path / "x.png")
    with pytest.raises(InputError, match="Denoising"):
        empty = dataclasses.replace(panel, gains=[])
        draw_transfer([empty], tmp_path / "x.pdf", tmp_path / "x.png")


def test_twin_table_pairs_both_methods(repeated, tmp_path):
    gains_of(repeated, tmp_path, {0.1: 3.0, 0.3: 4.0})
    scan = [tmp_path / f"{i}.csv" for i in range(4)]
    common = {"method": "better", "single": "measured", "label": "On twins"}
    common["single_label"] = "Single"
    make_twin_table(
        [
            {
                **common,
                "place": "test",
                "rows": [tmp_path / f"{m}.csv" for m in ("measured", "better")],
            },
            {**common, "place": "bar", "rows": scan},
        ],
        csv=tmp_path / "twins.csv",
        markdown=tmp_path / "twins.md",
    )
    table = pd.read_csv(tmp_path / "twins.csv")
    assert table["condition"].tolist()[:3] == ["σ = 0.1", "σ = 0.3", "all"]
    np.testing.assert_allclose(table["gain_dB"], [3, 4, *[2] * (len(table) - 2)])
    np.testing.assert_allclose(table["psnr_dB"] - table["single_psnr_dB"], table["gain_dB"])
    assert read_table(tmp_path / "twins.md")["where"].tolist()[:2] == ["test", "test"]


def test_table_with_and_without_truth(measurement, tmp_path):
    variants = {"measured": measurement.calibration, "half": measurement.restored}
    for known in (True, False):
        for name, matrix in variants.items():
            reconstruct(measurement, matrix, tmp_path / f"{name}.h5", truth=known, sweeps=3)
        scores = []
        if known:
            scores = [tmp_path / f"{name}.csv" for name in variants]
            parts = [
                score(measurement, matrix, name, path)
                for (name, matrix), path in zip(variants.items(), scores, strict=True)
            ]
        make_transfer_table(
            [tmp_path / f"{name}.h5" for name in variants],
            scores[::-1],  # the order of files must not matter
            methods=list(variants),
            csv=tmp_path / "t.csv",
            markdown=tmp_path / "t.md",
            classes=tmp_path / "c.md",
        )
        table = pd.read_csv(tmp_path / "t.csv").query("by == 'all'")
        assert table["method"].tolist() == ["Measured", "Half"]
        assert table["rows"].nunique() == 1
        assert (table["absolute_regularization"] > 0).all()
        readable = read_table(tmp_path / "t.md")
        assert readable["method"].tolist() == ["Measured", "Half"]
        assert ("component PSNR in dB" in readable) == known
        expected = [f"{x:.2f}" if known else "" for x in table["image_psnr_dB"]]
        assert readable["image PSNR in dB"].tolist() == expected
        assert table["image_psnr_dB"].notna().all() == known
        assert ("component_psnr_dB" in table) == known
        if known:
            means = [part["psnr"].mean() for part in parts]
            np.testing.assert_allclose(table["component_psnr_dB"], means)
            n = len(parts[0])
            np.testing.assert_allclose(
                table["component_psnr_dB_ci95"],
                [1.96 * part["psnr"].std() / np.sqrt(n) for part in parts],
            )
