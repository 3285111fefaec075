"""Every command of the tutorials runs: the ``bash`` blocks of a page, in order, in one shell.

What takes hours or changes the environment is in ``sh`` blocks, which are not run.
"""

import re
import subprocess
from pathlib import Path

import pytest

from checkout import ROOT, copy_checkout, environment

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
EXPECTED = {
    "first-scan": ["smrestore-demo/image-restored.png", "smrestore-demo/filtered.mdf"],
    "fifty-positions": ["smrestore-demo/image-from-fifty.png"],
    "reproduce": ["mine.yaml"],
    "cluster": ["my-site/config.yaml"],
}
"""Files that a page makes."""


def commands(page: str) -> str:
    """Return the commands of a page."""
    return "\n".join(re.findall(r"^```bash\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE))


def run(script: str, checkout: Path) -> subprocess.CompletedProcess[str]:
    bin_folder = checkout / "bin"
    bin_folder.mkdir(exist_ok=True)
    # The installed command may belong to another checkout than the one that is tested.
    command = bin_folder / "smrestore"
    command.write_text('#!/bin/sh\nexec python -m smrestore.cli "$@"\n')
    command.chmod(0o755)
    variables = environment(checkout)
    variables["PATH"] = f"{bin_folder}:{variables['PATH']}"
    return subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script],
        cwd=checkout,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy for all pages, as for a reader: what one page made, the next one finds."""
    return copy_checkout(tmp_path_factory.mktemp("tutorials") / "checkout")


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda path: path.stem)
def test_all_commands_run(page: Path, checkout: Path):
    script = commands(page.read_text())
    assert script, "no commands"
    result = run(script, checkout)
    assert result.returncode == 0, result.stdout[-5000:]
    for file in EXPECTED[page.stem]:
        assert (checkout / file).exists(), file


def test_a_command_that_fails_is_noticed(tmp_path: Path):
    page = "```bash\nsmrestore inspect none.mdf\n```\n\n```bash\ntrue\n```\n\n```sh\nexit 0\n```\n"
    script = commands(page)
    assert script == "smrestore inspect none.mdf\n\ntrue\n"
    (tmp_path / "src").symlink_to(ROOT / "src")
    result = run(script, tmp_path)
    assert result.returncode == 2 and "smrestore: error: none.mdf" in result.stdout
