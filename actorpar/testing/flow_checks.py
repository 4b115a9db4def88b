"""Checks of how items flow: capacity, order, waiting, waking (CH-1 to CH-15), and what statistics tell (CH-60)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import actorpar as ap

from .trial import BACK_PRESSURE, READINESS, RENDEZVOUS, UNBOUNDED, Checks, Trial, drain, send_all

FLOW_CHECKS = Checks()
_check = FLOW_CHECKS.add


@_check("CH-2")
async def a_send_completes_at_once_while_there_is_room(trial: Trial) -> None:
    tx, _rx = trial.open(3)
    for item in range(3):
        await trial.soon(tx.send(item))


@_check("CH-2", BACK_PRESSURE)
async def a_send_waits_while_the_channel_is_full(trial: Trial) -> None:
    tx, rx = trial.open(2)
    await send_all(tx, "ab")
    sending = await trial.started_and_waiting(tx.send, "c")
    assert await trial.soon(rx.receive()) == "a"
    await trial.soon(sending)
    assert [await trial.soon(rx.receive()) for _ in range(2)] == ["b", "c"]


@_check("CH-3")
async def a_receive_waits_for_an_item(trial: Trial) -> None:
    tx, rx = trial.open(1)
    receiving = await trial.started_and_waiting(rx.receive)
    await trial.soon(tx.send("late"))
    assert await trial.soon(receiving) == "late"


@_check("CH-4", RENDEZVOUS)
async def a_rendezvous_send_returns_only_when_its_item_was_taken(trial: Trial) -> None:
    tx, rx = trial.open(0)
    sending = await trial.started_and_waiting(tx.send, "hand")
    assert await trial.soon(rx.receive()) == "hand"
    await trial.soon(sending)
    receiving = await trial.started_and_waiting(rx.receive)
    await trial.soon(tx.send("again"))
    assert await trial.soon(receiving) == "again"


@_check("CH-1", UNBOUNDED)
async def an_unbounded_channel_never_makes_its_senders_wait(trial: Trial) -> None:
    tx, rx = trial.open(math.inf)
    await trial.soon(send_all(tx, range(1000)))
    tx.close()
    assert await trial.soon(drain(rx)) == list(range(1000))


@_check("CH-5")
async def items_leave_in_the_order_in_which_they_came(trial: Trial) -> None:
    tx, rx = trial.open(300)
    await trial.soon(send_all(tx, range(300)))
    tx.close()
    assert await trial.soon(drain(rx)) == list(range(300))


@_check("CH-5", BACK_PRESSURE)
async def order_holds_under_back_pressure(trial: Trial) -> None:
    for capacity in (1, 7):
        tx, rx = trial.open(capacity)
        sending = trial.start(send_all, tx, range(100))
        assert [await trial.soon(rx.receive()) for _ in range(100)] == list(range(100))
        await trial.soon(sending)


@_check("CH-6", BACK_PRESSURE)
async def waiting_senders_are_served_in_the_order_of_arrival(trial: Trial) -> None:
    tx, rx = trial.open(1)
    await tx.send(0)
    for item in (1, 2, 3):
        await trial.started_and_waiting(tx.send, item)
    assert [await trial.soon(rx.receive()) for _ in range(4)] == [0, 1, 2, 3]


@_check("CH-6")
async def waiting_receivers_are_served_in_the_order_of_arrival(trial: Trial) -> None:
    tx, rx = trial.open(5)
    receiving = [await trial.started_and_waiting(rx.receive) for _ in range(3)]
    for item in (1, 2, 3):
        await trial.soon(tx.send(item))
    assert [await trial.soon(each) for each in receiving] == [1, 2, 3]


@_check("CH-7", BACK_PRESSURE, READINESS)
async def a_new_send_does_not_overtake_a_waiting_one(trial: Trial) -> None:
    tx, rx = trial.open(1)
    await tx.send(0)
    await trial.started_and_waiting(tx.send, 1)
    await trial.settle()
    assert rx.receive_nowait() == 0
    second = trial.start(tx.send, 2)  # the free slot is promised to the sender that waits, if it has not filled it yet
    assert [await trial.soon(rx.receive()) for _ in range(2)] == [1, 2]
    await trial.soon(second)


@_check("CH-8")
async def one_item_wakes_one_receiver(trial: Trial) -> None:
    tx, rx = trial.open(4)
    receiving = [await trial.started_and_waiting(rx.receive) for _ in range(3)]
    await trial.soon(tx.send("one"))
    assert await trial.soon(receiving[0]) == "one"
    await trial.waits(*receiving[1:])


@_check("CH-11", BACK_PRESSURE)
async def many_senders_and_receivers_lose_and_double_nothing(trial: Trial) -> None:
    tx, rx = trial.open(2)
    senders, receivers = [tx, tx.clone(), tx.clone()], [rx, rx.clone(), rx.clone()]
    trial.keep(*senders, *receivers)
    sending = [
        trial.start(_send_and_close, each, [(number, item) for item in range(40)])
        for number, each in enumerate(senders)
    ]
    parts = [trial.start(drain, each) for each in receivers]
    received = [await trial.soon(part) for part in parts]
    for each in sending:
        await trial.soon(each)
    assert sorted(item for part in received for item in part) == [(n, i) for n in range(3) for i in range(40)]
    for part in received:
        for number in range(3):
            own = [item for sender, item in part if sender == number]
            assert own == sorted(own), "one sender's items reach any one receiver in the order of sending"


async def _send_and_close(tx: ap.Sender[Any], items: Iterable[Any]) -> None:
    await send_all(tx, items)
    tx.close()


@_check("CH-12", READINESS)
async def the_length_stays_within_the_capacity(trial: Trial) -> None:
    tx, rx = trial.open(2)
    await trial.soon(send_all(tx, "ab"))
    await trial.settle()
    assert rx.statistics().length == 2
    try:
        tx.send_nowait("c")
    except ap.ChannelFull:
        pass
    assert rx.statistics().length <= 2


@_check("CH-15")
async def none_is_an_ordinary_item(trial: Trial) -> None:
    tx, rx = trial.open(2)
    await send_all(tx, [None, None])
    tx.close()
    assert await trial.soon(drain(rx)) == [None, None]


@_check("CH-60", READINESS)
async def statistics_tell_what_the_channel_holds(trial: Trial) -> None:
    tx, rx = trial.open(3)
    other = tx.clone()
    trial.keep(other)
    await trial.soon(tx.send_many("ab"))
    await trial.settle()
    now = rx.statistics()
    assert (now.name, now.capacity, now.length, now.peak) == (rx.name, 3, 2, 2)
    assert (now.receivers, now.dropped, now.waiting_receivers) == (1, 0, 0)
    await trial.soon(rx.receive())
    await trial.soon(rx.receive())
    assert rx.statistics().length == 0
    await trial.started_and_waiting(rx.receive)
    assert rx.statistics().waiting_receivers == 1
