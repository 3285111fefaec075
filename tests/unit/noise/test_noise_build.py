"""Building noise pools: several scans, needed frequencies, interruptions, memory, averages."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mdf_files import SEQUENCE, calibration, edit, two_periods, write_stored

from smrestore import mdf
from smrestore.figures.noise_pool import draw_noise_pool
from smrestore.noise import (
    NoisePool,
    build_noise_pool,
    build_parametric_pool,
    check_disjoint,
)
from smrestore.noise.build import frequencies_of
from smrestore.noise.origin import warn_of_shared_scan
from smrestore.noise.statistics import Run, row_statistics
from smrestore.physics import Sequence
from smrestore.scanner import scan_empty
from smrestore.simulation.store import SystemMatrixStore
from smrestore.support.errors import InputError
from smrestore.support.seeds import generator

SMALL = Sequence((0.012, 0.0, 0.0), (-1.0, -1.0, 2.0), sampling_rate=2.5e6)
"""52 frequencies."""


def write_empty(path, values, *, averages=1, sequence=SMALL, uuid=None, is_background=None):
    """Write float32 time signals (N, C, V) as an empty scan."""
    acquisition = mdf.Acquisition.from_sequence(
        sequence,
        n_frames=len(values),
        n_channels=values.shape[1],
        n_averages=averages,
        start_time="2026-01-01T00:00:00.000",
    )
    mdf.write_frames(
        path,
        acquisition=acquisition,
        frames=[values.astype(np.float32)],
        is_background=np.zeros(len(values), bool) if is_background is None else is_background,
        description="empty",
        uuid=uuid,
    )
    return path


def random_scan(path, n_frames, *, seed=0, scale=1.0, channels=2, level=0.0, **options):
    rng = np.random.default_rng(seed)
    values = level + scale * rng.normal(size=(n_frames, channels, SMALL.n_samples))
    return write_empty(path, values, **options)


@pytest.fixture
def two_scans(tmp_path):
    first = random_scan(tmp_path / "first.mdf", 40, level=3.0)
    second = random_scan(tmp_path / "second.mdf", 30, seed=1, scale=0.5, averages=4)
    return [first, second]


def test_scans_follow_one_another(two_scans, tmp_path):
    build_noise_pool(two_scans, tmp_path / "pool.h5", background_level="keep", block_frames=7)
    pool = NoisePool(tmp_path / "pool.h5")
    spectra = [mdf.read_spectra(scan).transpose(1, 2, 0) for scan in two_scans]
    with h5py.File(tmp_path / "pool.h5") as file:
        np.testing.assert_array_equal(file["noise"][()], np.concatenate(spectra, axis=2))
    assert [o.name for o in pool.origins] == ["first", "second"]
    assert [o.averages for o in pool.origins] == [1, 4]
    assert [len(o.frames) for o in pool.origins] == [40, 30]
    assert pool.averages == 1


def test_no_drawn_run_crosses_from_one_scan_to_the_next(two_scans, tmp_path):
    build_noise_pool(two_scans, tmp_path / "pool.h5", background_level="keep", averages=4)
    pool = NoisePool(tmp_path / "pool.h5")
    with h5py.File(tmp_path / "pool.h5") as file:
        row = file["noise"][1, 5]
    starts = set()
    for item in range(200):
        image = pool.draw_image(1, 5, (5, 5, 1), generator(1, item)).ravel(order="F")
        # Deviations from the mean are scaled, so that the runs are found by their shape.
        for start in range(len(row) - 24):
            run = row[start : start + 25]
            scale = np.sqrt((1 if start < 40 else 4) / 4)
            if np.allclose(image, run.mean() + scale * (run - run.mean()), atol=1e-5):
                starts.add(start)
    assert starts <= {*range(16), *range(40, 46)}
    assert len(starts & {*range(40, 46)}) > 3
    assert len(starts & {*range(16)}) > 10


def test_averages_are_accounted_for(tmp_path):
    single = random_scan(tmp_path / "single.mdf", 200)
    averaged = random_scan(tmp_path / "averaged.mdf", 200, seed=1, scale=1 / 10, averages=100)
    deviations = {}
    for averages in (1, 25, 100):
        path = tmp_path / f"{averages}.h5"
        build_noise_pool([single, averaged], path, background_level="remove", averages=averages)
        with h5py.File(path) as file:
            deviations[averages] = np.median(file["standard_deviation"][()])
        image = NoisePool(path).draw_image(0, 7, (14, 14, 1), generator(1, "x"))
        assert image.std() == pytest.approx(deviations[averages], rel=0.3)
    expected = np.sqrt(SMALL.n_samples)
    for averages, found in deviations.items():
        assert found == pytest.approx(expected / np.sqrt(averages), rel=0.05)


def test_only_needed_frequencies_are_kept(world, tmp_path):
    needed = frequencies_of([world.training])
    store = SystemMatrixStore([world.training])
    np.testing.assert_array_equal(needed, store.frequencies())
    assert 0 < len(needed) < 817
    path = tmp_path / "pool.h5"
    build_noise_pool(world.empty, path, background_level="remove", frequencies=needed)
    pool, complete = NoisePool(path), NoisePool(world.pool)
    assert pool.shape == (3, len(needed), 150)
    pool.check_fits([(4, 4, 1)], 817, needed)
    for frequency in needed[:: len(needed) // 5]:
        images = [
            p.draw_image(2, frequency, (6, 5, 1), generator(1, "x")) for p in (pool, complete)
        ]
        np.testing.assert_array_equal(*images)
    absent = next(k for k in range(817) if k not in needed)
    with pytest.raises(InputError, match=rf"pool\.h5: frequency: frequency {absent} is not among"):
        pool.draw_image(0, absent, (2, 2, 1), generator(1, "x"))
    with pytest.raises(InputError, match=rf"frequency {absent} is not among"):
        pool.check_fits([(4, 4, 1)], 817, [absent])


def test_background_frames_of_a_calibration(world, tmp_path):
    build_noise_pool(world.calibration, tmp_path / "pool.h5", background_level="keep")
    background = mdf.read_background(world.calibration)
    pool = NoisePool(tmp_path / "pool.h5")
    assert pool.averages == 100
    with h5py.File(tmp_path / "pool.h5") as file:
        np.testing.assert_array_equal(file["noise"][()], background.transpose(1, 2, 0))
    with mdf.open_mdf(world.calibration) as file:
        np.testing.assert_array_equal(pool.origins[0].frames, file.frames.background)


def test_background_frames_of_a_sparse_calibration(tmp_path):
    rng = np.random.default_rng(0)
    n_frequencies = SEQUENCE.n_frequencies
    data = rng.normal(size=(1, 3, n_frequencies, 6)) + 1j
    places = np.argsort(rng.random((1, 3, n_frequencies, 8)))[..., :3] + 1
    scan = write_stored(
        tmp_path / "sparse.mdf",
        data.astype(np.complex64),
        np.arange(6) >= 3,
        {"isFourierTransformed": True, "isFastFrameAxis": True, "isSparsityTransformed": True},
        calibration=calibration(2, 2, 2),
        fields={
            "/measurement/sparsityTransformation": "DCT-II",
            "/measurement/subsamplingIndices": places,
        },
    )
    build_noise_pool(scan, tmp_path / "pool.h5", background_level="keep")
    with h5py.File(tmp_path / "pool.h5") as file:
        np.testing.assert_array_equal(file["noise"][()], data[0, :, :, 3:].astype(np.complex64))
    warn_of_shared_scan(tmp_path / "pool.h5", scan)


def test_corrected_calibration_has_no_noise(world, tmp_path):
    matrix = mdf.read_system_matrix(world.calibration)
    mdf.write_restored(world.calibration, tmp_path / "restored.mdf", matrix, description="same")
    with pytest.raises(InputError, match=r"isBackgroundCorrected: the background was subtracted"):
        build_noise_pool(tmp_path / "restored.mdf", tmp_path / "pool.h5", background_level="remove")


def test_frame_range(two_scans, tmp_path):
    path = tmp_path / "pool.h5"
    build_noise_pool(two_scans, path, background_level="keep", frame_range=(10, 25))
    spectra = [mdf.read_spectra(scan)[10:25].transpose(1, 2, 0) for scan in two_scans]
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["noise"][()], np.concatenate(spectra, axis=2))
    with pytest.raises(
        InputError, match=r"second\.mdf: .*frames 10 to 35 are wanted, there are 30"
    ):
        build_noise_pool(two_scans, path, background_level="keep", frame_range=(10, 35))


def test_leakage_is_corrected_on_request_and_stated(two_scans, tmp_path):
    build_noise_pool(two_scans, tmp_path / "plain.h5", background_level="keep")
    build_noise_pool(
        two_scans, tmp_path / "pool.h5", background_level="keep", block_frames=7,
        spectral_leakage="correct",
    )  # fmt: skip
    with h5py.File(tmp_path / "plain.h5") as plain, h5py.File(tmp_path / "pool.h5") as file:
        expected = [mdf.read_spectra(scan, spectral_leakage="correct") for scan in two_scans]
        expected = np.concatenate(expected).transpose(1, 2, 0)
        np.testing.assert_array_equal(file["noise"][()], expected)
        assert file.attrs["spectral_leakage_corrected"]
        assert not plain.attrs["spectral_leakage_corrected"]
        # The mean of three windowed signals: a third of the mean square 3/2 of the window.
        deviations = [f["standard_deviation"][()][:, 2:-2] for f in (plain, file)]
        assert np.mean(deviations[1] ** 2) / np.mean(deviations[0] ** 2) == pytest.approx(
            0.5, abs=0.05
        )
    edit(two_scans[1], "/measurement/isSpectralLeakageCorrected", np.int8(1))
    with pytest.raises(InputError, match=r"second\.mdf: .*Corrected: is 1 as it is read, but 0 in"):
        build_noise_pool(two_scans, tmp_path / "x.h5", background_level="keep")


def test_periods_of_empty_scans(two_scans, tmp_path):
    patches = two_periods(two_scans[0], tmp_path / "patches.mdf")
    alike = two_periods(two_scans[0], tmp_path / "alike.mdf", offsets=(0.0, 0.0))

    def build(scan, **options):
        build_noise_pool(scan, tmp_path / "pool.h5", background_level="keep", **options)
        with h5py.File(tmp_path / "pool.h5") as file:
            return file["noise"][()], dict(file.attrs)

    for scan, period, averages in ((patches, 0, 1), (patches, 1, 1), (alike, "mean", 2)):
        noise, attributes = build(scan, period=period)
        expected = mdf.read_spectra(scan, period=period).transpose(1, 2, 0)
        np.testing.assert_array_equal(noise, expected)
        assert attributes["period"] == period and attributes["averages"] == averages
    with pytest.raises(
        InputError, match=r"patches\.mdf: .*2 drive-field periods per frame, and none"
    ):
        build(patches)


def test_scans_that_do_not_belong_together(tmp_path):
    one = random_scan(tmp_path / "one.mdf", 5)
    mono = random_scan(tmp_path / "mono.mdf", 5, channels=1)
    fast = Sequence((0.012, 0.0, 0.0), (-1.0, -1.0, 2.0), sampling_rate=5e6)
    other = write_empty(tmp_path / "other.mdf", np.zeros((5, 2, fast.n_samples)), sequence=fast)
    short = random_scan(tmp_path / "short.mdf", 1)
    for scan, fault in (
        (mono, r"mono\.mdf: .*1 receive channels, the scans before have 2"),
        (other, r"other\.mdf: .*103 frequencies up to 2\.5e\+06 Hz, the scans before have 52"),
        (short, r"short\.mdf: /acquisition/numFrames: 1 frame\. Scan for longer"),
    ):
        with pytest.raises(InputError, match=fault):
            build_noise_pool([one, scan], tmp_path / "pool.h5", background_level="keep")
    with pytest.raises(InputError, match="no scan is given"):
        build_noise_pool([], tmp_path / "pool.h5", background_level="keep")
    assert not list(tmp_path.glob("*.h5"))
    assert not list(tmp_path.glob(".*"))


class TestSharedFrames:
    def build(self, scan, path, **options):
        build_noise_pool(scan, path, background_level="remove", **options)
        return path

    def check(self, test, training):
        pools = NoisePool(test).origins, NoisePool(training).origins
        check_disjoint(*pools, path=test, trained_with=training)

    def test_equal_scans_under_two_names(self, tmp_path):
        scan = random_scan(tmp_path / "scan.mdf", 20)
        copy = random_scan(tmp_path / "copy.mdf", 20)  # equal frames under another identifier
        first, second = (self.build(s, s.with_suffix(".h5")) for s in (scan, copy))
        with pytest.raises(InputError, match=r"copy\.h5: scans: 20 frames of scan 'copy' are also"):
            self.check(second, first)

    def test_renamed_file_with_the_same_identifier(self, tmp_path):
        uuid = "12345678-1234-5678-1234-567812345678"
        first = random_scan(tmp_path / "a.mdf", 20, uuid=uuid)
        second = random_scan(tmp_path / "b.mdf", 20, seed=1, uuid=uuid)
        pools = [self.build(s, s.with_suffix(".h5")) for s in (first, second)]
        with pytest.raises(InputError, match="20 frames"):
            self.check(*pools)

    def test_other_frames_of_one_scan(self, tmp_path):
        scan = random_scan(tmp_path / "scan.mdf", 20)
        ranges = {"a": (0, 10), "b": (10, 20), "c": (8, 12)}
        pools = {
            n: self.build(scan, tmp_path / f"{n}.h5", frame_range=r) for n, r in ranges.items()
        }
        self.check(pools["a"], pools["b"])
        with pytest.raises(InputError, match="2 frames of scan 'scan'"):
            self.check(pools["c"], pools["a"])

    def test_different_scans(self, tmp_path):
        scans = [random_scan(tmp_path / f"{seed}.mdf", 20, seed=seed) for seed in range(2)]
        self.check(*(self.build(scan, scan.with_suffix(".h5")) for scan in scans))

    def test_warning_about_a_restored_scan(self, world, tmp_path, caplog):
        pool = self.build(world.calibration, tmp_path / "pool.h5")
        warn_of_shared_scan(pool, world.calibration)
        assert "6 of its frames are in" in caplog.text
        caplog.clear()
        warn_of_shared_scan(pool, world.empty)
        assert not caplog.text


class TestInterruption:
    def build(self, scan, path, frames=4):
        build_noise_pool(scan, path, background_level="keep", block_frames=frames)

    def interrupted(self, scan, path, monkeypatch, after, frames=4):
        """Build until ``after`` blocks are read, then leave as a killed process does."""
        read, calls = mdf.MdfFile.spectra, []

        def stop(self, *arguments):
            if len(calls) == after:
                raise KeyboardInterrupt
            calls.append(arguments)
            return read(self, *arguments)

        with monkeypatch.context() as context:
            context.setattr(mdf.MdfFile, "spectra", stop)
            with pytest.raises(KeyboardInterrupt):
                self.build(scan, path, frames)
        assert not path.exists()

    def count_reads(self, monkeypatch):
        read, calls = mdf.MdfFile.spectra, []

        def counted(self, *arguments):
            calls.append(arguments)
            return read(self, *arguments)

        monkeypatch.setattr(mdf.MdfFile, "spectra", counted)
        return calls

    def same(self, first, second):
        with h5py.File(first) as a, h5py.File(second) as b:
            for name in ("noise", "mean", "standard_deviation", "drift", "jumps", "spectrum"):
                np.testing.assert_array_equal(a[name][()], b[name][()])

    def test_continues_where_it_stopped(self, tmp_path, monkeypatch):
        scan = random_scan(tmp_path / "scan.mdf", 40)
        self.build(scan, tmp_path / "whole.h5")
        path = tmp_path / "pool" / "pool.h5"
        self.interrupted(scan, path, monkeypatch, after=6)
        calls = self.count_reads(monkeypatch)
        self.build(scan, path)
        assert len(calls) == 4
        self.same(path, tmp_path / "whole.h5")
        assert [p.name for p in path.parent.iterdir()] == ["pool.h5"]

    def test_starts_over_for_another_scan(self, tmp_path, monkeypatch):
        first = random_scan(tmp_path / "scan.mdf", 40)
        path = tmp_path / "pool" / "pool.h5"
        self.interrupted(first, path, monkeypatch, after=6)
        second = random_scan(tmp_path / "scan.mdf", 40, seed=1)
        self.build(second, tmp_path / "whole.h5")
        calls = self.count_reads(monkeypatch)
        self.build(second, path)
        assert len(calls) == 10
        self.same(path, tmp_path / "whole.h5")

    @pytest.mark.parametrize("file", [".pool.h5.partial", ".pool.h5.progress"])
    def test_starts_over_from_damaged_remains(self, tmp_path, monkeypatch, file):
        scan = random_scan(tmp_path / "scan.mdf", 40)
        path = tmp_path / "pool" / "pool.h5"
        self.interrupted(scan, path, monkeypatch, after=6)
        (path.parent / file).write_bytes(b"garbage")
        self.build(scan, tmp_path / "whole.h5")
        self.build(scan, path)
        self.same(path, tmp_path / "whole.h5")
        assert [p.name for p in path.parent.iterdir()] == ["pool.h5"]

    def test_faulty_scan_leaves_nothing(self, tmp_path):
        values = np.zeros((20, 2, SMALL.n_samples))
        values[17, 1, 3] = np.nan
        scan = write_empty(tmp_path / "nan.mdf", values)
        path = tmp_path / "pool" / "pool.h5"
        with pytest.raises(InputError, match=r"nan\.mdf: /measurement/data: .*frame 17"):
            self.build(scan, path)
        assert not list(path.parent.iterdir())

    def test_killed_process(self, tmp_path):
        scan = random_scan(tmp_path / "scan.mdf", 200)
        path = tmp_path / "pool" / "pool.h5"
        code = (
            "import time, smrestore.noise.workfile as w; from smrestore.noise import *;"
            "note = w._note;"
            "w._note = lambda *a: (note(*a), time.sleep(0.02));"
            f"build_noise_pool({str(scan)!r}, {str(path)!r}, background_level='keep',"
            " block_frames=4)"
        )
        process = subprocess.Popen([sys.executable, "-c", code])
        deadline = time.monotonic() + 60
        while not (path.parent / ".pool.h5.progress").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not path.exists()
        self.build(scan, path)
        self.build(scan, tmp_path / "whole.h5")
        self.same(path, tmp_path / "whole.h5")
        assert [p.name for p in path.parent.iterdir()] == ["pool.h5"]


MEASURE = """
import resource, sys
from smrestore.noise import build
from smrestore.noise.build import build_noise_pool
build.BLOCK_BYTES = 2**22
build_noise_pool(sys.argv[1], sys.argv[2], background_level="remove")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def test_memory_does_not_grow_with_the_frames(tmp_path):
    rng = np.random.default_rng(0)
    peak = {}
    for n_frames in (4000, 40000):
        scan = tmp_path / f"{n_frames}.mdf"
        acquisition = mdf.Acquisition.from_sequence(
            SMALL, n_frames=n_frames, start_time="2026-01-01T00:00:00.000"
        )
        block = rng.integers(-99, 99, size=(4000, 3, SMALL.n_samples)).astype(np.int16)
        mdf.write_frames(
            scan,
            acquisition=acquisition,
            frames=(block for _ in range(n_frames // 4000)),
            is_background=np.zeros(n_frames, bool),
            description="empty",
        )
        command = [sys.executable, "-c", MEASURE, str(scan), str(tmp_path / "pool.h5")]
        peak[n_frames] = int(subprocess.check_output(command, env=os.environ))
        size = (tmp_path / "pool.h5").stat().st_size
    # The larger pool and its scan hold 45 MB and 23 MB more.
    assert size > 48e6
    assert peak[40000] - peak[4000] < 6e6, peak


class TestStatistics:
    def statistics(self, noise, runs=None):
        runs = runs or [Run(0, noise.shape[1])]
        return row_statistics(lambda a, b: noise[:, a:b], len(noise), runs)

    def white(self, rng, rows, frames):
        noise = rng.normal(size=(rows, frames)) + 1j * rng.normal(size=(rows, frames))
        return (noise / np.sqrt(2)).astype(np.complex64)

    def test_white_noise(self):
        noise = 2 * self.white(np.random.default_rng(0), 50, 5000) + (3 - 7j)
        found = self.statistics(noise)
        np.testing.assert_allclose(found["mean"], noise.mean(axis=1), rtol=1e-5)
        np.testing.assert_allclose(
            found["standard_deviation"], noise.std(axis=1, ddof=1), rtol=1e-4
        )
        np.testing.assert_allclose(found["white_deviation"], 2, rtol=0.05)
        assert found["drift"].max() < 0.4
        assert not found["jumps"].any()
        np.testing.assert_allclose(found["spectrum"].mean(axis=0)[1:], 4, rtol=0.1)

    def test_drift_is_told_from_white_noise(self):
        rng = np.random.default_rng(0)
        slow = 3 * np.exp(2j * np.pi * np.arange(6000) / 1500)
        found = self.statistics(self.white(rng, 20, 6000) + slow.astype(np.complex64))
        np.testing.assert_allclose(found["white_deviation"], 1, rtol=0.05)
        np.testing.assert_allclose(found["drift"], 3, rtol=0.05)
        spectrum = found["spectrum"].mean(axis=0)
        assert spectrum[1] > 3 * spectrum[10]
        assert spectrum[10:] == pytest.approx(1, rel=0.2)

    @given(
        places=st.lists(st.integers(2, 140), min_size=0, max_size=6, unique=True),
        seed=st.integers(0, 99),
    )
    @settings(max_examples=20, deadline=None)
    def test_jumps_are_counted_wherever_pieces_end(self, places, seed):
        noise = self.white(np.random.default_rng(seed), 3, 3000)
        for sign, place in zip((1, -1) * 3, sorted(places), strict=False):
            noise[1, 20 * place :] += sign * 8
        assert self.statistics(noise)["jumps"].tolist() == [0, len(places), 0]

    def test_constant_component(self):
        found = self.statistics(np.full((2, 300), 5 + 1j, np.complex64))
        for name in ("standard_deviation", "white_deviation", "drift", "jumps"):
            assert not found[name].any()

    def test_level_of_scans_is_no_drift(self):
        noise = self.white(np.random.default_rng(0), 5, 2000)
        noise[:, 1000:] = noise[:, 1000:] / 3 + 100
        found = self.statistics(noise, [Run(0, 1000), Run(1000, 2000, 3.0)])
        np.testing.assert_allclose(found["standard_deviation"], 1, rtol=0.1)
        assert not found["jumps"].any()
        np.testing.assert_allclose(found["mean"], noise.mean(axis=1), rtol=1e-5)


class TestParametric:
    def build(self, path, **options):
        defaults = {"model": "drift-white", "name": "p", "seed": 3, "n_frames": 9000}
        axis = SMALL.frequencies
        build_parametric_pool(path, frequency_axis=axis, **{**defaults, **options})
        return NoisePool(path)

    def test_same_seed_same_noise_whatever_else_is_in_the_pool(self, tmp_path):
        shape = (20, 20, 20)
        whole = self.build(tmp_path / "a.h5")
        part = self.build(tmp_path / "b.h5", frequencies=[7, 30])
        other = self.build(tmp_path / "c.h5", seed=4, frequencies=[7])
        images = [p.draw_image(1, 7, shape, generator(1, "x")) for p in (whole, part, other)]
        np.testing.assert_array_equal(images[0], images[1])
        assert not np.allclose(images[0], images[2])
        assert whole.shape == (3, 52, 9000)
        with pytest.raises(InputError, match="9000 frames are too few for a grid of 30x30x30"):
            whole.draw_image(0, 7, (30, 30, 30), generator(1, "x"))

    def test_model_has_the_deviations_it_names(self, tmp_path):
        self.build(tmp_path / "a.h5", drift=2.0, correlation_frames=50.0, frequencies=range(10))
        with h5py.File(tmp_path / "a.h5") as file:
            np.testing.assert_allclose(
                np.mean(file["white_deviation"][()] ** 2), 1 + 0.08, rtol=0.03
            )
            np.testing.assert_allclose(np.mean(file["drift"][()] ** 2), 4 - 0.08, rtol=0.15)
            noise = file["noise"][()] - file["mean"][()][..., None]
        lagged = np.mean(noise[..., 50:] * noise[..., :-50].conj()).real
        assert lagged == pytest.approx(4 / np.e, rel=0.2)
        self.build(tmp_path / "w.h5", model="white", frequencies=range(10))
        with h5py.File(tmp_path / "w.h5") as file:
            np.testing.assert_allclose(file["standard_deviation"][()], 1, rtol=0.05)
            assert file["drift"][()].max() < 0.3

    def test_continues_after_an_interruption(self, tmp_path, monkeypatch):
        import smrestore.noise.workfile as workfile

        self.build(tmp_path / "whole.h5", frequencies=range(5))
        note, calls = workfile._note, []

        def stop(*arguments):
            note(*arguments)
            calls.append(arguments)
            if len(calls) == 5:  # between two chunks of one component
                raise KeyboardInterrupt

        with monkeypatch.context() as context:
            context.setattr(workfile, "_note", stop)
            with pytest.raises(KeyboardInterrupt):
                self.build(tmp_path / "pool.h5", frequencies=range(5))
        self.build(tmp_path / "pool.h5", frequencies=range(5))
        with h5py.File(tmp_path / "whole.h5") as a, h5py.File(tmp_path / "pool.h5") as b:
            np.testing.assert_array_equal(a["noise"][()], b["noise"][()])

    def test_pools_of_one_name_share_frames(self, tmp_path):
        first, same = (self.build(tmp_path / f"{n}.h5", frequencies=[1]) for n in "ab")
        other = self.build(tmp_path / "c.h5", name="q", frequencies=[1])
        check_disjoint(other.origins, first.origins, path="c", trained_with="a")
        with pytest.raises(InputError, match="9000 frames of scan 'drift-white noise'"):
            check_disjoint(same.origins, first.origins, path="b", trained_with="a")

    def test_faults(self, tmp_path):
        for options, fault in (
            ({"model": "pink"}, "model: unknown 'pink'. Use one of white, drift-white"),
            ({"n_frames": 1}, "frames: 1 frames"),
            ({"frequencies": [99]}, "there are 52 frequencies"),
        ):
            with pytest.raises(InputError, match=fault):
                self.build(tmp_path / "a.h5", **options)
        assert not list(tmp_path.iterdir())


def test_figure(two_scans, tmp_path):
    build_noise_pool(two_scans, tmp_path / "pool.h5", background_level="remove")
    draw_noise_pool(tmp_path / "pool.h5", tmp_path / "pool.pdf", tmp_path / "pool.png")
    assert Path(tmp_path / "pool.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(InputError, match=r"no\.h5: no such file"):
        draw_noise_pool(tmp_path / "no.h5", tmp_path / "pool.pdf", tmp_path / "pool.png")


def test_scan_of_the_virtual_scanner(world, tmp_path):
    scan_empty(tmp_path / "more.mdf", world.scanner, world.sequence, frames=60, seed=5)
    scans = [world.empty, tmp_path / "more.mdf"]
    build_noise_pool(scans, tmp_path / "pool.h5", background_level="remove")
    assert NoisePool(tmp_path / "pool.h5").shape == (3, 817, 210)


class TestPartsOfTheSpectrum:
    @pytest.fixture
    def scans(self, world, tmp_path):
        """Two scans of the virtual scanner that store different frequencies."""
        paths = [tmp_path / "low.mdf", tmp_path / "some.mdf"]
        options = {"frames": 20, "seed": 5}
        scan_empty(paths[0], world.scanner, world.sequence, max_mixing_order=6, **options)
        some = [40, 7, 16, 33, 7]
        scan_empty(paths[1], world.scanner, world.sequence, frequencies=some, **options)
        return paths

    def build(self, scans, path, **options):
        build_noise_pool(scans, path, background_level="keep", **options)
        return NoisePool(path)

    def test_pool_holds_what_the_scan_stores(self, scans, tmp_path):
        pool = self.build(scans[1], tmp_path / "pool.h5")
        assert pool.frequencies.tolist() == [7, 16, 33, 40]
        assert pool.shape == (3, 4, 20)
        spectra = mdf.read_spectra(scans[1], frequencies=[33])
        image = pool.draw_image(1, 33, (4, 5, 1), generator(0, "x"))
        np.testing.assert_array_equal(image.ravel(order="F"), spectra[:, 1, 0])
        pool.check_fits([(4, 4, 1)], 817, [16, 40])

    def test_missing_frequencies_are_named_by_pool_and_number(self, scans, tmp_path):
        pool = self.build(scans[1], tmp_path / "pool.h5")
        fault = r"pool\.h5: frequency: frequency 8 is not among the 4 of the pool \(7 to 40\)"
        for absent in (8, 817, -1):
            with pytest.raises(InputError, match=fault.replace("8", str(absent), 1)):
                pool.draw_image(0, absent, (2, 2, 1), generator(1, "x"))
        fault = r"pool\.h5: .*2 of 3 frequencies that are needed are missing: frequency 8 is not"
        with pytest.raises(InputError, match=fault):
            pool.check_fits([(4, 4, 1)], 817, [9, 7, 8, 8])

    def test_several_scans_give_what_all_of_them_store(self, scans, tmp_path):
        with mdf.open_mdf(scans[0]) as file:
            low = set(file.frequency_indices.tolist())
        common = sorted(low & {7, 16, 33, 40})
        assert 0 < len(common) < 4
        for order in (scans, scans[::-1]):
            pool = self.build(order, tmp_path / "pool.h5")
            assert pool.frequencies.tolist() == common
            assert pool.shape[2] == 40

    def test_frequency_that_a_scan_does_not_store(self, scans, tmp_path):
        fault = (
            r"some\.mdf: /measurement/frequencySelection: 2 of 3 frequencies that are needed are "
            r"not stored, the first is 1\. Record"
        )
        with pytest.raises(InputError, match=fault):
            self.build(scans, tmp_path / "pool.h5", frequencies=np.array([16, 2, 1]))
        assert not (tmp_path / "pool.h5").exists()

    def test_scans_without_a_common_frequency(self, world, scans, tmp_path):
        other = tmp_path / "other.mdf"
        scan_empty(other, world.scanner, world.sequence, frames=5, seed=1, frequencies=[8])
        with pytest.raises(InputError, match=r"other\.mdf: .*none of its frequencies is stored in"):
            self.build([scans[1], other], tmp_path / "pool.h5")

    @pytest.mark.parametrize("frequencies", [[], [-1], [0, 817]])
    def test_frequencies_that_no_scan_can_store(self, world, tmp_path, frequencies):
        with pytest.raises(InputError, match=r"frequencies: .*the sequence has 817"):
            scan_empty(
                tmp_path / "x.mdf", world.scanner, world.sequence,
                frames=5, seed=1, frequencies=frequencies,
            )  # fmt: skip
