"""Reading MDF files: every layout against a reader that shares no code with the library."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mdf_files import (
    SEQUENCE,
    TIME,
    acquisition,
    calibration,
    edit,
    independent_matrix,
    independent_read,
    interleaved,
    raw_signals,
    write_raw,
    write_stored,
)

from smrestore.mdf import (
    iter_spectra,
    open_mdf,
    read_background,
    read_spectra,
    read_system_matrix,
)
from smrestore.support.errors import InputError

K = SEQUENCE.n_frequencies
few = settings(max_examples=15, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def close(actual: np.ndarray, expected: np.ndarray) -> None:
    assert actual.dtype == np.complex64
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=3e-7 * np.abs(expected).max())


def random_spectra(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)


@few
@given(
    seed=seeds,
    n_frames=st.integers(1, 7),
    dtype=st.sampled_from(["<i2", ">i4", "<f4", "<f8"]),
    fast=st.booleans(),
    converted=st.booleans(),
    block_frames=st.integers(1, 4),
)
def test_time_signals_become_spectra(
    tmp_path_factory, seed, n_frames, dtype, fast, converted, block_frames
):
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.mktemp("mdf") / "scan.mdf"
    data = raw_signals(seed, n_frames)[:, None].astype(dtype)
    factor = None if converted else rng.normal(size=(3, 2))
    write_stored(
        path,
        np.moveaxis(data, 0, -1) if fast else data,
        np.zeros(n_frames),
        {"isFastFrameAxis": fast},
        acquisition=acquisition(n_frames, conversion_factor=factor),
    )
    expected = independent_read(path)["spectra"]
    close(read_spectra(path), expected)

    channels, frequencies = [2, 0], [7, 0, 3]
    frames = rng.permutation(n_frames)
    blocks = list(
        iter_spectra(
            path,
            channels=channels,
            frequencies=frequencies,
            frames=frames,
            block_frames=block_frames,
        )
    )
    assert all(len(index) == len(block) <= block_frames for index, block in blocks)
    assert np.concatenate([index for index, _ in blocks]).tolist() == frames.tolist()
    chosen = expected[frames][:, channels][:, :, frequencies]
    close(np.concatenate([block for _, block in blocks]), chosen)


@few
@given(
    seed=seeds,
    n_frames=st.integers(1, 6),
    fast=st.booleans(),
    selected=st.booleans(),
    integers=st.booleans(),
)
def test_stored_spectra_are_read_as_they_are(
    tmp_path_factory, seed, n_frames, fast, selected, integers
):
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.mktemp("mdf") / "scan.mdf"
    indices = rng.permutation(K)[:9] if selected else np.arange(K)
    data = random_spectra(rng, n_frames, 1, 2, len(indices))
    if integers:
        compound = np.empty(data.shape, [("r", "<i2"), ("i", "<i2")])
        compound["r"], compound["i"] = (1000 * data.real), (1000 * data.imag)
        data = compound
    write_stored(
        path,
        np.moveaxis(data, 0, -1) if fast else data,
        np.zeros(n_frames),
        {
            "isFourierTransformed": True,
            "isFastFrameAxis": fast,
            "isFrequencySelection": selected,
        },
        acquisition=acquisition(n_frames, 2, conversion_factor=rng.normal(size=(2, 2))),
        fields={"/measurement/frequencySelection": indices + 1},
    )
    expected = independent_read(path)["spectra"]
    close(read_spectra(path), expected)
    wanted = rng.permutation(len(indices))[:5]
    close(read_spectra(path, frequencies=indices[wanted]), expected[:, :, wanted])
    mask = np.arange(n_frames) % 2 == 0
    close(read_spectra(path, channels=[1], frames=mask), expected[mask][:, [1]])


def test_description_of_a_scan(tmp_path):
    mask = interleaved(3, 2)
    factor = np.array([[1e-3, 0.5]] * 3)
    grid = calibration(2, 3, 1, delta_sample_size=(2e-3, 2e-3, 1e-3), is_meandering=True)
    path = write_raw(
        tmp_path / "scan.mdf",
        raw_signals(0, len(mask)),
        mask,
        calibration=grid,
        conversion_factor=factor,
        n_averages=10,
    )
    with open_mdf(path) as file:
        assert file.acquisition.sequence() == SEQUENCE
        assert file.acquisition.n_averages == 10
        assert file.acquisition.start_time == TIME
        assert file.acquisition.frequencies == pytest.approx(SEQUENCE.frequencies)
        np.testing.assert_array_equal(file.acquisition.conversion_factor, factor)
        assert file.calibration.grid().size == (2, 3, 1)
        assert file.calibration.grid().fov == (0.03, 0.02, 0.01)
        assert file.calibration.grid().center == (0.001, 0.0, 0.0)
        assert file.calibration.delta_sample_size == (2e-3, 2e-3, 1e-3)
        assert file.calibration.is_meandering
        np.testing.assert_array_equal(file.is_background, mask)
        np.testing.assert_array_equal(file.acquisition_index, np.arange(len(mask)))


def test_off_specification_shapes_are_understood(tmp_path):
    path = write_raw(tmp_path / "scan.mdf", raw_signals(0, 2), [0, 0])
    edit(path, "/acquisition/drivefield/divider", [[6, 4, 5]])
    edit(path, "/acquisition/drivefield/waveform", "sine")
    edit(path, "/acquisition/drivefield/cycle", [SEQUENCE.cycle])
    edit(path, "/acquisition/gradient", np.diag([-1.0, -1.5, 2.5]))
    edit(path, "/acquisition/offsetField", [0.0, 0.0, 0.0])
    edit(path, "/measurement/isSparsityTransformed")
    edit(path, "/measurement/isFastFrameAxis")
    edit(path, "/acquisition/numAverages")
    with open_mdf(path) as file:
        assert file.acquisition.sequence() == SEQUENCE
        assert file.acquisition.waveform == ("sine",) * 3
        assert file.acquisition.n_averages == 1
        assert file.acquisition.offset_field.shape == (1, 1, 3)
    assert read_spectra(path).shape == (2, 3, K)


def test_zero_based_frequency_selection_of_other_writers(tmp_path):
    data = random_spectra(np.random.default_rng(1), 1, 1, 3, 4)
    path = write_stored(
        tmp_path / "scan.mdf",
        data,
        [0],
        {"isFourierTransformed": True, "isFrequencySelection": True},
        fields={"/measurement/frequencySelection": np.array([0, 2, 5, 9])},
    )
    with pytest.warns(UserWarning, match="frequencySelection: counts from 0"):
        spectra = read_spectra(path, frequencies=[5])
    np.testing.assert_array_equal(spectra, data[:, 0, :, 2:3])


@few
@given(
    seed=seeds,
    size=st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)),
)
def test_drift_between_interleaved_background_frames_is_removed(tmp_path_factory, seed, size):
    """One background frame per line, drift piecewise linear with knots at these frames.

    The estimate is written down as MPIFiles.jl evaluates it: the interpolant of the E background
    frames at (t - 1) / (N - 1) * (E - 1) + 1, t counted from 1.
    """
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.mktemp("mdf") / "scan.mdf"
    mask = interleaved(size[1] * size[2], size[0])
    n = len(mask)
    signal = rng.normal(size=(n, 3, SEQUENCE.n_samples))
    signal[mask] = 0
    knots = np.flatnonzero(mask)
    levels = 20 * rng.normal(size=(len(knots), 3, SEQUENCE.n_samples))
    place = np.arange(n) / (n - 1) * (len(knots) - 1)
    low = np.minimum(np.floor(place).astype(int), len(knots) - 2)
    weight = (place - low)[:, None, None]
    drift = (1 - weight) * levels[low] + weight * levels[low + 1]
    write_raw(path, signal + drift, mask, calibration=calibration(*size))
    clean = write_raw(path.with_name("clean.mdf"), signal, mask, calibration=calibration(*size))
    expected = independent_matrix(clean)
    actual = read_system_matrix(path)
    assert actual.shape == (3, K, *size)
    assert np.abs(actual - expected).max() < 1e-6 * np.abs(levels).max() * SEQUENCE.n_samples


def test_runs_of_background_frames_count_at_their_center(tmp_path):
    """Blocks before, between and after: line between block centers, constant beyond them."""
    mask = np.array([0, 1, 1, 1, 0, 0, 1, 0, 0, 1, 1, 0], dtype=bool)
    levels = {1: 3.0, 2: 5.0, 3: 4.0, 6: 10.0, 9: 1.0, 10: 3.0}
    signal = np.zeros((12, 3, SEQUENCE.n_samples))
    for frame, level in levels.items():
        signal[frame] = level
    path = write_raw(tmp_path / "scan.mdf", signal, mask, calibration=calibration(6, 1, 1))
    direct = read_system_matrix(path, frequencies=[0])[0, 0, :, 0, 0] / SEQUENCE.n_samples
    # Centers 2, 6, 9.5 of height 4, 10, 2; foreground frames 0, 4, 5, 7, 8, 11.
    expected = [-4, -7, -8.5, -(10 - 8 / 3.5), -(10 - 16 / 3.5), -2]
    np.testing.assert_allclose(direct, expected, rtol=1e-6)
    mean = read_system_matrix(path, frequencies=[0], background="mean")
    np.testing.assert_allclose(mean[0, 0, :, 0, 0] / SEQUENCE.n_samples, -26 / 6, rtol=1e-6)
    untouched = read_system_matrix(path, frequencies=[0], background=None)
    np.testing.assert_array_equal(untouched, 0)


@few
@given(
    seed=seeds,
    size=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)),
    fast=st.booleans(),
)
def test_processed_layout_equals_the_raw_scan_it_came_from(tmp_path_factory, seed, size, fast):
    """Sorted frames first, background last, acquisition times in the permutation."""
    folder = tmp_path_factory.mktemp("mdf")
    rng = np.random.default_rng(seed)
    mask = interleaved(size[1] * size[2], size[0])
    raw = raw_signals(seed, len(mask))
    grid = calibration(*size, is_meandering=True)
    source = write_raw(folder / "raw.mdf", raw, mask, calibration=grid)
    read = independent_read(source)
    # The frame of each grid point, by walking along the path of the robot.
    steps = iter(np.flatnonzero(~mask))
    frame_of = {}
    x, y, forward_x, forward_y = 0, 0, True, True
    for z in range(size[2]):
        for line in range(size[1]):
            y = line if forward_y else size[1] - 1 - line
            for step in range(size[0]):
                x = step if forward_x else size[0] - 1 - step
                frame_of[x, y, z] = next(steps)
            forward_x = not forward_x
        forward_y = not forward_y
    nx, ny, nz = size
    order = [frame_of[x, y, z] for z in range(nz) for y in range(ny) for x in range(nx)]
    background = rng.permutation(np.flatnonzero(mask))
    permutation = np.concatenate([order, background]).astype(int)
    spectra = read["spectra"][permutation].astype(np.complex64)[:, None]
    processed = write_stored(
        folder / "processed.mdf",
        np.moveaxis(spectra, 0, -1) if fast else spectra,
        mask[permutation],
        {"isFourierTransformed": True, "isFastFrameAxis": fast, "isFramePermutation": True},
        calibration=grid,
        fields={"/measurement/framePermutation": permutation + 1},
    )
    scale = np.abs(spectra).max()
    for correction in ("interpolate", "mean", None):
        a = read_system_matrix(source, background=correction)
        b = read_system_matrix(processed, background=correction)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6 * scale)
    close(read_system_matrix(source, background=None), independent_matrix(processed))
    close(read_background(processed), read["spectra"][mask])
    part = read_system_matrix(processed, channels=[2, 1], frequencies=[24, 3, 4])
    whole = read_system_matrix(processed)
    np.testing.assert_array_equal(part, whole[[2, 1]][:, [24, 3, 4]])


def test_corrected_files_are_not_corrected_again(tmp_path):
    mask = interleaved(2, 2)
    path = write_raw(
        tmp_path / "scan.mdf",
        raw_signals(3, len(mask)),
        mask,
        calibration=calibration(2, 2, 1),
        fields={"/measurement/isBackgroundCorrected": True},
    )
    np.testing.assert_array_equal(
        read_system_matrix(path), read_system_matrix(path, background=None)
    )


def test_order_of_axes(tmp_path):
    raw = raw_signals(4, 6)
    path = write_raw(
        tmp_path / "scan.mdf", raw, np.zeros(6), calibration=calibration(2, 3, 1, order="yxz")
    )
    matrix = read_system_matrix(path, background=None)
    frames = np.fft.rfft(raw.astype(float), axis=-1)
    for x in range(2):
        for y in range(3):
            close(matrix[:, :, x, y, 0], frames[y + 3 * x])


def test_transfer_function_is_divided_by_on_request(tmp_path):
    rng = np.random.default_rng(5)
    function = 1 + rng.random((3, K)) + 1j * rng.random((3, K))
    function[1, 0] = 0
    raw = raw_signals(5, 2)
    path = write_raw(tmp_path / "scan.mdf", raw, [0, 0], transfer_function=function)
    spectra = independent_read(path)["spectra"]
    close(read_spectra(path), spectra)
    k = np.arange(1, K)
    divided = read_spectra(path, frequencies=k, transfer_function="divide")
    close(divided, spectra[:, :, 1:] / function[:, 1:])
    with pytest.raises(InputError, match=r"transferFunction: is 0 in channel 1 at frequency .* 0"):
        read_spectra(path, transfer_function="divide")
    edit(path, "/measurement/isTransferFunctionCorrected", np.int8(1))
    close(read_spectra(path, transfer_function="divide"), spectra)


@pytest.mark.parametrize("cut", [True, False])
def test_transfer_function_of_selected_frequencies(tmp_path, cut):
    """Writers differ in whether they cut the transfer function to the selection."""
    rng = np.random.default_rng(6)
    indices = np.array([3, 8, 20])
    function = 1 + rng.random((3, K)) + 1j
    data = random_spectra(rng, 1, 1, 3, 3)
    path = write_stored(
        tmp_path / "scan.mdf",
        data,
        [0],
        {"isFourierTransformed": True, "isFrequencySelection": True},
        acquisition=acquisition(1, transfer_function=function[:, indices] if cut else function),
        fields={"/measurement/frequencySelection": indices + 1},
    )
    close(
        read_spectra(path, frequencies=[20, 8], transfer_function="divide"),
        data[:, 0][:, :, [2, 1]] / function[:, [20, 8]],
    )


def test_sequence_errors(tmp_path):
    path = write_raw(tmp_path / "scan.mdf", raw_signals(0, 1), [0])
    edit(path, "/acquisition/drivefield/divider", np.array([[6], [8], [5]]))
    with open_mdf(path) as file, pytest.raises(InputError, match="96 samples per cycle"):
        file.acquisition.sequence()
    edit(path, "/acquisition/gradient")
    with open_mdf(path) as file, pytest.raises(InputError, match="selection field is not stored"):
        file.acquisition.sequence()
