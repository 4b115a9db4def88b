"""statistics(): exact and cheap (CH-60)."""

from __future__ import annotations

import asyncio
import math

import pytest

import actorpar as ap
from actorpar.testing import Trial

from .conftest import Channel

pytestmark = pytest.mark.virtual_time


async def test_ch60_the_length_counts_what_is_reserved_too(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(4)
    receiving = await trial.started_and_waiting(rx.receive)
    await tx.send_many("ab")
    now = rx.statistics()
    assert (now.length, now.waiting_receivers) == (2, 0)
    await receiving
    assert rx.statistics().length == 1


async def test_ch60_the_peak_is_the_largest_length_there_ever_was(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(math.inf)
    await tx.send_many(range(7))
    assert await rx.receive_many(7) == list(range(7))
    tx.send_nowait(7)
    assert rx.statistics().peak == 7
    tx, rx = channel(2)
    sending = trial.start(tx.send_many, range(9))
    for _ in range(9):
        await rx.receive()
    await sending
    assert rx.statistics().peak == 2


async def test_ch60_waiters_are_counted_on_their_side(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    receiving = [await trial.started_and_waiting(rx.receive) for _ in range(2)]
    assert (rx.statistics().waiting_senders, rx.statistics().waiting_receivers) == (0, 2)
    await trial.cancel(receiving[0])
    assert rx.statistics().waiting_receivers == 1
    await tx.send_many("ab")
    await trial.soon(receiving[1])
    await trial.started_and_waiting(tx.send, "c")
    assert (tx.statistics().waiting_senders, tx.statistics().waiting_receivers) == (1, 0)


async def test_ch60_handles_are_counted_per_side(channel: Channel) -> None:
    tx, rx = channel(1)
    with tx.clone(), tx.clone() as second, rx.clone():
        assert (tx.statistics().senders, tx.statistics().receivers) == (3, 2)
        second.close()
        second.close()
        assert tx.statistics().senders == 2
    assert (tx.statistics().senders, tx.statistics().receivers) == (1, 1)


async def test_ch60_dropped_counts_what_nobody_can_receive(channel: Channel) -> None:
    tx, rx = channel(1, overflow="latest")
    for item in range(4):
        tx.send_nowait(item)
    assert rx.statistics().dropped == 3
    rx.close()
    assert tx.statistics().dropped == 4


async def test_ch60_every_channel_has_a_name(channel: Channel) -> None:
    named, _ = channel(1, name="jobs")
    unnamed, other = channel(1)
    assert (named.name, named.statistics().name) == ("jobs", "jobs")
    assert unnamed.name == other.name
    assert unnamed.name.startswith("channel-")


async def test_ch60_blocked_seconds_are_measured_where_asked_for(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1, timed=True)
    receiving = trial.start(rx.receive)
    await asyncio.sleep(3)
    await tx.send("a")
    await receiving
    await tx.send("b")
    sending = trial.start(tx.send, "c")
    await asyncio.sleep(5)
    await rx.receive()
    await sending
    assert rx.statistics().blocked_seconds == pytest.approx((5, 3))


async def test_ch60_a_rendezvous_measures_too(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0, timed=True)
    sending = trial.start(tx.send, "a")
    await asyncio.sleep(2)
    await rx.receive()
    await sending
    receiving = trial.start(rx.receive)
    await asyncio.sleep(4)
    await tx.send("b")
    await receiving
    assert rx.statistics().blocked_seconds == pytest.approx((2, 4))


async def test_ch60_a_select_measures_too(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1, timed=True)

    async def choose() -> object:
        return await ap.select(ap.receive_from(rx), ap.never())

    choosing = trial.start(choose)
    await asyncio.sleep(3)
    await tx.send("a")
    assert await choosing == (0, "a")
    assert rx.statistics().blocked_seconds == pytest.approx((0, 3))


async def test_ch60_without_timed_nothing_is_measured(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    receiving = trial.start(rx.receive)
    await asyncio.sleep(3)
    await tx.send("a")
    await receiving
    assert rx.statistics().blocked_seconds == (0, 0)
