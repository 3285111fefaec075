"""The noise of components without their background, against scans whose noise is known."""

import numpy as np
import pytest
from mdf_files import acquisition, calibration, edit, interleaved, write_stored

from smrestore.mdf import background_std, corrected_noise, read_system_matrix
from smrestore.support.errors import InputError

K = 25
SPECTRA = {"isFourierTransformed": True}
LINE, LINES = 9, 32


def runs(count, n_lines=LINES):
    """Mask with a run of background frames before each line, and one at the end."""
    return np.append(np.tile([True] * count + [False] * LINE, n_lines), [True] * count)


LAYOUTS = {
    "single frames": interleaved(LINES, LINE),
    "runs of three": runs(3),
    "before and after": np.repeat([True, False, True], [30, LINE * LINES, 30]),
}


def write_noise(path, mask, *, drift=0.0, jumps=(), sigma=1.0, flags=None):
    """Write a calibration without sample: white noise, and a background that is no constant."""
    rng = np.random.default_rng(5)
    shape = (len(mask), 1, 2, K)

    def normal():
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)

    background = 100 + drift * np.cumsum(normal(), axis=0)
    for frame in jumps:
        background[frame:] += 30 * sigma
    data = (background + sigma * normal()).astype(np.complex64)
    grid = calibration(LINE, LINES, 1)
    return write_stored(
        path,
        data,
        mask,
        SPECTRA | (flags or {}),
        acquisition=acquisition(len(mask), 2),
        calibration=grid,
    )


def found(path, background="interpolate"):
    """Return the noise in the corrected matrix, whose signal is zero."""
    matrix = read_system_matrix(path, background=background)
    return np.sqrt(np.mean(np.abs(matrix) ** 2, axis=(2, 3, 4)))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("sigma", [0.01, 1.0])
def test_noise_is_that_of_the_corrected_components(tmp_path, layout, sigma):
    path = write_noise(tmp_path / "scan.mdf", LAYOUTS[layout], sigma=sigma)
    ratio = corrected_noise(path) / found(path)
    assert ratio.shape == (2, K)
    assert np.mean(ratio) == pytest.approx(1, abs=0.05)
    assert ratio.min() > 0.6 and ratio.max() < 1.5


@pytest.mark.parametrize("layout", ["single frames", "runs of three"])
def test_drift_that_is_subtracted_is_no_noise(tmp_path, layout):
    path = write_noise(tmp_path / "scan.mdf", LAYOUTS[layout], drift=0.3)
    ratio = corrected_noise(path) / found(path)
    assert 0.9 < np.mean(ratio) < 1.25
    assert np.mean(background_std(path) / found(path)) > 1.5


def test_jumps_are_no_noise(tmp_path):
    quiet, jumping = (
        write_noise(tmp_path / f"{len(jumps)}.mdf", LAYOUTS["single frames"], jumps=jumps)
        for jumps in ((), (81, 222))
    )
    assert 0.9 < np.mean(corrected_noise(jumping) / corrected_noise(quiet)) < 1.25
    assert np.all(background_std(jumping) > 5 * background_std(quiet))


def test_drift_that_is_not_subtracted_counts(tmp_path):
    mask = LAYOUTS["single frames"]
    path = write_noise(tmp_path / "scan.mdf", mask, drift=0.3)
    deviation = background_std(path)
    np.testing.assert_allclose(corrected_noise(path, background=None), deviation)
    mean = corrected_noise(path, background="mean")
    np.testing.assert_allclose(mean, deviation * np.sqrt(1 + 1 / mask.sum()))
    # Nothing is subtracted from what is corrected, whatever is asked for.
    expected = corrected_noise(path)
    edit(path, "/measurement/isBackgroundCorrected", 1)
    np.testing.assert_array_equal(corrected_noise(path, background=None), expected)


def test_noise_of_some_components(tmp_path):
    path = write_noise(tmp_path / "scan.mdf", LAYOUTS["runs of three"])
    some = corrected_noise(path, [1], [7, 2])
    np.testing.assert_allclose(some, corrected_noise(path)[[1]][:, [7, 2]])


@pytest.mark.parametrize("count", [1, 2])
def test_few_background_frames(tmp_path, count):
    mask = np.repeat([True, False, True], [1, LINE * LINES, count - 1])
    path = write_noise(tmp_path / "scan.mdf", mask)
    if count == 1:
        with pytest.raises(InputError, match=r"scan\.mdf: .*needs two background frames"):
            corrected_noise(path)
        return
    # Between two frames, half of the noise of one is subtracted and more towards the ends: 2/3.
    np.testing.assert_allclose(
        corrected_noise(path), background_std(path) * np.sqrt(5 / 3), rtol=0.01
    )
