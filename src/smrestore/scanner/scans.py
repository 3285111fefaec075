"""Scans of the virtual scanner, written as MDF, and the truth they came from."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from smrestore import mdf
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.sequence import Sequence
from smrestore.scanner.background import BackgroundSettings, scanner_background
from smrestore.scanner.calibrations import ATTENUATION, Corruption, calibration_path
from smrestore.scanner.fields import FieldSettings
from smrestore.scanner.phantoms import Phantom, refined
from smrestore.scanner.recording import (
    Recording,
    Signal,
    checked_frequencies,
    stored_frequencies,
)
from smrestore.scanner.signal import DeltaSample, ReceiveChannel, SignalModel, Tracer
from smrestore.support.checksums import check_datasets, readable
from smrestore.support.errors import InputError
from smrestore.support.files import memory_map, new_hdf5, provenance
from smrestore.support.seeds import generator

PHANTOM_OVERSAMPLING = 3
"""Points per voxel and axis at which the signal of a phantom is simulated."""


@dataclass(frozen=True)
class Scanner:
    """A virtual scanner with its tracer.

    Attributes
    ----------
    name
        Its feedthrough and field deviations are drawn from the seed and this name.
    tracer, delta_sample, channels, fields, background
        Its tracer, delta sample, receive channels, deviations of the fields, and background.
    full_scale
        Largest voltage of the 16-bit converter in V.
    position_jitter
        Standard deviation of the position of the robot along each axis in m.
    temperature_drift
        By how much the sample warms up during a calibration in K, from half of it below the usual
        temperature to half of it above.
    """

    name: str
    tracer: Tracer
    delta_sample: DeltaSample
    channels: tuple[ReceiveChannel, ...]
    fields: FieldSettings
    background: BackgroundSettings
    full_scale: float
    position_jitter: float = 0.0
    temperature_drift: float = 0.0

    @property
    def is_steady(self) -> bool:
        """Whether a calibration sees the same signal whenever it measures a voxel."""
        return self.position_jitter == self.temperature_drift == 0

    def signal_model(
        self,
        sequence: Sequence,
        grid: CalibrationGrid,
        *,
        seed: int,
        frequencies: np.ndarray | None = None,
    ) -> SignalModel:
        """Return what determines the noise-free signal of a scan."""
        return SignalModel(
            self.tracer,
            self.channels,
            self.delta_sample,
            sequence,
            grid,
            self.fields.draw(generator(seed, "fields", self.name)),
            frequencies,
        )

    def description(self) -> mdf.Tracer:
        """Return the tracer as MDF describes it; a point counts as 1 ul."""
        volume = 1e3 * float(np.prod(self.delta_sample.size))
        return mdf.Tracer(name="virtual", concentration=0.1, volume=volume or 1e-6)


def _recording(
    path: str | Path,
    scanner: Scanner,
    sequence: Sequence,
    sample: np.ndarray,
    signal: Signal,
    *,
    averages: int,
    seed: int,
    frequencies: np.ndarray | None,
) -> Recording:
    name = Path(path).stem
    background = scanner_background(
        scanner.background,
        sequence,
        len(scanner.channels),
        len(sample),
        scanner_rng=generator(seed, "scanner", scanner.name),
        scan_rng=generator(seed, "background", name),
    )
    return Recording(
        name=name,
        scanner_name=scanner.name,
        sequence=sequence,
        background=background if frequencies is None else background.selected(frequencies),
        thermal_noise=scanner.background.thermal_noise,
        full_scale=scanner.full_scale,
        averages=averages,
        frequencies=frequencies,
        seed=seed,
        sample=sample,
        signal=signal,
    )


@contextmanager
def _truth(path: str | Path, grid: CalibrationGrid) -> Iterator[h5py.File]:
    with new_hdf5(path) as file:
        file.attrs.update({**provenance(), "fov_m": grid.fov, "center_m": grid.center})
        yield file


@contextmanager
def _open_truth(path: str | Path) -> Iterator[h5py.File]:
    """Open a truth whose values are intact."""
    with readable(path, "system_matrix"):
        file = h5py.File(path, "r")
    with file:
        check_datasets(file)
        yield file


def scan_empty(
    path: str | Path,
    scanner: Scanner,
    sequence: Sequence,
    *,
    frames: int,
    seed: int,
    max_mixing_order: int | None = None,
    frequencies: np.ndarray | None = None,
) -> None:
    """Measure an empty scan: ``frames`` single-average frames without a sample.

    As in real files, the frames are not flagged as background; the purpose of the file says it.
    Spectra are stored of the frequency bins ``frequencies``, or of those up to
    ``max_mixing_order``, and time signals if neither is given.

    Raises
    ------
    InputError
        If the spectrum of the sequence has no such frequency.
    """
    if frequencies is None:
        frequencies = stored_frequencies(sequence, max_mixing_order)
    else:
        frequencies = checked_frequencies(sequence, frequencies)
    _recording(
        path,
        scanner,
        sequence,
        np.zeros(frames, dtype=int),
        lambda _: 0,
        averages=1,
        seed=seed,
        frequencies=frequencies,
    ).write(path, description=f"empty scan, {frames} frames")


def scan_calibration(
    path: str | Path,
    truth: str | Path,
    scanner: Scanner,
    sequence: Sequence,
    grid: CalibrationGrid,
    *,
    averages: int,
    seed: int,
    meandering: bool = False,
    corruption: Corruption | None = None,
    max_mixing_order: int | None = None,
) -> None:
    """Measure a system matrix, and keep its noise-free spectra as ``system_matrix`` in ``truth``.

    The truth is complex64 (C, F, Nx, Ny, Nz) in V, unnormalized FFT, like the measured spectra, of
    the frequency bins ``frequency``. Scan and truth are streamed by blocks of frames.

    Parameters
    ----------
    path, truth
        Files to write.
    averages
        In each frame.
    meandering
        Whether the robot reverses its direction after every line.
    corruption
        Positions with wrong values in the scan; the truth keeps the right ones, and the voxels as
        ``corrupted``, int64 (n, 3) in the order of acquisition.
    max_mixing_order
        Spectra of the frequencies up to it are stored, sorted as in processed files. If None, time
        signals are stored in the order of acquisition.

    Raises
    ------
    InputError
        If the corrupted run does not lie within the scan.
    """
    frequencies = stored_frequencies(sequence, max_mixing_order)
    model = scanner.signal_model(sequence, grid, seed=seed, frequencies=frequencies)
    positions = grid.positions().reshape(-1, 3)
    with _truth(truth, grid) as file:
        shape = (len(scanner.channels), len(model.bins), *grid.size)
        matrix = file.create_dataset("system_matrix", shape, np.complex64)
        file["frequency"] = model.bins
        if model.fields is not None:
            file.attrs["selection_field_coefficients"] = model.fields.selection
            file.attrs["drive_field_coefficients"] = model.fields.drive
            file.attrs["receive_coil_coefficients"] = model.fields.receive

        unsteady = _unsteady(scanner, model, grid, path, meandering, seed)

        def simulate(voxels: np.ndarray) -> np.ndarray:
            spectra = model.of_samples(positions[voxels])
            _write_lines(matrix, np.stack(np.unravel_index(voxels, grid.size), axis=1), spectra)
            return spectra if unsteady is None else unsteady(voxels)

        course = calibration_path(grid, meandering=meandering)
        bad = slice(0) if corruption is None else _run(corruption, grid)
        file["corrupted"] = np.stack(np.unravel_index(course.voxel[bad], grid.size), axis=1)
        _write_calibration(
            path,
            scanner,
            sequence,
            grid,
            simulate,
            averages=averages,
            seed=seed,
            meandering=meandering,
            corruption=corruption,
            frequencies=frequencies,
        )


def repeat_calibration(
    path: str | Path,
    truth: str | Path,
    scanner: Scanner,
    sequence: Sequence,
    grid: CalibrationGrid,
    *,
    averages: int,
    seed: int,
    meandering: bool = False,
    corruption: Corruption | None = None,
    max_mixing_order: int | None = None,
) -> None:
    """Measure a system matrix once more: the signal of ``truth``, with noise and drift of its own.

    Parameters
    ----------
    path
        File to write; its name enters the seeds of noise and drift.
    truth
        Truth that :func:`scan_calibration` wrote for the same scanner, sequence, grid and
        ``max_mixing_order``; rounded to complex64. A scanner that is not steady simulates anew.
    averages, meandering, corruption, max_mixing_order
        As in :func:`scan_calibration`.

    Raises
    ------
    InputError
        If the truth has another grid or other frequencies, or the corrupted run does not lie within
        the scan.
    """
    frequencies = stored_frequencies(sequence, max_mixing_order)
    bins = np.arange(sequence.n_frequencies) if frequencies is None else frequencies
    with _open_truth(truth) as file:
        matrix = file["system_matrix"]
        expected = (len(scanner.channels), len(bins), *grid.size)
        if matrix.shape != expected or not np.array_equal(file["frequency"][()], bins):
            raise InputError(
                f"a truth of shape {matrix.shape} is not that of this scan, {expected}",
                path=truth,
                field="system_matrix",
                remedy="repeat a scan of the same grid and frequencies",
            )
        flat = memory_map(matrix).reshape(*expected[:2], -1)
        model = scanner.signal_model(sequence, grid, seed=seed, frequencies=frequencies)

        def look_up(voxels: np.ndarray) -> np.ndarray:
            return flat[:, :, voxels].transpose(2, 0, 1).astype(np.complex128)

        _write_calibration(
            path,
            scanner,
            sequence,
            grid,
            _unsteady(scanner, model, grid, path, meandering, seed) or look_up,
            averages=averages,
            seed=seed,
            meandering=meandering,
            corruption=corruption,
            frequencies=frequencies,
        )


def _unsteady(
    scanner: Scanner,
    model: SignalModel,
    grid: CalibrationGrid,
    path: str | Path,
    meandering: bool,
    seed: int,
) -> Signal | None:
    """Return the signal of visited voxels with jitter and warming, None for a steady scanner.

    Spectra between those of the coldest and of the warmest visit are interpolated.
    """
    if scanner.is_steady:
        return None
    positions = grid.positions().reshape(-1, 3)
    visits = np.argsort(calibration_path(grid, meandering=meandering).voxel)
    jitter = generator(seed, "jitter", Path(path).stem).normal(size=positions.shape)
    positions = positions + scanner.position_jitter * jitter
    cold, cold_moment = model.warmer(-scanner.temperature_drift / 2)
    warm, warm_moment = model.warmer(scanner.temperature_drift / 2)

    def signal(voxels: np.ndarray) -> np.ndarray:
        spectra = cold_moment * cold.of_samples(positions[voxels])
        if scanner.temperature_drift:
            time = visits[voxels, None, None] / max(1, grid.n_positions - 1)
            hot = warm_moment * warm.of_samples(positions[voxels])
            spectra += time * (hot - spectra)
        return spectra

    return signal


def _write_calibration(
    path: str | Path,
    scanner: Scanner,
    sequence: Sequence,
    grid: CalibrationGrid,
    signal: Signal,
    *,
    averages: int,
    seed: int,
    meandering: bool,
    corruption: Corruption | None,
    frequencies: np.ndarray | None,
) -> None:
    """Write a calibration scan; ``signal`` takes voxels (n,), counted through [x, y, z]."""
    bad = None if corruption is None else _run(corruption, grid)
    course = calibration_path(grid, meandering=meandering)

    def measure(visits: np.ndarray) -> np.ndarray:
        spectra = signal(course.voxel[visits])
        if bad is not None:
            wrong = (visits >= bad.start) & (visits < bad.stop)
            if wrong.any() and corruption.kind == "stuck":
                spectra[wrong] = signal(course.voxel[bad.start - 1 : bad.start])
            elif wrong.any():
                spectra[wrong] *= ATTENUATION
        return spectra

    _recording(
        path,
        scanner,
        sequence,
        course.visit,
        measure,
        averages=averages,
        seed=seed,
        frequencies=frequencies,
    ).write(
        path,
        description=f"calibration scan, {averages} average{'s' * (averages != 1)}",
        calibration=mdf.Calibration(
            method="robot",
            size=grid.size,
            fov=grid.fov,
            center=grid.center,
            delta_sample_size=scanner.delta_sample.size,
            is_meandering=meandering,
        ),
        tracer=scanner.description(),
    )


def _run(corruption: Corruption, grid: CalibrationGrid) -> slice:
    corruption.check(grid.n_positions)
    return slice(corruption.first, corruption.first + corruption.count)


def _write_lines(matrix: h5py.Dataset, voxels: np.ndarray, spectra: np.ndarray) -> None:
    """Write spectra (n, C, F) to voxels (n, 3) of a matrix, whole runs along x at a time."""
    for y, z in np.unique(voxels[:, 1:], axis=0):
        line = np.flatnonzero((voxels[:, 1:] == (y, z)).all(axis=1))
        line = line[np.argsort(voxels[line, 0])]
        first = voxels[line[0], 0]
        matrix[:, :, first : first + len(line), y, z] = spectra[line].transpose(1, 2, 0)


def scan_phantom(
    path: str | Path,
    truth: str | Path,
    scanner: Scanner,
    sequence: Sequence,
    grid: CalibrationGrid,
    phantom: Phantom,
    *,
    frames: int,
    background_frames: int,
    averages: int,
    seed: int,
    max_mixing_order: int | None = None,
) -> None:
    """Measure a phantom, and keep its concentration on the grid as ``concentration`` in ``truth``.

    The signal is summed over points finer than the calibration grid, so that the reconstruction
    never meets the discretization it assumes. A voxel of concentration 1 holds the tracer of one
    delta sample. Along an axis in which the grid has no extent, the phantom reaches as far as the
    delta sample. Background frames come first. ``max_mixing_order`` as in :func:`scan_empty`.
    """
    frequencies = stored_frequencies(sequence, max_mixing_order)
    model = scanner.signal_model(sequence, grid, seed=seed, frequencies=frequencies)
    fine = refined(grid, PHANTOM_OVERSAMPLING)
    concentration = phantom.on_grid(fine, oversampling=4).ravel()
    filled = concentration > 0
    amount = concentration[filled] * grid.n_positions / fine.n_positions
    signal = model.of_tracer(fine.positions().reshape(-1, 3)[filled], amount)
    _recording(
        path,
        scanner,
        sequence,
        np.concatenate([np.full(background_frames, -1), np.zeros(frames, dtype=int)]),
        lambda _: signal,
        averages=averages,
        seed=seed,
        frequencies=frequencies,
    ).write(
        path,
        description=f"phantom scan, {frames} frames of {averages} average{'s' * (averages != 1)}",
        tracer=scanner.description(),
    )
    with _truth(truth, grid) as file:
        file["concentration"] = phantom.on_grid(grid)
