"""Capacity 0: sender and receiver meet."""

from __future__ import annotations

import pytest

import actorpar as ap
from actorpar.testing import Trial

from .conftest import Channel

pytestmark = pytest.mark.virtual_time


async def test_ch01_capacity_0_has_no_place(channel: Channel) -> None:
    tx, rx = channel(0)
    with pytest.raises(ap.ChannelFull) as full:
        tx.send_nowait("x")
    assert full.value.item == "x"
    assert (rx.statistics().capacity, rx.statistics().length) == (0, 0)


async def test_ch02_a_send_completes_at_once_while_a_receiver_waits(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    receiving = await trial.started_and_waiting(rx.receive)
    tx.send_nowait("a")
    assert await receiving == "a"


async def test_ch02_a_send_waits_while_no_receiver_waits(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    sending = await trial.started_and_waiting(tx.send, "a")
    assert tx.statistics().waiting_senders == 1
    assert await rx.receive() == "a"
    await sending


async def test_ch03_a_receive_waits_while_no_sender_waits(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    receiving = await trial.started_and_waiting(rx.receive)
    assert rx.statistics().waiting_receivers == 1
    await tx.send("a")
    assert await receiving == "a"


async def test_ch03_a_reserved_item_is_not_there_for_others(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    receiving = await trial.started_and_waiting(rx.receive)
    tx.send_nowait("a")
    with pytest.raises(ap.ChannelEmpty):  # the receiver was woken and has not run
        rx.receive_nowait()
    assert await receiving == "a"


async def test_ch04_a_send_returns_only_when_its_item_was_taken(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    sending = [await trial.started_and_waiting(tx.send, item) for item in "ab"]
    assert rx.statistics().length == 0
    assert rx.receive_nowait() == "a"
    await sending[0]
    await trial.waits(sending[1])
    assert rx.receive_nowait() == "b"
    await sending[1]


async def test_ch06_waiting_senders_are_served_in_the_order_of_arrival(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    for item in range(4):
        await trial.started_and_waiting(tx.send, item)
    assert [await rx.receive() for _ in range(4)] == [0, 1, 2, 3]


async def test_ch06_waiting_receivers_are_served_in_the_order_of_arrival(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    receiving = [await trial.started_and_waiting(rx.receive) for _ in range(4)]
    for item in range(4):
        await tx.send(item)
    assert [await each for each in receiving] == [0, 1, 2, 3]


async def test_ch07_a_new_send_never_overtakes_a_waiting_one(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    first = await trial.started_and_waiting(tx.send, "a")
    with pytest.raises(ap.ChannelFull):
        tx.send_nowait("thief")
    second = await trial.started_and_waiting(tx.send, "b")
    assert [await rx.receive(), await rx.receive()] == ["a", "b"]
    await first
    await second


async def test_ch07_a_new_receive_never_overtakes_a_waiting_one(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    first = await trial.started_and_waiting(rx.receive)
    second = await trial.started_and_waiting(rx.receive)
    await tx.send("a")
    await tx.send("b")
    assert [await first, await second] == ["a", "b"]


async def test_ch08_one_item_wakes_one_receiver(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    receiving = [await trial.started_and_waiting(rx.receive) for _ in range(3)]
    tx.send_nowait("a")
    assert rx.statistics().waiting_receivers == 2
    assert await receiving[0] == "a"
    await trial.waits(*receiving[1:])


async def test_ch08_one_receive_wakes_one_sender(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    sending = [await trial.started_and_waiting(tx.send, item) for item in range(3)]
    assert await rx.receive() == 0
    await sending[0]
    await trial.waits(*sending[1:])


async def test_ch08_ending_the_channel_wakes_all(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    receiving = [await trial.started_and_waiting(rx.receive) for _ in range(3)]
    tx.close()
    for each in receiving:
        await trial.fails(ap.EndOfChannel, each)


async def test_ch12_the_item_of_a_receiver_cancelled_after_its_reservation_is_the_surplus(
    trial: Trial, channel: Channel
) -> None:
    tx, rx = channel(0)
    receiving = await trial.started_and_waiting(rx.receive)
    tx.send_nowait("a")
    assert rx.statistics().length == 1  # one woken receiver, one item
    await trial.cancel(receiving)
    assert rx.statistics().length == 1
    sending = await trial.started_and_waiting(tx.send, "b")
    assert [rx.receive_nowait(), rx.receive_nowait()] == ["a", "b"]
    await sending


async def test_ch12_the_surplus_goes_to_the_next_waiting_receiver(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    first = await trial.started_and_waiting(rx.receive)
    second = await trial.started_and_waiting(rx.receive)
    tx.send_nowait("a")
    await trial.cancel(first)
    assert await second == "a"


async def test_ch13_senders_and_receivers_never_wait_at_the_same_time(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    for item in range(2):
        await trial.started_and_waiting(tx.send, item)
    assert (tx.statistics().waiting_senders, tx.statistics().waiting_receivers) == (2, 0)
    for _ in range(4):
        trial.start(rx.receive)
    await trial.waits()
    assert (tx.statistics().waiting_senders, tx.statistics().waiting_receivers) == (0, 2)


async def test_ch21_the_channel_ends_when_the_last_sender_closes(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    with tx.clone() as other:
        tx.close()
        sending = trial.start(other.send, "last")
        assert await rx.receive() == "last"
        await sending
    with pytest.raises(ap.EndOfChannel):
        await rx.receive()


async def test_ch21_the_surplus_can_be_received_after_the_end(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    receiving = await trial.started_and_waiting(rx.receive)
    tx.send_nowait("surplus")
    receiving.cancel()
    tx.close()
    await trial.fails(BaseException, receiving)
    assert [item async for item in rx] == ["surplus"]


async def test_ch22_closing_the_last_receiver_breaks_the_channel(trial: Trial, channel: Channel) -> None:
    lost: list[str] = []
    tx, rx = channel(0, on_undelivered=lost.append)
    sending = await trial.started_and_waiting(tx.send, "stuck")
    rx.close()
    assert (await trial.fails(ap.ChannelBroken, sending)).item == "stuck"
    assert (await trial.fails(ap.ChannelBroken, tx.send("late"))).item == "late"
    assert lost == []  # nothing had been accepted


async def test_ch22_the_item_of_a_woken_receiver_that_is_closed_is_undelivered(trial: Trial, channel: Channel) -> None:
    lost: list[str] = []
    tx, rx = channel(0, on_undelivered=lost.append)
    receiving = await trial.started_and_waiting(rx.receive)
    tx.send_nowait("accepted")
    rx.close()
    await trial.fails(ap.ChannelClosed, receiving)
    assert lost == ["accepted"]


async def test_ch26_abort_wakes_everybody(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    sending = await trial.started_and_waiting(tx.send, "stuck")
    cause = ValueError("poison")
    rx.abort(cause)
    error = await trial.fails(ap.ChannelAborted, sending)
    assert (error.item, error.__cause__) == ("stuck", cause)
    assert (await trial.fails(ap.ChannelAborted, rx.receive())).__cause__ is cause


async def test_ch34_a_select_that_was_chosen_once_sends_nothing_else(trial: Trial, channel: Channel) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = channel(0), channel(0)

    async def choose() -> object:
        return await ap.select(ap.send_to(a_tx, "a"), ap.send_to(b_tx, "b"))

    choosing = await trial.started_and_waiting(choose)
    assert a_rx.receive_nowait() == "a"
    with pytest.raises(ap.ChannelEmpty):  # the select was committed and has not run
        b_rx.receive_nowait()
    assert await choosing == (0, None)


async def test_ch60_statistics_are_exact(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0, name="meeting")
    await trial.started_and_waiting(tx.send, 3)
    assert rx.statistics() == ("meeting", 0, 0, 1, 1, 1, 0, 0, 0, (0.0, 0.0))
