"""The planted bugs fit the tree: each has one place where it can be planted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.mutants.table import MUTANTS

ROOT = Path(__file__).resolve().parents[2]


def test_every_planted_bug_has_exactly_one_place() -> None:
    texts = {mutant.file: (ROOT / mutant.file).read_text("utf-8") for mutant in MUTANTS}
    lost = [f"{m.rule}: {m.bug}" for m in MUTANTS if texts[m.file].count(m.old) != 1]
    assert lost == []


def test_no_bug_is_planted_twice() -> None:
    twice = [key for key, times in Counter((m.file, m.old, m.new) for m in MUTANTS).items() if times > 1]
    assert twice == []
