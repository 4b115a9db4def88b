"""TM-1 to TM-8: what collectives return, for teams of every size up to 8, for small values and large ones."""

from __future__ import annotations

import asyncio
import functools
import operator
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorpar.teams.errors import InvalidCall
from actorpar.teams.ops import BOR, MAX, MIN, PROD, SUM
from actorpar.teams.team import Team
from tests.teams.working import of_team, together

SIZES = range(1, 9)
#: A text that travels with the call, and one that does not.
TEXTS = ("a text", "x" * 5000)


def text(rank: int, large: str) -> str:
    return f"{large} of {rank}"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("large", TEXTS)
def test_tm01_every_collective_gives_what_its_definition_says(size: int, large: str) -> None:
    all_of = [text(rank, large) for rank in range(size)]
    root = size // 2

    async def member(team: Team[Any]) -> None:
        rank, mine = team.rank, text(team.rank, large)
        await team.barrier()
        assert await team.broadcast(mine if rank == root else None, root=root) == all_of[root]
        assert await team.scatter(all_of if rank == root else None, root=root) == mine
        assert await team.gather(mine, root=root) == (all_of if rank == root else None)
        assert await team.allgather(mine) == all_of
        given_to_all = [f"{mine} to {to}" for to in range(size)]
        assert await team.alltoall(given_to_all) == [f"{each} to {rank}" for each in all_of]
        assert await team.reduce(mine, operator.add, root=root) == ("".join(all_of) if rank == root else None)
        assert await team.allreduce(mine, SUM) == "".join(all_of)
        assert await team.scan(mine, SUM) == "".join(all_of[: rank + 1])

    assert of_team(size, member) == [None] * size


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("length", [0, 1, 10, 10_007])
def test_tm01_arrays_are_reduced_element_by_element_in_the_order_of_ranks(size: int, length: int) -> None:
    draw = np.random.default_rng(size * 100_000 + length)
    arrays = [draw.standard_normal((length, 3)) for _ in range(size)]
    folded = functools.reduce(np.add, arrays)

    async def member(team: Team[Any]) -> None:
        mine = arrays[team.rank].copy()
        everywhere = await team.allreduce(mine)
        at_root = await team.reduce(mine, root=size - 1)
        upto = await team.scan(mine)
        assert np.array_equal(everywhere, folded), "bit for bit"
        assert (at_root is None) == (team.rank != size - 1)
        assert at_root is None or np.array_equal(at_root, folded)
        assert np.array_equal(upto, functools.reduce(np.add, arrays[: team.rank + 1]))
        assert np.array_equal(mine, arrays[team.rank]), "what was given is as it was"
        out = np.empty_like(mine)
        assert await team.allreduce(mine, MAX, out=out) is out
        assert np.array_equal(out, functools.reduce(np.maximum, arrays))
        assert await team.allreduce(mine, out=mine) is mine
        assert np.array_equal(mine, folded)

    assert of_team(size, member) == [None] * size


@pytest.mark.parametrize("length", [3, 100_000])
def test_tm02_what_a_member_gets_is_its_own(length: int) -> None:
    async def member(team: Team[Any]) -> float:
        sent = np.arange(length, dtype=float) if team.rank == 0 else None
        got = await team.broadcast(sent, of=np.ndarray)
        got += team.rank  # nobody else sees it
        parts = await team.allgather(got)
        for part in parts:
            part *= 2
        await team.barrier()
        assert [part[0] for part in await team.allgather(got)] == [0.0, 1.0, 2.0, 3.0]
        out = np.empty(length)
        found = await team.broadcast(got if team.rank == 3 else None, root=3, out=out)
        assert found is (got if team.rank == 3 else out)
        return 0.0 if team.rank == 3 else float(out[1])

    assert of_team(4, member) == [4.0, 4.0, 4.0, 0.0]


@pytest.mark.parametrize("length", [3, 50_000])
def test_tm02_what_was_given_may_be_changed_when_the_call_returns(length: int) -> None:
    async def member(team: Team[Any]) -> None:
        mine = np.full(length, team.rank)
        for root in range(team.size):
            found = await team.gather(mine, root=root)
            mine += 10
            if found is not None:
                assert [int(each[-1]) for each in found] == [rank + 10 * root for rank in range(team.size)]

    assert of_team(4, member) == [None] * 4


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 6),
    st.lists(st.integers(0, 2**40), min_size=6, max_size=6),
    st.sampled_from([SUM, PROD, MIN, MAX, BOR]),
)
def test_tm01_numbers_are_reduced_as_python_would(size: int, numbers: list[int], op: Any) -> None:
    async def member(team: Team[Any]) -> tuple[int, int]:
        mine = numbers[team.rank]
        return await team.allreduce(mine % 97, op), await team.scan(mine % 97, op)

    values = [number % 97 for number in numbers[:size]]
    expected = [(functools.reduce(op, values), functools.reduce(op, values[: rank + 1])) for rank in range(size)]
    assert of_team(size, member) == expected


async def after(begun: asyncio.Event, call: Coroutine[Any, Any, Any]) -> Any:
    begun.set()
    return await call


async def test_tm03_a_cancelled_caller_leaves_the_team_whole() -> None:
    """Cancelled after every number of turns, from its first step to after its end."""
    for turns in range(12):

        async def member(team: Team[Any], turns: int = turns) -> list[int]:
            if team.rank == 1:
                begun = asyncio.Event()
                calling = asyncio.ensure_future(after(begun, team.allgather("x" * 3000)))
                await begun.wait()
                for _ in range(turns):
                    await asyncio.sleep(0)
                calling.cancel()
                await asyncio.wait([calling])
            else:
                assert len(await team.allgather("x" * 3000)) == 3
            return await team.allgather(team.rank)

        assert await together(3, member) == [[0, 1, 2]] * 3


async def test_tm03_calls_of_one_member_follow_each_other() -> None:
    async def member(team: Team[Any]) -> list[Any]:
        found = await asyncio.gather(team.allreduce(1), team.allgather(team.rank), team.scan(2), team.barrier())
        return list(found)

    assert await together(3, member) == [[3, [0, 1, 2], 2 * (rank + 1), None] for rank in range(3)]


async def test_tm04_what_no_member_could_call_is_refused_and_the_team_stays_whole() -> None:
    async def member(team: Team[Any]) -> int:
        with pytest.raises(InvalidCall, match="root is the rank of a member, 0 to 1, not 2"):
            await team.broadcast(1, root=2)
        with pytest.raises(InvalidCall, match="takes a value for each of 2 members, not 3"):
            await team.alltoall([1, 2, 3])
        with pytest.raises(InvalidCall, match=r"values of 2 types \(int, str\): pass `of=`"):
            await team.alltoall([1, "2"])
        with pytest.raises(InvalidCall, match="out is a contiguous array"):
            await team.allreduce(np.zeros(3), out=np.zeros(4))
        with pytest.raises(InvalidCall, match="out receives an array, and this is int"):
            await team.allreduce(3, out=np.zeros(3))
        with pytest.raises(InvalidCall, match="allreduce of an array of object"):
            await team.allreduce(np.array([None]))
        assert await team.alltoall([1, "2"], of=int | str) == [1 if team.rank == 0 else "2"] * 2  # type: ignore[arg-type]
        return await team.allreduce(1)

    assert await together(2, member) == [2, 2]


async def test_tm04_a_split_makes_teams_that_work_side_by_side() -> None:
    async def member(team: Team[Any]) -> tuple[list[int], list[int]]:
        half = await team.split(team.rank % 2, key=-team.rank)
        assert half is not None
        rows = await asyncio.gather(half.allgather(team.rank), team.allgather(half.rank))
        nobody = await team.split(None if team.rank else 0)
        assert (nobody is None) == (team.rank > 0)
        return rows[0], rows[1]

    even, odd = ([4, 2, 0], [2, 1, 1, 0, 0]), ([3, 1], [2, 1, 1, 0, 0])
    assert await together(5, member) == [even, odd, even, odd, even]
