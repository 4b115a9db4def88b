"""Credit, and ends that move, in every order in which their messages may arrive (NET-2 to NET-6, NET-20 to NET-29).

The code that is shipped runs on tables in memory; the only thing that is decided here is which message arrives next.
Small stories are told in all their orders, depth first; the others in all that deviate a few times from one order, each
time by any message that may come (delay bounding, Emmi, Qadeer and Rakamaric 2011).
tests/nodes/remote/test_schedules.py tells larger ones in random orders.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

import actorpar as ap
from actorpar.testing import VirtualClock
from tests.nodes.remote.joined import World
from tests.nodes.remote.orders import ALL, orders


class Told(NamedTuple):
    """What a story has come to."""

    sent: list[Any]
    got: list[Any]


Story = Callable[[World], Awaitable[Told]]


async def send(tx: Any, items: list[Any], sent: list[Any]) -> None:
    """Send, and close."""
    with tx:
        for item in items:
            await tx.send(item)
            sent.append(item)


async def all_of(rx: Any) -> list[Any]:
    """What is received until the end."""
    with rx:
        return [item async for item in rx]


async def credit_for_one_place(world: World) -> Told:
    """A sender away from the home, and more items than places."""
    sent: list[Any] = []
    tx, rx = ap.open_channel[Any](1)
    async with ap.ProcessGroup() as group:
        group.spawn(send, world.move(tx, 0, 1), [1, 2], sent)
        got = group.spawn(all_of, rx)
    return Told(sent, got.result())


async def two_senders_for_one_place(world: World) -> Told:
    """Two nodes share the credit of one place: who holds it gives it back when the other starves."""
    sent: list[Any] = []
    tx, rx = ap.open_channel[Any](1)
    async with ap.ProcessGroup() as group:
        group.spawn(send, world.move(tx.clone(), 0, 1), ["a"], sent)
        group.spawn(send, world.move(tx, 0, 2), ["b"], sent)
        got = group.spawn(all_of, rx)
    return Told(sent, got.result())


async def the_home_follows_its_receiver(world: World) -> Told:
    """The only receiver moves while a sender at the old home sends."""
    sent: list[Any] = []
    tx, rx = ap.open_channel[Any](1)
    await tx.send(0)
    async with ap.ProcessGroup() as group:
        got = group.spawn(all_of, world.move(rx, 0, 1))
        group.spawn(send, tx, [1, 2], sent)
    return Told([0, *sent], got.result())


async def the_home_moves_under_a_sender_elsewhere(world: World) -> Told:
    """What a third node has sent to the old home goes on to the new one, before what it sends there."""
    sent: list[Any] = []
    tx, rx = ap.open_channel[Any](2)
    async with ap.ProcessGroup() as group:
        group.spawn(send, world.move(tx, 0, 2), [1, 2], sent)
        await asyncio.sleep(0)
        got = group.spawn(all_of, world.move(rx, 0, 1))
    return Told(sent, got.result())


async def _moves_between_two_items(world: World, to: int) -> Told:
    tx, rx = ap.open_channel[Any](2)
    away = world.move(tx, 0, 1)
    async with ap.ProcessGroup() as group:
        got = group.spawn(all_of, rx)
        await away.send(1)
        further = world.move(away, 1, to)
        await further.send(2)
        further.close()
    return Told([1, 2], got.result())


async def a_sender_moves_between_two_items(world: World) -> Told:
    """What it sent from the first node precedes what it sends from the second."""
    return await _moves_between_two_items(world, 2)


async def a_sender_comes_home(world: World) -> Told:
    """There and back again."""
    return await _moves_between_two_items(world, 0)


async def two_receivers_share(world: World) -> Told:
    """The home stays with two receivers on two nodes; each item goes to one."""
    sent: list[Any] = []
    tx, rx = ap.open_channel[Any](1)
    async with ap.ProcessGroup() as group:
        one = group.spawn(all_of, world.move(rx.clone(), 0, 1))
        other = group.spawn(all_of, rx)
        group.spawn(send, tx, [1, 2], sent)
    return Told(sent, one.result() + other.result())


async def a_receive_that_gives_up(world: World) -> Told:
    """What was shipped for a receive that was cancelled goes back, and to the next one, in order."""
    sent: list[Any] = []
    tx, rx = ap.open_channel[Any](2)
    far = world.move(rx.clone(), 0, 1)
    receiving = asyncio.create_task(far.receive())
    await asyncio.sleep(0)
    async with ap.ProcessGroup() as group:
        group.spawn(send, tx, [1, 2], sent)
        await asyncio.sleep(0)
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
        early = [] if receiving.cancelled() else [receiving.result()]
        far.close()
        got = group.spawn(all_of, rx)
    return Told(sent, early + got.result())


STORIES: dict[Story, int] = {
    credit_for_one_place: ALL,
    the_home_follows_its_receiver: ALL,
    two_receivers_share: ALL,
    two_senders_for_one_place: 3,
    the_home_moves_under_a_sender_elsewhere: 2,
    a_sender_moves_between_two_items: 3,
    a_sender_comes_home: 3,
    a_receive_that_gives_up: 3,
}
#: Those in which items take two ways, and so have no order.
TWO_WAYS = (two_senders_for_one_place, two_receivers_share, a_receive_that_gives_up)


def tell(story: Story, dice: Any) -> Told:
    async def whole() -> Told:
        world = World(3, dice)
        async with asyncio.timeout(100):
            told = await story(world)
        await asyncio.sleep(30)  # virtual: what is under way arrives
        assert world.left() == []
        return told

    with asyncio.Runner(loop_factory=VirtualClock) as runner:
        return runner.run(whole())


@pytest.mark.parametrize("story", STORIES)
def test_net22_in_every_order_of_messages_each_item_arrives_once_and_in_order_and_nothing_stays_behind(
    story: Story,
) -> None:
    count = 0
    for order in orders(STORIES[story]):
        count += 1
        try:
            told = tell(story, order)
            if story in TWO_WAYS:
                assert sorted(told.got) == sorted(told.sent)
            else:
                assert told.got == told.sent
        except BaseException as error:
            error.add_note(f"order {order.script}")
            raise
    assert count > 10
