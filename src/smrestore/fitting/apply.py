"""All components of a scan from its fitted model, alone or with what was measured."""

import logging
from dataclasses import dataclass

import numpy as np

from smrestore.fitting.basis import LARGEST, MARGIN, MISFITS, Basis, blocks, center_most
from smrestore.fitting.displacement import find_displacement
from smrestore.fitting.drift import shared_drift
from smrestore.fitting.growth import SMALLEST
from smrestore.fitting.held_out import misfit_class
from smrestore.fitting.misfit import UNSEEN, learn_misfit
from smrestore.fitting.model import FittedModel
from smrestore.fitting.posterior import combine
from smrestore.fitting.receive import smooth_factors
from smrestore.fitting.scan import CalibrationData
from smrestore.fitting.solve import factors
from smrestore.physics.mixing import mixing_orders, total_order
from smrestore.physics.spectrum import Components

logger = logging.getLogger(__name__)

BATCH = 512
"""Components that are combined at a time."""
EMPTY = 1e-12
"""Energy of a model image over the largest below which the component holds none of it."""
UNKNOWN = (0.03, 0.1, 0.3)
"""Variance of what displacements leave, over that which they explain, among which the likeliest is
taken: gradients of a model that is wrong are wrong as well."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Components at the wanted positions.

    Attributes
    ----------
    images
        complex64 (P, S), in the units of the scan.
    deviation
        Expected root mean square error of each, float64 (S,), by factors and by what misfit and
        noise leave unknown; for the model alone, by its misfit.
    misfit
        What the measurement may be wrong by at most, over the size of the components, float64 (S,);
        0 across the driven axes, where it is in the deviation. None where the model stands alone.
    """

    images: np.ndarray
    deviation: np.ndarray
    misfit: np.ndarray | None


def predict(
    data: CalibrationData, model: FittedModel, wanted: np.ndarray, *, with_measurement: bool
) -> Prediction:
    """Return all components of a scan at wanted positions.

    Parameters
    ----------
    data
        The scan that the model was fitted to.
    wanted
        float64 (P, 3) in m.
    with_measurement
        Whether the measured values have a say besides the factors, see
        :mod:`smrestore.fitting.posterior`.

    """
    used = np.flatnonzero(~np.isin(data.voxels, model.left_out))
    measured = data.images[used]
    shares = None if data.shares is None else data.shares[used]
    # The noise of components holds that of the subtracted background.
    shared = 0.0 if shares is None else float(np.mean(np.sum(shares**2, axis=1)))
    noise = data.noise**2 / (1 + shared)
    at_measured, at_wanted = _both(model, data.positions[used], wanted, data.components)
    factor, variance = _factors(data, at_measured, measured)
    energy = np.abs(factor) ** 2 * np.mean(np.abs(at_measured) ** 2, axis=0, dtype=np.float64)
    unseen = np.flatnonzero(energy < UNSEEN * noise)
    rest = measured[:, unseen] - at_measured[:, unseen] * factor[unseen].astype(np.complex64)
    drift = shared_drift(rest, data.components.frequency[unseen], shares)
    if len(drift):
        logger.info("components share %d courses of the background", len(drift))
        factor, variance = _factors(data, drift.without(at_measured), drift.without(measured))
    deviation = np.sqrt(variance * np.mean(np.abs(at_wanted) ** 2, axis=0))
    at_measured *= factor.astype(np.complex64)
    at_wanted *= factor.astype(np.complex64)
    total = total_order(mixing_orders(data.sequence))[data.components.frequency]
    classes = misfit_class(total, data.components.channel)
    voxel = np.where(data.grid.voxel > 0, data.grid.voxel, 1.0)
    places = data.positions[used] / voxel, wanted / voxel
    energy = np.mean(np.abs(at_measured) ** 2, axis=0, dtype=np.float64)
    n_driven = max(2, sum(data.sequence.driven))
    driven = np.array(data.sequence.driven)[data.components.channel]
    # What a channel across the driven axes sees does not follow the law of the others.
    size = np.maximum(_relative_size(energy, data.components.channel), SMALLEST[n_driven])
    size[~driven] = 0
    weight = max(1.0, 0.5 * ((0 if shares is None else shares.shape[1]) - 2))
    displacement = find_displacement(
        model, data.positions[used], data.components, factor,
        drift.without(measured - at_measured), energy, noise,
    )  # fmt: skip
    white = [noise]
    if displacement is not None:
        logger.info("positions scatter by %.3g mm along an axis", 1e3 * displacement.jitter)
        there = model.images(data.positions[used] + displacement.moved, data.components)
        there *= factor.astype(np.complex64)
        there -= at_measured
        measured = measured - there
        moved = np.mean(np.abs(there) ** 2, axis=0, dtype=np.float64)
        white = [noise + share * moved for share in (displacement.unknown, *UNKNOWN)]
    noisy = noise > 0
    telling = center_most(places[0], LARGEST)

    misfit, likeliest = learn_misfit(
        (measured[telling] - at_measured[telling])[:, noisy], energy[noisy],
        [variance[noisy] for variance in white], classes[noisy], places[0][telling],
        None if shares is None else shares[telling], weight, drift.at(telling),
        at_measured[telling][:, noisy], size[noisy],
    )  # fmt: skip
    by_class, growth = misfit.of_classes(classes), misfit.growth
    believed = np.zeros(len(size)) if growth is None else growth.misfit(size)
    if not with_measurement:
        wrong = np.where(believed > 0, believed, by_class)
        rms = np.sqrt(np.mean(np.abs(at_wanted) ** 2, axis=0, dtype=np.float64))
        return Prediction(at_wanted, np.hypot(deviation, wrong * rms), None)
    noise = white[likeliest]
    # Noise makes either of them too large where it hides the misfit.
    usual = misfit.usual(classes)
    usual = np.where(believed > 0, np.clip(believed, MISFITS[0], usual), usual)
    unknown = np.zeros(len(noise))
    for length, by_drift, alike in misfit.kinds(classes):
        for near, own in blocks(*places, MARGIN * length):
            known = None if shares is None else shares[near]
            basis = Basis.at(places[0][near], places[1][own], length, known, drift.at(near))
            for start in range(0, len(alike), BATCH):
                some = alike[start : start + BATCH]
                here, there = np.ix_(near, some), np.ix_(own, some)
                at_wanted[there], deviates = combine(
                    measured[here], at_measured[here], at_wanted[there],
                    noise[some], usual[some], basis, by_drift, weight, believed[some],
                )  # fmt: skip
                unknown[some] += len(own) / len(wanted) * deviates**2
    doubted = by_class if growth is None else growth.of_measurement(size)
    doubted = np.where(driven, doubted, 0)
    return Prediction(at_wanted, np.hypot(deviation, np.sqrt(unknown)), doubted)


def _relative_size(energy: np.ndarray, channel: np.ndarray) -> np.ndarray:
    """Return the root mean square of components over the largest of their channel, (S,)."""
    largest = np.zeros(channel.max() + 1)
    np.maximum.at(largest, channel, energy)
    share = np.divide(energy, largest[channel], out=np.zeros(len(energy)), where=energy > 0)
    return np.sqrt(share)


def _both(
    model: FittedModel, measured: np.ndarray, wanted: np.ndarray, components: Components
) -> tuple[np.ndarray, np.ndarray]:
    """Return the images at measured and at wanted positions, each position simulated once."""
    places, number = np.unique(np.concatenate([measured, wanted]), axis=0, return_inverse=True)
    images = model.images(places, components)
    number = number.reshape(-1)
    return images[number[: len(measured)]], images[number[len(measured) :]]


def _factors(
    data: CalibrationData, images: np.ndarray, measured: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor of each component and its variance, (S,) each."""
    factor, energy = factors(images, measured, np.ones(len(images)))
    holds = energy > EMPTY * energy.max(initial=0.0)
    variance = np.divide(data.noise**2, energy, out=np.full(len(energy), np.inf), where=holds)
    factor = np.where(holds, factor, 0)
    frequency = data.sequence.frequencies[data.components.frequency]
    for channel in np.unique(data.components.channel):
        own = (data.components.channel == channel) & holds
        factor[own], variance[own] = smooth_factors(frequency[own], factor[own], variance[own])
    return factor, np.where(holds, variance, 0.0)
