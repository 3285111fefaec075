"""The path of a calibration: which voxel is measured in which frame, and where it goes wrong."""

from dataclasses import dataclass

import numpy as np

from smrestore.mdf import Calibration
from smrestore.physics.grid import CalibrationGrid
from smrestore.support.errors import InputError

CORRUPTIONS = ("stuck", "attenuated")
ATTENUATION = 0.1
"""Signal of an attenuated receiver over the true one."""


@dataclass(frozen=True)
class Corruption:
    """A run of positions, consecutive in time, that hold wrong values.

    Attributes
    ----------
    kind
        ``stuck``: the robot stays at the position before the run. ``attenuated``: the receivers
        pass on :data:`ATTENUATION` of the signal.
    first, count
        Number of the first position in the order of acquisition, and how many follow each other.
    """

    kind: str
    first: int
    count: int

    def check(self, n_positions: int) -> None:
        """Raise :class:`InputError` if the run does not lie within a scan of so many positions."""
        if self.kind not in CORRUPTIONS:
            raise InputError(
                f"unknown kind {self.kind!r}",
                field="corruption",
                remedy=f"use one of {', '.join(CORRUPTIONS)}",
            )
        if self.first < 1 or self.count < 1 or self.first + self.count > n_positions:
            raise InputError(
                f"a run of {self.count} positions from number {self.first} on does not lie within "
                f"the positions 1 to {n_positions - 1}",
                field="corruption",
                remedy="start at 1 or later, and end with the grid",
            )


@dataclass(frozen=True, eq=False)
class Path:
    """The frames of a calibration in the order of acquisition.

    Attributes
    ----------
    voxel
        Voxel measured by each visit, as an index into a flattened [x, y, z] array, int64 (O,).
    visit
        Visit of each frame, -1 for background, int64 (N,).
    """

    voxel: np.ndarray
    visit: np.ndarray


def calibration_path(grid: CalibrationGrid, *, meandering: bool = False) -> Path:
    """Return the path over a grid.

    Lines run along x, with one background frame before each line and one at the end. On a
    meandering path the direction is reversed after every line and every plane.
    """
    order = Calibration("robot", grid.size, grid.fov, is_meandering=meandering)
    lines = np.arange(grid.n_positions).reshape(-1, grid.size[0])
    with_background = np.insert(lines, 0, -1, axis=1).ravel()
    return Path(order.voxels(acquired=True), np.append(with_background, -1))
