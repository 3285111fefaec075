"""Network architectures: size, shapes, padding."""

import pytest
import torch

from smrestore.errors import InputError
from smrestore.networks import build_network

SMALL = {"features": 4, "depth": 4}


@pytest.mark.parametrize(
    ("dimension", "sizes", "count"),
    [
        (2, {}, 557_250),
        (3, {}, 1_667_778),
        (2, {"depth": 20}, 668_226),
        (2, {"batch_norm": False}, 556_290),
        (2, {"features": 16, "depth": 6}, 9_938),
        (3, {"features": 16, "depth": 6}, 29_522),
    ],
)
def test_parameter_counts_of_dncnn(dimension, sizes, count):
    network = build_network("dncnn", dimension, **sizes)
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_any_grid_size_and_gradient_flow(dimension, batch_norm):
    network = build_network("dncnn", dimension, batch_norm=batch_norm, **SMALL)
    size = (7, 5, 3)[:dimension]
    image, valid = torch.randn(3, 2, *size), torch.ones(3, 1, *size)
    output = network(image, valid)
    assert output.shape == image.shape
    output.square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("dimension", [2, 3])
def test_masked_features_make_padding_irrelevant(dimension):
    network = build_network("dncnn", dimension, batch_norm=False, mask_features=True, **SMALL)
    size = (6, 5, 4)[:dimension]
    image = torch.randn(1, 2, *size)
    alone = network(image, torch.ones(1, 1, *size))
    for offset in (0, 3):
        place = tuple(slice(offset, offset + n) for n in size)
        padded = torch.zeros(1, 2, *([12] * dimension))
        valid = torch.zeros(1, 1, *([12] * dimension))
        padded[(..., *place)], valid[(..., *place)] = image, 1
        torch.testing.assert_close(network(padded, valid)[(..., *place)], alone)


def test_plain_features_depend_on_padding():
    torch.manual_seed(0)
    network = build_network("dncnn", 2, batch_norm=False, **SMALL)
    image = torch.randn(1, 2, 6, 6)
    padded = torch.nn.functional.pad(image, (3, 3, 3, 3))
    valid = torch.nn.functional.pad(torch.ones(1, 1, 6, 6), (3, 3, 3, 3))
    difference = network(padded, valid)[..., 3:9, 3:9] - network(image, torch.ones(1, 1, 6, 6))
    assert difference.abs().max() > 1e-4


def test_unknown_network_and_size_are_named():
    with pytest.raises(InputError, match=r"unknown network 'unet'.*dncnn"):
        build_network("unet", 2)
    with pytest.raises(InputError, match=r"network dncnn.*width"):
        build_network("dncnn", 2, width=3)
