"""Cancellation at every await (CH-9 … CH-12, CH-47, CH-52 … CH-58): delivered or kept, done or not done.

Every interleaving of small worlds is searched in tests/models; here real loops run, and all that cancels in asyncio.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

import actorpar as ap
from actorpar.channels import env
from actorpar.testing import Trial, VirtualClock

from .conftest import Channel
from .interruption import IN_VIRTUAL_TIME, VICTIMS, WAYS, interrupt

#: Suspensions of one victim; a scenario that has more is too large for this driver.
MANY = 60
#: How many times everybody else may go on between the suspension and the cancellation.
DELAYS = range(4)
#: Seconds after which a run on a real loop hangs; on the virtual clock the loop itself raises Deadlock.
HANGS = 30
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"default": VirtualClock, "uvloop": uvloop.new_event_loop}


@pytest.mark.parametrize("capacity", [0, 1, math.inf], ids=["rendezvous", "bounded", "unbounded"])
@pytest.mark.parametrize("processes", [True, False], ids=["processes", "tasks"])
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("victim", VICTIMS, ids=lambda victim: victim.__name__)
def test_ch11_an_item_is_delivered_or_stays_wherever_its_user_is_cancelled(
    victim: Any, loop: str, processes: bool, capacity: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(env, "BUDGET", 2)  # every third operation that could complete suspends first (CH-18)
    ways, delays = (WAYS + IN_VIRTUAL_TIME, DELAYS) if loop == "default" else (WAYS, DELAYS[::2])

    async def every_suspension() -> int:
        runs = 0
        for way in ways:
            for delay in delays:
                k = 1
                while await interrupt(victim, way, capacity, processes, k, delay):
                    runs, k = runs + 1, k + 1
                    assert k < MANY
        return runs

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runs = runner.run(asyncio.wait_for(every_suspension(), HANGS if loop == "uvloop" else None))
    assert runs or capacity == math.inf, "the victim never suspended"  # what fits need not wait
    print(f"{victim.__name__}: cancelled in {runs} runs")


# -- one operation at a time


@pytest.mark.virtual_time
@pytest.mark.parametrize("capacity", [0, 1])
async def test_ch09_the_item_stays_in_the_channel_until_the_woken_receiver_runs(
    trial: Trial, channel: Channel, capacity: int
) -> None:
    tx, rx = channel(capacity)
    receiving = await trial.started_and_waiting(rx.receive)
    tx.send_nowait("x")
    assert rx.statistics().length == 1, "the wake-up carries a reservation, not the item"
    with pytest.raises(ap.ChannelEmpty):  # and the item is promised
        rx.receive_nowait()
    assert await receiving == "x"
    assert rx.statistics().length == 0


@pytest.mark.virtual_time
async def test_ch09_the_slot_stays_free_until_the_woken_sender_runs(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(1)
    tx.send_nowait(1)
    sending = await trial.started_and_waiting(tx.send, 2)
    assert rx.receive_nowait() == 1
    assert rx.statistics().length == 0
    with pytest.raises(ap.ChannelFull):
        tx.send_nowait(3)
    await sending
    assert rx.receive_nowait() == 2


@pytest.mark.virtual_time
@pytest.mark.parametrize("woken", [False, True], ids=["while it waits", "once it is woken"])
async def test_ch53_a_cancelled_send_into_a_buffer_was_not_enqueued_and_will_not_be(
    trial: Trial, channel: Channel, woken: bool
) -> None:
    tx, rx = channel(1)
    tx.send_nowait(1)
    sending = await trial.started_and_waiting(tx.send, 2)
    if woken:
        assert rx.receive_nowait() == 1
    await trial.cancel(sending)
    if not woken:
        assert rx.receive_nowait() == 1
    with pytest.raises(ap.ChannelEmpty):
        rx.receive_nowait()
    tx.send_nowait(3)
    assert rx.receive_nowait() == 3


@pytest.mark.virtual_time
@pytest.mark.parametrize("taken", [False, True], ids=["while it waits", "once it is taken"])
async def test_ch54_a_cancelled_rendezvous_send_is_delivered_at_most_once(
    trial: Trial, channel: Channel, taken: bool
) -> None:
    tx, rx = channel(0)
    sending = await trial.started_and_waiting(tx.send, 1)
    if taken:
        assert rx.receive_nowait() == 1
    await trial.cancel(sending)
    with pytest.raises(ap.ChannelEmpty):
        rx.receive_nowait()


@pytest.mark.virtual_time
async def test_ch54_a_surplus_is_received_before_what_was_sent_after_it(trial: Trial, channel: Channel) -> None:
    tx, rx = channel(0)
    receiving = await trial.started_and_waiting(rx.receive)
    tx.send_nowait(1)
    receiving.cancel()
    sending = trial.start(tx.send, 2)  # in the same turn: the item 1 is still promised
    received = [await trial.soon(rx.receive()), await trial.soon(rx.receive())]
    await sending
    assert received == [1, 2]


@pytest.mark.virtual_time
@pytest.mark.parametrize("woken", [False, True], ids=["while it waits", "once it is woken"])
async def test_ch52_a_cancelled_receive_consumed_nothing(trial: Trial, channel: Channel, woken: bool) -> None:
    tx, rx = channel(1)
    receiving = await trial.started_and_waiting(rx.receive)
    if woken:
        tx.send_nowait(1)
    await trial.cancel(receiving)
    if not woken:
        tx.send_nowait(1)
    assert rx.receive_nowait() == 1


@pytest.mark.virtual_time
@pytest.mark.parametrize("operation", ["receive", "send", "select", "reserve"])
async def test_ch58_the_cancellation_arrives_in_the_same_turn_and_as_it_is(
    trial: Trial, channel: Channel, operation: str
) -> None:
    tx, rx = channel(1)
    if operation in ("send", "reserve"):
        tx.send_nowait(0)
    caught: list[BaseException] = []
    tasks: list[Any] = []

    async def waits() -> None:
        tasks.append(asyncio.current_task())
        try:
            if operation == "receive":
                await rx.receive()
            elif operation == "send":
                await tx.send(1)
            elif operation == "select":
                await ap.select(rx, ap.never())
            else:
                async with tx.reserve():
                    pass
        except BaseException as error:
            caught.append(error)
            raise

    waiting = await trial.started_and_waiting(waits)
    tasks[0].cancel("enough")
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [(type(error), error.args) for error in caught] == [(asyncio.CancelledError, ("enough",))]
    assert tasks[0].cancelling() == 1
