"""Build the documentation site from docs/ with Zensical; a link that leads nowhere is an error.

python docs/build_site.py                     # into build/site/

The pages are copied to build/docs/, as some are made there: the command line from its parser, and
the library from its docstrings. Links out of docs/ lead to copies of small files, as the site
stands alone.
"""

import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

DOCS = Path(__file__).parent.resolve()
ROOT = DOCS.parent
BUILD = ROOT / "build"
PAGES = BUILD / "docs"
LIBRARY = {
    "physics": ("Simulation", "physics"),
    "dynamics": ("Particles out of equilibrium", "physics.dynamics"),
    "mdf": ("MDF files", "mdf"),
    "scanner": ("Virtual scanner", "scanner"),
    "fitting": ("Physics fitted to a scan", "fitting.scan", "fitting.model", "fitting.settings"),
    "restoration": (
        "Restoration of scans",
        "restoration",
        "restoration.automatic",
        "restoration.modelled",
    ),
    "methods": ("Methods", "methods"),
    "reconstruction": ("Reconstruction", "reconstruction"),
    "noise": ("Noise pools", "noise"),
    "tasks": ("Tasks", "tasks"),
    "networks": ("Networks", "networks", "networks.weights", "networks.cards"),
    "configuration": ("Configuration", "configuration"),
    "errors": ("Errors", "support.errors"),
}
"""Title and modules of each page of the library."""
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(((?:\.\./)+[^)#]+)(#[^)]*)?\)")


def main() -> int:
    """Copy, make and build all pages, and return the exit code of Zensical."""
    copy_pages(DOCS, PAGES)
    reference = PAGES / "reference"
    reference.mkdir()
    (reference / "command-line.md").write_text(command_line())
    for name, (title, *modules) in LIBRARY.items():
        parts = [f"## smrestore.{module}\n\n::: smrestore.{module}\n" for module in modules]
        (reference / f"{name}.md").write_text("\n".join([f"# {title}\n", *parts]))
    command = [Path(sys.executable).with_name("zensical"), "build", "--strict", "--clean"]
    return subprocess.run(command, cwd=ROOT, env=os.environ | {"NO_COLOR": "1"}).returncode


def copy_pages(source: Path, target: Path) -> None:
    """Copy all pages and pictures into an empty folder, and files that they link to."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for page in target.rglob("*.md"):
        original = source / page.relative_to(target)
        inside = partial(_inside, source=source, original=original, target=target, page=page)
        page.write_text(LINK.sub(inside, page.read_text()))


def _inside(found: re.Match[str], source: Path, original: Path, target: Path, page: Path) -> str:
    """Return a link that stays inside of the site."""
    text, place, _ = found.groups()
    file = (original.parent / place).resolve()
    if not file.exists():
        raise SystemExit(f"{original}: there is no {place}")
    if file.is_relative_to(source):
        return found[0]
    if not file.is_file():
        return f"{text} (`{file.relative_to(source.parent)}`)"
    # As text, so that browsers show it, and no page of the site is made of it.
    copy = target / "files" / f"{file.relative_to(source.parent)}.txt"
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, copy)
    return f"[{text}]({os.path.relpath(copy, page.parent)})"


def command_line() -> str:
    """Return the page of all commands and options."""
    from smrestore.cli import application

    text = application().generate_docs(output_format="markdown", recursive=True)
    text = text.replace("# smrestore\n", "# Command line\n", 1)
    # The list of contents is what the site shows beside the page.
    return re.sub(r"## Table of Contents\n.*?(?=\*\*Commands)", "", text, flags=re.DOTALL)


if __name__ == "__main__":
    sys.exit(main())
