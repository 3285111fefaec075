"""An MDF file as an object: what it holds is read when it is asked for."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from smrestore import mdf
from smrestore.api.component import Component
from smrestore.mdf.file import Indices
from smrestore.mdf.system_matrix import calibration_of
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.mixing import mixing_orders
from smrestore.physics.sequence import Sequence
from smrestore.support.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Order = tuple[int, int, int] | tuple[int, int]


def open(
    path: str | Path,
    *,
    background: str | None = "interpolate",
    transfer_function: str = "ignore",
    period: mdf.Period = None,
    spectral_leakage: str = "ignore",
) -> "Scan":
    """Open a scan: a calibration, a restored calibration or a measurement.

    Only the description is read. Everything else is read when it is asked for.

    Parameters
    ----------
    path
        MDF file, version 2.
    background
        How background frames are subtracted from components: ``interpolate``, ``mean`` or None.
    transfer_function, period, spectral_leakage
        See :func:`smrestore.mdf.open_mdf`. Frames of several drive-field periods need a choice.

    Raises
    ------
    InputError
        One line that names file, dataset and remedy, if the file cannot be read.
    """
    return Scan(
        path,
        background=background,
        transfer_function=transfer_function,
        period=period,
        spectral_leakage=spectral_leakage,
    )


class Scan:
    """A scan in an MDF file, see :func:`smrestore.open`.

    C receive channels, K stored frequencies, N frames; x, y, z are the axes of the calibration
    grid. Channels and frequencies count from 0. Values are in :attr:`unit`.

    Attributes
    ----------
    path
        The file. It must stay where it is.
    background, reading
        How the file is read, see :func:`smrestore.open`.
    acquisition
        Averages, frames, drive and static fields, receiver: :class:`smrestore.mdf.Acquisition`.
    calibration
        :class:`smrestore.mdf.Calibration`, or None for measurements.
    frequency_indices
        Place of each stored frequency in the complete spectrum, int64 (K,).
    is_background
        Frames without sample or phantom, bool (N,).
    """

    def __init__(
        self, path: str | Path, *, background: str | None = "interpolate", **reading: object
    ) -> None:
        self.path, self.background = Path(path), background
        self.reading = reading
        with mdf.open_mdf(path, **reading) as file:
            self.acquisition = file.acquisition
            self.calibration = file.calibration
            self.frequency_indices = file.frequency_indices
            self.is_background = file.is_background

    def __repr__(self) -> str:
        a = self.acquisition
        what = "measurement"
        if self.calibration is not None:
            what = f"calibration of {' x '.join(map(str, self.calibration.size))} voxels"
        return (
            f"<{type(self).__name__} {self.path.name}: {what}, {a.n_channels} receive channels, "
            f"{len(self.frequency_indices)} frequencies, {a.n_frames} frames>"
        )

    @property
    def channels(self) -> np.ndarray:
        """Receive channels, int64 (C,)."""
        return np.arange(self.acquisition.n_channels)

    @property
    def frequencies(self) -> np.ndarray:
        """Stored frequencies in Hz, float64 (K,)."""
        return self.acquisition.frequencies[self.frequency_indices]

    @property
    def unit(self) -> str:
        """Unit of signals and spectra, such as V; empty if the file does not tell it."""
        return self.acquisition.unit

    @cached_property
    def sequence(self) -> Sequence:
        """Drive and static fields; raises :class:`InputError` if the file does not tell them."""
        with self._open() as file:
            return file.sequence()

    @cached_property
    def grid(self) -> CalibrationGrid:
        """Calibration grid: ``size``, ``fov`` and ``center`` in m, ``axes()``, ``positions()``."""
        with self._open() as file:
            calibration_of(file)
            return file.grid()

    @cached_property
    def mixing_orders(self) -> np.ndarray:
        """Mixing order of each stored frequency, int64 (K, 3).

        The multiples (n_x, n_y, n_z) of the drive frequencies with the smallest sum of magnitudes
        that add up to this frequency.
        """
        return mixing_orders(self.sequence)[self.frequency_indices]

    @cached_property
    def snr(self) -> np.ndarray:
        """Signal-to-noise ratio of each component, float64 (C, K).

        The stored one, or else the one of MPIFiles.jl, computed from the background frames.
        """
        return mdf.read_snr(
            self.path,
            period=self.reading.get("period") or 0,
            spectral_leakage=self.reading.get("spectral_leakage", "ignore"),
        )

    def system_matrix(self, channels: Indices = None, frequencies: Indices = None) -> np.ndarray:
        """Read components, complex64 (channel, frequency, x, y, z); all of them by default.

        Parameters
        ----------
        channels
            Receive channels.
        frequencies
            Indices in the complete spectrum, as in :attr:`frequency_indices`.
        """
        return mdf.read_system_matrix(
            self.path,
            channels=channels,
            frequencies=frequencies,
            background=self.background,
            **self.reading,
        )

    def spectra(
        self, channels: Indices = None, frequencies: Indices = None, frames: Indices = None
    ) -> np.ndarray:
        """Read spectra of frames in stored order, complex64 (frame, channel, frequency).

        Parameters as in :meth:`system_matrix`; ``frames`` are indices or a mask. No background is
        subtracted.
        """
        return mdf.read_spectra(
            self.path, channels=channels, frequencies=frequencies, frames=frames, **self.reading
        )

    def component(
        self, channel: int, mixing_order: Order | None = None, *, frequency: int | None = None
    ) -> Component:
        """Read a component.

        Parameters
        ----------
        channel
            Receive channel.
        mixing_order
            Multiples of the drive frequencies along x, y, z; two are enough if z is not driven.
        frequency
            Index in the complete spectrum, instead of a mixing order.

        Raises
        ------
        InputError
            If there is no such component, or both or none of the two are given.
        """
        index = self._index(mixing_order, frequency)
        values = self.system_matrix([channel], [index])[0, 0]
        order, driven = None, (True, True, True)
        try:
            found = mixing_orders(self.sequence)[index]
            order, driven = tuple(int(n) for n in found), self.sequence.driven
        except InputError:
            # The component is there all the same.
            pass
        return Component(
            values,
            self.grid,
            int(channel),
            index,
            float(self.acquisition.frequencies[index]),
            order,
            driven,
            self.unit,
            self.path.name,
        )

    def strongest(self, channel: int, count: int = 3) -> list[tuple[int, int, int]]:
        """Return the mixing orders of the components with the highest signal-to-noise ratio."""
        with self._open() as file:
            file.channel_indices([channel])
        best = np.argsort(-self.snr[channel], kind="stable")[:count]
        return [tuple(int(n) for n in self.mixing_orders[k]) for k in best]

    def plot(
        self,
        channel: int,
        mixing_order: Order | None = None,
        *,
        frequency: int | None = None,
        peak: float | None = None,
    ) -> "Figure":
        """Draw a component: see :meth:`component` and :meth:`Component.plot`."""
        return self.component(channel, mixing_order, frequency=frequency).plot(peak=peak)

    def inspect(self) -> mdf.Summary:
        """Return what the file holds and what is unusual; ``print(scan.inspect().text())``."""
        return mdf.inspect_mdf(self.path)

    def _open(self) -> mdf.MdfFile:
        return mdf.open_mdf(self.path, **self.reading)

    def _index(self, mixing_order: Order | None, frequency: int | None) -> int:
        if (mixing_order is None) == (frequency is None):
            raise InputError(
                "a component has a mixing order or a frequency",
                field="mixing_order",
                remedy="give one of the two",
            )
        if frequency is not None:
            return int(frequency)
        sequence = self.sequence
        order = tuple(int(n) for n in mixing_order)
        if len(order) == sum(sequence.driven) < 3:
            numbers = iter(order)
            order = tuple(next(numbers) if driven else 0 for driven in sequence.driven)
        wrong = len(order) != 3 or any(np.array(order)[~np.array(sequence.driven)])
        index = 0 if wrong else int(np.dot(order, sequence.multipliers))
        if wrong or not 0 <= index < self.acquisition.n_frequencies:
            raise InputError(
                f"no frequency has mixing order {tuple(mixing_order)}",
                path=self.path,
                field="mixing_order",
                remedy="choose one of scan.mixing_orders; all of opposite sign are the same "
                "frequency, conjugated",
            )
        return index
