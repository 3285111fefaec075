"""Conda environments, constraints and project dependencies tell the same story."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from checkout import ROOT

ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(lines: list[str]) -> dict[str, str]:
    """Return the versions of lines such as ``numpy==2.4.6`` by normalized package name."""
    pairs = [line.split("==") for line in lines]
    return {canonicalize_name(name): version for name, version in pairs}


CONSTRAINTS = pins(
    [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
)


def packages(environment: Path) -> dict[str, str]:
    """Return the pinned packages of a conda environment."""
    dependencies = yaml.safe_load(environment.read_text())["dependencies"]
    return pins(next(entry["pip"] for entry in dependencies if isinstance(entry, dict)))


def with_dependencies(names: set[str]) -> set[str]:
    """Return installed packages and all that they require here."""
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        needed = [Requirement(line) for line in metadata.requires(name) or []]
        waiting |= {
            canonicalize_name(requirement.name)
            for requirement in needed
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        } - found
    return found


def requirements() -> list[Requirement]:
    """Return what the package and its extras require, but for the package itself."""
    extras = PROJECT["optional-dependencies"].values()
    found = [Requirement(line) for group in (PROJECT["dependencies"], *extras) for line in group]
    return [requirement for requirement in found if requirement.name != PROJECT["name"]]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda item: item.name)
def test_constraints_hold_an_allowed_version_of_every_dependency(requirement):
    assert CONSTRAINTS[canonicalize_name(requirement.name)] in requirement.specifier


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environment_has_the_versions_of_the_constraints(environment):
    listed = packages(environment)
    assert listed == {name: CONSTRAINTS[name] for name in listed}


def test_every_dependency_of_a_job_is_in_an_environment():
    # Snakemake runs the jobs: it is not part of them.
    extras = [PROJECT["optional-dependencies"][name] for name in ("networks", "train", "workflow")]
    lines = chain(PROJECT["dependencies"], *extras)
    names = {canonicalize_name(Requirement(line).name) for line in lines} - {PROJECT["name"]}
    used = {name for name in names if not name.startswith("snakemake")}
    assert used == set().union(*(packages(environment) for environment in ENVIRONMENTS))


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_post_deploy_script_refuses_a_folder_that_is_no_checkout(environment, tmp_path):
    result = subprocess.run(
        ["bash", environment.with_suffix(".post-deploy.sh")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert "is no checkout of smrestore" in result.stderr


def scripts_of(environment: Path) -> list[Path]:
    """Return the scripts of all rules that name a conda environment."""
    scripts = []
    for rules in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        for rule in re.split(r"^(?=rule )", rules.read_text(), flags=re.MULTILINE):
            conda = re.search(r"conda:\s*\"([^\"]+)\"", rule)
            script = re.search(r"script:\s*\"([^\"]+)\"", rule)
            if conda and script and Path(conda[1]).name == environment.name:
                scripts.append((rules.parent / script[1]).resolve())
    return scripts


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_scripts_import_only_what_their_environment_has(environment, tmp_path):
    scripts = scripts_of(environment)
    assert scripts, "no rule uses this environment"
    # A folder with links to the packages of the environment, and nothing else, stands in for it.
    for name in with_dependencies(set(packages(environment))) | {"smrestore"}:
        for file in metadata.files(name):
            top = Path(file.parts[0])
            if top.name not in {"..", "__pycache__"} and not (tmp_path / top).exists():
                (tmp_path / top).symlink_to(metadata.distribution(name).locate_file(top))
    code = (
        f"import runpy, sys; sys.path += {[str(tmp_path), str(ROOT / 'src')]}\n"
        f"for script in {[str(script) for script in scripts]}: runpy.run_path(script)"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
