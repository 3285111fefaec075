"""Restoration by a trained network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import combinations, product
from pathlib import Path

import numpy as np
import torch
from torch import nn

from smrestore.methods.consistency import spectrum_within_noise, within_noise
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


@dataclass(frozen=True)
class _Part:
    """A component or a tile of it, and its place.

    Attributes
    ----------
    item
        Number of the component.
    image, known
        Measured values, complex64 (*size), and which of them were measured.
    place, restored
        Their place on the patch of measured voxels, and on that of restored ones.
    target
        Place of the restored ones on the restored grid.
    """

    item: int
    image: np.ndarray
    known: np.ndarray | bool
    place: tuple[slice, ...]
    restored: tuple[slice, ...]
    target: tuple[slice, ...]


@dataclass
class NetworkMethod:
    """A network as a restoration method. Parts with patches of one size form a batch.

    Components are put into the middle of the patch that the network was trained with. Larger grids
    are restored at their own size, or in tiles. ``patch`` is the side of the patch in measured
    voxels, each of which stands for ``spacing`` restored ones along each axis. If the network
    refines a ``guess`` on the restored grid, it is the side in restored voxels. ``flips`` tells
    whether the network was trained with mirrored components.
    """

    network: nn.Module
    dimension: int
    patch: int
    spacing: int
    canonical: bool
    inference: Inference = field(default_factory=Inference)
    flips: bool = False
    guess: FirstGuess | None = None

    def __post_init__(self) -> None:
        if "flips" in self.inference.ensemble and (not self.flips or self.spacing > 1):
            raise InputError(
                "the network was not trained with mirrored components"
                if self.spacing == 1
                else "mirrored grids of measured voxels do not cover the same restored voxels",
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
        )

    def __call__(self, batch: Sequence[Degraded]) -> list[np.ndarray]:
        """Restore components; see :mod:`smrestore.methods`.

        Raises
        ------
        InputError
            If the network is for planes and gets volumes, or for another spacing of voxels.
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
        sums = [np.zeros(i.restored_size[: self.dimension], np.complex64) for i in batch]
        weights = [np.zeros(total.shape, np.float32) for total in sums]
        device = next(self.network.parameters()).device.type
        sigma = np.array([item.sigma for item in batch], dtype=np.float32)
        for patch, parts in patches.items():
            size = max(1, VOXELS.get(device, VOXELS["cpu"]) // int(np.prod(patch)))
            for part, image in self._restore(parts, patch, sigma, size):
                if image.shape == sums[part.item].shape:
                    sums[part.item], weights[part.item][:] = image, 1
                    continue
                # A weight that falls towards the edges of a tile hides the seams.
                weight = reduce(np.multiply.outer, [_ramp(n) for n in image.shape])
                sums[part.item][part.target] += weight * image
                weights[part.item][part.target] += weight
        images = [
            (total / weight * turn).reshape(item.restored_size).astype(np.complex64)
            for total, weight, turn, item in zip(sums, weights, turns, batch, strict=True)
        ]
        for limited, limit in (
            (within_noise, self.inference.within_noise),
            (spectrum_within_noise, self.inference.spectrum_within_noise),
        ):
            if limit is not None:
                images = [limited(*pair, limit) for pair in zip(images, measured, strict=True)]
        return images

    def _parts(
        self, number: int, item: Degraded, turn: complex
    ) -> Iterator[tuple[tuple[int, ...], _Part]]:
        """Yield a component as a whole or in tiles, each with its patch size."""
        size = item.image.shape[: self.dimension]
        whole = item.restored_size[: self.dimension]
        image = (item.image / turn).reshape(size)
        known = None if item.missing is None else ~item.missing.reshape(size)
        if self.inference.tile:
            tiles = product(*(_starts(n, self.patch) for n in size))
            shape = tuple(min(n, self.patch) for n in size)
        else:
            tiles, shape = [(0,) * len(size)], size
        patch = tuple(max(n, self.patch) for n in shape)
        place = window(shape, centered_offset(shape, patch))
        for tile in tiles:
            source = window(shape, tile)
            start = [item.spacing * first for first in tile]
            ends = [
                min(first + item.spacing * n, end)
                for first, n, end in zip(start, shape, whole, strict=True)
            ]
            target = tuple(slice(a, b) for a, b in zip(start, ends, strict=True))
            restored = refined(place, item.spacing, tuple(s.stop - s.start for s in target))
            part = _Part(
                number,
                image[source],
                True if known is None else known[source],
                place,
                restored,
                target,
            )
            yield patch, part

    def _check(self, item: Degraded) -> None:
        if max(item.image.shape[self.dimension :], default=1) > 1:
            raise InputError(
                f"the network restores planes, the grid has {item.image.shape} voxels",
                field="dimension",
                remedy="give a 3D network, or a calibration scan of one plane",
            )
        if item.spacing != self.spacing:
            raise InputError(
                f"the network was trained for {self.spacing} restored voxels per measured one and "
                f"axis, not for {item.spacing}",
                field="factor",
                remedy=f"give a network of factor {item.spacing}",
            )

    @torch.inference_mode()
    def _restore(
        self, parts: Sequence[_Part], patch: tuple[int, ...], sigma: np.ndarray, size: int
    ) -> Iterator[tuple[_Part, np.ndarray]]:
        """Yield each part with its restored image, at most ``size`` of them at a time."""
        start = 0
        while start < len(parts):
            chosen = parts[start : start + size]
            try:
                outputs = self._apply(
                    np.stack([embed(part.image, patch, part.place) for part in chosen]),
                    np.stack([indicator(patch, part.place, part.known) for part in chosen]),
                    sigma[[part.item for part in chosen]],
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
