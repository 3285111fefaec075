"""How a scan is stored: time signals as they come, or spectra of chosen frequencies."""

import logging
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft

from smrestore import mdf
from smrestore.mdf.layout import (
    DATA,
    FRAME_PERMUTATION,
    FREQUENCY_SELECTION,
    IS_BACKGROUND_FRAME,
)
from smrestore.mdf.scans import descriptive_fields, measurement_flags
from smrestore.physics.mixing import mixing_orders, total_order
from smrestore.physics.sequence import Sequence
from smrestore.scanner.background import Background
from smrestore.support.errors import InputError
from smrestore.support.progress import progress_bar
from smrestore.support.seeds import derived_seed, generator

logger = logging.getLogger(__name__)

BLOCK_BYTES = 64 * 2**20
LARGEST_BLOCK = 128
"""Frames that are measured at a time, at most."""
TIME = "2026-01-01T00:00:00.000"
"""Time stamp of all virtual scans, so that equal settings give equal files."""

Signal = Callable[[np.ndarray], np.ndarray]
"""Takes numbers of samples, int64 (n,), and returns their noise-free spectra (n, C, F) in V."""


def stored_frequencies(sequence: Sequence, max_mixing_order: int | None) -> np.ndarray | None:
    """Return the frequency bins up to a mixing order, int64 (F,); None for all, as time signals."""
    if max_mixing_order is None:
        return None
    order = total_order(mixing_orders(sequence))
    return np.flatnonzero((order >= 0) & (order <= max_mixing_order))


def checked_frequencies(sequence: Sequence, frequencies: np.ndarray) -> np.ndarray:
    """Return frequency bins of a sequence ascending and once each, int64 (F,).

    Raises
    ------
    InputError
        If there are none, or one is not in its spectrum.
    """
    bins = np.unique(np.asarray(frequencies, dtype=np.int64))
    if len(bins) == 0 or bins[0] < 0 or bins[-1] >= sequence.n_frequencies:
        found = f"{bins[0]} to {bins[-1]}" if len(bins) else "none"
        raise InputError(
            f"frequencies to store are {found}, but the sequence has {sequence.n_frequencies}",
            field="frequencies",
            remedy="use the driven axes, dividers and sampling rate of the datasets",
        )
    return bins


@dataclass(frozen=True, eq=False)
class Recording:
    """One scan while it is measured.

    Attributes
    ----------
    name
        Of the scan; its noise is drawn from the seed and this name.
    scanner_name
        For the description of the file.
    sequence
        Drive and selection fields.
    background
        Spectra without a sample, of the stored frequencies only.
    thermal_noise
        Standard deviation of a time sample without averages in V.
    full_scale
        Largest voltage of the 16-bit converter in V.
    averages
        In each frame.
    frequencies
        Stored frequency bins, int64 (F,); None for time signals.
    seed
        Global seed.
    sample
        int64 (N,): the sample in the bore during each frame, -1 for none.
    signal
        Returns the spectra of these samples. It is called once for each block of frames, in the
        order of acquisition.
    """

    name: str
    scanner_name: str
    sequence: Sequence
    background: Background
    thermal_noise: float
    full_scale: float
    averages: int
    frequencies: np.ndarray | None
    seed: int
    sample: np.ndarray
    signal: Signal

    @property
    def n_channels(self) -> int:
        """Number of receive channels C."""
        return len(self.background.level)

    @property
    def step(self) -> float:
        """Voltage of one unit of the converter in V."""
        return self.full_scale / 2**15

    def spectra(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the first frame and the spectra (n, C, F) of blocks of frames without noise."""
        n_samples = self.sequence.n_samples if self.frequencies is None else 0
        size = 16 * self.n_channels * (n_samples + self.background.level.shape[1])
        block = min(LARGEST_BLOCK, max(1, BLOCK_BYTES // size))
        starts = range(0, len(self.sample), block)
        for start in progress_bar(starts, desc=self.name, unit="block"):
            part = self.sample[start : start + block]
            spectra = self.background.frames(start, start + len(part))
            filled = part >= 0
            if filled.any():
                spectra[filled] += self.signal(part[filled])
            yield start, spectra

    def noise(self, frame: int, *shape: int) -> np.ndarray:
        """Return normally distributed numbers of one frame; they depend on no other frame."""
        return generator(self.seed, "thermal noise", self.name, frame).normal(size=shape)

    def voltages(self) -> Iterator[np.ndarray]:
        """Yield time signals as the converter adds them up over the averages, (n, C, V)."""
        dtype = np.int16 if self.averages == 1 else np.int32
        limits = np.array([-(2**15), 2**15 - 1]) * self.averages
        thermal = self.thermal_noise / np.sqrt(self.averages)
        for start, spectra in self.spectra():
            voltage = scipy.fft.irfft(spectra, n=self.sequence.n_samples, axis=-1)
            for i, frame in enumerate(voltage):
                frame += thermal * self.noise(start + i, *frame.shape)
            numbers = np.rint(voltage * (self.averages / self.step))
            beyond = np.mean((numbers < limits[0]) | (numbers > limits[1]))
            if beyond > 0:
                logger.warning(
                    "%s: %.2g %% of the samples from frame %d on exceed the full scale of %g V",
                    self.name,
                    100 * beyond,
                    start,
                    self.full_scale,
                )
            yield np.clip(numbers, *limits).astype(dtype)

    def noisy_spectra(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the first frame and the spectra of blocks of frames, complex64 (n, C, F).

        White noise of a time signal is white in its spectrum. The rounding of the converter counts
        as noise of the same variance; its full scale is not reached.
        """
        rounding = (self.step / self.averages) ** 2 / 12
        deviation = np.sqrt(self.thermal_noise**2 / self.averages + rounding)
        deviation *= np.sqrt(self.sequence.n_samples)
        is_real = self.frequencies == 0
        if self.sequence.n_samples % 2 == 0:
            is_real |= self.frequencies == self.sequence.n_frequencies - 1
        for start, spectra in self.spectra():
            for i, frame in enumerate(spectra):
                real, imaginary = self.noise(start + i, 2, *frame.shape)
                noise = np.where(is_real, real, (real + 1j * imaginary) / np.sqrt(2))
                frame += deviation * noise
                frame[:, is_real] = frame[:, is_real].real
            yield start, spectra.astype(np.complex64)

    def write(
        self,
        path: str | Path,
        *,
        description: str,
        calibration: mdf.Calibration | None = None,
        tracer: mdf.Tracer | None = None,
    ) -> None:
        """Measure all frames and write them, block by block."""
        general = {
            "/scanner/name": self.scanner_name,
            "/scanner/manufacturer": "smrestore",
            "/experiment/name": self.name,
            "/study/name": "virtual scanner",
        }
        identity = uuid.UUID(
            int=derived_seed(self.seed, "uuid", self.name) << 64
            | derived_seed(self.seed, self.name)
        )
        if self.frequencies is None:
            factor = np.tile([self.step / self.averages, 0.0], (self.n_channels, 1))
            mdf.write_frames(
                path,
                acquisition=self._acquisition(conversion_factor=factor),
                frames=self.voltages(),
                is_background=self.sample < 0,
                description=description,
                calibration=calibration,
                tracer=tracer,
                time=TIME,
                uuid=identity,
                fields=general,
            )
            return
        mdf.write_mdf(
            path,
            {
                **descriptive_fields(TIME, identity),
                "/experiment/description": description,
                "/experiment/isSimulation": True,
                **(tracer.to_fields() if tracer else {}),
                **self._acquisition().to_fields(),
                **(calibration.to_fields() if calibration else {}),
                FREQUENCY_SELECTION: self.frequencies + 1,
                **(self._frames() if calibration is None else self._sorted_frames(calibration)),
                **general,
            },
        )

    def _acquisition(self, conversion_factor: np.ndarray | None = None) -> mdf.Acquisition:
        return mdf.Acquisition.from_sequence(
            self.sequence,
            n_frames=len(self.sample),
            n_averages=self.averages,
            n_channels=self.n_channels,
            start_time=TIME,
            conversion_factor=conversion_factor,
        )

    def _frames(self) -> dict[str, Any]:
        """Return the measurement with frames in the order of acquisition, data (N, 1, C, F)."""
        shape = (len(self.sample), 1, self.n_channels, len(self.frequencies))

        def blocks() -> Iterator[tuple[Any, np.ndarray]]:
            for start, spectra in self.noisy_spectra():
                yield slice(start, start + len(spectra)), spectra[:, None]

        return {
            DATA: mdf.Blocks(shape, np.dtype(np.complex64), blocks()),
            IS_BACKGROUND_FRAME: self.sample < 0,
            **measurement_flags(isFourierTransformed=True, isFrequencySelection=True),
        }

    def _sorted_frames(self, calibration: mdf.Calibration) -> dict[str, Any]:
        """Return the measurement as processed calibrations have it, data (1, C, F, N).

        Positions come with x fastest, then the background frames in the order of acquisition.
        """
        place = sorted_places(self.sample, calibration)
        permutation = np.empty_like(place)
        permutation[place] = np.arange(len(place)) + 1
        shape = (1, self.n_channels, len(self.frequencies), len(self.sample))

        def blocks() -> Iterator[tuple[Any, np.ndarray]]:
            for start, spectra in self.noisy_spectra():
                places = place[start : start + len(spectra)]
                order = np.argsort(places)
                # Places of a line follow each other in the file.
                for run in np.split(order, np.flatnonzero(np.diff(places[order]) != 1) + 1):
                    first = places[run[0]]
                    index = (0, slice(None), slice(None), slice(first, first + len(run)))
                    yield index, spectra[run].transpose(1, 2, 0)

        return {
            DATA: mdf.Blocks(shape, np.dtype(np.complex64), blocks()),
            IS_BACKGROUND_FRAME: np.arange(len(place)) >= calibration.n_positions,
            FRAME_PERMUTATION: permutation,
            **measurement_flags(
                isFourierTransformed=True,
                isFastFrameAxis=True,
                isFramePermutation=True,
                isFrequencySelection=True,
            ),
        }


def sorted_places(visit: np.ndarray, calibration: mdf.Calibration) -> np.ndarray:
    """Return where each frame of a calibration is stored when sorted, int64 (N,).

    ``visit`` (N,) is the number of the position in the order of acquisition, -1 for background.
    """
    by_place = calibration.voxels(acquired=False)
    place_of_voxel = np.empty_like(by_place)
    place_of_voxel[by_place] = np.arange(len(by_place))
    background = visit < 0
    place = np.empty_like(visit)
    place[~background] = place_of_voxel[calibration.voxels(acquired=True)[visit[~background]]]
    place[background] = calibration.n_positions + np.arange(background.sum())
    return place
