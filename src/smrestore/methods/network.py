"""Restoration by a trained network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from smrestore.degradation import Degraded
from smrestore.errors import InputError
from smrestore.models import load_model
from smrestore.padding import centered_offset, embed, extract, indicator, refined, window
from smrestore.phase import phase_factor
from smrestore.tasks import make_task

BATCH = 64


@dataclass
class NetworkMethod:
    """A network as a restoration method; calls are batched by patch size.

    Components are padded to the patch that the network was trained with, in the middle; grids
    beyond it run at their own size. ``patch`` is its side in measured voxels, each of which stands
    for ``spacing`` restored ones along each axis.
    """

    network: nn.Module
    dimension: int
    patch: int
    spacing: int
    canonical: bool

    @classmethod
    def load(cls, path: str | Path, task: str | None = None) -> "NetworkMethod":
        """Load ``weights.safetensors`` with its card, onto the GPU if there is one.

        Raises
        ------
        InputError
            If the model cannot be loaded, or was trained for another task than the one given.
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
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(
            network.to(device),
            settings["dimension"],
            settings["patch"] // spacing,
            spacing,
            settings["phase"] == "canonical",
        )

    def __call__(self, batch: Sequence[Degraded]) -> list[np.ndarray]:
        """Restore components; see :mod:`smrestore.methods`.

        Raises
        ------
        InputError
            If a network for planes is given volumes, or one for another spacing of the voxels.
        """
        patches: dict[tuple[int, ...], list[int]] = {}
        for i, item in enumerate(batch):
            self._check(item)
            size = item.image.shape[: self.dimension]
            patches.setdefault(tuple(max(n, self.patch) for n in size), []).append(i)
        restored: list[np.ndarray] = [np.empty(0)] * len(batch)
        for patch, members in patches.items():
            for start in range(0, len(members), BATCH):
                part = members[start : start + BATCH]
                images = self._restore([batch[i] for i in part], patch)
                for i, image in zip(part, images, strict=True):
                    restored[i] = image
        return restored

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
    def _restore(self, items: Sequence[Degraded], patch: tuple[int, ...]) -> list[np.ndarray]:
        inputs, masks, places, turns = [], [], [], []
        for item in items:
            size = item.image.shape[: self.dimension]
            place = window(size, centered_offset(size, patch))
            turn = phase_factor(item.image) if self.canonical else 1.0
            known = True if item.missing is None else ~item.missing.reshape(size)
            inputs.append(embed((item.image / turn).reshape(size), patch, place))
            masks.append(indicator(patch, place, known))
            places.append(refined(place, self.spacing, item.restored_size[: self.dimension]))
            turns.append(turn)
        device = next(self.network.parameters()).device
        sigma = np.array([item.sigma for item in items], dtype=np.float32)
        outputs = self.network(
            *(torch.from_numpy(a).to(device) for a in (np.stack(inputs), np.stack(masks), sigma))
        )
        return [
            (extract(output, place) * turn).reshape(item.restored_size).astype(np.complex64)
            for output, place, turn, item in zip(
                outputs.float().cpu().numpy(), places, turns, items, strict=True
            )
        ]
