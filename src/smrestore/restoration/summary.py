"""What a restoration did to each component of a scan."""

from dataclasses import dataclass, fields

import numpy as np

from smrestore.noise.roughness import roughness

BATCH = 256
"""Components whose roughness is estimated at a time."""

WITH_SIGNAL = 5.0
"""Smallest signal-to-noise ratio of a component that summaries count."""


@dataclass(frozen=True, eq=False)
class RestorationSummary:
    """What a restoration did, component by component; all float64 (J, C, K) for J periods.

    Attributes
    ----------
    snr_before, snr_after
        Largest magnitude over the noise that :func:`.roughness.roughness` finds in the
        component. It tells how smooth the component is, not how true.
    noise
        Standard deviation of the complex noise of the component, see
        :func:`smrestore.mdf.corrected_noise`.
    peak
        Largest measured magnitude.
    removed
        sqrt(mean |measured - restored|^2) over that noise: 1 if a method takes away as much as
        there is noise. NaN if the restored grid is another one.
    out_of_phase
        Share of the measured amplitude across the phase of the component, noise removed: 0 if the
        component is a real image times a phase, as those of tracers in equilibrium are.
    beside_noise
        Expected error of the measured component beside its noise, by fitted physics; NaN if none
        was fitted.
    """

    snr_before: np.ndarray
    snr_after: np.ndarray
    noise: np.ndarray
    peak: np.ndarray
    removed: np.ndarray
    out_of_phase: np.ndarray
    beside_noise: np.ndarray

    @classmethod
    def unknown(cls, rows: tuple[int, int, int]) -> "RestorationSummary":
        """Return the summary before anything was restored."""
        return cls(*(np.full(rows, np.nan) for _ in fields(cls)))

    @property
    def with_signal(self) -> np.ndarray:
        """Components with a measured signal-to-noise ratio of 5 or more, bool (J, C, K)."""
        return self.snr_before >= WITH_SIGNAL

    def channel_rows(self) -> list[dict[str, float]]:
        """Return for each receive channel the medians over its components with signal.

        If a frame has several periods, each of them has rows of its own.
        """
        rows = []
        for period, channel in np.ndindex(self.with_signal.shape[:2]):
            chosen = self.with_signal[period, channel]
            columns = {
                "SNR before": self.snr_before,
                "SNR after": self.snr_after,
                "removed / noise": self.removed,
            }
            medians = {
                name: float(np.median(values[period, channel][chosen])) if chosen.any() else np.nan
                for name, values in columns.items()
            }
            counts = {"components": chosen.size, "with signal": int(chosen.sum())}
            place = {"period": period} if len(self.with_signal) > 1 else {}
            rows.append({**place, "channel": channel, **counts, **medians})
        return rows


def summarize(
    summary: RestorationSummary,
    place: tuple[int, int, np.ndarray],
    measured: np.ndarray,
    restored: np.ndarray,
    noise: np.ndarray,
) -> None:
    """Note what became of components.

    ``place`` is their period, channel and places among the frequencies; ``noise`` is float64 (n,).
    """
    for images, snr in ((measured, summary.snr_before), (restored, summary.snr_after)):
        peak = np.abs(images).max(axis=(1, 2, 3)).astype(np.float64)
        rough = roughness_of(images)
        # What is perfectly smooth has no noise; what is zero has no signal.
        perfect = np.where(peak > 0, np.where(np.isnan(rough), np.nan, np.inf), 0.0)
        snr[place] = np.divide(peak, rough, out=perfect, where=rough > 0)
    summary.noise[place] = noise
    summary.peak[place] = np.abs(measured).max(axis=(1, 2, 3))
    summary.out_of_phase[place] = out_of_phase(measured, noise)
    if measured.shape == restored.shape:
        change = np.sqrt(
            [np.mean(np.abs(a - b) ** 2) for a, b in zip(measured, restored, strict=True)]
        )
        unknown = np.full(len(change), np.nan)
        summary.removed[place] = np.divide(change, noise, out=unknown, where=noise > 0)


def roughness_of(images: np.ndarray) -> np.ndarray:
    """Return the roughness of many components, a batch at a time."""
    parts = [roughness(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    return np.concatenate(parts)


def out_of_phase(images: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the share of the amplitude of components across their own phase, float64 (n,).

    For x = r exp(i phi) with real r, |sum x^2| is sum |x|^2. White noise adds to the second alone.

    Parameters
    ----------
    images
        Complex (n, Nx, Ny, Nz).
    noise
        Standard deviation of their complex noise, float64 (n,).
    """
    flat = images.reshape(len(images), -1)
    energy = np.sum(np.abs(flat) ** 2, axis=1, dtype=np.float64)
    along = np.abs(np.sum(flat**2, axis=1, dtype=np.complex128))
    across = np.maximum(energy - along - flat.shape[1] * noise**2, 0) / 2
    return np.sqrt(np.divide(across, energy, out=np.zeros(len(flat)), where=energy > 0))
