"""How much memory and arithmetic a network needs."""

import copy
import weakref
from collections.abc import Sequence

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

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


def flops(network: Network, shape: Sequence[int], *, training: bool = False) -> int:
    """Return the floating-point operations of a batch, exactly, without computing anything.

    Those of convolutions, products of matrices and attention are counted, 2 for a multiplication
    and an addition. What is computed again for the backward pass (``checkpoint``) counts again.

    Parameters
    ----------
    network
        Any network. It is not changed.
    shape
        Of the images: (B, 2, *grid), before super-resolution.
    training
        Whether the backward pass is counted as well.
    """
    with FlopCounterMode(display=False) as counter:
        _run(network, shape, training)
    return counter.get_total_flops()


def _peak(network: Network, grid: Sequence[int], batch: int) -> int:
    with _Live() as live:
        _run(network, (batch, 2, *grid), training=True)
    return live.peak


def _run(network: Network, shape: Sequence[int], training: bool) -> None:
    # Tensors on this device have shapes, but no values.
    device = torch.device("meta")
    network = copy.deepcopy(network).to(device).train(training)
    image = torch.empty(*shape, device=device)
    mask = torch.empty(shape[0], 1, *shape[2:], device=device)
    sigma = torch.empty(shape[0], device=device)
    with torch.set_grad_enabled(training):
        output = network(image, mask, sigma)
        if training:
            output.abs().mean().backward()
