"""Cards of trained networks, read without PyTorch: what they are for, and how they were trained."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from smrestore.support.checksums import remake
from smrestore.support.errors import InputError

CARD = "card.json"
WEIGHTS = "weights.safetensors"
SETTINGS = ("task", "degradation", "dimension", "network", "phase", "patch")
"""Settings that a card must have, so that the weights can be used."""
SHIPPED = Path(__file__).parents[1] / "weights"
"""Folder of the networks that come with the package."""
DENOISER = "unet-canonical"
"""The best of them for denoising: docs/results.md."""
OTHER_START = "give the experiment the same, or leave start out"
"""What to do about :func:`other_start`."""


def read_card(path: str | Path) -> dict[str, object]:
    """Return the card of the weights at ``path``.

    Raises
    ------
    InputError
        If it is missing, is not JSON, or lacks a setting that is needed to use the weights.
    """
    path = Path(path).parent / CARD
    try:
        card = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(
            "no such file, but weights have their card beside them",
            path=path,
            remedy="train the model, or keep weights and card of one training together",
        ) from None
    except (ValueError, OSError) as error:
        raise InputError(
            f"no readable card ({error})",
            path=path,
            remedy=remake(path, otherwise="train the model again"),
        ) from None
    settings = card.get("settings") if isinstance(card, dict) else None
    for name in SETTINGS:
        if not isinstance(settings, dict) or name not in settings:
            raise InputError(
                "the card lacks it",
                path=path,
                field=f"settings.{name}",
                remedy="train the model again",
            )
    return card


def checksum_key(path: str | Path) -> str:
    """Return under which key a card has the checksum of a file of weights beside it.

    ``sha256`` is that of the weights that a training exports. Its last and best ones lie in the
    same folder and share the card: ``sha256_last`` and ``sha256_best``.
    """
    path = Path(path)
    return "sha256" if path.name == WEIGHTS else f"sha256_{path.stem}"


def check_weights(content: bytes, card: Mapping[str, object], path: str | Path) -> None:
    """Compare the content of weights with the checksum that their card has, if it has one.

    Raises
    ------
    InputError
        If they differ.
    """
    key = checksum_key(path)
    # Weights that were renamed are those that the card was written for.
    key = key if key in card else "sha256"
    if key in card and hashlib.sha256(content).hexdigest() != card[key]:
        again = "train the model again"
        if Path(path).resolve().is_relative_to(SHIPPED):
            again = "install the package again"
        raise InputError(
            "the weights are damaged, or belong to another card: their checksum differs",
            path=path,
            field=key,
            remedy=remake(
                path, otherwise=f"{again}, or keep weights and card of one training together"
            ),
        )


def check_shipped(name: str) -> None:
    """Check that a network that comes with the package is intact, without loading it.

    Raises
    ------
    InputError
        If weights or card are missing or damaged.
    """
    path = shipped_weights(name)
    try:
        check_weights(path.read_bytes(), read_card(path), path)
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})", path=path, remedy="install the package again"
        ) from None


def shipped_names() -> list[str]:
    """Return the names of the networks that come with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{CARD}"))


def shipped_weights(name: str) -> Path:
    """Return the weights of a network that comes with the package.

    Raises
    ------
    InputError
        If there is none of this name, or its file is missing.
    """
    path = SHIPPED / name / WEIGHTS
    if name not in shipped_names():
        raise InputError(
            f"no network {name!r} comes with the package",
            field="model",
            remedy=f"use one of {', '.join(shipped_names()) or 'your own weights'}",
        )
    if not path.is_file():
        raise InputError("no such file", path=path, remedy="install the package again")
    return path


def other_start(name: str, task: str, dimension: int, phase: str, network: str) -> str | None:
    """Return in what a network of the package is another one than wanted, None if it is not.

    ``network`` is the name of its kind. Its options are compared by the weights themselves.
    """
    theirs = read_card(shipped_weights(name))["settings"]
    found = {**theirs, "network": theirs["network"]["name"]}
    own = {"task": task, "dimension": dimension, "phase": phase, "network": network}
    for key, value in own.items():
        if found[key] != value:
            return f"{name!r} of the package has {key} {found[key]}, the experiment {value}"
    return None
