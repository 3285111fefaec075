"""SwinIR: windows, shifts, attention, random depth."""

import itertools

import pytest
import torch
from torch.nn import functional

from smrestore.networks import build_network
from smrestore.networks.swinir import (
    SwinBlock,
    WindowAttention,
    from_windows,
    shift_mask,
    to_windows,
)

SMALL = {"features": 8, "depths": [2, 2], "heads": 2, "window": 4}


def attend_by_loops(attention: WindowAttention, window: int, tokens: torch.Tensor, allowed):
    """Attention of one window (N, C), pair by pair; ``allowed(i, j)`` tells if i sees j."""
    n, features = tokens.shape
    heads, width = attention.heads, features // attention.heads
    query, key, value = attention.qkv(tokens).chunk(3, dim=1)
    table = attention.position_bias.reshape(2 * window - 1, 2 * window - 1, heads)
    result = torch.zeros(n, features)
    for head, i in itertools.product(range(heads), range(n)):
        part = slice(head * width, (head + 1) * width)
        logits = torch.full((n,), -torch.inf)
        for j in range(n):
            if allowed(i, j):
                dy, dx = i // window - j // window, i % window - j % window
                bias = table[dy + window - 1, dx + window - 1, head]
                logits[j] = query[i, part] @ key[j, part] / width**0.5 + bias
        result[i, part] = logits.softmax(0) @ value[:, part]
    return attention.projection(result)


def test_windows_are_undone():
    tokens = torch.randn(2, 8, 12, 3)
    windows = to_windows(tokens, 4)
    assert windows.shape == (2, 6, 16, 3)
    assert torch.equal(windows[1, 4], tokens[1, 4:, 4:8].reshape(16, 3))
    assert torch.equal(from_windows(windows, 4, (8, 12)), tokens)


@torch.no_grad()
@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("masked", [True, False])
def test_attention_as_in_a_loop_over_pairs(shift, masked):
    window, grid = 2, (4, 6)
    block = SwinBlock(4, 2, window, shift, 2, 0.0)
    torch.nn.init.normal_(block.attention.position_bias)
    tokens = torch.randn(1, *grid, 4)
    known = torch.ones(1, *grid, 1)
    known[0, 1:, 3:] = 0
    output = block._attend(tokens, known if masked else None)[0]
    expected = torch.full((*grid, 4), torch.nan)
    for top, left in itertools.product(range(0, grid[0], window), range(0, grid[1], window)):
        # After the cyclic shift, a window may hold voxels of opposite borders.
        places = [
            (top + a + shift, left + b + shift)
            for a, b in itertools.product(range(window), range(window))
        ]
        here = [(y % grid[0], x % grid[1]) for y, x in places]
        region = [(y >= grid[0], x >= grid[1]) for y, x in places]
        seen = [not masked or bool(known[0, y, x]) for y, x in here]
        results = attend_by_loops(
            block.attention,
            window,
            torch.stack([tokens[0, y, x] for y, x in here]),
            lambda i, j, region=region, seen=seen: region[i] == region[j] and seen[j],
        )
        for (y, x), result in zip(here, results, strict=True):
            expected[y, x] = result
    # Where a query sees no key at all, nothing is defined; such queries are masked themselves.
    defined = ~expected.isnan()
    assert defined[known[0, :, :, 0] > 0].all()
    assert defined.all() == (not masked)
    torch.testing.assert_close(output[defined], expected[defined])
    assert output.isfinite().all()


def test_shift_masks_are_kept_and_serve_training_after_inference():
    device = torch.device("cpu")
    shift_mask.cache_clear()
    network = build_network("swinir", 2, **SMALL)
    image, mask = torch.randn(1, 2, 9, 8), torch.ones(1, 1, 9, 8)
    with torch.inference_mode():
        network(image, mask)
    network(image, mask).sum().backward()
    assert shift_mask.cache_info().misses == 1
    assert shift_mask((12, 8), 4, 2, device) is shift_mask((12, 8), 4, 2, device)
    assert not shift_mask((12, 8), 4, 2, device).is_inference()


@pytest.mark.parametrize("mask_features", [True, False])
def test_unknown_images_give_no_nan(mask_features):
    network = build_network("swinir", 2, mask_features=mask_features, **SMALL)
    for dtype in (torch.bfloat16, torch.float32):
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            output = network(torch.zeros(2, 2, 9, 5), torch.zeros(2, 1, 9, 5))
        assert output.isfinite().all()


def test_random_depth_rises_linearly_and_uses_the_generator_of_torch():
    network = build_network("swinir", 2, drop_path=0.3, **SMALL).train()
    rates = [block.drop_path for group in network.groups for block in group.blocks]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3])
    image, mask = torch.randn(4, 2, 8, 8), torch.ones(4, 1, 8, 8)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(network(image, mask))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    network.eval()
    assert torch.equal(network(image, mask), network(image, mask))


def test_random_depth_keeps_the_mean():
    block = SwinBlock(4, 1, 2, 0, 2, drop_path=0.25).train()
    branch = torch.ones(40_000, 1, 1, 1)
    dropped = block._dropped(branch)
    torch.testing.assert_close(dropped.unique(), torch.tensor([0, 4 / 3]))
    assert dropped.mean() == pytest.approx(1, abs=0.02)


def test_padding_to_windows_is_zero_padding():
    """A grid that fills its windows by zeros gives the same as one that is padded before."""
    network = build_network("swinir", 2, **SMALL).eval()
    image = torch.randn(1, 2, 3, 6)
    padded = functional.pad(image, (0, 2, 0, 1))
    expected = network(padded, torch.ones(1, 1, 4, 8))[..., :3, :6]
    torch.testing.assert_close(network(image, torch.ones(1, 1, 3, 6)), expected)
