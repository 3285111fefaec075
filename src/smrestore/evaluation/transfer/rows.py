"""Rows of a system matrix that a reconstruction uses, and rows that are scored."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from smrestore import mdf
from smrestore.reconstruction import ReconstructionSettings
from smrestore.reconstruction.calibration_rows import Rows, select_rows

SMALLEST_SNR = 1.5
"""Components below are not scored, unless they are reconstructed with."""


def load_reconstruction_settings(entry: Mapping[str, object]) -> ReconstructionSettings:
    """Build the settings from the entry of a measurement in the configuration."""
    return ReconstructionSettings.checked(entry, "reconstruction")


def scored_rows(calibration: str | Path, settings: ReconstructionSettings) -> Rows:
    """Return the rows that are scored: what the settings allow, from an SNR of 1.5 on.

    If a reconstruction has a lower threshold, all of its rows are scored. The signal-to-noise ratio
    is computed for every row, even if the settings do not need it.
    """
    threshold = min(settings.snr_threshold, SMALLEST_SNR)
    rows = select_rows(calibration, settings.replace(snr_threshold=threshold))
    if threshold > 0:
        return rows
    with mdf.open_mdf(calibration) as file:
        place = file.stored_frequencies(rows.chosen[:, 1])
    snr = np.empty(len(place))
    for period in rows.periods:
        own = rows.period == period
        of_period = mdf.read_snr(
            calibration, period=period, spectral_leakage=settings.calibration_leakage
        )
        snr[own] = of_period[rows.chosen[own, 0], place[own]]
    return dataclasses.replace(rows, snr=snr)
