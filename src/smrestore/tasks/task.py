"""The interface of restoration tasks for training and evaluation."""

from abc import ABC, abstractmethod

import numpy as np

from smrestore.noise import NoisePool
from smrestore.simulation.store import Component
from smrestore.tasks.degradation import Pair

Size = tuple[int, int, int]


class Task(ABC):
    """How a ground truth is degraded. The options of a task are its attributes.

    Attributes
    ----------
    spacing
        Voxels of the restored grid from one measured voxel to the next, along each axis.
    truth_spacing
        Voxels of the stored grid from one voxel of the ground truth to the next.
    """

    spacing: int = 1
    truth_spacing: int = 1

    def ground_truth(self, image: np.ndarray) -> np.ndarray:
        """Return the ground truth of a stored component, complex64 (Nx, Ny, Nz)."""
        return decimate(image, self.truth_spacing)

    def restored_size(self, stored: Size) -> Size:
        """Return the voxels of the ground truth of a stored component of this size."""
        return tuple(-(-n // self.truth_spacing) for n in stored)

    def measured_size(self, stored: Size) -> Size:
        """Return the measured voxels of a stored component of this size."""
        return tuple(-(-n // self.spacing) for n in self.restored_size(stored))

    @abstractmethod
    def degrade(
        self,
        component: Component,
        truth: np.ndarray,
        pool: NoisePool,
        *,
        sigma: float,
        rng: np.random.Generator,
    ) -> Pair:
        """Return what a method sees of a component, and the ground truth in the same units.

        Parameters
        ----------
        component
            It gives the receive channel and frequency of the noise.
        truth
            Its ground truth after phase rotation and scaling, complex64 (Nx, Ny, Nz).
        pool
            Noise from empty frames. A run of frames fills the grid in the order of acquisition.
        sigma
            Standard deviation of the complex noise in units of ``truth``. 0 adds none.
        rng
            Draws the noise and everything else that is random.
        """


def decimate(image: np.ndarray, spacing: int) -> np.ndarray:
    """Return every ``spacing``-th voxel of each axis, from the first."""
    return image[(slice(None, None, spacing),) * image.ndim]
