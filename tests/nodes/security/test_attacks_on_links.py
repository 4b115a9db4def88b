"""Attacks of a node that is linked, over real sockets: it does not read, or brings nothing to its end (A6, A14)."""

from __future__ import annotations

import asyncio
import itertools
import tracemalloc
from typing import Any

import pytest

import actorpar as ap
from actorpar.nodes import node as nodes
from actorpar.nodes.protocol import frame as frames
from actorpar.nodes.protocol import liveness, outbound
from actorpar.nodes.remote import ops
from actorpar.nodes.stream import Stream
from tests.nodes.meshed import Mesh, close, mesh, until

MIB = 1 << 20


def stops_reading(two: Mesh) -> Any:
    """The second node reads nothing any more; what it writes with, unbuffered."""
    link = two.nodes[1].links[two.nodes[0].id]
    stream = link.stream
    assert isinstance(stream, Stream)
    asyncio.get_running_loop().remove_reader(stream._socket.fileno())
    return link


@pytest.mark.may_block  # each allocation is traced, which takes its time
async def test_a14_a_peer_that_never_reads_is_disconnected_and_takes_bounded_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbound, "CONTROL_LIMIT", MIB // 4)
    async with mesh(2) as two:
        node = two.nodes[0]
        monkeypatch.setattr(node.links[two.nodes[1].id].outbound, "_unacked_limit", MIB // 4)
        link = stops_reading(two)
        stream = link.stream
        tracemalloc.start()
        try:
            for number in itertools.count():  # each is answered: nobody knows that end
                if not node.links:
                    break
                op = ops.encode(ops.Open(1, number.to_bytes(16, "big"), bytes(16)))
                stream.write([frames.frame(frames.CONTROL, op, seq=link.outbound.next_seq + number)])
                if number % 100 == 0:
                    await asyncio.sleep(0)
            assert tracemalloc.get_traced_memory()[1] < 16 * MIB
        finally:
            tracemalloc.stop()
        assert node.counters["peers that do not read"] == 1
        assert not node.is_closed


async def test_a14_acknowledgements_for_a_peer_that_never_reads_do_not_pile_up() -> None:
    async with mesh(2) as two:
        node = two.nodes[0]
        its = node.links[two.nodes[1].id]
        tx, rx = ap.open_channel[bytes](4)
        far = two.move(rx, 0, 1, bytes)
        await until(lambda: tx.core.remote.opened)
        link = stops_reading(two)
        sending = asyncio.create_task(tx.send_many([bytes(MIB)] * 8))
        await until(lambda: its._blocked)
        for number in range(10_000):
            op = ops.encode(ops.Hungry(9999))
            link.stream.write([frames.frame(frames.CONTROL, op, seq=link.outbound.next_seq + number)])
            if number % 100 == 0:
                await asyncio.sleep(0)
        await until(lambda: node.table.stray >= 10_000)
        assert len(its.outbound._connection) < 4
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        close(tx, far)


async def test_a6_a_frame_that_comes_byte_by_byte_costs_its_connection_and_another_one_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(liveness, "FRAME_DEADLINE", 0.2)
    monkeypatch.setattr(nodes, "TICK", 0.02)
    async with mesh(2, "tcp") as two:
        node, slow = two.nodes
        tx, rx = ap.open_channel[int](4)
        rx = two.move(rx, 1, 0, int)
        await tx.send(1)
        assert await rx.receive() == 1
        link, its = slow.links[node.id], node.links[slow.id]
        stream = link.stream
        assert isinstance(stream, Stream)
        link._blocked = True  # it says nothing else
        begun = itertools.chain(frames.HEADER.pack(60_000, frames.CONTROL, 0, 0, 0, link.outbound.next_seq), bytes(99))
        while its.connections == 1:
            if not stream.is_closed:
                stream._socket.send(bytes([next(begun)]))
            await asyncio.sleep(0.02)
        await tx.send(2)
        assert await asyncio.wait_for(rx.receive(), 5) == 2
        close(tx, rx)
