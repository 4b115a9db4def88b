"""Credit and the meaning of a send across nodes, on tables in memory and in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import actorpar as ap
from actorpar.nodes.errors import Unreachable
from actorpar.testing import VirtualClock
from tests.nodes.meshed import close, mesh
from tests.nodes.remote.joined import World

Told = list[tuple[int, int, Any, Any]]


def run(story: Callable[[World, Told], Coroutine[Any, Any, None]], nodes: int = 3, seed: int = 3) -> None:
    """Tell a story in a world that notes everything that is said: near, far, op, items."""

    async def told() -> None:
        world, said = World(nodes, random.Random(seed)), []
        say = world.say

        def noted(peer: Any, lane: Any, op: Any, items: Any) -> None:
            said.append((peer.near, peer.far, op, items))
            say(peer, lane, op, items)

        world.say = noted  # type: ignore[method-assign]
        await story(world, said)

    with asyncio.Runner(loop_factory=VirtualClock) as runner:
        runner.run(told())


def items_of(said: Told, near: int) -> int:
    return sum(len(items) for who, _, _, items in said if who == near and items)


def ops_of(said: Told, near: int) -> list[str]:
    return [type(op).__name__ for who, _, op, _ in said if who == near and op is not None]


def test_net02_a_sender_that_is_away_transmits_only_against_credit() -> None:
    async def story(world: World, said: Told) -> None:
        tx, rx = ap.open_channel[int](4)
        tx = world.move(tx, 0, 1)
        sending = asyncio.create_task(tx.send_many(range(50)))
        await asyncio.sleep(5)
        assert items_of(said, 1) == 4
        assert [await rx.receive() for _ in range(50)] == list(range(50))
        await sending
        close(tx, rx)

    run(story)


def test_net03_credit_and_what_waits_never_exceed_the_capacity() -> None:
    async def story(world: World, said: Told) -> None:
        tx, rx = ap.open_channel[int](8)
        ends = [world.move(tx.clone(), 0, 1), world.move(tx.clone(), 0, 2), tx]
        core = rx.core

        async def send(end: ap.Sender[int]) -> None:
            for number in range(60):
                await end.send(number)
                credit = sum(stub.credit for stub in core.remote.senders)
                assert credit + len(core.buffer) <= 8

        async with ap.ProcessGroup() as group:
            for end in ends:
                group.spawn(send, end.clone())
            for _ in range(180):
                await rx.receive()
                assert sum(stub.credit for stub in core.remote.senders) + len(core.buffer) <= 8
        close(*ends, rx)

    run(story)


def test_net05_credit_returns_in_batches() -> None:
    async def story(world: World, said: Told) -> None:
        tx, rx = ap.open_channel[int](64)
        tx = world.move(tx, 0, 1)
        for number in range(640):
            await tx.send(number)
            assert await rx.receive() == number
        assert ops_of(said, 0).count("Credit") <= 640 / 16
        close(tx, rx)

    run(story)


def test_net09_a_send_without_a_buffer_returns_after_the_receiver_took_it() -> None:
    async def story(world: World, said: Told) -> None:
        tx, rx = ap.open_channel[str](0)
        rx = world.move(rx, 0, 1)
        sending = asyncio.create_task(tx.send("x"))
        await asyncio.sleep(5)
        assert not sending.done()
        assert await rx.receive() == "x"
        await sending
        sending = asyncio.create_task(tx.send("withdrawn"))
        await asyncio.sleep(5)
        sending.cancel()
        await asyncio.sleep(5)
        assert "Withdraw" in ops_of(said, 0)
        receiving = asyncio.create_task(rx.receive())
        await asyncio.sleep(5)
        await tx.send("y")
        assert await receiving == "y"
        close(tx, rx)

    run(story)


def test_net10_a_send_that_does_not_wait_needs_credit_and_says_nothing() -> None:
    async def story(world: World, said: Told) -> None:
        tx, rx = ap.open_channel[int](2)
        tx = world.move(tx, 0, 1)
        await asyncio.sleep(5)
        tx.send_nowait(1)
        said.clear()
        with pytest.raises(ap.ChannelFull):
            tx.send_nowait(2)
        assert said == []
        far = world.move(rx.clone(), 0, 2)
        await asyncio.sleep(5)
        with pytest.raises(ap.ChannelEmpty):
            far.receive_nowait()
        far.prefetch(1)
        await asyncio.sleep(5)
        assert far.receive_nowait() == 1
        close(tx, rx, far)

    run(story)


def test_net21_an_end_is_passed_on_by_one_that_is_away_itself() -> None:
    async def story(world: World, said: Told) -> None:
        tx, rx = ap.open_channel[str](8)
        tx = world.move(tx, 0, 1)
        await tx.send("before")
        passed = world.move(tx.clone(), 1, 2)
        await passed.send("after")
        tx.close()
        assert [await rx.receive() for _ in range(2)] == ["before", "after"]
        passed.close()
        with pytest.raises(ap.EndOfChannel):
            await rx.receive()
        rx.close()

    for seed in range(30):  # whatever overtakes what
        run(story, seed=seed)


def test_net23_receivers_on_several_nodes_share_the_items_and_leave_the_home_where_it_is() -> None:
    async def story(world: World, said: Told) -> None:
        tx, rx = ap.open_channel[int](8)
        far = [world.move(rx.clone(), 0, 1), world.move(rx.clone(), 0, 2)]
        rx.close()
        parts: list[list[int]] = [[], []]

        async def receive(number: int) -> None:
            async for item in far[number]:
                parts[number].append(item)

        async with ap.ProcessGroup() as group:
            group.spawn(receive, 0)
            group.spawn(receive, 1)
            await tx.send_many(range(100))
            tx.close()
        assert sorted(parts[0] + parts[1]) == list(range(100))
        assert all(part == sorted(part) and len(part) >= 20 for part in parts)
        assert len(world.tables[0].homes) == 1
        close(*far)

    run(story)


async def test_net25_who_cannot_reach_the_home_learns_it_where_the_end_comes() -> None:
    async with mesh(2) as nodes:
        with pytest.raises(Unreachable, match="is not known here"):
            nodes.nodes[0].peer(b"x" * 16)


def test_net28_a_channel_does_not_end_while_a_sender_is_on_its_way() -> None:
    async def story(world: World, said: Told) -> None:
        from actorpar.nodes.remote import moving

        tx, rx = ap.open_channel[int](4)
        described = moving.export(world.tables[0], tx, world._peers[0, 1])
        await asyncio.sleep(5)
        with pytest.raises(ap.ChannelEmpty):
            rx.receive_nowait()
        far: Any = moving.accept(world.tables[1], described, Any, world._peers[0, 1].back)
        await far.send(1)
        far.close()
        assert [item async for item in rx] == [1]
        rx.close()

    run(story)


def test_net27_what_a_node_held_is_let_go_with_its_session() -> None:
    async def story(world: World, said: Told) -> None:
        tx, rx = ap.open_channel[int](8)
        senders = [world.move(tx.clone(), 0, 1) for _ in range(3)]
        await asyncio.sleep(5)
        home = rx.core.remote
        assert len(home.senders) == 3
        world.kill(1)
        assert not home.senders
        assert rx.statistics().senders == 1
        for number in range(8):
            tx.send_nowait(number)  # their credit is free again
        close(tx, rx, *senders)

    run(story)


@pytest.mark.parametrize("redeliver", [True, False])
def test_net11_what_was_on_its_way_to_a_lost_node_is_redelivered_or_undelivered(redeliver: bool) -> None:
    async def story(world: World, said: Told) -> None:
        lost: list[int] = []
        tx, rx = ap.open_channel[int](8, redeliver=redeliver, on_undelivered=lost.append)
        far = world.move(rx.clone(), 0, 1)
        far.prefetch(4)
        await asyncio.sleep(5)
        await tx.send_many(range(6))
        await asyncio.sleep(5)
        assert await far.receive() == 0
        await asyncio.sleep(5)
        world.kill(1)
        tx.close()
        got = [item async for item in rx]
        assert (got, lost) == (([1, 2, 3, 4, 5], []) if redeliver else ([5], [1, 2, 3, 4]))
        close(rx, far)

    run(story)


def test_net11_a_channel_still_redelivers_when_its_home_has_moved() -> None:
    async def story(world: World, said: Told) -> None:
        tx, rx = ap.open_channel[int](8, redeliver=True)
        rx = world.move(rx, 0, 1)
        far = world.move(rx.clone(), 1, 2)
        far.prefetch(4)
        await asyncio.sleep(5)
        await tx.send_many(range(4))
        await asyncio.sleep(5)
        world.kill(2)
        assert [await rx.receive() for _ in range(4)] == [0, 1, 2, 3]
        close(tx, rx, far)

    run(story)


def test_net08_an_item_that_was_none_of_the_declared_type_gives_its_slot_back() -> None:
    async def story(world: World, said: Told) -> None:
        tx, rx = ap.open_channel[int](4)
        tx = world.move(tx, 0, 1)
        await asyncio.sleep(5)
        (stub,) = rx.core.remote.senders
        before = stub.credit
        stub.on_items([7], 1, 64)  # one good, one bad: what a link says when it could not decode an item
        assert stub.credit == before - 2
        assert rx.core.limit == 4 - stub.credit
        assert await rx.receive() == 7
        close(tx, rx)

    run(story)
