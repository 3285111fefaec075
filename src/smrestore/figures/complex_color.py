"""Complex images as colors: the phase is the hue, the magnitude the brightness."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from smrestore.figures.style import SMALL_PT
from smrestore.support.errors import InputError

# Lightness and chroma of full magnitude in the color space Oklab. The chroma is the largest that
# sRGB reaches at this lightness in every hue, so the circle is perceptually uniform.
LIGHTNESS = 0.75
CHROMA = 0.125

# The hue of phase 0. It makes -90 and 90 degrees, the phases of a simulated system matrix, blue
# and orange, which people with any color vision tell apart.
_HUE_OF_ZERO = np.deg2rad(-20.0)


def complex_to_rgb(image: np.ndarray, peak: float | None = None) -> np.ndarray:
    """Return the colors of a complex image.

    The phase runs along a circle of constant lightness and chroma in Oklab (Ottosson 2020,
    "A perceptual color space for image processing"); lightness and chroma are proportional to the
    magnitude: 0 is black.

    Parameters
    ----------
    image
        Complex or real, any shape.
    peak
        Magnitude of full brightness, that of larger values too; by default the largest one of the
        image.

    Returns
    -------
    np.ndarray
        sRGB in [0, 1], float64 (*image.shape, 3).

    Raises
    ------
    InputError
        The peak is negative, or a value is not finite.
    """
    image = np.asarray(image, dtype=np.complex128)
    if not np.isfinite(image).all() or (peak is not None and not peak >= 0):
        raise InputError(
            f"cannot color an image with NaN or infinity, or with peak {peak}",
            field="image",
            remedy="look for a division by zero",
        )
    if peak is None:
        peak = float(np.abs(image).max(initial=0.0))
    magnitude = np.clip(np.abs(image) / peak, 0, 1) if peak else np.zeros(image.shape)
    hue = np.angle(image) + _HUE_OF_ZERO
    return _oklab_to_srgb(
        LIGHTNESS * magnitude,
        CHROMA * magnitude * np.cos(hue),
        CHROMA * magnitude * np.sin(hue),
    )


def draw_wheel(ax: Axes) -> None:
    """Draw the legend of these colors: a disk of all phases, magnitude 0 to 1 along the radius."""
    x, y = np.meshgrid(*2 * [np.linspace(-1, 1, 401)])
    colors = complex_to_rgb(x + 1j * y, peak=1.0)
    rim = Circle((0, 0), 1, transform=ax.transData, facecolor="none", linewidth=0.5)
    ax.add_patch(rim)
    disk = ax.imshow(colors, origin="lower", extent=(-1, 1, -1, 1), interpolation="bilinear")
    disk.set_clip_path(rim)
    for angle, label in ((0, "0"), (90, "π/2"), (180, "π"), (270, "−π/2")):
        direction = np.exp(1j * np.deg2rad(angle))
        ax.plot(*_segment(direction, 1.0, 1.08), color="black", linewidth=0.5, clip_on=False)
        ax.text(
            1.15 * direction.real,
            1.15 * direction.imag,
            label,
            horizontalalignment={0: "left", 180: "right"}.get(angle, "center"),
            verticalalignment={90: "bottom", 270: "top"}.get(angle, "center_baseline"),
            fontsize=SMALL_PT,
        )
    diagonal = np.exp(0.25j * np.pi)
    ax.plot(*_segment(diagonal, 0.0, 1.0), color="white", linewidth=0.5)
    for radius, offset in ((0.0, -0.2), (1.0, 0.2)):
        point = (radius + offset) * diagonal
        ax.text(
            point.real,
            point.imag,
            f"{radius:.0f}",
            color="white" if radius == 0 else "black",
            horizontalalignment="center",
            verticalalignment="center",
            fontsize=SMALL_PT,
        )
    ax.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
    ax.axis("off")


def _segment(direction: complex, start: float, end: float) -> tuple[list[float], list[float]]:
    points = [start * direction, end * direction]
    return [point.real for point in points], [point.imag for point in points]


def _oklab_to_srgb(lightness: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return sRGB with its gamma, (..., 3); matrices of Ottosson 2020."""
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = np.stack(
        [
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        ],
        axis=-1,
    ).clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
