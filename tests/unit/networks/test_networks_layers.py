"""Layers that several networks share."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smrestore.networks.layers import (
    BATCH_NORMS,
    AlignedInterpolation,
    MaskedBatchNorm,
    apply_mask,
    cells_to_channels,
    channels_to_cells,
    crop,
    first_voxels,
    pad_to_multiple,
    roll_each,
)


@pytest.mark.parametrize("dimension", [2, 3])
def test_masked_norm_of_everything_is_batch_norm(dimension):
    """Output, gradients and running statistics, in training and afterwards."""
    plain, masked = BATCH_NORMS[dimension](3), MaskedBatchNorm(3)
    with torch.no_grad():
        plain.weight.copy_(torch.tensor([0.5, 2.0, 1.0]))
        plain.bias.copy_(torch.tensor([1.0, -1.0, 0.0]))
    masked.load_state_dict(plain.state_dict())
    for training in (True, True, False):
        results = []
        features = torch.randn(4, 3, 5, 6, 2)[(..., *[0] * (3 - dimension))] * 3 + 1
        mask, weights = torch.ones(4, 1, *features.shape[2:]), torch.randn(features.shape)
        for norm, arguments in ((plain, ()), (masked, (mask,))):
            inputs = features.clone().requires_grad_()
            output = norm.train(training)(inputs, *arguments)
            (output * weights).sum().backward()
            results.append((output, inputs.grad, norm.weight.grad, norm.bias.grad))
        for expected, actual in zip(*results, strict=True):
            torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(masked.state_dict()[key], value)


def test_masked_norm_leaves_out_what_is_masked():
    features = torch.randn(2, 3, 4, 5)
    alone, padded = MaskedBatchNorm(3), MaskedBatchNorm(3)
    expected = alone(features, torch.ones(2, 1, 4, 5))
    surrounded = torch.full((2, 3, 9, 9), 7.0)
    mask = torch.zeros(2, 1, 9, 9)
    surrounded[..., 2:6, 3:8], mask[..., 2:6, 3:8] = features, 1
    output = padded(surrounded, mask)
    torch.testing.assert_close(output[..., 2:6, 3:8], expected)
    torch.testing.assert_close(padded.running_var, alone.running_var)
    torch.testing.assert_close(padded.running_mean, alone.running_mean)


def test_masked_norm_of_nothing_is_finite():
    norm = MaskedBatchNorm(3)
    assert norm(torch.randn(2, 3, 4, 4), torch.zeros(2, 1, 4, 4)).isfinite().all()
    assert norm.running_var.isfinite().all()


def test_masks_keep_the_precision_of_features():
    features = torch.randn(1, 2, 3, 3, dtype=torch.bfloat16)
    assert apply_mask(features, torch.ones(1, 1, 3, 3)).dtype == torch.bfloat16
    assert apply_mask(features, None) is features


@pytest.mark.parametrize("factor", [2, 4])
def test_interpolation_of_a_line(factor):
    """As numpy.interp, samples at 0, s, 2s, ...; the last value continues."""
    values = np.random.default_rng(0).normal(size=7).astype(np.float32)
    expected = np.interp(np.arange(7 * factor) / factor, np.arange(7), values)
    image = torch.from_numpy(values)[None, None, :, None].expand(1, 2, 7, 3)
    output = AlignedInterpolation(2, factor)(image, torch.ones(1, 1, 7, 3))
    assert output.shape == (1, 2, 7 * factor, 3 * factor)
    assert np.allclose(output[0, 1].numpy(), expected[:, None], atol=1e-6)


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("factor", [2, 4])
def test_interpolation_keeps_samples_and_ramps(dimension, factor):
    size = (6, 5, 4)[:dimension]
    axes = torch.meshgrid(*[torch.arange(float(n)) for n in size], indexing="ij")
    ramp = sum(weight * axis for weight, axis in zip((1.0, -2.0, 0.5), axes, strict=False))
    fine = torch.meshgrid(*[torch.arange(float(n * factor)) / factor for n in size], indexing="ij")
    expected = sum(weight * axis for weight, axis in zip((1.0, -2.0, 0.5), fine, strict=False))
    image = torch.stack([ramp, -ramp])[None]
    output = AlignedInterpolation(dimension, factor)(image, torch.ones(1, 1, *size))
    inside = tuple(slice(0, factor * (n - 1) + 1) for n in size)
    torch.testing.assert_close(output[(0, 0, *inside)], expected[inside])
    samples = (0, 1, *[slice(None, None, factor)] * dimension)
    torch.testing.assert_close(output[samples], -ramp)


def test_interpolation_uses_known_voxels_only():
    image = torch.full((1, 2, 5, 5), 3.0)
    mask = torch.ones(1, 1, 5, 5)
    mask[..., 2, :], mask[..., 4] = 0, 0
    image = torch.where(mask > 0, image, torch.tensor(1e3))
    with torch.autocast("cpu", torch.bfloat16):
        output = AlignedInterpolation(2, 2)(image, mask)
    assert output.dtype == torch.float32
    # Voxels beside a known one get its value, the others nothing.
    assert set(output.unique().tolist()) == {0.0, 3.0}
    assert (output[..., ::2, ::2] == 3 * mask).all()


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.sampled_from([1, 2, 4, 8]))
def test_padding_is_undone(height, width, depth, multiple):
    values = torch.randn(2, 3, height, width, depth)
    padded = pad_to_multiple(values, multiple)
    assert all(
        n % multiple == 0 and n - old < multiple
        for n, old in zip(padded.shape[2:], values.shape[2:], strict=True)
    )
    assert torch.equal(crop(padded, values.shape[2:]), values)
    torch.testing.assert_close(padded.abs().sum(), values.abs().sum())


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=4))
def test_each_sample_is_rolled_by_its_own_shift(shifts):
    values = torch.randn(len(shifts), 3, 4, 5)
    rolled = roll_each(values, torch.tensor(shifts))
    for sample, shift, result in zip(values, shifts, rolled, strict=True):
        assert torch.equal(result, sample.roll(shift, dims=(1, 2)))


@pytest.mark.parametrize("dimension", [2, 3])
def test_first_voxels(dimension):
    mask = torch.zeros(3, 1, *(6, 5, 4)[:dimension])
    mask[(0, 0, *(3, 1, 2)[:dimension])] = 1
    mask[1, 0, 2:4, 1:, ...] = 1
    expected = torch.tensor([[3, 1, 2], [2, 1, 0], [0, 0, 0]])[:, :dimension]
    assert torch.equal(first_voxels(mask), expected)


def test_rolls_have_gradients():
    values = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    shifts = torch.tensor([[1, 2], [3, 0]])
    assert torch.autograd.gradcheck(lambda v: roll_each(v, shifts), values)


@pytest.mark.parametrize("side", [1, 2, 3])
def test_voxels_of_cells_become_channels_and_back(side):
    image = torch.randn(2, 3, 4 * side, 5 * side)
    cells = cells_to_channels(image, side)
    torch.testing.assert_close(cells, torch.nn.functional.pixel_unshuffle(image, side))
    torch.testing.assert_close(channels_to_cells(cells, side), image)
    volume = torch.randn(2, 3, 4 * side, 5 * side, 2 * side)
    cells = cells_to_channels(volume, side)
    assert cells.shape == (2, 3 * side**3, 4, 5, 2)
    corner = volume[:, 1, :side, :side, :side].flatten(1)
    torch.testing.assert_close(cells[:, side**3 : 2 * side**3, 0, 0, 0], corner)
    torch.testing.assert_close(channels_to_cells(cells, side), volume)
