"""TM-8: a team whose members are on several nodes works, and breaks, as one whose members are all here."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import actorpar as ap
from actorpar.teams.cartesian import Cartesian
from actorpar.teams.seat import open_team
from tests.remote.systems import Systems, systems
from tests.teams import crew

SERVES = ("tests.teams",)


def places(nodes: Systems, size: int) -> list[str]:
    """The nodes in turn, this one included: a mix of local and remote members."""
    names = [node.name for node in nodes.nodes]
    return [names[rank % len(names)] for rank in range(size)]


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_tm08_every_collective_over_members_here_and_on_other_nodes(kind: str, size: int) -> None:
    async with systems(3, SERVES, kind=kind) as nodes:
        members = [
            await nodes.here.spawn(crew.all_collectives, seat, 4, on=node)
            for seat, node in zip(open_team[np.ndarray](size), places(nodes, size), strict=True)
        ]
        async with asyncio.timeout(60):
            assert len({await member for member in members}) == 1


@pytest.mark.parametrize("dims", [(4,), (2, 2), (1, 4)])
async def test_tm10_neighbours_on_other_nodes(dims: tuple[int, ...]) -> None:
    async with systems(2, SERVES) as nodes:
        members = [
            await nodes.here.spawn(crew.around, seat, dims, on=node)
            for seat, node in zip(open_team[np.ndarray](4), places(nodes, 4), strict=True)
        ]
        grid = Cartesian(dims, True)
        for rank, member in enumerate(members):
            async with asyncio.timeout(60):
                came = await member
            assert came[:-1] == grid.neighbours(rank)
            assert came[-1] == sum(grid.members_of_sub(rank, [len(dims) - 1]))


async def test_tm06_a_node_that_is_lost_breaks_the_team_at_all_others() -> None:
    async with systems(3, SERVES) as nodes:
        begun, there = ap.open_channel[int](3)
        members = [
            await nodes.here.spawn(crew.until_broken, seat, begun.clone(), on=node)
            for seat, node in zip(open_team[None](3), places(nodes, 3), strict=True)
        ]
        begun.close()
        async with asyncio.timeout(30):
            assert {await there.receive() for _ in members} == {0, 1, 2}
            ending = [asyncio.create_task(crew.outcome(member)) for member in members]
            await asyncio.sleep(0)
            await nodes.lose(2)
            *others, lost = [await each for each in ending]
            assert lost == "NodeDown"
            told = [bool(re.search("member 2 (is lost|has left)", str(each))) for each in others]
            assert told == [True, True], others


async def test_actors_are_members_too() -> None:
    async with systems(2, SERVES) as nodes:
        members = [
            await nodes.here.spawn(crew.Member, seat, on=node)
            for seat, node in zip(open_team[None](4), places(nodes, 4), strict=True)
        ]
        totals = await asyncio.gather(*(member.ask(crew.Member.total, rank) for rank, member in enumerate(members)))
        assert totals == [6, 6, 6, 6]


def test_tm06_kill_9_of_a_members_process_is_an_error_at_every_other_member() -> None:
    program = Path(__file__).parent / "killing" / "program.py"
    ran = subprocess.run(
        [sys.executable, "-m", "actorpar", "run", str(program), "--nodes", "3"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    lines = [line for line in ran.stdout.splitlines() if line.startswith("member")]
    assert [line.split(":")[0] for line in lines] == ["member 0", "member 2", "member 3"]
    assert all("member 1 is lost" in line for line in lines), lines
