"""Restoration by a trained network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import combinations, product
from pathlib import Path

import numpy as np
import torch
from torch import nn

from smrestore.methods.consistency import (
    power_within_noise,
    spectrum_within_noise,
    within_noise,
)
from smrestore.methods.guess import FirstGuess
from smrestore.methods.options import Inference
from smrestore.methods.padding import centered_offset, embed, extract, indicator, refined, window
from smrestore.methods.phase import phase_factor
from smrestore.networks.weights import load_model
from smrestore.support.allocation import keep_freed_memory
from smrestore.support.errors import InputError
from smrestore.tasks import make_task
from smrestore.tasks.degradation import Degraded

VOXELS = {"cpu": 2**16, "cuda": 2**20}
"""Voxels in a batch on a CPU: 64 patches of 32 x 32, or one of 40 x 40 x 40."""
OVERLAP = 4
"""Tiles overlap by this fraction of the patch."""
LEAST_SIDE = 4
"""Voxels along the sides of a plane that is worth restoring; smaller grids are not in table 1."""


@dataclass(frozen=True)
class _Part:
    """A component, or a plane or a tile of it, and its place.

    Attributes
    ----------
    item
        Number of the component.
    image, known
        Measured values, complex64 (*size), and which of them were measured.
    sigma
        Standard deviation of their complex noise.
    factor
        What the values were divided by.
    place, restored
        Their place on the patch of measured voxels, and on that of restored ones.
    target
        Place of the restored ones on the restored grid, along x, y and z.
    weight
        Of the restored values, where parts overlap; (*size) or a number.
    """

    item: int
    image: np.ndarray
    known: np.ndarray | bool
    sigma: float
    factor: float
    place: tuple[slice, ...]
    restored: tuple[slice, ...]
    target: tuple[slice | int, ...]
    weight: np.ndarray | float


@dataclass
class NetworkMethod:
    """A network as a restoration method. Parts with patches of one size form a batch.

    Components are put into the middle of the patch that the network was trained with, unless it is
    not ``padded``: then its result does not depend on what surrounds a component, and nothing does.
    Larger grids are restored at their own size, or in tiles. ``patch`` is the side of the patch in
    measured voxels, each of which stands for ``spacing`` restored ones along each axis. If the
    network refines a ``guess`` on the restored grid, it is the side in restored voxels. ``flips``
    tells whether the network was trained with mirrored components. ``weights`` are named in errors.

    A network for planes denoises volumes plane by plane, across each axis. The results are
    averaged. Their errors differ, since each plane through a voxel has other noise around it.
    """

    network: nn.Module
    dimension: int
    patch: int
    spacing: int
    canonical: bool
    inference: Inference = field(default_factory=Inference)
    flips: bool = False
    guess: FirstGuess | None = None
    padded: bool = True
    weights: Path | None = None

    def __post_init__(self) -> None:
        if "flips" in self.inference.ensemble and (not self.flips or self.spacing > 1):
            raise InputError(
                "the network was not trained with mirrored components"
                if self.spacing == 1
                else "mirrored grids of measured voxels do not cover the same restored voxels",
                path=self.weights,
                field="ensemble",
                remedy="leave flips out",
            )

    @classmethod
    def load(
        cls, path: str | Path, task: str | None = None, inference: Inference | None = None
    ) -> "NetworkMethod":
        """Load ``weights.safetensors`` and its card, onto the GPU if there is one.

        Raises
        ------
        InputError
            If the model cannot be loaded, was trained for another task than the given one, or
            cannot be used in the demanded way.
        """
        network, card = load_model(path)
        settings = card["settings"]
        if task is not None and settings["task"] != task:
            raise InputError(
                f"the network was trained for {settings['task']}, not for {task}",
                path=path,
                field="task",
                remedy=f"give a network for {task}",
            )
        spacing = make_task(settings["task"], settings["degradation"]).spacing
        guess = FirstGuess.of(settings.get("guess"))
        device = "cuda" if torch.cuda.is_available() else "cpu"
        keep_freed_memory()
        return cls(
            network.to(device),
            settings["dimension"],
            settings["patch"] // (1 if guess else spacing),
            spacing,
            settings["phase"] == "canonical",
            inference or Inference(),
            settings.get("flips", False),
            guess,
            padded=not network.mask_features,
            weights=Path(path),
        )

    def __call__(self, batch: Sequence[Degraded]) -> list[np.ndarray]:
        """Restore components; see :mod:`smrestore.methods`.

        Raises
        ------
        InputError
            If the network is for another spacing of voxels, for volumes and gets a plane, or for
            planes and gets volumes with voxels that were not measured.
        """
        for item in batch:
            self._check(item)
        measured = batch
        if self.guess is not None:
            batch = self.guess(batch)
        turns = [phase_factor(item.image) if self.canonical else 1.0 for item in batch]
        patches: dict[tuple[int, ...], list[_Part]] = {}
        for i, (item, turn) in enumerate(zip(batch, turns, strict=True)):
            for patch, part in self._parts(i, item, turn):
                patches.setdefault(patch, []).append(part)
        sums = [np.zeros(item.restored_size, np.complex64) for item in batch]
        weights = [np.zeros(total.shape, np.float32) for total in sums]
        device = next(self.network.parameters()).device.type
        for patch, parts in patches.items():
            size = max(1, VOXELS.get(device, VOXELS["cpu"]) // int(np.prod(patch)))
            for part, image in self._restore(parts, patch, size):
                sums[part.item][part.target] += part.weight * part.factor * image
                weights[part.item][part.target] += part.weight
        images = [
            (total / weight * turn).astype(np.complex64)
            for total, weight, turn in zip(sums, weights, turns, strict=True)
        ]
        for limited, limit in (
            (power_within_noise, self.inference.power_within_noise),
            (within_noise, self.inference.within_noise),
            (spectrum_within_noise, self.inference.spectrum_within_noise),
        ):
            if limit is not None:
                images = [limited(*pair, limit) for pair in zip(images, measured, strict=True)]
        return images

    def _parts(
        self, number: int, item: Degraded, turn: complex
    ) -> Iterator[tuple[tuple[int, ...], _Part]]:
        """Yield a component as a whole, in planes or in tiles, each with its patch size."""
        known = None if item.missing is None else ~item.missing
        for cut in _cuts(item.image.shape, self.dimension):
            image = item.image[cut] / turn
            # Networks expect a largest magnitude of 1, which the whole component has.
            factor = float(np.abs(image).max()) if image.size < item.image.size else 1.0
            if factor == 0:
                factor = 1.0
            size = image.shape
            whole = [n for n, i in zip(item.restored_size, cut, strict=True) if i == slice(None)]
            tiles, shape = [(0,) * len(size)], size
            if self.inference.tile:
                tiles = list(product(*(_starts(n, self.patch) for n in size)))
                shape = tuple(min(n, self.patch) for n in size)
            patch = tuple(max(n, self.patch) for n in shape) if self.padded else shape
            place = window(shape, centered_offset(shape, patch))
            for tile in tiles:
                source = window(shape, tile)
                start = [item.spacing * first for first in tile]
                ends = [
                    min(first + item.spacing * n, end)
                    for first, n, end in zip(start, shape, whole, strict=True)
                ]
                target = [slice(a, b) for a, b in zip(start, ends, strict=True)]
                sides = tuple(s.stop - s.start for s in target)
                axes = iter(target)
                part = _Part(
                    number,
                    image[source] / factor,
                    True if known is None else known[cut][source],
                    item.sigma / factor,
                    factor,
                    place,
                    refined(place, item.spacing, sides),
                    tuple(next(axes) if i == slice(None) else i for i in cut),
                    # A weight that falls towards the edges of a tile hides the seams.
                    reduce(np.multiply.outer, map(_ramp, sides)) if len(tiles) > 1 else 1.0,
                )
                yield patch, part

    def _check(self, item: Degraded) -> None:
        volume = max(item.image.shape[self.dimension :], default=1) > 1
        if volume and (item.restored_size != item.image.shape or item.missing is not None):
            raise InputError(
                "the network restores planes, and volumes only by denoising; the grid has "
                f"{item.image.shape} voxels",
                path=self.weights,
                field="dimension",
                remedy="give a 3D network, or a calibration scan of one plane",
            )
        if self.dimension == 3 and min(item.image.shape) == 1:
            raise InputError(
                f"the network restores volumes, and the grid has {item.image.shape} voxels",
                path=self.weights,
                field="dimension",
                remedy="give a network for planes",
            )
        if item.spacing != self.spacing:
            raise InputError(
                f"the network was trained for {self.spacing} restored voxels per measured one and "
                f"axis, not for {item.spacing}",
                path=self.weights,
                field="factor",
                remedy=f"give a network of factor {item.spacing}",
            )

    @torch.inference_mode()
    def _restore(
        self, parts: Sequence[_Part], patch: tuple[int, ...], size: int
    ) -> Iterator[tuple[_Part, np.ndarray]]:
        """Yield each part with its restored image, at most ``size`` of them at a time."""
        start = 0
        while start < len(parts):
            chosen = parts[start : start + size]
            try:
                outputs = self._apply(
                    np.stack([embed(part.image, patch, part.place) for part in chosen]),
                    np.stack([indicator(patch, part.place, part.known) for part in chosen]),
                    np.array([part.sigma for part in chosen], dtype=np.float32),
                )
            except torch.OutOfMemoryError:
                if size == 1:
                    raise InputError(
                        f"the memory of the GPU does not hold a grid of {patch}",
                        field="tile",
                        remedy="restore in tiles",
                    ) from None
                size = max(1, size // 2)
                continue
            for part, output in zip(chosen, outputs, strict=True):
                yield part, extract(output, part.restored)
            start += len(chosen)

    def _apply(self, images: np.ndarray, masks: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        """Return the outputs of the network, float32 (B, 2, *grid), averaged over the ensemble."""
        device = next(self.network.parameters()).device
        image, mask, noise = (torch.from_numpy(a).to(device) for a in (images, masks, sigma))
        quarters, flips = [0], [()]
        if "phases" in self.inference.ensemble:
            quarters = [0, 2] if self.canonical else [0, 1, 2, 3]
        if "flips" in self.inference.ensemble:
            axes = range(2, 2 + self.dimension)
            flips = [c for n in range(self.dimension + 1) for c in combinations(axes, n)]
        outputs = [
            _turn(self.network(_turn(image, q).flip(axes), mask.flip(axes), noise), -q).flip(axes)
            for q in quarters
            for axes in flips
        ]
        return torch.stack([o.float() for o in outputs]).mean(0).cpu().numpy()


def _turn(channels: torch.Tensor, quarters: int) -> torch.Tensor:
    """Multiply complex images (B, 2, *grid) by i ** quarters, without rounding."""
    real, imaginary = channels[:, :1], channels[:, 1:]
    turned = {
        0: (real, imaginary),
        1: (-imaginary, real),
        2: (-real, -imaginary),
        3: (imaginary, -real),
    }
    return channels if quarters % 4 == 0 else torch.cat(turned[quarters % 4], dim=1)


def _cuts(size: tuple[int, ...], dimension: int) -> list[tuple[slice | int, ...]]:
    """Return the parts of a grid that a network of a dimension can restore, as indices.

    A plane network gets the planes across each axis, but for those with a side that is too small.
    """
    if dimension == 3:
        return [(slice(None),) * 3]
    if size[2] == 1:
        return [(slice(None), slice(None), 0)]
    axes = [axis for axis in range(3) if min(np.delete(size, axis)) >= LEAST_SIDE]
    axes = axes or [int(np.argmin(size))]
    return [
        tuple(k if axis == across else slice(None) for axis in range(3))
        for across in axes
        for k in range(size[across])
    ]


def _starts(size: int, patch: int) -> list[int]:
    """Return where tiles of the patch start along an axis. They are evenly spread and overlap."""
    if size <= patch:
        return [0]
    stride = max(1, patch - patch // OVERLAP)
    count = -(-(size - patch) // stride) + 1
    return [round(k * (size - patch) / (count - 1)) for k in range(count)]


def _ramp(size: int) -> np.ndarray:
    """Return weights that fall from 1 in the middle of a tile towards its edges."""
    from_edge = np.minimum(np.arange(size), np.arange(size)[::-1])
    return np.minimum(1, (from_edge + 1) / max(1, size // OVERLAP)).astype(np.float32)
