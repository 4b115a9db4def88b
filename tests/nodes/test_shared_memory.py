"""Large arrays and bytes between nodes of one host: in shared memory, with all that links promise (NET-48 … NET-52)."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_origin

import msgspec
import numpy
import pytest

import actorpar as ap
from actorpar.nodes import lending, shm
from actorpar.nodes.node import Node
from actorpar.nodes.protocol import frame as frames
from actorpar.nodes.remote import moving, ops
from actorpar.nodes.slabs import Arena
from tests.nodes.loops import on_both_loops
from tests.nodes.meshed import Mesh, close, mesh
from tests.nodes.sharing import NONE_FREE, arena_of_its_own, files, lent, share, until

Array = numpy.ndarray[Any, Any]
LIMIT = 64 << 20
MIB = 1 << 20


@pytest.fixture
def arena() -> Iterator[Arena]:
    with arena_of_its_own(LIMIT) as made:
        yield made


@asynccontextmanager
async def sharing(kind: str = "pipe") -> AsyncIterator[Mesh]:
    async with mesh(2, kind) as nodes:
        await share(*nodes.nodes)
        yield nodes


def link_of(nodes: Mesh, near: int, far: int) -> Any:
    return nodes.nodes[near].links[nodes.nodes[far].id]


@pytest.mark.parametrize("kind", ["pipe", "unix", "tcp"])
@on_both_loops
async def test_net48_arrays_and_large_bytes_of_every_kind_arrive_as_they_were(kind: str) -> None:
    values: list[Any] = [
        numpy.arange(MIB, dtype="f8").reshape(1024, 1024), numpy.arange(MIB, dtype="i2")[::2], os.urandom(MIB),
        bytearray(os.urandom(MIB)), memoryview(os.urandom(MIB)), b"small", numpy.arange(3.0), numpy.zeros((0, 3)),
    ]  # fmt: skip
    types: list[Any] = [Array, Array, bytes, bytearray, memoryview, bytes, Array, Array]
    with arena_of_its_own(LIMIT) as arena:
        async with sharing(kind) as nodes:
            for value, declared in zip(values, types, strict=True):
                tx, rx = ap.open_channel[declared](4)  # type: ignore[valid-type]
                rx = nodes.move(rx, 0, 1, declared)
                await tx.send(value)
                came: Any = await rx.receive()
                assert type(came) is (get_origin(declared) or declared)
                assert numpy.array_equal(came, value) if declared is Array else bytes(came) == bytes(value)
                if declared in (Array, bytearray) and len(came):
                    came[0] = 7  # it is the receiver's
                del came
                close(tx, rx)
            assert lent(*nodes.nodes) == 5
            await until(lambda: arena.used == 0)


async def test_net48_an_array_that_was_built_in_shared_memory_is_not_copied(arena: Arena) -> None:
    async with sharing() as nodes:
        tx, rx = ap.open_channel[tuple[int, Array]](4)
        rx = nodes.move(rx, 0, 1, tuple[int, Array])
        mine = ap.empty_shared((2, MIB), "f4")
        mine[:] = 1
        await tx.send((1, mine))
        await tx.send((2, mine[1]))
        _, whole = await rx.receive()
        _, row = await rx.receive()
        whole[1, 5] = 4711
        assert row[5] == mine[1, 5] == 4711  # one memory
        assert arena.used == mine.nbytes
        del mine, whole
        await asyncio.sleep(0)
        assert arena.used == 8 * MIB
        del row
        await until(lambda: arena.used == 0)
        close(tx, rx)


async def test_net48_arguments_of_calls_cross_there_too(arena: Arena) -> None:
    async with sharing() as nodes:
        came: list[Any] = []
        nodes.nodes[1].on_call = lambda link, lane, body, buffers: came.append((lane, bytes(body), buffers))
        data = os.urandom(MIB)
        link_of(nodes, 0, 1).call(5, b"body", [memoryview(b"small"), memoryview(data)])
        await until(lambda: came)
        (lane, body, (small, large)) = came.pop()
        assert (lane, body, bytes(small), bytes(large)) == (5, b"body", b"small", data)
        del small, large
        await until(lambda: arena.used == 0)


async def test_net34_items_by_shared_memory_and_by_the_stream_stay_in_order(arena: Arena) -> None:
    sizes = [1, lending.LENT_FROM, 5, 100_000, 2 * MIB, 300, lending.LENT_FROM - 1, MIB] * 5
    async with sharing("unix") as nodes:
        tx, rx = ap.open_channel[bytes](64)
        rx = nodes.move(rx, 0, 1, bytes)
        for number, size in enumerate(sizes):
            await tx.send(bytes([number]) * size)
        tx.close()
        assert [(item[0], len(item)) async for item in rx] == list(enumerate(sizes))
        assert lent(nodes.nodes[0]) >= 20
        rx.close()


async def test_net04_bytes_in_shared_memory_count_as_bytes_on_their_way(arena: Arena) -> None:
    async with sharing() as nodes:
        tx, rx = ap.open_channel[bytes](1000)
        rx = nodes.move(rx, 0, 1, bytes)
        await tx.send(bytes(MIB))
        assert await rx.receive() == bytes(MIB)
        await share(*nodes.nodes)
        before = lent(nodes.nodes[0])
        for number in range(40):
            await tx.send(bytes([number]) * MIB)
        await until(lambda: lent(nodes.nodes[0]) - before >= 3)
        for _ in range(100):
            await asyncio.sleep(0)
        assert 3 <= lent(nodes.nodes[0]) - before <= 4  # the rest waits until somebody receives
        assert [(await rx.receive())[0] for _ in range(40)] == list(range(40))
        assert lent(nodes.nodes[0]) - before == 40
        await until(lambda: arena.used == 0)
        close(tx, rx)


async def test_net33_what_was_lent_survives_connections_that_break(arena: Arena) -> None:
    async with sharing("unix") as nodes:
        tx, rx = ap.open_channel[Array](4)
        rx = nodes.move(rx, 0, 1, Array)

        async def send() -> None:
            for number in range(200):
                await tx.send(numpy.full(MIB, number, "u1"))
                if number % 40 == 20:
                    link_of(nodes, 0, 1).stream._socket.shutdown(socket.SHUT_RDWR)
            tx.close()

        async with ap.ProcessGroup() as group:
            group.spawn(send)
            assert [int(item[-1]) async for item in rx] == list(range(200))
        rx.close()
        assert link_of(nodes, 0, 1).connections >= 4
        assert lent(nodes.nodes[0]) == 200
        await until(lambda: arena.used == 0)


async def test_a_receive_that_is_cancelled_leaves_the_array_for_the_next_one(arena: Arena) -> None:
    async with sharing() as nodes:
        tx, rx = ap.open_channel[Array](4)
        rx = nodes.move(rx, 0, 1, Array)
        taken = 0
        for number in range(20):
            waiting = asyncio.ensure_future(rx.receive())
            await asyncio.sleep(0)
            await tx.send(numpy.full(MIB, number, "u1"))
            for _ in range(number):
                await asyncio.sleep(0)
            waiting.cancel()
            outcome: Any = (await asyncio.gather(waiting, return_exceptions=True))[0]
            taken += not isinstance(outcome, asyncio.CancelledError)
            item: Any = await rx.receive() if isinstance(outcome, asyncio.CancelledError) else outcome
            assert int(item[5]) == number
            del item, outcome, waiting
        assert 0 < taken < 20
        await until(lambda: arena.used == 0)
        close(tx, rx)


# -- who has no part in it


async def test_net49_a_node_that_cannot_see_the_memory_gets_everything_by_the_stream(
    arena: Arena, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    where = "actorpar.nodes.borrowed.Borrowed.__init__.__kwdefaults__"
    monkeypatch.setattr(where, {"limit": LIMIT, "folder": tmp_path})  # as in another container
    async with mesh(2, "tcp") as nodes:
        tx, rx = ap.open_channel[bytes](4)
        rx = nodes.move(rx, 0, 1, bytes)
        for number in range(10):
            await tx.send(bytes([number]) * MIB)
            assert await rx.receive() == bytes([number]) * MIB
        assert lent(*nodes.nodes) == 0
        close(tx, rx)


async def test_net49_a_node_of_another_host_is_not_even_asked() -> None:
    with arena_of_its_own(LIMIT, is_warm=False):
        await no_file_is_made_for_another_host()


async def no_file_is_made_for_another_host() -> None:
    async with Node("here") as here, Node("there") as there:
        there.host = "another one"
        await here.listen("tcp://127.0.0.1:0")
        await there.connect(here.addresses[0])
        tx, rx = ap.open_channel[bytes](4)
        rx = Mesh([here, there]).move(rx, 0, 1, bytes)
        await tx.send(bytes(MIB))
        assert await rx.receive() == bytes(MIB)
        assert files() == []
        close(tx, rx)


async def test_net50_a_full_dev_shm_is_counted_and_everything_arrives_by_the_stream(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with sharing() as nodes:
        monkeypatch.setattr(os, "posix_fallocate", full)
        tx, rx = ap.open_channel[Array](4)
        rx = nodes.move(rx, 0, 1, Array)
        held = [ap.empty_shared(MIB, "u1") for _ in range(15)]  # the file that is there is full
        for number in range(5):
            await tx.send(numpy.full(2 * MIB, number, "u1"))
            assert int((await rx.receive())[9]) == number
        assert nodes.nodes[0].counters[NONE_FREE] == 5
        with pytest.raises(ap.ActorparError, match="No space left"):
            ap.empty_shared(2 * MIB, "u1")
        del held
        close(tx, rx)


# -- peers that err


@pytest.mark.parametrize("kind", [frames.LENT_ITEMS, frames.LENT_CALL])
@pytest.mark.parametrize(
    ("name", "offset", "size"),
    [
        ("/etc/passwd", 0, 100),
        ("<file>", 16 * MIB - 10, 11),
        ("<file>", -1, 5),
        ("<file>", 0, 2**62),
        (f"actorpar-{os.getuid()}-1-{'0' * 32}", 0, 100),
    ],
)
async def test_net51_a_peer_that_names_what_it_does_not_lend_loses_its_link(
    arena: Arena, kind: int, name: str, offset: int, size: int
) -> None:
    async with sharing() as nodes:
        one, other = nodes.nodes
        tx, rx = ap.open_channel[bytes](4)
        rx = nodes.move(rx, 0, 1, bytes)
        place = (files()[0] if name == "<file>" else name, offset, size)
        link = link_of(nodes, 0, 1)
        link.outbound.message(kind, next(iter(link.ends), 0), b"\x91\xc0", [msgspec.msgpack.encode([(0, place)])])
        link.touch()
        await until(lambda: not other.links)
        assert other.counters["protocol errors"] == 1
        await until(lambda: not one.links)
        close(tx, rx)


@pytest.mark.parametrize(
    "op",
    [ops.Returned(0, [("x", 0, 1)]), ops.Seen(0, b"seen"), ops.Look(0, ("x", 0, 32))],  # type: ignore[list-item,arg-type]
)
async def test_net51_a_peer_that_says_of_memory_what_is_not_so_loses_its_link(arena: Arena, op: Any) -> None:
    async with sharing() as nodes:
        link_of(nodes, 0, 1).control(op)
        await until(lambda: not nodes.nodes[1].links)
        assert nodes.nodes[1].counters["protocol errors"] == 1


# -- nodes that end

CHILD = """
import asyncio, os, signal, socket, sys
import actorpar as ap, numpy
from actorpar.nodes.node import Node
from actorpar.nodes.remote import moving
from typing import Any

async def main():
    node, given = Node("child"), asyncio.Queue()
    node.on_call = lambda link, lane, body, buffers: given.put_nowait((link, bytes(body)))
    await node.adopt(socket.socket(fileno=int(sys.argv[1])), dials=True)
    link, data = await given.get()
    link.lending.ask()
    while not link.lending._shares:
        await asyncio.sleep(0.001)
    end = moving.accept(node.table, data, numpy.ndarray[Any, Any], link)
    {then}

asyncio.run(main())
"""


class Child:
    """Another process with a node, and the end of a channel that it was given."""

    def __init__(self, then: str) -> None:
        self.program = CHILD.format(then=then)

    def _start(self, far: socket.socket) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", self.program, str(far.fileno())]
        return subprocess.Popen(command, pass_fds=[far.fileno()], stdout=subprocess.PIPE)

    async def __aenter__(self) -> Child:
        near, far = socket.socketpair()
        with far:
            self.process = await asyncio.to_thread(self._start, far)
        self.node = Node("parent")
        self.link = await self.node.adopt(near, dials=False)
        self.link.lending.ask()
        return self

    async def give(self, end: Any) -> None:
        await until(lambda: self.link.lending._shares)
        self.link.call(0, moving.export(self.node.table, end, self.link), [])

    async def line(self) -> bytes:
        assert self.process.stdout is not None
        return await asyncio.to_thread(self.process.stdout.readline)

    async def __aexit__(self, failed: object, *_: object) -> None:
        if failed:
            self.process.kill()
        await self.node.close()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.wait(20)
        shm.sweep()  # it may have been killed


RECEIVE = "held = [await end.receive() for _ in range(6)]; print(int(held[5][7]), flush=True); "


async def test_net51_what_a_killed_process_had_in_hand_is_let_go(arena: Arena) -> None:
    async with Child(RECEIVE + "await asyncio.Event().wait()") as child:
        tx, rx = ap.open_channel[Array](8)
        await child.give(rx)
        for number in range(6):
            await tx.send(numpy.full(MIB, number, "u1"))
        assert await child.line() == b"5\n"
        assert lent(child.node) == 6
        child.process.kill()
        await until(lambda: not child.node.links)
        assert arena.used == 0
        assert files() == []
        tx.close()


async def test_net51_a_node_that_was_killed_leaves_files_that_the_next_one_sweeps(arena: Arena) -> None:
    send = "[await end.send(numpy.full(1 << 20, n, 'u1')) for n in range(6)]; await asyncio.Event().wait()"
    async with Child(send) as child:
        tx, rx = ap.open_channel[Array](8)
        await child.give(tx)
        held = [await rx.receive() for _ in range(6)]
        assert files(child.process.pid)
        os.kill(child.process.pid, signal.SIGKILL)
        await until(lambda: not child.node.links)
        child.process.wait(20)
        assert files(child.process.pid)
        async with Node("next"):
            assert not files(child.process.pid)
        assert [int(each[-1]) for each in held] == list(range(6))
        rx.close()


async def test_net51_files_that_were_swept_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shm, "sweep", lambda: 3)
    async with Node("next") as node:
        assert node.counters["shared memory: swept"] == 3


async def test_net52_a_node_that_closes_leaves_its_files_until_they_are_reached(arena: Arena) -> None:
    async with sharing() as nodes:
        tx, rx = ap.open_channel[Array](4)
        rx = nodes.move(rx, 0, 1, Array)
        await tx.send(numpy.arange(3.0))
        await rx.receive()
        first: Any = ap.empty_shared(1)  # the file that was mapped when they found out is in use
        await tx.send(numpy.full(16 * MIB, 4, "u1"))
        await asyncio.sleep(0)
        assert lent(nodes.nodes[0]) == 1  # written, and not read yet
        await nodes.nodes[0].close()
        item: Any = await rx.receive()
        assert len(files()) == 1  # that of `first`
        assert item.min() == item.max() == 4
        del first
        close(tx, rx)


async def test_net52_what_a_process_sends_before_it_ends_arrives(arena: Arena) -> None:
    send = "first = ap.empty_shared(1); await end.send(numpy.full(16 << 20, 4, 'u1'))\n"
    send += "    while not node.counters['shared memory: lent']: await asyncio.sleep(0.001)\n"
    send += "    await node.close()"
    async with Child(send) as child:
        tx, rx = ap.open_channel[Array](8)
        await child.give(tx)
        item = await rx.receive()
        await asyncio.to_thread(child.process.wait, 20)
        assert not files(child.process.pid)
        assert item.min() == item.max() == 4
        assert len(item) == 16 * MIB
        rx.close()


async def test_a_fork_that_drops_what_its_parent_borrowed_returns_nothing(arena: Arena) -> None:
    fork = (
        "from os import fork, wait, _exit\n    child = fork()\n    if not child: held.clear(); _exit(0)\n    wait()\n"
    )
    async with Child(RECEIVE + fork + "    print(await end.receive() is None, int(held[5][7]), flush=True)") as child:
        tx, rx = ap.open_channel[Array](8)
        await child.give(rx)
        for number in range(6):
            await tx.send(numpy.full(MIB, number, "u1"))
        assert await child.line() == b"5\n"
        await tx.send(numpy.full(MIB, 6, "u1"))
        assert await child.line() == b"False 5\n"
        assert child.node.counters["protocol errors"] == 0
        tx.close()
