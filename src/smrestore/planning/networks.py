"""How long a network takes on a CPU, from fewer and smaller patches where those of a run take long.

The arithmetic of both is counted, and the time is proportional to it.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from smrestore.networks.base import Network
from smrestore.networks.cost import flops
from smrestore.planning.jobs import cpu_seconds, steady_seconds

FORWARD_FLOPS = 3e10
"""Arithmetic of a batch that is measured, at most about: some tenths of a second."""
SIDES = 8
"""Sides of smaller patches are multiples of this, which windows and most levels divide."""
LEAST = 16
"""Shortest side of a patch that is made smaller."""
SMALL_BATCH = 2
"""Patches of a batch of smaller ones. Of a single small one, PyTorch computes convolutions in
another way, several times as slow, and a norm of its coarsest grid may have a single value."""

Shape = tuple[int, ...]


def reduced(
    network: Network, shape: Sequence[int], most: float, *, training: bool = False
) -> tuple[Shape, float]:
    """Return a batch of at most about ``most`` operations, and those of the whole one over its own.

    Parameters
    ----------
    network
        Any network.
    shape
        Of the whole batch: (B, 2, *grid), before super-resolution.
    most
        Floating-point operations; the smallest patch may need more.
    training
        Whether the backward pass is counted.
    """
    shape = tuple(shape)
    batch, channels, *grid = shape
    whole = flops(network, shape, training=training)
    if whole <= most:
        return shape, 1.0
    count = int(batch * most / whole)
    if count == 0:
        count = SMALL_BATCH
        scale = (most / count * batch / whole) ** (1 / len(grid))
        grid = [min(n, max(LEAST, int(scale * n) // SIDES * SIDES)) for n in grid]
    small = count, channels, *grid
    return small, whole / flops(network, small, training=training)


class StandIn(nn.Module):
    """Takes the place of a network: it returns what it gets, and counts what it was asked for.

    Attributes
    ----------
    asked
        How often a batch of each shape was asked for.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.factor, self.mask_features = network.factor, network.mask_features
        self.asked: Counter[Shape] = Counter()

    def forward(
        self, image: torch.Tensor, mask: torch.Tensor, sigma: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the images, each voxel repeated by super-resolution."""
        self.asked[tuple(image.shape)] += 1
        return (
            image if self.factor == 1 else functional.interpolate(image, scale_factor=self.factor)
        )


class Forwards:
    """Times of restoring batches, each measured once for a kind of network and a shape."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Shape], float] = {}
        self._rates: dict[tuple[str, Shape], float] = {}

    def seconds(self, kind: str, network: Network, shape: Shape) -> float:
        """Return the processor time of a batch; ``kind`` says which networks take the same."""
        if (kind, shape) not in self._known:
            small, ratio = reduced(network, shape, FORWARD_FLOPS)
            if (kind, small) not in self._rates:
                self._rates[kind, small] = _measured(network, small)
            self._known[kind, shape] = ratio * self._rates[kind, small]
        return self._known[kind, shape]


@torch.inference_mode()
def _measured(network: Network, shape: Shape) -> float:
    device = next(network.parameters()).device
    image = torch.randn(shape, device=device)
    mask = torch.ones(shape[0], 1, *shape[2:], device=device)
    sigma = torch.full(shape[:1], 0.1, device=device)

    def run() -> None:
        network.eval()(image, mask, sigma).cpu()

    return steady_seconds(run)


def seconds_with(
    work: Callable[[], object], stand_ins: Sequence[tuple[str, StandIn]], forwards: Forwards
) -> float:
    """Return the processor time of work in which networks, by their kinds, have stand-ins."""
    for _, stand_in in stand_ins:
        stand_in.asked.clear()
    own = cpu_seconds(work)
    return own + sum(
        count * forwards.seconds(kind, stand_in.network, shape)
        for kind, stand_in in stand_ins
        for shape, count in stand_in.asked.items()
    )
