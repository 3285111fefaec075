"""Image quality of restored components: PSNR, SSIM and confidence intervals of their means."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from smrestore.support.errors import InputError

MODES = ("channels", "magnitude")

_WINDOW_SIGMA = 1.5
_WINDOW_RADIUS = 5
_K1, _K2 = 0.01, 0.03


class ConfidenceInterval(NamedTuple):
    """Mean of ``n`` values with the half-width of its 95 % confidence interval."""

    mean: float
    ci95: float
    n: int


def psnr(
    restored: np.ndarray,
    truth: np.ndarray,
    *,
    peak: float = 1.0,
    mode: str = "channels",
    valid: np.ndarray | None = None,
) -> float:
    """Return the peak signal-to-noise ratio 10 log10(peak^2 / MSE) in dB.

    Parameters
    ----------
    restored, truth
        Images of equal shape, (Nx, Ny, Nz) or (Nx, Ny), complex or real.
    peak
        Peak value, in the unit of the images.
    mode
        ``"channels"``: mean squared error over the real and imaginary part as two channels (one
        channel when both images are real). ``"magnitude"``: of the magnitude images.
    valid
        Mask of the pixels that count, shape of the images; default all.

    Returns
    -------
    float
        dB; infinity for a perfect restoration.

    Raises
    ------
    InputError
        Shapes disagree, nothing is valid, a valid pixel is not finite, or the mode is unknown.
    """
    difference = np.subtract(*_channels(restored, truth, mode, valid))
    mean_squared_error = np.mean(np.square(difference))
    if mean_squared_error == 0:
        return float("inf")
    return float(10 * np.log10(peak**2 / mean_squared_error))


def ssim(
    restored: np.ndarray, truth: np.ndarray, *, data_range: float = 1.0, mode: str = "channels"
) -> float:
    """Return the mean structural similarity of Wang et al. 2004 (IEEE TIP 13, 600).

    Gaussian window of 11 pixels an axis and standard deviation 1.5, K1 = 0.01, K2 = 0.03,
    population covariance; windows span all axes longer than one pixel, so an image with Nz = 1 has
    2D windows.

    Border: along an axis of at least 11 pixels those positions count at which the window lies
    inside the image, as in the original code of Wang et al. and in scikit-image and MONAI, whose
    values are met wherever these are defined. A shorter axis holds no such position: there the
    image is continued by reflection at its edge (d c b a | a b c d) and every position counts.

    Parameters
    ----------
    restored, truth
        Images of equal shape, (Nx, Ny, Nz) or (Nx, Ny), complex or real.
    data_range
        Dynamic range L in the constants (K1 L)^2 and (K2 L)^2, in the unit of the images.
    mode
        ``"channels"``: mean over the SSIM of the real and of the imaginary part (the single
        channel when both images are real). ``"magnitude"``: SSIM of the magnitude images.

    Returns
    -------
    float
        At most 1, which only equal images reach.

    Raises
    ------
    InputError
        Shapes disagree, a pixel is not finite, or the mode is unknown.
    """
    x, y = (_without_singletons(image) for image in _channels(restored, truth, mode))
    axes = tuple(range(2, x.ndim + 1))
    mean_x, mean_y, mean_of_squares, mean_of_product = gaussian_filter(
        np.stack([x, y, x * x + y * y, x * y]),
        sigma=_WINDOW_SIGMA,
        radius=_WINDOW_RADIUS,
        mode="reflect",
        axes=axes,
    )[(..., *(_counted(length) for length in x.shape[1:]))]
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    product, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    similarity = ((2 * product + c1) * (2 * (mean_of_product - product) + c2)) / (
        (squares + c1) * (mean_of_squares - squares + c2)
    )
    return float(similarity.mean())


def confidence_interval(values: np.ndarray) -> ConfidenceInterval:
    """Return mean, 1.96 s / sqrt(n) and n of ``values`` (n,), s with Bessel's correction.

    The half-width is NaN where it is undefined: for a single value, or next to an infinite PSNR.

    Raises
    ------
    InputError
        There is no value, or one is NaN.
    """
    values = np.asarray(values, dtype=np.float64).ravel()
    if values.size == 0 or np.isnan(values).any():
        raise InputError(
            f"a mean over {values.size} values of which {np.isnan(values).sum()} are NaN",
            remedy="evaluate at least one component, and look for the origin of any NaN",
        )
    mean, n = float(values.mean()), values.size
    if n == 1 or not np.isfinite(mean):
        return ConfidenceInterval(mean, float("nan"), n)
    return ConfidenceInterval(mean, float(1.96 * values.std(ddof=1) / np.sqrt(n)), n)


def interval_text(mean: float, ci95: float, digits: int) -> str:
    """Return a mean with its confidence interval for readers, nothing where there is no mean."""
    return "" if np.isnan(mean) else f"{mean:.{digits}f} ± {ci95:.{digits}f}"


def _channels(
    restored: np.ndarray, truth: np.ndarray, mode: str, valid: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return both images as float64 (channels, ...), checked.

    With a mask, only its pixels are looked at and returned, as (channels, pixels).
    """
    restored, truth = np.asarray(restored), np.asarray(truth)
    if restored.shape != truth.shape or truth.ndim not in (2, 3) or truth.size == 0:
        raise InputError(
            f"images of shapes {restored.shape} and {truth.shape} cannot be compared",
            remedy="give two images of the same shape (Nx, Ny, Nz) or (Nx, Ny)",
        )
    if valid is not None:
        valid = np.asarray(valid, dtype=bool)
        if valid.shape != truth.shape or not valid.any():
            raise InputError(
                f"a mask of shape {valid.shape} with {np.count_nonzero(valid)} valid pixels for"
                f" images of shape {truth.shape}",
                field="valid",
                remedy="mark at least one pixel of the images",
            )
        restored, truth = restored[valid], truth[valid]
    for field, image in (("restored", restored), ("truth", truth)):
        if not np.isfinite(image).all():
            raise InputError(
                "the image holds NaN or infinity",
                field=field,
                remedy="look for a division by zero or a diverged network",
            )
    if mode == "magnitude":
        return tuple(np.abs(image)[np.newaxis].astype(np.float64) for image in (restored, truth))
    if mode != "channels":
        raise InputError(f"unknown mode {mode!r}", field="mode", remedy=f"choose one of {MODES}")
    if np.isrealobj(restored) and np.isrealobj(truth):
        return tuple(image[np.newaxis].astype(np.float64) for image in (restored, truth))
    return tuple(
        np.stack([image.real, image.imag]).astype(np.float64) for image in (restored, truth)
    )


def _without_singletons(channels: np.ndarray) -> np.ndarray:
    """Return (channels, ...) without image axes of length one, which need no window."""
    return channels.reshape(len(channels), *(n for n in channels.shape[1:] if n > 1))


def _counted(length: int) -> slice:
    """Return the window positions that count along an axis."""
    if length > 2 * _WINDOW_RADIUS:
        return slice(_WINDOW_RADIUS, length - _WINDOW_RADIUS)
    return slice(None)
