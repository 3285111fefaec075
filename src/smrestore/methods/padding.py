"""Padding of components of any grid size to one patch, and the mask of valid voxels."""

import numpy as np


def random_offset(
    size: tuple[int, ...], patch: tuple[int, ...], rng: np.random.Generator
) -> tuple[int, ...]:
    """Return a random start of a grid in the patch. All places are equally likely."""
    return tuple(int(rng.integers(p - n + 1)) for n, p in zip(size, patch, strict=True))


def centered_offset(size: tuple[int, ...], patch: tuple[int, ...]) -> tuple[int, ...]:
    """Return the start of a grid in the middle of the patch."""
    return tuple((p - n) // 2 for n, p in zip(size, patch, strict=True))


def window(size: tuple[int, ...], offset: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the place of the grid in the patch."""
    return tuple(slice(o, o + n) for n, o in zip(size, offset, strict=True))


def refined(place: tuple[slice, ...], spacing: int, size: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the place of a restored grid of ``size``; its measured grid is at ``place``.

    The restored patch has ``spacing`` voxels for each measured one along each axis.
    """
    return window(size, tuple(spacing * axis.start for axis in place))


def embed(image: np.ndarray, patch: tuple[int, ...], place: tuple[slice, ...]) -> np.ndarray:
    """Return a complex image as float32 (2, *patch): real and imaginary part, 0 outside."""
    channels = np.zeros((2, *patch), dtype=np.float32)
    channels[0][place] = image.real
    channels[1][place] = image.imag
    return channels


def indicator(
    patch: tuple[int, ...], place: tuple[slice, ...], values: np.ndarray | bool = True
) -> np.ndarray:
    """Return a mask as float32 (1, *patch): ``values`` at the place of the grid, 0 outside."""
    mask = np.zeros((1, *patch), dtype=np.float32)
    mask[(0, *place)] = values
    return mask


def extract(channels: np.ndarray, place: tuple[slice, ...]) -> np.ndarray:
    """Return the complex64 image at ``place`` of (2, *patch)."""
    return (channels[0][place] + 1j * channels[1][place]).astype(np.complex64)
