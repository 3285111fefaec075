"""Rows of a system matrix: which a calibration scan chooses, and their values."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from smrestore import mdf
from smrestore.mdf import MdfFile, Period
from smrestore.physics import mixing_orders
from smrestore.reconstruction.matching import chosen_periods
from smrestore.reconstruction.settings import ReconstructionSettings
from smrestore.support.checksums import intact, readable
from smrestore.support.errors import InputError


@dataclass(frozen=True)
class Rows:
    """The rows of a system matrix that a reconstruction uses, the same for every method.

    Attributes
    ----------
    chosen
        int (n, 2): receive channel and frequency bin.
    period
        Drive-field period of the calibration that each row is of, (n,): numbers from 0, or all
        ``"mean"``.
    snr
        Of the chosen rows in the degraded calibration, float64 (n,); NaN if there is no threshold.
    background_std
        Standard deviation of the complex background of these rows, float64 (n,), in the unit of the
        calibration; None if the weighting does not need it.
    mixing_order
        int (n, 3).
    """

    chosen: np.ndarray
    period: np.ndarray
    snr: np.ndarray
    background_std: np.ndarray | None
    mixing_order: np.ndarray

    @property
    def periods(self) -> list[int | str]:
        """Each period once, in the order of the rows."""
        return list(dict.fromkeys(self.period.tolist()))


def select_rows(calibration: str | Path, settings: ReconstructionSettings) -> Rows:
    """Choose rows by the signal-to-noise ratio of the calibration as it was measured.

    Only what the settings need is computed: if the threshold is 0, a calibration needs no
    signal-to-noise ratio and no background frames. If frames have several periods, each has rows
    of its own, one period after the other.
    """
    with mdf.open_mdf(calibration) as file:
        if settings.snr_threshold > 0:
            _check_snr(file)
        periods = chosen_periods(file, settings.period)
    parts = [_rows_of_period(calibration, settings, period) for period in periods]
    std = [part.background_std for part in parts]
    return Rows(
        chosen=np.concatenate([part.chosen for part in parts]),
        period=np.concatenate([part.period for part in parts]),
        snr=np.concatenate([part.snr for part in parts]),
        background_std=None if std[0] is None else np.concatenate(std),
        mixing_order=np.concatenate([part.mixing_order for part in parts]),
    )


def _rows_of_period(
    calibration: str | Path, settings: ReconstructionSettings, period: Period
) -> Rows:
    reading = {"period": period, "spectral_leakage": settings.calibration_leakage}
    with mdf.open_mdf(calibration, **reading) as file:
        sequence, n_channels = file.sequence(), file.acquisition.n_channels
        # A file may store its frequencies in any order.
        stored = np.sort(file.frequency_indices)
    orders = mixing_orders(sequence)[stored]
    snr = np.full((n_channels, len(stored)), np.nan)
    if settings.snr_threshold > 0:
        snr = mdf.read_snr(calibration, frequencies=stored, **reading)
    place = settings.select_rows(snr, sequence.frequencies[stored], orders)
    channels, k = place.T
    std = None
    if settings.weighting == "whitening":
        wanted, column = np.unique(k, return_inverse=True)
        std = mdf.background_std(calibration, frequencies=stored[wanted], **reading)
        std = std[channels, column]
    return Rows(
        chosen=np.stack([channels, stored[k]], axis=1),
        period=np.full(len(k), period),
        snr=snr[channels, k],
        background_std=std,
        mixing_order=orders[k],
    )


def _check_snr(file: MdfFile) -> None:
    if file.calibration.snr is None and not file.is_background.any():
        raise file.error(
            "no signal-to-noise ratio is stored, and there are no background frames for one",
            "/calibration/snr",
            "let the calibration as it was measured choose the rows (--calibration), or set the "
            "threshold to 0",
        )


def read_rows(
    path: str | Path,
    rows: Rows,
    background: str | None = "interpolate",
    spectral_leakage: str = "ignore",
) -> np.ndarray:
    """Return the chosen rows of a calibration scan or truth file, complex (n, Nx, Ny, Nz).

    ``background`` and ``spectral_leakage`` say how scans are read, see
    :func:`smrestore.mdf.read_system_matrix`.

    Raises
    ------
    InputError
        If a row is not in the file.
    """
    parts = []
    for period in rows.periods:
        channels, frequencies, place = request(rows.chosen[rows.period == period])
        if Path(path).suffix == ".h5":
            matrix = _read_truth(path, channels, frequencies, len(rows.periods))
        else:
            matrix = mdf.read_system_matrix(
                path,
                channels=channels,
                frequencies=frequencies,
                background=background,
                period=period,
                spectral_leakage=spectral_leakage,
            )
        parts.append(matrix[place])
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _read_truth(
    path: str | Path, channels: np.ndarray, frequencies: np.ndarray, n_periods: int
) -> np.ndarray:
    """Return rows of the truth of a virtual scan, which has one period per frame."""
    if n_periods > 1:
        raise InputError(
            f"the truth is of one drive-field period per frame, the calibration of {n_periods}",
            path=path,
            field="system_matrix",
            remedy="choose a period",
        )
    with readable(path, "system_matrix"), h5py.File(path, "r") as file:
        if "frequency" in file:
            # The truth may hold a part of the frequencies.
            frequencies = np.searchsorted(intact(file["frequency"])[()], frequencies)
        return intact(file["system_matrix"])[:, frequencies][channels]


def request(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return channels and frequencies to read, ascending, and the rows' place among them."""
    (channels, c), (frequencies, k) = (np.unique(part, return_inverse=True) for part in chosen.T)
    return channels, frequencies, (c, k)
