"""Reconstruction of own scans: what is read, which scans match, what is written and drawn."""

import dataclasses
import struct

import h5py
import numpy as np
import pytest
from mdf_files import edit, forget_checksums, shuffled_frequencies, two_periods
from tiny_scanner import SEED

from smrestore import mdf
from smrestore.cli import main
from smrestore.figures.reconstruction_view import plot_reconstruction
from smrestore.mdf.file import MdfFile
from smrestore.physics import CalibrationGrid, Sequence
from smrestore.reconstruction import ReconstructionSettings, kaczmarz
from smrestore.reconstruction.calibration_rows import read_rows, select_rows
from smrestore.reconstruction.matching import check_match
from smrestore.reconstruction.output import reconstruct_to_mdf
from smrestore.reconstruction.phantom_scan import read_measurement
from smrestore.reconstruction.scans import reconstruct_phantom
from smrestore.restoration.scan import restore_scan
from smrestore.scanner import load_phantom, scan_calibration, scan_empty, scan_phantom
from smrestore.support.errors import InputError

GRID = CalibrationGrid((9, 7, 1), (0.018, 0.014, 0.0), (0.001, 0.0, 0.0))
SEQUENCE = Sequence((0.012, 0.012, 0.0), (-1.0, -1.0, 2.0), sampling_rate=1.25e6)
SETTINGS = ReconstructionSettings(
    sweeps=30, relative_regularization=0.01, snr_threshold=5.0, channels=(0, 1)
)


@dataclasses.dataclass(frozen=True)
class Scans:
    """A calibration, phantom scan and empty scan of one scanner, and a restored calibration."""

    calibration: object
    phantom: object
    empty: object
    restored: object
    concentration: np.ndarray


@pytest.fixture(scope="module")
def scans(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    paths = [folder / f"{name}.mdf" for name in ("calibration", "phantom", "empty", "restored")]
    setup = (world.scanner, SEQUENCE, GRID)
    scan_calibration(paths[0], folder / "c.h5", *setup, averages=100, seed=SEED)
    bar = {"points_mm": [[-4, -2, 0], [4, -2, 0], [4, 3, 0]], "radius_mm": 1.5}
    scan_phantom(
        paths[1],
        folder / "p.h5",
        *setup,
        load_phantom([bar]),
        frames=7,
        background_frames=4,
        averages=100,
        seed=SEED,
    )
    scan_empty(paths[2], world.scanner, SEQUENCE, frames=6, seed=SEED)
    half = lambda batch: [0.5 * item.image for item in batch]  # noqa: E731
    restore_scan(paths[0], paths[3], half, name="half")
    with h5py.File(folder / "p.h5") as file:
        return Scans(*paths, file["concentration"][()])


@pytest.fixture
def copy_of(tmp_path):
    """Return a function that copies a scan and replaces or removes a dataset."""

    def copy(source, dataset=None, value=None, name="other.mdf"):
        path = tmp_path / name
        path.write_bytes(source.read_bytes())
        return path if dataset is None else edit(path, dataset, value)

    return copy


def test_several_images_are_means_of_consecutive_frames(scans):
    rows = select_rows(scans.calibration, SETTINGS)
    spectra = mdf.read_spectra(scans.phantom).astype(complex)
    corrected = (spectra[4:] - spectra[:4].mean(axis=0))[(slice(None), *rows.chosen.T)]
    found, averaged = read_measurement(scans.phantom, rows, frames=(1, 6), average_frames=2)
    assert averaged == 2 and found.shape == (len(rows.chosen), 3)
    for image, part in enumerate((slice(1, 3), slice(3, 5), slice(5, 6))):
        np.testing.assert_allclose(found[:, image], corrected[part].mean(axis=0), rtol=1e-9)
    everything, averaged = read_measurement(scans.phantom, rows)
    assert averaged == 7
    np.testing.assert_allclose(everything[:, 0], corrected.mean(axis=0), rtol=1e-9)


def test_only_the_chosen_rows_of_the_phantom_are_read(scans, monkeypatch):
    rows = select_rows(scans.calibration, SETTINGS)
    asked, spectra = [], MdfFile.spectra

    def watched(self, frames, channels, stored):
        asked.append((len(channels), len(stored)))
        return spectra(self, frames, channels, stored)

    monkeypatch.setattr(MdfFile, "spectra", watched)
    read_measurement(scans.phantom, rows)
    assert set(asked) == {(2, len(np.unique(rows.chosen[:, 1])))}
    with mdf.open_mdf(scans.phantom) as file:
        assert asked[0][1] < file.acquisition.n_frequencies / 2


def test_an_empty_scan_replaces_the_background_frames(scans):
    rows = select_rows(scans.calibration, SETTINGS)
    spectra = mdf.read_spectra(scans.phantom).astype(complex)[4:].mean(axis=0)
    empty = mdf.read_spectra(scans.empty).astype(complex).mean(axis=0)
    found, _ = read_measurement(scans.phantom, rows, empty=scans.empty)
    np.testing.assert_allclose(found[:, 0], (spectra - empty)[tuple(rows.chosen.T)], rtol=1e-8)


def test_a_corrected_phantom_is_not_corrected_again(scans, copy_of):
    rows = select_rows(scans.calibration, SETTINGS)
    path = copy_of(scans.phantom, "/measurement/isBackgroundCorrected", np.int8(1))
    expected = mdf.read_spectra(path)[4:].astype(complex).mean(axis=0)
    found, _ = read_measurement(path, rows)
    np.testing.assert_allclose(found[:, 0], expected[tuple(rows.chosen.T)], rtol=1e-9)


@pytest.mark.parametrize("frames", [(0, 8), (3, 3), (-1, 2)])
def test_frames_that_are_not_there_are_named(scans, frames):
    rows = select_rows(scans.calibration, SETTINGS)
    with pytest.raises(InputError, match=r"frames: .* there are 7 with a phantom"):
        read_measurement(scans.phantom, rows, frames=frames)


STRENGTH = np.array([0.012, 0.0121, 0.0]).reshape(1, 3, 1)
MISMATCHES = {
    "/acquisition/drivefield/strength": STRENGTH,
    "/acquisition/gradient": np.diag([-1.0, -1.0, 2.1])[None, None],
    "/acquisition/drivefield/divider": np.array([[102], [93], [99]]),
    "/acquisition/drivefield/baseFrequency": 2.4e6,
    "/measurement/isTransferFunctionCorrected": np.int8(1),
}


@pytest.mark.parametrize("dataset", MISMATCHES)
def test_what_differs_between_the_scans_is_named(scans, copy_of, dataset):
    phantom = copy_of(scans.phantom, dataset, MISMATCHES[dataset])
    with pytest.raises(InputError, match=rf"other\.mdf: {dataset}: is .* in the calibration .*c"):
        reconstruct_phantom(scans.calibration, scans.calibration, phantom, SETTINGS)


def test_bandwidth_and_samples_are_named_together(scans, copy_of):
    """Half the sampling rate for the same cycle is half the samples, too."""
    phantom = copy_of(scans.phantom, "/acquisition/receiver/bandwidth", 312.5e3)
    with h5py.File(phantom, "r+") as file:
        forget_checksums(file)
        n_samples = file["/acquisition/receiver/numSamplingPoints"]
        n_samples[()] //= 2
        data = file["/measurement/data"][()][..., ::2]
    edit(phantom, "/measurement/data", data)
    with pytest.raises(InputError) as caught:
        reconstruct_phantom(scans.calibration, scans.calibration, phantom, SETTINGS)
    assert caught.value.field == "/acquisition/receiver/bandwidth"
    assert "/acquisition/receiver/numSamplingPoints differ too" in caught.value.what


def test_what_does_not_matter_may_differ(scans, copy_of):
    """An axis that is off has any divider, and a scan may lack its gradient."""
    dividers = np.array([[102], [96], [77]])
    path = copy_of(scans.phantom, "/acquisition/drivefield/divider", dividers)
    edit(path, "/acquisition/gradient")
    with mdf.open_mdf(scans.calibration) as first, mdf.open_mdf(path) as second:
        check_match(first, second)


@pytest.mark.parametrize("correction", ["interpolate", "mean", "none"])
def test_background_of_the_calibration(scans, correction):
    settings = SETTINGS.replace(background=correction)
    result = reconstruct_phantom(scans.calibration, scans.calibration, scans.phantom, settings)
    background = None if correction == "none" else correction
    matrix = mdf.read_system_matrix(scans.calibration, background=background)
    equations = matrix[tuple(result.rows.chosen.T)].reshape(len(result.rows.chosen), -1)
    image = kaczmarz(
        equations,
        read_measurement(scans.phantom, result.rows)[0],
        regularization=result.regularization.absolute,
        sweeps=settings.sweeps,
    )
    np.testing.assert_allclose(result.images[0].ravel(), image[:, 0], rtol=1e-9, atol=1e-12)


def test_unknown_background_is_named():
    with pytest.raises(InputError, match=r"background: unknown 'median'"):
        SETTINGS.replace(background="median")


class TestPeriods:
    """Frames of two periods: that of the scan, and one with the receive channels reversed."""

    @pytest.fixture
    def doubled(self, scans, tmp_path):
        return [
            two_periods(getattr(scans, name), tmp_path / f"{name}.mdf")
            for name in ("calibration", "phantom", "empty")
        ]

    def test_all_periods_give_rows_of_one_image(self, doubled):
        calibration, phantom, _ = doubled
        settings = SETTINGS.replace(weighting="whitening", channels=(0, 1, 2))
        result = reconstruct_phantom(calibration, calibration, phantom, settings)
        rows = result.rows
        assert set(rows.periods) == {0, 1} and (np.diff(rows.period) >= 0).all()
        equations, measurement, weights = [], [], []
        for period in (0, 1):
            place = tuple(rows.chosen[rows.period == period].T)
            assert (mdf.read_snr(calibration, period=period)[place] >= 5).all()
            matrix = mdf.read_system_matrix(calibration, period=period)
            equations.append(matrix[place].reshape(len(place[0]), -1))
            spectra = mdf.read_spectra(phantom, period=period).astype(complex)
            measurement.append((spectra[4:].mean(axis=0) - spectra[:4].mean(axis=0))[place])
            weights.append(mdf.background_std(calibration, period=period)[place])
        sigma = np.concatenate(weights)
        image = kaczmarz(
            np.concatenate(equations),
            np.concatenate(measurement),
            regularization=result.regularization.absolute,
            sweeps=settings.sweeps,
            weights=sigma.min() / sigma,
        )
        np.testing.assert_allclose(result.images[0].ravel(), image, rtol=1e-6, atol=1e-9)
        # The second period is the first with its channels in reverse: other rows, equal content.
        assert result.images[0].ravel() @ image > 0.99 * (image @ image)

    def test_one_period_of_those_that_have_several(self, scans, doubled):
        # A computed signal-to-noise ratio would be the median over the periods.
        settings = SETTINGS.replace(period=0, snr_threshold=0, min_frequency_Hz=3e5)
        calibration, phantom, empty = doubled
        results = [
            reconstruct_phantom(matrix, matrix, measured, settings, empty=background)
            for matrix, measured, background in (
                (scans.calibration, scans.phantom, scans.empty),
                (calibration, phantom, empty),
                (scans.calibration, phantom, scans.empty),
                (calibration, scans.phantom, empty),
            )
        ]
        for result in results:
            assert result.rows.periods == [0]
            np.testing.assert_array_equal(result.images, results[0].images)
        second = settings.replace(period=1)
        result = reconstruct_phantom(calibration, calibration, phantom, second)
        assert result.rows.periods == [1]
        assert not np.array_equal(result.images, results[0].images)

    def test_restored_periods(self, doubled, tmp_path):
        calibration, phantom, _ = doubled
        same = lambda batch: [item.image for item in batch]  # noqa: E731
        restore_scan(calibration, tmp_path / "r.mdf", same, name="nothing")
        images = [
            reconstruct_phantom(matrix, calibration, phantom, SETTINGS).images
            for matrix in (calibration, tmp_path / "r.mdf")
        ]
        np.testing.assert_allclose(*images, rtol=1e-4, atol=1e-5)

    def test_mean_over_equal_periods(self, scans, tmp_path):
        repeated = two_periods(scans.phantom, tmp_path / "phantom.mdf", offsets=(0.0, 0.0))
        settings = SETTINGS.replace(period="mean")
        rows = select_rows(scans.calibration, settings)
        found, _ = read_measurement(repeated, rows, period="mean")
        spectra = [mdf.read_spectra(repeated, period=p).astype(complex) for p in (0, 1)]
        mean = sum(spectra) / 2
        expected = (mean[4:].mean(axis=0) - mean[:4].mean(axis=0))[tuple(rows.chosen.T)]
        np.testing.assert_allclose(found[:, 0], expected, rtol=1e-5)
        result = reconstruct_phantom(scans.calibration, scans.calibration, repeated, settings)
        assert result.rows.periods == [0]

    def test_faults_are_named(self, scans, doubled, tmp_path):
        calibration, phantom, _ = doubled
        other = two_periods(scans.phantom, tmp_path / "other.mdf", offsets=(0.002, -0.003))
        for matrix, measured, period, fault in (
            (scans.calibration, phantom, None, r"numPeriodsPerFrame: is 2, but 1 in the calib.*"),
            (calibration, scans.phantom, None, r"numPeriodsPerFrame: is 1, but 2 .*Choose a peri"),
            (calibration, phantom, 2, r"there is no period 2\. Choose from 0 to 1"),
            (calibration, phantom, "mean", "the fields change from period to period"),
            (calibration, other, None, r"other\.mdf: /acquisition/offsetField: is \[\[0\.002.*003"),
        ):
            settings = SETTINGS.replace(period=period)
            with pytest.raises(InputError, match=fault):
                reconstruct_phantom(matrix, matrix, measured, settings)
        with pytest.raises(InputError, match="period: 'all' is no period"):
            SETTINGS.replace(period="all")


def test_leakage_is_corrected_in_phantom_and_empty_scan(scans, caplog):
    settings = SETTINGS.replace(spectral_leakage="correct")
    rows = select_rows(scans.calibration, settings)
    spectra = [
        mdf.read_spectra(path, spectral_leakage="correct").astype(complex)
        for path in (scans.phantom, scans.empty)
    ]
    expected = spectra[0][4:].mean(axis=0) - spectra[1].mean(axis=0)
    found, _ = read_measurement(scans.phantom, rows, empty=scans.empty, spectral_leakage="correct")
    np.testing.assert_allclose(found[:, 0], expected[tuple(rows.chosen.T)], rtol=1e-8)
    reconstruct_phantom(scans.calibration, scans.calibration, scans.phantom, settings)
    assert "spectral leakage is corrected here, but not in the calibration" in caplog.text


def test_leakage_of_calibrations_is_corrected_where_it_can_be(scans, tmp_path, caplog):
    pair = [
        two_periods(getattr(scans, name), tmp_path / f"{name}.mdf", offsets=(0.0, 0.0))
        for name in ("calibration", "phantom")
    ]
    settings = SETTINGS.replace(spectral_leakage="correct", weighting="whitening")
    result = reconstruct_phantom(pair[0], *pair, settings)
    assert "leakage" not in caplog.text
    rows, correct = result.rows, {"spectral_leakage": "correct"}
    equations, sigma = [], []
    for period in (0, 1):
        place = tuple(rows.chosen[rows.period == period].T)
        reading = {"period": period, **correct}
        assert (mdf.read_snr(pair[0], **reading)[place] == rows.snr[rows.period == period]).all()
        matrix = mdf.read_system_matrix(pair[0], **reading)[place]
        assert (matrix != mdf.read_system_matrix(pair[0], period=period)[place]).any()
        equations.append(matrix.reshape(len(place[0]), -1))
        sigma.append(mdf.background_std(pair[0], **reading)[place])
    sigma = np.concatenate(sigma)
    image = kaczmarz(
        np.concatenate(equations),
        read_measurement(pair[1], rows, **correct)[0],
        regularization=result.regularization.absolute,
        sweeps=settings.sweeps,
        weights=sigma.min() / sigma,
    )
    np.testing.assert_allclose(result.images[0].ravel(), image[:, 0], rtol=1e-6, atol=1e-9)
    # A calibration that is corrected already, and a phantom scan that is not.
    same = lambda batch: [item.image for item in batch]  # noqa: E731
    restore_scan(pair[0], tmp_path / "r.mdf", same, name="nothing", **correct)
    reconstruct_phantom(tmp_path / "r.mdf", *pair, settings.replace(**correct))
    assert "leakage" not in caplog.text
    settings = SETTINGS.replace(snr_threshold=0)
    reconstruct_phantom(tmp_path / "r.mdf", tmp_path / "r.mdf", pair[1], settings)
    assert "phantom.mdf: spectral leakage is left here, but not in the calibration" in caplog.text


def test_rows_come_with_rising_frequency_however_they_are_stored(scans, tmp_path):
    shuffled = shuffled_frequencies(scans.restored, tmp_path / "shuffled.mdf")
    settings = SETTINGS.replace(snr_threshold=0, min_frequency_Hz=3e5)
    results = [
        reconstruct_phantom(matrix, matrix, scans.phantom, settings)
        for matrix in (scans.restored, shuffled)
    ]
    np.testing.assert_array_equal(*(result.rows.chosen for result in results))
    np.testing.assert_array_equal(*(result.images for result in results))


def test_unknown_correction_of_leakage():
    with pytest.raises(InputError, match=r"spectral_leakage: unknown 'maybe'. Use one of ign"):
        SETTINGS.replace(spectral_leakage="maybe")


def test_matrix_and_calibration_of_different_grids_are_named(scans, copy_of):
    for name, value in (("fieldOfView", [0.019, 0.014, 0.0]), ("fieldOfViewCenter", [0, 0, 0.0])):
        other = copy_of(scans.restored, f"/calibration/{name}", np.array(value))
        with pytest.raises(InputError, match=rf"other\.mdf: /calibration/{name}: is .* but .* m"):
            reconstruct_phantom(other, scans.calibration, scans.phantom, SETTINGS)


def test_swapped_scans_are_named(scans):
    with pytest.raises(InputError, match=r"is a measurement, not a calibration scan\. Give the"):
        reconstruct_phantom(scans.phantom, scans.phantom, scans.calibration, SETTINGS)


def test_a_matrix_without_noise_needs_no_threshold(scans):
    with pytest.raises(InputError, match=r"no signal-to-noise ratio is stored.*--calibration"):
        reconstruct_phantom(scans.restored, scans.restored, scans.phantom, SETTINGS)
    free = SETTINGS.replace(snr_threshold=0, min_frequency_Hz=30e3)
    result = reconstruct_phantom(scans.restored, scans.restored, scans.phantom, free)
    assert np.isnan(result.rows.snr).all() and result.rows.background_std is None


@pytest.mark.parametrize("convention", ["relative", "absolute"])
def test_the_file_holds_images_and_all_that_made_them(scans, tmp_path, convention):
    settings = SETTINGS
    if convention == "absolute":
        settings = SETTINGS.replace(
            relative_regularization=None, absolute_regularization=0.5, shuffle_seed=3
        )
    path = tmp_path / "new" / "image.mdf"
    result = reconstruct_to_mdf(
        scans.restored,
        scans.phantom,
        path,
        settings,
        calibration=scans.calibration,
        average_frames=3,
    )
    # By the letter of the specification, with h5py alone: x is the fastest axis.
    with h5py.File(path) as file, h5py.File(scans.phantom) as phantom:
        group = file["reconstruction"]
        data, size = group["data"][()], group["size"][()]
        assert data.shape == (3, 63, 1) and size.tolist() == [9, 7, 1]
        for q, x, y in ((0, 0, 0), (1, 3, 2), (2, 8, 6)):
            assert data[q, x + 9 * y, 0] == result.images[q, x, y, 0]
        np.testing.assert_allclose(group["fieldOfView"], GRID.fov)
        np.testing.assert_allclose(group["fieldOfViewCenter"], GRID.center)
        assert group["order"].asstr()[()] == "xyz"
        assert "measurement" not in file
        for name in ("study/name", "tracer/name", "acquisition/numFrames", "scanner/topology"):
            assert file[name][()] == phantom[name][()], name
        assert file["uuid"][()] != phantom["uuid"][()]
        assert b"reconstructed with restored.mdf" in file["experiment/description"][()]
    stored = mdf.read_reconstruction(path)
    np.testing.assert_array_equal(stored.images, result.images)
    assert stored.grid == GRID
    made = stored.parameters
    assert made["absolute_regularization"] == pytest.approx(
        made["relative_regularization"] * made["squared_norm"] / made["voxels"]
    )
    given = getattr(settings, f"{convention}_regularization")
    assert made[f"{convention}_regularization"] == given
    assert (made["sweeps"], made["nAverages"], made["snr_threshold"]) == (30, 3, 5.0)
    assert made.get("shuffle_seed") == settings.shuffle_seed
    assert (made["matrix"], made["calibration"]) == ("restored.mdf", "calibration.mdf")
    np.testing.assert_array_equal(made["rows"], result.rows.chosen)
    # All that is needed to do it again.
    if convention == "relative":
        again = kaczmarz(
            read_rows(scans.restored, result.rows).reshape(len(made["rows"]), -1),
            read_measurement(scans.phantom, result.rows, average_frames=3)[0],
            regularization=made["absolute_regularization"],
            sweeps=made["sweeps"],
        )
        np.testing.assert_allclose(again.T.reshape(stored.images.shape), stored.images, atol=1e-9)
    with pytest.raises(InputError, match="is a reconstruction, there is no measurement inside"):
        mdf.open_mdf(path)


def test_images_without_a_reconstruction_are_named(scans):
    with pytest.raises(InputError, match="there is no reconstruction inside"):
        mdf.read_reconstruction(scans.phantom)


def test_reconstruction_of_the_wrong_size_is_named(scans, tmp_path):
    images = np.zeros((2, 7, 9, 1))
    with pytest.raises(InputError, match=r"images of shape \(2, 7, 9, 1\)"):
        mdf.write_reconstruction(
            scans.phantom,
            tmp_path / "r.mdf",
            mdf.Reconstruction(images, GRID, {}),
            description="wrong",
        )
    assert not list(tmp_path.iterdir())


def test_scans_are_never_overwritten(scans, copy_of, tmp_path):
    phantom = copy_of(scans.phantom)
    before = phantom.read_bytes()
    for output in (phantom, phantom.with_suffix(".png")):
        (tmp_path / "other.png").write_bytes(before)
        with pytest.raises(InputError, match="must not replace its source"):
            source = phantom if output == phantom else tmp_path / "other.png"
            reconstruct_to_mdf(scans.calibration, source, phantom, SETTINGS)
    assert phantom.read_bytes() == before


def run(scans, path, *options):
    arguments = ["reconstruct", scans.calibration, scans.phantom, path, "--snr", 5, *options]
    return main([str(argument) for argument in arguments])


def test_command_finds_the_phantom(scans, tmp_path, capsys):
    path = tmp_path / "image.mdf"
    options = ["--channels", 0, 1, "--band", 30, 600, "--weighting", "row-norm", "--sweeps", 300]
    assert run(scans, path, *options, "--relative-lambda", 0.01) == 0
    printed = capsys.readouterr().out
    image = mdf.read_reconstruction(path)
    assert (
        f"lambda: 0.01 relative, {image.parameters['absolute_regularization']:.6g} abs" in printed
    )
    assert str(path.with_suffix(".png")) in printed
    found, truth = image.images[0], scans.concentration
    assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.9
    assert found.sum() == pytest.approx(truth.sum(), rel=0.15)
    assert (found >= 0).all()
    frequencies = image.parameters["rows"][:, 1] * 1.25e6 / 816
    assert frequencies.min() >= 30e3 and frequencies.max() <= 600e3


def test_command_options_reach_the_solver(scans, tmp_path, capsys):
    images = {}
    for name, options in {
        "default": [],
        "signed": ["--no-positive"],
        "complex": ["--no-real", "--no-positive"],
        "absolute": ["--absolute-lambda", 1e-3],
        "orders": ["--max-mixing-order", 8],
        "shuffled": ["--shuffle-seed", 5],
        "frames": ["--frames", 2, 5, "--average", 1],
        "empty": ["--empty", scans.empty],
    }.items():
        path = tmp_path / f"{name}.mdf"
        assert run(scans, path, "--band", 30, 600, *options) == 0
        assert path.with_suffix(".png").stat().st_size > 3000
        images[name] = mdf.read_reconstruction(path)
    assert len({image.images.tobytes() for image in images.values()}) == len(images)
    assert (images["default"].images >= 0).all() and (images["signed"].images < 0).any()
    assert images["absolute"].parameters["absolute_regularization"] == 1e-3
    assert images["frames"].images.shape == (3, *GRID.size)
    assert len(images["orders"].parameters["rows"]) < len(images["default"].parameters["rows"])
    assert "3 image(s) of 1 frame(s)" in capsys.readouterr().out


def test_command_errors_are_one_line(scans, tmp_path, capsys):
    path = tmp_path / "image.mdf"
    for options, message in (
        (["--channels", 7], "receive channels [7] are not distinct numbers from 0 to 2"),
        (["--average", 0], "--average. Must be > 0"),
        (["--sweeps", 0], "sweeps: 0 is below 1. Give 1 or more"),
        (["--band", 700, 800], "no row of channels"),
    ):
        assert run(scans, path, *options) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("smrestore: error: ") and message in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("size", "frames", "planes"), [((9, 7, 1), 1, 1), ((6, 5, 4), 1, 3), ((6, 5, 4), 20, 3)]
)
def test_picture_has_equal_aspect_and_a_color_bar(tmp_path, monkeypatch, size, frames, planes):
    grid = CalibrationGrid(size, (0.018, 0.014, 0.012), (0.001, 0.0, 0.0))
    images = np.random.default_rng(0).random((frames, *size))
    drawn = []
    monkeypatch.setattr(
        "smrestore.figures.reconstruction_view.save_as",
        lambda figure, path: drawn.append(figure),
    )
    plot_reconstruction(images, grid, tmp_path / "i.png", title="t", unit="mmol/L")
    (figure,) = drawn
    axes = [ax for ax in figure.axes if ax.get_xlabel()]
    rows = min(frames, 8)
    assert len(axes) == rows * planes and len(figure.axes) == rows * (planes + 1)
    width, height = figure.get_size_inches()
    scales = []
    for ax in axes:
        assert ax.get_xlabel().endswith("(mm)") and ax.get_ylabel().endswith("(mm)")
        box = ax.get_position()
        (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
        scales += [box.width * width / (right - left), box.height * height / (top - bottom)]
        assert ax.images[0].norm.vmax == images.max() and ax.images[0].norm.vmin == 0
    np.testing.assert_allclose(scales, scales[0], rtol=1e-6)
    assert [ax.get_ylabel() for ax in figure.axes if not ax.get_xlabel()] == rows * ["mmol/L"]


def test_picture_of_nothing_is_drawn(tmp_path):
    path = tmp_path / "zero.png"
    plot_reconstruction(np.zeros((1, *GRID.size)), GRID, path, title="nothing")
    width, _ = struct.unpack(">II", path.read_bytes()[16:24])
    assert width > 500
