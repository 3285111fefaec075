"""Phantoms as geometry in millimeters, and their concentration on a grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from smrestore.errors import InputError
from smrestore.physics.grid import CalibrationGrid


@dataclass(frozen=True)
class Tube:
    """A bent tube: all points within ``radius`` of a polyline.

    Attributes
    ----------
    points
        Corners of the center line, (n, 3) in m.
    radius
        In m.
    concentration
        In units of the delta sample's.
    """

    points: tuple[tuple[float, float, float], ...]
    radius: float
    concentration: float = 1.0

    def contains(self, positions: np.ndarray) -> np.ndarray:
        """Tell which positions, (..., 3) in m, lie inside; bool (...)."""
        inside = np.zeros(positions.shape[:-1], dtype=bool)
        corners = np.array(self.points)
        for start, stop in pairwise(corners):
            direction = stop - start
            # Equal corners make a ball instead of a division by zero.
            squared_length = max(direction @ direction, np.finfo(float).tiny)
            along = (positions - start) @ direction / squared_length
            nearest = start + np.clip(along, 0, 1)[..., None] * direction
            inside |= ((positions - nearest) ** 2).sum(axis=-1) <= self.radius**2
        return inside


@dataclass(frozen=True)
class Phantom:
    """Tubes, which may overlap: the last one counts."""

    tubes: tuple[Tube, ...]

    def concentration(self, positions: np.ndarray) -> np.ndarray:
        """Return the concentration at positions (..., 3) in m, float64 (...)."""
        result = np.zeros(positions.shape[:-1])
        for tube in self.tubes:
            result[tube.contains(positions)] = tube.concentration
        return result

    def on_grid(self, grid: CalibrationGrid, oversampling: int = 8) -> np.ndarray:
        """Return the mean concentration of each voxel, float64 (Nx, Ny, Nz).

        Each voxel is sampled at ``oversampling`` points along each axis that has extent.
        """
        fine = refined(grid, oversampling)
        values = self.concentration(fine.positions())
        shape = [part for n, m in zip(grid.size, fine.size, strict=True) for part in (n, m // n)]
        return values.reshape(shape).mean(axis=(1, 3, 5))


def refined(grid: CalibrationGrid, factor: int) -> CalibrationGrid:
    """Return the grid with ``factor`` times the voxels along each axis that has extent."""
    size = tuple(n * factor if fov > 0 else n for n, fov in zip(grid.size, grid.fov, strict=True))
    return CalibrationGrid(size, grid.fov, grid.center)


def load_phantom(shapes: Sequence[Mapping[str, object]]) -> Phantom:
    """Build a phantom from its configuration.

    Each shape has ``points_mm``, ``radius_mm`` and optionally ``concentration``.

    Raises
    ------
    InputError
        If a tube has fewer than two points or no radius.
    """
    tubes = []
    for i, shape in enumerate(shapes):
        points = np.array(shape["points_mm"], dtype=float) * 1e-3
        if points.ndim != 2 or points.shape[1] != 3 or len(points) < 2 or shape["radius_mm"] <= 0:
            raise InputError(
                "a tube needs two or more points of x, y, z and a positive radius",
                field=f"phantoms tube {i + 1}",
                remedy="correct its points_mm and radius_mm",
            )
        tubes.append(
            Tube(
                points=tuple(map(tuple, points.tolist())),
                radius=shape["radius_mm"] * 1e-3,
                concentration=shape.get("concentration", 1.0),
            )
        )
    return Phantom(tuple(tubes))
