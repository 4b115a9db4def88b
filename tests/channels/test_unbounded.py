"""Capacity math.inf: a buffer that never makes its senders wait."""

from __future__ import annotations

import math

import pytest

import actorpar as ap
from actorpar.testing import Trial

from .conftest import Channel

pytestmark = pytest.mark.virtual_time


async def test_ch01_unbounded_is_spelled_math_inf(channel: Channel) -> None:
    tx, rx = channel(math.inf)
    for item in range(10_000):
        tx.send_nowait(item)
    assert (rx.statistics().capacity, rx.statistics().length) == (math.inf, 10_000)


async def test_ch02_a_send_completes_at_once(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(math.inf)
    for item in range(1000):
        await trial.soon(tx.send(item))
    await tx.send_many(range(1000, 2000))
    tx.close()
    assert [item async for item in rx] == list(range(2000))


async def test_ch03_a_receive_waits_while_there_is_no_item(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(math.inf)
    receiving = await trial.started_and_waiting(rx.receive)
    tx.send_nowait("a")
    assert await receiving == "a"


async def test_ch03_a_reserved_item_is_not_there_for_others(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(math.inf)
    receiving = await trial.started_and_waiting(rx.receive)
    tx.send_nowait("a")
    with pytest.raises(ap.ChannelEmpty):  # the receiver was woken and has not run
        rx.receive_nowait()
    assert await receiving == "a"


async def test_ch06_waiting_receivers_are_served_in_the_order_of_arrival(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(math.inf)
    receiving = [await trial.started_and_waiting(rx.receive) for _ in range(4)]
    await tx.send_many(range(4))
    assert [await each for each in receiving] == [0, 1, 2, 3]


async def test_ch08_one_item_wakes_one_receiver(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(math.inf)
    receiving = [await trial.started_and_waiting(rx.receive) for _ in range(3)]
    tx.send_nowait("a")
    assert rx.statistics().waiting_receivers == 2
    assert await receiving[0] == "a"
    await trial.waits(*receiving[1:])


async def test_ch08_ending_the_channel_wakes_all(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(math.inf)
    receiving = [await trial.started_and_waiting(rx.receive) for _ in range(3)]
    tx.close()
    for each in receiving:
        await trial.fails(ap.EndOfChannel, each)


async def test_ch21_the_channel_ends_when_the_last_sender_closes(channel: Channel) -> None:
    tx, rx = channel(math.inf)
    await tx.send_many("abc")
    tx.close()
    assert [item async for item in rx] == ["a", "b", "c"]
    with pytest.raises(ap.EndOfChannel):
        await rx.receive()


async def test_ch22_closing_the_last_receiver_breaks_the_channel(trial: Trial, channel: Channel) -> None:
    lost: list[str] = []
    tx, rx = channel(math.inf, on_undelivered=lost.append)
    await tx.send_many("abc")
    rx.close()
    assert (await trial.fails(ap.ChannelBroken, tx.send("late"))).item == "late"
    assert lost == ["a", "b", "c"]


async def test_ch26_abort_discards_the_buffer(trial: Trial, channel: Channel) -> None:
    lost: list[str] = []
    tx, rx = channel(math.inf, on_undelivered=lost.append)
    await tx.send_many("ab")
    rx.abort(ValueError("poison"))
    await trial.fails(ap.ChannelAborted, tx.send("late"))
    await trial.fails(ap.ChannelAborted, rx.receive())
    assert lost == ["a", "b"]


async def test_ch60_statistics_are_exact(channel: Channel) -> None:
    tx, rx = channel(math.inf, name="heap")
    await tx.send_many("abc")
    assert await rx.receive_many(2) == ["a", "b"]
    assert rx.statistics() == ("heap", math.inf, 1, 1, 1, 0, 0, 3, 0, (0.0, 0.0))
