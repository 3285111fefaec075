"""Where the frames of a pool come from, and whether two pools share any."""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from smrestore.mdf.file import MdfFile, open_mdf
from smrestore.mdf.layout import DATA, Fields
from smrestore.mdf.limits import reading
from smrestore.support.checksums import intact, readable
from smrestore.support.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Origin:
    """A run of frames of one scan, in the order of acquisition.

    Attributes
    ----------
    name
        Name of the scan for readers.
    uuid
        Identifier that the scan bears; empty if it bears none.
    digest
        Hash of some of its frames as stored: equal for copies that were given another identifier.
    averages
        In each frame.
    frames
        int64 (n,): places of the frames in the file, counted from 0.
    """

    name: str
    uuid: str
    digest: str
    averages: int
    frames: np.ndarray

    def is_scan(self, other: "Origin") -> bool:
        """Tell whether both come from the same acquisition."""
        return bool(self.uuid and self.uuid == other.uuid) or self.digest == other.digest

    def shared_frames(self, other: "Origin") -> int:
        """Return how many frames both have in common."""
        return len(np.intersect1d(self.frames, other.frames)) if self.is_scan(other) else 0


def origin_of(file: MdfFile, frames: np.ndarray, name: str | None = None) -> Origin:
    """Return the origin of ``frames``, 0-based stored indices, of an open scan."""
    return Origin(
        name or file.path.stem,
        Fields(file.hdf5, file.path).text("/uuid", ""),
        _digest(file),
        file.acquisition.n_averages,
        np.asarray(frames, dtype=np.int64),
    )


def _digest(file: MdfFile) -> str:
    """Return a hash of the first receive channel in the first, middle and last frame."""
    data = file.hdf5[DATA]
    # Sparse data hold fewer frames than they stand for.
    last = data.shape[-1 if file.flags.fast_frame_axis else 0] - 1
    hashed = hashlib.sha256(f"{data.shape} {data.dtype}".encode())
    for frame in (0, last // 2, last):
        place = (0, 0, slice(None), frame) if file.flags.fast_frame_axis else (frame, 0, 0)
        with reading(file.path, DATA):
            values = data[place]
        hashed.update(np.ascontiguousarray(values).tobytes())
    return hashed.hexdigest()


def write_origins(file: h5py.File, origins: Iterable[Origin]) -> None:
    """Write the origins of a pool, in the order of its frames, to the group ``scans``."""
    start = 0
    for number, origin in enumerate(origins):
        group = file.create_group(f"scans/{number:04d}")
        for key in ("name", "uuid", "digest", "averages"):
            group.attrs[key] = getattr(origin, key)
        group.attrs["start"] = start
        group["frames"] = origin.frames
        start += len(origin.frames)


def read_origins(file: h5py.File) -> list[Origin]:
    """Return the origins of a pool in the order of its frames."""
    return [
        Origin(
            str(group.attrs["name"]),
            str(group.attrs["uuid"]),
            str(group.attrs["digest"]),
            int(group.attrs["averages"]),
            intact(group["frames"])[()],
        )
        for group in (file["scans"][number] for number in sorted(file["scans"]))
    ]


def check_disjoint(
    test: Iterable[Origin],
    training: Iterable[Origin],
    *,
    path: str | Path,
    trained_with: str | Path,
) -> None:
    """Check that no frame serves both the training and the test of a network.

    Scans are told apart by their identifier and by what their frames hold, whatever they are called
    and however often they were copied.

    Parameters
    ----------
    test, training
        Origins of both pools.
    path, trained_with
        Files of the pools, for the error.

    Raises
    ------
    InputError
        If a frame is in both.
    """
    training = list(training)
    for origin in test:
        for other in training:
            count = origin.shared_frames(other)
            if count:
                raise InputError(
                    f"{count} frames of scan {origin.name!r} are also in {trained_with}, which the "
                    "network was trained with",
                    path=path,
                    field="scans",
                    remedy="test with other frames (frame_range) or another scan",
                )


def warn_of_shared_scan(pool: str | Path, scan: str | Path) -> None:
    """Log a warning if frames of ``scan`` are in the noise pool that a network was trained with.

    This is no error, because a calibration may be the only source of noise. But its
    restoration does not show how well the network restores with unseen noise.
    """
    with readable(pool, "scans"), h5py.File(pool, "r") as file:
        training = read_origins(file)
    with open_mdf(scan) as file:
        origin = origin_of(file, np.arange(file.acquisition.n_frames))
    count = sum(origin.shared_frames(other) for other in training)
    if count:
        logger.warning(
            "%s: %d of its frames are in %s, the noise of the training", scan, count, pool
        )
