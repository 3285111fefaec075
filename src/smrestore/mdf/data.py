"""The dataset ``/measurement/data`` in any of its layouts, read in pieces of bounded size."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import h5py
import numpy as np

from smrestore.mdf.layout import DATA, Fields, as_numbers, complex_parts
from smrestore.mdf.limits import reading
from smrestore.mdf.sparsity import SparseRows
from smrestore.support.checksums import intact

TILE_BYTES = 1 << 25


@dataclass(frozen=True, eq=False)
class StoredData:
    """Raw values of frames, channels, and samples or frequencies.

    J periods, C channels, N frames, and L samples or stored frequencies lie in the file as
    (N, J, C, L), or as (J, C, L, N) if the frame axis is the fast one.

    Attributes
    ----------
    dataset
        The open dataset.
    path
        The file, for errors.
    fast_frame_axis
        Whether the frames come last.
    sparse
        How rows are decoded, or None. Frames are those after decoding, O + E.
    """

    dataset: h5py.Dataset
    path: object
    fast_frame_axis: bool
    sparse: SparseRows | None

    def read(
        self, frames: np.ndarray, channel: int, samples: slice, periods: Sequence[int]
    ) -> np.ndarray:
        """Return values of one channel, (frames, samples): their mean over periods, if several.

        A single period of stored numbers keeps its type, except for complex integers.
        """
        total = self._read_period(frames, channel, samples, periods[0])
        if len(periods) == 1:
            return total
        total = total.astype(np.complex128 if total.dtype.kind == "c" else np.float64)
        for period in periods[1:]:
            total += self._read_period(frames, channel, samples, period)
        return total / len(periods)

    def rows_per_tile(self, frames: np.ndarray) -> int:
        """Return how many rows of these frames are read at a time with the frame axis last."""
        if self.sparse is not None:
            # The cosine transform holds a few copies of all positions.
            return max(1, TILE_BYTES // (64 * self.sparse.n_positions))
        span = int(frames.max() - frames.min()) + 1
        return max(1, TILE_BYTES // (self.dataset.dtype.itemsize * span))

    def _read_period(
        self, frames: np.ndarray, channel: int, samples: slice, period: int
    ) -> np.ndarray:
        with reading(self.path, DATA):
            intact(self.dataset)
            if not self.fast_frame_axis:
                runs = [self.dataset[run, period, channel, samples] for run in runs_of(frames)]
                return _as_numbers(np.concatenate(runs), self.dataset)
            step = self.rows_per_tile(frames)
            read = self._read_rows if self.sparse is None else self._decode_rows
            parts = [
                read(frames, channel, slice(start, min(start + step, samples.stop)), period)
                for start in range(samples.start, samples.stop, step)
            ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _read_rows(
        self, frames: np.ndarray, channel: int, samples: slice, period: int
    ) -> np.ndarray:
        # One strided read of everything between is faster than many of single values.
        first = frames.min()
        values = self.dataset[period, channel, samples, first : frames.max() + 1]
        return _as_numbers(values, self.dataset).T[frames - first]

    def _decode_rows(
        self, frames: np.ndarray, channel: int, samples: slice, period: int
    ) -> np.ndarray:
        split, n_positions = self.sparse.n_coefficients, self.sparse.n_positions
        is_background = frames >= n_positions
        rows = np.empty((len(frames), samples.stop - samples.start), np.complex128)
        if not is_background.all():
            stored = self.dataset[period, channel, samples, :split]
            coefficients = _as_numbers(stored, self.dataset)
            decoded = self.sparse.decode(coefficients, period, channel, samples)
            rows[~is_background] = decoded.T[frames[~is_background]]
        if is_background.any():
            stored = self.dataset[period, channel, samples, split:]
            background = _as_numbers(stored, self.dataset).T
            rows[is_background] = background[frames[is_background] - n_positions]
        return rows

    @classmethod
    def from_fields(
        cls,
        fields: Fields,
        shape: tuple[int, int, int, int],
        *,
        is_spectrum: bool,
        fast_frame_axis: bool,
        sparse: SparseRows | None,
    ) -> "StoredData":
        """Check type and shape of the dataset against N, J, C, L; raises :class:`InputError`."""
        dataset = fields.dataset(DATA)
        n_frames, *rest = shape
        expected = (*rest, n_frames) if fast_frame_axis else (n_frames, *rest)
        is_real = dataset.dtype.kind in "iuf"
        if is_spectrum:
            wanted = "complex"
            # Drafts of the format stored real and imaginary parts along a last axis.
            is_pair = is_real and dataset.ndim == 5 and dataset.shape[-1] == 2
            fits = dataset.dtype.kind == "c" or complex_parts(dataset.dtype) is not None or is_pair
            expected = (*expected, 2) if is_pair else expected
        else:
            wanted, fits = "real", is_real
        if not fits:
            raise fields.error(
                f"has type {dataset.dtype}, not {wanted} numbers",
                DATA,
                "correct the data or the flag isFourierTransformed",
            )
        if dataset.shape != expected:
            raise fields.wrong_shape(DATA, dataset.shape, expected)
        return cls(dataset, fields.path, fast_frame_axis, sparse)


def stored_shape(fields: Fields) -> tuple[int, int, int, int] | None:
    """Return frames N, periods J, channels C and length L as the dataset has them.

    None if there is no dataset of any known form.
    """
    if DATA not in fields:
        return None
    shape = fields.dataset(DATA).shape
    if len(shape) == 5 and shape[-1] == 2:
        shape = shape[:-1]
    if len(shape) != 4:
        return None
    if fields.flag("/measurement/isFastFrameAxis", False):
        return shape[-1], *shape[:-1]
    return shape


def frame_blocks(n_frames: int, block_frames: int) -> Iterator[slice]:
    """Yield slices that cut ``n_frames`` frames into blocks."""
    for start in range(0, n_frames, block_frames):
        yield slice(start, min(start + block_frames, n_frames))


def runs_of(indices: np.ndarray) -> list[slice]:
    """Return slices of consecutive indices which together give ``indices`` in their order."""
    breaks = np.flatnonzero(np.diff(indices) != 1) + 1
    starts = np.concatenate([[0], breaks]).astype(int)
    stops = np.concatenate([breaks, [len(indices)]]).astype(int)
    return [
        slice(int(indices[start]), int(indices[stop - 1]) + 1)
        for start, stop in zip(starts, stops, strict=True)
    ]


def data_bytes(dataset: h5py.Dataset) -> int:
    """Return the size of a dataset in memory."""
    return math.prod(dataset.shape) * dataset.dtype.itemsize


def _as_numbers(values: np.ndarray, dataset: h5py.Dataset) -> np.ndarray:
    """Return values with complex numbers as such, however they are stored."""
    if dataset.ndim == 5:
        return values[..., 0] + 1j * values[..., 1].astype(np.float64)
    return as_numbers(values)
