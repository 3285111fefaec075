"""An open MDF file: its description, and its frames as spectra."""

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from smrestore.mdf.choices import (
    MEAN,
    Period,
    checked_period,
    chosen_divisor,
    chosen_periods,
    chosen_windows,
)
from smrestore.mdf.data import TILE_BYTES, frame_blocks
from smrestore.mdf.description import Description
from smrestore.mdf.layout import DATA, FREQUENCY_SELECTION, Fields, open_hdf5
from smrestore.mdf.transform import Transform
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.sequence import Sequence as ScanSequence
from smrestore.support.errors import InputError

Indices = Sequence[int] | np.ndarray | None


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
        self.path = path
        self.hdf5 = file
        self._description = description = Description.from_fields(Fields(file, path))
        self.flags = description.flags
        self.acquisition = description.acquisition
        self.calibration = description.calibration
        self.frequency_indices = description.frequency_indices
        self.transfer_function = description.transfer_function
        self.frames = description.frames
        self.times_are_known = description.times_are_known
        divisor = chosen_divisor(description, transfer_function)
        self.period = checked_period(description, period)
        windows = chosen_windows(description, spectral_leakage)
        self.leakage_is_corrected = windows or self.flags.spectral_leakage_corrected
        self._transform = Transform(description, divisor, windows)

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
        return self._description.error(what, field, remedy)

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
        other.period = checked_period(self._description, period)
        return other

    def periods(self) -> list[int]:
        """Return the drive-field periods that are read, or averaged if they are several.

        Raises
        ------
        InputError
            If a frame consists of several and none is chosen.
        """
        return chosen_periods(self._description, self.period)

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
        return self._transform.spectra(frames, channels, stored_frequencies, self.periods())

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
            step = self._description.data.rows_per_tile(frames)
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
        stay as they are. ``correct-if-possible`` reads files that cannot be corrected as they are;
        ``leakage_is_corrected`` tells.

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


def _as_indices(chosen: Sequence[int] | np.ndarray) -> np.ndarray:
    array = np.asarray(chosen).ravel()
    return np.flatnonzero(array) if array.dtype == bool else array.astype(np.int64)
