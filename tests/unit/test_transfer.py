"""Transfer to scans: equal rows for all system matrices, images and scores against the truth."""

import dataclasses

import h5py
import numpy as np
import pandas as pd
import pytest
from tiny_scanner import SEED

from smrestore import mdf
from smrestore.errors import InputError
from smrestore.metrics import psnr, ssim
from smrestore.physics import CalibrationGrid, Sequence, mixing_orders
from smrestore.reconstruction import ReconstructionSettings
from smrestore.reconstruction.scans import read_measurement, read_rows, select_rows
from smrestore.report import read_table
from smrestore.restoration import restore_scan
from smrestore.scanner import load_phantom, scan_calibration, scan_empty, scan_phantom
from smrestore.transfer import (
    load_reconstruction_settings,
    make_transfer_table,
    reconstruct_scan,
    score_components,
)

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
    reconstruct_scan(
        matrix,
        measurement.calibration,
        measurement.phantom,
        settings=dataclasses.replace(SETTINGS, **changes),
        truth=measurement.phantom_truth if truth else None,
        label=path.stem.title(),
        path=path,
    )
    with h5py.File(path) as file:
        return file["image"][()], file["rows"][()], dict(file.attrs)


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
    assert settings == ReconstructionSettings(10, 0.3, 1.5, (0, 1), "none", min_frequency_Hz=30e3)
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
        measurement.calibration, dataclasses.replace(SETTINGS, channels=channels, snr_threshold=0)
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
            measurement.calibration,
            measurement.calibration,
            measurement.phantom,
            settings=SETTINGS,
            truth=None,
            label="x",
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


def score(measurement, matrix, method, path, **changes):
    score_components(
        matrix,
        measurement.calibration,
        measurement.truth,
        settings=dataclasses.replace(SETTINGS, **changes),
        measurement="bar",
        method=method,
        path=path,
    )
    return pd.read_csv(path)


def test_component_scores_are_relative_to_the_true_peak(measurement, tmp_path):
    rows = select_rows(measurement.calibration, SETTINGS)
    table = score(measurement, measurement.calibration, "measured", tmp_path / "measured.csv")
    assert table.columns.tolist() == [
        "measurement",
        "method",
        "channel",
        "frequency",
        "mixing_order_x",
        "mixing_order_y",
        "mixing_order_z",
        "snr",
        "psnr",
        "ssim",
    ]
    assert (table["measurement"] == "bar").all()
    np.testing.assert_array_equal(table[["channel", "frequency"]], rows.chosen)
    with h5py.File(measurement.truth) as file:
        truth = file["system_matrix"][()]
    matrix = mdf.read_system_matrix(measurement.calibration)
    for row in table.iloc[::17].itertuples():
        place = row.channel, row.frequency
        peak = np.abs(truth[place]).max()
        assert row.psnr == pytest.approx(psnr(matrix[place] / peak, truth[place] / peak))
        assert row.ssim == pytest.approx(ssim(matrix[place] / peak, truth[place] / peak))
    perfect = score(measurement, measurement.truth, "truth", tmp_path / "truth.csv")
    assert np.isposinf(perfect["psnr"]).all()


def test_rows_without_true_signal_have_no_score(measurement, tmp_path):
    # Frequency 0 is among these rows, and coils induce nothing there.
    band = {"snr_threshold": 0, "max_frequency_Hz": 10e3}
    rows = select_rows(measurement.calibration, dataclasses.replace(SETTINGS, **band))
    table = score(measurement, measurement.calibration, "m", tmp_path / "m.csv", **band)
    assert rows.chosen[:, 1].min() == 0
    signal = rows.chosen[rows.chosen[:, 1] > 0]
    np.testing.assert_array_equal(table[["channel", "frequency"]], signal)
    assert np.isfinite(table["psnr"]).all()


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
        )
        table = pd.read_csv(tmp_path / "t.csv")
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
