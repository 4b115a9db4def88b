"""Checks of cancelled operations, permits and batches (CH-52 to CH-58)."""

from __future__ import annotations

import asyncio
import collections
from typing import Any

import actorpar as ap

from .trial import BACK_PRESSURE, RENDEZVOUS, Checks, Trial, drain, refused

CANCELLATION_CHECKS = Checks()
_check = CANCELLATION_CHECKS.add


@_check("CH-52")
async def a_cancelled_receive_consumes_nothing(trial: Trial) -> None:
    tx, rx = trial.open(1)
    await trial.cancel(await trial.started_and_waiting(rx.receive))
    await trial.soon(tx.send("kept"))
    assert await trial.soon(rx.receive()) == "kept"


@_check("CH-53", BACK_PRESSURE)
async def a_cancelled_send_was_not_sent(trial: Trial) -> None:
    tx, rx = trial.open(1)
    await tx.send("a")
    await trial.cancel(await trial.started_and_waiting(tx.send, "never"))
    assert await trial.soon(rx.receive()) == "a"
    await trial.soon(tx.send("b"))
    assert await trial.soon(rx.receive()) == "b"


@_check("CH-54", RENDEZVOUS)
async def a_cancelled_rendezvous_send_is_delivered_at_most_once(trial: Trial) -> None:
    tx, rx = trial.open(0)
    await trial.cancel(await trial.started_and_waiting(tx.send, "first"))
    await trial.settle()
    sending = trial.start(tx.send, "second")
    assert await trial.soon(rx.receive()) == "second"
    await trial.soon(sending)


@_check("CH-55", BACK_PRESSURE)
async def a_permit_sends_without_waiting_or_gives_its_place_back(trial: Trial) -> None:
    tx, rx = trial.open(1)
    async with tx.reserve():
        refused(ap.ChannelFull, tx.send_nowait, "no place")
    async with tx.reserve() as permit:
        permit.send("sure")
    waiting = await trial.started_and_waiting(_reserve_and_send, tx, "next")
    assert await trial.soon(rx.receive()) == "sure"
    await trial.soon(waiting)
    assert await trial.soon(rx.receive()) == "next"


async def _reserve_and_send(tx: ap.Sender[Any], item: Any) -> None:
    async with tx.reserve() as permit:
        permit.send(item)


@_check("CH-55", RENDEZVOUS)
async def a_rendezvous_permit_is_the_promise_of_a_receiver(trial: Trial) -> None:
    tx, rx = trial.open(0)
    reserving = await trial.started_and_waiting(_reserve_and_send, tx, "sure")
    assert await trial.soon(rx.receive()) == "sure"
    await trial.soon(reserving)


@_check("CH-56")
async def receive_many_takes_what_is_there_and_never_waits_to_fill_up(trial: Trial) -> None:
    tx, rx = trial.open(8)
    await trial.soon(tx.send_many(range(5)))
    received: list[Any] = []
    while len(received) < 5:
        batch = await trial.soon(rx.receive_many(3))
        assert 1 <= len(batch) <= 3
        received += batch
    assert received == list(range(5))
    waiting = await trial.started_and_waiting(rx.receive_many, 8)
    await trial.soon(tx.send("one"))
    assert await trial.soon(waiting) == ["one"]


@_check("CH-56", BACK_PRESSURE)
async def a_cancelled_send_many_leaves_the_unsent_rest_in_the_deque(trial: Trial) -> None:
    tx, rx = trial.open(2)
    rest = collections.deque(range(6))
    await trial.cancel(await trial.started_and_waiting(tx.send_many, rest))
    tx.close()
    received = await trial.soon(drain(rx))
    assert received + list(rest) == list(range(6))


@_check("CH-57")
async def async_for_prefetches_nothing(trial: Trial) -> None:
    tx, rx = trial.open(4)
    await trial.soon(tx.send_many("abc"))
    async for item in rx:
        assert item == "a"
        break
    assert await trial.soon(rx.receive()) == "b"


@_check("CH-58")
async def a_timeout_around_a_receive_is_a_timeout(trial: Trial) -> None:
    tx, rx = trial.open(1)

    async def receive_within(seconds: float) -> Any:
        async with asyncio.timeout(seconds):
            return await rx.receive()

    await trial.fails(TimeoutError, trial.start(receive_within, 0.001))
    await trial.soon(tx.send("kept"))
    assert await trial.soon(trial.start(receive_within, 10)) == "kept"
