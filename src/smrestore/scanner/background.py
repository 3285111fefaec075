"""What the scanner measures without a sample: drifting, jumping feedthrough and thermal noise."""

from dataclasses import dataclass

import numpy as np

from smrestore.physics.mixing import mixing_orders, total_order
from smrestore.physics.sequence import Sequence

N_MODES = 3
ORDER_DECAY = 2.0
"""Mixing order over which feedthrough and its drift fall to 1/e."""


@dataclass(frozen=True)
class BackgroundSettings:
    """Strength of the background of a scanner.

    Attributes
    ----------
    thermal_noise
        Standard deviation of a single-average time sample in V.
    feedthrough
        Amplitude of the constant background at low mixing orders in V.
    drift
        Standard deviation of the drift of weak components, relative to their thermal noise.
    low_order_drift
        How many times stronger the drift is at the lowest mixing orders.
    correlation_frames
        Frames over which the correlation of the drift falls to 1/e.
    jump_rate, jump_size
        Probability per frame that the background jumps, and the size in drift deviations.
    """

    thermal_noise: float
    feedthrough: float
    drift: float
    low_order_drift: float
    correlation_frames: float
    jump_rate: float
    jump_size: float


@dataclass(frozen=True)
class Background:
    """The background of one scan: a constant spectrum and modes that change from frame to frame.

    Attributes
    ----------
    level
        complex128 (C, K), spectrum in V.
    patterns
        complex128 (modes, C, K), spectra of the drift modes in V.
    course
        float64 (modes, N), their course over the frames.
    """

    level: np.ndarray
    patterns: np.ndarray
    course: np.ndarray

    def selected(self, frequencies: np.ndarray) -> "Background":
        """Return the background of chosen frequency bins only."""
        return Background(self.level[:, frequencies], self.patterns[..., frequencies], self.course)

    def frames(self, start: int, stop: int) -> np.ndarray:
        """Return the background spectra of frames ``start`` to ``stop``, complex128 (n, C, K)."""
        return self.level + np.tensordot(self.course[:, start:stop].T, self.patterns, axes=1)


def scanner_background(
    settings: BackgroundSettings,
    sequence: Sequence,
    n_channels: int,
    n_frames: int,
    *,
    scanner_rng: np.random.Generator,
    scan_rng: np.random.Generator,
) -> Background:
    """Draw the background of a scan.

    Level and patterns belong to the scanner (``scanner_rng``), their course to the scan
    (``scan_rng``). The course is a sum of first-order autoregressive drift and of jumps that fade
    at the same rate.
    """
    n_frequencies, n_samples = sequence.n_frequencies, sequence.n_samples
    shape = (n_channels, n_frequencies)
    order = np.maximum(total_order(mixing_orders(sequence)), 0)
    low = np.exp(-order / ORDER_DECAY)

    def normal(*size: int) -> np.ndarray:
        return (scanner_rng.normal(size=size) + 1j * scanner_rng.normal(size=size)) / np.sqrt(2)

    level = settings.feedthrough * n_samples / 2 * low * normal(*shape)
    thermal = settings.thermal_noise * np.sqrt(n_samples)
    strength = settings.drift * thermal * (1 + settings.low_order_drift * low)
    patterns = strength * normal(N_MODES, *shape) / np.sqrt(N_MODES)
    keep = np.exp(-1 / settings.correlation_frames)
    innovation = np.sqrt(1 - keep**2) * scan_rng.normal(size=(N_MODES, n_frames))
    innovation[:, 0] = scan_rng.normal(size=N_MODES)
    jumps = scan_rng.random(n_frames) < settings.jump_rate
    innovation[:, jumps] += settings.jump_size * scan_rng.normal(size=(N_MODES, jumps.sum()))
    # Loaded here, as it takes longer to load than most other modules together.
    from scipy.signal import lfilter

    course = lfilter([1], [1, -keep], innovation, axis=1)
    return Background(level, patterns, course)
