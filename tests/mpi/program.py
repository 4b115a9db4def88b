"""A program for the tests of the launch under MPI: what its ranks do, and how one of them fails.

FAULT and RANK, in the environment, say how a rank fails, and which one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

import actorpar as ap

if TYPE_CHECKING:
    from mpi4py import MPI

FAULT = os.environ.get("FAULT", "")
FAULTY = int(os.environ.get("RANK", "0"))
MINE = int(os.environ.get("PMI_RANK", os.environ.get("OMPI_COMM_WORLD_RANK", "0")))


def fail(fault: str) -> None:
    """End this rank, or its program, as told."""
    print(f"rank {MINE} fails", flush=True)
    match fault:
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "left":
            os._exit(3)
        case "asked":
            sys.exit(5)
        case "thread":
            threading.Thread(target=threading.Event().wait).start()
    raise ValueError(f"of the program, at rank {MINE}")


if FAULT == "import" and MINE == FAULTY:
    fail(FAULT)


class Counter(ap.Actor):
    """It counts what it is told, and says where it does."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, number: int) -> None:
        self.total += number

    def told(self) -> tuple[int, int]:
        return self.total, MINE


async def square(jobs: ap.Receiver[int], results: ap.Sender[bytes]) -> None:
    async with results:
        async for job in jobs:
            await results.send(job.to_bytes(2, "little") * 20_000)


async def wait() -> None:
    await asyncio.Event().wait()


async def die() -> None:
    fail(FAULT)


async def main() -> None:
    """Actors, processes and channels between all ranks."""
    async with ap.ActorSystem() as system:
        media = sorted({link.medium for link in system.hub.node.links.values()})
        print("linked by", *media, [node.name for node in system.nodes])
        counters = [await system.spawn(Counter, on=node) for node in system.nodes]
        jobs_tx, jobs_rx = ap.open_channel[int](4)
        results_tx, results_rx = ap.open_channel[bytes](4)
        for node in system.nodes:
            await system.spawn(square, jobs_rx.clone(), results_tx.clone(), on=node)
        jobs_rx.close()
        results_tx.close()

        async def feed(jobs: ap.Sender[int]) -> None:
            async with jobs:
                await jobs.send_many(range(100))

        await system.spawn(feed, jobs_tx)
        async for result in results_rx:
            assert len(result) == 40_000
            for counter in counters:
                await counter.send(Counter.add, int.from_bytes(result[:2], "little"))
        told = [await counter.ask(Counter.told) for counter in counters]
        print("counted", *told)


async def fails() -> None:
    """One rank fails, while another one waits for what it has started there. (rank 0)"""
    async with ap.ActorSystem() as system:
        waits = await system.spawn(wait, on="rank-1")
        if FAULTY:
            await system.spawn(die, on=f"rank-{FAULTY}")
        else:
            fail(FAULT)
        await waits


async def goes_on() -> None:
    """One rank dies, whose actor is monitored; what runs on another one goes on. (rank 0)"""
    async with ap.ActorSystem() as system:
        events: list[str] = []
        system.hub.node.watch(
            lambda event: events.append(f"lost {event.node.name}") if isinstance(event, ap.NodeLost) else None
        )
        counters = [await system.spawn(Counter, on=node) for node in system.nodes]
        try:
            await (await system.spawn(die, on="rank-1"))
        except ap.NodeDown as error:
            print("told", error)
        for counter in counters:
            try:
                print("counted", *await counter.ask(Counter.told))
            except ap.ActorparError as error:
                print(type(error).__name__, "of a counter")
        print("events", *events)


async def one_fails() -> None:
    """One rank fails, while the others wait. (every rank)"""
    async with ap.ActorSystem():
        if MINE == FAULTY:
            fail(FAULT)
        await asyncio.Event().wait()


async def one_returns() -> None:
    """One rank returns, while another one asks it."""
    async with ap.ActorSystem() as system:
        if MINE != FAULTY:
            print(f"rank {MINE} waits", flush=True)
            await (await system.spawn(wait, on=f"rank-{FAULTY}"))


async def each_waits() -> None:
    """Tell that it is there, and wait."""
    async with ap.ActorSystem():
        try:
            print(f"here {MINE}", flush=True)
            await asyncio.Event().wait()
        finally:
            print(f"ended {MINE}", flush=True)


async def each_meets_the_next() -> None:
    """Rank 0 counts at rank 1 while that has no system yet, and the other way round later. (every rank, of two)"""
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    if MINE == 1:
        while not world.iprobe(source=0):  # noqa: ASYNC110  # MPI has no event
            await asyncio.sleep(0)
        for _ in range(1000):  # what rank 0 has said to actors here has come long before
            await asyncio.sleep(0)
    async with ap.ActorSystem() as system:
        counting = asyncio.ensure_future(system.spawn(Counter, on=f"rank-{1 - MINE}"))
        if MINE == 0:
            for _ in range(100):
                await asyncio.sleep(0)
            assert not counting.done()
            world.send("begin", 1)
        else:
            world.recv(source=0)
        counter = await counting
        await counter.send(Counter.add, 1)
        total, where = await counter.ask(Counter.told)
        print(f"rank {MINE} has counted {total} at {where}")
        await meet(world)


async def meet(world: MPI.Comm) -> None:
    """Wait until every rank has come here."""
    request = world.Ibarrier()
    while not request.Test():  # noqa: ASYNC110  # MPI has no event
        await asyncio.sleep(0)


async def beside_mpi4py() -> None:
    """The program's own MPI calls, between ours: messages with the same tags, and a collective."""
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    async with ap.ActorSystem() as system:
        other = 1 - MINE
        mine = [world.isend(("mine", MINE, turn), other, tag=turn % 3) for turn in range(50)]
        counter = await system.spawn(Counter, on=f"rank-{other}")
        for number in range(50):
            await counter.send(Counter.add, number)
        came = [world.recv(source=other, tag=turn % 3) for turn in range(50)]
        for request in mine:
            request.wait()
        assert [each[2] for each in came] == list(range(50))
        total, where = await counter.ask(Counter.told)
        await meet(world)
        print(f"rank {MINE} has counted {total} at {where}, of {world.allreduce(1)}")


async def begun() -> None:
    """MPI was begun by the program, before the library."""
    from mpi4py import MPI

    print("begun", MPI.Is_initialized())
