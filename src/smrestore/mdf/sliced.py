"""One slice of a calibration scan as a scan of its own."""

import uuid as uuids
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from smrestore.mdf.copied import copied_datasets
from smrestore.mdf.data import frame_blocks
from smrestore.mdf.file import MdfFile, open_mdf
from smrestore.mdf.layout import (
    BY_POSITION,
    DATA,
    FRAME_PERMUTATION,
    IS_BACKGROUND_FRAME,
    SNR,
    TRACER,
    VERSION,
    Fields,
)
from smrestore.mdf.limits import reading
from smrestore.mdf.scans import UNKNOWN, Tracer, descriptive_fields, measurement_flags
from smrestore.mdf.system_matrix import calibration_of
from smrestore.mdf.writer import Blocks, timestamp, write_mdf

IS_PERMUTED = "/measurement/isFramePermutation"
BLOCK_BYTES = 2**25


def write_slice(source: str | Path, destination: str | Path, index: int) -> None:
    """Write slice ``index`` along z, counted from 0, of a calibration scan as a calibration scan.

    The data stay as they are stored: only frames are left out, and those with a sample are sorted
    (x fastest), with their order of acquisition in the frame permutation. Only those runs
    of background frames remain that enclose a frame of the slice in time. The interpolation of the
    background of this slice uses no others. The signal-to-noise ratio of the source is that of the
    whole grid and is left out.

    Raises
    ------
    InputError
        If the source is no calibration scan, is sparsity-transformed over the whole grid, or has no
        such slice.
    """
    with open_mdf(source) as file:
        calibration = calibration_of(file)
        nx, ny, nz = calibration.size
        if not 0 <= index < nz:
            raise file.error(
                f"there is no slice {index} in a grid of {nx} x {ny} x {nz}",
                "/calibration/size",
                f"choose from 0 to {nz - 1}",
            )
        if file.flags.sparsity_transformed:
            raise file.error(
                "is 1: the coefficients are of the whole grid, no slice of them can be taken",
                "/measurement/isSparsityTransformed",
                "use the complete grid, or store the data without the transformation",
            )
        foreground = file.frames.foreground
        voxels = calibration.voxels(acquired=not file.flags.frame_permutation)
        x, y, z = np.unravel_index(voxels, calibration.size)
        inside = np.flatnonzero(z == index)
        inside = inside[np.lexsort((x[inside], y[inside]))]
        background = _enclosing(file, file.acquisition_index[foreground[inside]])
        frames = np.concatenate([foreground[inside], background])
        permutation = np.argsort(np.argsort(file.acquisition_index[frames])) + 1
        fov, center = calibration.fov, calibration.center
        if fov is not None:
            center = (*center[:2], center[2] + fov[2] * ((index + 0.5) / nz - 0.5))
            fov = (*fov[:2], fov[2] / nz)
        thin = replace(
            calibration,
            size=(nx, ny, 1),
            fov=fov,
            center=center,
            order="xyz",
            is_meandering=False,
            snr=None,
        )
        fields = Fields(file.hdf5, file.path)
        description = fields.text("/experiment/description", "")
        note = f"slice {index + 1} of {nz} along z"
        # Equal slices of equal scans are equal.
        uuid = uuids.uuid5(uuids.NAMESPACE_URL, f"{fields.text('/uuid', '')} {note}")
        write_mdf(
            destination,
            {
                **_defaults(file, uuid),
                **_copied(file, inside),
                **thin.to_fields(),
                "/version": VERSION,
                "/uuid": str(uuid),
                "/time": timestamp(),
                "/experiment/description": "\n".join(filter(None, (description, note))),
                "/acquisition/numFrames": len(frames),
                "/measurement/isSparsityTransformed": False,
                IS_BACKGROUND_FRAME: np.arange(len(frames)) >= len(inside),
                IS_PERMUTED: True,
                FRAME_PERMUTATION: permutation,
                DATA: _data(file, frames),
            },
        )


def _enclosing(file: MdfFile, times: np.ndarray) -> np.ndarray:
    """Return the background frames of the runs just before and just after any of ``times``."""
    frames = file.frames.background
    if len(frames) == 0:
        return frames
    background_times = file.acquisition_index[frames]
    run = np.concatenate([[0], np.cumsum(np.diff(background_times) > 1)])
    # The number of background frames before each time gives the runs on both sides.
    after = np.searchsorted(background_times, times)
    sides = np.concatenate([after[after > 0] - 1, after[after < len(frames)]])
    return frames[np.isin(run, run[sides])]


def _defaults(file: MdfFile, uuid: uuids.UUID) -> dict[str, Any]:
    """Return what missing datasets of the source count as."""
    flags = {
        f"is{''.join(part.title() for part in name.split('_'))}": value
        for name, value in vars(file.flags).items()
    }
    tracer = {}
    if any(name in Fields(file.hdf5, file.path) for name in TRACER):
        tracer = Tracer(UNKNOWN, concentration=0.0, volume=0.0).to_fields()
    return {
        **descriptive_fields(uuid=uuid),
        **tracer,
        **file.acquisition.to_fields(),
        **measurement_flags(**flags),
    }


def _copied(file: MdfFile, inside: np.ndarray) -> dict[str, Any]:
    """Return all datasets of the source that still hold."""
    datasets = copied_datasets(file, lambda name: name not in (SNR, DATA))
    for name in BY_POSITION:
        if name in datasets:
            # One row per frame with a sample, as stored.
            values = np.atleast_1d(Fields(file.hdf5, file.path).array(name))
            del datasets[name]
            if len(values) == file.calibration.n_positions:
                datasets[name] = values[inside]
    return datasets


def _data(file: MdfFile, frames: np.ndarray) -> Blocks:
    """Return the stored numbers of some frames, in the layout of the source."""
    data, fast = file.hdf5[DATA], file.flags.fast_frame_axis
    shape = list(data.shape)
    shape[-1 if fast else 0] = len(frames)

    def by_frames() -> Iterator[tuple[Any, np.ndarray]]:
        row_bytes = data.dtype.itemsize * int(np.prod(data.shape[1:]))
        for block in frame_blocks(len(frames), max(1, BLOCK_BYTES // row_bytes)):
            with reading(file.path, DATA):
                values = np.stack([data[frame] for frame in frames[block]])
            yield block, values

    def by_rows() -> Iterator[tuple[Any, np.ndarray]]:
        step = max(1, BLOCK_BYTES // (data.dtype.itemsize * data.shape[-1]))
        for period in range(data.shape[0]):
            for channel in range(data.shape[1]):
                for rows in frame_blocks(data.shape[2], step):
                    place = (period, channel, rows)
                    with reading(file.path, DATA):
                        values = data[place][:, frames]
                    yield place, values

    return Blocks(tuple(shape), data.dtype, by_rows() if fast else by_frames())
