"""TM-5 to TM-7: a member that fails, leaves, mismatches or never comes breaks the team: an error at every member."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from actorpar.teams.errors import TeamBroken, TeamMismatch
from actorpar.teams.ops import MAX
from actorpar.teams.seat import open_team
from actorpar.teams.team import Team
from tests.teams.working import together

Call = Callable[[Team[Any]], Coroutine[Any, Any, Any]]

CALLS: dict[str, Call] = {
    "barrier": lambda team: team.barrier(),
    "broadcast": lambda team: team.broadcast("value" if team.rank == 0 else None),
    "scatter": lambda team: team.scatter(["value"] * team.size if team.rank == 0 else None),
    "gather": lambda team: team.gather("value"),
    "allgather": lambda team: team.allgather("x" * 3000),
    "alltoall": lambda team: team.alltoall(["value"] * team.size),
    "reduce": lambda team: team.reduce(1),
    "allreduce": lambda team: team.allreduce(np.ones(1000)),
    "scan": lambda team: team.scan(1.5),
    "split": lambda team: team.split(0),
}
#: Pairs of calls that do not fit, and what is said of them.
MISMATCHES: dict[str, tuple[Call, Call, str]] = {
    "another collective": (CALLS["gather"], CALLS["barrier"], r"called gather\(root=0, str\), .* barrier\(\)"),
    "another root": (CALLS["gather"], lambda team: team.gather("value", root=1), r"root=0, str\), .* gather\(root=1"),
    "another type": (CALLS["reduce"], lambda team: team.reduce("1"), r"reduce\(SUM, int, root=0\)"),
    "another reduction": (CALLS["reduce"], lambda team: team.reduce(1, MAX), r"reduce\(MAX, int, root=0\)"),
    "another dtype": (
        CALLS["allreduce"], lambda team: team.allreduce(np.ones(1000, "f4")), r"array of <f8 \(1000,\).*array of <f4"
    ),
    "another shape": (
        CALLS["allreduce"], lambda team: team.allreduce(np.ones((10, 100))), r"\(1000,\).*\(10, 100\)"
    ),
    "another wanted type": (
        lambda team: team.broadcast("text" if team.rank == 0 else None, of=str),
        lambda team: team.broadcast(of=int), "the root, member 0, gives str, and member 2 wants int: pass the same",
    ),
}  # fmt: skip


@pytest.mark.parametrize("size", [3, 4, 5, 8])
@pytest.mark.parametrize("what", MISMATCHES)
async def test_tm05_members_that_call_what_does_not_fit_are_told_so_by_name(what: str, size: int) -> None:
    most, other, text = MISMATCHES[what]

    async def member(team: Team[Any]) -> None:
        await team.allreduce(1)
        with pytest.raises(TeamMismatch, match=text):
            await (other if team.rank == 2 else most)(team)
        with pytest.raises(TeamBroken, match=text):
            await team.barrier()

    assert await together(size, member) == [None] * size


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(CALLS, 2)))
async def test_tm05_no_two_collectives_fit_each_other(one: str, other: str, size: int) -> None:
    async def member(team: Team[Any]) -> None:
        await CALLS[one if team.rank else other](team)

    assert [type(each) for each in await together(size, member)] == [TeamMismatch] * size


@pytest.mark.parametrize("size", [2, 3, 4, 7])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("how", ["fails", "leaves", "is killed"])
async def test_tm06_who_ends_before_it_calls_ends_the_wait_of_all_others(call: str, how: str, size: int) -> None:
    async def member(team: Team[Any]) -> None:
        await team.barrier()
        if team.rank == 1:
            if how == "fails":
                raise ValueError("nothing left to do")
            if how == "leaves":
                return
            raise asyncio.CancelledError
        await CALLS[call](team)

    outcomes = await together(size, survived(member))
    assert isinstance(outcomes[1], ValueError if how == "fails" else type(None) if how == "leaves" else str)
    others = [each for rank, each in enumerate(outcomes) if rank != 1]
    assert [type(each) for each in others] == [TeamBroken] * (size - 1)
    said = {"fails": "member 1 failed: ValueError: nothing left to do", "leaves": "member 1 has left", "is killed": "1"}
    assert all(said[how] in str(each) for each in others)


def survived(member: Call) -> Call:
    """The same member, of which a cancellation of its own is told as a text."""

    async def kept(team: Team[Any]) -> Any:
        try:
            return await member(team)
        except asyncio.CancelledError as error:
            await team.leave(error)
            return "cancelled"

    return kept


async def test_tm06_a_member_that_leaves_breaks_nothing_for_those_who_call_nothing_more() -> None:
    async def member(team: Team[Any]) -> list[int]:
        found = await team.allgather(team.rank)
        if team.rank:
            await asyncio.sleep(0.001 * team.rank)
        return found

    assert await together(4, member) == [[0, 1, 2, 3]] * 4


async def test_tm06_a_seat_that_nobody_takes_is_noticed() -> None:
    seats = open_team[None](2)
    seats[1].close()
    async with seats[0] as team:
        with pytest.raises(TeamBroken, match="member 1 has left"):
            await team.barrier()


@pytest.mark.virtual_time
@pytest.mark.parametrize("size", [2, 3, 4, 6])
@pytest.mark.parametrize("call", ["barrier", "allgather"])
async def test_tm07_who_never_calls_is_named_at_every_member_when_patience_is_over(call: str, size: int) -> None:
    over = asyncio.Event()

    async def member(team: Team[Any]) -> None:
        if team.rank == 1:
            await over.wait()
            with pytest.raises(TeamBroken, match="member 1 has not called"):
                await team.barrier()
            return
        began = asyncio.get_running_loop().time()
        with pytest.raises(TeamBroken, match=f"member 1 has not called {call} in 20 s"):
            await CALLS[call](team)
        assert 20 <= asyncio.get_running_loop().time() - began < 20.5
        over.set()

    assert await together(size, member, patience=20.0) == [None] * size


def fails_at_member_1(left: Any, right: Any) -> Any:
    """A reduction that does not take the second slice of what all have."""
    if isinstance(left, np.ndarray) and left[0] == 50_000:
        raise ValueError("not this slice")
    return left


async def test_tm06_a_reduction_that_fails_at_one_member_is_an_error_at_all() -> None:
    async def member(team: Team[Any]) -> None:
        await team.allreduce(np.arange(100_000), fails_at_member_1)

    found = await together(2, member)
    assert isinstance(found[1], ValueError)
    assert isinstance(found[0], TeamBroken)
    assert "member 1 failed in allreduce: ValueError: not this slice" in str(found[0])


@pytest.mark.virtual_time
async def test_tm07_patience_without_end_waits_for_ever() -> None:
    async def member(team: Team[Any]) -> int:
        if team.rank == 1:
            await asyncio.sleep(100_000)
        return await team.allreduce(1)

    assert await together(2, member, patience=float("inf"), limit=1e6) == [2, 2]
