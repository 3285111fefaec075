"""Recipes of containers have the versions of the other environments. None is built here."""

import re
import tomllib

import pytest
import yaml

from checkout import ROOT

RECIPES = [ROOT / "containers/Dockerfile", ROOT / "containers/smrestore.def"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_python_is_that_of_the_conda_environments(recipe):
    (version,) = re.findall(r"^From:? python:([\d.]+)-", recipe.read_text(), re.M | re.I)
    environments = list((ROOT / "envs").glob("*.yaml"))
    assert environments
    for path in environments:
        assert f"python={version}" in yaml.safe_load(path.read_text())["dependencies"]
    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_packages_are_those_of_the_constraints_and_of_the_workflow(recipe):
    (command,) = re.findall(r"python -m pip install (.*)", recipe.read_text())
    assert "--constraint constraints.txt" in command
    (extra,) = re.findall(r"\.\[(\w+)\]", command)
    wanted = PROJECT["optional-dependencies"][extra]
    assert any(line.startswith("snakemake>=") for line in wanted)
    # A version beside that of the constraints would be another environment.
    assert "==" not in recipe.read_text()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_files_that_are_copied_exist(recipe):
    text = recipe.read_text()
    if recipe.name == "Dockerfile":
        names = [n for line in re.findall(r"^COPY (.*) \S+$", text, re.M) for n in line.split()]
    else:
        block = text.partition("%files\n")[2].partition("\n\n")[0]
        names = [line.split()[0] for line in block.splitlines()]
    assert {"pyproject.toml", "constraints.txt", "src"} <= set(names)
    assert all((ROOT / name).exists() for name in names)


def test_image_holds_neither_results_nor_an_environment():
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".venv", ".snakemake", "results/*"} <= set(ignored)
