"""docs/reliability.md names tests that exist."""

import ast
import re

from checkout import ROOT

TEXT = (ROOT / "docs/reliability.md").read_text()


def test_all_tests_that_are_named_exist():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
    assert len(named) > 12
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
