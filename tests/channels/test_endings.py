"""How a channel ends, and what is told to whom (CH-16, CH-20 to CH-22, CH-26, CH-27, CH-29, CH-30)."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

import actorpar as ap
from actorpar.testing import Trial

from .conftest import Channel

pytestmark = pytest.mark.virtual_time

each_capacity = pytest.mark.parametrize("capacity", [0, 1, 8, math.inf])
each_buffer = pytest.mark.parametrize("capacity", [2, 8, math.inf])

CAUSE = ValueError("poison")


# -- CH-11, CH-16, CH-20: what becomes of the items


@pytest.mark.parametrize("end_it", ["abort", "close", "lose"])
@each_buffer
async def test_ch20_every_accepted_item_that_nobody_can_receive_is_reported_once(
    channel: Channel, capacity: float, end_it: str
) -> None:
    lost: list[str] = []
    _tx, rx = channel(capacity, on_undelivered=lost.append)
    await _tx.send_many("ab")
    if end_it == "abort":
        rx.abort(CAUSE)
    elif end_it == "close":
        rx.close()
    else:
        rx.lose(CAUSE)
    rx.close()
    assert lost == ["a", "b"]
    assert _tx.statistics().dropped == 2


@each_buffer
async def test_ch11_accepted_is_received_plus_buffered_plus_undelivered(channel: Channel, capacity: float) -> None:
    lost: list[int] = []
    tx, rx = channel(capacity, on_undelivered=lost.append)
    await tx.send(0)
    await tx.send(1)
    received = [await rx.receive()]
    await tx.send(2)
    assert len(received) + rx.statistics().length + rx.statistics().dropped == 3
    rx.abort(CAUSE)
    assert received + lost == [0, 1, 2]


async def test_ch20_an_item_reserved_for_a_woken_receiver_is_undelivered_too(trial: Trial, channel: Channel) -> None:
    lost: list[str] = []
    tx, rx = channel(1, on_undelivered=lost.append)
    receiving = await trial.started_and_waiting(rx.receive)
    tx.send_nowait("promised")
    tx.abort(CAUSE)
    await trial.fails(ap.ChannelAborted, receiving)
    assert lost == ["promised"]


async def test_ch20_an_item_that_was_never_accepted_is_not_undelivered(trial: Trial, channel: Channel) -> None:
    lost: list[str] = []
    tx, rx = channel(1, on_undelivered=lost.append)
    await tx.send("a")
    sending = await trial.started_and_waiting(tx.send, "b")
    assert rx.receive_nowait() == "a"  # `sending` is woken for the free slot
    rx.close()
    assert (await trial.fails(ap.ChannelBroken, sending)).item == "b"
    assert lost == []


async def test_ch16_the_state_is_final_when_on_undelivered_runs(trial: Trial, channel: Channel) -> None:
    seen: list[tuple[Any, ...]] = []

    def look(item: str) -> None:
        with pytest.raises(ap.ChannelBroken):
            tx.send_nowait("from inside")
        seen.append((item, tx.statistics().length, tx.statistics().waiting_senders))

    tx, rx = channel(2, on_undelivered=look)
    await tx.send_many("ab")
    sending = await trial.started_and_waiting(tx.send, "c")
    rx.close()
    assert seen == [("a", 0, 0), ("b", 0, 0)]
    await trial.fails(ap.ChannelBroken, sending)


async def test_ch16_a_woken_waiter_does_not_run_inside_the_operation(trial: Trial, channel: Channel) -> None:
    events: list[str] = []
    tx, rx = channel(1)

    async def receive() -> None:
        events.append(await rx.receive())

    receiving = await trial.started_and_waiting(receive)
    tx.send_nowait("received")
    events.append("send returned")
    await receiving
    assert events == ["send returned", "received"]


async def test_ch16_an_on_undelivered_that_raises_is_reported_and_stops_nothing(channel: Channel) -> None:
    seen: list[str] = []
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))

    def fail(item: str) -> None:
        seen.append(item)
        raise RuntimeError("on_undelivered")

    tx, rx = channel(2, on_undelivered=fail)
    await tx.send_many("ab")
    rx.close()
    assert seen == ["a", "b"]
    assert [str(report["exception"]) for report in reports] == ["on_undelivered"] * 2


# -- CH-21: the end


@each_capacity
async def test_ch21_the_channel_ends_when_the_last_sender_closes(
    trial: Trial, channel: Channel, capacity: float
) -> None:
    tx, rx = channel(capacity)
    with tx.clone():
        tx.close()
        waiting = await trial.started_and_waiting(rx.receive)
    await trial.fails(ap.EndOfChannel, waiting)
    await trial.fails(ap.EndOfChannel, rx.receive())


@each_buffer
async def test_ch21_what_is_buffered_stays_receivable(channel: Channel, capacity: float) -> None:
    tx, rx = channel(capacity)
    await tx.send_many("ab")
    tx.close()
    assert await rx.receive() == "a"
    assert rx.receive_nowait() == "b"
    with pytest.raises(ap.EndOfChannel):
        await rx.receive_many(4)


@each_capacity
async def test_ch21_async_for_stops_at_the_end(trial: Trial, channel: Channel, capacity: float) -> None:
    tx, rx = channel(capacity)

    async def collect() -> list[str]:
        return [item async for item in rx]

    collecting = await trial.started_and_waiting(collect)
    for item in "abc":
        await tx.send(item)
    tx.close()
    assert await collecting == ["a", "b", "c"]


@each_buffer
async def test_ch21_a_sender_that_is_lost_ends_the_channel_abnormally_after_the_buffer(
    trial: Trial, channel: Channel, capacity: float
) -> None:
    tx, rx = channel(capacity)
    await tx.send_many("ab")
    tx.lose(CAUSE)
    assert await rx.receive_many(2) == ["a", "b"]
    for _ in range(2):
        assert (await trial.fails(ap.ChannelBroken, rx.receive())).__cause__ is CAUSE


async def test_ch21_async_for_raises_when_a_sender_was_lost(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(4)
    received = []

    async def collect() -> None:
        async for item in rx:
            received.append(item)

    await tx.send_many("ab")
    with tx.clone() as other:
        other.lose(CAUSE)
    tx.close()  # the last one closes on purpose, but a part of the stream is missing
    broken = await trial.fails(ap.ChannelBroken, collect())
    assert (received, broken.__cause__) == (["a", "b"], CAUSE)


async def test_ch21_a_receiver_that_waits_behind_reserved_items_learns_of_the_end(
    trial: Trial, channel: Channel
) -> None:
    tx, rx = channel(4)
    waiting = [await trial.started_and_waiting(rx.receive) for _ in range(3)]
    tx.send_nowait("a")
    tx.close()
    assert await trial.soon(waiting[0]) == "a"
    for each in waiting[1:]:
        await trial.fails(ap.EndOfChannel, each)


async def test_ch21_the_end_is_told_although_a_cancelled_sender_is_still_queued(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    waiting = [await trial.started_and_waiting(rx.receive) for _ in range(2)]

    async def cancel_and_close() -> None:
        sending.cancel()
        tx.close()

    async def send_twice() -> None:
        trial.start(cancel_and_close)  # runs before the receiver that the next line wakes
        tx.send_nowait("a")
        await tx.send("b")

    sending = trial.start(send_twice)
    assert await trial.soon(waiting[0]) == "a"
    await trial.fails(ap.EndOfChannel, waiting[1])
    await trial.fails(asyncio.CancelledError, sending)


# -- CH-22: the last receiver


@each_capacity
async def test_ch22_closing_the_last_receiver_breaks_the_channel(
    trial: Trial, channel: Channel, capacity: float
) -> None:
    tx, rx = channel(capacity)
    with rx.clone():
        rx.close()
    for _ in range(2):
        assert (await trial.fails(ap.ChannelBroken, tx.send("late"))).item == "late"
    with pytest.raises(ap.ChannelBroken):
        tx.send_nowait("late")


@pytest.mark.parametrize("capacity", [0, 2])
async def test_ch22_every_blocked_send_gets_its_item_back(trial: Trial, channel: Channel, capacity: int) -> None:
    tx, rx = channel(capacity)
    await tx.send_many(range(capacity))
    sending = [await trial.started_and_waiting(tx.send, item) for item in "xyz"]
    rx.close()
    assert [(await trial.fails(ap.ChannelBroken, each)).item for each in sending] == ["x", "y", "z"]


async def test_ch22_a_receiver_that_is_lost_tells_the_senders_why(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    await tx.send("a")
    sending = await trial.started_and_waiting(tx.send, "b")
    rx.lose(CAUSE)
    assert (await trial.fails(ap.ChannelBroken, sending)).__cause__ is CAUSE


# -- CH-26, CH-27: abort


@each_capacity
async def test_ch26_abort_is_sticky_on_every_handle(trial: Trial, channel: Channel, capacity: float) -> None:
    tx, rx = channel(capacity)
    others = tx.clone(), rx.clone()
    trial.keep(*others)
    waiting = await trial.started_and_waiting(rx.receive)
    tx.abort(CAUSE)
    tx.abort(KeyError("too late"))
    errors = [await trial.fails(ap.ChannelAborted, waiting)]
    for _ in range(2):
        for operation in (tx.send("x"), others[0].send("x"), rx.receive(), others[1].receive(), rx.receive_many(2)):
            errors.append(await trial.fails(ap.ChannelAborted, operation))
    assert {error.__cause__ for error in errors} == {CAUSE}


@each_capacity
async def test_ch26_clones_made_after_an_abort_are_aborted(trial: Trial, channel: Channel, capacity: float) -> None:
    tx, rx = channel(capacity)
    rx.abort(CAUSE)
    with tx.clone() as late_tx, rx.clone() as late_rx:
        await trial.fails(ap.ChannelAborted, late_tx.send("x"))
        await trial.fails(ap.ChannelAborted, late_rx.receive())


async def test_ch26_the_reservation_of_a_woken_receiver_is_void(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    receiving = await trial.started_and_waiting(rx.receive)
    tx.send_nowait("promised")
    tx.abort(CAUSE)
    assert (await trial.fails(ap.ChannelAborted, receiving)).__cause__ is CAUSE


async def test_ch26_the_reservation_of_a_woken_sender_is_void(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    await tx.send("a")
    sending = await trial.started_and_waiting(tx.send, "b")
    assert rx.receive_nowait() == "a"
    rx.abort(CAUSE)
    assert (await trial.fails(ap.ChannelAborted, sending)).item == "b"


async def test_ch26_abort_after_the_senders_closed_still_discards(trial: Trial, channel: Channel) -> None:
    lost: list[str] = []
    tx, rx = channel(2, on_undelivered=lost.append)
    await tx.send_many("ab")
    tx.close()
    rx.abort(CAUSE)
    await trial.fails(ap.ChannelAborted, rx.receive())
    assert lost == ["a", "b"]


@each_buffer
async def test_ch27_abort_after_drain_lets_the_buffer_out_first(
    trial: Trial, channel: Channel, capacity: float
) -> None:
    lost: list[str] = []
    tx, rx = channel(capacity, on_undelivered=lost.append)
    await tx.send_many("ab")
    tx.abort(CAUSE, after_drain=True)
    assert (await trial.fails(ap.ChannelAborted, tx.send("late"))).item == "late"
    assert [await rx.receive(), await rx.receive()] == ["a", "b"]
    assert (await trial.fails(ap.ChannelAborted, rx.receive())).__cause__ is CAUSE
    assert lost == []


async def test_ch27_abort_after_drain_wakes_who_waits(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    receiving = await trial.started_and_waiting(rx.receive)
    tx.abort(CAUSE, after_drain=True)
    await trial.fails(ap.ChannelAborted, receiving)
    tx, rx = channel(1)
    await tx.send("a")
    sending = await trial.started_and_waiting(tx.send, "b")
    tx.abort(CAUSE, after_drain=True)
    assert (await trial.fails(ap.ChannelAborted, sending)).item == "b"
    assert await rx.receive() == "a"


async def test_ch27_retiring_is_not_poison(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(2)
    await tx.send("a")
    with tx.clone():
        tx.close()
    assert await rx.receive() == "a"
    await trial.fails(ap.EndOfChannel, rx.receive())


# -- CH-29, CH-30: operations on an ended channel


@each_capacity
@pytest.mark.parametrize("ending", ["closed by senders", "closed by receivers", "aborted", "drained"])
async def test_ch29_an_operation_on_an_ended_channel_never_waits(
    trial: Trial, channel: Channel, capacity: float, ending: str
) -> None:
    tx, rx = channel(capacity)
    if ending == "closed by senders":
        tx.close()
    elif ending == "closed by receivers":
        rx.close()
    else:
        tx.abort(CAUSE, after_drain=ending == "drained")

    async def reserve() -> None:
        async with tx.reserve():
            pass

    for operation in (
        lambda: tx.send("x"),
        lambda: tx.send_many("xy"),
        rx.receive,
        lambda: rx.receive_many(2),
        reserve,
    ):
        with pytest.raises(ap.ChannelError):
            async with asyncio.timeout(0):  # any wait at all would be a TimeoutError
                await operation()


async def test_ch30_receive_nowait_tells_empty_from_ended(channel: Channel) -> None:
    tx, rx = channel(1)
    with pytest.raises(ap.ChannelEmpty):
        rx.receive_nowait()
    tx.close()
    with pytest.raises(ap.EndOfChannel):
        rx.receive_nowait()


@pytest.mark.parametrize("capacity", [0, 1])
async def test_ch30_send_nowait_tells_full_from_broken_and_gives_the_item_back(channel: Channel, capacity: int) -> None:
    tx, rx = channel(capacity)
    await tx.send_many(range(capacity))
    with pytest.raises(ap.ChannelFull) as full:
        tx.send_nowait("a")
    rx.close()
    with pytest.raises(ap.ChannelBroken) as broken:
        tx.send_nowait("b")
    assert (full.value.item, broken.value.item) == ("a", "b")


async def test_ch30_a_nowait_operation_never_touches_what_others_wait_for(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    sending = await trial.started_and_waiting(tx.send, "a")
    with pytest.raises(ap.ChannelFull):
        tx.send_nowait("b")
    assert rx.receive_nowait() == "a"
    await sending
