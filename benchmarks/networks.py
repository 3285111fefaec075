"""Parameters, speed and memory of every network, at published and at small sizes.

    python benchmarks/networks.py               # some minutes on two idle cores
    python benchmarks/networks.py --small       # small sizes only
    python benchmarks/networks.py rdn swinir    # these networks only
    python benchmarks/networks.py --accelerator gpu

Speed is in samples per second of a training step (forward, backward, Adam) and of restoration, with
all threads of a CPU in single precision or on a GPU in mixed precision (bf16). Super-resolution
restores grids of the sizes printed. Memory is what each further sample of a batch adds to a
training step in single precision, and the same per voxel, from which that of other grids follows:
what a machine has left, divided by it, is the batch size. On a GPU, what was allocated at the most
stands beside it.
"""

import argparse
import time
from collections.abc import Callable

import pandas as pd
import torch
from tqdm import tqdm

from smrestore.networks import NETWORKS, build_network
from smrestore.networks.base import Network
from smrestore.networks.cost import bytes_per_sample
from smrestore.training.device import choose_accelerator

PATCHES = {"cpu": {2: (32, 32), 3: (16, 16, 16)}, "cuda": {2: (64, 64), 3: (40, 40, 40)}}
BATCHES = {"cpu": {2: 8, 3: 2}, "cuda": {2: 16, 3: 4}}
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
    ("pconv-unet", "all settings left out", (2, 3), {}),
    ("unet", "all settings left out", (2, 3), {}),
]


def wait(device: torch.device) -> float:
    """Return the time in s, when a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def rate(step: Callable[[], object], batch: int, device: torch.device) -> float:
    """Return samples per second, after a first step that counts only if it is slow."""
    start = wait(device)
    step()
    first = wait(device) - start
    if first > SECONDS and device.type == "cpu":
        return batch / first
    count, start = 0, wait(device)
    while (used := wait(device) - start) < SECONDS:
        for _ in range(1 if device.type == "cpu" else 5):
            step()
            count += 1
    return count * batch / used


class Case:
    """A network with a batch of random numbers on a device."""

    def __init__(
        self, network: Network, grid: tuple[int, ...], batch: int, device: torch.device
    ) -> None:
        torch.manual_seed(0)
        form = torch.channels_last if len(grid) == 2 else torch.contiguous_format
        self.network = network.to(device, memory_format=form)
        self.batch, self.device = batch, device
        self.inputs = (
            torch.randn(batch, 2, *grid, device=device).to(memory_format=form),
            torch.ones(batch, 1, *grid, device=device),
            torch.full((batch,), 0.1, device=device),
        )
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-4)
        self.mixed = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")

    def train(self, count: int | None = None) -> None:
        """Take a training step with the first samples."""
        self.optimizer.zero_grad()
        with self.mixed:
            restored = self.network(*(tensor[:count] for tensor in self.inputs))
        restored.float().abs().mean().backward()
        self.optimizer.step()

    @torch.inference_mode()
    def restore(self) -> None:
        """Restore the samples."""
        with self.mixed:
            self.network(*self.inputs)

    def speeds(self) -> tuple[float, float]:
        """Return samples per second of training and of restoration."""
        self.network.train()
        training = rate(self.train, self.batch, self.device)
        self.network.eval()
        return training, rate(self.restore, self.batch, self.device)

    def allocated_per_sample(self) -> float:
        """Return the bytes that each further sample adds to the most that a GPU has allocated."""
        self.network.train()
        peaks = []
        for count in (self.batch // 2, self.batch):
            self.train(count)
            torch.cuda.reset_peak_memory_stats()
            self.train(count)
            peaks.append(torch.cuda.max_memory_allocated())
        return (peaks[1] - peaks[0]) / (self.batch - self.batch // 2)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="small sizes only")
    parser.add_argument("--large", action="store_true", help="large sizes only")
    parser.add_argument("--accelerator", choices=("auto", "gpu", "cpu"), default="cpu")
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="all if left out")
    arguments = parser.parse_args()
    unknown = set(arguments.networks) - NETWORKS.keys()
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(NETWORKS)}")
    chosen = [
        *([] if arguments.large else SMALL),
        *([] if arguments.small else LARGE),
    ]
    cases = [
        (name, size, dimension, sizes)
        for name, size, dimensions, sizes in chosen
        for dimension in dimensions
        if name in (arguments.networks or NETWORKS)
    ]
    device = torch.device("cuda" if choose_accelerator(arguments.accelerator) == "gpu" else "cpu")
    torch.backends.cudnn.benchmark = True
    rows = []
    for name, size, dimension, sizes in tqdm(cases, unit="network", disable=None):
        network = build_network(name, dimension, **sizes)
        patch, batch = PATCHES[device.type][dimension], BATCHES[device.type][dimension]
        grid = tuple(n // network.factor for n in patch)
        memory = bytes_per_sample(network, grid)
        case = Case(network, grid, batch, device)
        training, restoring = case.speeds()
        row = {
            "network": name,
            "size": size,
            "grid": " x ".join(map(str, patch)),
            "parameters": f"{sum(p.numel() for p in network.parameters()):,}",
            "training, samples/s": f"{training:.3g}",
            "restoring, samples/s": f"{restoring:.3g}",
            "MiB/sample": f"{memory / 2**20:.3g}",
            "KiB/voxel": f"{memory / 2**10 / torch.Size(patch).numel():.3g}",
        }
        if device.type == "cuda":
            row["allocated, MiB/sample"] = f"{case.allocated_per_sample() / 2**20:.3g}"
            del case, network
            torch.cuda.empty_cache()
        rows.append(row)
    place = f"{torch.get_num_threads()} threads"
    if device.type == "cuda":
        place = f"{torch.cuda.get_device_name()}, bf16"
    print(f"torch {torch.__version__}, {place}, batches of {BATCHES[device.type]}")
    print(pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
