"""NET-12: the conformance kit of the channels, unchanged, between two ranks of MPI."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest

from tests.mpi.lanes import LANES
from tests.nodes.test_conformance_far import ARRANGEMENTS
from tests.nodes.test_select_over_all import CANCELS

NAMES = [
    *(f"{pair}-{check.name}" for pair, checks in ARRANGEMENTS.items() for check in checks.values()),
    "select-each_wins", *(f"select-{cancel}" for cancel in CANCELS),
]  # fmt: skip


@functools.cache
def outcomes(lane: str) -> dict[str, Any]:
    """What the kit has printed, one run for each MPI: how each check went, and what the links have carried."""
    ran = LANES[lane].run(2, "-m", "tests.mpi.kit", limit=120)
    lines = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    found: dict[str, Any] = {line["check"]: line["failure"] for line in lines if "check" in line}
    (found["carried"],) = [line["carried"] for line in lines if "carried" in line] or [None]
    assert ran.returncode == 0, ran.stderr
    return found


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("name", NAMES)
def test_net12_every_check_passes_between_two_ranks(lane: str, name: str) -> None:
    assert outcomes(lane)[name] == ""


@pytest.mark.parametrize("lane", LANES)
def test_what_the_kit_sends_goes_over_mpi(lane: str, capsys: pytest.CaptureFixture[str]) -> None:
    carried = outcomes(lane)["carried"]
    over_mpi = sum(count for medium, count in carried if medium == "mpi")
    share = over_mpi / sum(count for _, count in carried)
    with capsys.disabled():
        print(f" [{lane}: MPI carried {share:.1%} of {over_mpi} messages] ", end="")
    assert over_mpi > 1000
    assert share > 0.9
