"""What a user, or a node of another version, gets wrong: a named error where somebody can act, a counter, one line."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

import actorpar as ap
from actorpar.nodes.complaints import QUIET, Complaints
from actorpar.nodes.node import Node
from actorpar.nodes.protocol import frame as frames
from actorpar.nodes.protocol import handshake
from actorpar.nodes.remote import moving, table
from tests.nodes.meshed import close, mesh


async def answered(node: Node, data: bytes) -> bytes:
    """What a node that listens at TCP answers to this."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.listeners[0].address.port)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


async def test_a_node_of_another_version_is_told_so_and_nothing_else() -> None:
    async with Node("alpha") as node, Node("beta") as other:
        await node.listen("tcp://127.0.0.1:0")
        hello = msgspec.structs.replace(other.hello(bytes(16), fresh=True), version=handshake.VERSION + 1)
        answer = await answered(node, frames.frame(frames.HELLO, handshake.encode(hello)))
        refusal = handshake.decode_refusal(answer[frames.HEADER.size :])
        assert (refusal.code, str(refusal)) == (
            "version",
            "no link: the other side speaks another version of the protocol",
        )
        assert b"alpha" not in answer
        assert node.counters["refused: version"] == 1
        await other.connect(node.addresses[0])


async def _send_without_end(tx: ap.Sender[int]) -> None:
    while True:
        await tx.send(1)


@pytest.mark.parametrize("role", [moving.SENDER, moving.RECEIVER])
async def test_net24_an_end_of_a_channel_that_nobody_knows_is_told_so_and_the_link_goes_on(
    role: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "EARLY_SECONDS", 0.01)
    async with mesh(2) as nodes:
        node, other = nodes.nodes
        told = [role, b"no such channel!", bytes(16), node.id, 1, 4, "wait", "lost", "int", 0, False]
        end: Any = moving.accept(other.table, msgspec.msgpack.encode(told), int, other.peer(node.id))
        with pytest.raises(ap.ChannelBroken) as broken:
            await asyncio.wait_for(end.receive() if role == moving.RECEIVER else _send_without_end(end), 5)
        assert str(broken.value.__cause__) == "UnknownChannel: no such channel is at home here"
        assert node.table.refused == 1
        assert other.links
        end.close()


async def test_net40_an_item_larger_than_the_peer_takes_is_undelivered_and_the_others_go(
    caplog: pytest.LogCaptureFixture,
) -> None:
    undelivered: list[bytes] = []
    async with mesh(2, message_limit=100_000) as nodes:
        tx, rx = ap.open_channel[bytes](4, on_undelivered=undelivered.append)
        rx = nodes.move(rx, 0, 1, bytes)
        for item in (b"small", bytes(200_000), bytes(200_001), b"last"):
            await tx.send(item)
        assert [await asyncio.wait_for(rx.receive(), 5) for _ in range(2)] == [b"small", b"last"]
        assert list(map(len, undelivered)) == [200_000, 200_001]
        assert nodes.nodes[0].counters["items that cannot go"] == 2
        (line,) = [line for line in caplog.messages if "an item was not sent" in line]
        assert "n1 takes 100000" in line
        assert all(node.links for node in nodes.nodes)
        close(tx, rx)


def test_a_kind_of_complaint_is_counted_each_time_and_logged_once_a_second(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("actorpar.channels.env.clock", lambda: now)
    complaints = Complaints()
    for _ in range(100):
        complaints.note("stones", "a stone of %d kg was thrown", 3, count=2)
    complaints.note("sticks", "a stick was thrown")
    now = QUIET
    complaints.note("stones", "another one")
    assert complaints.counters == {"stones": 201, "sticks": 1}
    assert [line.partition(";")[0] for line in caplog.messages] == [
        "a stone of 3 kg was thrown",
        "a stick was thrown",
        "another one",
    ]
