"""An open MDF file: its description, and its frames as spectra."""

import copy
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import scipy.fft

from smrestore.errors import InputError
from smrestore.mdf.acquisition import Acquisition
from smrestore.mdf.calibration import Calibration
from smrestore.mdf.data import TILE_BYTES, StoredData, frame_blocks, runs_of
from smrestore.mdf.frames import FrameTable
from smrestore.mdf.layout import (
    DATA,
    FREQUENCY_SELECTION,
    TRANSFER_FUNCTION,
    Fields,
    open_hdf5,
)
from smrestore.mdf.leakage import NO_NEIGHBOR, frame_neighbors, windowed
from smrestore.mdf.sparsity import SparseRows
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.sequence import Sequence as ScanSequence

TRANSFER_FUNCTION_POLICIES = ("ignore", "divide")
SPECTRAL_LEAKAGE_POLICIES = ("ignore", "correct")
MEAN = "mean"

Indices = Sequence[int] | np.ndarray | None
Period = int | str | None


@dataclass(frozen=True)
class Flags:
    """The ``is...`` flags of the ``/measurement`` group (MDF 2.1 specification)."""

    fourier_transformed: bool
    fast_frame_axis: bool
    frame_permutation: bool
    frequency_selection: bool
    background_corrected: bool
    spectral_leakage_corrected: bool
    transfer_function_corrected: bool
    sparsity_transformed: bool

    @classmethod
    def from_fields(cls, fields: Fields) -> "Flags":
        """Read the flags; all but the first count as 0 where older writers left them out."""

        def flag(name: str) -> bool:
            return fields.flag(f"/measurement/{name}", False)

        return cls(
            fourier_transformed=fields.flag("/measurement/isFourierTransformed"),
            fast_frame_axis=flag("isFastFrameAxis"),
            frame_permutation=flag("isFramePermutation"),
            frequency_selection=flag("isFrequencySelection"),
            background_corrected=flag("isBackgroundCorrected"),
            spectral_leakage_corrected=flag("isSpectralLeakageCorrected"),
            transfer_function_corrected=flag("isTransferFunctionCorrected"),
            sparsity_transformed=flag("isSparsityTransformed"),
        )


class MdfFile:
    """An MDF v2 file that is open for reading; use :func:`open_mdf` in a ``with`` statement.

    Attributes
    ----------
    path, hdf5
        The file, and its open HDF5 handle.
    acquisition, calibration, frames, flags
        Its description; ``calibration`` is None if the file is no calibration scan. Frames of
        sparse data are those after decoding: one for each position, and the background.
    frequency_indices
        int64 (K,): 0-based index in the complete spectrum of every stored frequency.
    transfer_function
        The one of ``acquisition`` at these frequencies, complex (C, K), or None.
    times_are_known
        Whether ``acquisition_index`` is known; not for most sparse data.
    period
        As in :func:`open_mdf`.
    leakage_is_corrected
        Whether the spectra are corrected for spectral leakage, in the file or while it is read.
    """

    def __init__(
        self,
        file: h5py.File,
        path: Path,
        transfer_function: str,
        period: Period = None,
        spectral_leakage: str = "ignore",
    ) -> None:
        fields = Fields(file, path)
        self.path = path
        self.hdf5 = file
        _require_measurement(fields)
        self.flags = Flags.from_fields(fields)
        self.acquisition = Acquisition.from_fields(fields)
        self.calibration = Calibration.from_fields(fields)
        self.frequency_indices = self._read_frequency_indices(fields)
        self._read_frames(fields)
        self.transfer_function = self._stored_transfer_function(fields)
        self._divisor = self._choose_divisor(fields, transfer_function)
        self.period = self._check_period(period)
        self._windows_signals = self._choose_windows(spectral_leakage)
        self.leakage_is_corrected = self._windows_signals or self.flags.spectral_leakage_corrected

    def __enter__(self) -> "MdfFile":
        return self

    def __exit__(self, *exception: object) -> None:
        self.hdf5.close()

    @property
    def is_background(self) -> np.ndarray:
        """Mask of the background frames in stored order, bool (N,)."""
        return self.frames.is_background

    @property
    def acquisition_index(self) -> np.ndarray:
        """0-based place of each stored frame in the order of acquisition, int64 (N,)."""
        return self.frames.acquisition_index

    def error(self, what: str, field: str, remedy: str) -> InputError:
        """Return the error to raise about ``field`` of this file."""
        return InputError(what, path=self.path, field=field, remedy=remedy)

    def sequence(self) -> ScanSequence:
        """Return the sequence of the scan; errors name the file, see ``Acquisition.sequence``."""
        try:
            return self.acquisition.sequence(None if self.period == MEAN else self.period)
        except InputError as error:
            raise InputError(
                error.what, path=self.path, field=error.field, remedy=error.remedy
            ) from None

    def grid(self) -> CalibrationGrid:
        """Return the grid of a calibration scan; raises :class:`InputError` naming the file."""
        try:
            return self.calibration.grid()
        except InputError as error:
            raise self.error(error.what, "/calibration/fieldOfView", error.remedy) from None

    def of_period(self, period: Period) -> "MdfFile":
        """Return this open file with another choice of the period, see :func:`open_mdf`."""
        other = copy.copy(self)
        other.period = self._check_period(period)
        return other

    def periods(self) -> list[int]:
        """Return the drive-field periods that are read, or averaged if they are several.

        Raises
        ------
        InputError
            If a frame consists of several and none is chosen.
        """
        n_periods = self.acquisition.n_periods
        if self.period == MEAN:
            return list(range(n_periods))
        if self.period is None and n_periods > 1:
            raise self.error(
                f"there are {n_periods} drive-field periods per frame, and none is chosen",
                "/acquisition/numPeriodsPerFrame",
                f"choose a period from 0 to {n_periods - 1}, or {MEAN!r} if all are alike",
            )
        return [self.period or 0]

    def channel_indices(self, channels: Indices) -> np.ndarray:
        """Return checked 0-based receive channels; all of them for None."""
        return self._indices(
            channels, self.acquisition.n_channels, "receive channel", "/acquisition/receiver"
        )

    def frame_indices(self, frames: Indices) -> np.ndarray:
        """Return checked 0-based stored frames; all of them for None."""
        return self._indices(frames, self.acquisition.n_frames, "frame", DATA)

    def stored_frequencies(self, frequencies: Indices) -> np.ndarray:
        """Return where the 0-based frequency indices k are stored; everything stored for None.

        Raises
        ------
        InputError
            If one of them is not in the file.
        """
        if frequencies is None:
            return np.arange(len(self.frequency_indices))
        wanted = _as_indices(frequencies)
        if len(wanted) == 0:
            raise self.error("no frequencies are chosen", DATA, "choose at least one")
        order = np.argsort(self.frequency_indices)
        place = np.searchsorted(self.frequency_indices, wanted, sorter=order)
        stored = order[np.minimum(place, len(order) - 1)]
        absent = wanted[self.frequency_indices[stored] != wanted]
        if len(absent):
            raise self.error(
                f"frequency index {absent[0]} is not among the {len(order)} stored ones "
                f"({self.frequency_indices.min()} to {self.frequency_indices.max()})",
                FREQUENCY_SELECTION if self.flags.frequency_selection else DATA,
                "ask for stored frequencies only",
            )
        return stored

    def spectra(
        self, frames: np.ndarray, channels: np.ndarray, stored_frequencies: np.ndarray
    ) -> np.ndarray:
        """Return spectra of stored frames, complex64 (frames, channels, frequencies).

        Where spectral leakage is corrected, the neighbors of the frames are read too. All indices
        are checked 0-based ones, frequencies as :meth:`stored_frequencies` gives them. Time signals
        are converted to ``acquisition.unit`` and transformed by an unnormalized real FFT, sign
        exp(-2 pi i j k / V), in double precision.
        """
        spectra = np.empty((len(frames), len(channels), len(stored_frequencies)), np.complex64)
        # Values that are not finite, or not in single precision, are reported below.
        with np.errstate(all="ignore"):
            for i, channel in enumerate(channels):
                if self.flags.fourier_transformed:
                    spectrum = self._stored_spectra(frames, channel, stored_frequencies)
                else:
                    spectrum = self._transformed_signal(frames, channel, stored_frequencies)
                if self._divisor is not None:
                    spectrum = self._divide(spectrum, channel, stored_frequencies)
                spectra[:, i] = spectrum
        self._check_finite(spectra, frames, channels, stored_frequencies)
        return spectra

    def tiles(
        self, frames: np.ndarray, channels: np.ndarray, stored_frequencies: np.ndarray
    ) -> Iterator[tuple[slice, slice, slice, np.ndarray]]:
        """Yield the same spectra piece by piece, in pieces that lie together in the file.

        Each item is (frames, channels, frequencies, spectra) where the slices say which part of
        the whole array the spectra are.
        """
        if len(frames) == 0:
            return
        if self.flags.fourier_transformed and self.flags.fast_frame_axis:
            step = self._data.rows_per_tile(frames)
            for i in range(len(channels)):
                for start in range(0, len(stored_frequencies), step):
                    part = slice(start, start + step)
                    tile = self.spectra(frames, channels[i : i + 1], stored_frequencies[part])
                    yield slice(None), slice(i, i + 1), part, tile
        else:
            for part in frame_blocks(len(frames), self.block_frames):
                tile = self.spectra(frames[part], channels, stored_frequencies)
                yield part, slice(None), slice(None), tile

    @property
    def block_frames(self) -> int:
        """Frames whose complete signals fit into a tile."""
        frame_bytes = 8 * self.acquisition.n_channels * self.acquisition.n_samples
        return max(1, TILE_BYTES // frame_bytes)

    def _indices(self, indices: Indices, count: int, what: str, field: str) -> np.ndarray:
        if indices is None:
            return np.arange(count)
        chosen = _as_indices(indices)
        outside = chosen[(chosen < 0) | (chosen >= count)]
        if len(outside):
            raise self.error(
                f"there is no {what} {outside[0]}", field, f"choose from 0 to {count - 1}"
            )
        return chosen

    def _read_frequency_indices(self, fields: Fields) -> np.ndarray:
        n_frequencies = self.acquisition.n_frequencies
        if not self.flags.frequency_selection:
            return np.arange(n_frequencies)
        selection = fields.integers(FREQUENCY_SELECTION).ravel()
        indices = selection - 1
        if 0 in selection:
            # The specification counts from 1, so this writer did not.
            warnings.warn(f"{self.path}: {FREQUENCY_SELECTION}: counts from 0", stacklevel=2)
            indices = selection
        valid = len(np.unique(indices)) == len(indices) > 0 and indices.min() >= 0
        if not valid or indices.max() >= n_frequencies:
            raise fields.error(
                f"is no selection from the {n_frequencies} frequencies",
                FREQUENCY_SELECTION,
                "store different 1-based frequency indices",
            )
        return indices

    def _read_frames(self, fields: Fields) -> None:
        """Read the table of frames, and check kind, type and shape of the data."""
        flags, acquisition = self.flags, self.acquisition
        if flags.frequency_selection and not flags.fourier_transformed:
            raise fields.error(
                "time signals cannot have a frequency selection",
                "/measurement/isFrequencySelection",
                "correct the flag or store spectra",
            )
        is_spectrum = flags.fourier_transformed
        length = len(self.frequency_indices) if is_spectrum else acquisition.n_samples
        rows = (acquisition.n_periods, acquisition.n_channels, length)
        sparse = None
        if flags.sparsity_transformed:
            if not (is_spectrum and flags.fast_frame_axis):
                raise fields.error(
                    "is 1 for data that are no spectra with the frames last",
                    "/measurement/isSparsityTransformed",
                    "correct it, isFourierTransformed or isFastFrameAxis",
                )
            sparse = SparseRows.from_fields(fields, self.calibration, rows)
        self._data = StoredData.from_fields(
            fields,
            (acquisition.n_frames, *rows),
            is_spectrum=is_spectrum,
            fast_frame_axis=flags.fast_frame_axis,
            sparse=sparse,
        )
        if sparse is None:
            self.times_are_known = True
            self.frames = FrameTable.from_fields(
                fields, acquisition.n_frames, flags.frame_permutation
            )
        else:
            self.frames, self.times_are_known = FrameTable.of_sparse(
                fields,
                acquisition.n_frames,
                sparse.n_coefficients,
                sparse.n_positions,
                flags.frame_permutation,
            )
            self.acquisition = replace(acquisition, n_frames=len(self.frames.is_background))

    def _check_period(self, period: Period) -> Period:
        n_periods = self.acquisition.n_periods
        if period is None:
            return None
        if period == MEAN:
            if not self.acquisition.fields_are_constant:
                raise self.error(
                    "the fields change from period to period, so their mean has no meaning",
                    "/acquisition/gradient",
                    f"choose a period from 0 to {n_periods - 1}",
                )
            return MEAN
        if isinstance(period, str) or not 0 <= period < n_periods:
            raise self.error(
                f"there is no period {period!r}",
                "/acquisition/numPeriodsPerFrame",
                f"choose from 0 to {n_periods - 1}, or {MEAN!r}",
            )
        return int(period)

    def _stored_transfer_function(self, fields: Fields) -> np.ndarray | None:
        function = self.acquisition.transfer_function
        full = (self.acquisition.n_channels, self.acquisition.n_frequencies)
        stored = (self.acquisition.n_channels, len(self.frequency_indices))
        # Writers that select frequencies differ in whether they cut the transfer function too.
        if function is None or function.shape == stored:
            return function
        if function.shape != full:
            raise fields.wrong_shape(TRANSFER_FUNCTION, function.shape, full)
        return function[:, self.frequency_indices]

    def _choose_divisor(self, fields: Fields, policy: str) -> np.ndarray | None:
        if policy not in TRANSFER_FUNCTION_POLICIES:
            raise InputError(
                f"unknown policy {policy!r}",
                field="transfer_function",
                remedy=f"choose one of {', '.join(TRANSFER_FUNCTION_POLICIES)}",
            )
        if policy == "ignore" or self.flags.transfer_function_corrected:
            return None
        if self.transfer_function is None:
            raise fields.error(
                "there is no transfer function to divide by",
                TRANSFER_FUNCTION,
                "add it, or choose transfer_function: ignore",
            )
        return self.transfer_function

    def _choose_windows(self, policy: str) -> bool:
        """Return whether signals are windowed over their neighbors, after a check that they can."""
        if policy not in SPECTRAL_LEAKAGE_POLICIES:
            raise InputError(
                f"unknown policy {policy!r}",
                field="spectral_leakage",
                remedy=f"choose one of {', '.join(SPECTRAL_LEAKAGE_POLICIES)}",
            )
        flag = "/measurement/isSpectralLeakageCorrected"
        if policy == "ignore" or self.flags.spectral_leakage_corrected:
            return False
        if self.flags.fourier_transformed:
            raise self.error(
                "spectra cannot be corrected for spectral leakage any more, which takes the time "
                "signals",
                flag,
                "choose spectral_leakage: ignore, or use the scan as it was measured",
            )
        if self.acquisition.n_periods == 1 and self.calibration is not None:
            raise self.error(
                "each frame of a calibration is another position, so that none continues another",
                flag,
                "choose spectral_leakage: ignore for calibrations of one period per frame",
            )
        if not self.acquisition.fields_are_constant:
            raise self.error(
                "the fields change from period to period, so that none continues another",
                flag,
                "choose spectral_leakage: ignore",
            )
        return True

    def _transformed_signal(
        self, frames: np.ndarray, channel: int, stored_frequencies: np.ndarray
    ) -> np.ndarray:
        if not self._windows_signals:
            signal = self._signals(frames, channel, self.periods())
        elif self.acquisition.n_periods == 1:
            signal = self._windowed_frames(frames, channel)
        else:
            periods = self.periods()
            signal = sum(self._windowed_period(frames, channel, p) for p in periods) / len(periods)
        return scipy.fft.rfft(signal, axis=1, overwrite_x=True)[:, stored_frequencies]

    def _signals(self, frames: np.ndarray, channel: int, periods: list[int]) -> np.ndarray:
        """Return time signals in ``acquisition.unit``, float64 (frames, V); a mean over periods."""
        samples = slice(0, self.acquisition.n_samples)
        signal = self._data.read(frames, channel, samples, periods).astype(np.float64)
        if self.acquisition.conversion_factor is not None:
            scale, offset = self.acquisition.conversion_factor[channel]
            signal *= scale
            signal += offset
        return signal

    def _windowed_frames(self, frames: np.ndarray, channel: int) -> np.ndarray:
        """Return signals with their neighboring frames under a window."""
        own_and_neighbors = [
            frames,
            *(side[frames] for side in frame_neighbors(self.acquisition_index, self.is_background)),
        ]
        needed = np.unique(np.concatenate(own_and_neighbors))
        needed = needed[needed != NO_NEIGHBOR]
        places = [
            np.where(part == NO_NEIGHBOR, NO_NEIGHBOR, np.searchsorted(needed, part))
            for part in own_and_neighbors
        ]
        return windowed(self._signals(needed, channel, [0]), *places)

    def _windowed_period(self, frames: np.ndarray, channel: int, period: int) -> np.ndarray:
        """Return signals with the neighboring periods of their own frames under a window."""
        last = self.acquisition.n_periods - 1
        periods = range(max(0, period - 1), min(last, period + 1) + 1)
        signals = np.concatenate([self._signals(frames, channel, [p]) for p in periods])
        own = np.arange(len(frames)) + len(frames) * (period - periods[0])
        none = np.full(len(frames), NO_NEIGHBOR)
        before = own - len(frames) if period > 0 else none
        after = own + len(frames) if period < last else none
        return windowed(signals, own, before, after)

    def _stored_spectra(
        self, frames: np.ndarray, channel: int, stored_frequencies: np.ndarray
    ) -> np.ndarray:
        periods = self.periods()
        if self.flags.fast_frame_axis:
            runs = [
                self._data.read(frames, channel, run, periods)
                for run in runs_of(stored_frequencies)
            ]
            spectra = np.concatenate(runs, axis=1)
        else:
            first = stored_frequencies.min()
            between = slice(first, stored_frequencies.max() + 1)
            values = self._data.read(frames, channel, between, periods)
            spectra = values[:, stored_frequencies - first]
        if self.acquisition.conversion_factor is not None:
            scale, offset = self.acquisition.conversion_factor[channel]
            # An offset of the time signal is all in the direct component.
            direct = self.frequency_indices[stored_frequencies] == 0
            spectra = scale * spectra + offset * self.acquisition.n_samples * direct
        return spectra

    def _divide(
        self, spectra: np.ndarray, channel: int, stored_frequencies: np.ndarray
    ) -> np.ndarray:
        divisor = self._divisor[channel, stored_frequencies]
        useless = (divisor == 0) | ~np.isfinite(divisor)
        if useless.any():
            value = "0" if divisor[useless][0] == 0 else "not finite"
            where = self.frequency_indices[stored_frequencies[useless]][0]
            raise self.error(
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
        frame, channel, frequency = np.argwhere(~finite)[0]
        raise self.error(
            f"NaN or infinite value in frame {frames[frame]}{self._voxel(frames[frame])}, "
            f"channel {channels[channel]}, "
            f"frequency index {self.frequency_indices[stored_frequencies[frequency]]}",
            DATA,
            "repair the file, or leave this part out",
        )

    def _voxel(self, frame: int) -> str:
        """Say at which voxel a frame was measured, if that is known."""
        foreground = self.frames.foreground
        calibration = self.calibration
        if calibration is None or calibration.n_positions != len(foreground):
            return ""
        if self.frames.is_background[frame]:
            return " (background)"
        voxels = calibration.voxels(acquired=not self.flags.frame_permutation)
        index = voxels[np.searchsorted(foreground, frame)]
        voxel = np.unravel_index(index, calibration.size)
        return f" (voxel {', '.join(str(int(i)) for i in voxel)})"


def open_mdf(
    path: str | Path,
    *,
    transfer_function: str = "ignore",
    period: Period = None,
    spectral_leakage: str = "ignore",
) -> MdfFile:
    """Open an MDF v2 file for reading and check its description.

    Parameters
    ----------
    path
        The file.
    transfer_function
        ``ignore`` (default) gives spectra as stored. ``divide`` divides them by the stored transfer
        function of the receive channels, unless the file says that this was done. A system matrix
        and the measurements to reconstruct with it need the same choice.
    period
        Which of the J drive-field periods of each frame is read, such as a patch of a multi-patch
        scan: 0 to J - 1, or ``mean`` for the average over periods of equal fields. None (default)
        reads files with J = 1; others only describe themselves.
    spectral_leakage
        ``ignore`` (default), or ``correct`` to lessen the leakage of time signals into other
        frequencies by a window over neighboring periods, see :mod:`smrestore.mdf.leakage`. With one
        period per frame, the neighbors of a frame are those measured before and after it, of the
        same kind; else they are the periods of the same frame. Files that are flagged as corrected
        stay as they are.

    Returns
    -------
    MdfFile
        A context manager.

    Raises
    ------
    InputError
        One line naming file, dataset and remedy: no MDF v2 file, a mandatory dataset is missing, a
        shape or value contradicts the rest, there is no such period, no transfer function is stored
        to divide by, or spectral leakage cannot be corrected: in spectra, in a calibration of one
        period per frame, or if the fields change from period to period.
    """
    file = open_hdf5(path)
    try:
        return MdfFile(file, Path(path), transfer_function, period, spectral_leakage)
    except Exception:
        file.close()
        raise


def _require_measurement(fields: Fields) -> None:
    if DATA not in fields and "/reconstruction/data" in fields:
        raise fields.error(
            "is a reconstruction, there is no measurement inside",
            DATA,
            "give the measurement or the calibration scan",
        )


def _as_indices(chosen: Sequence[int] | np.ndarray) -> np.ndarray:
    array = np.asarray(chosen).ravel()
    return np.flatnonzero(array) if array.dtype == bool else array.astype(np.int64)
