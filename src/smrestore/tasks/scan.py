"""What a restoration task means for a measured scan.

A scan is not degraded: it is what was measured. A task says how one of its components becomes the
input of a method, and on which calibration grid the restored component lies. A task whose restored
grid or input differs is a subclass; what restores a scan sees no difference.
"""

from dataclasses import dataclass

import numpy as np

from smrestore.degradation import Degraded, unit_maximum
from smrestore.errors import InputError
from smrestore.physics.grid import CalibrationGrid


@dataclass(frozen=True)
class ScanTask:
    """A task that restores every voxel of the measured grid, such as denoising.

    Attributes
    ----------
    name
        For descriptions and messages.
    """

    name: str

    def restored_grid(self, measured: CalibrationGrid) -> CalibrationGrid:
        """Return the grid of the restored components."""
        return measured

    def prepare(self, image: np.ndarray, sigma: float) -> tuple[Degraded, float]:
        """Return what the method sees of a component, and the magnitude it was divided by.

        Parameters
        ----------
        image
            Measured component without background, complex64 (Nx, Ny, Nz), in the unit of the scan.
        sigma
            Standard deviation of its complex noise, in the same unit.
        """
        normalized, factor = unit_maximum(image)
        return Degraded(normalized, sigma / factor), factor


SCAN_TASKS = {"denoising": ScanTask("denoising")}


def scan_task(name: str) -> ScanTask:
    """Return the task of a name.

    Raises
    ------
    InputError
        If no scan can be restored for this task.
    """
    if name not in SCAN_TASKS:
        raise InputError(
            f"no scan can be restored for the task {name!r}",
            field="task",
            remedy=f"use one of {', '.join(SCAN_TASKS)}",
        )
    return SCAN_TASKS[name]
