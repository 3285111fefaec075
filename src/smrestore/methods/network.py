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
from smrestore.padding import centered_offset, embed, extract, window
from smrestore.phase import phase_factor

BATCH = 64


@dataclass
class NetworkMethod:
    """A network as a restoration method; calls are batched by patch size.

    Components are padded to the patch that the network was trained with, in the middle; grids
    beyond it run at their own size.
    """

    network: nn.Module
    dimension: int
    patch: int
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
        if task is not None and card["task"] != task:
            raise InputError(
                f"the network was trained for {card['task']}, not for {task}",
                path=path,
                field="task",
                remedy=f"give a network for {task}",
            )
        settings = card["settings"]
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(
            network.to(device),
            settings["dimension"],
            settings["patch"],
            settings["phase"] == "canonical",
        )

    def __call__(self, batch: Sequence[Degraded]) -> list[np.ndarray]:
        """Restore components; see :mod:`smrestore.methods`.

        Raises
        ------
        InputError
            If a network for planes is given volumes.
        """
        patches: dict[tuple[int, ...], list[int]] = {}
        for i, item in enumerate(batch):
            if max(item.image.shape[self.dimension :], default=1) > 1:
                raise InputError(
                    f"the network restores planes, the grid has {item.image.shape} voxels",
                    field="dimension",
                    remedy="give a 3D network, or a calibration scan of one plane",
                )
            size = item.image.shape[: self.dimension]
            patches.setdefault(tuple(max(n, self.patch) for n in size), []).append(i)
        restored: list[np.ndarray] = [np.empty(0)] * len(batch)
        for patch, members in patches.items():
            for start in range(0, len(members), BATCH):
                part = members[start : start + BATCH]
                for i, image in zip(part, self._restore(batch, part, patch), strict=True):
                    restored[i] = image
        return restored

    @torch.inference_mode()
    def _restore(
        self, batch: Sequence[Degraded], members: list[int], patch: tuple[int, ...]
    ) -> list[np.ndarray]:
        inputs = np.zeros((len(members), 2, *patch), dtype=np.float32)
        valid = np.zeros((len(members), 1, *patch), dtype=np.float32)
        places, turns = [], []
        for row, i in enumerate(members):
            image = batch[i].image
            size = image.shape[: self.dimension]
            turn = phase_factor(image) if self.canonical else 1.0
            place = window(size, centered_offset(size, patch))
            inputs[row] = embed((image / turn).reshape(size), patch, place)
            valid[(row, 0, *place)] = 1
            places.append(place)
            turns.append(turn)
        device = next(self.network.parameters()).device
        outputs = self.network(
            torch.from_numpy(inputs).to(device), torch.from_numpy(valid).to(device)
        )
        outputs = outputs.float().cpu().numpy()
        return [
            (extract(output, place) * turn).reshape(batch[i].image.shape).astype(np.complex64)
            for output, place, turn, i in zip(outputs, places, turns, members, strict=True)
        ]
