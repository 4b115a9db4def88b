"""send_many, receive_many and async for: several items, with nothing lost in between (CH-56, CH-57)."""

from __future__ import annotations

import asyncio
import collections
import math
from collections.abc import Iterator
from typing import Any

import pytest

import actorpar as ap
from actorpar.testing import Trial

from .conftest import Channel

pytestmark = pytest.mark.virtual_time

each_capacity = pytest.mark.parametrize("capacity", [0, 1, 3, 64, math.inf])


@each_capacity
async def test_ch56_send_many_sends_all_in_order(trial: Trial, channel: Channel, capacity: float) -> None:
    tx, rx = channel(capacity)
    sending = trial.start(tx.send_many, range(50))
    assert [await trial.soon(rx.receive()) for _ in range(50)] == list(range(50))
    await sending


@pytest.mark.parametrize("make", [list, tuple, iter, collections.deque, "generator"])
async def test_ch56_send_many_takes_any_iterable(channel: Channel, make: Any) -> None:
    def numbers() -> Iterator[int]:
        yield from range(5)

    tx, rx = channel(8)
    await tx.send_many(numbers() if make == "generator" else make(range(5)))
    assert await rx.receive_many(8) == list(range(5))


async def test_ch56_send_many_of_nothing_does_nothing(channel: Channel) -> None:
    tx, rx = channel(1)
    await tx.send_many([])
    assert rx.statistics().length == 0


@each_capacity
async def test_ch56_an_item_leaves_the_deque_when_it_is_committed(
    trial: Trial, channel: Channel, capacity: float
) -> None:
    tx, rx = channel(capacity)
    rest = collections.deque(range(100))
    trial.start(tx.send_many, rest)
    await trial.waits()
    committed = min(100, capacity)
    assert list(rest) == list(range(int(committed), 100))
    for taken in range(3):
        assert await rx.receive() == taken
        await trial.waits()
        assert len(rest) == max(0, 99 - taken - committed)


@each_capacity
async def test_ch56_a_cancelled_send_many_leaves_exactly_the_unsent_rest(
    trial: Trial, channel: Channel, capacity: float
) -> None:
    tx, rx = channel(capacity)
    rest = collections.deque(range(100))
    sending = trial.start(tx.send_many, rest)
    received = [await rx.receive() for _ in range(5)]
    sending.cancel()
    await asyncio.wait({asyncio.ensure_future(_outcome(sending))})
    tx.close()
    assert received + [item async for item in rx] + list(rest) == list(range(100))


async def _outcome(operation: Any) -> None:
    try:
        await operation
    except asyncio.CancelledError:
        pass


async def test_ch56_cancelled_after_a_receiver_took_the_item_it_is_not_in_the_rest(
    trial: Trial, channel: Channel
) -> None:
    tx, rx = channel(0)
    rest = collections.deque(["taken", "rest"])
    sending = await trial.started_and_waiting(tx.send_many, rest)
    assert rx.receive_nowait() == "taken"  # the sender is woken and has not run
    await trial.cancel(sending)
    assert list(rest) == ["rest"]


@pytest.mark.parametrize("ending", ["close", "abort"])
@pytest.mark.parametrize("capacity", [0, 2])
async def test_ch56_refused_midway_the_error_carries_the_unsent_rest(
    trial: Trial, channel: Channel, capacity: int, ending: str
) -> None:
    lost: list[int] = []
    tx, rx = channel(capacity, on_undelivered=lost.append)
    sending = await trial.started_and_waiting(tx.send_many, range(6))
    assert await rx.receive() == 0
    rx.close() if ending == "close" else rx.abort(ValueError("poison"))
    error = await trial.fails(ap.ChannelError, sending)
    assert [0, *lost, *error.items] == list(range(6))
    assert error.item == error.items[0]


async def test_ch56_send_many_on_a_closed_end_gives_all_items_back(channel: Channel) -> None:
    tx, _ = channel(4)
    tx.close()
    with pytest.raises(ap.ChannelClosed) as closed:
        await tx.send_many("abc")
    assert (closed.value.item, closed.value.items) == ("a", ("a", "b", "c"))


async def test_ch56_receive_many_takes_what_is_there(channel: Channel) -> None:
    tx, rx = channel(8)
    await tx.send_many(range(5))
    assert await rx.receive_many(3) == [0, 1, 2]
    assert await rx.receive_many(3) == [3, 4]


async def test_ch56_receive_many_waits_for_the_first_and_never_to_fill_up(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(8)
    receiving = await trial.started_and_waiting(rx.receive_many, 5)
    tx.send_nowait("a")
    assert await receiving == ["a"]


async def test_ch56_receive_many_takes_nothing_that_is_reserved_for_others(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(8)
    first = await trial.started_and_waiting(rx.receive_many, 5)
    second = await trial.started_and_waiting(rx.receive)
    await tx.send_many("abc")
    assert len(await first) == 2
    assert await second in ("b", "c")


async def test_ch56_a_cancelled_receive_many_consumes_nothing(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(8)
    receiving = await trial.started_and_waiting(rx.receive_many, 5)
    await tx.send_many("ab")  # wakes it
    await trial.cancel(receiving)
    assert await rx.receive_many(5) == ["a", "b"]


async def test_ch56_receive_many_of_less_than_one_is_refused(channel: Channel) -> None:
    _, rx = channel(1)
    for most in (0, -1):
        with pytest.raises(ValueError, match="at least one"):
            await rx.receive_many(most)


@each_capacity
async def test_ch57_after_break_the_next_item_is_still_there(trial: Trial, channel: Channel, capacity: float) -> None:
    tx, rx = channel(capacity)
    sending = trial.start(tx.send_many, "abc")
    async for item in rx:
        assert item == "a"
        break
    assert [await rx.receive(), await rx.receive()] == ["b", "c"]
    await sending


async def test_ch57_async_for_takes_one_item_at_a_time(channel: Channel) -> None:
    tx, rx = channel(8)
    await tx.send_many("abc")
    tx.close()
    lengths = [rx.statistics().length async for _ in rx]
    assert lengths == [2, 1, 0]
