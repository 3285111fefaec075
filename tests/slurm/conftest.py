"""A Slurm that lives as long as the tests of this folder."""

import os
from collections.abc import Iterator

import pytest
import slurm_cluster

SWITCH = "SMRESTORE_TEST_SLURM"


@pytest.fixture(scope="session")
def slurm() -> Iterator[None]:
    """Start Slurm when the switch asks for it, and stop it at the end.

    ``SMRESTORE_TEST_SLURM=1`` skips where Slurm cannot be started, ``required`` fails there.
    Without the switch nothing on the computer is touched.
    """
    switch = os.environ.get(SWITCH, "")
    if switch not in {"1", "required"}:
        pytest.skip(f"{SWITCH}=1 would start Slurm on this computer (as root) and test with it")
    if (reason := slurm_cluster.obstacle()) is not None:
        if switch == "required":
            pytest.fail(f"Slurm cannot be started: {reason}")
        pytest.skip(f"Slurm cannot be started: {reason}")
    slurm_cluster.start()
    yield
    slurm_cluster.stop()
