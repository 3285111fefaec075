"""How much memory the training of a network needs."""

import copy
import weakref
from collections.abc import Sequence

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from smrestore.networks.base import Network


class _Live(TorchDispatchMode):
    """Counts the bytes of all tensors that are made inside the context, and their peak."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for leaf in pytree.tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._count(leaf.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._known:
            return
        self._known.add(key)
        self.bytes += storage.nbytes()
        self.peak = max(self.peak, self.bytes)
        weakref.finalize(storage, self._forget, key, storage.nbytes())

    def _forget(self, key: int, count: int) -> None:
        self._known.discard(key)
        self.bytes -= count


def bytes_per_sample(network: Network, grid: Sequence[int]) -> float:
    """Return the memory in bytes that each sample of a batch adds to a training step.

    This is the peak over forward and backward pass in single precision. Half precision needs nearly
    half of it. Parameters, their gradients and the optimizer are extra, once for the whole batch,
    and so is the memory that libraries use within an operation. Only shapes are followed, and
    nothing is computed.

    Parameters
    ----------
    network
        Any network. It is not changed.
    grid
        Voxels along each axis of the images, before super-resolution.
    """
    few, many = 2, 4
    difference = _peak(network, grid, many) - _peak(network, grid, few)
    return difference / (many - few)


def _peak(network: Network, grid: Sequence[int], batch: int) -> int:
    # Tensors on this device have shapes, but no values.
    device = torch.device("meta")
    network = copy.deepcopy(network).to(device).train()
    image = torch.empty(batch, 2, *grid, device=device)
    mask = torch.empty(batch, 1, *grid, device=device)
    sigma = torch.empty(batch, device=device)
    with _Live() as live:
        network(image, mask, sigma).abs().mean().backward()
    return live.peak
