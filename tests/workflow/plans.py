"""What Snakemake plans to do, without doing it, and changes that make it plan something."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml

from checkout import snakemake

CI = "config/ci.yaml"

Job = tuple[str, str]
"""A rule and the values of its wildcards, joined by ``/``."""

_JOB = re.compile(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", re.MULTILINE)
_WILDCARDS = re.compile(r"^    wildcards: (.*)$", re.MULTILINE)
_OUTPUT = re.compile(r"^    output: ", re.MULTILINE)


def pending(
    checkout: Path, *arguments: str | Path, configfiles: Sequence[str | Path] = (CI,)
) -> set[Job]:
    """Return the jobs that a dry run announces, without the rules that only collect files.

    ``arguments`` are targets and options; ``configfiles`` are overlays, relative to the checkout.
    """
    overlays = [checkout / name for name in configfiles]
    options = ["--configfile", *overlays] if overlays else []
    result = snakemake(checkout, *arguments, "--dry-run", "--cores", "2", *options)
    assert result.returncode == 0, result.stdout[-20000:]
    jobs = set()
    for rule, description in _JOB.findall(result.stdout):
        wildcards = _WILDCARDS.search(description)
        values = re.findall(r"=([^,]+)", wildcards[1]) if wildcards else []
        if _OUTPUT.search(description):
            jobs.add((rule, "/".join(values)))
    assert jobs or "Nothing to be done" in result.stdout, result.stdout[-20000:]
    return jobs


def rules(jobs: set[Job]) -> set[str]:
    """Return the rules of jobs."""
    return {rule for rule, _ in jobs}


def write_overlay(path: Path, settings: dict) -> Path:
    """Write a configuration file that changes single entries."""
    path.write_text(yaml.safe_dump(settings))
    return path


@contextlib.contextmanager
def edited(*paths: Path, edit: Callable[[str], str]) -> Iterator[None]:
    """Change text files, and change them back at the end."""
    former = {path: path.read_text() for path in paths}
    for path, text in former.items():
        changed = edit(text)
        assert changed != text
        path.write_text(changed)
    try:
        yield
    finally:
        for path, text in former.items():
            path.write_text(text)
