"""`flush`: what was sent is in the channel, wherever that is (NET-8)."""

from __future__ import annotations

import asyncio
import math
import random
import typing
from typing import Any

import pytest

import actorpar as ap
from actorpar.nodes.errors import ProtocolError
from actorpar.nodes.remote import ops, outlet
from tests.nodes.meshed import close, mesh
from tests.nodes.remote.joined import World
from tests.nodes.remote.test_schedules import run_virtual


@pytest.mark.parametrize("capacity", [0, 1, 8, math.inf])
def test_net08_in_one_process_there_is_nothing_to_wait_for(capacity: float) -> None:
    async def story() -> None:
        tx, rx = ap.open_channel[int](capacity)
        await tx.flush()
        if capacity:
            await tx.send(1)
            await tx.flush()
            assert rx.statistics().length == 1
        clone = tx.clone()
        clone.close()
        with pytest.raises(ap.ChannelClosed):
            await clone.flush()
        close(tx, rx)

    run_virtual(story())


@pytest.mark.parametrize("capacity", [1, 8, math.inf])
def test_net08_what_was_flushed_outlives_the_node_that_sent_it(capacity: float) -> None:
    async def story() -> None:
        for dice in range(50):
            world = World(2, random.Random(dice))
            tx, rx = ap.open_channel[int](capacity)
            far = world.move(tx.clone(), 0, 1)
            tx.close()
            for number in range(min(int(min(capacity, 5)), 5)):
                await far.send(number)
            await far.flush()
            world.kill(1)
            assert await all_of(rx) == list(range(int(min(capacity, 5))))
            close(rx, far)

    run_virtual(story())


def test_net08_a_rendezvous_has_nothing_to_flush_for_each_send_is_taken() -> None:
    async def story() -> None:
        world = World(2, random.Random(1))
        tx, rx = ap.open_channel[int](0)
        tx = world.move(tx, 0, 1)
        sending = asyncio.create_task(tx.send(1))
        await tx.flush()
        assert not sending.done()
        assert await rx.receive() == 1
        await sending
        close(tx, rx)

    run_virtual(story())


def test_net08_a_flush_whose_node_is_lost_says_what_is_unknown() -> None:
    async def story() -> None:
        world = World(2, random.Random(1))
        tx, rx = ap.open_channel[int](8)
        rx = world.move(rx, 0, 1)
        await asyncio.sleep(1)
        await tx.send(1)
        flushing = asyncio.create_task(tx.flush())
        await asyncio.sleep(0)
        world.kill(1)
        with pytest.raises(ap.LinkLost) as lost:
            await flushing
        assert lost.value.unknown == (1,)
        with pytest.raises(ap.LinkLost):
            await tx.flush()
        close(rx, tx)

    run_virtual(story())


def test_net08_a_flush_whose_end_is_closed_meanwhile_says_so() -> None:
    async def story() -> None:
        world = World(2, random.Random(1))
        tx, rx = ap.open_channel[int](8)
        tx = world.move(tx, 0, 1)
        await asyncio.sleep(1)
        flushing = asyncio.create_task(tx.flush())
        await asyncio.sleep(0)
        tx.close()
        with pytest.raises(ap.ChannelClosed):
            await flushing
        rx.close()

    run_virtual(story())


def test_net08_a_flush_that_is_cancelled_takes_no_answer_from_another() -> None:
    async def story() -> None:
        world = World(2, random.Random(1))
        tx, rx = ap.open_channel[int](8)
        tx = world.move(tx, 0, 1)
        await asyncio.sleep(1)
        held = hold(world, ops.Confirmed)
        cancelled = asyncio.create_task(tx.flush())
        other = asyncio.create_task(tx.flush())
        await asyncio.sleep(1)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        first, second = held
        world.say = World.say.__get__(world)  # type: ignore[method-assign]
        world.say(*first)
        await asyncio.sleep(1)
        assert not other.done()
        world.say(*second)
        await other
        close(tx, rx)

    run_virtual(story())


async def all_of(rx: ap.Receiver[int]) -> list[int]:
    """What is received until the channel breaks."""
    got: list[int] = []
    try:
        while True:
            got.append(await rx.receive())
    except ap.ChannelBroken:
        return got


def hold(world: World, kind: type[ops.Op]) -> list[tuple[Any, ...]]:
    """Keep every such op instead of delivering it."""
    held: list[tuple[Any, ...]] = []
    say = world.say

    def hold_back(*said: Any) -> None:
        if isinstance(said[2], kind):
            held.append(said)
        else:
            say(*said)

    world.say = hold_back  # type: ignore[method-assign, assignment]
    return held


def test_net08_while_the_home_moves_the_new_one_answers() -> None:
    async def story() -> None:
        for dice in range(200):
            world = World(3, random.Random(dice))
            tx, rx = ap.open_channel[int](8)
            tx = world.move(tx, 0, 1)
            for number in range(3):
                await tx.send(number)
            flushing = asyncio.create_task(tx.flush())
            rx = world.move(rx, 0, 2)
            await flushing
            world.kill(1)
            assert await all_of(rx) == [0, 1, 2], dice
            close(rx, tx)

    run_virtual(story())


def test_net08_a_home_that_has_moved_away_confirms_nothing() -> None:
    async def story() -> None:
        world = World(3, random.Random(1))
        tx, rx = ap.open_channel[int](8)
        tx = world.move(tx, 0, 1)
        await asyncio.sleep(1)
        held = hold(world, ops.Moved)
        rx = world.move(rx, 0, 2)
        await asyncio.sleep(1)
        await tx.send(1)
        flushing = asyncio.create_task(tx.flush())
        await asyncio.sleep(1)
        assert not flushing.done()
        world.say = World.say.__get__(world)  # type: ignore[method-assign]
        world.say(*held[0])
        await flushing
        world.kill(0)
        world.kill(1)
        assert await all_of(rx) == [1]
        close(rx, tx)

    run_virtual(story())


def test_net08_a_home_that_confirms_what_was_not_asked_breaks_the_protocol() -> None:
    async def story() -> None:
        world = World(2, random.Random(1))
        tx, rx = ap.open_channel[int](8)
        tx = world.move(tx, 0, 1)
        await asyncio.sleep(1)
        (end,) = (end for end in world._peers[1, 0].ends.values() if isinstance(end, outlet.Outlet))
        with pytest.raises(ProtocolError, match="not asked"):
            end.on_op(ops.Confirmed(end.alias))
        close(tx, rx)

    run_virtual(story())


@pytest.mark.parametrize("kind", ["pipe", "unix", "tcp"])
async def test_net08_over_a_link_the_home_answers(kind: str) -> None:
    async with mesh(2, kind) as nodes:
        tx, rx = ap.open_channel[int](8)
        tx = nodes.move(tx, 0, 1, int)
        await tx.send_many([1, 2, 3])
        async with asyncio.timeout(5):
            await tx.flush()
        assert rx.statistics().length == 3
        close(tx, rx)


def test_every_op_is_one_that_a_node_understands() -> None:
    understood = set(typing.get_args(ops.AnyOp))
    assert understood == {*ops.Op.__subclasses__(), *ops.OfMemory.__subclasses__()} - {ops.OfMemory}
