"""All architectures in sizes for tests of what does not depend on the size."""

import torch

from smrestore.networks import build_network

SMALL = {
    "dncnn": {"features": 4, "depth": 4},
    "rdn": {"features": 4, "growth": 4, "blocks": 2, "layers": 2},
    "swinir": {"features": 8, "depths": [2, 1], "heads": 2, "window": 4},
    "smrnet": {"features": 4, "blocks": 1, "growth": 4},
    "pconv-unet": {"channels": [4, 6, 8]},
    "unet": {"channels": [4, 6, 8], "blocks": 1},
}


def small_network(name: str, dimension: int, **sizes) -> torch.nn.Module:
    return build_network(name, dimension, **SMALL[name] | sizes)
