"""A Selector is a select made once: fair by rotation (CH-38), and clean between its calls (CH-43, CH-47, CH-48)."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

import actorpar as ap
from actorpar.testing import Trial

from .every_loop import on_every_loop, waiting


@on_every_loop
async def test_ch38_each_guard_that_is_always_ready_is_chosen_once_in_n_calls(trial: Trial) -> None:
    pairs = [trial.open(math.inf) for _ in range(4)]
    for tx, _ in pairs:
        await tx.send_many(range(12))
    selector = ap.Selector(*(rx for _, rx in pairs))
    for _ in range(12):
        assert sorted([(await selector.select())[0] for _ in pairs]) == [0, 1, 2, 3]


@on_every_loop
async def test_ch38_guards_that_come_and_go_do_not_starve_one_that_stays_ready(trial: Trial) -> None:
    always_tx, always = trial.open(math.inf)
    others = [trial.open(1) for _ in range(3)]
    await always_tx.send_many(range(100))
    selector = ap.Selector(*(rx for _, rx in others), always)
    last = 0
    for call in range(100):
        tx, _ = others[call % 3]
        if not tx.statistics().length:
            tx.send_nowait(call)
        index, _ = await selector.select()
        if index == 3:
            last = call
        assert call - last < 4, "not chosen in four calls at each of which it was ready"


@on_every_loop
async def test_ch38_send_guards_take_their_turn_too(trial: Trial) -> None:
    in_tx, inn = trial.open(math.inf)
    out, _ = trial.open(math.inf)
    await in_tx.send_many(range(10))
    selector: ap.Selector[Any] = ap.Selector(inn, ap.send_to(out, "x"))
    chosen = [(await selector.select())[0] for _ in range(10)]
    assert chosen in ([0, 1] * 5, [1, 0] * 5)


@on_every_loop
async def test_ch38_a_call_that_had_to_wait_costs_no_guard_its_turn(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(math.inf), trial.open(math.inf)
    selector = ap.Selector(a_rx, b_rx)
    for item in range(3):
        selecting = await trial.started_and_waiting(selector.select)
        a_tx.send_nowait(item)
        assert await selecting == (0, item)
        await a_tx.send_many(range(2))
        await b_tx.send_many(range(2))
        assert sorted([(await selector.select())[0] for _ in range(4)]) == [0, 0, 1, 1]


@on_every_loop
async def test_ch37_a_selector_with_priority_always_begins_with_the_first(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(9), trial.open(9)
    await a_tx.send_many(range(3))
    await b_tx.send_many(range(3))
    selector = ap.Selector(b_rx, a_rx, priority=True)
    assert [(await selector.select())[0] for _ in range(6)] == [0, 0, 0, 1, 1, 1]


@on_every_loop
async def test_ch43_a_mask_and_an_item_may_change_between_two_calls(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(1), trial.open(9)
    receive: Any = ap.receive_from(a_rx)
    send: Any = ap.send_to(b_tx, 0)
    selector: ap.Selector[Any] = ap.Selector(receive, send, priority=True)
    a_tx.send_nowait("a")
    receive.when = False
    for item in range(3):
        send.item = item
        assert await selector.select() == (1, None)
    receive.when = True
    assert await selector.select() == (0, "a")
    assert await b_rx.receive_many(9) == [0, 1, 2]


@on_every_loop
async def test_ch47_a_selector_is_as_good_as_new_after_a_cancelled_call(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(1), trial.open(0)
    selector: ap.Selector[Any] = ap.Selector(a_rx, ap.send_to(b_tx, "mine"))
    for item in range(3):
        await trial.cancel(await trial.started_and_waiting(selector.select))
        cancelled_when_woken = await trial.started_and_waiting(selector.select)
        a_tx.send_nowait(item)
        await trial.cancel(cancelled_when_woken)
        assert waiting(a_rx) == waiting(b_rx) == 0
        assert await selector.select() == (0, item)


@on_every_loop
async def test_ch48_a_selector_in_a_loop_leaves_nothing_on_quiet_channels(trial: Trial) -> None:
    (busy_tx, busy), quiet = trial.open(0), [trial.open(0) for _ in range(3)]
    selector: ap.Selector[Any] = ap.Selector(*(rx for _, rx in quiet), busy, ap.send_to(quiet[0][0], "x"))

    async def serve() -> list[Any]:
        return [await selector.select() for _ in range(200)]

    serving = trial.start(serve)
    for item in range(200):
        await busy_tx.send(item)
        assert max(waiting(rx) for _, rx in quiet) <= 2
    assert await serving == [(3, item) for item in range(200)]
    assert [waiting(rx) for _, rx in quiet] == [0, 0, 0]


@on_every_loop
async def test_ch48_a_selector_that_left_a_tombstone_goes_on_without_it(trial: Trial) -> None:
    (_, quiet), (busy_tx, busy) = trial.open(0), trial.open(1)
    crowd = [trial.start(quiet.receive) for _ in range(20)]
    selector = ap.Selector(quiet, busy)
    for item in range(40):
        selecting = trial.start(selector.select)
        for _ in range(3):
            await asyncio.sleep(0)
        behind = trial.start(quiet.receive)  # so that the selector is not the last of a long queue when it leaves
        for _ in range(3):
            await asyncio.sleep(0)
        busy_tx.send_nowait(item)
        assert await selecting == (1, item)
        crowd.append(behind)
    assert quiet.statistics().waiting_receivers == 60
    assert waiting(quiet) <= 2 * 60
    for receiving in crowd:
        receiving.cancel()


@on_every_loop
async def test_ch41_a_deadline_in_a_selector_wins_every_time_once_it_has_passed(trial: Trial) -> None:
    tx, rx = trial.open(1)
    selector = ap.Selector(rx, ap.after(0.001))
    assert [await trial.soon(selector.select()) for _ in range(3)] == [(1, None)] * 3
    tx.send_nowait("x")
    assert await selector.select() == (0, "x")


@on_every_loop
async def test_ch42_a_selector_retires_the_ended_and_raises_when_all_are(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(1), trial.open(1)
    selector = ap.Selector(a_rx, b_rx, skip_closed=True)
    a_tx.close()
    selecting = await trial.started_and_waiting(selector.select)
    b_tx.send_nowait("b")
    assert await selecting == (1, "b")
    b_tx.close()
    for _ in range(2):
        with pytest.raises(ap.AllClosed):
            await selector.select()


@on_every_loop
async def test_one_task_at_a_time_may_wait_on_a_selector(trial: Trial) -> None:
    tx, rx = trial.open(1)
    selector = ap.Selector(rx)
    waits = await trial.started_and_waiting(selector.select)
    with pytest.raises(ap.ActorparError):
        await selector.select()
    tx.send_nowait("x")
    assert await waits == (0, "x")
    tx.send_nowait("y")
    assert await selector.select() == (0, "y")
