"""Contestants on two ranks of MPI, in one job: `mpiexec -n 2 python -m tests.bench.rank_program`.

Rank 0 reads commands from standard input, one line of JSON each, {"what": name, "items": n}; both ranks run that
contestant, and rank 0 prints {"seconds": for each item}. So contestants alternate in one run, on the same cores. With
more ranks, each even one does with the next odd one what the first two do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

import actorpar as ap
from actorpar.nodes.mpi import world as mpi
from actorpar.nodes.mpi.bell import Bells
from actorpar.nodes.mpi.farbell import FarBells
from actorpar.nodes.mpi.poller import Poller
from actorpar.nodes.mpi.ranks import Ranks
from actorpar.nodes.mpi.wire import Wire
from actorpar.nodes.node import Node
from tests.bench import rank_work as work

SMALL = bytes(64)
BATCH = 64
IDLE = 2.0
#: The tag by which the one that leads says that it is done.
OVER = 99

Contestant = Callable[["Job", int], float]


class Job:
    """This rank, its partner, and the loop on which ours runs."""

    node: Node
    ranks: Ranks
    system: ap.ActorSystem

    def __init__(self, route: str) -> None:
        self.world = mpi.start(os.environ)
        from mpi4py import MPI

        self.comm = MPI.COMM_WORLD
        self.rank = self.world.rank
        self.leads = self.rank % 2 == 0
        self.other = self.rank ^ 1
        self.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)

        async def begin() -> None:
            self.node = Node(f"rank-{self.rank}")
            self.ranks = Ranks(self.world, self.node, route=route)
            self.system = ap.ActorSystem(node=self.node, serves=("tests.bench.rank_work",))
            await self.system.__aenter__()
            await self.ranks.link()

        self.runner.run(begin())

    def run(self, main: Callable[[], Coroutine[Any, Any, float]]) -> float:
        """Have the loops of both ranks run until the one that leads is done."""

        async def both() -> float:
            if self.leads:
                seconds = await main()
                self.world.comm.Isend(b"", self.other, OVER).Wait()
                return seconds
            over = self.world.comm.Irecv(bytearray(1), self.other, OVER)
            while not over.Test():  # noqa: ASYNC110  # a message of MPI is no event
                await asyncio.sleep(0.0005)
            return 0.0

        return self.runner.run(both())


# -- plain mpi4py


def _there_and_back(send: Callable[[], Any], receive: Callable[[], Any]) -> Contestant:
    def trial(job: Job, items: int) -> float:
        began = time.perf_counter()
        for _ in range(items):
            if job.leads:
                send()
                receive()
            else:
                receive()
                send()
        return (time.perf_counter() - began) / items / 2

    return trial


def raw_latency(job: Job, items: int) -> float:
    out, into = bytearray(64), bytearray(64)
    comm, other = job.comm, job.other
    return _there_and_back(lambda: comm.Send(out, other, 1), lambda: comm.Recv(into, other, 1))(job, items)


def pickled_latency(job: Job, items: int) -> float:
    comm, other = job.comm, job.other
    return _there_and_back(lambda: comm.send(SMALL, other, 1), lambda: comm.recv(source=other, tag=1))(job, items)


def _one_way(job: Job, items: int, send: Callable[[], Any], receive: Callable[[], Any]) -> float:
    began = time.perf_counter()
    step = send if job.leads else receive
    for _ in range(items):
        step()
    if job.leads:
        job.comm.Recv(bytearray(1), job.other, 2)
    else:
        job.comm.Send(bytearray(1), job.other, 2)
    return (time.perf_counter() - began) / items


def raw_one_way(job: Job, items: int) -> float:
    out, into = bytearray(64), bytearray(64)
    return _one_way(job, items, lambda: job.comm.Send(out, job.other, 1), lambda: job.comm.Recv(into, job.other, 1))


def pickled_one_way(job: Job, items: int) -> float:
    return _one_way(
        job, items, lambda: job.comm.send(SMALL, job.other, 1), lambda: job.comm.recv(source=job.other, tag=1)
    )


def _raw_arrays(size: int) -> Contestant:
    def trial(job: Job, items: int) -> float:
        array = np.ones(size // 8)
        return _one_way(
            job, items, lambda: job.comm.Send(array, job.other, 1), lambda: job.comm.Recv(array, job.other, 1)
        )

    return trial


def pickled_allreduce(job: Job, items: int) -> float:
    began = time.perf_counter()
    mine = SMALL
    for _ in range(items):
        job.comm.allreduce(mine, op=_first)
    return (time.perf_counter() - began) / items


def _first(left: bytes, _: bytes) -> bytes:
    return left


def raw_allreduce(job: Job, items: int) -> float:
    mine, out = np.ones(8), np.empty(8)
    began = time.perf_counter()
    for _ in range(items):
        job.comm.Allreduce(mine, out)
    return (time.perf_counter() - began) / items


# -- ours


class Bouncing:
    """The sink of a link: sends each packet back, so many times; whoever begins is told at the end."""

    def __init__(self, stream: Any, items: int) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._stream = stream
        self._left = items
        self._memory = memoryview(bytearray(1 << 17))

    @property
    def buffer(self) -> Callable[[], memoryview]:
        return lambda: self._memory

    def advance(self, count: int) -> None:
        self._left -= 1
        if self._left >= 0:
            self._stream.write([SMALL])
        elif not self.done.done():
            self.done.set_result(None)

    def writable(self) -> None: ...

    def closed(self, error: BaseException | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def link_latency(job: Job, items: int) -> float:
    """Bytes to bytes: what `actorpar.nodes.mpi` adds to MPI."""

    async def main() -> float:
        folder = Path(job.world.tell_all(tempfile.mkdtemp() if job.rank == 0 else "")[0])
        bells = Bells(folder, job.rank, job.world.size)
        comm = job.comm.Dup()
        wire = Wire(comm)
        job.world.tell_all(True)
        bells.meet([job.other])
        poller = Poller(wire, bells, FarBells("127.0.0.1"))
        stream = poller.streams[job.other]
        bouncing = Bouncing(stream, items if job.leads else 1 << 60)
        stream.start(bouncing)
        began = time.perf_counter()
        if job.leads:
            stream.write([SMALL])
        await bouncing.done
        seconds = (time.perf_counter() - began) / (items + 1) / 2
        if job.leads:
            stream.close()
        assert await poller.close(10)
        if job.rank == 0:
            shutil.rmtree(folder)
        return seconds

    return job.runner.run(main())


def channel_latency(job: Job, items: int) -> float:
    async def main() -> float:
        out, there = ap.open_channel[bytes](64)
        answers, back = ap.open_channel[bytes](64)
        await job.system.spawn(work.echo, there, answers, on=f"rank-{job.other}")
        return await (await job.system.spawn(work.drive, back, out, items))

    return job.run(main)


def _channel_one_way(many: bool) -> Contestant:
    def trial(job: Job, items: int) -> float:
        async def main() -> float:
            tx, rx = ap.open_channel[bytes](1024)
            done, says = ap.open_channel[int](1)
            await job.system.spawn(work.count, rx, done, on=f"rank-{job.other}")
            with says:
                await says.receive()
                began = time.perf_counter()
                if many:
                    for _ in range(items // BATCH):
                        await tx.send_many([SMALL] * BATCH)
                else:
                    for _ in range(items):
                        await tx.send(SMALL)
                tx.close()
                assert await says.receive() == items
                return (time.perf_counter() - began) / items

        return job.run(main)

    return trial


def _channel_arrays(size: int) -> Contestant:
    def trial(job: Job, items: int) -> float:
        async def main() -> float:
            array = np.ones(size // 8)
            tx, rx = ap.open_channel[np.ndarray](max(2, min(64, (32 << 20) // size)))
            done, says = ap.open_channel[int](1)
            await job.system.spawn(work.count_arrays, rx, done, on=f"rank-{job.other}")
            with says:
                await says.receive()
                began = time.perf_counter()
                for _ in range(items):
                    await tx.send(array)
                tx.close()
                assert await says.receive() == items
                return (time.perf_counter() - began) / items

        return job.run(main)

    return trial


def team_allreduce(job: Job, items: int) -> float:
    async def main() -> float:
        seats = ap.open_team[None](2)
        other = await job.system.spawn(work.reduce, seats[1], items, on=f"rank-{job.other}")
        seconds = await (await job.system.spawn(work.reduce, seats[0], items))
        await other
        return seconds

    return job.run(main)


def socket_latency(job: Job, items: int) -> float:
    """asyncio's streams on uvloop, over a Unix socket between the same two processes."""

    async def main() -> float:
        path = str(job.ranks.folder / f"bench-{min(job.rank, job.other)}")
        if job.leads:
            came: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            server = await asyncio.start_unix_server(lambda *pair: came.set_result(pair), path)
            job.comm.send(True, job.other, 3)
            reader, writer = await came
            server.close()
            with contextlib.suppress(FileNotFoundError):  # since 3.13 the server removes it
                os.unlink(path)
        else:
            job.comm.recv(source=job.other, tag=3)
            reader, writer = await asyncio.open_unix_connection(path)
        began = time.perf_counter()
        for _ in range(items):
            if job.leads:
                writer.write(SMALL)
            await reader.readexactly(len(SMALL))
            if not job.leads:
                writer.write(SMALL)
        seconds = (time.perf_counter() - began) / items / 2
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        return seconds

    return job.runner.run(main())


def idle(job: Job, items: int) -> float:
    """The share of a core that a rank takes while nothing happens."""

    async def main() -> float:
        await asyncio.sleep(0.2)
        before = time.process_time()
        await asyncio.sleep(IDLE)
        return (time.process_time() - before) / IDLE

    return max(job.world.tell_all(job.runner.run(main())))


CONTESTANTS: dict[str, Contestant] = {
    "latency: mpi4py Send": raw_latency,
    "latency: mpi4py send": pickled_latency,
    "latency: actorpar, link": link_latency,
    "latency: actorpar, channel": channel_latency,
    "latency: uvloop streams": socket_latency,
    "one way: mpi4py Send": raw_one_way,
    "one way: mpi4py send": pickled_one_way,
    "one way: actorpar, channel": _channel_one_way(many=False),
    "one way: actorpar, send_many": _channel_one_way(many=True),
    "64 KiB: mpi4py Send": _raw_arrays(64 << 10),
    "64 KiB: actorpar, channel": _channel_arrays(64 << 10),
    "16 MiB: mpi4py Send": _raw_arrays(16 << 20),
    "16 MiB: actorpar, channel": _channel_arrays(16 << 20),
    "allreduce: mpi4py allreduce": pickled_allreduce,
    "allreduce: mpi4py Allreduce": raw_allreduce,
    "allreduce: actorpar, team": team_allreduce,
    "idle: actorpar": idle,
}


def main() -> None:
    logging.disable()  # that a loop does not run while others are measured, is no news
    job = Job(sys.argv[1] if len(sys.argv) > 1 else "mpi")
    while True:
        line = sys.stdin.readline() if job.rank == 0 else ""
        order = job.world.tell_all(line)[0]
        if not order.strip():
            break
        wanted = json.loads(order)
        seconds = job.world.tell_all(CONTESTANTS[wanted["what"]](job, wanted["items"]))
        if job.rank == 0:
            print(json.dumps({"seconds": max(seconds)}), flush=True)

    async def end() -> None:
        await job.system.__aexit__(None, None, None)
        await job.node.close()
        assert await job.ranks.end()

    job.runner.run(end())
    job.runner.close()
    job.world.end()


if __name__ == "__main__":
    main()
