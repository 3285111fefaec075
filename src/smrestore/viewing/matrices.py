"""One file of the page: its summary, what is known of every row, and images of components."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smrestore.mdf import MdfFile, Summary, inspect_mdf, open_mdf
from smrestore.mdf.layout import Fields
from smrestore.mdf.restored import EXPECTED_ERROR
from smrestore.mdf.snr import ratio_of, stored_snr
from smrestore.mdf.system_matrix import calibration_of, matrix_of
from smrestore.physics import CalibrationGrid, mixing_orders
from smrestore.restoration.summary import roughness_of
from smrestore.support.errors import InputError
from smrestore.support.progress import progress_bar

BLOCK_BYTES = 1 << 25
"""Memory of the rows that are read at a time."""

RESTORED_BY = "restored by "
"""How the line of the description starts that a restoration leaves behind."""


@dataclass(frozen=True, eq=False)
class ViewedMatrix:
    """A calibration scan or restored system matrix.

    Attributes
    ----------
    path, period
        The file, and the drive-field period of its frames that is shown.
    summary
        What :func:`smrestore.mdf.inspect_mdf` says.
    restorations
        What was done to it, in the words of the file; none for a scan as it was measured.
    grid
        Its calibration grid.
    unit
        Of its values.
    frequency_indices, frequencies
        int64 (K,) and float64 (K,) in Hz: the stored rows of each channel.
    orders
        Mixing orders of the rows, int64 (K, 3), or None if the file does not tell the sequence.
    driven
        Axes with a drive field; none if the sequence is unknown.
    peak
        Largest magnitude of each row, float64 (C, K).
    noise
        Standard deviation of the complex noise that is seen in the image of each row
        (:func:`smrestore.noise.roughness.roughness`), float64 (C, K); NaN on tiny grids.
    snr
        Signal-to-noise ratio by the background frames, or as stored, float64 (C, K), or None.
    expected_error
        Root mean square error that the restoration expects of each row, float64 (C, K), or None.
    """

    path: Path
    period: int
    summary: Summary
    restorations: tuple[str, ...]
    grid: CalibrationGrid
    unit: str
    frequency_indices: np.ndarray
    frequencies: np.ndarray
    orders: np.ndarray | None
    driven: tuple[bool, bool, bool]
    peak: np.ndarray
    noise: np.ndarray
    snr: np.ndarray | None
    expected_error: np.ndarray | None

    @property
    def n_channels(self) -> int:
        """Receive channels C."""
        return len(self.peak)

    @property
    def peak_to_noise(self) -> np.ndarray:
        """Largest magnitude over the noise that is seen in the image, (C, K).

        It needs no background frames, so restored matrices have it too. NaN where there is no
        noise, or where the grid is too small to see it.
        """
        unknown = np.full(self.peak.shape, np.nan)
        return np.divide(self.peak, self.noise, out=unknown, where=self.noise > 0)


def read_matrix(path: str | Path, period: int = 0) -> ViewedMatrix:
    """Read what is known of every row of a calibration scan, background subtracted.

    Parameters
    ----------
    path
        MDF file, processed or raw. Its rows are read in blocks of bounded size.
    period
        Which drive-field period of frames with several.

    Raises
    ------
    InputError
        If the file is no calibration scan, has no field of view, or is damaged.
    """
    # Values are read here, so the inspection need not read them too.
    summary = inspect_mdf(path, read_completely=0)
    with open_mdf(path, period=period) as file:
        calibration_of(file)
        orders, driven = _orders(file)
        peak, noise = _row_statistics(file)
        return ViewedMatrix(
            path=Path(path),
            period=period,
            summary=summary,
            restorations=_restorations(file),
            grid=file.grid(),
            unit=file.acquisition.unit,
            frequency_indices=file.frequency_indices,
            frequencies=file.acquisition.frequencies[file.frequency_indices],
            orders=orders,
            driven=driven,
            peak=peak,
            noise=noise,
            snr=_snr(file),
            expected_error=_expected_error(file, peak.shape),
        )


def read_images(matrix: ViewedMatrix, rows: list[np.ndarray]) -> dict[tuple[int, int], np.ndarray]:
    """Return images complex64 (Nx, Ny, Nz) by receive channel and frequency index k.

    ``rows`` are the 0-based k of each channel; those that the file does not store are left out.
    """
    images = {}
    with open_mdf(matrix.path, period=matrix.period) as file:
        for channel, wanted in enumerate(rows):
            stored = wanted[np.isin(wanted, matrix.frequency_indices)]
            if len(stored):
                places = file.stored_frequencies(stored)
                block = matrix_of(file, np.array([channel]), places, _background(file))[0]
                images |= {(channel, int(k)): image for k, image in zip(stored, block, strict=True)}
    return images


def _background(file: MdfFile) -> str | None:
    """Return the correction; files without background frames are shown as they are."""
    return "interpolate" if file.is_background.any() else None


def _row_statistics(file: MdfFile) -> tuple[np.ndarray, np.ndarray]:
    """Return largest magnitude and visible noise of each row, both float64 (C, K)."""
    n_channels, n_rows = file.acquisition.n_channels, len(file.frequency_indices)
    peak, noise = np.empty((2, n_channels, n_rows))
    step = max(1, BLOCK_BYTES // (8 * file.calibration.n_positions))
    if not (file.flags.fourier_transformed and file.flags.fast_frame_axis):
        # Each block would read all time signals again.
        step = max(step, n_rows)
    starts = range(0, n_rows, step)
    blocks = [(channel, start) for channel in range(n_channels) for start in starts]
    for channel, start in progress_bar(blocks, desc=file.path.name, unit="block"):
        rows = np.arange(start, min(start + step, n_rows))
        images = matrix_of(file, np.array([channel]), rows, _background(file))[0]
        peak[channel, rows] = np.abs(images).max(axis=(1, 2, 3))
        noise[channel, rows] = roughness_of(images)
    return peak, noise


def _orders(file: MdfFile) -> tuple[np.ndarray | None, tuple[bool, bool, bool]]:
    try:
        sequence = file.sequence()
    except InputError:
        # A scan that no Sequence describes has no mixing orders, but components all the same.
        return None, (False, False, False)
    return mixing_orders(sequence)[file.frequency_indices], sequence.driven


def _restorations(file: MdfFile) -> tuple[str, ...]:
    description = Fields(file.hdf5, file.path).text("/experiment/description", "")
    return tuple(
        line.removeprefix(RESTORED_BY)
        for line in description.splitlines()
        if line.startswith(RESTORED_BY)
    )


def _snr(file: MdfFile) -> np.ndarray | None:
    stored = stored_snr(file)
    if stored is not None:
        return stored
    try:
        return ratio_of(file)
    except InputError:
        # Restored matrices have no background frames, short scans too few frequencies.
        return None


def _expected_error(file: MdfFile, shape: tuple[int, int]) -> np.ndarray | None:
    fields = Fields(file.hdf5, file.path)
    if EXPECTED_ERROR not in fields:
        return None
    values = fields.array(EXPECTED_ERROR)
    periods = file.acquisition.n_periods
    if values.shape != (periods, *shape):
        raise fields.wrong_shape(EXPECTED_ERROR, values.shape, f"{(periods, *shape)}")
    return values[file.period if periods > 1 else 0].astype(np.float64)
