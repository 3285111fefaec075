"""Partial convolutions against their definition, and the U-Net made of them."""

import itertools

import pytest
import torch
from torch.nn import functional

from smrestore.networks import build_network
from smrestore.networks.pconv_unet import PartialConvolution
from smrestore.support.errors import InputError

PLAIN = {2: functional.conv2d, 3: functional.conv3d}


def partial_convolution_by_loops(layer: PartialConvolution, parts) -> tuple:
    """One sample: parts of (C, *grid) and (1, *grid). Window by window, as defined."""
    weight, bias = layer.convolution.weight, layer.bias
    kernel, stride = weight.shape[-1], layer.stride
    grid = parts[0][0].shape[1:]
    masks = torch.cat([mask.expand(len(features), *grid) for features, mask in parts])
    values = torch.cat([features for features, _ in parts])
    coarse = [-(-n // stride) for n in grid]
    output, known = torch.zeros(len(weight), *coarse), torch.zeros(1, *coarse)
    for place in itertools.product(*map(range, coarse)):
        total, count = torch.zeros(len(weight)), 0
        for offset in itertools.product(range(kernel), repeat=len(grid)):
            voxel = [stride * p + o - kernel // 2 for p, o in zip(place, offset, strict=True)]
            if all(0 <= v < n for v, n in zip(voxel, grid, strict=True)):
                here = masks[(slice(None), *voxel)]
                count += int(here.sum())
                total += weight[(..., *offset)] @ (values[(slice(None), *voxel)] * here)
        if count:
            known[(0, *place)] = 1
            output[(slice(None), *place)] = total * layer.window / count
            if bias is not None:
                output[(slice(None), *place)] += bias
    return output, known


@torch.no_grad()
@pytest.mark.parametrize(
    ("dimension", "kernel", "stride", "widths", "bias"),
    [
        (2, 3, 1, [2], True),
        (2, 3, 2, [2], False),
        (2, 5, 2, [3], True),
        (2, 3, 1, [4, 1], True),
        (2, 7, 1, [2, 3], False),
        (3, 3, 2, [2], True),
        (3, 3, 1, [1, 3], True),
    ],
)
def test_partial_convolution_as_in_a_loop_over_windows(dimension, kernel, stride, widths, bias):
    layer = PartialConvolution(dimension, widths, 3, kernel, stride, bias=bias)
    if bias:
        torch.nn.init.normal_(layer.bias)
    size = (7, 6, 4)[:dimension]
    parts = [
        (torch.randn(2, width, *size), (torch.rand(2, 1, *size) < 0.2).float()) for width in widths
    ]
    for _, mask in parts:
        mask[:, :, 3:] = 0  # some windows hold nothing
    output, known = layer(*parts)
    assert 0 < known.mean() < 1
    for i in range(2):
        expected, mask = partial_convolution_by_loops(layer, [(f[i], m[i]) for f, m in parts])
        torch.testing.assert_close(output[i], expected, rtol=1e-4, atol=1e-5)
        assert torch.equal(known[i], mask)


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_everything_known_is_a_plain_convolution_away_from_the_border(dimension, stride):
    layer = PartialConvolution(dimension, [2], 3, stride=stride)
    image = torch.randn(2, 2, *[9] * dimension)
    output, known = layer((image, torch.ones(2, 1, *[9] * dimension)))
    expected = PLAIN[dimension](image, layer.convolution.weight, stride=stride, padding=1)
    inside = (..., *[slice(1, -1)] * dimension)
    torch.testing.assert_close(output[inside], expected[inside])
    assert known.min() == 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_counts_exactly_and_empty_windows_stay_empty(dtype):
    """1024 channels times 27 voxels exceed the integers of half precision."""
    layer = PartialConvolution(3, [1000, 24], 2)
    torch.nn.init.ones_(layer.convolution.weight)
    torch.nn.init.ones_(layer.bias)
    masks = [torch.zeros(1, 1, 6, 3, 3) for _ in range(2)]
    masks[0][:, :, :3], masks[1][:, :, :1] = 1, 1
    ratio, known = layer._count(masks)
    assert ratio[0, 0, 1, 1, 1] == 1024 * 27 / (1000 * 27 + 24 * 9)
    parts = [(torch.ones(1, n, 6, 3, 3), m) for n, m in zip((1000, 24), masks, strict=True)]
    with torch.autocast("cpu", dtype):
        output, known = layer(*parts)
        ratio_within, _ = layer._count([mask.to(dtype) for mask in masks])
    assert torch.equal(ratio_within, ratio)
    assert known.dtype == torch.float32
    assert output.isfinite().all()
    assert (output[:, :, 4:] == 0).all() and (known[:, :, 4:] == 0).all()
    assert known[:, :, :4].min() == 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("norm", ["batch", "group", "none"])
def test_images_without_known_voxels_are_finite(dtype, norm):
    network = build_network("pconv-unet", 2, channels=[4, 8], norm=norm)
    with torch.autocast("cpu", dtype):
        output = network(torch.randn(2, 2, 9, 8), torch.zeros(2, 1, 9, 8))
    assert output.isfinite().all()
    output.float().sum().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)
    if norm == "none":
        assert (output == 0).all()


def test_padding_counts_as_unknown():
    """At stride 1, the result within the grid is that of the grid alone."""
    layer = PartialConvolution(2, [2], 3)
    image, mask = torch.randn(1, 2, 6, 5), (torch.rand(1, 1, 6, 5) < 0.7).float()
    alone, _ = layer((image, mask))
    widths = (4, 2, 3, 1)
    padded, _ = layer((functional.pad(image, widths), functional.pad(mask, widths)))
    torch.testing.assert_close(padded[..., 3:9, 4:9], alone)


@pytest.mark.parametrize("dimension", [2, 3])
def test_holes_have_no_influence(dimension):
    network = build_network("pconv-unet", dimension, channels=[4, 6], known_skip=True).eval()
    size = (9, 7, 5)[:dimension]
    image, mask = torch.randn(2, 2, *size), torch.ones(2, 1, *size)
    mask[:, :, 3:6] = 0
    expected = network(image * mask, mask)
    filled = torch.where(mask > 0, image, torch.tensor(1e3))
    torch.testing.assert_close(network(filled, mask), expected)
    assert expected[:, :, 3:6].abs().min() > 0


def test_known_skip_adds_known_voxels():
    torch.manual_seed(1)
    published = build_network("pconv-unet", 2, channels=[4, 6]).eval()
    torch.manual_seed(1)
    skipping = build_network("pconv-unet", 2, channels=[4, 6], known_skip=True).eval()
    image, mask = torch.randn(2, 2, 8, 8), (torch.rand(2, 1, 8, 8) < 0.8).float()
    difference = skipping(image, mask) - published(image, mask)
    torch.testing.assert_close(difference, image * mask)


def test_calls_leave_no_state():
    network = build_network("pconv-unet", 2, channels=[4, 6]).eval()
    image, mask = torch.randn(1, 2, 8, 8), (torch.rand(1, 1, 8, 8) < 0.8).float()
    first = network(image, mask)
    network(torch.randn(3, 2, 5, 9), torch.ones(3, 1, 5, 9))
    assert torch.equal(network(image, mask), first)


def test_one_value_cannot_be_normalized():
    image, mask = torch.randn(1, 2, 4, 4), torch.ones(1, 1, 4, 4)
    network = build_network("pconv-unet", 2, channels=[4, 6]).train()
    with pytest.raises(InputError, match=r"norm: .*a single voxel.*norm: group"):
        network(image, mask)
    assert network.eval()(image, mask).isfinite().all()
    grouped = build_network("pconv-unet", 2, channels=[4, 6], norm="group").train()
    assert grouped(image, mask).isfinite().all()
