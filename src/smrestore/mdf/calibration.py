"""What a calibration scan measured: the grid, and the path of the delta sample over it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from smrestore.mdf.layout import DELTA_SAMPLE_SIZE, SNR, Fields
from smrestore.mdf.limits import MAXIMUM_POSITIONS
from smrestore.physics.grid import CalibrationGrid
from smrestore.support.errors import InputError

Triple = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Calibration:
    """The ``/calibration`` group (MDF 2.1 specification).

    Attributes
    ----------
    method
        ``robot``, ``simulation``, ``hybrid``, ...
    size
        Voxels along x, y, z.
    fov, center
        Field of view between outer voxel edges and its center in m; ``fov`` is None if not stored.
    order
        Axes from the fastest to the slowest in the sorted sequence of positions.
    delta_sample_size
        Edge lengths of the delta sample in m, or None. Converted files often hold zeros.
    is_meandering
        The robot reversed its direction after every line (a common extension of the format). It
        describes the acquisition: frames that were reordered already are not sorted again.
    snr
        Signal-to-noise ratio, float64 (J, C, stored frequencies), or None. Its definition differs
        between writers.
    """

    method: str
    size: tuple[int, int, int]
    fov: Triple | None
    center: Triple = (0.0, 0.0, 0.0)
    order: str = "xyz"
    delta_sample_size: Triple | None = None
    is_meandering: bool = False
    snr: np.ndarray | None = None

    @property
    def n_positions(self) -> int:
        """Number of positions O."""
        return math.prod(self.size)

    def grid(self) -> CalibrationGrid:
        """Return the calibration grid; raises :class:`InputError` if no field of view is stored."""
        if self.fov is None:
            raise InputError(
                "the field of view of the calibration is not stored",
                field="/calibration/fieldOfView",
                remedy="add the outer edge lengths of the grid in m",
            )
        return CalibrationGrid(self.size, self.fov, self.center)

    def voxels(self, *, acquired: bool) -> np.ndarray:
        """Return the voxel of each position as an index into a flattened [x, y, z] array, int (O,).

        Parameters
        ----------
        acquired
            True: positions in the order in which the robot visited them, which meanders if
            ``is_meandering``. False: the sorted sequence, x fastest unless ``order`` says
            otherwise.
        """
        axes = ["xyz".index(axis) for axis in self.order]
        size = n_fast, n_middle, _ = tuple(self.size[axis] for axis in axes)
        index = fast, middle, slow = np.unravel_index(np.arange(self.n_positions), size, order="F")
        by_axis = [index[axes.index(axis)] for axis in range(3)]
        voxels = np.ravel_multi_index(by_axis, self.size)
        if not (acquired and self.is_meandering):
            return voxels
        # Position (fast, middle, slow) of the grid was visited as this number.
        visit_fast = np.where((middle + slow) % 2, n_fast - 1 - fast, fast)
        visit_middle = np.where(slow % 2, n_middle - 1 - middle, middle)
        visits = np.ravel_multi_index((visit_fast, visit_middle, slow), size, order="F")
        path = np.empty_like(voxels)
        path[visits] = voxels
        return path

    @classmethod
    def from_fields(cls, fields: Fields) -> "Calibration | None":
        """Read the group, or return None if the file is no calibration scan."""
        if "/calibration/method" not in fields:
            return None
        order = fields.text("/calibration/order", "xyz").strip().lower()
        if sorted(order) != ["x", "y", "z"]:
            raise fields.error(
                f"{order!r} is no order of the axes", "/calibration/order", "store xyz or the like"
            )
        size = _triple(fields, "size")
        if size is None:
            raise fields.error(
                "the calibration positions are not on a regular grid",
                "/calibration/size",
                "add the number of positions along x, y and z",
            )
        if min(size) < 1 or any(n != int(n) for n in size):
            raise fields.error(f"grid of {size} voxels", "/calibration/size", "store 1 or more")
        if math.prod(size) > MAXIMUM_POSITIONS:
            raise fields.error(
                f"grid of {math.prod(size):.3g} positions", "/calibration/size", "correct the size"
            )
        return cls(
            method=fields.text("/calibration/method"),
            size=tuple(int(n) for n in size),
            fov=_triple(fields, "fieldOfView"),
            center=_triple(fields, "fieldOfViewCenter") or (0.0, 0.0, 0.0),
            order=order,
            delta_sample_size=_triple(fields, "deltaSampleSize"),
            is_meandering=fields.flag("/calibration/isMeanderingGrid", False),
            snr=_snr(fields),
        )

    def to_fields(self) -> dict[str, Any]:
        """Return the datasets of the group as name -> value."""
        fields = {
            "/calibration/method": self.method,
            "/calibration/size": np.array(self.size, dtype=np.int64),
            "/calibration/fieldOfView": _float_array(self.fov),
            "/calibration/fieldOfViewCenter": _float_array(self.center),
            "/calibration/order": self.order,
            "/calibration/deltaSampleSize": _float_array(self.delta_sample_size),
            "/calibration/isMeanderingGrid": self.is_meandering,
            SNR: self.snr,
        }
        return {name: value for name, value in fields.items() if value is not None}


def _snr(fields: Fields) -> np.ndarray | None:
    snr = fields.array(SNR, None)
    if snr is not None and snr.dtype.kind == "c":
        raise fields.error("has complex instead of real numbers", SNR, "store real numbers")
    return snr


def _triple(fields: Fields, name: str) -> Triple | None:
    name = f"/calibration/{name}"
    values = fields.reals(name, None)
    if values is None:
        return None
    if name == DELTA_SAMPLE_SIZE and values.size == 1:
        # A single length can only be that of a cube.
        values = np.repeat(values, 3)
    if values.size != 3:
        raise fields.wrong_shape(name, values.shape, (3,))
    return tuple(values.ravel().tolist())


def _float_array(triple: Triple | None) -> np.ndarray | None:
    return None if triple is None else np.array(triple, dtype=np.float64)
