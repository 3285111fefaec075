"""Noise pools: the background of a scanner, from its empty scan.

An empty scan is a movie of all frequencies; a pool holds the same numbers frame by frame for each
receive channel and frequency, so that the noise of one component over one calibration is one read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

from smrestore.errors import InputError
from smrestore.files import atomic_path, memory_map, open_result, provenance
from smrestore.mdf import iter_spectra, open_mdf
from smrestore.progress import progress_bar

FORMAT = "smrestore noise pool 1"
BACKGROUND_LEVELS = ("remove", "keep")


def build_noise_pool(
    scan: str | Path, path: str | Path, *, background_level: str, block_frames: int = 64
) -> None:
    """Transpose an empty scan to (channel, frequency, frame), streaming blocks of frames.

    Memory is bounded by one block, whatever the number of frames.

    Parameters
    ----------
    scan
        MDF file of an empty scan. All its frames count as noise, whatever its background flags say.
    path
        Pool to write: ``noise`` complex64 (C, K, N), ``frequency_Hz`` (K,), ``mean`` complex64 and
        ``standard_deviation`` float32 (C, K) over all frames.
    background_level
        Kept as attribute for the readers of the pool. ``remove``: the mean of each drawn run of
        frames is taken away, as the background correction of a calibration does. ``keep``: runs
        are used as they were measured, with the constant signal of the empty scanner.

    Raises
    ------
    InputError
        If the scan is not readable, has fewer than two frames or values that are not finite.
    """
    if background_level not in BACKGROUND_LEVELS:
        raise InputError(
            f"unknown {background_level!r}",
            field="background_level",
            remedy=f"use one of {', '.join(BACKGROUND_LEVELS)}",
        )
    with open_mdf(scan) as mdf:
        acquisition, sequence = mdf.acquisition, mdf.sequence()
    n_frames, n_channels = acquisition.n_frames, acquisition.n_channels
    if n_frames < 2:
        raise InputError(
            f"{n_frames} frame", path=scan, field="/acquisition/numFrames", remedy="scan for longer"
        )
    shape = (n_channels, sequence.n_frequencies, n_frames)
    # Deviations from the first frame: the background level dwarfs its changes.
    first = None
    total = np.zeros(shape[:2], dtype=np.complex128)
    energy = np.zeros(shape[:2])
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        # Contiguous, because blocks of frames are written and single rows are read.
        noise = file.create_dataset("noise", shape, np.complex64)
        progress = progress_bar(total=n_frames, desc="empty frames", unit="frame")
        for frames, spectra in iter_spectra(scan, block_frames=block_frames):
            if not np.isfinite(spectra).all():
                raise InputError(
                    f"values that are not finite among frames {frames[0]} to {frames[-1]}",
                    path=scan,
                    field="/measurement/data",
                    remedy="leave these frames out or scan again",
                )
            noise[:, :, frames[0] : frames[-1] + 1] = spectra.transpose(1, 2, 0)
            first = spectra[0].astype(np.complex128) if first is None else first
            deviation = spectra - first
            total += deviation.sum(axis=0)
            energy += (np.abs(deviation) ** 2).sum(axis=0)
            progress.update(len(frames))
        progress.close()
        shift = total / n_frames
        variance = np.maximum(energy - n_frames * np.abs(shift) ** 2, 0) / (n_frames - 1)
        file["mean"] = (first + shift).astype(np.complex64)
        file["standard_deviation"] = np.sqrt(variance).astype(np.float32)
        file["frequency_Hz"] = sequence.frequencies
        file.attrs.update(
            {
                "format": FORMAT,
                **provenance(),
                "scan": Path(scan).name,
                "averages": acquisition.n_averages,
                "background_level": background_level,
            }
        )


@dataclass
class NoisePool:
    """Random access to the noise of a scanner; opened lazily and per process."""

    path: Path

    def __post_init__(self) -> None:
        self.path = Path(self.path)

    def __getstate__(self) -> dict:
        return {"path": self.path}

    @cached_property
    def _file(self) -> h5py.File:
        return open_result(
            self.path, FORMAT, make="run the noise stage", remake="build the pool again"
        )

    @cached_property
    def _noise(self) -> np.ndarray:
        return memory_map(self._file["noise"])

    @cached_property
    def _remove_level(self) -> bool:
        return self._file.attrs["background_level"] == "remove"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, frequencies and frames."""
        return self._noise.shape

    def check_fits(self, grid_sizes: Sequence[tuple[int, ...]], n_frequencies: int) -> None:
        """Check that every grid can be filled and every frequency found.

        Raises
        ------
        InputError
            If a grid has more voxels than the pool has frames, or the frequencies do not agree.
        """
        _, pool_frequencies, n_frames = self.shape
        if pool_frequencies != n_frequencies:
            raise InputError(
                f"{pool_frequencies} frequencies, but the system matrices have {n_frequencies}",
                path=self.path,
                field="noise",
                remedy="use an empty scan of the same sequence and bandwidth",
            )
        largest = max(grid_sizes, key=np.prod)
        if np.prod(largest) > n_frames:
            raise InputError(
                f"{n_frames} frames are too few for a grid of {'x'.join(map(str, largest))} = "
                f"{np.prod(largest)} voxels",
                path=self.path,
                field="noise",
                remedy="use a longer empty scan or limit the grid size",
            )

    def draw_image(
        self, channel: int, frequency: int, shape: tuple[int, int, int], rng: np.random.Generator
    ) -> np.ndarray:
        """Return the noise of one component over a grid, complex64 (Nx, Ny, Nz), in raw units.

        Consecutive frames from a random start are laid on the grid in acquisition order (x
        fastest), so that drift and jumps stay structured in space (Tsanda et al. 2026).
        """
        count = int(np.prod(shape))
        n_frames = self.shape[2]
        if count > n_frames:
            self.check_fits([shape], self.shape[1])
        start = int(rng.integers(n_frames - count + 1))
        noise = np.array(self._noise[channel, frequency, start : start + count])
        if self._remove_level:
            noise -= noise.mean()
        return noise.reshape(shape, order="F")
