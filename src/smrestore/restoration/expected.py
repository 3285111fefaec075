"""The error that is expected of each component: what restored files state, whatever the method.

**Fitted physics** (:func:`fitted_error`). The posterior (:mod:`smrestore.fitting.posterior`) says
what noise leaves unknown, if the model is as wrong in components of this size as all of them tell
together (:mod:`smrestore.fitting.growth`).

Where model and measurement disagree smoothly, the measurement is believed. It can be wrong, too: a
scanner that warms up, a robot that is off. No scan tells which of the two it is, so a share of the
misfit counts as error. If more than noise is taken away from a component than is left of it, the
model does not describe this component, and all of that counts.

**A network** (:func:`network_error`) leaves a share of the noise that is known from virtual scans.
It keeps what is wrong with the measurement beside noise, as **what stays as it was measured** does
(:func:`measured_error`), as far as fitted physics knows it.
"""

from dataclasses import dataclass

import numpy as np

from smrestore.fitting.apply import Prediction
from smrestore.fitting.scan import CalibrationData
from smrestore.restoration.summary import RestorationSummary

DOUBT = 0.6
"""Share of the misfit, as an amplitude, that counts as error of the measurement: found with
``benchmarks/expected_error.py`` on the virtual scans."""
CERTAIN = 3.0
"""Standard deviations of the mean square of noise that count as noise."""
CLEAR = 3.0
"""Times its noise that a component must lose to be one that the model does not describe: drift of
the background is no signal."""

REMAINING = (
    (1.0, 0.15),
    (4.0, 0.46),
    (7.0, 0.55),
    (14.0, 0.60),
    (32.0, 0.65),
    (70.0, 0.75),
    (140.0, 0.93),
    (300.0, 1.0),
)
"""Largest magnitude over noise of a component, and the error after twins and network over the
noise: on virtual scans of planes, ``benchmarks/expected_error.py``."""


@dataclass(frozen=True, eq=False)
class Expected:
    """What is expected of components, as root mean square in the unit of the scan.

    Attributes
    ----------
    error
        Of the restored components, float64 (S,).
    beside_noise
        Of the measured ones, beside their noise, float64 (S,): what any method keeps that does not
        know the model.
    """

    error: np.ndarray
    beside_noise: np.ndarray


def fitted_error(data: CalibrationData, found: Prediction) -> Expected:
    """Return which errors are expected.

    Parameters
    ----------
    data
        The scan.
    found
        Its components by model and measurement; by a model alone, their deviation is returned.
    """
    if found.misfit is None:
        return Expected(found.deviation, np.zeros(len(found.deviation)))
    size = np.sqrt(np.mean(np.abs(found.images) ** 2, axis=0, dtype=np.float64))
    doubt = DOUBT * found.misfit * size
    error, kept = np.hypot(found.deviation, doubt), doubt
    # Of a component that the model says is empty, noise hides what may be in it.
    hidden = data.noise * np.sqrt(CERTAIN / np.sqrt(len(data.images)))
    error = np.where(size > 0, error, np.maximum(error, hidden))
    if found.images.shape == data.images.shape:
        change = np.mean(np.abs(found.images - data.images) ** 2, axis=0, dtype=np.float64)
        beyond = beyond_noise(np.sqrt(change), data.noise, len(data.images))
        undescribed = beyond > np.maximum(size, CLEAR * data.noise)
        error = np.where(undescribed, np.hypot(error, beyond), error)
        kept = np.where(undescribed, 0.0, np.hypot(doubt, beyond))
    return Expected(error, kept)


def beyond_noise(change: np.ndarray, noise: np.ndarray, n_positions: int) -> np.ndarray:
    """Return what components lost in restoration beyond their noise, in the same unit and shape.

    Parameters
    ----------
    change
        Root mean square of measured minus restored components.
    noise
        Standard deviation of their complex noise.
    n_positions
        Positions that the mean is over: noise of this many explains that much of the change.
    """
    explained = noise**2 * (1 + CERTAIN / np.sqrt(n_positions))
    return np.sqrt(np.maximum(change**2 - explained, 0))


def network_error(summary: RestorationSummary) -> np.ndarray:
    """Return the error that is expected of twins and network, in the unit of the scan, (J, C, K).

    ``summary`` needs noise, peak and ``beside_noise`` alone; NaN of the latter counts as 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = summary.peak / summary.noise
    remaining = remaining_noise(np.nan_to_num(snr, nan=1.0, posinf=1e9))
    return np.hypot(summary.noise * remaining, np.nan_to_num(summary.beside_noise))


def measured_error(summary: RestorationSummary) -> np.ndarray:
    """Return the expected error of components as they were measured, as :func:`network_error`."""
    return np.hypot(summary.noise, np.nan_to_num(summary.beside_noise))


def remaining_noise(snr: np.ndarray) -> np.ndarray:
    """Return the error after twins and network over the noise of components, of the same shape.

    ``snr`` is their largest magnitude over their noise.
    """
    known, share = np.array(REMAINING).T
    return np.interp(np.log(np.maximum(snr, known[0])), np.log(known), share)
