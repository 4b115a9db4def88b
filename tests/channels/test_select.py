"""Select commits one guard or none, in a fair order, and at its deadline at the latest (CH-33 … CH-41).

What every backing of a channel promises is in the conformance kit (`actorpar.testing.SELECT_CHECKS`); here stand the
corners, and what is told by looking into the shipped flavours.
"""

from __future__ import annotations

import asyncio
import collections
import math
from typing import Any

import pytest

import actorpar as ap
from actorpar.channels import env
from actorpar.testing import Trial

from .every_loop import choose, on_every_loop, waiting

# -- one commit


@on_every_loop
async def test_ch33_of_all_ready_guards_one_is_committed_and_no_other_has_an_effect(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx), (c_tx, c_rx) = trial.open(2), trial.open(2), trial.open(2)
    a_tx.send_nowait("a")
    b_tx.send_nowait("b")
    index, value = await choose(ap.receive_from(a_rx), ap.receive_from(b_rx), ap.send_to(c_tx, "c"))
    lengths = [rx.statistics().length for rx in (a_rx, b_rx, c_rx)]
    assert (index, value, lengths) in [(0, "a", [0, 1, 0]), (1, "b", [1, 0, 0]), (2, None, [1, 1, 1])]


@on_every_loop
async def test_ch33_a_waiting_select_over_both_directions_commits_what_comes_first(trial: Trial) -> None:
    (full_tx, full_rx), (empty_tx, empty_rx) = trial.open(1), trial.open(math.inf)
    full_tx.send_nowait("old")
    selecting = await trial.started_and_waiting(choose, ap.send_to(full_tx, "mine"), ap.receive_from(empty_rx))
    empty_tx.send_nowait("x")
    assert full_rx.receive_nowait() == "old"  # too late: the select is committed
    assert await selecting == (1, "x")
    with pytest.raises(ap.ChannelEmpty):
        full_rx.receive_nowait()


@on_every_loop
async def test_ch33_two_counterparts_in_one_turn_get_one_commit(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(0), trial.open(0)
    selecting = await trial.started_and_waiting(choose, ap.receive_from(a_rx), ap.receive_from(b_rx))
    a_tx.send_nowait("a")
    with pytest.raises(ap.ChannelFull):
        b_tx.send_nowait("b")
    assert await selecting == (0, "a")


@on_every_loop
async def test_ch34_a_committed_select_is_passed_over_and_the_next_waiter_is_served(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(1), trial.open(1)
    selecting = await trial.started_and_waiting(choose, ap.receive_from(a_rx), ap.receive_from(b_rx))
    behind = await trial.started_and_waiting(b_rx.receive)
    a_tx.send_nowait("a")
    b_tx.send_nowait("b")
    assert (await selecting, await behind) == ((0, "a"), "b")


@on_every_loop
async def test_ch36_a_select_does_not_pair_with_itself_in_either_order_of_its_guards(trial: Trial) -> None:
    for first_sends in (True, False):
        tx, rx = trial.open(0)
        guards = [ap.send_to(tx, "own"), ap.receive_from(rx)]
        selecting = await trial.started_and_waiting(choose, *(guards if first_sends else guards[::-1]))
        tx.send_nowait("another's")
        assert await selecting == (1 if first_sends else 0, "another's")


@on_every_loop
async def test_ch36_two_selects_that_send_and_receive_on_one_channel_pair_with_each_other(trial: Trial) -> None:
    tx, rx = trial.open(0)
    first = await trial.started_and_waiting(choose, ap.send_to(tx, 1), ap.receive_from(rx))
    second = trial.start(choose, ap.send_to(tx, 2), ap.receive_from(rx))
    outcomes = {await first, await second}
    assert outcomes in ({(0, None), (1, 1)}, {(0, None), (1, 2)})


# -- the order


@on_every_loop
async def test_ch37_with_priority_the_first_declared_guard_wins_every_time(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(8), trial.open(8)
    for item in range(8):
        a_tx.send_nowait(item)
        b_tx.send_nowait(item)
    chosen = [(await ap.select(b_rx, a_rx, priority=True))[0] for _ in range(8)]
    assert chosen == [0] * 8


@on_every_loop
async def test_ch37_the_order_is_fair_by_default(trial: Trial) -> None:
    env.random.seed(3711)  # a one-shot select begins at a random guard
    pairs = [trial.open(math.inf) for _ in range(4)]
    for tx, _ in pairs:
        await tx.send_many(range(400))
    count = collections.Counter([(await choose(*(rx for _, rx in pairs)))[0] for _ in range(400)])
    assert sorted(count) == [0, 1, 2, 3]
    assert min(count.values()) > 60, count


@on_every_loop
async def test_ch39_with_priority_the_first_to_become_ready_wins_if_none_was(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(1), trial.open(1)
    selecting = await trial.started_and_waiting(lambda: choose(a_rx, b_rx, priority=True))
    b_tx.send_nowait("b")
    a_tx.send_nowait("a")
    assert await selecting == (1, "b")
    assert a_rx.receive_nowait() == "a"


# -- default and deadlines


@on_every_loop
async def test_ch40_default_is_taken_iff_nothing_is_ready_wherever_it_stands(trial: Trial) -> None:
    tx, rx = trial.open(1)
    assert await choose(ap.default(), rx) == (0, None)
    assert await choose(rx, ap.default()) == (1, None)
    tx.send_nowait("x")
    assert await choose(ap.default(), rx, priority=True) == (1, "x")


@on_every_loop
async def test_ch40_a_select_with_default_does_not_suspend(trial: Trial) -> None:
    _, rx = trial.open(1)
    selecting: Any = choose(rx, ap.default())
    with pytest.raises(StopIteration) as stop:
        selecting.send(None)
    assert stop.value.value == (1, None)
    assert waiting(rx) == 0


@on_every_loop
async def test_ch41_a_guard_that_is_ready_beats_a_deadline_that_has_passed(trial: Trial) -> None:
    tx, rx = trial.open(1)
    tx.send_nowait("x")
    for priority in (True, False):
        assert await choose(ap.after(0), ap.default(), priority=priority) == (0, None)
    assert await choose(ap.after(0), rx, priority=True) == (1, "x")


@on_every_loop
async def test_ch41_after_the_deadline_one_more_poll_is_made(trial: Trial) -> None:
    tx, rx = trial.open(1)
    loop = asyncio.get_running_loop()
    deadline = ap.after(60)
    selecting = trial.start(choose, deadline, rx, ap.never())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    # The deadline commits the select; the item comes in the same turn of the loop, before the select runs.
    ring = deadline.core.ring  # type: ignore[attr-defined]
    loop.call_soon(ring)
    loop.call_soon(tx.send_nowait, "just in time")
    assert await trial.soon(selecting) == (1, "just in time")


@on_every_loop
async def test_ch41_a_deadline_is_fixed_when_it_is_made_and_stays_ready(trial: Trial) -> None:
    _, rx = trial.open(1)
    deadline = ap.after(0.001)
    for _ in range(3):
        assert await trial.soon(choose(rx, deadline)) == (1, None)


@on_every_loop
async def test_ch41_none_is_for_ever_and_huge_values_do_not_overflow(trial: Trial) -> None:
    tx, rx = trial.open(1)
    for seconds in (None, 1e18, math.inf):
        selecting = await trial.started_and_waiting(choose, rx, ap.after(seconds))
        tx.send_nowait(seconds)
        assert await selecting == (0, seconds)


@on_every_loop
async def test_ch41_the_earliest_of_several_deadlines_is_chosen(trial: Trial) -> None:
    assert await trial.soon(choose(ap.after(3600), ap.after(0.001), ap.after(None))) == (1, None)
