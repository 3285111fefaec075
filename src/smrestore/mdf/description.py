"""What an MDF file says about its measurement, read and checked as a whole."""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from smrestore.mdf.acquisition import Acquisition
from smrestore.mdf.calibration import Calibration
from smrestore.mdf.data import StoredData
from smrestore.mdf.flags import Flags
from smrestore.mdf.frames import FrameTable
from smrestore.mdf.layout import DATA, FREQUENCY_SELECTION, TRANSFER_FUNCTION, Fields
from smrestore.mdf.sparsity import SparseRows
from smrestore.support.errors import InputError


@dataclass(frozen=True, eq=False)
class Description:
    """Form and circumstances of the frames of a file.

    Attributes
    ----------
    path
        The file.
    flags, acquisition
        Frames of sparse data are those after decoding: one for each position, and the background.
    calibration
        None if the file is no calibration scan.
    frequency_indices
        int64 (K,): 0-based index in the complete spectrum of every stored frequency.
    transfer_function
        The one of ``acquisition`` at these frequencies, complex (C, K), or None.
    frames
        Kind and time of every frame.
    times_are_known
        Whether the frames tell their time; not for most sparse data.
    data
        The dataset of the frames, open.
    """

    path: Path
    flags: Flags
    acquisition: Acquisition
    calibration: Calibration | None
    frequency_indices: np.ndarray
    transfer_function: np.ndarray | None
    frames: FrameTable
    times_are_known: bool
    data: StoredData

    @classmethod
    def from_fields(cls, fields: Fields) -> "Description":
        """Read the description; raises :class:`InputError` where it contradicts itself."""
        _require_measurement(fields)
        flags = Flags.from_fields(fields)
        acquisition = Acquisition.from_fields(fields)
        calibration = Calibration.from_fields(fields)
        frequency_indices = _frequency_indices(fields, flags, acquisition.n_frequencies)
        rows = _rows(fields, flags, acquisition, len(frequency_indices))
        sparse = _sparse_rows(fields, flags, calibration, rows)
        data = StoredData.from_fields(
            fields,
            (acquisition.n_frames, *rows),
            is_spectrum=flags.fourier_transformed,
            fast_frame_axis=flags.fast_frame_axis,
            sparse=sparse,
        )
        frames, times_are_known = _frame_table(fields, flags, acquisition.n_frames, sparse)
        return cls(
            fields.path,
            flags,
            replace(acquisition, n_frames=len(frames.is_background)),
            calibration,
            frequency_indices,
            _transfer_function(fields, acquisition, frequency_indices),
            frames,
            times_are_known,
            data,
        )

    def error(self, what: str, field: str, remedy: str) -> InputError:
        """Return the error to raise about ``field`` of this file."""
        return InputError(what, path=self.path, field=field, remedy=remedy)

    def voxel_text(self, frame: int) -> str:
        """Say at which voxel a frame was measured, in parentheses, if that is known."""
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


def _require_measurement(fields: Fields) -> None:
    if DATA not in fields and "/reconstruction/data" in fields:
        raise fields.error(
            "is a reconstruction, there is no measurement inside",
            DATA,
            "give the measurement or the calibration scan",
        )


def _frequency_indices(fields: Fields, flags: Flags, n_frequencies: int) -> np.ndarray:
    if not flags.frequency_selection:
        return np.arange(n_frequencies)
    selection = fields.integers(FREQUENCY_SELECTION).ravel()
    indices = selection - 1
    if 0 in selection:
        # The specification counts from 1, so this writer did not.
        warnings.warn(f"{fields.path}: {FREQUENCY_SELECTION}: counts from 0", stacklevel=2)
        indices = selection
    valid = len(np.unique(indices)) == len(indices) > 0 and indices.min() >= 0
    if not valid or indices.max() >= n_frequencies:
        raise fields.error(
            f"is no selection from the {n_frequencies} frequencies",
            FREQUENCY_SELECTION,
            "store different 1-based frequency indices",
        )
    return indices


def _rows(
    fields: Fields, flags: Flags, acquisition: Acquisition, n_stored: int
) -> tuple[int, int, int]:
    """Return periods, channels, and samples or stored frequencies of each frame."""
    if flags.frequency_selection and not flags.fourier_transformed:
        raise fields.error(
            "time signals cannot have a frequency selection",
            "/measurement/isFrequencySelection",
            "correct the flag or store spectra",
        )
    length = n_stored if flags.fourier_transformed else acquisition.n_samples
    return acquisition.n_periods, acquisition.n_channels, length


def _sparse_rows(
    fields: Fields, flags: Flags, calibration: Calibration | None, rows: tuple[int, int, int]
) -> SparseRows | None:
    if not flags.sparsity_transformed:
        return None
    if not (flags.fourier_transformed and flags.fast_frame_axis):
        raise fields.error(
            "is 1 for data that are no spectra with the frames last",
            "/measurement/isSparsityTransformed",
            "correct it, isFourierTransformed or isFastFrameAxis",
        )
    return SparseRows.from_fields(fields, calibration, rows)


def _frame_table(
    fields: Fields, flags: Flags, n_stored: int, sparse: SparseRows | None
) -> tuple[FrameTable, bool]:
    """Return the table of the frames, and whether it tells their times."""
    if sparse is None:
        return FrameTable.from_fields(fields, n_stored, flags.frame_permutation), True
    return FrameTable.of_sparse(
        fields, n_stored, sparse.n_coefficients, sparse.n_positions, flags.frame_permutation
    )


def _transfer_function(
    fields: Fields, acquisition: Acquisition, frequency_indices: np.ndarray
) -> np.ndarray | None:
    function = acquisition.transfer_function
    full = (acquisition.n_channels, acquisition.n_frequencies)
    stored = (acquisition.n_channels, len(frequency_indices))
    # Writers that select frequencies differ in whether they cut the transfer function too.
    if function is None or function.shape == stored:
        return function
    if function.shape != full:
        raise fields.wrong_shape(TRANSFER_FUNCTION, function.shape, full)
    return function[:, frequency_indices]
