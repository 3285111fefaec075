"""DCT-F: soft thresholding in the discrete cosine domain."""

import numpy as np
import scipy.fft

OMEGA = 2.75
"""Threshold in units of the noise standard deviation, as in Tsanda et al. 2026."""


def dct_filter(image: np.ndarray, sigma: float, omega: float = OMEGA) -> np.ndarray:
    """Denoise a component by soft thresholding of its DCT coefficients.

    The magnitudes of the orthonormal n-D DCT-II of the complex image shrink by ``omega * sigma``.
    Their phases stay, and the result is transformed back.

    Parameters
    ----------
    image
        complex (Nx, Ny, Nz).
    sigma
        Standard deviation of the noise in units of ``image``.
    omega
        Threshold factor.

    Returns
    -------
    numpy.ndarray
        complex64 of the same shape.
    """
    spectrum = scipy.fft.dctn(image.real, norm="ortho") + 1j * scipy.fft.dctn(
        image.imag, norm="ortho"
    )
    magnitude = np.abs(spectrum)
    shrink = np.maximum(magnitude - omega * sigma, 0) / np.maximum(magnitude, 1e-30)
    spectrum *= shrink
    restored = scipy.fft.idctn(spectrum.real, norm="ortho") + 1j * scipy.fft.idctn(
        spectrum.imag, norm="ortho"
    )
    return restored.astype(np.complex64)
