"""A team of which each member is on a rank of its own: started by mpiexec, prints what came of it at rank 0."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import uvloop

import actorpar as ap
from tests.mpi.joined import Joined, joined
from tests.teams import crew


async def lead(here: Joined) -> None:
    size = here.world.size
    async with ap.ActorSystem(node=here.node, serves=("tests.teams",)) as system:
        await system.wait_for_nodes(size - 1)
        names = [f"rank-{rank}" for rank in range(size)]

        async def on_each(member: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> list[Any]:
            seats = ap.open_team[np.ndarray](size) if args else ap.open_team[None](size)
            members = [
                await system.spawn(member, seat, *args, on=name) for seat, name in zip(seats, names, strict=True)
            ]
            return [await member for member in members]

        told = {
            "totals": len(set(await on_each(crew.all_collectives, 4))),
            "steps": await on_each(crew.steps),
            "mismatch": await on_each(crew.mismatch),
            "left": await on_each(crew.leave_early),
            "cancelled": await on_each(crew.cancelled),
            "bell": here.ranks.poller.far.place[0],
        }
    print(json.dumps(told), flush=True)


async def follow(here: Joined) -> None:
    over = asyncio.Event()
    here.node.watch_links(lambda link, _: over.set() if link.name == "rank-0" else None)
    async with ap.ActorSystem(node=here.node, serves=("tests.teams",)):
        await over.wait()


async def main() -> None:
    async with joined() as here:
        await (follow(here) if here.rank else lead(here))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
