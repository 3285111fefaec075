"""The package as users get it: the wheel, without extras, in an environment of its own."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from checkout import copy_checkout

pytestmark = pytest.mark.slow
OPTIONAL = ("torch", "safetensors", "lightning_fabric", "tensorboard", "snakemake", "pooch")


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that must not find this checkout."""
    return subprocess.run(
        command, cwd=cwd, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True
    )


def needed(lines: list[str]) -> set[str]:
    """Return the names of requirements without extras, and of all that they require here."""
    found: set[str] = set()
    waiting = list(lines)
    while waiting:
        requirement = Requirement(waiting.pop())
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if applies and requirement.name.lower() not in found:
            found.add(requirement.name.lower())
            waiting += metadata.requires(requirement.name) or []
    return found


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and install it into a new environment, beside what it says that it needs.

    Its requirements are links to the packages of this environment: no index is asked.
    """
    folder = tmp_path_factory.mktemp("installed")
    checkout = copy_checkout(folder / "checkout")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*pip, "wheel", *options, str(checkout)], check=True)
    (wheel,) = folder.glob("smrestore-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    target = ["--python", str(python), "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, *target, str(wheel)], check=True)
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (installed,) = metadata.distributions(name="smrestore", path=[str(site)])
    for name in needed(installed.requires):
        for file in metadata.files(name):
            top = Path(file.parts[0])
            if top.name not in {"..", "__pycache__"} and not (site / top).exists():
                (site / top).symlink_to(metadata.distribution(name).locate_file(top))
    return python


def test_scans_are_restored_without_extras(python: Path, tmp_path: Path):
    """A walk through all commands, and a classical method."""
    for name in OPTIONAL:
        assert run(python, "-c", f"import {name}", cwd=tmp_path).returncode != 0, name
    smrestore = python.with_name("smrestore")
    walk = run(smrestore, "demo", "walk", cwd=tmp_path)
    assert walk.returncode == 0, walk.stdout + walk.stderr
    assert "restored.mdf: restored by model-and-measurement" in walk.stdout
    scan = tmp_path / "walk" / "calibration.mdf"
    arguments = ["restore", "denoising", scan, "out.mdf"]
    result = run(smrestore, *arguments, "--method", "dct-filter", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out.mdf").exists()
    result = run(smrestore, *arguments, "--model", "unet-canonical", cwd=tmp_path)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "pip install 'smrestore[networks]'" in line


def test_weights_are_installed(python: Path, tmp_path: Path):
    code = "from smrestore.networks.cards import shipped_names; print(*shipped_names())"
    result = run(python, "-c", code, cwd=tmp_path)
    assert "unet-canonical" in result.stdout.split(), result.stderr
