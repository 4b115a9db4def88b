"""Two operating-system processes on one host: channels over a link, and what else joins processes.

The figure is wall-clock time for each item, from the first that is sent until the other process has said that it has
the last one; processes are started, and linked, before the clock runs. `blocking sockets` is the limit: two loops that
do nothing but call the kernel.
"""

import asyncio
import multiprocessing
import os
import socket
import struct
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import actorpar as ap
from actorpar.nodes.events import NodeLost
from actorpar.nodes.node import Node

from .cases import UVLOOP, Case, Group, LoopFactory, Trial, peer
from .measure import Sample, Stopwatch, expect

SMALL = bytes(64)
LARGE = 16 << 20
CAPACITY = 1024
BATCH = 64
SERVES = ("tests.bench.links",)
PIPE, TCP, MANY = "actorpar, pipe", "actorpar, TCP", "actorpar, pipe, send_many"
STREAMS, ZMQ, SOCKETS, MP_PIPE = "asyncio streams", "pyzmq asyncio", "blocking sockets", "multiprocessing.Pipe"
ONE_COPY, NO_COPY = "actorpar, pipe, one copy", "actorpar, pipe, empty_shared"

_context = multiprocessing.get_context("spawn")
_LENGTH = struct.Struct("<I")


def _sample(watch: Stopwatch, items: int) -> Sample:
    return Sample(items, watch.cpu, watch.wall, watch.wall / items)


@contextmanager
def _process(target: Callable[..., Any], *args: Any) -> Iterator[None]:
    process = _context.Process(target=target, args=args)
    process.start()
    try:
        yield
        process.join(30)
    finally:
        process.kill()
        process.join()


def _pin(core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})


@contextmanager
def _pinned(core: int | None) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    _pin(core)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


# -- actorpar


def _far_node(sock: socket.socket | None, address: str, core: int | None) -> None:
    _pin(core)

    async def main() -> None:
        lost = asyncio.Event()
        async with Node("far") as node, ap.ActorSystem("far", node=node, serves=SERVES):
            node.watch(lambda event: lost.set() if isinstance(event, NodeLost) else None)
            await (node.connect(address) if sock is None else node.adopt(sock, dials=True))
            await lost.wait()

    ap.run(main)


@asynccontextmanager
async def _linked(kind: str, core: int | None = None) -> AsyncIterator[ap.ActorSystem]:
    """A system that is linked to another process."""
    async with Node("near") as node:
        ours, theirs = socket.socketpair() if kind == PIPE else (None, None)
        address = "" if kind == PIPE else (await node.listen("tcp://127.0.0.1:0")).address
        process = _context.Process(target=_far_node, args=(theirs, str(address), core))
        process.start()
        try:
            async with ap.ActorSystem("near", node=node) as system:
                if ours is not None and theirs is not None:
                    theirs.close()
                    await node.adopt(ours, dials=False)
                await system.wait_for_nodes(1)
                yield system
        finally:
            await node.close()
            await asyncio.to_thread(process.join, 10)
            process.kill()


async def consume(items: ap.Receiver[bytes], done: ap.Sender[int], many: bool) -> None:
    count = 0
    await done.send(0)
    if many:
        while received := await _some(items):
            count += received
    else:
        async for _ in items:
            count += 1
    await done.send(count)


async def _some(items: ap.Receiver[bytes]) -> int:
    try:
        return len(await items.receive_many(BATCH))
    except ap.EndOfChannel:
        return 0


async def echo(items: ap.Receiver[bytes], back: ap.Sender[bytes]) -> None:
    async for item in items:
        await back.send(item)


def _one_way(kind: str, many: bool = False) -> Trial:
    async def main(items: int) -> Sample:
        async with _linked(kind) as system:
            tx, rx = ap.open_channel[bytes](CAPACITY)
            done, says = ap.open_channel[int](1)
            await system.spawn(consume, rx, done, many, on="far")
            await says.receive()
            with tx, says, Stopwatch() as watch:
                if many:
                    for _ in range(items // BATCH):
                        await tx.send_many([SMALL] * BATCH)
                else:
                    for _ in range(items):
                        await tx.send(SMALL)
                tx.close()
                expect("items", await says.receive(), items)
            return _sample(watch, items)

    return _on_loop(main)


def _on_loop(main: Callable[[int], Awaitable[Sample]]) -> Trial:
    def trial(items: int, loop_factory: LoopFactory) -> Sample:
        async def body() -> Sample:
            return await main(items)

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(body())

    return trial


def _round_trip(items: int, loop_factory: LoopFactory) -> Sample:
    async def main(count: int) -> Sample:
        async with _linked(PIPE, core=0) as system:
            tx, rx = ap.open_channel[bytes](1)
            back, answers = ap.open_channel[bytes](1)
            await system.spawn(echo, rx, back, on="far")
            with tx, answers:
                await tx.send(SMALL)
                await answers.receive()
                with Stopwatch() as watch:
                    for _ in range(count):
                        await tx.send(SMALL)
                        await answers.receive()
            return _sample(watch, count)

    with _pinned(0):
        return _on_loop(main)(items, loop_factory)


async def consume_arrays(arrays: ap.Receiver[Any], done: ap.Sender[int]) -> None:
    import numpy as np

    total = 0
    await done.send(0)
    async for array in arrays:
        assert isinstance(array, np.ndarray)
        total += array.nbytes
        await done.send(int(array[-1]))
    await done.send(total)


def _arrays(kind: str, shared: bool) -> Trial:
    async def main(items: int) -> Sample:
        np = peer("numpy")
        array = ap.empty_shared((LARGE,), "uint8") if shared else np.empty(LARGE, "uint8")
        array[:] = 7
        async with _linked(kind) as system:
            tx, rx = ap.open_channel[Any](2)
            done, says = ap.open_channel[int](1)
            await system.spawn(consume_arrays, rx, done, on="far")
            await says.receive()

            async def one() -> None:
                await tx.send(array)
                expect("last byte", await says.receive(), 7)

            with tx, says:
                for _ in range(2):  # the first ones map the memory
                    await one()
                with Stopwatch() as watch:
                    for _ in range(items):
                        await one()
                tx.close()
                expect("bytes", await says.receive(), LARGE * (items + 2))
            return _sample(watch, items)

    return _on_loop(main)


# -- asyncio streams


def _far_stream(sock: socket.socket, items: int, echoes: bool, core: int | None) -> None:
    _pin(core)

    async def main() -> None:
        reader, writer = await asyncio.open_connection(sock=sock)
        for _ in range(items):
            (size,) = _LENGTH.unpack(await reader.readexactly(4))
            body = await reader.readexactly(size)
            if echoes:
                writer.write(_LENGTH.pack(size) + body)
        if not echoes:
            writer.write(_LENGTH.pack(0))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    ap.run(main)


def _streams(echoes: bool) -> Trial:
    core = 0 if echoes else None

    def trial(items: int, loop_factory: LoopFactory) -> Sample:
        ours, theirs = socket.socketpair()

        async def main(count: int) -> Sample:
            reader, writer = await asyncio.open_connection(sock=ours)
            frame = _LENGTH.pack(len(SMALL)) + SMALL
            writer.write(frame)  # the other process is there when it has this one
            if echoes:
                await reader.readexactly(len(frame))
            with Stopwatch() as watch:
                for _ in range(count - 1):
                    writer.write(frame)
                    await writer.drain()
                    if echoes:
                        await reader.readexactly(len(frame))
                if not echoes:
                    await reader.readexactly(4)
            writer.close()
            await writer.wait_closed()
            return _sample(watch, count)

        with _pinned(core), _process(_far_stream, theirs, items, echoes, core):
            theirs.close()
            return _on_loop(main)(items, loop_factory)

    return trial


# -- others


def _far_zmq(address: str, items: int) -> None:
    zmq: Any = peer("zmq")
    sockets: Any = peer("zmq.asyncio")

    async def main() -> None:
        with sockets.Context() as context:
            pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
            pull.connect(address)
            push.connect(address + "-back")
            await push.send(b"ready")
            for _ in range(items):
                await pull.recv()
            await push.send(b"done")
            pull.close()
            push.close()

    asyncio.run(main())


def _zmq(items: int, loop_factory: LoopFactory) -> Sample:
    zmq: Any = peer("zmq")
    sockets: Any = peer("zmq.asyncio")

    async def main(address: str) -> Sample:
        with sockets.Context() as context:
            push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
            push.bind(address)
            pull.bind(address + "-back")
            await pull.recv()
            with Stopwatch() as watch:
                for _ in range(items):
                    await push.send(SMALL)
                await pull.recv()
            push.close()
            pull.close()
            return _sample(watch, items)

    with tempfile.TemporaryDirectory() as folder:
        address = f"ipc://{folder}/zmq"
        with _process(_far_zmq, address, items):
            return asyncio.run(main(address))


def _far_pipe(pipe: Any, items: int) -> None:
    pipe.send_bytes(b"ready")
    for _ in range(items):
        pipe.recv_bytes()
    pipe.send_bytes(b"done")


def _mp_pipe(items: int, loop_factory: LoopFactory) -> Sample:
    ours, theirs = _context.Pipe()
    with _process(_far_pipe, theirs, items):
        theirs.close()
        ours.recv_bytes()
        with Stopwatch() as watch:
            for _ in range(items):
                ours.send_bytes(SMALL)
            ours.recv_bytes()
        return _sample(watch, items)


def _far_socket(sock: socket.socket, items: int, size: int) -> None:
    memory = memoryview(bytearray(size))
    sock.sendall(b"r")
    for _ in range(items):
        got = 0
        while got < size:
            got += sock.recv_into(memory[got:])
        if size > 1 << 16:
            sock.sendall(b"1")
    sock.sendall(b"d")


def _sockets(size: int) -> Trial:
    def trial(items: int, loop_factory: LoopFactory) -> Sample:
        ours, theirs = socket.socketpair()
        body = bytes(size)
        with ours, _process(_far_socket, theirs, items, size):
            theirs.close()
            ours.recv(1)
            with Stopwatch() as watch:
                for _ in range(items):
                    ours.sendall(body)
                    if size > 1 << 16:
                        ours.recv(1)
                ours.recv(1)
            return _sample(watch, items)

    return trial


def groups() -> list[Group]:
    small = (
        Case(STREAMS, _streams(echoes=False)),
        Case(PIPE, _one_way(PIPE)),
        Case(TCP, _one_way(TCP)),
        Case(MANY, _one_way(PIPE, many=True)),
        Case(ZMQ, _zmq, needs=("zmq",)),
        Case(MP_PIPE, _mp_pipe),
        Case(SOCKETS, _sockets(len(SMALL))),
    )
    there_and_back = (Case(STREAMS, _streams(echoes=True)), Case(PIPE, _round_trip))
    large = (
        Case(SOCKETS, _sockets(LARGE)),
        Case(ONE_COPY, _arrays(PIPE, shared=False), needs=("numpy",)),
        Case(NO_COPY, _arrays(PIPE, shared=True), needs=("numpy",)),
        Case(TCP, _arrays(TCP, shared=False), needs=("numpy",)),
    )
    return [
        Group("link, 64 B one way", f"to a process that receives, capacity {CAPACITY}", 50_048, small, unit="us",
              least=BATCH, loops=(UVLOOP,)),
        Group("link, 64 B round trip", "both processes on one core", 5_000, there_and_back, unit="us", loops=(UVLOOP,)),
        Group("link, 16 MiB", "an array, acknowledged", 40, large, unit="us", least=2, loops=(UVLOOP,)),
    ]  # fmt: skip
