"""Arrays as text inside a page, which its script turns into typed arrays."""

import base64

import numpy as np

FULL_SCALE = 32767
"""Largest magnitude of a part of a complex number on the page, 16 bits."""

Packed = dict[str, object]


def packed(values: np.ndarray) -> Packed:
    """Return an array as base64 with the name of its type; float32, int32, int16 or uint8.

    The last axis is the fastest.
    """
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    return {"type": values.dtype.name, "data": base64.b64encode(little.tobytes()).decode("ascii")}


def packed_image(image: np.ndarray) -> Packed:
    """Return a complex image (Nx, Ny, Nz) with its scale, 4 bytes per voxel.

    Real and imaginary part alternate, x is the fastest axis. A part times ``scale`` is its value in
    the unit of the image, to 1 / 65534 of the largest magnitude.
    """
    peak = float(np.abs(image).max(initial=0.0))
    scale = peak / FULL_SCALE if peak > 0 else 1.0
    parts = np.stack([image.real, image.imag], axis=-1).transpose(2, 1, 0, 3)
    return {**packed(np.rint(parts / scale).astype(np.int16)), "scale": scale}


def packed_bytes(count: int) -> int:
    """Return the length of the text of complex voxels, or of real numbers of 32 bits."""
    return -(-4 * count // 3) * 4
