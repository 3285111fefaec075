"""Memory that a thread keeps for its next piece of work, because fresh memory is slow."""

import threading

import numpy as np

_kept = threading.local()


def scratch(name: str, size: int) -> np.ndarray:
    """Return float64 (size,) with arbitrary content; the next call with this name returns it again.

    Each thread has its own.
    """
    array = getattr(_kept, name, None)
    if array is None or array.size < size:
        array = np.empty(size)
        setattr(_kept, name, array)
    return array[:size]
