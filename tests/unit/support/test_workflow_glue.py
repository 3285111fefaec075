"""The glue between Snakemake and the library."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import smrestore.support.workflow
from smrestore.support.workflow import optional

SCRIPT = '''\
"""A script."""

from smrestore.direct import work


def main():
    """Do it."""
    # Why.
    return work(1)
'''
MODULES = {
    "__init__.py": '"""A package."""\n',
    "direct.py": (
        '"""Imported."""\n\nfrom smrestore.part.deep import VALUE\n\n\n'
        'def work(x):\n    """Add."""\n    return x + VALUE\n'
    ),
    "part/__init__.py": '"""A part."""\n',
    "part/deep.py": '"""Imported by what is imported."""\n\nVALUE = 1\n',
    "support/__init__.py": "",
    "unrelated.py": "VALUE = 1\n",
    "late.py": "VALUE = 1\n",
}


@pytest.fixture
def project(tmp_path):
    """A script and a package of the library's name, with a copy of the module under test."""
    for name, text in MODULES.items():
        path = tmp_path / "smrestore" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    source = Path(smrestore.support.workflow.__file__).read_text()
    (tmp_path / "smrestore/support/workflow.py").write_text(source)
    (tmp_path / "script.py").write_text(SCRIPT)
    return tmp_path


def identity(project):
    """Return the identity of the script, by a fresh import as each Snakemake process does it."""
    path = project / "smrestore/support/workflow.py"
    spec = importlib.util.spec_from_file_location("workflow_of_project", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.code_id(project / "script.py", project / "kept/code.json")
    assert found == module.code_id(project / "script.py")
    return found


def change(project, name, old, new):
    path = project / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("script.py", "# Why.", "# Because."),
        ("script.py", '"""Do it."""', '"""Do it now."""'),
        ("script.py", "work(1)", "work(\n        1,\n    )"),
        ("script.py", "\n\n\ndef", "\n\n\n\n\ndef"),
        ("smrestore/direct.py", '"""Add."""', '"""Add two numbers."""'),
        ("smrestore/direct.py", "return x + VALUE", "return (x + VALUE)  # a sum"),
        ("smrestore/part/deep.py", '"""Imported by what is imported."""\n', ""),
        ("smrestore/unrelated.py", "1", "2"),
    ],
)
def test_identity_ignores(project, name, old, new):
    before = identity(project)
    change(project, name, old, new)
    assert identity(project) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("script.py", "work(1)", "work(2)"),
        ("script.py", '    """Do it."""', '    """Do it."""\n    "not a docstring".upper()'),
        ("smrestore/direct.py", "x + VALUE", "x - VALUE"),
        ("smrestore/part/deep.py", "VALUE = 1", "VALUE = 2"),
        ("smrestore/part/__init__.py", '"""A part."""', '"""A part."""\nimport math'),
        ("smrestore/__init__.py", '"""A package."""', "import math"),
    ],
)
def test_identity_sees(project, name, old, new):
    before = identity(project)
    change(project, name, old, new)
    assert identity(project) != before


@pytest.mark.parametrize(
    "line",
    [
        "import smrestore.late",
        "import smrestore.late as other",
        "from smrestore import late",
        "from smrestore.late import VALUE",
    ],
)
def test_identity_follows_imports_inside_functions(project, line):
    change(project, "smrestore/direct.py", '"""Add."""', f'"""Add."""\n    {line}')
    before = identity(project)
    change(project, "smrestore/late.py", "1", "2")
    assert identity(project) != before


def test_identity_does_not_depend_on_the_place(project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "project"
    project.rename(elsewhere)
    moved = identity(elsewhere)
    elsewhere.rename(project)
    assert identity(project) == moved


@pytest.mark.parametrize("content", ["", "[]", "{", '{"version": 1}', '{"modules": {}}'])
def test_identity_needs_nothing_that_is_kept(project, content):
    before = identity(project)
    kept = project / "kept/code.json"
    known = kept.read_text()
    kept.write_text(content)
    assert identity(project) == before
    assert kept.read_text() == known
    kept.unlink()
    kept.parent.rmdir()
    kept.parent.write_text("no folder")
    assert identity(project) == before


def test_identity_parses_only_what_has_changed(project):
    identity(project)
    kept = project / "kept/code.json"
    before = kept.stat().st_mtime_ns
    identity(project)
    assert kept.stat().st_mtime_ns == before
    change(project, "smrestore/direct.py", "x + VALUE", "x - VALUE")
    identity(project)
    assert kept.stat().st_mtime_ns > before


def test_identity_follows_a_module_that_becomes_a_package(project):
    before = identity(project)
    module = project / "smrestore/direct.py"
    package = project / "smrestore/direct"
    package.mkdir()
    module.rename(package / "__init__.py")
    moved = identity(project)
    change(project, "smrestore/direct/__init__.py", "x + VALUE", "x - VALUE")
    assert identity(project) != moved
    change(project, "smrestore/direct/__init__.py", "x - VALUE", "x + VALUE")
    (package / "__init__.py").rename(module)
    package.rmdir()
    assert identity(project) == before


def run_job(log, body, cores=None):
    """Run a job in a process of its own, because it takes over the logging of the process."""
    lines = [
        "import logging",
        "from smrestore.support.errors import InputError",
        "from smrestore.support.workflow import job",
        f"with job({str(log)!r}, {cores}):",
        *(f"    {line}" for line in body.splitlines()),
    ]
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60
    )


def test_job_logs_to_file_and_stderr(tmp_path):
    log = tmp_path / "new" / "job.log"
    result = run_job(log, "logging.getLogger('smrestore.noise').info('42 frames')")
    assert result.returncode == 0
    assert result.stderr == log.read_text()
    assert "INFO smrestore.noise: 42 frames" in log.read_text()


def test_job_logs_warnings(tmp_path):
    log = tmp_path / "job.log"
    run_job(log, "import warnings\nwarnings.warn('odd file')")
    assert "odd file" in log.read_text()


def test_job_ends_input_errors_in_one_line(tmp_path):
    log = tmp_path / "job.log"
    body = "raise InputError('is empty', path='a.mdf', field='/version', remedy='store a value')"
    result = run_job(log, body)
    assert result.returncode == 1
    (line,) = log.read_text().splitlines()
    assert line.endswith("a.mdf: /version: is empty. Store a value")
    assert result.stderr == log.read_text()


def test_job_keeps_the_traceback_of_other_errors(tmp_path):
    log = tmp_path / "job.log"
    result = run_job(log, "1 / 0")
    assert result.returncode == 1
    assert "Traceback" in log.read_text()
    assert "ZeroDivisionError" in log.read_text()


def test_optional_input():
    assert optional([]) is None
    assert optional(["truth.h5"]) == "truth.h5"


def test_job_uses_no_more_cores_than_it_was_given(tmp_path):
    body = """\
import numba, torch
from threadpoolctl import threadpool_info
from smrestore.support.workflow import _use_cores
_use_cores(1)
assert numba.get_num_threads() == torch.get_num_threads() == 1
assert all(pool["num_threads"] == 1 for pool in threadpool_info())"""
    result = run_job(tmp_path / "job.log", body, cores=1)
    assert result.returncode == 0, result.stderr
