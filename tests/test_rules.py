"""Every rule of docs/semantics.md has a test named after it: `test_chNN_…`."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@functools.cache
def names_of_tests() -> set[str]:
    """The names of all test functions under tests/."""
    names: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                names.add(node.name)
    return names


@pytest.mark.parametrize("number", range(1, 64))
def test_every_rule_has_a_test_named_after_it(number: int) -> None:
    assert any(name.startswith(f"test_ch{number:02}_") for name in names_of_tests())
