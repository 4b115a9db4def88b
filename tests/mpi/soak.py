"""Every rank sends to every other one: many messages of 8 bytes to 200 kB, of which order and content are checked.

    mpiexec -n 4 python -m tests.mpi.soak MESSAGES SEED

Prints one line of JSON at rank 0: how many came, and how long that took.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sys

import uvloop

import actorpar as ap
from actorpar.channels import env
from tests.mpi.joined import Joined, joined
from tests.mpi.traffic import consume, produce


async def lead(here: Joined, messages: int, seed: int) -> None:
    async with ap.ActorSystem(node=here.node) as system:
        await system.wait_for_nodes(len(here.others))
        names = [f"rank-{rank}" for rank in (0, *here.others)]
        pairs = list(itertools.permutations(names, 2))
        count = messages // len(pairs)
        began = env.clock()
        consumers = []
        for number, (one, other) in enumerate(pairs, seed * 1000):
            tx, rx = ap.open_channel[bytes](random.Random(number).choice([0, 1, 8, 64]))
            consumers.append(await system.spawn(consume, rx, number, count, on=other))
            await system.spawn(produce, tx, number, count, on=one)
        came = sum([await consumer for consumer in consumers])
        took = env.clock() - began
    media = sorted({link.medium for link in here.node.links.values()})
    print(json.dumps({"messages": came, "expected": count * len(pairs), "seconds": round(took, 2), "media": media}))


async def follow(here: Joined) -> None:
    over = asyncio.Event()
    here.node.watch_links(lambda link, _: over.set() if link.name == "rank-0" else None)
    async with ap.ActorSystem(node=here.node, serves=("tests.mpi.traffic",)):
        await over.wait()


async def main() -> None:
    messages, seed = map(int, sys.argv[1:])
    async with joined() as here:
        await (follow(here) if here.rank else lead(here, messages, seed))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
