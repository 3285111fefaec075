"""A component of a system matrix: an image with its coordinates."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.mixing import format_order

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Component:
    """One row of a system matrix as an image over the calibration grid.

    NumPy functions take it for its values: ``np.abs(component)``.

    Attributes
    ----------
    values
        complex64 (Nx, Ny, Nz), in ``unit``: unnormalized real FFT of the signal.
    grid
        Where its voxels are.
    channel
        Receive channel, from 0.
    frequency_index
        Index in the complete spectrum, from 0.
    frequency
        In Hz.
    mixing_order
        Multiples (n_x, n_y, n_z) of the drive frequencies, the lowest ones that reach this
        frequency; None if the file does not tell the sequence.
    driven
        Which axes have a drive field.
    unit
        Of the receive channels, such as V; empty if unknown.
    title
        What it is a component of.
    """

    values: np.ndarray
    grid: CalibrationGrid
    channel: int
    frequency_index: int
    frequency: float
    mixing_order: tuple[int, int, int] | None
    driven: tuple[bool, bool, bool]
    unit: str
    title: str

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        return f"<Component of {self.title}: {self.label}, {self.values.shape} voxels>"

    @property
    def x(self) -> np.ndarray:
        """Voxel centers along x in m, float64 (Nx,)."""
        return self.grid.axes()[0]

    @property
    def y(self) -> np.ndarray:
        """Voxel centers along y in m, float64 (Ny,)."""
        return self.grid.axes()[1]

    @property
    def z(self) -> np.ndarray:
        """Voxel centers along z in m, float64 (Nz,)."""
        return self.grid.axes()[2]

    @property
    def label(self) -> str:
        """Channel, frequency and mixing order, for readers."""
        text = (
            f"receive channel {self.channel}, {self.frequency / 1e3:.2f} kHz "
            f"(k = {self.frequency_index})"
        )
        if self.mixing_order is None:
            return text
        order = format_order(np.array(self.mixing_order), self.driven)
        return f"{text}, mixing order {order.replace('-', '−')}"

    def minus(self, other: "Component") -> "Component":
        """Return the difference to a component on the same grid."""
        return replace(
            self, values=self.values - other.values, title=f"{self.title} minus {other.title}"
        )

    def plot(self, *, peak: float | None = None) -> "Figure":
        """Draw its plane in 2D, and the three planes through its strongest voxel in 3D.

        The phase is the hue, the magnitude the brightness.

        Parameters
        ----------
        peak
            Magnitude of full brightness, to draw several components on one scale; by default the
            largest one of this component.

        Raises
        ------
        InputError
            If the grid extends along fewer than two axes.
        """
        from smrestore.figures.component_view import planes_figure

        peak = float(np.abs(self.values).max()) if peak is None else peak
        scale = f"full brightness: {peak:.3g} {self.unit}".rstrip()
        return planes_figure(self.values, self.grid, (self.title, self.label, scale), peak)
