"""A node that was declared down, and one that comes again: fencing, and newer incarnations (NET-42, NET-43, A5)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

import actorpar as ap
from actorpar.nodes import dialer
from actorpar.nodes.door import MOST_LINKS, listen_at_one_place
from actorpar.nodes.errors import HandshakeRefused, LinkLost, Unreachable
from actorpar.nodes.events import NodeFenced, NodeLost
from actorpar.nodes.node import Node
from actorpar.nodes.protocol import frame as frames
from actorpar.nodes.remote import ops
from actorpar.nodes.remote.ops import Member
from tests.nodes.meshed import Mesh, close, linked, mesh, until
from tests.nodes.security.credentials import Safe


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Safe:
    return Safe(tmp_path_factory.mktemp("keys"))


def seen(node: Node) -> list[Any]:
    """The events of a node from now on."""
    events: list[Any] = []
    node.watch(events.append)
    return events


def losses(events: list[Any]) -> list[NodeLost]:
    """Which nodes were lost."""
    return [event for event in events if isinstance(event, NodeLost)]


async def test_a5_a_node_that_was_declared_down_is_fenced_and_nothing_that_it_had_to_say_arrives() -> None:
    async with mesh(2, "tcp") as nodes:
        node, stale = nodes.nodes
        events, link = seen(stale), stale.links[node.id]
        tx, rx = ap.open_channel[int](8)
        tx = nodes.move(tx, 0, 1, int)
        back_tx, back_rx = ap.open_channel[int](8)
        back_rx = nodes.move(back_rx, 0, 1, int)
        await tx.send(1)
        assert await rx.receive() == 1
        link._blocked = True  # it does not run
        await tx.send_many([2, 3, 4])
        node.links[stale.id].down("it was silent")
        async with asyncio.timeout(5):
            await until(lambda: stale.is_closed)
        assert stale.is_fenced
        assert [(type(event), event.by.name) for event in events] == [(NodeFenced, "n0")]
        with pytest.raises(LinkLost) as lost:
            await tx.send(5)
        assert lost.value.unknown[-3:] == (2, 3, 4)
        with pytest.raises(ap.ChannelBroken):
            await back_rx.receive()
        with pytest.raises(ap.ChannelBroken):
            await rx.receive()
        assert node.counters["refused: fenced"] == 1
        close(tx, rx, back_tx, back_rx)


async def test_net43_who_dials_anew_as_the_incarnation_that_was_declared_down_is_refused_and_goes_on() -> None:
    async with mesh(2, "tcp") as nodes:
        node, other = nodes.nodes
        node.links[other.id].close("enough")
        await until(lambda: not other.links)
        with pytest.raises(HandshakeRefused, match="another one has to be started"):
            await other.connect(node.addresses[0])
        assert not other.is_closed


@contextlib.asynccontextmanager
async def replaced(first: Node, *others: Node) -> AsyncIterator[tuple[Node, ...]]:
    """Nodes that are closed at the end, each linked to the first."""
    try:
        for node in others:
            await node.connect(first.addresses[0])
        yield (first, *others)
    finally:
        for node in (*others, first):
            await node.close()


async def test_net42_a_newer_incarnation_at_the_same_address_replaces_the_older_at_once() -> None:
    async with Node("alpha") as alpha, Node("watcher") as watcher:
        await alpha.listen("tcp://127.0.0.1:0")
        await watcher.listen("tcp://127.0.0.1:0")
        older = Node("beta")
        where = str((await older.listen("tcp://127.0.0.1:0")).address)
        async with replaced(alpha, watcher, older):
            await linked([alpha, watcher, older])
            events = seen(alpha), seen(watcher)
            for listener in older.listeners:
                listener.close()  # it is gone, and nobody knows yet
            newer = Node("beta")
            await newer.listen(where)
            async with replaced(alpha, newer):
                await until(lambda: all(map(losses, events)))
                for (lost,) in map(losses, events):
                    assert lost.node.node == older.id
                    assert "a newer incarnation of it has come" in lost.reason
                await until(lambda: newer.id in watcher.members)


async def test_net42_with_certificates_the_name_is_proof_enough_and_an_older_one_is_refused(safe: Safe) -> None:
    async with Node("alpha", credentials=safe.certificates("ours/alpha")) as alpha:
        await alpha.listen("tcp://127.0.0.1:0")
        older, newer = (Node("beta", credentials=safe.certificates("ours/beta")) for _ in range(2))
        oldest = Node("beta", credentials=safe.certificates("ours/beta"))
        oldest.incarnation = older.incarnation - 1
        events = seen(alpha)
        async with replaced(alpha, older, newer):
            assert [event.node.node for event in losses(events)] == [older.id]
            assert list(alpha.members) == [newer.id]
            with pytest.raises(HandshakeRefused) as refused:
                await oldest.connect(alpha.addresses[0])
            assert refused.value.code == "fenced"
        await oldest.close()


async def test_net42_two_nodes_that_only_share_a_name_are_two() -> None:
    async with Node("alpha") as alpha:
        await alpha.listen("tcp://127.0.0.1:0")
        async with replaced(alpha, Node("beta"), Node("beta")):
            assert len(alpha.members) == 2


def member(where: tuple[str, ...], host: str = "one") -> Member:
    return Member(bytes(16), "beta", 1, where, (), host, 1, 1)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (member(("tcp://10.0.0.1:7",)), member(("tcp://10.0.0.1:7",), "two"), True),
        (member(("tcp://127.0.0.1:7",)), member(("tcp://127.0.0.1:7",)), True),
        (member(("tcp://127.0.0.1:7",)), member(("tcp://127.0.0.1:7",), "two"), False),
        (member(("unix:/run/a",)), member(("unix:/run/a",), "two"), False),
        (member(("tcp://10.0.0.1:7",)), member(("tcp://10.0.0.1:8",)), False),
        (member(("nonsense",)), member(("nonsense",), "two"), False),
        (member(()), member(()), False),
    ],
)
def test_net42_who_listens_at_the_same_address_is_the_same_node(one: Member, other: Member, same: bool) -> None:
    assert listen_at_one_place(one, other) == same


async def test_net33_the_node_of_the_lesser_id_dials_where_the_greater_one_cannot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dialer, "PATIENCE", 0.05)
    async with mesh(2, "tcp") as nodes:
        lesser, greater = sorted(nodes.nodes, key=lambda node: node.id)
        monkeypatch.setattr(greater._dialer, "_dial_once", _unreachable)
        before = greater.links[lesser.id].connections
        stream = greater.links[lesser.id].stream
        assert stream is not None
        stream.close()
        await until(lambda: greater.links[lesser.id].connections > before)
        await _carries(nodes)


async def _unreachable(link: Any) -> None:
    raise Unreachable("there is a wall in between")


async def _carries(nodes: Mesh) -> None:
    tx, rx = ap.open_channel[int](4)
    rx = nodes.move(rx, 0, 1, int)
    await tx.send(7)
    assert await asyncio.wait_for(rx.receive(), 5) == 7
    close(tx, rx)


async def test_net40_a_node_keeps_a_bounded_number_of_links(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_LINKS >= 50
    monkeypatch.setattr("actorpar.nodes.door.MOST_LINKS", 1)
    async with mesh(2, "tcp") as nodes, Node("late") as late:
        with pytest.raises(HandshakeRefused, match="too many"):
            await late.connect(nodes.nodes[0].addresses[0])
        await _carries(nodes)


async def test_tls_says_that_nothing_more_follows(safe: Safe) -> None:
    def refused(port: int) -> bytes:
        context = safe.certificates("ours/beta").client_context()
        with (
            socket.create_connection(("127.0.0.1", port), 5) as sock,
            context.wrap_socket(sock, suppress_ragged_eofs=False) as tls,  # an end that is not told would raise
        ):
            tls.sendall(frames.frame(frames.HELLO, b"no hello"))
            answer = b""
            while more := tls.recv(4096):
                answer += more
            return answer

    async with Node("alpha", credentials=safe.certificates("ours/alpha")) as alpha:
        await alpha.listen("tcp://127.0.0.1:0")
        assert b"malformed" in await asyncio.to_thread(refused, alpha.listeners[0].address.port)


async def test_net42_word_of_an_older_incarnation_changes_nothing() -> None:
    async with mesh(2, "tcp") as nodes:
        node, other = nodes.nodes
        events = seen(node)
        older = msgspec.structs.replace(other.member, node=b"an older one's id"[:16], incarnation=other.incarnation - 1)
        node.told(node.links[other.id], ops.Members(0, [older]))
        assert list(node.members) == [other.id]
        assert events == []
        await _carries(nodes)
