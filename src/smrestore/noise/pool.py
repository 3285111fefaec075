"""Random access to the noise of a scanner."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

import h5py
import numpy as np

from smrestore.noise.origin import Origin, read_origins
from smrestore.support.checksums import intact, readable
from smrestore.support.choices import BackgroundLevel
from smrestore.support.errors import InputError
from smrestore.support.files import memory_map, open_result

FORMAT = "smrestore noise pool 2"
BACKGROUND_LEVELS = get_args(BackgroundLevel)


def check_background_level(background_level: str) -> None:
    """Raise :class:`InputError` unless this is one of :data:`BACKGROUND_LEVELS`."""
    if background_level not in BACKGROUND_LEVELS:
        raise InputError(
            f"unknown {background_level!r}",
            field="background_level",
            remedy=f"use one of {', '.join(BACKGROUND_LEVELS)}",
        )


@dataclass
class NoisePool:
    """The noise of a scanner, measured or parametric; opened lazily and per process."""

    path: Path

    def __post_init__(self) -> None:
        self.path = Path(self.path)

    def __getstate__(self) -> dict:
        return {"path": self.path}

    @cached_property
    def _file(self) -> h5py.File:
        return open_result(self.path, FORMAT, make="run the noise stage")

    @cached_property
    def noise(self) -> np.ndarray:
        """Frames by channel and held frequency, complex64 (C, K, frames), on disk until read."""
        with readable(self.path, "noise"):
            dataset = self._file["noise"]
        return memory_map(dataset)

    @cached_property
    def removes_level(self) -> bool:
        """Whether the mean of each drawn run of frames is taken away."""
        return self._file.attrs["background_level"] == "remove"

    @cached_property
    def origins(self) -> list[Origin]:
        """The runs of frames that the pool consists of, in their order."""
        with readable(self.path, "scans"):
            return read_origins(self._file)

    @cached_property
    def averages(self) -> int:
        """Averages of the frames that the drawn noise stands for."""
        return int(self._file.attrs["averages"])

    @cached_property
    def frequencies(self) -> np.ndarray:
        """Frequency bins that the pool holds, ascending, int32 (K,)."""
        with readable(self.path, "frequency"):
            return intact(self._file["frequency"])[()]

    @cached_property
    def place(self) -> np.ndarray:
        """Row of each frequency bin of the complete spectrum, -1 for those not held."""
        place = np.full(int(self._file.attrs["n_frequencies"]), -1)
        place[self.frequencies] = np.arange(len(self.frequencies))
        return place

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, held frequencies and frames."""
        return self.noise.shape

    def check_fits(
        self,
        grid_sizes: Sequence[tuple[int, ...]],
        n_frequencies: int,
        frequencies: Iterable[int] = (),
    ) -> None:
        """Check that every grid can be filled and every frequency found.

        Parameters
        ----------
        grid_sizes
            Voxels along x, y, z of each grid.
        n_frequencies
            Of the complete spectrum of the system matrices.
        frequencies
            Bins that noise will be drawn for.

        Raises
        ------
        InputError
            If a grid has more voxels than any scan of the pool has frames, or the frequencies do
            not agree.
        """
        if len(self.place) != n_frequencies:
            raise InputError(
                f"{len(self.place)} frequencies, but the system matrices have {n_frequencies}",
                path=self.path,
                field="noise",
                remedy="use an empty scan of the same sequence and bandwidth",
            )
        wanted = np.unique(np.fromiter(frequencies, dtype=np.int64))
        missing = np.setdiff1d(wanted, self.frequencies)
        if len(missing):
            count = f"{len(missing)} of {len(wanted)} frequencies that are needed are missing: "
            raise self._misses(missing[0], count)
        largest = max(grid_sizes, key=np.prod)
        longest = max(len(origin.frames) for origin in self.origins)
        if np.prod(largest) > longest:
            raise InputError(
                f"{longest} frames are too few for a grid of {'x'.join(map(str, largest))} = "
                f"{np.prod(largest)} voxels",
                path=self.path,
                field="noise",
                remedy="use a longer empty scan or limit the grid size",
            )

    def _row(self, frequency: int) -> int:
        row = self.place[frequency] if 0 <= frequency < len(self.place) else -1
        if row < 0:
            raise self._misses(frequency)
        return row

    def _misses(self, frequency: int, others: str = "") -> InputError:
        held = self.frequencies
        return InputError(
            f"{others}frequency {frequency} is not among the {len(held)} of the pool "
            f"({held[0]} to {held[-1]})",
            path=self.path,
            field="frequency",
            remedy="build the pool from scans that store it, and with `frequencies: needed` or all",
        )

    def draw_image(
        self, channel: int, frequency: int, shape: tuple[int, int, int], rng: np.random.Generator
    ) -> np.ndarray:
        """Return the noise of one component over a grid, complex64 (Nx, Ny, Nz), in raw units.

        Consecutive frames of one scan from a random start are laid on the grid in acquisition order
        (x fastest), so that drift and jumps stay structured in space (Tsanda et al. 2026). All
        possible runs of all scans are equally likely. Deviations from the mean of the run are
        scaled to the averages of the pool, as if averages were independent.
        """
        count = int(np.prod(shape))
        starts = [max(0, len(origin.frames) - count + 1) for origin in self.origins]
        if not any(starts):
            self.check_fits([shape], len(self.place))
        chosen = int(rng.integers(sum(starts)))
        begin = 0
        for origin, n_starts in zip(self.origins, starts, strict=True):
            if chosen < n_starts:
                break
            chosen -= n_starts
            begin += len(origin.frames)
        run = slice(begin + chosen, begin + chosen + count)
        noise = np.array(self.noise[channel, self._row(frequency), run])
        scale = np.float32(np.sqrt(origin.averages / self.averages))
        if self.removes_level:
            noise -= noise.mean()
            noise *= scale
        elif scale != 1:
            level = noise.mean()
            noise = level + scale * (noise - level)
        return noise.reshape(shape, order="F")
