"""Parameters, speed and memory of every network, at published and at small sizes.

    python benchmarks/networks.py               # some minutes on two idle cores
    python benchmarks/networks.py --small       # small sizes only
    python benchmarks/networks.py rdn swinir    # these networks only

Speed is that of this machine's CPU with all its threads and single precision: samples per second of
a training step (forward, backward, Adam) and of restoration, in 2D for batches of 8 samples of
32 x 32 voxels, in 3D of 2 samples of 16 x 16 x 16; super-resolution restores grids of these sizes.
Memory is what each further sample of a batch adds to a training step, and the same per voxel, from
which that of other grids follows: what a machine has left, divided by it, is the batch size.
"""

import argparse
import time
from collections.abc import Callable

import pandas as pd
import torch
from tqdm import tqdm

from smrestore.networks import NETWORKS, Network, build_network
from smrestore.networks.cost import bytes_per_sample

PATCHES = {2: (32, 32), 3: (16, 16, 16)}
BATCHES = {2: 8, 3: 2}
SECONDS = 1.5
"""A measurement goes on for this long at least."""

SMALL = [
    ("dncnn", "small", (2, 3), {"features": 16, "depth": 6}),
    ("dncnn", "default run", (2,), {"features": 32, "depth": 8}),
    ("rdn", "small", (2, 3), {"features": 16, "growth": 8, "blocks": 3, "layers": 3}),
    ("swinir", "small", (2,), {"features": 24, "depths": [2, 2], "heads": 2}),
    ("smrnet", "small", (2, 3), {"features": 16, "blocks": 1, "growth": 8}),
    ("pconv-unet", "small", (2, 3), {"channels": [8, 16, 32]}),
    ("unet", "small", (2, 3), {"channels": [8, 16, 32], "blocks": 1}),
]
LARGE = [
    ("dncnn", "published", (2, 3), {}),
    ("rdn", "middle", (2, 3), {"blocks": 8, "layers": 6, "growth": 32}),
    (
        "rdn",
        "middle, checkpoint",
        (2, 3),
        {"blocks": 8, "layers": 6, "growth": 32, "checkpoint": True},
    ),
    ("rdn", "published", (2, 3), {}),
    ("swinir", "lightweight", (2,), {"features": 60, "depths": [6] * 4}),
    ("swinir", "published", (2,), {}),
    ("swinir", "published, checkpoint", (2,), {"checkpoint": True}),
    ("smrnet", "published, x2", (2, 3), {}),
    ("smrnet", "published, x4", (2, 3), {"factor": 4}),
    ("pconv-unet", "left out", (2, 3), {}),
    ("unet", "left out", (2, 3), {}),
]


def rate(step: Callable[[], object], batch: int) -> float:
    """Return samples per second, after a first step that counts only if it is slow."""
    start = time.perf_counter()
    step()
    first = time.perf_counter() - start
    if first > SECONDS:
        return batch / first
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        step()
        count += 1
    return count * batch / (time.perf_counter() - start)


def speeds(network: Network, grid: tuple[int, ...], batch: int) -> tuple[float, float]:
    """Return samples per second of training and of restoration."""
    torch.manual_seed(0)
    image, mask = torch.randn(batch, 2, *grid), torch.ones(batch, 1, *grid)
    sigma = torch.full((batch,), 0.1)
    if len(grid) == 2:
        network.to(memory_format=torch.channels_last)
        image = image.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)

    def train() -> None:
        optimizer.zero_grad()
        network(image, mask, sigma).abs().mean().backward()
        optimizer.step()

    @torch.inference_mode()
    def restore() -> None:
        network(image, mask, sigma)

    training = rate(train, batch)
    network.eval()
    return training, rate(restore, batch)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="small sizes only")
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="all if left out")
    arguments = parser.parse_args()
    unknown = set(arguments.networks) - NETWORKS.keys()
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(NETWORKS)}")
    cases = [
        (name, size, dimension, sizes)
        for name, size, dimensions, sizes in (SMALL if arguments.small else SMALL + LARGE)
        for dimension in dimensions
        if name in (arguments.networks or NETWORKS)
    ]
    rows = []
    for name, size, dimension, sizes in tqdm(cases, unit="network", disable=None):
        network = build_network(name, dimension, **sizes)
        grid = tuple(n // network.factor for n in PATCHES[dimension])
        memory = bytes_per_sample(network, grid)
        training, restoring = speeds(network, grid, BATCHES[dimension])
        voxels = torch.Size(PATCHES[dimension]).numel()
        rows.append(
            {
                "network": name,
                "size": size,
                "dim.": dimension,
                "parameters": f"{sum(p.numel() for p in network.parameters()):,}",
                "training, samples/s": f"{training:.3g}",
                "restoring, samples/s": f"{restoring:.3g}",
                "MiB/sample": f"{memory / 2**20:.3g}",
                "KiB/voxel": f"{memory / 2**10 / voxels:.3g}",
            }
        )
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
