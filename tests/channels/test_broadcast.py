"""Broadcast: every subscriber gets every item."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import actorpar as ap
from actorpar.testing import Trial

pytestmark = pytest.mark.virtual_time

Hub = Callable[..., tuple[ap.Sender[Any], ap.Broadcast[Any], list[ap.Receiver[Any]]]]


@pytest.fixture
def broadcast(trial: Trial) -> Hub:
    """Opens a broadcast with some subscribers."""

    def open_one(
        capacity: float, subscribers: int = 2, **options: Any
    ) -> tuple[ap.Sender[Any], ap.Broadcast[Any], list[ap.Receiver[Any]]]:
        tx, hub = ap.open_broadcast[Any](capacity, **options)
        receivers = [hub.subscribe() for _ in range(subscribers)]
        trial.keep(tx, *receivers)
        return tx, hub, receivers

    return open_one


async def test_ch01_each_subscriber_has_a_buffer_of_the_capacity(trial: Trial, broadcast: Hub) -> None:
    tx, _, (fast, slow) = broadcast(2)
    await tx.send_many("ab")
    with pytest.raises(ap.ChannelFull):
        tx.send_nowait("c")
    assert await fast.receive_many(9) == ["a", "b"]
    assert slow.statistics().length == 2


async def test_ch02_a_send_completes_at_once_while_every_subscriber_has_room(trial: Trial, broadcast: Hub) -> None:
    tx, _, receivers = broadcast(2)
    await trial.soon(tx.send("a"))
    await trial.soon(tx.send("b"))
    assert [await rx.receive_many(9) for rx in receivers] == [["a", "b"], ["a", "b"]]


async def test_ch02_a_send_waits_for_the_slowest_subscriber(trial: Trial, broadcast: Hub) -> None:
    tx, _, (fast, slow) = broadcast(1)
    await tx.send("a")
    sending = await trial.started_and_waiting(tx.send, "b")
    assert await fast.receive() == "a"
    await trial.waits(sending)
    assert await slow.receive() == "a"
    await sending
    assert [await fast.receive(), await slow.receive()] == ["b", "b"]


async def test_ch02_a_send_commits_to_all_or_to_none(trial: Trial, broadcast: Hub) -> None:
    tx, _, (fast, slow) = broadcast(1)
    await tx.send("a")
    assert await fast.receive() == "a"
    await trial.cancel(await trial.started_and_waiting(tx.send, "never"))
    assert fast.statistics().length == 0
    assert await slow.receive() == "a"
    await tx.send("b")
    assert [await fast.receive(), await slow.receive()] == ["b", "b"]


async def test_ch03_a_receive_waits_while_there_is_no_item(trial: Trial, broadcast: Hub) -> None:
    tx, _, receivers = broadcast(1)
    receiving = [await trial.started_and_waiting(rx.receive) for rx in receivers]
    tx.send_nowait("a")
    assert [await each for each in receiving] == ["a", "a"]


async def test_ch06_waiting_senders_are_served_in_the_order_of_arrival(trial: Trial, broadcast: Hub) -> None:
    tx, _, receivers = broadcast(1)
    await tx.send(0)
    for item in (1, 2, 3):
        await trial.started_and_waiting(tx.send, item)
    for expected in range(4):
        assert [await trial.soon(rx.receive()) for rx in receivers] == [expected, expected]


async def test_ch07_a_new_send_never_overtakes_a_waiting_one(trial: Trial, broadcast: Hub) -> None:
    tx, _, receivers = broadcast(1)
    await tx.send("a")
    sending = await trial.started_and_waiting(tx.send, "b")
    for rx in receivers:
        assert rx.receive_nowait() == "a"
    with pytest.raises(ap.ChannelFull):  # the sender was woken and has not run
        tx.send_nowait("thief")
    await sending
    assert [await rx.receive() for rx in receivers] == ["b", "b"]


async def test_ch08_a_slot_freed_by_a_woken_sender_that_was_closed_goes_to_the_next(
    trial: Trial, broadcast: Hub
) -> None:
    tx, _, receivers = broadcast(1)
    other = tx.clone()
    trial.keep(other)
    await tx.send("a")
    mine = await trial.started_and_waiting(tx.send, "mine")
    theirs = await trial.started_and_waiting(other.send, "theirs")
    for rx in receivers:
        rx.receive_nowait()
    tx.close()
    await trial.fails(ap.ChannelClosed, mine)
    await trial.soon(theirs)
    assert [await rx.receive() for rx in receivers] == ["theirs", "theirs"]


async def test_ch08_a_subscriber_that_leaves_lets_the_waiting_senders_go_on(trial: Trial, broadcast: Hub) -> None:
    tx, _, (fast, slow) = broadcast(1)
    await tx.send("a")
    sending = await trial.started_and_waiting(tx.send, "b")
    assert await fast.receive() == "a"
    slow.close()
    await trial.soon(sending)
    assert await fast.receive() == "b"


async def test_ch10_the_slots_of_a_cancelled_woken_sender_go_to_the_next(trial: Trial, broadcast: Hub) -> None:
    tx, _, receivers = broadcast(1)
    await tx.send("a")
    first = await trial.started_and_waiting(tx.send, "never")
    second = await trial.started_and_waiting(tx.send, "b")
    for rx in receivers:
        rx.receive_nowait()
    await trial.cancel(first)
    await trial.soon(second)
    assert [await rx.receive() for rx in receivers] == ["b", "b"]


async def test_ch19_a_late_subscriber_gets_what_is_sent_from_then_on(trial: Trial, broadcast: Hub) -> None:
    tx, hub, (early,) = broadcast(4, 1)
    await tx.send("a")
    late = hub.subscribe()
    trial.keep(late)
    await tx.send("b")
    tx.close()
    assert [item async for item in early] == ["a", "b"]
    assert [item async for item in late] == ["b"]


async def test_ch19_a_subscriber_that_comes_while_a_sender_is_woken_gets_its_item(trial: Trial, broadcast: Hub) -> None:
    tx, hub, (early,) = broadcast(1, 1)
    await tx.send("a")
    sending = await trial.started_and_waiting(tx.send, "b")
    assert early.receive_nowait() == "a"
    late = hub.subscribe()
    trial.keep(late)
    await trial.soon(sending)
    assert [await early.receive(), await late.receive()] == ["b", "b"]


async def test_ch19_each_subscriber_loses_what_it_is_too_slow_for(broadcast: Hub) -> None:
    tx, _, (fast, slow) = broadcast(1, overflow="latest")
    await tx.send("a")
    assert await fast.receive() == "a"
    await tx.send("b")
    assert [await fast.receive(), await slow.receive()] == ["b", "b"]
    assert (fast.statistics().dropped, slow.statistics().dropped) == (0, 1)


async def test_ch20_an_item_sent_to_nobody_is_undelivered(broadcast: Hub) -> None:
    lost: list[str] = []
    tx, _, _ = broadcast(1, 0, on_undelivered=lost.append)
    await tx.send("nobody")
    assert (lost, tx.statistics().dropped) == (["nobody"], 1)


async def test_ch21_every_subscription_ends_when_the_last_sender_closes(trial: Trial, broadcast: Hub) -> None:
    tx, hub, receivers = broadcast(2)
    waiting = await trial.started_and_waiting(receivers[0].receive)
    await tx.send("a")
    with tx.clone():
        tx.close()
        assert await waiting == "a"
        waiting = await trial.started_and_waiting(receivers[0].receive)
    await trial.fails(ap.EndOfChannel, waiting)
    assert [item async for item in receivers[1]] == ["a"]
    with hub.subscribe() as late:
        await trial.fails(ap.EndOfChannel, late.receive())


async def test_ch22_without_subscribers_a_closed_hub_breaks_the_channel(trial: Trial, broadcast: Hub) -> None:
    tx, hub, receivers = broadcast(1)
    for rx in receivers:
        rx.close()
    await trial.soon(tx.send("somebody may still subscribe"))
    hub.close()
    assert (await trial.fails(ap.ChannelBroken, tx.send("late"))).item == "late"


async def test_ch22_the_buffer_of_a_subscriber_that_leaves_is_undelivered(broadcast: Hub) -> None:
    lost: list[str] = []
    tx, _, (stays, leaves) = broadcast(2, on_undelivered=lost.append)
    await tx.send_many("ab")
    leaves.close()
    assert lost == ["a", "b"]
    assert await stays.receive_many(9) == ["a", "b"]


async def test_ch26_abort_ends_every_subscription(trial: Trial, broadcast: Hub) -> None:
    tx, hub, receivers = broadcast(1)
    waiting = await trial.started_and_waiting(receivers[0].receive)
    hub.close()
    cause = ValueError("poison")
    tx.abort(cause)
    errors = [await trial.fails(ap.ChannelAborted, waiting)]
    errors += [await trial.fails(ap.ChannelAborted, rx.receive()) for rx in receivers]
    errors.append(await trial.fails(ap.ChannelAborted, tx.send("late")))
    assert all(error.__cause__ is cause for error in errors)


async def test_ch26_abort_by_one_subscriber_ends_all(trial: Trial, broadcast: Hub) -> None:
    tx, _, (one, other) = broadcast(1)
    await tx.send("a")
    sending = await trial.started_and_waiting(tx.send, "b")
    one.abort(ValueError("poison"))
    await trial.fails(ap.ChannelAborted, sending)
    await trial.fails(ap.ChannelAborted, other.receive())


async def test_ch55_a_permit_is_a_place_with_every_subscriber(trial: Trial, broadcast: Hub) -> None:
    tx, hub, (fast, slow) = broadcast(1)
    await tx.send("a")

    async def reserve() -> None:
        async with tx.reserve() as permit:
            late = hub.subscribe()
            trial.keep(late)
            permit.send("sure")
            assert late.receive_nowait() == "sure"

    reserving = await trial.started_and_waiting(reserve)
    assert await fast.receive() == "a"
    await trial.waits(reserving)
    assert await slow.receive() == "a"
    await trial.soon(reserving)
    assert [await fast.receive(), await slow.receive()] == ["sure", "sure"]


async def test_ch55_an_unused_permit_frees_its_place_with_every_subscriber(trial: Trial, broadcast: Hub) -> None:
    tx, _, receivers = broadcast(1)
    async with tx.reserve():
        sending = await trial.started_and_waiting(tx.send, "a")
    await trial.soon(sending)
    assert [await rx.receive() for rx in receivers] == ["a", "a"]


async def test_ch55_a_permit_of_a_rejecting_broadcast_is_a_place_too(broadcast: Hub) -> None:
    tx, _, receivers = broadcast(1, overflow="reject")
    async with tx.reserve() as permit:
        with pytest.raises(ap.ChannelFull):
            tx.send_nowait("thief")
        permit.send("sure")
    assert [await rx.receive() for rx in receivers] == ["sure", "sure"]


@pytest.mark.parametrize("overflow", ["drop_new", "drop_old"])
async def test_ch55_a_lossy_broadcast_reserves_at_once_for_its_send_never_waits(
    trial: Trial, broadcast: Hub, overflow: str
) -> None:
    tx, _, (fast, slow) = broadcast(1, overflow=overflow)
    await tx.send("a")
    assert await fast.receive() == "a"
    async with tx.reserve() as permit:
        permit.send("b")
    assert await fast.receive() == "b"
    assert slow.statistics().dropped == 1


async def test_ch60_statistics_are_exact(trial: Trial, broadcast: Hub) -> None:
    tx, _, (fast, slow) = broadcast(2, name="news")
    await tx.send_many("ab")
    await trial.started_and_waiting(tx.send, "c")
    await fast.receive()
    assert (slow.statistics().name, slow.statistics().length, fast.statistics().length) == ("news", 2, 1)
    assert tx.statistics().waiting_senders == 1
    assert tx.statistics().senders == 1
