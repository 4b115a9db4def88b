"""A node that is linked and misbehaves: its link ends and it is told why, that is counted, and this node lives on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

import actorpar as ap
from actorpar.nodes.codec.schema import Schema, schema_of
from actorpar.nodes.errors import ProtocolError, Unreachable
from actorpar.nodes.events import NodeLost
from actorpar.nodes.foreign import LONGEST, one_line
from actorpar.nodes.link import Link
from actorpar.nodes.node import Node
from actorpar.nodes.protocol import frame as frames
from actorpar.nodes.remote import moving, ops, table
from tests.nodes.meshed import Mesh, close, mesh, until

_pack = msgspec.msgpack.encode
#: What a peer may say of a node that is none.
MEMBER = (bytes(16), "beta", 1, (), (), "host", 1, 1)


class Pair:
    """Two linked nodes: `node`, which is watched, and `bad`, which says what it likes."""

    def __init__(self, nodes: Mesh) -> None:
        self.nodes = nodes
        self.node, self.bad = nodes.nodes
        self.lost: asyncio.Queue[NodeLost] = asyncio.Queue()
        self.told: asyncio.Queue[NodeLost] = asyncio.Queue()
        self.node.watch(lambda event: self.lost.put_nowait(event) if isinstance(event, NodeLost) else None)
        self.bad.watch(lambda event: self.told.put_nowait(event) if isinstance(event, NodeLost) else None)

    @property
    def link(self) -> Link:
        """What the bad one writes to."""
        return self.bad.links[self.node.id]

    async def ends(self, reason: str) -> None:
        """The link is over for this reason, and both sides know it; another node is linked as before."""
        async with asyncio.timeout(5):
            assert reason in (await self.lost.get()).reason
            assert reason in (await self.told.get()).reason
        assert not self.node.links
        async with Node("gamma") as friend:
            await friend.connect(self.node.addresses[0])
            tx, rx = ap.open_channel[int](4)
            data = moving.export(friend.table, rx, friend.peer(self.node.id))
            far: Any = moving.accept(self.node.table, data, int, self.node.peer(friend.id))
            await tx.send(7)
            assert await asyncio.wait_for(far.receive(), 5) == 7
            close(tx, far)


@asynccontextmanager
async def pair() -> AsyncIterator[Pair]:
    async with mesh(2) as nodes:
        yield Pair(nodes)


def _control(body: bytes) -> Callable[[Link], None]:
    return lambda link: link.outbound.control(body)


def _kind(kind: int) -> Callable[[Link], None]:
    def write(link: Link) -> None:
        assert link.stream is not None
        link.stream.write([frames.frame(kind, b"x")])

    return write


BROKEN: dict[str, Callable[[Link], None]] = {
    "no MessagePack": _control(b"\xc1"),
    "an op that does not exist": _control(_pack([99, 1])),
    "an op with a field too many": _control(_pack([7, 1, 2])),
    "an alias below all lanes": _control(_pack([4, -1])),
    "an alias above all lanes": _control(_pack([1, 2**32, bytes(16), bytes(16)])),
    "an id that is too short": _control(_pack([1, 5, b"", b""])),
    "nested without end": _control(b"\x91" * 60_000),
    "a node whose name no node can have": _control(_pack([60, 0, [(MEMBER[0], "be\nta", *MEMBER[2:])]])),
    "a node whose host would move the cursor": _control(_pack([60, 0, [(*MEMBER[:5], "\x1b[2J", 1, 1)]])),
    "a heartbeat that is a number of 64 KiB": lambda link: link.outbound.connection(
        frames.HEARTBEAT, b"\xff" * frames.PLAIN
    ),
    "an acknowledgement that is too short": lambda link: link.outbound.connection(frames.ACK, b"\x01"),
    "an acknowledgement of what was never sent": lambda link: link.outbound.connection(
        frames.ACK, (2**63).to_bytes(8, "little")
    ),
    "a greeting after the handshake": _kind(frames.HELLO),
    "a frame of a kind that does not exist": _kind(99),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_net31_a_malformed_frame_ends_the_link_and_both_sides_know_why(what: str) -> None:
    async with pair() as two:
        BROKEN[what](two.link)
        two.link.touch()
        await two.ends("the protocol was broken")
        assert two.node.counters["protocol errors"] == 1


async def test_a_fault_of_this_node_ends_the_link_loudly_and_nothing_more_of_the_batch_is_delivered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    came: list[bytes] = []

    def fails(link: Link, lane: int, body: Any, buffers: list[Any]) -> None:
        came.append(bytes(body))
        raise ZeroDivisionError("a bug")

    async with pair() as two:
        two.node.on_call = fails
        for body in (b"one", b"two"):
            two.link.call(1, body, [])
        await two.ends("what came could not be delivered: ZeroDivisionError: a bug")
        assert came == [b"one"]
        assert two.node.counters["failed deliveries"] == 1
        assert "ZeroDivisionError" in caplog.text


async def test_a13_items_beyond_the_credit_are_not_even_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pair() as two:
        tx, rx = ap.open_channel[int](4)
        tx = two.nodes.move(tx, 0, 1, int)
        await tx.send(1)
        assert await rx.receive() == 1
        decoded: list[Any] = []
        monkeypatch.setattr(Schema, "decode", lambda *args: decoded.append(args))
        two.link.items(tx.core.remote.alias, schema_of(int), list(range(50)))
        reason = (await asyncio.wait_for(two.lost.get(), 5)).reason
        assert "50 items for a credit of" in reason
        assert decoded == []
        close(tx, rx)


async def test_net08_a_deeper_mismatch_on_the_way_to_itself_is_counted_and_the_rest_arrives() -> None:
    async with mesh(1) as nodes:
        node = nodes.nodes[0]
        tx, rx = ap.open_channel[list[int]](4)
        tx = nodes.move(tx, 0, 0, list[int])
        await tx.send_many([[1], ["bad"], [2]])
        assert [await asyncio.wait_for(rx.receive(), 5) for _ in range(2)] == [[1], [2]]
        assert node.counters["items of a wrong type"] == 1
        close(tx, rx)


@pytest.mark.parametrize("side", ["sender", "receiver"])
async def test_net25_an_end_whose_channel_moves_out_of_reach_is_told_so(side: str) -> None:
    async with pair() as two:
        tx, rx = ap.open_channel[int](4)
        kept = (tx if side == "sender" else rx).clone()  # so the home stays where it is
        here: Any = two.nodes.move(tx if side == "sender" else rx, 1, 0, int)
        remote = here.core.remote
        await until(lambda: remote.opened)
        two.link.control(ops.Moved(remote.alias, b"nobody knows me!", bytes(16)))
        with pytest.raises(ap.ChannelBroken) as broken:
            async with asyncio.timeout(5):
                await (here.receive() if side == "receiver" else _send_until_told(here))
        assert isinstance(broken.value.__cause__, Unreachable)
        assert two.node.links, "the link goes on"
        close(here, kept, tx if side == "receiver" else rx)


async def _send_until_told(tx: ap.Sender[int]) -> None:
    while True:
        await tx.send(1)
        await asyncio.sleep(0)


async def test_a12_a_home_that_comes_takes_over_no_end_that_is_there() -> None:
    async with pair() as two:
        tx, rx = ap.open_channel[int](4)
        kept = two.nodes.move(tx, 0, 1, int)
        taken = kept.core.remote.alias
        await until(lambda: kept.core.remote.opened)
        there_tx, there_rx = ap.open_channel[int](4)
        data = msgspec.msgpack.decode(moving.export(two.bad.table, there_rx, two.link))
        data[9] = taken
        with pytest.raises(ProtocolError, match=f"alias {taken} is in use"):
            moving.accept(two.node.table, _pack(data), int, two.node.links[two.bad.id])
        await kept.send(1)
        assert await asyncio.wait_for(rx.receive(), 5) == 1
        close(kept, rx, there_tx)


async def test_a16_what_a_node_says_as_it_leaves_is_one_printable_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with pair() as two:
        two.link.close("so long\n\x1b[2JERROR all is lost")
        reason = (await asyncio.wait_for(two.lost.get(), 5)).reason
        assert reason.isprintable()
        assert "so long\\n\\x1b[2JERROR" in reason
        (logged,) = [line for line in caplog.messages if line.startswith("n1 is down")]
        assert logged.isprintable()


@pytest.mark.parametrize("length", [0, 1, LONGEST - 1, LONGEST, LONGEST + 1, 10 * LONGEST])
def test_a16_a_foreign_text_is_bounded_and_printable(length: int) -> None:
    for text in ("a" * length, "\x1b" * length, "\u202e" * length, "\U000e0001" * length, "\ud800" * length):
        line = one_line(text)
        assert line.isprintable()
        assert len(line) <= LONGEST
    assert one_line("plain ü") == "plain ü"


@pytest.mark.parametrize("side", ["sender", "receiver"])
async def test_net28_an_end_whose_carrier_is_lost_before_it_delivers_is_lost(
    side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "EARLY_SECONDS", 0.01)
    async with mesh(3) as nodes:
        home, carrier, target = nodes.nodes
        tx, rx = ap.open_channel[int](4)
        pinned = (tx if side == "sender" else rx).clone()  # so the home stays where it is
        moved: Any = nodes.move(tx if side == "sender" else rx, 0, 1, int)
        await until(lambda: moved.core.remote.opened)
        pinned.close()
        moving.export(carrier.table, moved, carrier.peer(target.id))  # what follows never arrives
        await until(lambda: any(key[1] for key in home.table._expected))
        await carrier.close()
        with pytest.raises(ap.ChannelBroken):
            await asyncio.wait_for(rx.receive() if side == "sender" else _send_until_told(tx), 5)
        assert not home.table._expected
        close(rx if side == "sender" else tx)
