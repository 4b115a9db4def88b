"""A team on three nodes and this one, of which a node is killed: for tests/teams/test_on_nodes.py."""

from __future__ import annotations

import asyncio
import os
import signal

import actorpar as ap
from actorpar.teams.errors import TeamBroken
from actorpar.teams.seat import Seat, open_team


async def member(seat: Seat[None], ready: ap.Sender[int]) -> str:
    async with seat as team:
        await team.barrier()
        await ready.send(os.getpid() if team.rank == 1 else 0)
        try:
            while True:
                await team.allreduce(1)
        except TeamBroken as error:
            return f"member {team.rank}: {error}"


async def outcome(process: ap.Process[str]) -> str:
    try:
        return await process
    except ap.NodeDown:
        return "lost"


async def main() -> None:
    async with ap.ActorSystem() as system:
        ready, there = ap.open_channel[int](4)
        seats = open_team[None](4, name="crew")
        members = [await system.spawn(member, seats[0], ready.clone())]
        for seat, node in zip(seats[1:], system.nodes, strict=True):
            members.append(await system.spawn(member, seat, ready.clone(), on=node))
        ready.close()
        victim = sum([await there.receive() for _ in members])
        ending = [asyncio.create_task(outcome(process)) for process in members]
        await asyncio.sleep(0)
        os.kill(victim, signal.SIGKILL)
        for each in ending:
            print(await each, flush=True)
