"""The benchmark of what limits a network."""

import sys

import numpy as np
import pytest

from checkout import ROOT


@pytest.fixture(scope="module")
def limits():
    """The script as a module."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import limits
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    return limits


def test_difference_has_the_interval_of_paired_components(limits):
    values = np.array([0.1, 0.3, 0.2, 0.4])
    half = 1.96 * values.std(ddof=1) / 2
    assert limits.difference(values) == f"+0.25 ± {half:.2f}"
