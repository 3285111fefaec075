"""Random generators that depend on what is drawn, never on who draws it or when."""

import hashlib

import numpy as np


def derived_seed(seed: int, *keys: str | int) -> int:
    """Return a 64-bit seed for the item named by ``keys`` under the global ``seed``."""
    text = "\x1f".join([str(int(seed)), *(str(key) for key in keys)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def generator(seed: int, *keys: str | int) -> np.random.Generator:
    """Return the generator of one item, for example ``generator(seed, "parameters", "train", 7)``.

    The same seed and keys give the same numbers in any process, whatever the number of workers.
    """
    return np.random.default_rng(derived_seed(seed, *keys))
