"""An open MDF file: its description, and its frames as spectra."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import scipy.fft

from smrestore.errors import InputError
from smrestore.mdf.acquisition import Acquisition
from smrestore.mdf.calibration import Calibration
from smrestore.mdf.frames import FrameTable
from smrestore.mdf.layout import (
    DATA,
    FREQUENCY_SELECTION,
    TRANSFER_FUNCTION,
    Fields,
    open_hdf5,
)
from smrestore.physics.sequence import Sequence as ScanSequence

TRANSFER_FUNCTION_POLICIES = ("ignore", "divide")
TILE_BYTES = 1 << 25

Indices = Sequence[int] | np.ndarray | None


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
        Its description; ``calibration`` is None if the file is no calibration scan.
    frequency_indices
        int64 (K,): 0-based index in the complete spectrum of every stored frequency.
    transfer_function
        The one of ``acquisition`` at these frequencies, complex (C, K), or None.
    """

    def __init__(self, file: h5py.File, path: Path, transfer_function: str) -> None:
        fields = Fields(file, path)
        self.path = path
        self.hdf5 = file
        self._data = _measurement_data(fields)
        self.flags = Flags.from_fields(fields)
        self.acquisition = Acquisition.from_fields(fields)
        self.calibration = Calibration.from_fields(fields)
        self.frames = FrameTable.from_fields(
            fields, self.acquisition.n_frames, self.flags.frame_permutation
        )
        self.frequency_indices = self._read_frequency_indices(fields)
        self._check_data(fields)
        self.transfer_function = self._stored_transfer_function(fields)
        self._divisor = self._choose_divisor(fields, transfer_function)

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
            return self.acquisition.sequence()
        except InputError as error:
            raise InputError(
                error.what, path=self.path, field=error.field, remedy=error.remedy
            ) from None

    def require_single_period(self) -> None:
        """Raise :class:`InputError` if a frame consists of several drive-field periods."""
        if self.acquisition.n_periods > 1:
            raise self.error(
                f"{self.acquisition.n_periods} drive-field periods per frame are not supported",
                "/acquisition/numPeriodsPerFrame",
                "store the periods as frames, or average them",
            )

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

        All indices are checked 0-based ones, frequencies as :meth:`stored_frequencies` gives them.
        Time signals are converted to ``acquisition.unit`` and transformed by an unnormalized real
        FFT, sign exp(-2 pi i j k / V), in double precision.
        """
        spectra = np.empty((len(frames), len(channels), len(stored_frequencies)), np.complex64)
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
            step = max(1, TILE_BYTES // (8 * len(frames)))
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
        selection = fields.array(FREQUENCY_SELECTION).ravel().astype(np.int64)
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

    def _check_data(self, fields: Fields) -> None:
        """Check kind, type and shape of the data against the description."""
        if self.flags.sparsity_transformed:
            raise fields.error(
                "sparsity-transformed data are not supported",
                "/measurement/isSparsityTransformed",
                "store the complete data",
            )
        data, acquisition = self._data, self.acquisition
        if self.flags.fourier_transformed:
            wanted, fits = "complex", data.dtype.kind == "c" or data.dtype.names == ("r", "i")
        else:
            wanted, fits = "real", data.dtype.kind in "iuf"
        if not fits:
            raise fields.error(
                f"has type {data.dtype}, not {wanted} numbers",
                DATA,
                "correct the data or the flag isFourierTransformed",
            )
        if self.flags.frequency_selection and not self.flags.fourier_transformed:
            raise fields.error(
                "time signals cannot have a frequency selection",
                "/measurement/isFrequencySelection",
                "correct the flag or store spectra",
            )
        if self.flags.fourier_transformed:
            length = len(self.frequency_indices)
        else:
            length = acquisition.n_samples
        periods = (acquisition.n_periods, acquisition.n_channels, length)
        if self.flags.fast_frame_axis:
            expected = (*periods, acquisition.n_frames)
        else:
            expected = (acquisition.n_frames, *periods)
        if data.shape != expected:
            raise fields.wrong_shape(DATA, data.shape, expected)

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

    def _read(self, frames: np.ndarray, channel: int, samples: slice) -> np.ndarray:
        """Read raw values of one channel, (frames, samples)."""
        self.require_single_period()
        if self.flags.fast_frame_axis:
            # One strided read of everything between is faster than many of single values.
            first = frames.min()
            values = self._data[0, channel, samples, first : frames.max() + 1]
            return values.T[frames - first]
        values = [self._data[run, 0, channel, samples] for run in _runs(frames)]
        return np.concatenate(values)

    def _transformed_signal(
        self, frames: np.ndarray, channel: int, stored_frequencies: np.ndarray
    ) -> np.ndarray:
        signal = self._read(frames, channel, slice(None)).astype(np.float64)
        if self.acquisition.conversion_factor is not None:
            scale, offset = self.acquisition.conversion_factor[channel]
            signal *= scale
            signal += offset
        return scipy.fft.rfft(signal, axis=1, overwrite_x=True)[:, stored_frequencies]

    def _stored_spectra(
        self, frames: np.ndarray, channel: int, stored_frequencies: np.ndarray
    ) -> np.ndarray:
        if self.flags.fast_frame_axis:
            runs = [self._read(frames, channel, run) for run in _runs(stored_frequencies)]
            values = np.concatenate(runs, axis=1)
        else:
            first = stored_frequencies.min()
            between = slice(first, stored_frequencies.max() + 1)
            values = self._read(frames, channel, between)[:, stored_frequencies - first]
        spectra = _as_complex(values)
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
        zeros = self.frequency_indices[stored_frequencies[divisor == 0]]
        if len(zeros):
            raise self.error(
                f"is 0 in channel {channel} at frequency index {zeros[0]}",
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
            f"NaN or infinite value in frame {frames[frame]}, channel {channels[channel]}, "
            f"frequency index {self.frequency_indices[stored_frequencies[frequency]]}",
            DATA,
            "repair the file, or leave this part out",
        )


def open_mdf(path: str | Path, *, transfer_function: str = "ignore") -> MdfFile:
    """Open an MDF v2 file for reading and check its description.

    Parameters
    ----------
    path
        The file.
    transfer_function
        ``ignore`` (default) gives spectra as stored. ``divide`` divides them by the stored transfer
        function of the receive channels, unless the file says that this was done. A system matrix
        and the measurements to reconstruct with it need the same choice.

    Returns
    -------
    MdfFile
        A context manager.

    Raises
    ------
    InputError
        One line naming file, dataset and remedy: no MDF v2 file, a mandatory dataset is missing, a
        shape or value contradicts the rest, or no transfer function is stored to divide by.
    """
    file = open_hdf5(path)
    try:
        return MdfFile(file, Path(path), transfer_function)
    except Exception:
        file.close()
        raise


def frame_blocks(n_frames: int, block_frames: int) -> Iterator[slice]:
    """Yield slices that cut ``n_frames`` frames into blocks."""
    for start in range(0, n_frames, block_frames):
        yield slice(start, min(start + block_frames, n_frames))


def _measurement_data(fields: Fields) -> h5py.Dataset:
    if DATA not in fields and "/reconstruction" in fields.file:
        raise fields.error(
            "is a reconstruction, there is no measurement inside",
            DATA,
            "give the measurement or the calibration scan",
        )
    return fields.dataset(DATA)


def _as_complex(values: np.ndarray) -> np.ndarray:
    """Return complex numbers, also from a compound of two integers, which h5py does not map."""
    if values.dtype.names is None:
        return values
    return values["r"] + 1j * values["i"].astype(np.float64)


def _as_indices(chosen: Sequence[int] | np.ndarray) -> np.ndarray:
    array = np.asarray(chosen).ravel()
    return np.flatnonzero(array) if array.dtype == bool else array.astype(np.int64)


def _runs(indices: np.ndarray) -> list[slice]:
    """Return slices of consecutive indices which together give ``indices`` in their order."""
    breaks = np.flatnonzero(np.diff(indices) != 1) + 1
    starts = np.concatenate([[0], breaks]).astype(int)
    stops = np.concatenate([breaks, [len(indices)]]).astype(int)
    return [
        slice(int(indices[start]), int(indices[stop - 1]) + 1)
        for start, stop in zip(starts, stops, strict=True)
    ]
