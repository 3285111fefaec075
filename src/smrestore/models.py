"""Trained models on disk: weights as safetensors with a card beside them."""

import json
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import nn

from smrestore.errors import InputError
from smrestore.files import atomic_path, provenance
from smrestore.networks import build_network

CARD = "card.json"


def save_model(network: nn.Module, card: dict[str, object], path: str | Path) -> None:
    """Write weights to ``path`` and the card to ``card.json`` in the same folder."""
    weights = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(weights, temporary)
    with atomic_path(Path(path).parent / CARD) as temporary:
        temporary.write_text(json.dumps({**card, **provenance()}, indent=1) + "\n")


def load_model(path: str | Path) -> tuple[nn.Module, dict[str, object]]:
    """Return the network, ready for inference on the CPU, and its card.

    Raises
    ------
    InputError
        If a file is missing or the weights belong to another architecture.
    """
    path = Path(path)
    try:
        card = json.loads((path.parent / CARD).read_text())
        weights = load_file(path)
    except FileNotFoundError as error:
        raise InputError(
            "no such file", path=error.filename or path, remedy="train the model"
        ) from None
    settings = card["settings"]
    sizes = dict(settings["network"])
    network = build_network(sizes.pop("name"), settings["dimension"], **sizes)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(
            f"weights do not fit the card's network {settings['network']} ({error})",
            path=path,
            remedy="keep weights and card of one training together",
        ) from None
    return network.eval(), card
