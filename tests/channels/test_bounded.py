"""Capacity n >= 1: a buffer with back-pressure."""

from __future__ import annotations

import pytest

import actorpar as ap
from actorpar.testing import Trial

from .conftest import Channel

pytestmark = pytest.mark.virtual_time


async def test_ch01_the_capacity_is_the_number_of_places(channel: Channel) -> None:
    tx, _ = channel(3)
    for item in range(3):
        tx.send_nowait(item)
    with pytest.raises(ap.ChannelFull):
        tx.send_nowait(3)
    assert tx.statistics().capacity == 3


async def test_ch02_a_send_completes_at_once_while_there_is_room(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(2)
    await trial.soon(tx.send("a"))
    await trial.soon(tx.send("b"))
    assert rx.statistics().length == 2


async def test_ch02_a_send_waits_while_the_channel_is_full(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    await tx.send("a")
    sending = await trial.started_and_waiting(tx.send, "b")
    assert tx.statistics().waiting_senders == 1
    assert rx.receive_nowait() == "a"
    await sending
    assert rx.receive_nowait() == "b"


async def test_ch02_a_reserved_slot_is_not_free(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    await tx.send("a")
    sending = await trial.started_and_waiting(tx.send, "b")
    assert rx.receive_nowait() == "a"
    with pytest.raises(ap.ChannelFull):  # the sender was woken and has not run
        tx.send_nowait("thief")
    await sending
    assert rx.receive_nowait() == "b"


async def test_ch03_a_receive_waits_while_there_is_no_item(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    receiving = await trial.started_and_waiting(rx.receive)
    assert rx.statistics().waiting_receivers == 1
    tx.send_nowait("a")
    assert await receiving == "a"


async def test_ch03_a_reserved_item_is_not_there_for_others(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    receiving = await trial.started_and_waiting(rx.receive)
    tx.send_nowait("a")
    with pytest.raises(ap.ChannelEmpty):  # the receiver was woken and has not run
        rx.receive_nowait()
    assert await receiving == "a"


async def test_ch06_waiting_senders_are_served_in_the_order_of_arrival(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    await tx.send(0)
    for item in range(1, 5):
        await trial.started_and_waiting(tx.send, item)
    assert [await rx.receive() for _ in range(5)] == [0, 1, 2, 3, 4]


async def test_ch06_waiting_receivers_are_served_in_the_order_of_arrival(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    receiving = [await trial.started_and_waiting(rx.receive) for _ in range(4)]
    for item in range(4):
        await tx.send(item)
    assert [await each for each in receiving] == [0, 1, 2, 3]


async def test_ch07_a_new_send_never_overtakes_a_waiting_one(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(2)
    await tx.send_many([0, 1])
    first = await trial.started_and_waiting(tx.send, 2)
    second = await trial.started_and_waiting(tx.send, 3)
    assert rx.receive_nowait() == 0
    third = trial.start(tx.send, 4)
    assert [await rx.receive() for _ in range(4)] == [1, 2, 3, 4]
    for each in (first, second, third):
        await each


async def test_ch07_a_new_receive_never_overtakes_a_waiting_one(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(4)
    first = await trial.started_and_waiting(rx.receive)
    second = await trial.started_and_waiting(rx.receive)
    tx.send_nowait("a")
    third = await trial.started_and_waiting(rx.receive)
    tx.send_nowait("b")
    tx.send_nowait("c")
    assert [await first, await second, await third] == ["a", "b", "c"]


async def test_ch07_who_frees_a_slot_does_not_take_it_from_a_sender_that_waits(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)

    async def receive_and_send() -> str:
        item: str = await rx.receive()
        await tx.send("late")  # in the same step: the slot is promised to the sender that waits
        return item

    await tx.send("a")
    waiting = await trial.started_and_waiting(tx.send, "b")
    late = trial.start(receive_and_send)
    await trial.waits(late)
    assert [await rx.receive(), await rx.receive()] == ["b", "late"]
    await waiting
    assert await late == "a"


async def test_ch07_who_sends_an_item_does_not_take_it_from_a_receiver_that_waits(
    trial: Trial, channel: Channel
) -> None:
    tx, rx = channel(2)

    async def send_and_receive() -> str:
        await tx.send("first")
        item: str = await rx.receive()  # in the same step: the item is promised to the receiver that waits
        return item

    waiting = await trial.started_and_waiting(rx.receive)
    late = trial.start(send_and_receive)
    assert await waiting == "first"
    await trial.waits(late)
    await tx.send("second")
    assert await late == "second"


async def test_ch08_one_item_wakes_one_receiver(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(4)
    receiving = [await trial.started_and_waiting(rx.receive) for _ in range(3)]
    tx.send_nowait("a")
    assert rx.statistics().waiting_receivers == 2
    assert await receiving[0] == "a"
    await trial.waits(*receiving[1:])


async def test_ch08_one_freed_slot_wakes_one_sender(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    await tx.send(0)
    sending = [await trial.started_and_waiting(tx.send, item) for item in (1, 2, 3)]
    assert rx.receive_nowait() == 0
    assert tx.statistics().waiting_senders == 2
    await sending[0]
    await trial.waits(*sending[1:])


async def test_ch08_every_slot_that_a_batch_frees_wakes_a_sender(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(3)
    await tx.send_many([0, 1, 2])
    sending = [await trial.started_and_waiting(tx.send, item) for item in (3, 4, 5, 6)]
    assert await rx.receive_many(3) == [0, 1, 2]
    for each in sending[:3]:
        await each
    await trial.waits(sending[3])


async def test_ch08_a_batch_wakes_as_many_receivers_as_it_has_items(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(8)
    receiving = [await trial.started_and_waiting(rx.receive) for _ in range(3)]
    await tx.send_many("ab")
    assert [await receiving[0], await receiving[1]] == ["a", "b"]
    await trial.waits(receiving[2])


async def test_ch08_ending_the_channel_wakes_all(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    receiving = [await trial.started_and_waiting(rx.receive) for _ in range(3)]
    tx.close()
    for each in receiving:
        await trial.fails(ap.EndOfChannel, each)


async def test_ch10_the_slot_of_a_cancelled_woken_sender_goes_to_the_next(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    await tx.send("a")
    first = await trial.started_and_waiting(tx.send, "never")
    second = await trial.started_and_waiting(tx.send, "b")
    assert rx.receive_nowait() == "a"  # wakes `first`
    await trial.cancel(first)
    await trial.soon(second)
    assert rx.receive_nowait() == "b"


async def test_ch10_the_item_of_a_cancelled_woken_receiver_goes_to_the_next(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    first = await trial.started_and_waiting(rx.receive)
    second = await trial.started_and_waiting(rx.receive)
    tx.send_nowait("a")  # wakes `first`
    await trial.cancel(first)
    assert await trial.soon(second) == "a"


async def test_ch10_without_a_next_waiter_the_reservation_is_dissolved(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    receiving = await trial.started_and_waiting(rx.receive)
    tx.send_nowait("a")
    await trial.cancel(receiving)
    assert rx.receive_nowait() == "a"
    await tx.send("b")
    sending = await trial.started_and_waiting(tx.send, "never")
    assert rx.receive_nowait() == "b"
    await trial.cancel(sending)
    tx.send_nowait("c")


async def test_ch12_the_length_never_exceeds_the_capacity(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(2)
    sending = [trial.start(tx.send, item) for item in range(6)]
    for expected in range(6):
        assert rx.statistics().length <= 2
        assert await rx.receive() == expected
    assert rx.statistics().peak == 2
    for each in sending:
        await each


async def test_ch13_senders_and_receivers_never_wait_at_the_same_time(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    for item in range(3):
        trial.start(tx.send, item)
    await trial.waits()
    assert (tx.statistics().waiting_senders, tx.statistics().waiting_receivers) == (2, 0)
    for _ in range(5):
        trial.start(rx.receive)
    await trial.waits()
    assert (tx.statistics().waiting_senders, tx.statistics().waiting_receivers) == (0, 2)


async def test_ch21_the_channel_ends_when_the_last_sender_closes(channel: Channel) -> None:
    tx, rx = channel(2)
    await tx.send_many("ab")
    with tx.clone() as other:
        tx.close()
        assert await rx.receive() == "a"
        await other.send("c")
    assert [item async for item in rx] == ["b", "c"]


async def test_ch22_closing_the_last_receiver_breaks_the_channel(trial: Trial, channel: Channel) -> None:
    lost: list[str] = []
    tx, rx = channel(1, on_undelivered=lost.append)
    await tx.send("buffered")
    sending = await trial.started_and_waiting(tx.send, "stuck")
    with rx.clone():
        rx.close()
        await trial.waits(sending)
    assert (await trial.fails(ap.ChannelBroken, sending)).item == "stuck"
    assert (await trial.fails(ap.ChannelBroken, tx.send("late"))).item == "late"
    assert lost == ["buffered"]


async def test_ch26_abort_discards_the_buffer_and_wakes_everybody(trial: Trial, channel: Channel) -> None:
    lost: list[str] = []
    tx, rx = channel(1, on_undelivered=lost.append)
    await tx.send("buffered")
    sending = await trial.started_and_waiting(tx.send, "stuck")
    cause = ValueError("poison")
    rx.abort(cause)
    error = await trial.fails(ap.ChannelAborted, sending)
    assert (error.item, error.__cause__) == ("stuck", cause)
    assert (await trial.fails(ap.ChannelAborted, rx.receive())).__cause__ is cause
    assert lost == ["buffered"]


async def test_ch60_statistics_are_exact(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(2, name="numbers")
    await tx.send_many([1, 2])
    await trial.started_and_waiting(tx.send, 3)
    with tx.clone():
        assert rx.statistics() == ("numbers", 2, 2, 2, 1, 1, 0, 2, 0, (0.0, 0.0))
