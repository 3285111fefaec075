"""Writing scans as a scanner does: time signals of frames, described completely."""

import uuid as uuids
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from smrestore.mdf.acquisition import Acquisition
from smrestore.mdf.calibration import Calibration
from smrestore.mdf.layout import DATA, IS_BACKGROUND_FRAME, VERSION
from smrestore.mdf.writer import Blocks, timestamp, write_mdf
from smrestore.support.errors import InputError

UNKNOWN = "n.a."


@dataclass(frozen=True)
class Tracer:
    """One tracer (MDF 2.1 specification, ``/tracer``).

    Attributes
    ----------
    name, batch, vendor, solute
        ``solute`` is the substance whose amount is given, such as Fe.
    concentration
        In mol of the solute per liter.
    volume
        In liters.
    """

    name: str
    concentration: float
    volume: float
    batch: str = UNKNOWN
    vendor: str = UNKNOWN
    solute: str = "Fe"

    def to_fields(self) -> dict[str, Any]:
        """Return the datasets of the group as name -> value; one tracer makes vectors of one."""
        texts = ("name", "batch", "vendor", "solute")
        return {
            **{f"/tracer/{key}": np.array([getattr(self, key)], dtype=object) for key in texts},
            "/tracer/concentration": np.array([self.concentration], dtype=np.float64),
            "/tracer/volume": np.array([self.volume], dtype=np.float64),
        }


def write_frames(
    path: str | Path,
    *,
    acquisition: Acquisition,
    frames: Iterable[np.ndarray],
    is_background: np.ndarray,
    description: str,
    calibration: Calibration | None = None,
    tracer: Tracer | None = None,
    is_simulation: bool = True,
    time: datetime | str | None = None,
    uuid: str | uuids.UUID | None = None,
    fields: Mapping[str, Any] | None = None,
) -> None:
    """Write a scan in the layout of raw data: time signals (N, 1, C, V) in order of acquisition.

    Parameters
    ----------
    path
        Destination; a former file is replaced, and nothing is left of an incomplete scan.
    acquisition
        Its ``conversion_factor`` says how the written numbers become signals.
    frames
        Blocks of raw values as they come, each (n, C, V) and of one real type, usually int16 or
        int32. They are written one by one.
    is_background
        bool (N,): frames measured without the sample.
    description
        For ``/experiment/description``.
    calibration
        For calibration scans, with ``is_meandering`` as the robot moved.
    tracer
        None for an empty scan.
    is_simulation
        Whether the data are synthetic.
    time, uuid
        Of the file, for reproducible files; now and random by default. The other identifiers are
        derived from ``uuid``.
    fields
        Further or different datasets, such as ``/scanner/name``.

    Raises
    ------
    InputError
        If the numbers of frames disagree, or a block has the wrong shape.
    """
    is_background = np.asarray(is_background, dtype=bool)
    if is_background.shape != (acquisition.n_frames,):
        raise InputError(
            f"{acquisition.n_frames} frames are announced, the mask has shape "
            f"{is_background.shape}",
            path=path,
            field=IS_BACKGROUND_FRAME,
            remedy="give one value per frame",
        )
    if calibration is not None and calibration.n_positions != np.sum(~is_background):
        raise InputError(
            f"the grid has {calibration.n_positions} positions, the scan {np.sum(~is_background)} "
            "foreground frames",
            path=path,
            field="/calibration/size",
            remedy="measure one frame per position",
        )
    write_mdf(
        path,
        {
            **descriptive_fields(time, uuid),
            "/experiment/description": description,
            "/experiment/isSimulation": is_simulation,
            **(tracer.to_fields() if tracer else {}),
            **acquisition.to_fields(),
            **(calibration.to_fields() if calibration else {}),
            DATA: _data(path, acquisition, frames),
            IS_BACKGROUND_FRAME: is_background,
            **measurement_flags(),
            **(fields or {}),
        },
    )


def descriptive_fields(
    time: datetime | str | None = None, uuid: str | uuids.UUID | None = None
) -> dict[str, Any]:
    """Return values for all mandatory datasets that only describe a scan."""
    uuid = uuids.UUID(str(uuid)) if uuid else uuids.uuid4()
    return {
        "/version": VERSION,
        "/uuid": str(uuid),
        "/time": timestamp(time),
        "/study/name": UNKNOWN,
        "/study/description": UNKNOWN,
        "/study/number": 1,
        "/study/uuid": str(uuids.uuid5(uuid, "study")),
        "/experiment/name": UNKNOWN,
        "/experiment/description": UNKNOWN,
        "/experiment/subject": UNKNOWN,
        "/experiment/number": 1,
        "/experiment/uuid": str(uuids.uuid5(uuid, "experiment")),
        "/experiment/isSimulation": False,
        "/scanner/name": UNKNOWN,
        "/scanner/manufacturer": UNKNOWN,
        "/scanner/facility": UNKNOWN,
        "/scanner/operator": UNKNOWN,
        "/scanner/topology": "FFP",
    }


def measurement_flags(**flags: bool) -> dict[str, bool]:
    """Return all ``/measurement/is...`` flags: 0 except where ``flags`` says otherwise."""
    names = (
        "isFourierTransformed",
        "isFastFrameAxis",
        "isFramePermutation",
        "isFrequencySelection",
        "isBackgroundCorrected",
        "isSpectralLeakageCorrected",
        "isTransferFunctionCorrected",
        "isSparsityTransformed",
    )
    return {f"/measurement/{name}": flags.get(name, False) for name in names}


def _data(path: str | Path, acquisition: Acquisition, frames: Iterable[np.ndarray]) -> Blocks:
    blocks = iter(frames)
    # The first block tells the type.
    first = np.asarray(next(blocks, np.empty((0, acquisition.n_channels, acquisition.n_samples))))
    shape = (acquisition.n_frames, 1, acquisition.n_channels, acquisition.n_samples)
    return Blocks(shape, first.dtype, _placed(path, shape, first.dtype, chain([first], blocks)))


def _placed(
    path: str | Path, shape: tuple[int, ...], dtype: np.dtype, blocks: Iterable[np.ndarray]
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield each block with its place; raise if together they do not fill the shape."""
    start = 0
    for block in blocks:
        stop = start + len(block)
        if stop > shape[0] or block.shape[1:] != shape[2:] or block.dtype != dtype:
            raise InputError(
                f"a block of {block.dtype} {block.shape} does not fit at frame {start} of "
                f"{dtype} {shape}",
                path=path,
                field=DATA,
                remedy="give blocks of shape (frames, channels, samples), all of one type",
            )
        yield slice(start, stop), block[:, None]
        start = stop
    if start < shape[0]:
        raise InputError(
            f"only {start} of {shape[0]} frames were given",
            path=path,
            field=DATA,
            remedy="give all announced frames",
        )
