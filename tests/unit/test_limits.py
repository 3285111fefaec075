"""The benchmark of what limits a network."""

import numpy as np
import pytest

from checkout import load_benchmark


@pytest.fixture(scope="module")
def limits():
    """The script as a module."""
    return load_benchmark("limits")


def test_difference_has_the_interval_of_paired_components(limits):
    values = np.array([0.1, 0.3, 0.2, 0.4])
    half = 1.96 * values.std(ddof=1) / 2
    assert limits.difference(values) == f"+0.25 ± {half:.2f}"
