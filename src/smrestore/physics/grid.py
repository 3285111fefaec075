"""The calibration grid: where the delta sample is placed."""

from dataclasses import dataclass

import numpy as np

from smrestore.support.errors import InputError


@dataclass(frozen=True)
class CalibrationGrid:
    """A regular grid of voxels.

    Attributes
    ----------
    size
        Voxels along x, y, z.
    fov
        Field of view between the outer voxel edges in m; 0 along an axis of one voxel.
    center
        Center of the field of view in m.
    """

    size: tuple[int, int, int]
    fov: tuple[float, float, float]
    center: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise InputError(
                f"grid of {self.size} voxels", field="size", remedy="give each axis 1 or more"
            )
        for axis, size, fov in zip("xyz", self.size, self.fov, strict=True):
            if not 0 <= fov < np.inf or (fov == 0 and size > 1):
                raise InputError(
                    f"field of view of {fov:g} m for {size} voxels along {axis}",
                    field="fov",
                    remedy="give a positive field of view",
                )
        if not np.isfinite(self.center).all():
            raise InputError(
                f"{self.center} is not finite", field="center", remedy="give finite numbers"
            )

    @property
    def n_positions(self) -> int:
        """Number of voxels P."""
        return int(np.prod(self.size))

    @property
    def voxel(self) -> np.ndarray:
        """Voxel edge lengths, float64 (3,) in m."""
        return np.array(self.fov) / np.array(self.size)

    def axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the voxel centers along x, y and z in m: center + FOV ((i + 0.5)/N - 0.5).

        Those on both sides of the center differ from it by the same number, to the last digit.
        """
        return tuple(
            c + fov * ((2 * np.arange(n) + 1 - n) / (2 * n))
            for n, fov, c in zip(self.size, self.fov, self.center, strict=True)
        )

    def positions(self) -> np.ndarray:
        """Return all voxel centers, float64 (Nx, Ny, Nz, 3) in m."""
        return np.stack(np.meshgrid(*self.axes(), indexing="ij"), axis=-1)
