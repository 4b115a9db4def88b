"""Ends that are sent through channels, and to actors, belong to whoever receives them (NET-20)."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest

import actorpar as ap
from actorpar.channels.carrying import mover_of


@dataclasses.dataclass(frozen=True)
class Question:
    text: str
    reply: ap.Sender[int]


@dataclasses.dataclass
class Letter:
    question: Question | None
    copies: int = 1


class Order(msgspec.Struct, frozen=True):
    reply: ap.Sender[int]


class Pair(NamedTuple):
    number: int
    reply: ap.Sender[int]


class Plain(msgspec.Struct):
    text: str
    numbers: list[int]


#: How an end is put into an item of a type, and how it is found there.
KINDS: dict[str, tuple[Any, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "itself": (ap.Sender[int], lambda end: end, lambda item: item),
    "optional": (ap.Sender[int] | None, lambda end: end, lambda item: item),
    "list": (list[ap.Sender[int]], lambda end: [end], lambda item: item[0]),
    "tuple": (tuple[int, ap.Sender[int]], lambda end: (1, end), lambda item: item[1]),
    "dict": (dict[str, ap.Sender[int]], lambda end: {"a": end}, lambda item: item["a"]),
    "dataclass": (Question, lambda end: Question("?", end), lambda item: item.reply),
    "inside a dataclass": (Letter, lambda end: Letter(Question("?", end)), lambda item: item.question.reply),
    "struct": (Order, Order, lambda item: item.reply),
    "named tuple": (Pair, lambda end: Pair(1, end), lambda item: item.reply),
}


def close(*ends: Any) -> None:
    for end in ends:
        end.close()


@pytest.mark.parametrize("capacity", [0, 1, 8])
@pytest.mark.parametrize("kind", KINDS)
async def test_net20_an_end_in_an_item_belongs_to_the_receiver_once_the_send_has_returned(
    kind: str, capacity: int
) -> None:
    declared, put, find = KINDS[kind]
    tx, rx = ap.open_channel[declared](capacity)  # type: ignore[valid-type]
    reply, answers = ap.open_channel[int](1)
    receiving = asyncio.create_task(rx.receive())
    await tx.send(put(reply))
    assert reply.closed
    with pytest.raises(ap.EndMoved):
        await reply.send(1)
    end = find(await receiving)
    await end.send(7)
    assert await answers.receive() == 7
    close(tx, rx, end, answers)


@pytest.mark.parametrize("capacity", [0, 1])
async def test_net20_an_end_of_a_send_that_fails_stays_the_senders(capacity: int) -> None:
    tx, rx = ap.open_channel[ap.Sender[int]](capacity)
    reply, answers = ap.open_channel[int](1)
    other, others = ap.open_channel[int](1)
    if capacity:
        await tx.send(other)
    waiting = asyncio.create_task(tx.send(reply))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    with pytest.raises(ap.ChannelFull):
        tx.send_nowait(reply)
    await reply.send(1)
    assert await answers.receive() == 1
    close(rx, tx, reply, answers, other, others)


async def test_net20_every_end_of_send_many_moves() -> None:
    tx, rx = ap.open_channel[ap.Sender[int]](8)
    replies, answers = ap.open_channel[int](1)
    clones = [replies.clone() for _ in range(3)]
    await tx.send_many(clones)
    assert all(clone.closed for clone in clones)
    close(*await rx.receive_many(3), tx, rx, replies, answers)


async def test_net20_a_select_moves_the_end_of_the_guard_that_it_chose_and_no_other() -> None:
    tx, rx = ap.open_channel[ap.Sender[int]](1)
    full_tx, full_rx = ap.open_channel[ap.Sender[int]](0)
    one, two = ap.open_channel[int](1)
    spare = one.clone()
    assert await ap.select(ap.send_to(full_tx, spare), ap.send_to(tx, one)) == (1, None)
    assert one.closed
    assert not spare.closed
    close(await rx.receive(), spare, two, tx, rx, full_tx, full_rx)


async def test_net20_an_end_in_an_undelivered_item_is_closed_so_its_peer_learns() -> None:
    tx, rx = ap.open_channel[Question](4)
    reply, answers = ap.open_channel[int](1)
    await tx.send(Question("anybody?", reply))
    close(rx, tx)
    with pytest.raises(ap.EndOfChannel):
        await answers.receive()
    answers.close()


async def test_net20_whoever_asks_for_undelivered_items_gets_their_ends_open() -> None:
    lost: list[Question] = []
    tx, rx = ap.open_channel[Question](4, on_undelivered=lost.append)
    reply, answers = ap.open_channel[int](1)
    await tx.send(Question("anybody?", reply))
    close(rx, tx)
    await lost[0].reply.send(3)
    assert await answers.receive() == 3
    close(lost[0].reply, answers)


@pytest.mark.parametrize("declared", [int, Plain, list[Plain], Any, object, dict[str, tuple[int, ...]], "Unknown"])
def test_net20_types_without_ends_are_not_looked_into(declared: Any) -> None:
    assert mover_of(declared) is None


async def test_net20_an_end_sent_through_its_own_channel_is_moved_like_any_other() -> None:
    tx, rx = ap.open_channel[Any](1)
    own, ends = ap.open_channel[ap.Receiver[Any]](1)
    await own.send(rx)
    assert rx.closed
    close(await ends.receive(), tx, own, ends)


class Desk(ap.Actor):
    """Keeps those who want to be told."""

    def __init__(self) -> None:
        self.listeners: list[ap.Sender[int]] = []

    def listen(self, to: ap.Sender[int]) -> int:
        self.listeners.append(to)
        return len(self.listeners)

    async def say(self, number: int) -> None:
        for listener in self.listeners:
            await listener.send(number)

    def on_stop(self, reason: ap.Reason) -> None:
        close(*self.listeners)


async def test_net20_an_end_that_is_told_to_an_actor_belongs_to_the_actor() -> None:
    async with ap.ActorSystem() as system:
        desk = await system.spawn(Desk)
        ends = [ap.open_channel[int](1) for _ in range(3)]
        assert desk.tell(Desk.listen, ends[0][0])
        assert desk.teller(Desk.listen)(ends[1][0])
        assert await desk.ask(Desk.listen, ends[2][0]) == 3
        assert all(tx.closed for tx, _ in ends)
        await desk.ask(Desk.say, 5)
        assert [await rx.receive() for _, rx in ends] == [5, 5, 5]
        close(*(rx for _, rx in ends))


class Slow(ap.Actor, mailbox=1):
    def __init__(self, begun: asyncio.Event) -> None:
        self.begun = begun

    async def listen(self, to: ap.Sender[int]) -> None:
        with to:
            self.begun.set()
            await asyncio.Event().wait()


async def test_net20_a_refused_message_leaves_its_end_with_the_sender_a_dead_letter_closes_it() -> None:
    ends = [ap.open_channel[int](1) for _ in range(3)]
    (in_hand, _), (queued, answers), (refused, _) = ends
    async with ap.ActorSystem() as system:
        begun = asyncio.Event()
        slow = await system.spawn(Slow, begun)
        slow.tell(Slow.listen, in_hand)
        await begun.wait()
        assert slow.tell(Slow.listen, queued)
        assert not slow.tell(Slow.listen, refused)
        assert queued.closed
        await refused.send(1)
        system.kill(slow)
        with pytest.raises(ap.EndOfChannel):
            await answers.receive()
    close(refused, *(rx for _, rx in ends))
