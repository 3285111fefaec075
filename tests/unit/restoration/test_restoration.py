"""Restoration of measured calibration scans."""

import dataclasses

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mdf_files import edit, forget_checksums, shuffled_frequencies, two_periods
from tiny_scanner import SEED

from smrestore import mdf
from smrestore.figures.restoration_view import plot_restored
from smrestore.mdf.layout import DATA
from smrestore.mdf.scans import descriptive_fields, measurement_flags
from smrestore.methods import load_method
from smrestore.methods.twins import combine_twins
from smrestore.metrics import psnr
from smrestore.noise.roughness import roughness
from smrestore.physics import CalibrationGrid, mixing_orders
from smrestore.restoration import scan
from smrestore.restoration.scan import restore_components, restore_scan
from smrestore.scanner import scan_calibration
from smrestore.support.errors import InputError
from smrestore.tasks.configured import configured_task
from smrestore.tasks.masks import write_mask
from smrestore.tasks.scan import scan_task

DENOISING = scan_task("denoising")
REFINEMENT = scan_task("upsampling", factor=2)
SPLINE = load_method({"method": "spline", "alignment": "aligned"}, None)


def identity(batch):
    return [item.image for item in batch]


@pytest.fixture(scope="module")
def noisy(world, tmp_path_factory):
    """A calibration with a single average on a finer grid, and its truth."""
    folder = tmp_path_factory.mktemp("noisy")
    paths = folder / "noisy.mdf", folder / "noisy.truth.h5"
    grid = CalibrationGrid((15, 13, 1), (0.030, 0.026, 0.0))
    scan_calibration(*paths, world.scanner, world.sequence, grid, averages=1, seed=SEED)
    return paths


def random_matrix(shape=(2, 5, 4, 3, 2)):
    rng = np.random.default_rng(0)
    scale = 10.0 ** rng.uniform(-6, 3, size=(*shape[:2], 1, 1, 1))
    values = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    return (scale * values).astype(np.complex64)


def restore(images, noise, method, task=DENOISING, **options):
    return restore_components(images, noise, method, task, size=images.shape[1:], **options)


def test_identity_keeps_scale_and_phase_of_every_component():
    images = random_matrix().reshape(10, 4, 3, 2)
    images[7] = 0
    restored = restore(images, np.ones(10), identity)
    assert restored.dtype == np.complex64
    np.testing.assert_allclose(restored, images, rtol=1e-6)
    assert not restored[7].any()


def test_method_sees_unit_maximum_and_the_relative_noise():
    images = random_matrix().reshape(10, 4, 3, 2)
    noise = np.abs(images).mean(axis=(1, 2, 3)).astype(float)
    seen = []

    def witness(batch):
        seen.extend(batch)
        return identity(batch)

    restore(images, noise, witness)
    assert len(seen) == 10
    for item, image, sigma in zip(seen, images, noise, strict=True):
        peak = np.abs(image).max()
        assert item.image.dtype == np.complex64
        np.testing.assert_allclose(item.image, image / peak, rtol=1e-6)
        assert item.sigma == pytest.approx(sigma / peak)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (lambda batch: [item.image[:2] for item in batch], r"\(2, 3, 2\) where denoising needs"),
        (lambda batch: [item.image * np.nan for item in batch], "values that are not finite"),
    ],
)
def test_what_a_wrong_method_gives_is_named(method, message):
    with pytest.raises(InputError, match=message):
        restore(random_matrix()[0], np.ones(5), method)


def test_any_memory_and_batch_gives_the_same_file(world, tmp_path, monkeypatch):
    """Every component goes where it came from, and blocks bound what is read at a time."""
    method = load_method({"method": "dct-filter", "omega": 2.75}, None)
    read, sizes = mdf.read_system_matrix, []

    def watched(*arguments, **options):
        sizes.append(len(options["frequencies"]))
        return read(*arguments, **options)

    matrices, summaries = [], []
    for memory, batch in ((1 << 29, 256), (200_000, 7), (1, 256)):
        monkeypatch.setattr(scan, "BATCH", batch)
        path = tmp_path / f"{memory}.mdf"
        with monkeypatch.context() as patch:
            patch.setattr(mdf, "read_system_matrix", watched)
            source = few_frequencies(world, tmp_path / "few.mdf", 40)
            sizes.clear()
            options = {"name": "DCT-F", "memory_bytes": memory}
            summaries.append(restore_scan(source, path, method, **options))
        row_bytes = 8 * (2 * 35 + 6)
        assert max(sizes) == min(40, max(1, memory // row_bytes))
        matrices.append(mdf.read_system_matrix(path))
    for matrix, summary in zip(matrices[1:], summaries[1:], strict=True):
        np.testing.assert_array_equal(matrix, matrices[0])
        np.testing.assert_array_equal(summary.removed, summaries[0].removed)


def few_frequencies(world, path, count):
    """Write the first frequencies of the calibration as a processed scan with background frames."""
    with mdf.open_mdf(world.calibration) as file:
        frames = file.frames
        order = np.concatenate([frames.foreground, frames.background])
        spectra = mdf.read_spectra(world.calibration, frequencies=np.arange(count))[order]
        fields = {
            **descriptive_fields(),
            **file.acquisition.to_fields(),
            **file.calibration.to_fields(),
            DATA: spectra.transpose(1, 2, 0)[None],
            "/measurement/isBackgroundFrame": frames.is_background[order],
            "/measurement/framePermutation": order + 1,
            "/measurement/frequencySelection": np.arange(count) + 1,
            **measurement_flags(
                isFourierTransformed=True,
                isFastFrameAxis=True,
                isFramePermutation=True,
                isFrequencySelection=True,
            ),
        }
        del fields["/acquisition/receiver/dataConversionFactor"]
    mdf.write_mdf(path, fields)
    return path


@pytest.fixture
def patches(world, tmp_path):
    """Return a calibration with two periods of other fields per frame, and each as a scan."""
    single = [few_frequencies(world, tmp_path / f"period-{period}.mdf", 24) for period in (0, 1)]
    with h5py.File(single[1], "r+") as file:
        forget_checksums(file)
        # The second patch has other signals and another background.
        file[DATA][...] = (2 - 1j) * file[DATA][()][:, ::-1]
    with mdf.open_mdf(single[0]) as file:
        offsets = np.array([[[0.002, 0.0, 0.0]], [[-0.002, 0.0, 0.0]]])
        described = dataclasses.replace(
            file.acquisition, n_periods=2, offset_field=offsets, conversion_factor=None
        )
        names = [f"/measurement/{name}" for name in file.hdf5["measurement"] if name != "data"]
        fields = {
            **descriptive_fields(),
            **described.to_fields(),
            **file.calibration.to_fields(),
            **{name: file.hdf5[name][()] for name in names},
        }
    data = [mdf_data(path) for path in single]
    mdf.write_mdf(tmp_path / "patches.mdf", {**fields, DATA: np.concatenate(data)})
    return tmp_path / "patches.mdf", single


def mdf_data(path):
    with h5py.File(path) as file:
        return file[DATA][()]


def test_every_period_is_restored_as_a_scan_of_its_own(patches, tmp_path, monkeypatch):
    scan, single = patches
    method = load_method({"method": "dct-filter", "omega": 2.75}, None)
    options = {"name": "DCT-F", "background_factor": 0.3}
    summary = restore_scan(scan, tmp_path / "all.mdf", method, **options)
    for period, path in enumerate(single):
        alone = restore_scan(path, tmp_path / "alone.mdf", method, **options)
        np.testing.assert_array_equal(
            mdf.read_system_matrix(tmp_path / "all.mdf", period=period),
            mdf.read_system_matrix(tmp_path / "alone.mdf"),
        )
        for name in ("snr_before", "snr_after", "noise", "removed"):
            found, expected = getattr(summary, name)[period], getattr(alone, name)[0]
            np.testing.assert_array_equal(found, expected)
    rows = summary.channel_rows()
    assert [(r["period"], r["channel"]) for r in rows] == [(p, c) for p in (0, 1) for c in range(3)]
    assert "period" not in alone.channel_rows()[0]
    with mdf.open_mdf(tmp_path / "all.mdf") as file:
        assert file.acquisition.n_periods == 2 and file.flags.background_corrected
        assert file.hdf5[DATA].shape == (2, 3, 24, 35)
        assert file.of_period(1).sequence().offset == (-0.002, 0.0, 0.0)
    restore_scan(scan, tmp_path / "small.mdf", method, memory_bytes=2000, **options)
    np.testing.assert_array_equal(mdf_data(tmp_path / "small.mdf"), mdf_data(tmp_path / "all.mdf"))


def test_leakage_is_corrected_where_it_can_be_and_stated(world, tmp_path):
    scan = two_periods(world.calibration, tmp_path / "scan.mdf", offsets=(0.0, 0.0))
    correct = {"spectral_leakage": "correct"}
    summary = restore_scan(scan, tmp_path / "r.mdf", identity, name="nothing", **correct)
    restore_scan(scan, tmp_path / "plain.mdf", identity, name="nothing")
    for period in (0, 1):
        expected = mdf.read_system_matrix(scan, period=period, **correct)
        found, plain = (
            mdf.read_system_matrix(tmp_path / name, period=period)
            for name in ("r.mdf", "plain.mdf")
        )
        tolerance = 1e-6 * np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=tolerance)
        assert np.abs(plain - expected).max() > 10 * tolerance
        noise = mdf.corrected_noise(scan, period=period, **correct)
        np.testing.assert_array_equal(summary.noise[period], noise)
    # What is corrected stays so, however it is read.
    restore_scan(tmp_path / "r.mdf", tmp_path / "again.mdf", identity, name="n", background=None)
    for name, flag in (("r.mdf", 1), ("again.mdf", 1), ("plain.mdf", 0)):
        with h5py.File(tmp_path / name) as file:
            assert file["/measurement/isSpectralLeakageCorrected"][()] == flag
    for source, fault in (
        (tmp_path / "plain.mdf", "spectra cannot be corrected for spectral leakage any more"),
        (world.calibration, "each frame of a calibration is another position"),
    ):
        with pytest.raises(InputError, match=fault) as error:
            restore_scan(source, tmp_path / "x.mdf", identity, name="nothing", **correct)
        assert error.value.field == "/measurement/isSpectralLeakageCorrected"
        restore_scan(
            source, tmp_path / "x.mdf", identity, name="nothing", background=None,
            spectral_leakage="correct-if-possible",
        )  # fmt: skip
        with mdf.open_mdf(tmp_path / "x.mdf") as file:
            assert not file.leakage_is_corrected


def test_twins_of_several_periods(world, tmp_path):
    scan = two_periods(world.calibration, tmp_path / "scan.mdf")
    restore_scan(scan, tmp_path / "all.mdf", identity, name="twins", twins=True)
    restore_scan(world.calibration, tmp_path / "one.mdf", identity, name="twins", twins=True)
    np.testing.assert_array_equal(
        mdf.read_system_matrix(tmp_path / "all.mdf", period=0),
        mdf.read_system_matrix(tmp_path / "one.mdf"),
    )
    with h5py.File(scan, "r+") as file:
        forget_checksums(file)
        # The second patch drives z as well, in the same cycle.
        file["/acquisition/drivefield/divider"][2] = 96
        file["/acquisition/drivefield/strength"][1, 2] = 0.012
    with pytest.raises(InputError, match=r"scan\.mdf: .*differ in the axes that are driven"):
        restore_scan(scan, tmp_path / "x.mdf", identity, name="twins", twins=True)


def test_pictures_of_periods_have_names_of_their_own(patches, tmp_path):
    scan, _ = patches
    restore_scan(scan, tmp_path / "all.mdf", identity, name="nothing")
    pictures = plot_restored(
        scan, tmp_path / "all.mdf", tmp_path, [(0, 1, 17), (1, 1, 17)], name="nothing"
    )
    names = [f"period-{period}-channel-1-k-17.png" for period in (0, 1)]
    assert [picture.name for picture in pictures] == names
    assert all(picture.stat().st_size > 10_000 for picture in pictures)


def test_restored_scan_is_an_mdf_of_the_method_output(world, tmp_path):
    path = tmp_path / "restored.mdf"
    before = world.calibration.read_bytes()
    method = load_method({"method": "dct-filter", "omega": 2.75}, None)
    restore_scan(world.calibration, path, method, name="DCT-F", background_factor=0.3)
    assert world.calibration.read_bytes() == before
    matrix = mdf.read_system_matrix(world.calibration)
    noise = mdf.background_std(world.calibration)
    expected = np.stack([restore(*pair, method) for pair in zip(matrix, 0.3 * noise, strict=True)])
    np.testing.assert_array_equal(mdf.read_system_matrix(path), expected)
    assert not np.allclose(expected, matrix)
    with mdf.open_mdf(path) as file, mdf.open_mdf(world.calibration) as source:
        assert file.flags.background_corrected
        assert not file.is_background.any()
        assert file.calibration.grid() == source.calibration.grid() == world.grid
        assert file.acquisition.sequence() == source.acquisition.sequence()
        description = file.hdf5["/experiment/description"][()].decode()
    assert description.splitlines() == [
        "calibration scan, 100 averages",
        "restored by DCT-F (denoising)",
    ]


def test_identity_writes_the_corrected_matrix(world, tmp_path):
    restore_scan(world.calibration, tmp_path / "same.mdf", identity, name="nothing")
    np.testing.assert_allclose(
        mdf.read_system_matrix(tmp_path / "same.mdf"),
        mdf.read_system_matrix(world.calibration),
        rtol=1e-6,
    )


def test_source_is_never_overwritten(world, tmp_path):
    copy = tmp_path / "scan.mdf"
    copy.write_bytes(world.calibration.read_bytes())
    (tmp_path / "link.mdf").symlink_to(copy)
    for destination in (copy, tmp_path / "link.mdf"):
        with pytest.raises(InputError, match="must not replace its source"):
            restore_scan(copy, destination, identity, name="nothing")
    assert copy.read_bytes() == world.calibration.read_bytes()


def test_measurement_is_no_calibration(world, tmp_path):
    with pytest.raises(InputError, match="is a measurement, not a calibration scan"):
        restore_scan(world.empty, tmp_path / "r.mdf", identity, name="nothing")
    assert list(tmp_path.iterdir()) == []


def test_dct_filter_comes_closer_to_the_truth(noisy, tmp_path):
    path, truth_path = noisy
    method = load_method({"method": "dct-filter", "omega": 2.75}, None)
    restore_scan(path, tmp_path / "r.mdf", method, name="DCT-F", background_factor=0.3)
    measured, restored = mdf.read_system_matrix(path), mdf.read_system_matrix(tmp_path / "r.mdf")
    with h5py.File(truth_path) as file:
        truth = file["system_matrix"][()]
    # Components with signal above and below their noise, as a reconstruction uses them.
    ratio = np.abs(truth).max(axis=(2, 3, 4)) / mdf.corrected_noise(path)
    rows = np.argwhere((ratio > 2) & (ratio < 30))
    assert len(rows) > 50
    gains = []
    for c, k in rows:
        peak = np.abs(truth[c, k]).max()
        gains.append(
            psnr(restored[c, k] / peak, truth[c, k] / peak)
            - psnr(measured[c, k] / peak, truth[c, k] / peak)
        )
    assert np.mean(gains) > 1
    assert np.mean(np.array(gains) > 0) > 0.9


def test_a_task_may_restore_onto_a_finer_grid(world, tmp_path):
    path = tmp_path / "fine.mdf"
    summary = restore_scan(world.calibration, path, SPLINE, name="spline", task=REFINEMENT)
    with mdf.open_mdf(path) as file:
        grid, frames = file.calibration.grid(), file.acquisition.n_frames
        description = file.hdf5["/experiment/description"][()].decode()
    assert grid.size == (13, 9, 1) and frames == 117
    assert description.endswith("restored by spline (upsampling)")
    for fine, coarse in zip(grid.axes(), world.grid.axes(), strict=True):
        np.testing.assert_allclose(fine[::2], coarse, atol=1e-12)
    fine, measured = mdf.read_system_matrix(path), mdf.read_system_matrix(world.calibration)
    # Splines run through what was measured, with the scale and phase of every component.
    scale = np.abs(measured).max(axis=(2, 3, 4), keepdims=True)
    np.testing.assert_allclose(fine[..., ::2, ::2, :] / scale, measured / scale, atol=1e-5)
    assert np.abs(fine[:, :, 1::2, 1::2]).max() > 0
    assert np.isnan(summary.removed).all() and np.isfinite(summary.snr_before).all()


def mean_of_neighbors(batch):
    """Fill missing voxels with the mean of the measured ones around them."""
    restored = []
    for item in batch:
        image = item.image.copy()
        for x, y, z in np.argwhere(item.missing):
            near = np.s_[max(x - 1, 0) : x + 2, max(y - 1, 0) : y + 2, z]
            image[x, y, z] = item.image[near][~item.missing[near]].mean()
        restored.append(image)
    return restored


def test_a_task_may_mask_voxels_whatever_they_hold(world, tmp_path):
    missing = np.zeros(world.grid.size, bool)
    missing[2, 1:3] = missing[5, 4] = True
    corrupt = tmp_path / "corrupt.mdf"
    corrupt.write_bytes(world.calibration.read_bytes())
    with mdf.open_mdf(corrupt) as file:
        foreground = file.frames.foreground
    places = [foreground[x + 7 * y] for x, y, _ in np.argwhere(missing)]
    with h5py.File(corrupt, "r+") as file:
        forget_checksums(file)
        for frame in places:
            file[DATA][frame] = 32_000
    task = scan_task("inpainting", missing=missing)
    for source, path in ((corrupt, "a.mdf"), (world.calibration, "b.mdf")):
        restore_scan(source, tmp_path / path, mean_of_neighbors, name="means", task=task)
    found, expected = (mdf.read_system_matrix(tmp_path / name) for name in ("a.mdf", "b.mdf"))
    # The wrong values reach neither the normalization nor the result.
    np.testing.assert_array_equal(found, expected)
    measured = mdf.read_system_matrix(world.calibration)
    np.testing.assert_allclose(found[:, :, ~missing], measured[:, :, ~missing], rtol=1e-6)
    near = measured[:, :, 4:7, 3:5][:, :, ~missing[4:7, 3:5]].mean(axis=-1)
    np.testing.assert_allclose(found[:, :, 5, 4, 0], near, rtol=1e-3, atol=1e-4)


def test_a_full_scan_may_stand_for_an_accelerated_one(world, tmp_path):
    task = scan_task("accelerated-calibration", factor=2, decimate=True)
    path = tmp_path / "half.mdf"
    restore_scan(world.calibration, path, SPLINE, name="spline", task=task)
    measured, restored = mdf.read_system_matrix(world.calibration), mdf.read_system_matrix(path)
    scale = np.abs(measured).max(axis=(2, 3, 4), keepdims=True)
    kept = np.s_[..., ::2, ::2, :]
    np.testing.assert_allclose(restored[kept] / scale, measured[kept] / scale, atol=1e-5)
    assert restored.shape == measured.shape
    assert not np.allclose(restored / scale, measured / scale, atol=1e-2)


def test_missing_positions_come_from_a_run_indices_or_a_file(world, tmp_path):
    size = world.grid.size
    entry = {"task": "inpainting", "missing": {"run": [5, 4]}}
    by_run = configured_task(entry, world.calibration)
    entry["missing"] = {"indices": [5, 6, 7, 8]}
    by_index = configured_task(entry, world.calibration)
    np.testing.assert_array_equal(by_run.missing, by_index.missing)
    assert by_run.missing[5, 0] and by_run.missing[6, 0] and by_run.missing[1, 1]
    write_mask(tmp_path / "mask.csv", by_run.missing)
    entry["missing"] = {"file": "mask.csv"}
    by_file = configured_task(entry, world.calibration, tmp_path / "mask.csv")
    np.testing.assert_array_equal(by_file.missing, by_run.missing)
    with pytest.raises(InputError, match=r"mask is of .* voxels"):
        scan_task("inpainting", missing=np.eye(3, dtype=bool)).prepare(np.zeros(size), 0.1)
    for wrong in (np.zeros(size, bool), np.ones(size, bool)):
        with pytest.raises(InputError, match="voxels are missing"):
            scan_task("inpainting", missing=wrong)


@pytest.mark.parametrize(
    ("name", "field"),
    [("inpainting", "missing"), ("upsampling", "factor"), ("accelerated-calibration", "factor")],
)
def test_tasks_say_what_they_need(name, field):
    with pytest.raises(InputError, match=f"^{field}: {name} needs"):
        scan_task(name)


def test_unknown_task_lists_the_known_ones():
    with pytest.raises(InputError, match="task: no scan can be restored for the task 'magic'"):
        scan_task("magic")


def test_a_new_grid_needs_the_field_of_view(world, tmp_path):
    path = few_frequencies(world, tmp_path / "few.mdf", 5)
    edit(path, "/calibration/fieldOfView")
    with pytest.raises(InputError, match="fieldOfView: upsampling needs the field of view"):
        restore_scan(path, tmp_path / "r.mdf", SPLINE, name="spline", task=REFINEMENT)
    restore_scan(path, tmp_path / "r.mdf", identity, name="nothing")
    assert mdf.read_system_matrix(tmp_path / "r.mdf").shape == (3, 5, 7, 5, 1)


def test_without_background_frames_the_noise_is_the_roughness(world, tmp_path, caplog):
    path = tmp_path / "corrected.mdf"
    restore_scan(few_frequencies(world, tmp_path / "few.mdf", 9), path, identity, name="nothing")
    seen = []

    def witness(batch):
        seen.extend(batch)
        return identity(batch)

    summary = restore_scan(path, tmp_path / "again.mdf", witness, name="nothing")
    assert "noise is estimated from the roughness" in caplog.text
    matrix = mdf.read_system_matrix(path).reshape(27, 7, 5, 1)
    np.testing.assert_allclose(summary.noise.ravel(), roughness(matrix))
    expected = roughness(matrix) / np.abs(matrix).max(axis=(1, 2, 3))
    np.testing.assert_allclose([item.sigma for item in seen], expected, rtol=1e-6)


def test_background_must_be_there_or_be_waived(world, tmp_path):
    path = few_frequencies(world, tmp_path / "few.mdf", 9)
    with h5py.File(path, "r+") as file:
        forget_checksums(file)
        mask = file["/measurement/isBackgroundFrame"][()].astype(bool)
        data = file[DATA][()][..., ~mask]
        del file[DATA]
        file[DATA] = data
        file["/acquisition/numFrames"][()] = data.shape[-1]
    edit(path, "/measurement/isBackgroundFrame", np.zeros(data.shape[-1], np.int8))
    edit(path, "/measurement/isFramePermutation", np.int8(0))
    with pytest.raises(InputError, match="no background frames to subtract"):
        restore_scan(path, tmp_path / "r.mdf", identity, name="nothing")
    restore_scan(path, tmp_path / "r.mdf", identity, name="nothing", background=None)
    with mdf.open_mdf(tmp_path / "r.mdf") as file:
        assert not file.flags.background_corrected


def test_failure_leaves_no_file(world, tmp_path):
    def fails_late(batch):
        if len(calls) > 1:
            raise RuntimeError("late")
        calls.append(batch)
        return identity(batch)

    calls = []
    with pytest.raises(RuntimeError, match="late"):
        restore_scan(world.calibration, tmp_path / "r.mdf", fails_late, name="nothing")
    assert list(tmp_path.iterdir()) == []


@given(
    size=st.sampled_from([(17, 15, 1), (32, 1, 1), (9, 8, 7)]),
    sigma=st.floats(1e-6, 1e6),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_roughness_is_the_noise_on_smooth_images(size, sigma, seed):
    rng = np.random.default_rng(seed)
    noise = (rng.normal(size=(50, *size)) + 1j * rng.normal(size=(50, *size))) / np.sqrt(2)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in size), indexing="ij")
    planes = 100 * (x + 2j * y - z + 1)
    estimate = roughness(sigma * (noise + planes))
    assert estimate.shape == (50,)
    assert np.mean(estimate) == pytest.approx(sigma, rel=0.1)


def test_roughness_of_a_grid_that_is_too_small_is_unknown():
    assert np.isnan(roughness(np.ones((3, 2, 2, 1), complex))).all()


@pytest.mark.parametrize("memory_bytes", [1 << 18, 1 << 29])
def test_twins_are_combined_whatever_the_memory(noisy, world, tmp_path, memory_bytes):
    path = tmp_path / "twins.mdf"
    restore_scan(noisy[0], path, identity, name="x", twins=True, memory_bytes=memory_bytes)
    matrix, noise = mdf.read_system_matrix(noisy[0]), mdf.corrected_noise(noisy[0])
    restored, orders = mdf.read_system_matrix(path), mixing_orders(world.sequence)
    for channel in range(len(matrix)):
        expected = combine_twins(matrix[channel], noise[channel], orders)
        assert (expected.n_twins > 0).any()
        scale = np.abs(expected.images).max()
        np.testing.assert_allclose(restored[channel], expected.images, rtol=1e-5, atol=1e-6 * scale)


def test_methods_are_told_the_noise_that_twins_leave(noisy, world, tmp_path):
    told = []

    def method(batch):
        told.extend(item.sigma * 1.0 for item in batch)
        return [item.image for item in batch]

    chosen = np.array([[0, 18], [0, 50]])
    restore_scan(noisy[0], tmp_path / "t.mdf", method, name="x", twins=True, chosen=chosen)
    orders = mixing_orders(world.sequence)
    matrix, noise = mdf.read_system_matrix(noisy[0])[0], mdf.corrected_noise(noisy[0])[0]
    combined = combine_twins(matrix, noise, orders)
    peak = np.abs(combined.images[[18, 50]]).max(axis=(1, 2, 3))
    np.testing.assert_allclose(told, combined.noise[[18, 50]] / peak, rtol=1e-5)
    assert combined.noise[18] < 0.75 * noise[18]


def test_components_that_are_not_chosen_are_zero(noisy, tmp_path):
    whole, some = tmp_path / "whole.mdf", tmp_path / "some.mdf"
    chosen = np.array([[1, 700], [0, 33], [0, 34], [1, 16]])
    summary = restore_scan(noisy[0], some, identity, name="x", chosen=chosen)
    restore_scan(noisy[0], whole, identity, name="x")
    restored, expected = mdf.read_system_matrix(some), mdf.read_system_matrix(whole)
    wanted = np.zeros(restored.shape[:2], bool)
    wanted[tuple(chosen.T)] = True
    np.testing.assert_array_equal(restored[wanted], expected[wanted])
    assert not restored[~wanted].any()
    np.testing.assert_array_equal(np.isfinite(summary.noise[0]), wanted)


def test_frequencies_may_be_stored_in_any_order(world, tmp_path):
    source = few_frequencies(world, tmp_path / "few.mdf", 24)
    shuffled = shuffled_frequencies(source, tmp_path / "shuffled.mdf")
    chosen = np.array([[1, 7], [0, 20], [0, 3]])
    for path in (source, shuffled):
        restore_scan(path, tmp_path / f"{path.stem}.r.mdf", identity, name="x", chosen=chosen)
    found, expected = (
        mdf.read_system_matrix(tmp_path / f"{name}.r.mdf", frequencies=np.arange(24))
        for name in ("shuffled", "few")
    )
    np.testing.assert_array_equal(found, expected)
    assert expected[1, 7].any() and not expected[1, 8].any()
