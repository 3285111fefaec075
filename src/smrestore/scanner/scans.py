"""Scans of the virtual scanner, written as MDF, and the truth they came from."""

import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import scipy.fft

from smrestore import mdf
from smrestore.files import atomic_path, provenance
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.sequence import Sequence
from smrestore.progress import progress_bar
from smrestore.scanner.background import BackgroundSettings, scanner_background
from smrestore.scanner.phantoms import Phantom, refined
from smrestore.scanner.signal import ReceiveChannel, Tracer, sample_spectrum
from smrestore.seeds import derived_seed, generator

logger = logging.getLogger(__name__)

BLOCK_FRAMES = 64
TIME = "2026-01-01T00:00:00.000"
"""Time stamp of all virtual scans, so that equal settings give equal files."""
DELTA_SAMPLE = mdf.Tracer(name="virtual", concentration=0.1, volume=8e-9)
PHANTOM_OVERSAMPLING = 3
"""Points per voxel and axis at which the signal of a phantom is simulated."""


@dataclass(frozen=True)
class Scanner:
    """A virtual scanner with its tracer.

    Attributes
    ----------
    name
        Its feedthrough is drawn from the seed and this name.
    tracer, channels, background
        What it measures, with, and against.
    full_scale
        Largest voltage of the 16-bit converter in V.
    """

    name: str
    tracer: Tracer
    channels: tuple[ReceiveChannel, ...]
    background: BackgroundSettings
    full_scale: float


def _write(
    path: str | Path,
    scanner: Scanner,
    sequence: Sequence,
    signal: np.ndarray,
    sample: np.ndarray,
    *,
    averages: int,
    seed: int,
    description: str,
    calibration: mdf.Calibration | None = None,
    tracer: mdf.Tracer | None = None,
) -> None:
    """Measure frames and write them.

    ``signal`` is complex (C, K, S), the noise-free spectra of S samples; ``sample`` is int (N,),
    the one in the bore during each frame, -1 for none.
    """
    n_frames, n_channels, n_samples = len(sample), len(scanner.channels), sequence.n_samples
    name = Path(path).stem
    background = scanner_background(
        scanner.background,
        sequence,
        n_channels,
        n_frames,
        scanner_rng=generator(seed, "scanner", scanner.name),
        scan_rng=generator(seed, "background", name),
    )
    # A scanner adds up the averages as integers, and says so in the conversion factor.
    step = scanner.full_scale / 2**15
    dtype = np.int16 if averages == 1 else np.int32
    limits = np.array([-(2**15), 2**15 - 1]) * averages
    thermal = scanner.background.thermal_noise / np.sqrt(averages)

    def frames() -> Iterator[np.ndarray]:
        for start in progress_bar(range(0, n_frames, BLOCK_FRAMES), desc=name, unit="block"):
            part = sample[start : start + BLOCK_FRAMES]
            spectra = background.frames(start, start + len(part))
            filled = part >= 0
            spectra[filled] += signal[:, :, part[filled]].transpose(2, 0, 1)
            voltage = scipy.fft.irfft(spectra, n=n_samples, axis=-1)
            rng = generator(seed, "thermal noise", name, start)
            voltage += thermal * rng.normal(size=voltage.shape)
            numbers = np.rint(voltage * (averages / step))
            beyond = np.mean((numbers < limits[0]) | (numbers > limits[1]))
            if beyond > 0:
                logger.warning(
                    "%s: %.2g %% of the samples from frame %d on exceed the full scale of %g V",
                    name,
                    100 * beyond,
                    start,
                    scanner.full_scale,
                )
            yield np.clip(numbers, *limits).astype(dtype)

    mdf.write_frames(
        path,
        acquisition=mdf.Acquisition.from_sequence(
            sequence,
            n_frames=n_frames,
            n_averages=averages,
            n_channels=n_channels,
            start_time=TIME,
            conversion_factor=np.tile([step / averages, 0.0], (n_channels, 1)),
        ),
        frames=frames(),
        is_background=sample < 0,
        description=description,
        calibration=calibration,
        tracer=tracer,
        time=TIME,
        uuid=uuid.UUID(int=derived_seed(seed, "uuid", name) << 64 | derived_seed(seed, name)),
        fields={
            "/scanner/name": scanner.name,
            "/scanner/manufacturer": "smrestore",
            "/experiment/name": name,
            "/study/name": "virtual scanner",
        },
    )


def _write_truth(path: str | Path, name: str, values: np.ndarray, grid: CalibrationGrid) -> None:
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file[name] = values
        file.attrs.update({**provenance(), "fov_m": grid.fov, "center_m": grid.center})


def scan_empty(
    path: str | Path, scanner: Scanner, sequence: Sequence, *, frames: int, seed: int
) -> None:
    """Measure an empty scan: ``frames`` single-average frames without a sample.

    As in real files, the frames are not flagged as background: the file is one by its purpose.
    """
    silence = np.zeros((len(scanner.channels), sequence.n_frequencies, 1), dtype=complex)
    _write(
        path,
        scanner,
        sequence,
        silence,
        np.zeros(frames, dtype=int),
        averages=1,
        seed=seed,
        description=f"empty scan, {frames} frames",
    )


def calibration_path(grid: CalibrationGrid) -> np.ndarray:
    """Return the position in the bore for each frame of a calibration, -1 for background.

    Lines run along x, with one background frame before each line and one at the end.
    """
    lines = np.arange(grid.n_positions).reshape(-1, grid.size[0])
    with_background = np.insert(lines, 0, -1, axis=1).ravel()
    return np.append(with_background, -1)


def scan_calibration(
    path: str | Path,
    truth: str | Path,
    scanner: Scanner,
    sequence: Sequence,
    grid: CalibrationGrid,
    *,
    averages: int,
    seed: int,
) -> None:
    """Measure a system matrix, and keep its noise-free spectra as ``system_matrix`` in ``truth``.

    The truth is complex64 (C, K, Nx, Ny, Nz) in V, unnormalized FFT, like the measured spectra.
    """
    spectrum = sample_spectrum(scanner.tracer, scanner.channels, sequence, grid)
    in_order = spectrum.reshape(*spectrum.shape[:2], *grid.size).transpose(0, 1, 4, 3, 2)
    _write(
        path,
        scanner,
        sequence,
        in_order.reshape(spectrum.shape),
        calibration_path(grid),
        averages=averages,
        seed=seed,
        description=f"calibration scan, {averages} averages",
        calibration=mdf.Calibration(
            method="robot",
            size=grid.size,
            fov=grid.fov,
            center=grid.center,
            delta_sample_size=tuple(grid.voxel.tolist()),
        ),
        tracer=DELTA_SAMPLE,
    )
    matrix = spectrum.reshape(*spectrum.shape[:2], *grid.size).astype(np.complex64)
    _write_truth(truth, "system_matrix", matrix, grid)


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
) -> None:
    """Measure a phantom, and keep its concentration on the grid as ``concentration`` in ``truth``.

    The signal is summed over points finer than the calibration grid, so that the reconstruction
    never meets the discretization it assumes. Background frames come first.
    """
    fine = refined(grid, PHANTOM_OVERSAMPLING)
    positions = fine.positions().reshape(-1, 3)
    concentration = phantom.on_grid(fine, oversampling=4).ravel()
    filled = concentration > 0
    # The fine points of one voxel share the moment of the delta sample, which fills the voxel.
    weight = concentration[filled] * grid.n_positions / fine.n_positions
    spectrum = sample_spectrum(scanner.tracer, scanner.channels, sequence, grid, positions[filled])
    signal = (spectrum @ weight)[:, :, None]
    sample = np.concatenate([np.full(background_frames, -1), np.zeros(frames, dtype=int)])
    _write(
        path,
        scanner,
        sequence,
        signal,
        sample,
        averages=averages,
        seed=seed,
        description=f"phantom scan, {frames} frames of {averages} averages",
        tracer=DELTA_SAMPLE,
    )
    _write_truth(truth, "concentration", phantom.on_grid(grid), grid)
