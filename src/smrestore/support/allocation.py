"""Memory of the C library for networks on a CPU."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_MMAP_THRESHOLD = 32 * 2**20
"""Largest value that glibc takes on 64-bit machines (mallopt(3))."""


def keep_freed_memory() -> bool:
    """Keep memory that arrays have freed for the next arrays; return whether that is possible.

    A training step allocates and frees the same large arrays again and again. By default, glibc
    gives each back to the system, which clears every page before it hands it out again: a tenth to
    a third of a step of small networks (``python benchmarks/training.py --allocation``). The only
    cost is that the process stays as large as it was at its peak. Other C libraries are left as
    they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(
        mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    )
