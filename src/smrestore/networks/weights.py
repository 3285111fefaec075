"""Trained models on disk: weights as safetensors, and a card in the same folder."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from smrestore.networks import build_network
from smrestore.networks.cards import CARD, WEIGHTS, check_weights, checksum_key, read_card
from smrestore.networks.shipped import require_torch
from smrestore.support.checksums import remake
from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path, provenance

if TYPE_CHECKING:
    import torch
    from torch import nn


def save_model(network: "nn.Module", card: Mapping[str, object], path: str | Path) -> None:
    """Write the weights of a network to ``path``, and the card with their checksum beside them."""
    checksum = save_weights(network.state_dict(), path)
    save_card({**card, checksum_key(path): checksum}, path)


def save_weights(weights: Mapping[str, "torch.Tensor"], path: str | Path) -> str:
    """Write the state of a network, by name, to ``path``, and return its SHA-256 for the card."""
    from safetensors.torch import save

    weights = {name: tensor.cpu().contiguous() for name, tensor in weights.items()}
    content = save(weights)
    # save_file of the library would make files that only their owner can read.
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def save_card(card: Mapping[str, object], path: str | Path) -> None:
    """Write the card of the weights at ``path`` to ``card.json`` in the same folder."""
    with atomic_path(Path(path).parent / CARD) as temporary:
        temporary.write_text(json.dumps({**card, **provenance()}, indent=1) + "\n")


def load_model(path: str | Path) -> tuple["nn.Module", dict[str, object]]:
    """Return the network, ready for inference on the CPU, and its card.

    Raises
    ------
    InputError
        If a file is missing or damaged, the weights are not those that the card was written for, or
        networks are not installed.
    """
    require_torch()
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = Path(path)
    card = read_card(path)
    try:
        content = path.read_bytes()
        weights = load(content)
        check_weights(content, card, path)
    except FileNotFoundError:
        raise InputError("no such file", path=path, remedy="train the model") from None
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"no readable weights, the file is truncated or damaged ({error})",
            path=path,
            remedy=remake(path, otherwise="train the model again"),
        ) from None
    settings = card["settings"]
    network = build_network(dimension=settings["dimension"], **settings["network"])
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(
            f"weights do not fit the card's network {settings['network']} ({error})",
            path=path,
            remedy="keep weights and card of one training together",
        ) from None
    return network.eval(), card


def list_models(folder: str | Path) -> tuple[list[dict[str, object]], list[str]]:
    """Return a row for each trained model below a folder, and a line for each broken one.

    Raises
    ------
    InputError
        If the folder does not exist, or networks are not installed.
    """
    require_torch()
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("no such folder", path=folder, remedy="give one with trained models")
    rows, broken = [], []
    places = {path.parent for name in (CARD, WEIGHTS) for path in folder.rglob(name)}
    for place in sorted(places):
        try:
            network, card = load_model(place / WEIGHTS)
        except InputError as error:
            broken.append(str(error))
            continue
        settings, metrics = card["settings"], card.get("metrics", {})
        rows.append(
            {
                "model": str(place.relative_to(folder)),
                "task": settings["task"],
                "dimension": settings["dimension"],
                "network": settings["network"]["name"],
                "parameters": sum(p.numel() for p in network.parameters()),
                "trained on": card.get("names", {}).get("dataset", ""),
                "validation PSNR (dB)": metrics.get("validation_psnr_dB"),
                "steps": metrics.get("step"),
                "date": str(card.get("created", ""))[:10],
            }
        )
    return rows, broken
