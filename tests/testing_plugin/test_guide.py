"""The tests in docs/testing.md pass, and each of them can be taken as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.test_docs import ROOT, blocks

from .outcomes import Outcome, outcomes

BLOCKS = [(place, source) for place, source in blocks(ROOT / "docs" / "testing.md") if "def test_" in source]


def test_the_guide_has_tests() -> None:
    assert len(BLOCKS) >= 4


@pytest.mark.parametrize(("place", "source"), BLOCKS, ids=[place for place, _ in BLOCKS])
def test_the_tests_of_the_guide_pass(tmp_path: Path, place: str, source: str) -> None:
    ini = "asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
    found = outcomes(tmp_path, source, ini, "--strict-markers")
    assert found == dict.fromkeys(re.findall(r"def (test_\w+)", source), Outcome("", ""))
