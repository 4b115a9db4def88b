"""Every rule of docs/semantics.md that is built has a test named after it: `test_chNN_…`, `acNN`, `netNN`."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SEMANTICS = TESTS.parent / "docs" / "semantics.md"

#: How many rules there are.
RULES = {"ch": 63, "ac": 62, "net": 52, "tm": 13, "dv": 12}
#: Names across nodes (51), hibernation (59), persistence (60).
NOT_BUILT = {"ac": {51, 59, 60}}
#: Rules that say what is not promised, or what others promise: there is nothing to test.
WORDS = {"net": {19, 26, 46}}

BUILT = [
    (family, number)
    for family, last in RULES.items()
    for number in range(1, last + 1)
    if number not in NOT_BUILT.get(family, ()) and number not in WORDS.get(family, ())
]


@functools.cache
def names_of_tests() -> set[str]:
    """The names of all test functions under tests/."""
    names: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                names.add(node.name)
    return names


@pytest.mark.parametrize(("family", "number"), BUILT, ids=[f"{family}{number:02}" for family, number in BUILT])
def test_every_rule_has_a_test_named_after_it(family: str, number: int) -> None:
    assert any(name.startswith(f"test_{family}{number:02}_") for name in names_of_tests())


@pytest.mark.parametrize("family", RULES)
def test_the_page_of_the_rules_has_each_of_them_once_and_in_order(family: str) -> None:
    numbers = re.findall(rf"^\*\*{family.upper()}-(\d+)\*\* ", SEMANTICS.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(number) for number in numbers] == list(range(1, RULES[family] + 1))


def test_the_page_says_of_the_rules_that_are_not_built_that_they_are_not() -> None:
    for family, numbers in NOT_BUILT.items():
        told = rf"^\*\*{family.upper()}-(\d+)\*\* Not built yet"
        assert {int(each) for each in re.findall(told, SEMANTICS.read_text(encoding="utf-8"), re.M)} == numbers
