"""What members of teams do on other nodes, where they are imported by name."""

from __future__ import annotations

import asyncio
import functools
import operator
from dataclasses import dataclass

import numpy as np

import actorpar as ap
from actorpar.teams.errors import TeamBroken
from actorpar.teams.seat import Seat


@dataclass
class Point:
    x: int
    y: int


async def all_collectives(seat: Seat[np.ndarray], rounds: int) -> float:
    """Call everything, small and large; the sum of what came, after all of it was checked."""
    async with seat as team:
        size, rank = team.size, team.rank
        total = 0.0
        for turn in range(rounds):
            length = 10 if turn % 2 else 30_000
            root = turn % size
            await team.barrier()
            assert await team.broadcast(Point(turn, 1) if rank == root else None, root=root, of=Point) == Point(turn, 1)
            arrays = [np.random.default_rng(turn * 100 + each).standard_normal(length) for each in range(size)]
            assert np.array_equal(await team.allreduce(arrays[rank]), functools.reduce(np.add, arrays))
            upto = await team.scan(arrays[rank])
            assert np.array_equal(upto, functools.reduce(np.add, arrays[: rank + 1]))
            got = await team.scatter(arrays if rank == root else None, root=root, of=np.ndarray)
            assert np.array_equal(got, arrays[rank])
            found = await team.gather(arrays[rank], root=root)
            assert (found is None) == (rank != root)
            assert found is None or all(map(np.array_equal, found, arrays))
            texts = await team.alltoall([f"{rank} to {to} " * (2 + turn % 2 * 500) for to in range(size)])
            assert texts == [f"{each} to {rank} " * (2 + turn % 2 * 500) for each in range(size)]
            assert await team.reduce(rank, operator.add, root=root) == (sum(range(size)) if rank == root else None)
            total += float(sum(array[0] for array in await team.allgather(arrays[rank])))
        return total


async def around(seat: Seat[np.ndarray], dims: tuple[int, ...]) -> list[float]:
    """Pass arrays to all neighbours of a closed grid, by channels and by exchange; then row by row."""
    async with seat as team:
        grid = await team.cart(dims, periodic=True)
        for neighbour in grid.neighbours.values():
            await neighbour.sender.send(np.full(20_000, grid.rank))
        came = [float((await each.receiver.receive())[-1]) for each in grid.neighbours.values()]
        exchanged = await grid.exchange([np.full(20_000, grid.rank) for _ in grid.destinations])
        assert [float(each[-1]) for each in exchanged] == came
        row = await grid.sub([len(dims) - 1])
        came.append(float(await row.allreduce(grid.rank)))
        row.close_neighbours()
        grid.close_neighbours()
        return came


async def until_broken(seat: Seat[None], begun: ap.Sender[int]) -> str:
    """Meet, tell that this member is there, and go on until the team breaks: why it did."""
    async with seat as team:
        await team.barrier()
        await begun.send(team.rank)
        try:
            while True:
                await team.allreduce(np.ones(3))
        except TeamBroken as error:
            return str(error)


async def steps(seat: Seat[None]) -> str:
    """By what the collectives of a member go."""
    async with seat as team:
        await team.barrier()
        return type(team._collectives.engine).__name__


async def mismatch(seat: Seat[None]) -> str:
    """The last member calls another collective."""
    async with seat as team:
        await team.barrier()
        try:
            if team.rank == team.size - 1:
                await team.gather("text")
            else:
                await team.allreduce(1)
        except TeamBroken as error:
            return str(error)
        return "nothing"


async def leave_early(seat: Seat[None]) -> str:
    """Member 1 leaves before the second collective."""
    async with seat as team:
        await team.barrier()
        if team.rank == 1:
            return "left"
        try:
            await team.allreduce(np.ones(30_000))
        except TeamBroken as error:
            return str(error)
        return "nothing"


async def _begin(team: ap.Team[None], begun: asyncio.Event) -> None:
    begun.set()
    await team.allreduce(np.ones(30_000))


async def cancelled(seat: Seat[None]) -> list[int]:
    """Member 0 is cancelled in the first collective; all complete the second."""
    async with seat as team:
        if team.rank == 0:
            begun = asyncio.Event()
            calling = asyncio.ensure_future(_begin(team, begun))
            await begun.wait()
            calling.cancel()
            await asyncio.wait([calling])
        else:
            await team.allreduce(np.ones(30_000))
        return await team.allgather(team.rank)


async def outcome(process: ap.Process[str]) -> str:
    """What a member has returned, or that its node was lost."""
    try:
        return await process
    except ap.NodeDown as error:
        return type(error).__name__


class Member(ap.Actor):
    """A member that is an actor: it has its place from its start to its end."""

    def __init__(self, seat: Seat[None]) -> None:
        self.seat = seat

    async def on_start(self) -> None:
        self.team = await self.seat.__aenter__()

    async def on_stop(self, reason: ap.Reason) -> None:
        await self.team.leave()

    async def total(self, value: int) -> int:
        return await self.team.allreduce(value)
