"""Correction of spectral leakage over neighboring frames and periods."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mdf_files import (
    SEQUENCE,
    acquisition,
    calibration,
    edit,
    raw_signals,
    write_raw,
    write_stored,
)

from smrestore.mdf import iter_spectra, open_mdf, read_spectra, read_system_matrix
from smrestore.mdf.leakage import hann_windows
from smrestore.support.errors import InputError

V = SEQUENCE.n_samples


def corrected(before, own, after):
    """Return one signal by the formula, sample by sample; None for a neighbor that is not there."""
    parts = [part for part in (before, own, after) if part is not None]
    if len(parts) == 1:
        return own
    length = len(parts) * V
    result = np.zeros(V)
    for number, part in enumerate(parts):
        for sample in range(V):
            place = number * V + sample
            window = (1 - np.cos(2 * np.pi * place / (length - 1))) * length / (length - 1)
            result[sample] += part[sample] * window / len(parts)
    return result


def neighbors(signals, kinds):
    """Yield each frame in order of acquisition between its neighbors of the same kind."""
    for i, own in enumerate(signals):
        before = signals[i - 1] if i > 0 and kinds[i - 1] == kinds[i] else None
        after = signals[i + 1] if i + 1 < len(signals) and kinds[i + 1] == kinds[i] else None
        yield before, own, after


def close(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("n_parts", [2, 3])
def test_windows_have_unit_mean_and_vanish_at_the_ends(n_parts):
    windows = hann_windows(n_parts, V)
    assert windows.shape == (n_parts, V)
    assert windows.mean() == pytest.approx(1)
    np.testing.assert_allclose([windows[0, 0], windows[-1, -1]], 0, atol=1e-12)
    np.testing.assert_allclose(windows, windows[::-1, ::-1], atol=1e-12)


@given(
    n_frames=st.integers(1, 9), seed=st.integers(0, 999), share=st.sampled_from([0.0, 0.3]),
    block=st.integers(1, 4), permuted=st.booleans(),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_frames_between_their_neighbors(tmp_path_factory, n_frames, seed, share, block, permuted):
    rng = np.random.default_rng(seed)
    raw, kinds = raw_signals(seed, n_frames), rng.random(n_frames) < share
    factor = np.array([[2e-3, 0.5]] * 3)
    expected = np.empty((n_frames, 3, V // 2 + 1), complex)
    for channel in range(3):
        signals = 2e-3 * raw[:, channel] + 0.5
        for i, around in enumerate(neighbors(signals, kinds)):
            expected[i, channel] = np.fft.rfft(corrected(*around))
    place = rng.permutation(n_frames) if permuted else np.arange(n_frames)
    path = write_stored(
        tmp_path_factory.mktemp("leakage") / "scan.mdf",
        raw[place][:, None],
        kinds[place],
        {"isFramePermutation": permuted},
        acquisition=acquisition(n_frames, conversion_factor=factor),
        fields={"/measurement/framePermutation": place + 1},
    )
    close(read_spectra(path, spectral_leakage="correct"), expected[place])
    chosen = rng.permutation(n_frames)[: rng.integers(1, n_frames + 1)]
    parts = iter_spectra(
        path, frames=chosen, channels=[2, 0], frequencies=[5, 1], block_frames=block,
        spectral_leakage="correct",
    )  # fmt: skip
    found = np.concatenate([spectra for _, spectra in parts])
    close(found, expected[place][chosen][:, [2, 0]][..., [5, 1]])


def test_neighbors_of_periods_are_periods_of_the_frame(tmp_path):
    data = np.stack([raw_signals(period, 4) for period in range(3)], axis=1)
    path = write_stored(
        tmp_path / "scan.mdf", data, [False] * 4, {},
        acquisition=replace(acquisition(4), n_periods=3),
    )  # fmt: skip
    signals = data[:, :, 1].astype(float)
    expected = [
        [np.fft.rfft(corrected(*around)) for around in neighbors(frame, [0, 0, 0])]
        for frame in signals
    ]
    expected = np.array(expected)
    for period in range(3):
        found = read_spectra(path, channels=[1], period=period, spectral_leakage="correct")
        close(found[:, 0], expected[:, period])
    mean = read_spectra(path, channels=[1], period="mean", spectral_leakage="correct")
    close(mean[:, 0], expected.mean(axis=1))


def test_calibration_of_several_equal_periods(tmp_path):
    data = np.stack([raw_signals(period, 6) for period in range(2)], axis=1)
    path = write_stored(
        tmp_path / "scan.mdf", data, [False] * 6, {}, calibration=calibration(3, 2, 1),
        acquisition=replace(acquisition(6), n_periods=2),
    )  # fmt: skip
    found = read_system_matrix(path, background=None, period=0, spectral_leakage="correct")
    signals = data[:, :, 2].astype(float)
    expected = [np.fft.rfft(corrected(None, *frame)) for frame in signals]
    close(found[2].reshape(-1, 6, order="F"), np.transpose(expected))


def test_a_tone_between_two_frequencies_leaks_less(tmp_path):
    time = np.arange(20 * V).reshape(20, 1, V)
    tone = np.round(20_000 * np.cos(2 * np.pi * 5.4 * time / V)).astype(np.int16)
    path = write_raw(tmp_path / "tone.mdf", tone, np.zeros(20, bool))
    far = np.arange(12, V // 2)
    plain, lessened = (
        np.abs(read_spectra(path, spectral_leakage=policy)[5, 0, far])
        for policy in ("ignore", "correct")
    )
    assert (lessened < plain / 10).all()
    # What is periodic already stays as it is, but for the ends of the window.
    tone = np.round(20_000 * np.cos(2 * np.pi * 5 * time / V)).astype(np.int16)
    path = write_raw(tmp_path / "periodic.mdf", tone, np.zeros(20, bool))
    plain, lessened = (
        read_spectra(path, spectral_leakage=policy)[5] for policy in ("ignore", "correct")
    )
    assert np.abs(plain - lessened).max() < 1e-3 * np.abs(plain).max()


def test_corrected_files_stay_as_they_are(tmp_path):
    path = write_raw(tmp_path / "scan.mdf", raw_signals(0, 3), np.zeros(3, bool))
    flag = "/measurement/isSpectralLeakageCorrected"
    with open_mdf(path) as file:
        assert not file.leakage_is_corrected
    with open_mdf(path, spectral_leakage="correct") as file:
        assert file.leakage_is_corrected
    edit(path, flag, np.int8(1))
    np.testing.assert_array_equal(
        read_spectra(path, spectral_leakage="correct"), read_spectra(path)
    )
    with open_mdf(path) as file:
        assert file.leakage_is_corrected


def test_what_cannot_be_corrected_is_named(tmp_path):
    spectra = np.ones((2, 1, 3, V // 2 + 1), np.complex64)
    stored = write_stored(
        tmp_path / "spectra.mdf", spectra, [False] * 2, {"isFourierTransformed": True}
    )
    robot = write_raw(
        tmp_path / "robot.mdf",
        raw_signals(0, 6),
        np.zeros(6, bool),
        calibration=calibration(3, 2, 1),
    )
    offsets = np.array([[[0.01, 0, 0]], [[-0.01, 0, 0]]])
    patches = write_stored(
        tmp_path / "patches.mdf", np.zeros((2, 2, 3, V), np.int16), [False] * 2, {},
        acquisition=replace(acquisition(2), n_periods=2, offset_field=offsets),
    )  # fmt: skip
    flag = "/measurement/isSpectralLeakageCorrected"
    for path, fault in (
        (stored, "spectra cannot be corrected for spectral leakage any more"),
        (robot, "each frame of a calibration is another position"),
        (patches, "the fields change from period to period"),
    ):
        with pytest.raises(InputError, match=fault) as caught:
            read_spectra(path, spectral_leakage="correct", period=0)
        assert caught.value.field == flag and caught.value.path == path
    with pytest.raises(InputError, match="unknown policy 'window'"):
        read_spectra(stored, spectral_leakage="window")
