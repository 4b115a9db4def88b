"""Many messages of all sizes between ranks, and teams over them, on both MPIs, as on one host and as on several."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.mpi.lanes import LANES

#: Each run is a lane, and whether its ranks take each other for ranks of different hosts.
RUNS = [(lane, apart) for lane in LANES for apart in ("", "1")]


def told(lane: str, apart: str, ranks: int, *words: str) -> dict[str, Any]:
    """What a program prints at rank 0, which ends well."""
    ran = LANES[lane].run(ranks, "-m", *words, environment={"APART": apart})
    assert ran.returncode == 0, ran.stderr[-3000:]
    lines = [line for line in ran.stdout.splitlines() if line.startswith("{")]
    assert len(lines) == 1, ran.stdout
    found: dict[str, Any] = json.loads(lines[0])
    return found


@pytest.mark.parametrize(("lane", "apart"), RUNS)
@pytest.mark.parametrize("ranks", [2, 4])
def test_every_message_between_ranks_comes_once_in_order_and_whole(lane: str, apart: str, ranks: int) -> None:
    found = told(lane, apart, ranks, "tests.mpi.soak", "3000", str(ranks))
    assert found["messages"] == found["expected"] == 3000
    assert found["media"] == ["mpi"]


@pytest.mark.parametrize(("lane", "apart"), RUNS)
def test_tm08_a_team_of_ranks_goes_by_messages_of_mpi_and_does_what_every_team_does(lane: str, apart: str) -> None:
    found = told(lane, apart, 3, "tests.mpi.teams")
    assert found["totals"] == 1
    assert found["steps"] == ["RankSteps"] * 3
    said = "member 0 has called allreduce(SUM, int), and member 2 gather(root=0, str)"
    assert all(said in each for each in found["mismatch"])
    assert found["left"][1] == "left"
    assert all("member 1 has left" in found["left"][rank] for rank in (0, 2))
    assert found["cancelled"] == [[0, 1, 2]] * 3
    assert apart or found["bell"] == "127.0.0.1", "ranks of one host listen nowhere beyond it"
