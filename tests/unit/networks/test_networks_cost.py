"""Memory and arithmetic of a training step, without running one."""

import pytest
import torch

from smrestore.networks import build_network
from smrestore.networks.cost import bytes_per_sample, flops


def saved_bytes(network: torch.nn.Module, grid: tuple[int, ...]) -> float:
    """Return what autograd really keeps for the backward pass, per sample."""
    totals = []
    for batch in (1, 3):
        storages = {}

        def pack(tensor, storages=storages):
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
            return tensor

        image, mask = torch.randn(batch, 2, *grid), torch.ones(batch, 1, *grid)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            output = network(image, mask, torch.ones(batch)).abs().mean()
        totals.append(sum(storage.nbytes() for storage in storages.values()))
        del output
    return (totals[1] - totals[0]) / 2


@pytest.mark.parametrize(
    ("name", "dimension", "sizes"),
    [
        ("dncnn", 2, {"features": 16, "depth": 12}),
        ("dncnn", 3, {"features": 8, "depth": 12, "mask_features": True, "batch_norm": False}),
        ("rdn", 2, {"features": 8, "growth": 8, "blocks": 4, "layers": 4, "mask_features": True}),
        ("swinir", 2, {"features": 16, "depths": [2, 2, 2], "heads": 2}),
        ("unet", 3, {"channels": [8, 16], "blocks": 3}),
    ],
)
def test_most_is_what_autograd_keeps(name, dimension, sizes):
    network = build_network(name, dimension, **sizes)
    grid = (16,) * dimension
    kept = saved_bytes(network, grid)
    assert kept < bytes_per_sample(network, grid) < 1.6 * kept


def test_memory_grows_with_voxels_and_shrinks_with_checkpoints():
    sizes = {"features": 8, "growth": 8, "blocks": 8, "layers": 6}
    network = build_network("rdn", 2, **sizes)
    small = bytes_per_sample(network, (8, 8))
    assert bytes_per_sample(network, (16, 32)) == pytest.approx(8 * small, rel=0.02)
    checkpointed = build_network("rdn", 2, **sizes, checkpoint=True)
    assert bytes_per_sample(checkpointed, (8, 8)) < small / 3


def test_published_sizes_need_no_memory_to_tell():
    """217 KiB per voxel are what all features of the published RDN take."""
    with torch.device("meta"):
        network = build_network("rdn", 3)
    assert 217 * 1024 * 40**3 < bytes_per_sample(network, (40, 40, 40)) < 230 * 1024 * 40**3
    assert all(p.device.type == "meta" and p.grad is None for p in network.parameters())


@pytest.mark.parametrize("name", ["smrnet", "pconv-unet"])
def test_network_is_left_as_it_was(name):
    network = build_network(name, 2).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert bytes_per_sample(network, (16, 16)) > 0
    assert not network.training
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_arithmetic_of_a_convolution_is_counted_by_hand():
    network = build_network("dncnn", 2, features=4, depth=3, batch_norm=False)
    weights = sum(p.numel() for p in network.parameters() if p.ndim > 1)
    assert flops(network, (5, 2, 8, 6)) == 2 * 5 * 8 * 6 * weights
    # The gradients of weights and of inputs take as much each; the image needs none.
    first = next(network.parameters()).numel()
    assert flops(network, (5, 2, 8, 6), training=True) == 2 * 5 * 8 * 6 * (3 * weights - first)


def test_arithmetic_grows_with_voxels_and_with_checkpoints():
    sizes = {"features": 12, "depths": [2, 2], "heads": 2}
    network = build_network("swinir", 2, **sizes)
    small = flops(network, (1, 2, 8, 8), training=True)
    assert flops(network, (3, 2, 16, 16), training=True) == 12 * small
    again = build_network("swinir", 2, **sizes, checkpoint=True)
    assert 1.2 * small < flops(again, (1, 2, 8, 8), training=True) < 1.4 * small
    assert flops(again, (1, 2, 8, 8)) == flops(network, (1, 2, 8, 8))
