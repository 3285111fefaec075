"""From stored frames, time signals or spectra, to the spectra that are read."""

from dataclasses import dataclass

import numpy as np

from smrestore.mdf.data import runs_of
from smrestore.mdf.description import Description
from smrestore.mdf.layout import DATA, TRANSFER_FUNCTION
from smrestore.mdf.leakage import NO_NEIGHBOR, frame_neighbors, windowed


@dataclass(frozen=True, eq=False)
class Transform:
    """How the frames of a file become spectra.

    Attributes
    ----------
    description
        Of the file.
    divisor
        Transfer function to divide by, complex (C, K), or None.
    windows_signals
        Whether time signals are windowed over their neighbors against spectral leakage.
    """

    description: Description
    divisor: np.ndarray | None
    windows_signals: bool

    def spectra(
        self,
        frames: np.ndarray,
        channels: np.ndarray,
        stored_frequencies: np.ndarray,
        periods: list[int],
    ) -> np.ndarray:
        """Return spectra, complex64 (frames, channels, frequencies): a mean over the periods."""
        # It takes 0.15 s to import, and to describe a file needs no spectra.
        import scipy.fft

        spectra = np.empty((len(frames), len(channels), len(stored_frequencies)), np.complex64)
        # Values that are not finite, or not in single precision, are reported below.
        with np.errstate(all="ignore"):
            for i, channel in enumerate(channels):
                if self.description.flags.fourier_transformed:
                    spectrum = self._stored_spectra(frames, channel, stored_frequencies, periods)
                else:
                    signal = self._windowed_signals(frames, channel, periods)
                    spectrum = scipy.fft.rfft(signal, axis=1, overwrite_x=True)
                    spectrum = spectrum[:, stored_frequencies]
                if self.divisor is not None:
                    spectrum = self._divided(spectrum, channel, stored_frequencies)
                spectra[:, i] = spectrum
        self._check_finite(spectra, frames, channels, stored_frequencies)
        return spectra

    def _windowed_signals(self, frames: np.ndarray, channel: int, periods: list[int]) -> np.ndarray:
        if not self.windows_signals:
            return self._signals(frames, channel, periods)
        if self.description.acquisition.n_periods == 1:
            return self._windowed_frames(frames, channel)
        return sum(self._windowed_period(frames, channel, p) for p in periods) / len(periods)

    def _signals(self, frames: np.ndarray, channel: int, periods: list[int]) -> np.ndarray:
        """Return time signals in ``acquisition.unit``, float64 (frames, V); a mean over periods."""
        acquisition = self.description.acquisition
        samples = slice(0, acquisition.n_samples)
        signal = self.description.data.read(frames, channel, samples, periods).astype(np.float64)
        if acquisition.conversion_factor is not None:
            scale, offset = acquisition.conversion_factor[channel]
            signal *= scale
            signal += offset
        return signal

    def _windowed_frames(self, frames: np.ndarray, channel: int) -> np.ndarray:
        """Return signals with their neighboring frames under a window."""
        table = self.description.frames
        sides = frame_neighbors(table.acquisition_index, table.is_background)
        own_and_neighbors = [frames, *(side[frames] for side in sides)]
        needed = np.unique(np.concatenate(own_and_neighbors))
        needed = needed[needed != NO_NEIGHBOR]
        places = [
            np.where(part == NO_NEIGHBOR, NO_NEIGHBOR, np.searchsorted(needed, part))
            for part in own_and_neighbors
        ]
        return windowed(self._signals(needed, channel, [0]), *places)

    def _windowed_period(self, frames: np.ndarray, channel: int, period: int) -> np.ndarray:
        """Return signals with the neighboring periods of their own frames under a window."""
        last = self.description.acquisition.n_periods - 1
        periods = range(max(0, period - 1), min(last, period + 1) + 1)
        signals = np.concatenate([self._signals(frames, channel, [p]) for p in periods])
        own = np.arange(len(frames)) + len(frames) * (period - periods[0])
        none = np.full(len(frames), NO_NEIGHBOR)
        before = own - len(frames) if period > 0 else none
        after = own + len(frames) if period < last else none
        return windowed(signals, own, before, after)

    def _stored_spectra(
        self,
        frames: np.ndarray,
        channel: int,
        stored_frequencies: np.ndarray,
        periods: list[int],
    ) -> np.ndarray:
        data, acquisition = self.description.data, self.description.acquisition
        if self.description.flags.fast_frame_axis:
            runs = [data.read(frames, channel, run, periods) for run in runs_of(stored_frequencies)]
            spectra = np.concatenate(runs, axis=1)
        else:
            first = stored_frequencies.min()
            between = slice(first, stored_frequencies.max() + 1)
            values = data.read(frames, channel, between, periods)
            spectra = values[:, stored_frequencies - first]
        if acquisition.conversion_factor is not None:
            scale, offset = acquisition.conversion_factor[channel]
            # An offset of the time signal is all in the direct component.
            direct = self.description.frequency_indices[stored_frequencies] == 0
            spectra = scale * spectra + offset * acquisition.n_samples * direct
        return spectra

    def _divided(
        self, spectra: np.ndarray, channel: int, stored_frequencies: np.ndarray
    ) -> np.ndarray:
        divisor = self.divisor[channel, stored_frequencies]
        useless = (divisor == 0) | ~np.isfinite(divisor)
        if useless.any():
            value = "0" if divisor[useless][0] == 0 else "not finite"
            where = self.description.frequency_indices[stored_frequencies[useless]][0]
            raise self.description.error(
                f"is {value} in channel {channel} at frequency index {where}",
                TRANSFER_FUNCTION,
                "leave this frequency out, or choose transfer_function: ignore",
            )
        return spectra / divisor

    def _check_finite(
        self,
        spectra: np.ndarray,
        frames: np.ndarray,
        channels: np.ndarray,
        stored_frequencies: np.ndarray,
    ) -> None:
        finite = np.isfinite(spectra)
        if finite.all():
            return
        description = self.description
        frame, channel, frequency = np.argwhere(~finite)[0]
        raise description.error(
            "NaN or infinite value in frame "
            f"{frames[frame]}{description.voxel_text(frames[frame])}, "
            f"channel {channels[channel]}, "
            f"frequency index {description.frequency_indices[stored_frequencies[frequency]]}",
            DATA,
            "repair the file, or leave this part out",
        )
