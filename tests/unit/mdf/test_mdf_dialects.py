"""Every combination of flags: written, read, restored and written again; and what it costs."""

import itertools
import json
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mdf_files import (
    SEQUENCE,
    acquisition,
    calibration,
    edit,
    grid_transform,
    independent_matrix,
    independent_read,
    interleaved,
    raw_signals,
    robot_path,
    write_raw,
    write_stored,
)

from smrestore.mdf import (
    open_mdf,
    read_background,
    read_snr,
    read_spectra,
    read_system_matrix,
    signal_to_noise,
    write_restored,
)
from smrestore.support.errors import InputError

K = SEQUENCE.n_frequencies
SPARSE = ("DCT-I", "DCT-II", "DCT-III", "DCT-IV")

dialects = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "size": st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)),
        "n_periods": st.integers(1, 3),
        "layout": st.sampled_from(["time", "spectra", "selection", *SPARSE]),
        "fast": st.booleans(),
        "permuted": st.booleans(),
        "meandering": st.booleans(),
        "numbers": st.sampled_from(["float", "integer", "pair"]),
        "converted": st.booleans(),
        "corrected": st.booleans(),
        "kept": st.integers(1, 36),
    }
)


def as_integers(values: np.ndarray) -> np.ndarray:
    compound = np.empty(values.shape, [("r", "<i4"), ("i", "<i4")])
    compound["r"], compound["i"] = np.round(values.real), np.round(values.imag)
    return compound


def write_dialect(path, d: dict) -> dict:
    """Write a calibration scan in a dialect; return what is known about it.

    ``matrix`` (J, C, K, x, y, z) is the truth without background correction, ``frequencies`` the
    stored ones.
    """
    rng = np.random.default_rng(d["seed"])
    size, n_periods, n_channels = d["size"], d["n_periods"], 2
    sparse = d["layout"] in SPARSE
    is_spectrum = d["layout"] != "time"
    fast = d["fast"] or sparse
    permuted = d["permuted"]
    sorted_frames = permuted or sparse
    mask = interleaved(size[1] * size[2], size[0])
    n = len(mask)
    data = rng.integers(-30_000, 30_000, (n, n_periods, n_channels, SEQUENCE.n_samples))
    frequencies = np.arange(K)
    if is_spectrum:
        if d["layout"] != "spectra":
            frequencies = rng.permutation(K)[:9]
        data = np.round(np.fft.rfft(data, axis=-1)[..., frequencies])
        data = data.astype(np.complex64)
    voxels = robot_path(size, d["meandering"] and not (sparse and not permuted))
    time = np.arange(n)
    if sorted_frames:
        foreground = np.flatnonzero(~mask)
        rank = {voxel: i for i, voxel in enumerate(voxels)}
        in_order = [rank[voxel] for voxel in robot_path(size, False)]
        time = np.concatenate([foreground[in_order], rng.permutation(np.flatnonzero(mask))])
        data, mask, voxels = data[time], mask[time], robot_path(size, False)
    fields = {}
    n_stored, truth = n, data.astype(complex if is_spectrum else float)
    if sparse:
        forward = grid_transform(d["layout"], size)
        n_positions, n_kept = len(forward), min(d["kept"], len(forward))
        places = np.empty((n_periods, n_channels, len(frequencies), n_kept), np.int64)
        stored = np.empty((n_kept + n - n_positions, *data.shape[1:]), np.complex64)
        stored[n_kept:] = data[n_positions:]
        for row in np.ndindex(data.shape[1:]):
            chosen = rng.permutation(n_positions)[:n_kept]
            coefficients = (forward @ data[(slice(n_positions), *row)])[chosen]
            stored[(slice(n_kept), *row)] = np.round(coefficients)
            places[row] = chosen + 1
            truth[(slice(n_positions), *row)] = forward[chosen].T @ np.round(coefficients)
        data, n_stored = stored, len(stored)
        mask = np.arange(n_stored) >= n_kept
        fields["/measurement/sparsityTransformation"] = d["layout"]
        fields["/measurement/subsamplingIndices"] = places
    foreground = truth[:n_positions] if sparse else truth[~mask]
    factor = rng.normal(size=(n_channels, 2)) if d["converted"] else None
    scale, offset = (factor if d["converted"] else np.tile([1.0, 0.0], (n_channels, 1))).T
    foreground = foreground * scale[:, None]
    if is_spectrum:
        foreground = foreground + offset[:, None] * SEQUENCE.n_samples * (frequencies == 0)
    else:
        foreground = np.fft.rfft(foreground + offset[:, None], axis=-1)
    matrix = np.empty((*foreground.shape[1:], *size), complex)
    for frame, (x, y, z) in zip(foreground, voxels, strict=True):
        matrix[..., x, y, z] = frame
    if d["numbers"] == "integer":
        data = as_integers(data) if is_spectrum else data.astype(np.int16)
    elif not is_spectrum:
        data = data.astype(np.float32)
    if fast:
        data = np.moveaxis(data, 0, -1)
    if d["numbers"] == "pair" and is_spectrum:
        data = np.stack([data.real, data.imag], axis=-1).astype(np.float32)
    if permuted:
        fields["/measurement/framePermutation"] = time + 1
    if is_spectrum and d["layout"] != "spectra":
        fields["/measurement/frequencySelection"] = frequencies + 1
    described = acquisition(n_stored, n_channels, conversion_factor=factor)
    write_stored(
        path,
        data,
        mask,
        {
            "isFourierTransformed": is_spectrum,
            "isFastFrameAxis": fast,
            "isFramePermutation": permuted,
            "isFrequencySelection": is_spectrum and d["layout"] != "spectra",
            "isSparsityTransformed": sparse,
            "isBackgroundCorrected": d["corrected"],
        },
        acquisition=replace(described, n_periods=n_periods),
        calibration=calibration(
            *size, is_meandering=d["meandering"] and not (sparse and not permuted)
        ),
        fields=fields,
    )
    return {"matrix": matrix, "frequencies": frequencies}


def close(actual: np.ndarray, expected: np.ndarray) -> None:
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


@settings(max_examples=40, deadline=None, derandomize=True)
@given(dialects)
def test_every_dialect_is_read_restored_and_read_again(tmp_path_factory, d):
    folder = tmp_path_factory.mktemp("mdf")
    path, restored = folder / "scan.mdf", folder / "restored.mdf"
    known = write_dialect(path, d)
    former = path.read_bytes()
    matrices = []
    for period in range(d["n_periods"]):
        raw = read_system_matrix(path, background=None, period=period)
        assert raw.dtype == np.complex64
        close(raw, known["matrix"][period])
        close(raw, independent_matrix(path, period=period))
        corrected = read_system_matrix(path, period=period)
        expected = independent_matrix(path, "interpolate", period=period)
        scale = np.abs(known["matrix"]).max()
        np.testing.assert_allclose(corrected, expected, rtol=0, atol=3e-6 * scale)
        spectra = read_spectra(path, period=period)
        close(spectra, independent_read(path, period)["spectra"])
        matrices.append(corrected)
    part = read_system_matrix(
        path, channels=[1], frequencies=known["frequencies"][[4, 0]], background=None, period=0
    )
    close(part, known["matrix"][0, 1:][:, [4, 0]])

    matrix = np.stack(matrices) if d["n_periods"] > 1 else matrices[0]
    write_restored(path, restored, matrix, description="restored")
    assert path.read_bytes() == former
    for period, expected in enumerate(matrices):
        again = read_system_matrix(restored, period=period)
        np.testing.assert_array_equal(again, expected)
        np.testing.assert_array_equal(
            independent_matrix(restored, "interpolate", period=period), expected
        )
    with open_mdf(restored) as file:
        assert file.frequency_indices.tolist() == known["frequencies"].tolist()
        assert file.flags.background_corrected
        assert not file.flags.sparsity_transformed
    with h5py.File(restored) as file:
        n_positions = int(np.prod(d["size"]))
        shape = (d["n_periods"], 2, len(known["frequencies"]), n_positions)
        assert file["measurement/data"].shape == shape
        assert file["measurement/data"].chunks is None
        assert file["acquisition/drivefield/strength"].shape == (d["n_periods"], 3, 1)
        assert file["acquisition/gradient"].shape == (d["n_periods"], 1, 3, 3)
        assert file["acquisition/numFrames"][()] == n_positions


def multi_patch(path, signals=None):
    """Write a measurement of two frames with three periods at different offset fields."""
    if signals is None:
        signals = np.stack([raw_signals(seed, 2) for seed in range(3)], axis=1)
    offsets = np.array([[[0.01, 0, 0]], [[-0.01, 0, 0]], [[0, 0, 0.02]]])
    described = replace(acquisition(len(signals)), n_periods=3, offset_field=offsets)
    return write_stored(path, signals, np.zeros(len(signals)), {}, acquisition=described)


def test_patches_are_read_one_by_one(tmp_path):
    path = multi_patch(tmp_path / "scan.mdf")
    for period in range(3):
        expected = np.fft.rfft(raw_signals(period, 2).astype(float), axis=-1)
        close(read_spectra(path, period=period), expected)
        with open_mdf(path, period=period) as file:
            offset = [(0.01, 0, 0), (-0.01, 0, 0), (0, 0, 0.02)][period]
            assert file.sequence() == replace(SEQUENCE, offset=offset)
    with pytest.raises(InputError, match=r"numPeriodsPerFrame: .* none is chosen.* from 0 to 2"):
        read_spectra(path)
    with pytest.raises(InputError, match="fields change from period to period, so their mean"):
        read_spectra(path, period="mean")
    with open_mdf(path) as file, pytest.raises(InputError, match=r"change .*\. Choose one period"):
        file.sequence()


@pytest.mark.parametrize("spectral", [False, True])
def test_periods_of_equal_fields_may_be_averaged(tmp_path, spectral):
    signals = np.stack([raw_signals(seed, 2) for seed in range(3)], axis=1)
    data = np.fft.rfft(signals, axis=-1).astype(np.complex64) if spectral else signals
    path = write_stored(
        tmp_path / "scan.mdf",
        data,
        np.zeros(2),
        {"isFourierTransformed": spectral},
        acquisition=replace(acquisition(2), n_periods=3),
    )
    expected = np.fft.rfft(signals.mean(axis=1), axis=-1)
    close(read_spectra(path, period="mean"), expected)
    with open_mdf(path, period="mean") as file:
        assert file.sequence() == SEQUENCE


def test_frames_are_averaged_in_blocks(tmp_path):
    raw = raw_signals(0, 7)
    path = write_raw(tmp_path / "scan.mdf", raw, np.zeros(7))
    spectra = np.fft.rfft(raw.astype(float), axis=-1)
    expected = np.stack([spectra[:3].mean(0), spectra[3:6].mean(0), spectra[6]])
    close(read_spectra(path, averages=3), expected)
    close(read_spectra(path, frames=[6, 0, 2], averages=2), spectra[[[6, 0], [2, 2]]].mean(axis=1))
    with pytest.raises(InputError, match="0 averages"):
        read_spectra(path, averages=0)


def test_phases_and_offsets_are_kept(tmp_path):
    shifted = replace(SEQUENCE, drive_phase=(-np.pi / 2, 3.0, 0.0), offset=(0.001, 0.0, -0.002))
    described = replace(acquisition(1).from_sequence(shifted, n_frames=1, start_time=""))
    path = write_raw(tmp_path / "scan.mdf", raw_signals(0, 1), [0], acquisition=described)
    with open_mdf(path) as file:
        found = file.sequence()
    assert found.offset == shifted.offset
    difference = np.exp(1j * np.subtract(found.drive_phase, shifted.drive_phase))
    np.testing.assert_allclose(difference, 1)
    with h5py.File(path) as file:
        phase = file["acquisition/drivefield/phase"][()]
        assert (phase >= -np.pi).all()
        assert (phase < np.pi).all()
        assert phase[0, 0, 0] == 0


def test_triangles_are_no_sines(tmp_path):
    path = write_raw(tmp_path / "scan.mdf", raw_signals(0, 1), [0])
    edit(path, "/acquisition/drivefield/waveform", [["sine"], ["triangle"], ["custom"]])
    with open_mdf(path) as file, pytest.raises(InputError, match="drive field 1 is a triangle"):
        file.sequence()
    edit(path, "/acquisition/drivefield/waveform", [["sine"], ["sine"], ["custom"]])
    with open_mdf(path) as file:
        assert file.sequence() == SEQUENCE


def test_bit_fields_are_flags(tmp_path):
    """MPIFiles.jl writes one of the flags as a bit field."""
    path = write_raw(tmp_path / "scan.mdf", raw_signals(0, 2), [0, 0])
    edit(path, "/measurement/isSparsityTransformed")
    with h5py.File(path, "r+") as file:
        group = file["measurement"].id
        space = h5py.h5s.create(h5py.h5s.SCALAR)
        h5py.h5d.create(group, b"isSparsityTransformed", h5py.h5t.STD_B8LE, space)
    with open_mdf(path) as file:
        assert not file.flags.sparsity_transformed


def test_former_name_of_the_periods(tmp_path):
    path = multi_patch(tmp_path / "scan.mdf")
    edit(path, "/acquisition/numPeriodsPerFrame")
    edit(path, "/acquisition/numPeriods", 3)
    assert read_spectra(path, period=2).shape == (2, 3, K)


SPARSE_SCAN = {
    "seed": 1,
    "size": (3, 2, 2),
    "n_periods": 1,
    "layout": "DCT-II",
    "fast": True,
    "permuted": False,
    "meandering": False,
    "numbers": "float",
    "converted": False,
    "corrected": False,
    "kept": 5,
}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("/measurement/sparsityTransformation", "FFT", "unknown transformation 'FFT'"),
        ("/measurement/sparsityTransformation", None, "mandatory dataset is missing"),
        ("/measurement/subsamplingIndices", None, "mandatory dataset is missing"),
        ("/measurement/subsamplingIndices", np.ones((1, 2, 9, 5)), "instead of integers"),
        ("/measurement/subsamplingIndices", np.ones((1, 2, 8, 5), int), "instead of (1, 2, 9, B)"),
        ("/measurement/subsamplingIndices", np.ones((1, 2, 9, 5), int), "places from 1 to 12"),
        ("/measurement/subsamplingIndices", np.ones((1, 2, 9, 4), int), "mark 4 coefficients"),
        ("/measurement/isFastFrameAxis", np.int8(0), "no spectra with the frames last"),
        ("/calibration/method", None, "only calibration scans"),
    ],
)
def test_sparse_data_that_contradict_themselves(tmp_path, name, value, expected):
    path = tmp_path / "scan.mdf"
    write_dialect(path, SPARSE_SCAN)
    edit(path, name, value)
    with pytest.raises(InputError) as caught:
        read_spectra(path)
    assert expected in str(caught.value)


def test_sparse_data_without_times_lose_the_mean_background(tmp_path):
    path = tmp_path / "scan.mdf"
    known = write_dialect(path, SPARSE_SCAN)
    with open_mdf(path) as file:
        assert not file.times_are_known
        assert len(file.frames.foreground) == 12
    background = read_background(path)
    assert background.shape == (5, 2, 9)
    mean = background.mean(axis=0)[:, :, None, None, None]
    close(read_system_matrix(path), known["matrix"][0] - mean)
    # A permutation of the stored frames tells nothing about the decoded ones.
    edit(path, "/measurement/isFramePermutation", np.int8(1))
    edit(path, "/measurement/framePermutation", np.arange(10) + 1)
    close(read_system_matrix(path), known["matrix"][0] - mean)


def test_ratio_over_periods_and_in_blocks(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    mask = interleaved(3, 4)
    raw = 20 * rng.normal(size=(3, len(mask), 1, 2, 48))
    image = np.exp(-(np.linspace(-2, 2, np.sum(~mask)) ** 2))
    raw[:, ~mask] += image[:, None, None, None] * 300 * rng.random((2, 48)) ** 4
    grid = calibration(4, 3, 1)
    singles = []
    for period, signals in enumerate(raw):
        path = write_stored(tmp_path / f"{period}.mdf", signals, mask, {}, calibration=grid)
        singles.append(signal_to_noise(path))
    path = write_stored(
        tmp_path / "all.mdf",
        np.concatenate(raw, axis=1),
        mask,
        {},
        acquisition=replace(acquisition(len(mask), 2), n_periods=3),
        calibration=grid,
    )
    np.testing.assert_allclose(signal_to_noise(path), np.median(singles, axis=0), rtol=1e-6)
    monkeypatch.setattr("smrestore.mdf.snr.BLOCK_BYTES", 8 * 12 * 7)
    np.testing.assert_array_equal(signal_to_noise(tmp_path / "1.mdf"), singles[1])
    stored = rng.random((3, 2, K))
    edit(path, "/calibration/snr", stored)
    np.testing.assert_array_equal(read_snr(path, period=2), stored[2])


def test_stored_ratio_of_all_frequencies_is_cut_to_the_selection(tmp_path):
    path = tmp_path / "scan.mdf"
    known = write_dialect(path, SPARSE_SCAN)
    full = np.random.default_rng(0).random((1, 2, K))
    edit(path, "/calibration/snr", full)
    np.testing.assert_array_equal(read_snr(path), full[0][:, known["frequencies"]])


def test_all_frames_are_background(tmp_path):
    path = write_raw(tmp_path / "scan.mdf", raw_signals(0, 6), np.zeros(6), calibration=grid_of(6))
    edit(path, "/measurement/isBackgroundFrame", np.ones(6, np.int8))
    with pytest.raises(InputError, match=r"isBackgroundFrame: all 6 frames are background\. Store"):
        read_system_matrix(path)


def grid_of(n: int):
    return calibration(n, 1, 1)


def test_more_than_the_memory(tmp_path, monkeypatch):
    path = write_raw(tmp_path / "scan.mdf", raw_signals(0, 6), np.zeros(6), calibration=grid_of(6))
    monkeypatch.setattr("smrestore.mdf.limits.available_memory", lambda: 1000)
    for read in (read_spectra, lambda path: read_system_matrix(path, background=None)):
        with pytest.raises(
            InputError, match=r"3\.6e-06 GB, but 1e-06 GB of memory are free\. Choose"
        ):
            read(path)


HUGE = """
import json, resource, sys
import numpy as np
from smrestore.mdf import open_mdf, read_background, read_system_matrix, inspect_mdf
path = sys.argv[1]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open_mdf(path) as file:
    n_bytes = file.hdf5["measurement/data"].nbytes
matrix = read_system_matrix(path, channels=[2, 0], frequencies=[26928, 5, 1724])
corners = matrix[:, :, [0, -1, 3], [0, -1, 4], [0, -1, 5]].ravel()
background = read_background(path, [0], [5, 1724])
for start in range(1000, 1100, 10):
    read_system_matrix(path, channels=[1], frequencies=range(start, start + 10))
text = inspect_mdf(path).text()
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
json.dump({
    "bytes": n_bytes,
    "shape": matrix.shape,
    "corners": [[float(x.real), float(x.imag)] for x in corners],
    "background": background.shape,
    "peak_MB": (after - before) / 1024,
    "text": text,
}, sys.stdout)
"""


def test_a_calibration_of_33_GB_is_read_in_constant_memory(tmp_path):  # noqa: N802
    """37 x 37 x 37 positions, 26929 frequencies: declared, a few rows written, sparse on disk."""
    size, n_background, n_frequencies = (37, 37, 37), 1370, 26929
    n_positions = 37**3
    n_frames = n_positions + n_background
    sequence = replace(SEQUENCE, dividers=(102, 96, 99), drive_amplitude=(0.012, 0.012, 0.012))
    sequence = replace(sequence, sampling_rate=2.5e6)
    assert sequence.n_frequencies == n_frequencies
    described = acquisition(n_frames).from_sequence(sequence, n_frames=n_frames, start_time="")
    path = write_stored(
        tmp_path / "huge.mdf",
        np.zeros((1, 3, 1, 2), np.complex64),
        np.arange(n_frames) >= n_positions,
        {"isFourierTransformed": True, "isFastFrameAxis": True, "isFramePermutation": True},
        acquisition=described,
        calibration=calibration(*size, snr=np.ones((1, 3, n_frequencies))),
        fields={"/measurement/framePermutation": permutation_of_lines(n_positions, 37)},
    )
    rows = {}
    with h5py.File(path, "r+") as file:
        del file["measurement/data"]
        data = file.create_dataset(
            "measurement/data",
            (1, 3, n_frequencies, n_frames),
            np.complex64,
            fill_time="never",
        )
        for c, k in itertools.product((2, 0), (26928, 5, 1724)):
            row = np.full(n_frames, 1000 * c + k + 1j, np.complex64)
            row[n_positions:] = 1j
            data[0, c, k] = row
            rows[c, k] = 1000 * c + k
    assert path.stat().st_blocks * 512 < 100e6 < 33e9 < path.stat().st_size
    result = subprocess.run(
        [sys.executable, "-c", HUGE, str(path)], stdout=subprocess.PIPE, text=True, check=True
    )
    found = json.loads(result.stdout)
    assert found["bytes"] > 33.6e9
    assert found["shape"] == [2, 3, *size]
    assert found["corners"] == [[float(level), 0.0] for level in rows.values() for _ in range(3)]
    assert found["background"] == [1370, 1, 2]
    assert found["peak_MB"] < 150
    assert "33.6 GB, contiguous" in found["text"]


def permutation_of_lines(n_positions: int, line: int) -> np.ndarray:
    """Return 1-based acquisition numbers: a background frame before each line and at the end."""
    place = np.arange(n_positions)
    foreground = place + place // line + 1
    n_frames = n_positions + n_positions // line + 1
    background = np.setdiff1d(np.arange(n_frames), foreground)
    return np.concatenate([foreground, background]) + 1
