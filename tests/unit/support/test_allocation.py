"""Freed memory that is kept."""

import platform
import subprocess
import sys

import pytest

from smrestore.support.allocation import keep_freed_memory

PAGES_OF_ARRAYS = """
import resource
import numpy as np
from smrestore.support.allocation import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        arrays = [np.ones(2**20) for _ in range(8)]
        del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
default = faults()
assert keep_freed_memory()
faults()
print(default, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not the GNU C library")
def test_arrays_are_made_of_the_pages_of_former_ones():
    """In a process of its own, as the setting stays."""
    result = subprocess.run(
        [sys.executable, "-c", PAGES_OF_ARRAYS], capture_output=True, text=True, check=True
    )
    default, kept = map(int, result.stdout.split())
    assert kept < default / 10


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
