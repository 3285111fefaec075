"""The virtual scanner: its files hold what its truth says, plus the background of its settings."""

import dataclasses

import h5py
import numpy as np
import pytest
import scipy.fft
from tiny_scanner import SCANNER, SEED

from smrestore import mdf
from smrestore.methods.phase import phase_factor
from smrestore.physics import CalibrationGrid, Sequence, mixing_orders
from smrestore.physics.mixing import total_order
from smrestore.scanner import (
    Phantom,
    load_grid,
    load_scanner,
    load_sequence,
    repeat_calibration,
    scan_calibration,
    scan_empty,
    scan_phantom,
)
from smrestore.scanner.background import ORDER_DECAY, BackgroundSettings, scanner_background
from smrestore.scanner.calibrations import Corruption
from smrestore.scanner.phantoms import Tube
from smrestore.scanner.signal import (
    DeltaSample,
    ReceiveChannel,
    SignalModel,
    Tracer,
    transfer_function,
)
from smrestore.support.errors import InputError
from smrestore.support.seeds import generator

LINE = Sequence((0.012, 0.0, 0.0), (-1.0, -1.0, 2.0), sampling_rate=2.5e6)
"""One driven axis: 102 samples, 52 frequencies."""
GRID = CalibrationGrid((4, 3, 2), (0.016, 0.012, 0.004), (0.001, 0.0, 0.0))
SILENCE = {"thermal_noise_mV": 0.0, "feedthrough_mV": 0.0, "drift": 0.0, "jump_rate": 0.0}


def scanner(name="tiny", full_scale_V=10.0, **background):  # noqa: N803 (configuration key)
    background = {**SCANNER["background"], **background}
    return load_scanner(name, {**SCANNER, "background": background, "full_scale_V": full_scale_V})


def settings(**changes):
    return dataclasses.replace(scanner().background, **changes)


def sample_spectrum(tracer, channels, sequence, grid):
    """Return the spectra of a point at all voxels, (C, K, P)."""
    model = SignalModel(tracer, channels, DeltaSample((0.0, 0.0, 0.0)), sequence, grid)
    return model.at_points(grid.positions().reshape(-1, 3)).transpose(1, 2, 0)


def read_truth(path, name="system_matrix"):
    with h5py.File(path) as file:
        return file[name][()]


def raw(path):
    with h5py.File(path) as file:
        return file["/measurement/data"][()], file["/acquisition/receiver/dataConversionFactor"][()]


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    """A calibration without any background, and its truth."""
    folder = tmp_path_factory.mktemp("silent")
    paths = folder / "silent.mdf", folder / "silent.h5"
    virtual = scanner(**SILENCE)
    scan_calibration(*paths, virtual, LINE, GRID, averages=10_000, seed=SEED)
    return paths


# configuration


def test_settings_are_in_si_units():
    virtual = scanner()
    assert virtual.tracer.median_core_diameter == pytest.approx(20e-9)
    assert virtual.tracer.relaxation_time == pytest.approx(1.5e-6)
    assert virtual.channels[1] == ReceiveChannel(
        sensitivity=pytest.approx(1e-6),
        resonance=pytest.approx(750e3),
        quality=1.5,
        delay=pytest.approx(200e-9),
    )
    assert virtual.background == BackgroundSettings(
        thermal_noise=pytest.approx(3e-3),
        feedthrough=pytest.approx(0.1),
        drift=0.3,
        low_order_drift=5.0,
        correlation_frames=50.0,
        jump_rate=0.01,
        jump_size=2.0,
    )
    sequence = load_sequence(
        {
            "drive_amplitude_mT": [12.0, 0.0, 0.0],
            "gradient_T_per_m": [-1.0, -1.0, 2.0],
            "dividers": [102, 96, 99],
            "base_frequency_Hz": 2.5e6,
            "sampling_rate_Hz": 2.5e6,
        }
    )
    assert sequence == LINE
    grid = load_grid({"size": [4, 3, 2], "fov_mm": [16, 12, 4], "center_mm": [1, 0, 0]})
    np.testing.assert_allclose(grid.positions(), GRID.positions(), atol=1e-15)


# calibration scans


def test_truth_is_the_matrix_that_a_scan_without_background_holds(silent):
    path, truth = silent
    matrix, expected = mdf.read_system_matrix(path), read_truth(truth)
    assert matrix.shape == expected.shape == (3, LINE.n_frequencies, *GRID.size)
    # What remains is the integer conversion: uniform within a step, in the sum of all samples.
    step = 10.0 / 2**15 / 10_000
    assert np.abs(matrix - expected).max() < 6 * step * np.sqrt(LINE.n_samples)
    assert np.abs(expected).max() > 1e5 * step


def test_truth_is_the_polydisperse_spectrum_on_its_grid(silent):
    virtual = scanner()
    spectrum = sample_spectrum(virtual.tracer, virtual.channels, LINE, GRID)
    truth = read_truth(silent[1])
    assert truth.dtype == np.complex64
    np.testing.assert_allclose(truth.reshape(spectrum.shape), spectrum, rtol=1e-5, atol=1e-6)
    with h5py.File(silent[1]) as file:
        np.testing.assert_allclose(file.attrs["fov_m"], GRID.fov)
        np.testing.assert_allclose(file.attrs["center_m"], GRID.center)
        assert {"smrestore_version", "git_commit", "created"} <= set(file.attrs)


def test_frames_come_line_by_line_with_a_background_frame_before_each_and_at_the_end(silent):
    path, truth = silent
    expected = read_truth(truth)
    with mdf.open_mdf(path) as file:
        mask, calibration = file.is_background, file.calibration
        assert file.acquisition.sequence() == LINE
    assert mask.tolist() == ([True] + [False] * 4) * 6 + [True]
    assert calibration.size == GRID.size
    assert calibration.delta_sample_size == (0.0, 0.0, 0.0)
    frames = mdf.read_spectra(path)
    assert not frames[mask].any()
    p = 0
    for iz in range(2):
        for iy in range(3):
            for ix in range(4):
                np.testing.assert_allclose(
                    frames[~mask][p], expected[:, :, ix, iy, iz], rtol=1e-4, atol=1e-5
                )
                p += 1


def test_noise_of_averages_is_that_of_the_thermal_noise(tmp_path):
    averages = 400
    virtual = scanner(drift=0.0, jump_rate=0.0)
    grid = CalibrationGrid((7, 9, 1), (0.014, 0.018, 0.0))
    paths = tmp_path / "a.mdf", tmp_path / "a.h5"
    scan_calibration(*paths, virtual, LINE, grid, averages=averages, seed=SEED)
    thermal = virtual.background.thermal_noise**2 * LINE.n_samples / averages
    inner = slice(1, -1)  # direct component and Nyquist frequency are real
    background = mdf.background_std(paths[0])[:, inner]
    assert np.mean(background**2) == pytest.approx(thermal, rel=0.1)
    error = (mdf.read_system_matrix(paths[0]) - read_truth(paths[1]))[:, inner]
    # At the fraction w between two background frames, (1 - w)^2 + w^2 of their noise is added.
    fraction = np.arange(1, 8) / 8
    added = np.mean((1 - fraction) ** 2 + fraction**2)
    assert np.mean(np.abs(error) ** 2) == pytest.approx(thermal * (1 + added), rel=0.05)


@pytest.mark.parametrize(("averages", "dtype"), [(1, np.int16), (7, np.int32)])
def test_voltages_are_integers_with_their_conversion_factor(tmp_path, averages, dtype):
    paths = tmp_path / "scan.mdf", tmp_path / "scan.h5"
    virtual = scanner(**SILENCE)
    scan_calibration(*paths, virtual, LINE, GRID, averages=averages, seed=SEED)
    numbers, conversion = raw(paths[0])
    assert numbers.dtype == dtype
    step = 10.0 / 2**15 / averages
    np.testing.assert_allclose(conversion, [[step, 0.0]] * 3)
    truth = read_truth(paths[1]).transpose(4, 3, 2, 0, 1).reshape(-1, 3, LINE.n_frequencies)
    voltage = scipy.fft.irfft(truth, n=LINE.n_samples)
    with mdf.open_mdf(paths[0]) as file:
        assert file.acquisition.n_averages == averages
        measured = numbers[~file.is_background, 0] * step
    np.testing.assert_allclose(measured, voltage, atol=0.51 * step)


@pytest.mark.parametrize("averages", [1, 10])
def test_voltages_beyond_full_scale_saturate_with_a_warning(tmp_path, averages, caplog):
    paths = tmp_path / "scan.mdf", tmp_path / "scan.h5"
    scan_calibration(*paths, scanner(full_scale_V=0.01), LINE, GRID, averages=averages, seed=SEED)
    numbers, _ = raw(paths[0])
    assert numbers.min() == -(2**15) * averages
    assert numbers.max() == (2**15 - 1) * averages
    (message,) = caplog.messages
    assert message.startswith("scan: ")
    assert message.endswith("% of the samples from frame 0 on exceed the full scale of 0.01 V")
    caplog.clear()
    scan_calibration(*paths, scanner(), LINE, GRID, averages=averages, seed=SEED)
    assert not caplog.text


# seeds


def test_files_depend_on_seed_and_names_alone(tmp_path):
    def scan(folder, name="scan", seed=SEED, virtual=None):
        path = tmp_path / folder / f"{name}.mdf"
        scan_empty(path, virtual or scanner(), LINE, frames=70, seed=seed)
        return path

    first = scan("a")
    assert scan("b").read_bytes() == first.read_bytes()
    numbers = raw(first)[0]
    others = [
        scan("c", seed=SEED + 1),
        scan("d", name="other"),
        scan("e", virtual=scanner("other scanner")),
    ]
    for other in others:
        assert (raw(other)[0] != numbers).mean() > 0.5
    uuids = set()
    for path in (first, *others[:2]):
        with h5py.File(path) as file:
            uuids.add(file["/uuid"][()])
    assert len(uuids) == 3


def test_calibrations_of_one_seed_are_equal_bytes(silent, tmp_path):
    paths = tmp_path / "silent.mdf", tmp_path / "silent.h5"
    virtual = scanner(**SILENCE)
    scan_calibration(*paths, virtual, LINE, GRID, averages=10_000, seed=SEED)
    assert paths[0].read_bytes() == silent[0].read_bytes()
    np.testing.assert_array_equal(read_truth(paths[1]), read_truth(silent[1]))


def test_scans_of_one_scanner_share_its_level_but_not_their_drift(tmp_path):
    def mean(name):
        scan_empty(tmp_path / name, scanner(drift=0.0, jump_rate=0.0), LINE, frames=100, seed=SEED)
        return mdf.read_spectra(tmp_path / name).mean(axis=0)

    one, other = mean("one.mdf"), mean("other.mdf")
    noise = scanner().background.thermal_noise * np.sqrt(LINE.n_samples / 100)
    assert np.abs(one - other).max() < 6 * noise
    assert np.abs(one).max() > 50 * noise


def test_every_scan_drifts_on_its_own(tmp_path):
    virtual = scanner(drift=30.0, jump_rate=0.0, correlation_frames=2.0)
    courses = []
    for name in ("one.mdf", "other.mdf"):
        scan_empty(tmp_path / name, virtual, LINE, frames=200, seed=SEED)
        # The drift modes of a scanner are the same in both scans.
        courses.append(np.abs(mdf.read_spectra(tmp_path / name)[:, 0, 1]))
    assert abs(np.corrcoef(courses)[0, 1]) < 0.3


# empty scans and background


def test_empty_scan_is_not_flagged_as_background(world):
    with mdf.open_mdf(world.empty) as file:
        assert not file.is_background.any()
        assert file.calibration is None
        assert file.acquisition.n_averages == 1
        assert file.acquisition.n_frames == len(file.is_background) == 150
        assert file.hdf5["/experiment/isSimulation"][()] == 1
        assert file.hdf5["/scanner/name"][()] == b"tiny"


def background(n_frames=100, sequence=LINE, **changes):
    return scanner_background(
        settings(**changes),
        sequence,
        3,
        n_frames,
        scanner_rng=generator(SEED, "scanner"),
        scan_rng=generator(SEED, "scan"),
    )


def test_drift_forgets_as_the_settings_say():
    course = background(40_000, jump_rate=0.0, correlation_frames=20.0).course
    assert course.var(axis=1) == pytest.approx(1, rel=0.15)
    for lag in (1, 10, 40):
        correlation = np.mean(course[:, :-lag] * course[:, lag:])
        assert correlation == pytest.approx(np.exp(-lag / 20), abs=0.06)
    cross = np.corrcoef(course) - np.eye(3)
    assert np.abs(cross).max() < 0.15


def test_drift_starts_in_its_steady_state():
    starts = [
        scanner_background(
            settings(jump_rate=0.0),
            LINE,
            1,
            1,
            scanner_rng=generator(1, "scanner"),
            scan_rng=generator(i, "scan"),
        ).course
        for i in range(300)
    ]
    assert np.var(starts) == pytest.approx(1, rel=0.15)


def test_jumps_are_as_frequent_and_large_as_the_settings_say():
    rate, size, frames = 0.01, 50.0, 20_000
    course = background(frames, jump_rate=rate, jump_size=size).course
    steps = np.abs(np.diff(course)).max(axis=0)
    assert (steps > 10).sum() == pytest.approx(rate * frames, rel=0.25)
    # Largest of the steps in three modes, each normally distributed: median 1.26 deviations.
    assert np.median(steps[steps > 10]) == pytest.approx(1.26 * size, rel=0.2)
    still = background(frames, jump_rate=0.0, jump_size=size).course
    assert np.abs(np.diff(still)).max() < 2


def test_drift_and_feedthrough_have_the_strength_of_the_settings(world):
    drawn = background(4, world.sequence)
    low = np.exp(-total_order(mixing_orders(world.sequence)) / ORDER_DECAY)
    thermal = 3e-3 * np.sqrt(world.sequence.n_samples)
    strength = 0.3 * thermal * (1 + 5 * low)
    energy = (np.abs(drawn.patterns) ** 2).sum(axis=0)
    assert np.mean(energy / strength**2) == pytest.approx(1, rel=0.1)
    level = 0.1 * world.sequence.n_samples / 2 * low
    assert np.mean(np.abs(drawn.level / level) ** 2) == pytest.approx(1, rel=0.1)
    frames = drawn.frames(1, 3)
    expected = drawn.level + sum(drawn.course[m, 2] * drawn.patterns[m] for m in range(3))
    np.testing.assert_allclose(frames[1], expected, rtol=1e-12)


def test_jumps_reach_the_file(tmp_path):
    frames = 200

    def largest_change(rate):
        virtual = scanner(drift=1.0, jump_rate=rate, jump_size=100.0)
        scan_empty(tmp_path / "jumps.mdf", virtual, LINE, frames=frames, seed=SEED)
        spectra = mdf.read_spectra(tmp_path / "jumps.mdf")[:, 0, 1:-1]
        return np.linalg.norm(np.diff(spectra, axis=0), axis=1).max()

    assert largest_change(0.02) > 10 * largest_change(0.0)


# receive chain and tracer


def test_transfer_function_is_a_resonance_with_delay():
    channels = (ReceiveChannel(2e-6, 1e6, 3.0, 100e-9), ReceiveChannel(1e-6, 5e5, 1.0, 0.0))
    values = transfer_function(channels, np.array([0.0, 0.5e6, 1e6]))
    assert values.shape == (2, 3)
    np.testing.assert_allclose(values[:, 0], [2e-6, 1e-6])
    # Half the resonance: 1 / (3/4 + i/6), delayed by 0.05 periods.
    half = 2e-6 / (0.75 + 1j / 6) * np.exp(-2j * np.pi * 0.05)
    # Resonance: Q / i.
    np.testing.assert_allclose(
        values[0, 1:], [half, 2e-6 * 3.0 / 1j * np.exp(-2j * np.pi * 0.1)], rtol=1e-12
    )
    np.testing.assert_allclose(values[1, 1:], [-1e-6j, 1e-6 / (1 - 4 + 2j)], rtol=1e-12)


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.15])
def test_shares_are_those_of_a_log_normal_distribution_by_volume(spread):
    tracer = Tracer(20e-9, spread, 1500.0, 1.0, 1e-6)
    fractions = tracer.fractions()
    shares = np.array([share for _, share in fractions])
    diameters = np.array([particle.core_diameter for particle, _ in fractions])
    times = np.array([particle.relaxation_time for particle, _ in fractions])
    assert shares.sum() == pytest.approx(1)
    for power in (1, 2, 3):
        # E[d^(3 + k)] / E[d^3] of a log-normal distribution.
        expected = np.exp(spread**2 * ((3 + power) ** 2 - 9) / 2)
        assert np.sum(shares * (diameters / 20e-9) ** power) == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(times, 1e-6 * (diameters / 20e-9) ** 3)


def imaginary_share(tracer, world):
    """Largest share of the energy of a strong component that no global phase makes real."""
    spectrum = sample_spectrum(tracer, scanner().channels, world.sequence, world.grid)
    rows = spectrum[:, 1:].reshape(-1, world.grid.n_positions)
    energy = (np.abs(rows) ** 2).sum(axis=1)
    rows = rows[energy > 1e-6 * energy.max()]
    turned = np.array([row / phase_factor(row) for row in rows])
    return np.max((turned.imag**2).sum(axis=1) / (np.abs(turned) ** 2).sum(axis=1))


def test_components_are_complex_only_where_sizes_relax_differently(world):
    tracer = scanner().tracer
    assert imaginary_share(tracer, world) > 1e-3
    replace = dataclasses.replace
    assert imaginary_share(replace(tracer, relaxation_time=0.0), world) < 1e-20
    assert imaginary_share(replace(tracer, diameter_spread=0.0), world) < 1e-20


def test_relaxation_delays_and_weakens_the_response():
    still = Tracer(20e-9, 0.0, 1500.0, 1.0, 0.0)
    relaxing = dataclasses.replace(still, relaxation_time=2e-6)
    channels = scanner().channels
    without, with_relaxation = (
        sample_spectrum(tracer, channels, LINE, GRID) for tracer in (still, relaxing)
    )
    k = 3
    debye = 1 / (1 + 2j * np.pi * LINE.frequencies[k] * 2e-6)
    np.testing.assert_allclose(with_relaxation[0, k], without[0, k] * debye, rtol=1e-12)


# phantoms


def test_phantom_in_one_voxel_measures_as_its_share_of_the_delta_sample(world, tmp_path):
    place = (2, 1, 0)
    center = world.grid.positions()[place]
    # A disk that touches the edges of the voxel.
    tube = Tube((tuple(center), tuple(center)), 0.5 * world.grid.voxel[0])
    paths = tmp_path / "phantom.mdf", tmp_path / "phantom.h5"
    scan_phantom(
        *paths,
        scanner(**SILENCE),
        world.sequence,
        world.grid,
        Phantom((tube,)),
        frames=2,
        background_frames=3,
        averages=1000,
        seed=SEED,
    )
    with mdf.open_mdf(paths[0]) as file:
        assert file.is_background.tolist() == [True] * 3 + [False] * 2
        assert file.calibration is None
    spectra = mdf.read_spectra(paths[0])
    assert not spectra[:3].any()
    delta = read_truth(world.calibration_truth)[(slice(None), slice(None), *place)]
    image = read_truth(paths[1], "concentration")
    assert np.argwhere(image > 0).tolist() == [list(place)]
    assert image[place] == pytest.approx(np.pi / 4, abs=0.05)
    error = spectra[3] - image[place] * delta
    assert np.linalg.norm(error) < 0.05 * np.linalg.norm(delta)


def test_a_repeated_scan_has_the_same_signal_and_noise_of_its_name(world, tmp_path):
    scan = (world.scanner, world.sequence, world.grid)
    for name in ("calibration", "again"):
        repeat_calibration(
            tmp_path / f"{name}.mdf",
            world.calibration_truth,
            *scan,
            averages=100,
            seed=SEED,
        )
    paths = (world.calibration, tmp_path / "calibration.mdf", tmp_path / "again.mdf")
    raw = []
    for path in paths:
        with h5py.File(path) as file:
            raw.append(file["/measurement/data"][()].astype(np.int64))
    # Under the name of the original it is the original, but for the rounding of the truth.
    assert np.abs(raw[1] - raw[0]).max() <= 1
    assert np.abs(raw[2] - raw[0]).max() > 10
    matrix, noise = mdf.read_system_matrix(paths[2]), mdf.corrected_noise(paths[2])
    error = matrix - read_truth(world.calibration_truth)
    deviation = np.sqrt(np.mean(np.abs(error) ** 2, axis=(2, 3, 4)))
    assert np.median(deviation / noise) == pytest.approx(1, abs=0.3)


def test_a_repeated_scan_of_another_grid_is_named(world, tmp_path):
    grid = dataclasses.replace(world.grid, size=(6, 5, 1))
    scan = (world.scanner, world.sequence, grid)
    with pytest.raises(InputError, match=r"system_matrix.*not that of this scan"):
        repeat_calibration(
            tmp_path / "x.mdf", world.calibration_truth, *scan, averages=1, seed=SEED
        )


def test_a_repeated_scan_has_the_corruption_of_the_original(world, tmp_path):
    corruption = Corruption("stuck", 3, 4)
    scan = (world.scanner, world.sequence, world.grid)
    path = tmp_path / "bad.mdf"
    repeat_calibration(
        path, world.calibration_truth, *scan, averages=1000, seed=SEED, corruption=corruption
    )
    strong = np.s_[0, 16]
    wrong = mdf.read_system_matrix(path)[strong].ravel(order="F")
    right = read_truth(world.calibration_truth)[strong].ravel(order="F")
    expected = right.copy()
    expected[3:7] = right[2]
    np.testing.assert_allclose(wrong, expected, atol=0.05 * np.abs(right).max())
