"""The small run of the whole study, done once in a copy of this checkout."""

import subprocess
from pathlib import Path

import pytest
from plans import CI

from checkout import copy_checkout, snakemake


@pytest.fixture(scope="session")
def empty_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy without results, for dry runs."""
    return copy_checkout(tmp_path_factory.mktemp("empty") / "checkout")


@pytest.fixture(scope="session")
def first_run(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A copy in which the workflow ran, and how it ended."""
    checkout = copy_checkout(tmp_path_factory.mktemp("finished") / "checkout")
    return checkout, snakemake(checkout, "--cores", "2", "--configfile", CI, timeout=1800)


@pytest.fixture(scope="session")
def finished(first_run: tuple[Path, subprocess.CompletedProcess[str]]) -> Path:
    """A copy with all results; tests undo what they change in it."""
    checkout, result = first_run
    assert result.returncode == 0, result.stdout[-20000:]
    return checkout
