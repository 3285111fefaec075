"""The documentation site has all pages, and no link leads out of it."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from checkout import ROOT
from smrestore.cli import COMMANDS

SPEC = importlib.util.spec_from_file_location("build_site", ROOT / "docs" / "build_site.py")
build_site = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build_site)


def pages_of(nav: object) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    entries = nav.values() if isinstance(nav, dict) else nav
    return [page for entry in entries for page in pages_of(entry)]


def test_every_page_is_in_the_navigation_once():
    named = pages_of(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    written = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    made = {f"reference/{name}.md" for name in ("command-line", *build_site.LIBRARY)}
    assert sorted(named) == sorted(written | made)


def test_every_command_is_on_its_page():
    page = build_site.command_line()
    assert page.startswith("# Command line\n") and "Table of Contents" not in page
    for command in COMMANDS:
        assert f"\n## smrestore {command.__name__.rstrip('_').replace('_', '-')}\n" in page
    assert "`--within-noise FLOAT`" in page


def test_links_stay_inside_of_the_site(tmp_path: Path):
    docs, target = tmp_path / "docs", tmp_path / "build" / "docs"
    (docs / "deep").mkdir(parents=True)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file.yaml").write_text("a: 1")
    (docs / "page.md").write_text("[a file](../folder/file.yaml) [a folder](../folder)")
    (docs / "deep" / "page.md").write_text("[up](../page.md) [file](../../folder/file.yaml#L1)")
    build_site.copy_pages(docs, target)
    assert (target / "page.md").read_text() == (
        "[a file](files/folder/file.yaml.txt) a folder (`folder`)"
    )
    assert (target / "deep" / "page.md").read_text() == (
        "[up](../page.md) [file](../files/folder/file.yaml.txt)"
    )
    assert (target / "files" / "folder" / "file.yaml.txt").read_text() == "a: 1"
    (docs / "page.md").write_text("[nothing](../nothing.yaml)")
    with pytest.raises(SystemExit, match=r"page\.md: there is no \.\./nothing\.yaml"):
        build_site.copy_pages(docs, target)


def test_site_is_built_without_the_network(tmp_path: Path):
    pytest.importorskip("zensical")
    result = subprocess.run(
        [sys.executable, ROOT / "docs" / "build_site.py"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    site = ROOT / "build" / "site"
    for page in site.rglob("*.html"):
        loaded = re.findall(r'(?:src|<link[^>]*href)="(https?://[^"]+)', page.read_text())
        assert not loaded, page
    assert "Restore a calibration scan." in (site / "reference" / "command-line.html").read_text()
    assert "system_matrix" in (site / "reference" / "physics.html").read_text()
