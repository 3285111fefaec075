"""Memory that a thread keeps for its next piece of work, because fresh memory is slow."""

import threading

import numpy as np

CACHE_LINE = 64
"""Bytes. Vectors that lie across two lines take twice the time to load."""

_kept = threading.local()


def aligned(size: int) -> np.ndarray:
    """Return float64 (size,) with arbitrary content that starts at a cache line."""
    array = np.empty(size + CACHE_LINE // 8)
    return array[-array.ctypes.data % CACHE_LINE // 8 :][:size]


def scratch(name: str, size: int) -> np.ndarray:
    """Return :func:`aligned` memory; the next call with this name returns it again.

    Each thread has its own.
    """
    array = getattr(_kept, name, None)
    if array is None or array.size < size:
        array = aligned(size)
        setattr(_kept, name, array)
    return array[:size]
