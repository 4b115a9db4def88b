"""A program for the tests of the launcher: the same on one process and on many."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import actorpar as ap


async def square(jobs: ap.Receiver[int], results: ap.Sender[tuple[int, int]]) -> None:
    async for job in jobs:
        await results.send((job * job, os.getpid()))


async def die() -> None:
    print("about to die", flush=True)
    os.kill(os.getpid(), 9)
    await asyncio.Event().wait()


async def whisper() -> None:
    print("a line", flush=True)
    print("an error line", file=sys.stderr, flush=True)


async def main() -> None:
    async with ap.ActorSystem() as system:
        wanted = int(os.environ.get("WANTED_NODES", "0"))
        if wanted:
            await system.wait_for_nodes(wanted)
        jobs_tx, jobs_rx = ap.open_channel[int](16)
        results_tx, results_rx = ap.open_channel[tuple[int, int]](16)
        for node in system.nodes:
            await system.spawn(square, jobs_rx.clone(), results_tx.clone(), on=node)
        jobs_rx.close()
        results_tx.close()

        async def feed(jobs: ap.Sender[int]) -> None:
            await jobs.send_many(range(1000))

        await system.spawn(feed, jobs_tx)
        results = [result async for result in results_rx]
        print("sum", sum(square for square, _ in results), "by", len({pid for _, pid in results}), flush=True)


async def killed() -> None:
    async with ap.ActorSystem() as system:
        try:
            await (await system.spawn(die, on="node-1"))
        except ap.ActorparError as error:
            print("told:", type(error).__name__, len(system.nodes), flush=True)


async def compute(seconds: float) -> int:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))
    return 42


async def computes() -> None:
    async with ap.ActorSystem() as system:
        events: list[str] = []
        system.hub.node.watch(lambda event: events.append(type(event).__name__))
        print("answer", await (await system.spawn(compute, 8.0, on="node-1")))
        print("events", *events, flush=True)


async def prints() -> None:
    async with ap.ActorSystem() as system:
        await (await system.spawn(whisper, on="node-1"))


async def pids() -> None:
    async with ap.ActorSystem() as system:
        print("pids", *(node.pid for node in system.nodes), flush=True)
        await asyncio.Event().wait()


async def threads() -> None:
    print("threads", os.environ.get("OMP_NUM_THREADS"), flush=True)


async def bounded() -> None:
    print("bounded", os.environ.get("OMP_NUM_THREADS"), flush=True)


async def threads_of_a_node() -> None:
    async with ap.ActorSystem() as system:
        (node,) = await system.wait_for_nodes(1)
        await (await system.spawn(bounded, on=node))


async def pids_once() -> None:
    async with ap.ActorSystem() as system:
        print("names", *(node.name for node in system.nodes), flush=True)


async def told_names() -> None:
    async with ap.ActorSystem() as system:
        nodes = await system.wait_for_nodes(int(os.environ["WANTED_NODES"]))
        print("names", *(node.name for node in nodes), flush=True)


async def told_labels() -> None:
    async with ap.ActorSystem() as system:
        print("labels", *sorted({label for node in system.nodes for label in node.labels}), flush=True)


async def twice() -> None:
    for _ in range(2):
        async with ap.ActorSystem() as system:
            print("nodes", len(system.nodes), flush=True)


class Careful(ap.Actor):
    """Its node is told to end while it handles a message."""

    async def work(self) -> str:
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):  # it has arrived long before
            await asyncio.sleep(0)
        print("handled", flush=True)
        return "done"

    def more(self) -> None:
        print("more", flush=True)

    async def on_stop(self, reason: object) -> None:
        print("stopped", flush=True)


async def drained() -> None:
    async with ap.ActorSystem() as system:
        (node,) = await system.wait_for_nodes(1)
        down = asyncio.Event()

        def happened(event: object) -> None:
            if isinstance(event, ap.NodeLost):
                down.set()

        system.hub.node.watch(happened)
        careful = await system.spawn(Careful, on=node)
        print("answer", await careful.ask(Careful.work), flush=True)
        await down.wait()
        print("told", careful.tell(Careful.more), flush=True)


async def raises() -> None:
    raise ap.ChannelClosed("of the program itself")
