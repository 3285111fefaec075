"""Twin frequencies: components of one mixing order, which measure the same image again.

In an equilibrium model, the mean moment is an even function of each drive phase. So all bins
|n_x m_x +- n_y m_y +- n_z m_z| of a mixing order (n_x, n_y, n_z) have the same image, up to a
factor that is proportional to the frequency. A 2D scan has most images twice and a 3D scan four
times, each time with other noise. An average, weighted by signal-to-noise ratios, gains up to 3 and
6 dB.

If particles relax, twins differ in phase and somewhat in shape. They also differ where several
mixing orders fall on one bin. Nothing of this is assumed: the factor between two images is
estimated from the images, and their differences beyond the noise count as additional noise of the
twin.
"""

from dataclasses import dataclass

import numpy as np

from smrestore.physics.mixing import twin_groups
from smrestore.support.errors import InputError
from smrestore.support.progress import progress_bar

FALSE_ALARM = 1e-4
"""Probability that pure noise is taken for a twin. If an image is not seen in the other one, the
factor between them means nothing."""
MINIMUM_CORRELATION = 0.7
"""Smallest correlation of two images, corrected for their noise. Below it, less than half of the
energy of a twin is the wanted image. Twins of equilibrium models reach 0.97 and more."""


@dataclass(frozen=True, eq=False)
class TwinCombination:
    """Components combined with their twins.

    Attributes
    ----------
    images
        complex64 (K, Nx, Ny, Nz), each in the units and phase of its component.
    noise
        Standard deviation of the remaining complex noise of each, float64 (K,).
    n_twins
        Number of twins that contribute to each, int64 (K,).
    """

    images: np.ndarray
    noise: np.ndarray
    n_twins: np.ndarray


def combine_twins(
    images: np.ndarray, noise: np.ndarray, mixing_order: np.ndarray | None
) -> TwinCombination:
    """Combine every component of a channel with its twins, weighted by their SNR.

    Images are divided by their noise. Total least squares gives the factor between two of them, so
    that the noise of neither biases it (Golub and Van Loan 1980, SIAM J. Numer. Anal. 17, 883). A
    twin is used if two conditions hold: the two images correlate more than noise alone would
    (:data:`FALSE_ALARM`), and their correlation, corrected for noise, is at least
    :data:`MINIMUM_CORRELATION`. Its weight is the inverse of a variance: that of its noise, in
    units of the component, plus that of the difference of the images beyond their noise. So a weak
    or unlike twin has little influence, and a component without twins stays as it is.

    Besides the result, one group of twins is in memory at a time.

    Parameters
    ----------
    images
        complex (K, Nx, Ny, Nz): components of **one** receive channel with independent noise, or
        an object that returns them for ascending indices.
    noise
        Standard deviation of the complex noise of each, float64 (K,), in units of the images. If it
        is too large, small differences of shape are taken for noise, which costs quality at high
        SNR. A component with zero noise stays as it is, and is not used for others.
    mixing_order
        See :func:`smrestore.physics.mixing.twin_groups`.

    Raises
    ------
    InputError
        If shapes do not match, mixing orders are missing, or a value is not finite.
    """
    noise = np.asarray(noise, dtype=np.float64)
    if len(images.shape) != 4 or noise.shape != images.shape[:1]:
        raise InputError(
            f"images of shape {images.shape} with noise of shape {noise.shape}",
            field="images",
            remedy="give components (K, Nx, Ny, Nz) of a channel and one number for each",
        )
    if not (np.isfinite(noise).all() and (noise >= 0).all()):
        raise InputError("is negative or not finite", field="noise", remedy="give the deviations")
    groups = twin_groups(mixing_order, len(noise))
    combined = np.array(images, dtype=np.complex64)
    left, n_twins = noise.copy(), np.zeros(len(noise), dtype=np.int64)
    for group in progress_bar(groups, desc="twins", unit="group"):
        members = group[noise[group] > 0]
        if len(members) < 2:
            continue
        white = combined[members].reshape(len(members), -1) / noise[members, None]
        gram = white.conj() @ white.T / white.shape[1]
        if not np.isfinite(gram).all():
            raise InputError("components hold NaN or infinity", field="images")
        weights = _weights(gram, white.shape[1])
        images_of_group = (weights @ white) * noise[members, None]
        combined[members] = images_of_group.reshape(-1, *combined.shape[1:])
        left[members] = noise[members] * np.linalg.norm(weights, axis=1)
        n_twins[members] = np.count_nonzero(weights, axis=1) - 1
    return TwinCombination(combined, left, n_twins)


def _weights(gram: np.ndarray, n_voxels: int) -> np.ndarray:
    """Return the weight of each image in each component, complex (G, G). Noise has variance 1.

    ``gram[i, j]`` is the mean of conj(y_i) y_j over the voxels.
    """
    energy = gram.diagonal().real
    first, second = energy[:, None], energy[None, :]
    shared = np.abs(gram) ** 2
    # Under independence 1 - |correlation|^2 to the power P - 1 is uniformly distributed.
    product = np.maximum(first * second, np.finfo(float).tiny)
    seen = shared / product > 1 - FALSE_ALARM ** (1 / max(n_voxels - 1, 1))
    signal = np.maximum(first - 1, 0) * np.maximum(second - 1, 0)
    alike = shared >= MINIMUM_CORRELATION**2 * signal
    twin = seen & alike & ~np.eye(len(gram), dtype=bool)
    # Factor from image i to image j by total least squares, noise being equal in both.
    contrast = second - first
    numerator = contrast + np.sqrt(contrast**2 + 4 * shared)
    factor = numerator / np.where(twin, 2 * gram.conj(), 1)
    gain = np.abs(factor) ** 2
    # What y_j - factor y_i holds beyond the noise of both.
    residual = second - 2 * (factor.conj() * gram).real + gain * first
    unlike = np.maximum(residual - 1 - gain, 0)
    precision = np.where(twin, gain / (1 + unlike), 0)
    np.fill_diagonal(precision, 1)
    np.fill_diagonal(factor, 1)
    shares = precision / precision.sum(axis=1, keepdims=True)
    return np.where(precision > 0, shares / np.where(precision > 0, factor, 1), 0)
