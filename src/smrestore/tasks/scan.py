"""What a restoration task means for a measured scan.

A scan is not degraded, because it is measured as it is. A task says how one of its components
becomes the input of a method, and on which calibration grid the restored component lies. The code
that restores a scan is the same for all tasks.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from smrestore.physics.grid import CalibrationGrid
from smrestore.support.errors import InputError
from smrestore.tasks.degradation import Degraded, unit_maximum
from smrestore.tasks.task import decimate

TASKS = ("denoising", "accelerated-calibration", "upsampling", "inpainting")


@dataclass(frozen=True)
class ScanTask:
    """A task that restores every voxel of the measured grid, such as denoising.

    Attributes
    ----------
    name
        For descriptions and messages.
    new_grid
        Whether the restored grid is a new one, for which the field of view must be known.
    """

    name: str
    new_grid: ClassVar[bool] = False

    def restored_grid(self, measured: CalibrationGrid) -> CalibrationGrid:
        """Return the grid of the restored components."""
        return measured

    def unused(self, size: tuple[int, int, int]) -> np.ndarray | None:
        """Return the voxels whose values are not used, bool of ``size``; None if all are."""
        return None

    def prepare(self, image: np.ndarray, sigma: float) -> tuple[Degraded, float]:
        """Return what the method sees of a component, and the magnitude that it was divided by.

        Parameters
        ----------
        image
            Measured component without background, complex64 (Nx, Ny, Nz), in the unit of the scan.
        sigma
            Standard deviation of its complex noise, in the same unit.
        """
        normalized, factor = unit_maximum(image)
        return Degraded(normalized, sigma / factor), factor


@dataclass(frozen=True)
class RefinedScan(ScanTask):
    """A scan that has every ``factor``-th voxel of the restored grid along each axis.

    The restored grid ends at the last measured voxel: N voxels become factor (N - 1) + 1.
    """

    factor: int
    new_grid: ClassVar[bool] = True

    def restored_grid(self, measured: CalibrationGrid) -> CalibrationGrid:
        """Return the finer grid. Its first and last voxels are those of the measured one."""
        size = self._restored_size(measured.size)
        lengths = zip(size, measured.voxel / self.factor, measured.fov, strict=True)
        fov = tuple(float(n * voxel) if n > 1 else whole for n, voxel, whole in lengths)
        return CalibrationGrid(size, fov, measured.center)

    def prepare(self, image: np.ndarray, sigma: float) -> tuple[Degraded, float]:
        """See :meth:`ScanTask.prepare`."""
        normalized, factor = unit_maximum(image)
        size = self._restored_size(image.shape)
        return Degraded(normalized, sigma / factor, spacing=self.factor, size=size), factor

    def _restored_size(self, measured: tuple[int, int, int]) -> tuple[int, int, int]:
        return tuple(self.factor * (n - 1) + 1 for n in measured)


@dataclass(frozen=True)
class DecimatedScan(ScanTask):
    """A scan of all voxels. Every ``factor``-th of them is used, to test accelerated scans.

    The restored grid is the measured one, so that both can be compared.
    """

    factor: int

    def unused(self, size: tuple[int, int, int]) -> np.ndarray:
        """See :meth:`ScanTask.unused`."""
        unused = np.ones(size, dtype=bool)
        decimate(unused, self.factor)[:] = False
        return unused

    def prepare(self, image: np.ndarray, sigma: float) -> tuple[Degraded, float]:
        """See :meth:`ScanTask.prepare`."""
        normalized, factor = unit_maximum(decimate(image, self.factor))
        degraded = Degraded(normalized, sigma / factor, spacing=self.factor, size=image.shape)
        return degraded, factor


@dataclass(frozen=True, eq=False)
class InpaintedScan(ScanTask):
    """A scan with some wrong positions, which are the same for all components.

    Attributes
    ----------
    missing
        bool (Nx, Ny, Nz), True where the measured values are not used.
    """

    missing: np.ndarray

    def __post_init__(self) -> None:
        if not self.missing.any() or self.missing.all():
            raise InputError(
                f"{self.missing.sum()} of {self.missing.size} voxels are missing",
                field="missing",
                remedy="give a mask that marks some of them",
            )

    def unused(self, size: tuple[int, int, int]) -> np.ndarray:
        """See :meth:`ScanTask.unused`."""
        if self.missing.shape != tuple(size):
            raise InputError(
                f"the mask is of {self.missing.shape} voxels, the scan of {tuple(size)}",
                field="missing",
                remedy="give a mask of the scan's own grid",
            )
        return self.missing

    def prepare(self, image: np.ndarray, sigma: float) -> tuple[Degraded, float]:
        """See :meth:`ScanTask.prepare`.

        Raises
        ------
        InputError
            If the mask is of another grid.
        """
        self.unused(image.shape)
        normalized, factor = unit_maximum(np.where(self.missing, np.complex64(0), image))
        return Degraded(normalized, sigma / factor, self.missing), factor


def scan_task(
    name: str,
    *,
    factor: int | None = None,
    decimate: bool = False,
    missing: np.ndarray | None = None,
) -> ScanTask:
    """Return a task by its name.

    Parameters
    ----------
    name
        ``denoising``, ``accelerated-calibration``, ``upsampling`` or ``inpainting``.
    factor
        Restored voxels for each measured one and axis; needed for accelerated calibration and
        upsampling.
    decimate
        Whether a scan of all voxels is reduced first: see :class:`DecimatedScan`.
    missing
        Positions to restore, bool (Nx, Ny, Nz); needed for inpainting.

    Raises
    ------
    InputError
        If no scan can be restored for this task, or an option that it needs is missing, or one is
        given that it does not have.
    """
    for field, value, tasks in (
        ("factor", factor, ("accelerated-calibration", "upsampling")),
        ("missing", missing, ("inpainting",)),
    ):
        if value is not None and name not in tasks and name in TASKS:
            raise InputError(
                f"{name} has no such option",
                field=field,
                remedy=f"leave it out, or use {' or '.join(tasks)}",
            )
    if name == "denoising":
        return ScanTask(name)
    if name in ("accelerated-calibration", "upsampling"):
        if factor is None or factor < 2:
            raise InputError(
                f"{name} needs the number of restored voxels per measured one and axis",
                field="factor",
                remedy="give 2 or 4",
            )
        return (DecimatedScan if decimate else RefinedScan)(name, factor)
    if name == "inpainting":
        if missing is None:
            raise InputError(
                "inpainting needs the positions that are missing",
                field="missing",
                remedy="give a mask or indices of voxels",
            )
        return InpaintedScan(name, missing)
    raise InputError(
        f"no scan can be restored for the task {name!r}",
        field="task",
        remedy=f"use {', '.join(TASKS[:-1])} or {TASKS[-1]}",
    )
