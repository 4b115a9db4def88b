"""Two operating-system processes on one host: channels over a link, and what else joins processes.

`C sockets` is the limit: two loops that do nothing but call the kernel.
"""

import asyncio
import contextlib
import multiprocessing
import socket
import ssl
import struct
import tempfile
from pathlib import Path
from typing import Any

import actorpar as ap
from actorpar.nodes.security import authority
from actorpar.nodes.security.tls import Certificates

from .cases import UVLOOP, Case, Group, LoopFactory, Trial, peer
from .linked import PIPE, SMALL, TCP, TLS, linked, on_loop, pin, pinned, process, sample
from .measure import Sample, Stopwatch, expect

LARGE = 16 << 20
CAPACITY = 1024
BATCH = 64
MANY, STREAMS, TLS_STREAMS = "actorpar, pipe, send_many", "asyncio streams", "asyncio streams, TLS"
ZMQ, MP_PIPE = "pyzmq asyncio", "multiprocessing.Pipe"
SOCKETS, TCP_SOCKETS = "C sockets", "C sockets, TCP"
C = "tests.bench.c_sockets"
ONE_COPY, NO_COPY, APART = "actorpar, pipe, one copy", "actorpar, pipe, empty_shared", "actorpar, TCP, between hosts"

_LENGTH = struct.Struct("<I")

# -- actorpar


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
        async with linked(kind) as system:
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
            return sample(watch, items)

    return on_loop(main)


def _round_trip(items: int, loop_factory: LoopFactory) -> Sample:
    async def main(count: int) -> Sample:
        async with linked(PIPE, core=0) as system:
            tx, rx = ap.open_channel[bytes](CAPACITY)
            back, answers = ap.open_channel[bytes](CAPACITY)
            await system.spawn(echo, rx, back, on="far")
            with tx, answers:
                await tx.send(SMALL)
                await answers.receive()
                with Stopwatch() as watch:
                    for _ in range(count):
                        await tx.send(SMALL)
                        await answers.receive()
            return sample(watch, count)

    with pinned(0):
        return on_loop(main)(items, loop_factory)


async def consume_arrays(arrays: ap.Receiver[Any], done: ap.Sender[int]) -> None:
    import numpy as np

    total = 0
    await done.send(0)
    async for array in arrays:
        assert isinstance(array, np.ndarray)
        total += array.nbytes
        await done.send(int(array[-1]))
    await done.send(total)


def _arrays(kind: str, *, shared: bool = False, apart: bool = False) -> Trial:
    """By shared memory, and then none by the link; `apart` all by the link."""

    async def main(items: int) -> Sample:
        np = peer("numpy")
        array = ap.empty_shared((LARGE,), "uint8") if shared else np.empty(LARGE, "uint8")
        array[:] = 7
        async with linked(kind, apart=apart) as system:
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
                before, _ = system.traffic()["far"]
                with Stopwatch() as watch:
                    for _ in range(items):
                        await one()
                written = system.traffic()["far"][0] - before
                expect("arrays by way of the link", written // LARGE, items if apart else 0)
                tx.close()
                expect("bytes", await says.receive(), LARGE * (items + 2))
            return sample(watch, items)

    return on_loop(main)


# -- asyncio streams


def _far_stream(sock: socket.socket, items: int, echoes: bool, core: int | None) -> None:
    pin(core)

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
            return sample(watch, count)

        with pinned(core), process(_far_stream, theirs, items, echoes, core):
            theirs.close()
            return on_loop(main)(items, loop_factory)

    return trial


def _far_tls_stream(port: int, items: int, keys: str) -> None:
    async def main() -> None:
        context = Certificates(Path(keys)).client_context()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        for _ in range(items):
            (size,) = _LENGTH.unpack(await reader.readexactly(4))
            await reader.readexactly(size)
        writer.write(_LENGTH.pack(0))
        await writer.drain()
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()

    ap.run(main)


def _tls_streams(items: int, loop_factory: LoopFactory) -> Sample:
    async def main(count: int) -> Sample:
        came: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        context = Certificates(keys[0]).server_context()
        server = await asyncio.start_server(
            lambda reader, writer: came.set_result((reader, writer)), "127.0.0.1", 0, ssl=context
        )
        with process(_far_tls_stream, server.sockets[0].getsockname()[1], count, str(keys[1])):
            reader, writer = await came
            frame = _LENGTH.pack(len(SMALL)) + SMALL
            with Stopwatch() as watch:
                for _ in range(count):
                    writer.write(frame)
                    await writer.drain()
                await reader.readexactly(4)
            writer.close()
            server.close()
        return sample(watch, count)

    with tempfile.TemporaryDirectory() as folder:
        keys = authority.make(Path(folder) / "keys", ["near", "far"])
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(main(items))


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

    ap.run(main)


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
            return sample(watch, items)

    with tempfile.TemporaryDirectory() as folder:
        address = f"ipc://{folder}/zmq"
        with process(_far_zmq, address, items), asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(main(address))


def _far_pipe(pipe: Any, items: int) -> None:
    pipe.send_bytes(b"ready")
    for _ in range(items):
        pipe.recv_bytes()
    pipe.send_bytes(b"done")


def _mp_pipe(items: int, loop_factory: LoopFactory) -> Sample:
    ours, theirs = multiprocessing.Pipe()
    with process(_far_pipe, theirs, items):
        theirs.close()
        ours.recv_bytes()
        with Stopwatch() as watch:
            for _ in range(items):
                ours.send_bytes(SMALL)
            ours.recv_bytes()
        return sample(watch, items)


def _sockets(size: int, *, acknowledged: bool, tcp: bool = False) -> Trial:
    def trial(items: int, loop_factory: LoopFactory) -> Sample:
        from .c_sockets import sockets

        return sockets(size, acknowledged=acknowledged, tcp=tcp)(items, loop_factory)

    return trial


def groups() -> list[Group]:
    small = (
        Case(STREAMS, _streams(echoes=False)),
        Case(PIPE, _one_way(PIPE)),
        Case(TCP, _one_way(TCP)),
        Case(MANY, _one_way(PIPE, many=True)),
        Case(ZMQ, _zmq, needs=("zmq",)),
        Case(MP_PIPE, _mp_pipe),
        Case(SOCKETS, _sockets(len(SMALL), acknowledged=False), needs=(C,)),
    )
    secret = (Case(TLS_STREAMS, _tls_streams), Case(TLS, _one_way(TLS)))
    there_and_back = (Case(STREAMS, _streams(echoes=True)), Case(PIPE, _round_trip))
    large = (
        Case(SOCKETS, _sockets(LARGE, acknowledged=True), needs=(C,)),
        Case(ONE_COPY, _arrays(PIPE), needs=("numpy",)),
        Case(NO_COPY, _arrays(PIPE, shared=True), needs=("numpy",)),
        Case(TCP_SOCKETS, _sockets(LARGE, acknowledged=True, tcp=True), needs=(C,)),
        Case(APART, _arrays(TCP, apart=True), needs=("numpy",)),
    )
    return [
        Group("link, 64 B one way", f"to a process that receives, capacity {CAPACITY}", 50_048, small, unit="us",
              least=BATCH, loops=(UVLOOP,)),
        Group("link, 64 B one way, TLS", "mutual TLS 1.3, certificates", 50_000, secret, unit="us", loops=(UVLOOP,)),
        Group("link, 64 B round trip", "both processes on one core", 5_000, there_and_back, unit="us", loops=(UVLOOP,)),
        Group("link, 16 MiB", "an array, acknowledged", 40, large, unit="us", least=2, loops=(UVLOOP,)),
    ]  # fmt: skip
