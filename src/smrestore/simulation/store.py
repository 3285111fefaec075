"""The system matrix store: HDF5 files with the selected components of simulated matrices.

A group per matrix holds ``components`` (n, Nx, Ny, Nz), ``channel`` (n), ``frequency`` (n),
``mixing_order`` (n, 3) and ``norm`` (n), with the parameters as attributes; docs/data-formats.md
describes it. Components are stored one after the other, so reading one at random is one read.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

from smrestore.physics.mixing import mixing_orders
from smrestore.physics.parameters import simulation_of
from smrestore.simulation.staging import NormalizedImages
from smrestore.support.checksums import intact, readable
from smrestore.support.errors import InputError
from smrestore.support.files import memory_map, new_hdf5, open_result, provenance, reserve_space

FORMAT = "smrestore system matrix store 1"
SLICE_BYTES = 16 * 2**20
"""Images read or written at a time."""


@dataclass(frozen=True)
class StoredMatrix:
    """The selected components of one system matrix.

    Attributes
    ----------
    name
        Unique within a dataset.
    components
        float32 (n, Nx, Ny, Nz), real up to the common phase -i, or complex64; largest magnitude 1.
        An array, or anything with shape and dtype that gives some images for a slice.
    channel, frequency
        Receive channel and frequency bin of each component, int32 (n,).
    mixing_order
        int32 (n, 3).
    norm
        L2 norm over the voxels of the component before normalization, float64 (n,) in 1/s.
    parameters
        The case, as in :mod:`smrestore.physics.parameters`.
    """

    name: str
    components: np.ndarray | NormalizedImages
    channel: np.ndarray
    frequency: np.ndarray
    mixing_order: np.ndarray
    norm: np.ndarray
    parameters: dict[str, object] = field(default_factory=dict)


def image_slices(shape: tuple[int, ...], dtype: np.dtype) -> Iterator[slice]:
    """Yield slices of images (n, Nx, Ny, Nz) that take :data:`SLICE_BYTES` each at the most."""
    step = max(1, SLICE_BYTES // (math.prod(shape[1:]) * np.dtype(dtype).itemsize))
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))


def write_store(
    path: str | Path,
    matrices: Iterable[StoredMatrix],
    attributes: dict[str, object] | None = None,
    decimals: int | None = None,
) -> None:
    """Write matrices one after the other; the file appears when the last one is complete.

    Parameters
    ----------
    path, matrices
        File and what it holds.
    attributes
        Seed, component selection and others, kept with version, commit and time.
    decimals
        Round real components to this many decimals and compress them (the scale-offset filter of
        HDF5): 6 take two thirds of the space. Lossless compression gains a twentieth. Not rounded
        if not given.
    """
    with new_hdf5(path) as file:
        file.attrs.update({"format": FORMAT, **provenance(), **(attributes or {})})
        for matrix in matrices:
            components = matrix.components
            n_bytes = math.prod(components.shape) * np.dtype(components.dtype).itemsize
            reserve_space(file, n_bytes + 4 * matrix.norm.nbytes)
            group = file.create_group(matrix.name)
            group.attrs.update(matrix.parameters)
            layout = {}
            if decimals is not None and np.dtype(components.dtype).kind == "f":
                layout = {"chunks": (1, *components.shape[1:]), "scaleoffset": decimals}
            dataset = group.create_dataset(
                "components", components.shape, components.dtype, **layout
            )
            for rows in image_slices(components.shape, components.dtype):
                dataset[rows] = components[rows]
            dataset.attrs["unit"] = "1 (largest magnitude of each component)"
            for name in ("channel", "frequency", "mixing_order"):
                group[name] = getattr(matrix, name).astype(np.int32)
            group["norm"] = matrix.norm
            group["norm"].attrs["unit"] = "1/s"


@dataclass(frozen=True)
class Component:
    """One component read from a store; ``image`` is complex64 (Nx, Ny, Nz), largest magnitude 1."""

    matrix: str
    channel: int
    frequency: int
    mixing_order: tuple[int, int, int]
    image: np.ndarray


class SystemMatrixStore:
    """Random access to the components of several store files, which together are one split.

    Parameters
    ----------
    paths
        Store files. They are checked when first used; handles are opened lazily and per process, so
        that a store can be handed to data loader workers.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self.paths = [Path(path) for path in paths]
        self._files: dict[Path, h5py.File] = {}

    def __getstate__(self) -> dict:
        return {"paths": self.paths, "_files": {}}

    def _file(self, path: Path) -> h5py.File:
        if path not in self._files:
            self._files[path] = open_result(path, FORMAT, make="run the simulation")
        return self._files[path]

    @cached_property
    def _groups(self) -> list[tuple[Path, str]]:
        groups = []
        for path in self.paths:
            file = self._file(path)
            with readable(path, "/"):
                groups += [(path, name) for name in file]
        if not groups:
            raise InputError(
                "no system matrix inside",
                path=", ".join(map(str, self.paths)) or "(no file)",
                remedy="simulate at least one",
            )
        return groups

    @cached_property
    def index(self) -> list[dict[str, np.ndarray]]:
        """Channel, frequency and mixing order of the components of each matrix, read once."""
        keys = ("channel", "frequency", "mixing_order")
        return [
            {key: self._dataset(path, name, key)[()] for key in keys} for path, name in self._groups
        ]

    def _dataset(self, path: Path, matrix: str, name: str) -> h5py.Dataset:
        """Return a dataset of a matrix whose values are intact."""
        with readable(path, f"/{matrix}/{name}"):
            dataset = self._file(path)[matrix][name]
        return intact(dataset)

    @cached_property
    def components(self) -> list[np.ndarray | h5py.Dataset]:
        """Images of each matrix (components, Nx, Ny, Nz), on disk until they are read.

        All of them are compared with their checksums before: damage shows at the beginning of a
        training, and random reads cost nothing more.
        """
        datasets = [self._dataset(path, name, "components") for path, name in self._groups]
        return [d if d.chunks else memory_map(d) for d in datasets]

    def __len__(self) -> int:
        """Return the number of matrices."""
        return len(self._groups)

    def n_components(self, matrix: int) -> int:
        """Return the number of components kept of a matrix."""
        return len(self.index[matrix]["channel"])

    def shape(self, matrix: int) -> tuple[int, int, int]:
        """Return the calibration grid size of a matrix."""
        path, name = self._groups[matrix]
        with readable(path, f"/{name}/components"):
            return self._file(path)[name]["components"].shape[1:]

    def parameters(self, matrix: int) -> dict[str, object]:
        """Return the case a matrix was simulated from."""
        path, name = self._groups[matrix]
        with readable(path, f"/{name}"):
            return case_of(self._file(path)[name])

    def n_frequencies(self, matrix: int) -> int:
        """Return the number of frequencies of the complete spectrum of a matrix."""
        return simulation_of(self.parameters(matrix)).sequence.n_frequencies

    def mixing_orders(self, matrix: int) -> np.ndarray:
        """Return the mixing orders of the complete spectrum of a matrix, int64 (K, 3)."""
        return mixing_orders(simulation_of(self.parameters(matrix)).sequence)

    def frequencies(self) -> np.ndarray:
        """Return the frequency bins of all components kept of all matrices, ascending."""
        return np.unique(np.concatenate([index["frequency"] for index in self.index]))

    def read(self, matrix: int, component: int) -> Component:
        """Read one component by the indices of its matrix and within the matrix."""
        index = self.index[matrix]
        return Component(
            matrix=self._groups[matrix][1],
            channel=int(index["channel"][component]),
            frequency=int(index["frequency"][component]),
            mixing_order=tuple(index["mixing_order"][component].tolist()),
            image=self.components[matrix][component].astype(np.complex64),
        )

    def find(self, matrix: int, mixing_order: tuple[int, int, int], channel: int) -> int | None:
        """Return the index of the component of a mixing order and channel, None if not kept."""
        index = self.index[matrix]
        hits = np.flatnonzero(
            (index["channel"] == channel) & (index["mixing_order"] == mixing_order).all(axis=1)
        )
        return int(hits[0]) if hits.size else None


def case_of(group: h5py.Group) -> dict[str, object]:
    """Return the case that the attributes of a group hold."""
    return {k: v.tolist() if hasattr(v, "tolist") else v for k, v in group.attrs.items()}


def verify_store(path: str | Path) -> None:
    """Read a whole store back and check shapes, finite values and normalization.

    Raises
    ------
    InputError
        Naming the file and the group at fault.
    """
    store = SystemMatrixStore([path])
    for matrix, (_, name) in enumerate(store._groups):
        group = store._file(Path(path))[name]
        components, norm = store.components[matrix], group["norm"][()]
        counts = {len(components), *(group[k].shape[0] for k in ("channel", "frequency", "norm"))}
        if len(counts) != 1 or store.shape(matrix) != tuple(group.attrs["size"]):
            fault = "shapes disagree"
        elif not np.isfinite(norm).all() or not (norm > 0).all():
            fault = "norms are not finite and positive"
        else:
            decimals = store._file(Path(path)).attrs.get("decimals", 6)
            fault = _fault_of_images(components, 2 * 10.0**-decimals)
        if fault:
            raise InputError(fault, path=path, field=name, remedy="delete the file, simulate again")


def _fault_of_images(components: np.ndarray | h5py.Dataset, tolerance: float) -> str | None:
    for rows in image_slices(components.shape, components.dtype):
        peaks = np.abs(components[rows]).max(axis=(1, 2, 3))
        if not np.isfinite(peaks).all():
            return "values are not finite"
        if not np.allclose(peaks, 1, atol=tolerance):
            return "components are not normalized to a largest magnitude of 1"
    return None
