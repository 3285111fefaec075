"""SwinIR: attention within shifted windows, the variant for denoising.

Liang et al., SwinIR: image restoration using Swin transformer, ICCV Workshops 2021. The blocks are
those of Liu et al., Swin transformer, ICCV 2021.
"""

import functools
import itertools
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint as recompute

from smrestore.networks.base import Network
from smrestore.networks.layers import (
    Mask,
    apply_mask,
    convolution,
    crop,
    first_voxels,
    pad_to_multiple,
    roll_each,
    start_with_zero,
)
from smrestore.networks.options import SwinIROptions

EXCLUDED = -100.0
"""Added to the logits of excluded keys. It is finite, so windows without any key give no NaN."""


def to_windows(tokens: torch.Tensor, window: int) -> torch.Tensor:
    """Divide tokens (B, H, W, C) into windows (B, windows, N, C); their sides divide the grid."""
    batch, height, width, channels = tokens.shape
    tokens = tokens.reshape(batch, height // window, window, width // window, window, channels)
    return tokens.transpose(2, 3).reshape(batch, -1, window**2, channels)


def from_windows(windows: torch.Tensor, window: int, grid: tuple[int, int]) -> torch.Tensor:
    """Undo :func:`to_windows`: return (B, H, W, C)."""
    batch, (height, width) = len(windows), grid
    windows = windows.reshape(batch, height // window, width // window, window, window, -1)
    return windows.transpose(2, 3).reshape(batch, height, width, -1)


@functools.lru_cache(maxsize=64)
def shift_mask(
    grid: tuple[int, int], window: int, shift: int, device: torch.device
) -> torch.Tensor:
    """Return what is added to logits after a cyclic shift of the grid: (windows, 1, N, N).

    After the shift, voxels of opposite borders share a window. They must not see each other.
    """
    # Made during inference and kept, a tensor could not take part in training afterwards.
    with torch.inference_mode(False):
        regions = torch.zeros(1, *grid, 1, device=device)
        cuts = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
        for i, (rows, columns) in enumerate(itertools.product(cuts, cuts)):
            regions[:, rows, columns] = i
        region = to_windows(regions, window)[0, :, :, 0]
        apart = region[:, None, :, None] != region[:, None, None, :]
        return torch.zeros(apart.shape, device=device).masked_fill_(apart, EXCLUDED)


class WindowAttention(nn.Module):
    """Attention of several heads within windows, with a learned bias per relative position."""

    def __init__(self, features: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(features, 3 * features)
        self.projection = nn.Linear(features, features)
        self.position_bias = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.position_bias, std=0.02)
        place = torch.stack(
            torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
        ).flatten(1)
        distance = place[:, :, None] - place[:, None, :] + window - 1
        index = distance[0] * (2 * window - 1) + distance[1]
        self.register_buffer("position_index", index, persistent=False)

    def forward(self, windows: torch.Tensor, added: torch.Tensor | None) -> torch.Tensor:
        """Return attended tokens of windows (B, windows, N, C).

        ``added`` is added to the logits, (B or 1, windows, 1, N or 1, N).
        """
        batch, count, length, features = windows.shape
        heads = self.heads
        qkv = self.qkv(windows).reshape(batch, count, length, 3, heads, features // heads)
        # Windows count as heads, so that one additive term serves all images of the batch.
        query, key, value = qkv.permute(3, 0, 1, 4, 2, 5).flatten(2, 3)
        bias = self.position_bias[self.position_index].permute(2, 0, 1)
        bias = bias.expand(1, count, *bias.shape)
        if added is not None:
            bias = bias + added
        bias = bias.to(query.dtype).flatten(1, 2)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        attended = attended.unflatten(1, (count, heads)).transpose(2, 3).flatten(3)
        return self.projection(attended)


class SwinBlock(nn.Module):
    """Window attention and a perceptron, each after a normalization and with a residual."""

    def __init__(
        self,
        features: int,
        heads: int,
        window: int,
        shift: int,
        mlp_ratio: float,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.window, self.shift, self.drop_path = window, shift, drop_path
        self.attention_norm = nn.LayerNorm(features)
        self.attention = WindowAttention(features, heads, window)
        self.mlp_norm = nn.LayerNorm(features)
        hidden = int(features * mlp_ratio)
        self.mlp = nn.Sequential(
            nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, features)
        )

    def forward(self, tokens: torch.Tensor, known: Mask) -> torch.Tensor:
        """Return tokens (B, H, W, C). Keys where ``known`` (B, H, W, 1) is 0 are excluded."""
        attended = self._attend(self.attention_norm(tokens), known)
        tokens = tokens + self._dropped(attended)
        return tokens + self._dropped(self.mlp(self.mlp_norm(tokens)))

    def _attend(self, tokens: torch.Tensor, known: Mask) -> torch.Tensor:
        grid, shift = tuple(tokens.shape[1:3]), self.shift
        added = None
        if shift:
            tokens = tokens.roll((-shift, -shift), dims=(1, 2))
            added = shift_mask(grid, self.window, shift, tokens.device)[None]
        if known is not None:
            known = known.roll((-shift, -shift), dims=(1, 2))
            unknown = EXCLUDED * (1 - to_windows(known, self.window))
            unknown = unknown[:, :, None, None, :, 0]
            added = unknown if added is None else added + unknown
        windows = self.attention(to_windows(tokens, self.window), added)
        tokens = from_windows(windows, self.window, grid)
        return tokens.roll((shift, shift), dims=(1, 2)) if shift else tokens

    def _dropped(self, branch: torch.Tensor) -> torch.Tensor:
        """Leave a branch out for random samples while training, and scale it for the others."""
        if not self.training or not self.drop_path:
            return branch
        keep = 1 - self.drop_path
        kept = branch.new_empty(len(branch), 1, 1, 1).bernoulli_(keep)
        return branch * (kept / keep)


class SwinGroup(nn.Module):
    """Swin blocks (every second one with shifted windows), a convolution and a residual."""

    def __init__(
        self,
        features: int,
        heads: int,
        window: int,
        mlp_ratio: float,
        drop_paths: Sequence[float],
        checkpoint: bool,
    ) -> None:
        super().__init__()
        self.checkpoint = checkpoint
        self.blocks = nn.ModuleList(
            SwinBlock(features, heads, window, window // 2 * (i % 2), mlp_ratio, drop_path)
            for i, drop_path in enumerate(drop_paths)
        )
        self.convolution = convolution(2, features, features)

    def forward(self, tokens: torch.Tensor, known: Mask) -> torch.Tensor:
        """Return tokens (B, H, W, C)."""
        inner = tokens
        for block in self.blocks:
            if self.checkpoint and torch.is_grad_enabled():
                inner = recompute(block, inner, known, use_reentrant=False)
            else:
                inner = block(inner, known)
        return tokens + convolved(self.convolution, inner, known)


def convolved(layer: nn.Module, tokens: torch.Tensor, known: Mask) -> torch.Tensor:
    """Return the convolution of tokens (B, H, W, C) over their grid, known voxels only."""
    if known is not None:
        tokens = tokens * known.to(tokens.dtype)
    return layer(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class SwinIR(Network):
    """SwinIR in two dimensions, the variant for denoising.

    A grid that is no multiple of the window is padded with zeros, and the result is cropped.
    """

    def __init__(self, dimension: int, options: SwinIROptions) -> None:
        super().__init__()
        features, depths = options.features, options.depths
        self.window, self.mask_features = options.window, options.mask_features
        last = max(1, sum(depths) - 1)
        rates = [options.drop_path * i / last for i in range(sum(depths))]
        ends = list(itertools.accumulate(depths))
        self.shallow = convolution(2, 2, features)
        self.embedding_norm = nn.LayerNorm(features)
        self.groups = nn.ModuleList(
            SwinGroup(
                features,
                options.heads,
                options.window,
                options.mlp_ratio,
                rates[end - depth : end],
                options.checkpoint,
            )
            for depth, end in zip(depths, ends, strict=True)
        )
        self.norm = nn.LayerNorm(features)
        self.fused = convolution(2, features, features)
        self.last = convolution(2, features, 2)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        if options.zero_last:
            start_with_zero(self.last)

    def forward(
        self, image: torch.Tensor, mask: torch.Tensor, sigma: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Restore ``image``; see :class:`~smrestore.networks.base.Network`."""
        if not self.mask_features:
            return image + self._correction(image, None)
        first = first_voxels(mask)
        known = roll_each(mask, -first)
        return image + roll_each(self._correction(roll_each(image * mask, -first), known), first)

    def _correction(self, image: torch.Tensor, mask: Mask) -> torch.Tensor:
        grid = image.shape[2:]
        known = None
        if mask is not None:
            mask = pad_to_multiple(mask, self.window)
            known = mask.permute(0, 2, 3, 1)
        shallow = self.shallow(pad_to_multiple(image, self.window)).permute(0, 2, 3, 1)
        tokens = self.embedding_norm(shallow)
        for group in self.groups:
            tokens = group(tokens, known)
        fused = convolved(self.fused, self.norm(tokens), known) + shallow
        fused = apply_mask(fused.permute(0, 3, 1, 2), mask)
        return crop(self.last(fused), grid)
