"""reserve(): a place first, the send for certain (CH-55)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import actorpar as ap
from actorpar.testing import Trial

from .conftest import Channel

pytestmark = pytest.mark.virtual_time

CAUSE = ValueError("poison")


async def hold(tx: ap.Sender[Any], release: asyncio.Event) -> None:
    """Keep a permit until told to drop it."""
    async with tx.reserve():
        await release.wait()


async def reserve_and_send(tx: ap.Sender[Any], item: Any) -> None:
    async with tx.reserve() as permit:
        permit.send(item)


async def test_ch55_a_permit_sends_at_once(channel: Channel) -> None:
    tx, rx = channel(1)
    async with tx.reserve() as permit:
        permit.send("a")
        assert rx.receive_nowait() == "a"


async def test_ch55_a_reserved_place_is_taken(channel: Channel) -> None:
    tx, rx = channel(2)
    await tx.send("a")
    async with tx.reserve() as permit:
        with pytest.raises(ap.ChannelFull):
            tx.send_nowait("b")
        permit.send("sure")
    assert await rx.receive_many(2) == ["a", "sure"]


async def test_ch55_a_permit_that_is_not_used_frees_the_place(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    release = asyncio.Event()
    holding = await trial.started_and_waiting(hold, tx, release)
    sending = await trial.started_and_waiting(tx.send, "next")
    release.set()
    await trial.soon(sending)
    await holding
    assert rx.receive_nowait() == "next"


async def test_ch55_an_exception_in_the_block_frees_the_place(channel: Channel) -> None:
    tx, _ = channel(1)
    with pytest.raises(KeyError):
        async with tx.reserve():
            raise KeyError
    tx.send_nowait("there is room")


async def test_ch55_reserve_waits_while_the_channel_is_full(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    await tx.send("a")
    reserving = await trial.started_and_waiting(reserve_and_send, tx, "b")
    assert rx.receive_nowait() == "a"
    await reserving
    assert rx.receive_nowait() == "b"


@pytest.mark.parametrize("capacity", [0, 1])
async def test_ch55_reservations_and_sends_are_served_in_the_order_of_arrival(
    trial: Trial, channel: Channel, capacity: int
) -> None:
    tx, rx = channel(capacity)
    await tx.send_many(range(capacity))
    started = [
        await trial.started_and_waiting(tx.send, "a"),
        await trial.started_and_waiting(reserve_and_send, tx, "b"),
        await trial.started_and_waiting(tx.send, "c"),
        await trial.started_and_waiting(reserve_and_send, tx, "d"),
    ]
    assert [await trial.soon(rx.receive()) for _ in range(capacity + 4)] == [*range(capacity), "a", "b", "c", "d"]
    for each in started:
        await each


async def test_ch55_a_cancelled_reserve_leaves_nothing_behind(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    await tx.send("a")
    await trial.cancel(await trial.started_and_waiting(reserve_and_send, tx, "never"))
    assert await rx.receive() == "a"
    tx.send_nowait("b")
    assert rx.receive_nowait() == "b"


async def test_ch55_the_place_of_a_woken_reserve_that_is_cancelled_goes_to_the_next(
    trial: Trial, channel: Channel
) -> None:
    tx, rx = channel(1)
    await tx.send("a")
    first = await trial.started_and_waiting(reserve_and_send, tx, "never")
    second = await trial.started_and_waiting(tx.send, "b")
    assert rx.receive_nowait() == "a"  # wakes `first`
    await trial.cancel(first)
    await trial.soon(second)
    assert rx.receive_nowait() == "b"


@pytest.mark.parametrize("ending", ["close", "abort"])
@pytest.mark.parametrize("capacity", [0, 1])
async def test_ch55_a_permit_fails_only_if_the_channel_ended(
    trial: Trial, channel: Channel, capacity: int, ending: str
) -> None:
    lost: list[str] = []
    tx, rx = channel(capacity, on_undelivered=lost.append)
    receiving = await trial.started_and_waiting(rx.receive) if capacity == 0 else None
    async with tx.reserve() as permit:
        rx.close() if ending == "close" else rx.abort(CAUSE)
        with pytest.raises(ap.ChannelBroken if ending == "close" else ap.ChannelAborted) as refusal:
            permit.send("x")
    assert (refusal.value.item, lost) == ("x", [])
    if receiving is not None:
        await trial.fails(ap.ChannelError, receiving)


async def test_ch55_a_permit_fails_if_its_handle_was_closed(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    other = tx.clone()
    trial.keep(other)
    async with tx.reserve() as permit:
        sending = await trial.started_and_waiting(other.send, "other")
        tx.close()
        with pytest.raises(ap.ChannelClosed) as refusal:
            permit.send("x")
    assert refusal.value.item == "x"
    await trial.soon(sending)  # the place was given back
    assert await rx.receive() == "other"


async def test_ch55_a_permit_sends_one_item_and_only_inside_its_block(channel: Channel) -> None:
    tx, rx = channel(2)
    async with tx.reserve() as permit:
        permit.send("a")
        with pytest.raises(ap.ChannelError) as twice:
            permit.send("b")
    with pytest.raises(ap.ChannelError):
        permit.send("c")
    assert twice.value.item == "b"
    assert await rx.receive_many(9) == ["a"]


async def test_ch55_a_timed_send_is_exact_with_a_permit(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)

    async def send_within(seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await reserve_and_send(tx, "x")
        except TimeoutError:
            return False
        return True

    assert not await send_within(3)
    with pytest.raises(ap.ChannelEmpty):
        rx.receive_nowait()
    receiving = await trial.started_and_waiting(rx.receive)
    assert await send_within(3)
    assert await receiving == "x"


# -- on capacity 0 a permit is the promise of one waiting receiver


async def test_ch55_a_rendezvous_permit_waits_for_a_receiver(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    reserving = await trial.started_and_waiting(reserve_and_send, tx, "x")
    assert await trial.soon(rx.receive()) == "x"
    await reserving


async def test_ch55_a_receiver_promised_to_a_permit_is_not_there_for_others(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    receiving = await trial.started_and_waiting(rx.receive)
    async with tx.reserve() as permit:
        with pytest.raises(ap.ChannelFull):
            tx.send_nowait("thief")
        permit.send("promised")
    assert await receiving == "promised"


async def test_ch55_a_dropped_rendezvous_permit_frees_its_receiver(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    receiving = await trial.started_and_waiting(rx.receive)
    async with tx.reserve():
        sending = await trial.started_and_waiting(tx.send, "next")
    await trial.soon(sending)
    assert await trial.soon(receiving) == "next"


async def test_ch55_the_item_of_a_permit_whose_receiver_gave_up_goes_to_the_next(
    trial: Trial, channel: Channel
) -> None:
    tx, rx = channel(0)
    receiving = await trial.started_and_waiting(rx.receive)
    async with tx.reserve() as permit:
        await trial.cancel(receiving)
        permit.send("surplus")
    assert await trial.soon(rx.receive()) == "surplus"


async def test_ch55_an_end_of_the_channel_frees_the_receiver_of_a_permit(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    receiving = await trial.started_and_waiting(rx.receive)
    async with tx.reserve():
        tx.close()
        await trial.fails(ap.EndOfChannel, receiving)
