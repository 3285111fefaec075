"""Noise and signal-to-noise ratio against formulas written out row by row."""

import statistics

import numpy as np
import pytest
from mdf_files import (
    acquisition,
    calibration,
    edit,
    independent_read,
    interleaved,
    raw_signals,
    write_raw,
    write_stored,
)

from smrestore.mdf import (
    background_std,
    read_background,
    read_snr,
    read_system_matrix,
    signal_to_noise,
)
from smrestore.support.errors import InputError

MASK = interleaved(3, 4)
K = 25


@pytest.fixture
def scan(tmp_path):
    """A scan with rows from far above to far below the noise, in channel-dependent order."""
    rng = np.random.default_rng(0)
    raw = 20 * rng.normal(size=(len(MASK), 2, 48))
    image = np.exp(-(np.linspace(-2, 2, np.sum(~MASK)) ** 2))
    lines = 300 * rng.random((2, 48)) ** 4
    raw[~MASK] += image[:, None, None] * lines
    return write_raw(tmp_path / "scan.mdf", raw, MASK, calibration=calibration(4, 3, 1))


def expected_snr(path) -> np.ndarray:
    read = independent_read(path)
    snr = np.zeros((2, K))
    for c in range(2):
        frames = {}
        for k in range(K):
            column = read["spectra"][:, c, k]
            frames[k] = list(column[~read["is_background"]]), list(column[read["is_background"]])
        means = {k: sum(b) / len(b) for k, (_, b) in frames.items()}
        noise = {k: sum(abs(x - means[k]) for x in b) / len(b) for k, (_, b) in frames.items()}
        height = {k: [abs(s - means[k]) for s in f] for k, (f, _) in frames.items()}
        first = {k: statistics.median(height[k]) / noise[k] for k in frames}
        region = set()
        for k in sorted(first, key=first.get, reverse=True)[:20]:
            magnitude = [abs(s) for s in frames[k][0]]
            region |= {p for p, m in enumerate(magnitude) if m > 0.9 * max(magnitude)}
        for k in frames:
            signal = statistics.median(height[k][p] for p in region)
            if signal > 3.5 * noise[k]:
                top = 0.9 * max(height[k])
                signal = statistics.median(h for h in height[k] if h > top)
            snr[c, k] = signal / noise[k]
    return snr


def test_signal_to_noise_ratio(scan):
    expected = expected_snr(scan)
    assert expected.max() > 3.5 > expected.min()
    np.testing.assert_allclose(signal_to_noise(scan), expected, rtol=1e-4)
    arrays = read_system_matrix(scan, background=None), read_background(scan)
    np.testing.assert_allclose(signal_to_noise(arrays), expected, rtol=1e-4)
    np.testing.assert_allclose(read_snr(scan), expected, rtol=1e-4)
    part = read_snr(scan, channels=[1], frequencies=[20, 3])
    np.testing.assert_allclose(part, expected[[1]][:, [20, 3]], rtol=1e-4)


def test_rows_without_noise_have_no_ratio():
    matrix = np.ones((1, K, 3, 1, 1), np.complex64)
    background = np.zeros((4, 1, K), np.complex64)
    background[:, :, 5] = [[1], [-1], [1j], [-1j]]
    snr = signal_to_noise((matrix, background))
    assert snr[0, 5] == pytest.approx(1.0)
    assert np.delete(snr[0], 5).tolist() == [0.0] * (K - 1)


def test_single_background_frame_is_its_own_noise():
    matrix = np.full((1, K, 3, 1, 1), 5, np.complex64)
    background = np.full((1, 1, K), 2, np.complex64)
    np.testing.assert_allclose(signal_to_noise((matrix, background)), 1.5)


def test_too_few_frequencies(tmp_path):
    data = np.ones((1, 3, 19, 5), np.complex64)
    path = write_stored(
        tmp_path / "scan.mdf",
        data,
        np.arange(5) == 4,
        {"isFourierTransformed": True, "isFastFrameAxis": True, "isFrequencySelection": True},
        acquisition=acquisition(5),
        calibration=calibration(2, 2, 1),
        fields={"/measurement/frequencySelection": np.arange(19) + 1},
    )
    with pytest.raises(InputError, match="needs 20 frequencies, there are 19"):
        read_snr(path)


def test_stored_ratio_comes_first(scan):
    stored = np.arange(2.0 * K).reshape(1, 2, K)
    edit(scan, "/calibration/snr", stored)
    np.testing.assert_array_equal(read_snr(scan), stored[0])
    np.testing.assert_array_equal(read_snr(scan, frequencies=[4]), stored[0][:, [4]])
    edit(scan, "/calibration/snr", stored[:, :, 1:])
    with pytest.raises(InputError, match=r"/calibration/snr: has shape \(1, 2, 24\)"):
        read_snr(scan)


def test_standard_deviation_of_the_background(tmp_path):
    raw = raw_signals(1, 6)
    mask = np.array([1, 0, 1, 1, 0, 1])
    path = write_raw(tmp_path / "scan.mdf", raw, mask)
    frames = np.fft.rfft(raw[mask == 1].astype(float), axis=-1)
    deviation = np.abs(frames - frames.mean(axis=0)) ** 2
    expected = np.sqrt(deviation.sum(axis=0) / 3)
    np.testing.assert_allclose(background_std(path), expected, rtol=1e-5)
    np.testing.assert_allclose(background_std(path, [1], [7, 2]), expected[[1]][:, [7, 2]])
    single = write_raw(tmp_path / "single.mdf", raw[:2], [1, 0])
    with pytest.raises(InputError, match="needs two background frames, there are 1"):
        background_std(single)
