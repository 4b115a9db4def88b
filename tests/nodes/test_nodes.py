"""Nodes over real sockets: links that break and are resumed, nodes that die, peers that misbehave."""

from __future__ import annotations

import asyncio
import functools
import socket
from pathlib import Path
from typing import Any

import pytest

import actorpar as ap
from actorpar.nodes.errors import BindRefused, HandshakeRefused, InvalidAddress, LinkLost, Unreachable
from actorpar.nodes.events import NodeLost, NodeUp
from actorpar.nodes.node import Node
from actorpar.nodes.protocol import frame as frames
from actorpar.nodes.remote import ops
from tests.nodes.meshed import close, linked, mesh, until


def link_of(node: Node, other: Node) -> Any:
    return node.links[other.id]


async def test_net34_items_arrive_once_and_in_order_however_often_the_connection_breaks() -> None:
    async with mesh(2, "tcp") as nodes:
        one, other = nodes.nodes
        tx, rx = ap.open_channel[int](64)
        rx = nodes.move(rx, 0, 1, int)

        async def send() -> None:
            for number in range(20_000):
                await tx.send(number)
                if number % 4_000 == 1_000:
                    link_of(one, other).stream._socket.shutdown(socket.SHUT_RDWR)
                    await asyncio.sleep(0.01)
            tx.close()

        async with ap.ProcessGroup() as group:
            group.spawn(send)
            assert [item async for item in rx] == list(range(20_000))
        rx.close()
        assert link_of(one, other).connections >= 5


async def test_net33_a_large_item_survives_a_connection_that_breaks_in_its_middle() -> None:
    async with mesh(2, "tcp") as nodes:
        one, other = nodes.nodes
        tx, rx = ap.open_channel[bytes](4)
        rx = nodes.move(rx, 0, 1, bytes)
        large = bytes(range(256)) * 80_000
        await tx.send(large)
        await until(lambda: link_of(one, other).stream is not None and link_of(one, other).stream.sent > 1 << 20)
        link_of(one, other).stream._socket.shutdown(socket.SHUT_RDWR)
        assert await asyncio.wait_for(rx.receive(), 10) == large
        close(tx, rx)


async def test_net35_a_node_that_stays_away_is_down_and_its_ends_learn_it() -> None:
    async with mesh(2, "tcp", down_after=0.3) as nodes:
        one, other = nodes.nodes
        events: list[Any] = []
        one.watch(events.append)
        tx, rx = ap.open_channel[int](4)
        rx = nodes.move(rx, 0, 1, int)
        back_tx, back_rx = ap.open_channel[int](4)
        back_tx = nodes.move(back_tx, 0, 1, int)
        waiting = asyncio.create_task(back_rx.receive())
        await asyncio.sleep(0.05)
        for node in (one, other):
            for listener in node.listeners:
                listener.close()
        link_of(one, other).stream._socket.shutdown(socket.SHUT_RDWR)
        with pytest.raises(ap.ChannelBroken):
            await asyncio.wait_for(waiting, 5)
        with pytest.raises(LinkLost):
            await tx.send(1)
        assert [type(event) for event in events] == [NodeLost]
        for end in (tx, rx, back_tx, back_rx):
            end.close()


async def test_net42_a_node_that_says_goodbye_is_down_at_once() -> None:
    async with mesh(3) as nodes:
        one, other, third = nodes.nodes
        events: list[Any] = []
        one.watch(events.append)
        await other.close("maintenance")
        await until(lambda: events)
        assert "maintenance" in events[0].reason
        assert [member.name for member in one.members.values()] == ["n2"]
        await until(lambda: other.id not in third.members)


async def test_net44_everybody_learns_of_everybody_and_the_mesh_is_full() -> None:
    async with mesh(4) as nodes:
        for node in nodes.nodes:
            assert sorted(member.name for member in node.members.values()) == sorted(
                each.name for each in nodes.nodes if each is not node
            )


async def test_net44_a_node_may_come_late() -> None:
    async with mesh(2) as nodes, Node("late") as late:
        up: list[Any] = []
        nodes.nodes[1].watch(up.append)
        await late.connect(nodes.nodes[0].addresses[0])
        await until(lambda: any(isinstance(event, NodeUp) for event in up))
        assert late.id in nodes.nodes[1].members or late.id in nodes.nodes[0].members


async def test_net45_a_node_that_one_node_cannot_reach_is_lost_there_and_nowhere_else(tmp_path: Path) -> None:
    async with mesh(2, down_after=0.5) as nodes, Node("late", down_after=0.5) as late:
        first, second = nodes.nodes
        lost: list[tuple[str, str]] = []

        def note(at: str, event: Any) -> None:
            if isinstance(event, NodeLost):
                lost.append((at, event.node.name))

        for node in (first, second, late):
            node.watch(functools.partial(note, node.name))
        await late.listen(f"unix:{tmp_path}/late")
        for node in (second, late):
            for listener in node.listeners:
                listener.close()
            assert len(node.addresses) == 1  # it still tells where it listened
        link = await late.connect(first.addresses[0])
        await until(lambda: lost)
        assert lost in ([("late", "n1")], [("n1", "late")])
        await asyncio.sleep(0.1)  # whoever was told would have said so by now
        assert len(lost) == 1
        assert link.connections
        assert sorted(member.name for member in first.members.values()) == ["late", "n1"]
        assert not first._down


async def test_net30_two_nodes_that_connect_at_once_have_one_link() -> None:
    for _ in range(5):
        async with Node("a") as a, Node("b") as b:
            await a.listen("tcp://127.0.0.1:0")
            await b.listen("tcp://127.0.0.1:0")
            a.members[b.id], b.members[a.id] = b.member, a.member
            a.peer(b.id)
            b.peer(a.id)
            await linked([a, b])
            tx, rx = ap.open_channel[int](4)
            from actorpar.nodes.remote import moving

            data = moving.export(a.table, rx, a.peer(b.id))
            far: Any = moving.accept(b.table, data, int, b.peer(a.id))
            await tx.send(1)
            assert await asyncio.wait_for(far.receive(), 5) == 1
            close(tx, far)


async def test_net31_nodes_of_other_code_are_refused() -> None:
    async with Node("a", app=b"one") as a, Node("b", app=b"two") as b:
        await a.listen("tcp://127.0.0.1:0")
        with pytest.raises(HandshakeRefused, match="other code") as refused:
            await b.connect(a.addresses[0])
        assert refused.value.code == "app"
        assert a.counters["refused: app"] == 1
        assert not a.links


async def test_bad_addresses_are_named_errors() -> None:
    async with Node("a") as a, Node("b") as b:
        with pytest.raises(InvalidAddress, match="tcp://host:port"):
            await a.listen("http://x")
        with pytest.raises(InvalidAddress, match="does not resolve"):
            await a.connect("tcp://no-such-host.invalid:1")
        with pytest.raises(BindRefused, match="actorpar key new"):
            await a.listen("tcp://0.0.0.0:0")
        await a.listen("tcp://127.0.0.1:0")
        with pytest.raises(BindRefused, match="cannot be listened at"):
            await b.listen(a.addresses[0])
        closed = socket.create_server(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        closed.close()
        with pytest.raises(Unreachable, match="no node can be reached"):
            await a.connect(f"tcp://127.0.0.1:{port}")


class RawPeer:
    """Somebody who speaks bytes to a node."""

    def __init__(self, node: Node) -> None:
        self.port = int(node.addresses[0].rpartition(":")[2])

    async def say(self, data: bytes) -> bytes:
        """Connect, say it, and return everything that is answered until the node closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        try:
            return await asyncio.wait_for(reader.read(), 10)
        except ConnectionError:
            return b""
        finally:
            writer.close()


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n" + bytes(20),
        bytes(40),
        frames.frame(frames.HELLO, b"not a hello"),
        frames.frame(frames.ITEMS, b"x", lane=1, seq=1),
        frames.HEADER.pack(2**32 - 1, frames.HELLO, 0, 0, 0, 0),
    ],
)
async def test_a1_who_does_not_greet_is_closed_and_learns_nothing(said: bytes) -> None:
    async with Node("node-of-the-test") as node:
        await node.listen("tcp://127.0.0.1:0")
        answer = await RawPeer(node).say(said)
        assert len(answer) < 200
        assert node.name.encode() not in answer
        assert node.id not in answer
        assert not node.links
        assert sum(node.counters.values()) == 1


async def test_a6_a_silent_peer_is_cut_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    from actorpar.nodes import greeting

    monkeypatch.setattr(greeting.Greeting.__init__, "__defaults__", (0.05,))
    async with Node("a") as node:
        await node.listen("tcp://127.0.0.1:0")
        assert await RawPeer(node).say(b"\x01") == b""
        assert node.counters["refused: deadline"] == 1


async def test_a13_a_peer_that_ignores_its_credit_loses_its_link_and_the_node_lives_on() -> None:
    async with mesh(2) as nodes:
        other = nodes.nodes[1]
        tx, rx = ap.open_channel[int](4)
        rx = nodes.move(rx, 0, 1, int)
        await tx.send(1)
        assert await rx.receive() == 1
        outlet = tx.core.remote
        outlet.peer.items(outlet.alias, outlet.schema, list(range(50)))
        await until(lambda: other.counters["protocol errors"])
        with pytest.raises(ap.ChannelBroken):
            await rx.receive()
        assert not other.is_closed
        close(tx, rx)


async def test_a12_an_end_is_found_by_an_unguessable_id_only() -> None:
    async with mesh(2) as nodes:
        one, other = nodes.nodes
        tx, rx = ap.open_channel[int](4)
        kept = nodes.move(tx.clone(), 0, 1, int)
        link = link_of(other, one)
        for number in range(50):
            link.control(ops.Open(1001 + 2 * number, number.to_bytes(16, "big"), bytes(16)))
        await kept.send(1)
        assert await rx.receive() == 1
        assert len(one.table._early) == 50
        close(kept, tx, rx)


async def test_net08_an_item_of_another_type_is_refused_at_the_send() -> None:
    async with mesh(2) as nodes:
        tx, rx = ap.open_channel[int](4)
        rx = nodes.move(rx, 0, 1, int)
        with pytest.raises(ap.ChannelError, match="int is declared, not str") as refused:
            await tx.send("text")  # type: ignore[arg-type]
        assert refused.value.item == "text"
        await tx.send(7)
        assert await rx.receive() == 7
        close(tx, rx)


async def test_net08_a_deeper_mismatch_is_counted_at_the_home_and_the_rest_arrives() -> None:
    async with mesh(2) as nodes:
        tx, rx = ap.open_channel[list[int]](4)
        rx = nodes.move(rx, 0, 1, list[int])
        await tx.send_many([[1], ["bad"], [2]])  # type: ignore[list-item]
        assert [await rx.receive() for _ in range(2)] == [[1], [2]]
        assert nodes.nodes[1].counters["items of a wrong type"] == 1
        for number in range(20):
            await tx.send([number])
            assert await rx.receive() == [number]
        close(tx, rx)


async def test_net07_a_full_channel_stops_no_other() -> None:
    async with mesh(2) as nodes:
        full_tx, full_rx = ap.open_channel[bytes](2)
        tx, rx = ap.open_channel[int](2)
        full_rx, rx = nodes.move(full_rx, 0, 1, bytes), nodes.move(rx, 0, 1, int)
        stuck = asyncio.create_task(full_tx.send_many([bytes(100_000)] * 10))
        for number in range(100):
            await tx.send(number)
            assert await asyncio.wait_for(rx.receive(), 5) == number
        assert not stuck.done()
        assert full_rx.statistics().length <= 2
        stuck.cancel()
        for end in (full_tx, full_rx, tx, rx):
            end.close()


async def test_net04_a_channel_of_large_items_has_a_bounded_number_of_bytes_under_way() -> None:
    from actorpar.nodes.remote.credit import WINDOW

    async with mesh(2) as nodes:
        tx, rx = ap.open_channel[bytes](1000)
        rx = nodes.move(rx, 0, 1, bytes)
        item = bytes(200_000)
        sending = asyncio.create_task(tx.send_many([item] * 200))
        await asyncio.sleep(0.3)
        assert len(rx.core.buffer) * len(item) <= 2 * WINDOW
        for _ in range(200):
            assert len(await asyncio.wait_for(rx.receive(), 5)) == len(item)
        await sending
        close(tx, rx)


@pytest.mark.parametrize("end", ["sender", "receiver"])
@pytest.mark.parametrize("pause", [0.0, 0.1])
async def test_net04_small_items_follow_a_large_one_whoever_waits(end: str, pause: float) -> None:
    """Nothing is told of less than a quarter of the bytes, so with less than that on their way the sender goes on."""
    async with mesh(2) as nodes:
        tx, rx = ap.open_channel[bytes](64)
        if end == "receiver":
            rx = nodes.move(rx, 0, 1, bytes)
        else:
            tx = nodes.move(tx, 0, 1, bytes)
        for size in (40 << 20, 9, 9, 9, 5 << 20, 9, 9):
            await tx.send(bytes(size))
            await asyncio.sleep(pause)
            assert len(await asyncio.wait_for(rx.receive(), 5)) == size
        for size in (40 << 20, 9, 9):
            await tx.send(bytes(size))
        await asyncio.sleep(pause)
        for size in (40 << 20, 9, 9):
            assert len(await asyncio.wait_for(rx.receive(), 5)) == size
        close(tx, rx)


@pytest.mark.parametrize("round", range(3))
async def test_net13_one_select_over_memory_thread_unix_tcp_and_timer(round: int) -> None:
    async with mesh(3, "unix") as unix, mesh(2, "tcp") as tcp:
        pairs = {
            "memory": ap.open_channel[str](1),
            "unix": unix.receiver_moved(1),
            "tcp": tcp.receiver_moved(1),
            "away": unix.away(1),
        }
        thread_tx, thread_rx = ap.open_channel[str](1)
        names = [*pairs, "thread", "timer"]
        for winner in names:
            guards = [ap.receive_from(rx) for _, rx in pairs.values()]
            guards += [ap.receive_from(thread_rx), ap.receive_from(ap.after(0.05 if winner == "timer" else 5))]
            selecting = asyncio.create_task(ap.select(*guards))
            await asyncio.sleep(0.02)
            if winner == "thread":
                with thread_tx.threadsafe() as sender:
                    await asyncio.to_thread(sender.send, "hello")
            elif winner != "timer":
                await pairs[winner][0].send("hello")
            index, value = await asyncio.wait_for(selecting, 5)
            assert (names[index], value) == (winner, None if winner == "timer" else "hello")
            cancelled = asyncio.create_task(ap.select(*guards[:-1]))
            await asyncio.sleep(0.01)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
        for tx, rx in [*pairs.values(), (thread_tx, thread_rx)]:
            close(tx, rx)
