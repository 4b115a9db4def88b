"""The guards of a select: ended, masked, losing or cancelled, and of every flavour (CH-42 … CH-50)."""

from __future__ import annotations

import asyncio
import math

import pytest

import actorpar as ap
from actorpar.testing import Trial

from .every_loop import choose, on_every_loop, waiting

# -- guards that have ended


@on_every_loop
async def test_ch42_a_guard_on_an_ended_channel_is_ready_and_yields_its_error(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(1), trial.open(1)
    a_tx.close()
    b_rx.close()
    with pytest.raises(ap.EndOfChannel):
        await choose(a_rx, ap.never())
    with pytest.raises(ap.ChannelBroken) as broken:
        await choose(ap.send_to(b_tx, "item"), ap.never())
    assert broken.value.item == "item"


@on_every_loop
async def test_ch42_every_ending_reaches_a_select_that_waits(trial: Trial) -> None:
    for end, error in (("close", ap.EndOfChannel), ("abort", ap.ChannelAborted), ("own", ap.ChannelClosed)):
        tx, rx = trial.open(1)
        selecting = await trial.started_and_waiting(choose, rx, ap.never())
        if end == "close":
            tx.close()
        elif end == "abort":
            tx.abort(KeyError("cause"))
        else:
            trial.keep(rx.clone())
            rx.close()
        await trial.fails(error, selecting)
        assert waiting(tx) == 0


@on_every_loop
async def test_ch42_skip_closed_retires_guards_one_by_one_until_all_have_ended(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(2), trial.open(2)
    a_tx.send_nowait("last of a")
    a_tx.close()
    assert await choose(a_rx, b_rx, skip_closed=True) == (0, "last of a")
    selecting = await trial.started_and_waiting(lambda: choose(a_rx, b_rx, skip_closed=True))
    b_tx.send_nowait("b")
    assert await selecting == (1, "b")
    selecting = await trial.started_and_waiting(lambda: choose(a_rx, b_rx, skip_closed=True))
    b_tx.close()
    await trial.fails(ap.AllClosed, selecting)
    with pytest.raises(ap.AllClosed):
        await choose(a_rx, b_rx, skip_closed=True)


@on_every_loop
async def test_ch42_a_retired_send_guard_holds_up_nobody_else(trial: Trial) -> None:
    tx, rx = trial.open(1)
    first = await trial.started_and_waiting(rx.receive)
    second = await trial.started_and_waiting(rx.receive)
    tx.send_nowait(1)
    tx.abort(KeyError("cause"), after_drain=True)
    selecting = trial.start(lambda: choose(ap.send_to(tx, 2), ap.never(), skip_closed=True))
    assert await trial.soon(first) == 1
    await trial.fails(ap.ChannelAborted, second)
    selecting.cancel()


# -- masks, items, and what is refused


@on_every_loop
async def test_ch43_a_masked_guard_is_not_chosen_and_the_others_keep_their_numbers(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(1), trial.open(1)
    a_tx.send_nowait("a")
    selecting = await trial.started_and_waiting(choose, ap.receive_from(a_rx, when=False), ap.receive_from(b_rx))
    assert waiting(a_rx) == 0
    b_tx.send_nowait("b")
    assert await selecting == (1, "b")


@on_every_loop
async def test_ch44_a_select_that_could_only_wait_for_ever_is_refused(trial: Trial) -> None:
    tx, rx = trial.open(1)
    for guards in ((), (ap.receive_from(rx, when=False), ap.send_to(tx, 1, when=False))):
        with pytest.raises(ap.InvalidGuard):
            await choose(*guards)
    with pytest.raises(ap.InvalidGuard):
        await choose(ap.default(), ap.default())
    with pytest.raises(ap.InvalidGuard):
        await choose("no guard")  # type: ignore[arg-type]


@on_every_loop
async def test_ch45_the_item_of_a_send_guard_stays_the_callers_if_it_is_not_chosen(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(0), trial.open(1)
    item = object()
    b_tx.send_nowait("b")
    assert await choose(ap.send_to(a_tx, item), b_rx) == (1, "b")
    selecting = await trial.started_and_waiting(choose, ap.send_to(a_tx, item), b_rx)
    b_tx.send_nowait("b")
    assert await selecting == (1, "b")
    with pytest.raises(ap.ChannelEmpty):
        a_rx.receive_nowait()


@on_every_loop
async def test_ch46_one_channel_in_several_guards_keeps_its_order_and_takes_one_item_each_time(trial: Trial) -> None:
    tx, rx = trial.open(math.inf)
    await tx.send_many(range(4))
    assert [(await choose(rx, rx, rx))[1] for _ in range(4)] == [0, 1, 2, 3]
    selecting = await trial.started_and_waiting(choose, rx, rx, rx)
    tx.send_nowait(4)
    tx.send_nowait(5)
    assert (await selecting)[1] == 4
    assert rx.receive_nowait() == 5
    assert waiting(rx) == 0


# -- cancellation, and the queues


@on_every_loop
async def test_ch47_cancelled_before_it_is_committed_a_select_touched_nothing(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(0), trial.open(1)
    selecting = await trial.started_and_waiting(choose, ap.send_to(a_tx, 1), b_rx)
    await trial.cancel(selecting)
    assert waiting(a_rx) == waiting(b_rx) == 0
    b_tx.send_nowait("b")
    assert b_rx.receive_nowait() == "b"


@on_every_loop
async def test_ch47_cancelled_after_a_receive_guard_was_chosen_the_item_goes_to_the_next(trial: Trial) -> None:
    (a_tx, a_rx), (_, b_rx) = trial.open(1), trial.open(1)
    selecting = await trial.started_and_waiting(choose, a_rx, b_rx)
    behind = await trial.started_and_waiting(a_rx.receive)
    a_tx.send_nowait("a")
    await trial.cancel(selecting)
    assert await behind == "a"


@on_every_loop
async def test_ch47_cancelled_after_its_item_was_taken_a_select_has_delivered_it(trial: Trial) -> None:
    (a_tx, a_rx), (_, b_rx) = trial.open(0), trial.open(1)
    selecting = await trial.started_and_waiting(choose, ap.send_to(a_tx, "a"), b_rx)
    assert a_rx.receive_nowait() == "a"
    await trial.cancel(selecting)


@on_every_loop
async def test_ch47_cancelled_after_it_was_promised_a_slot_a_select_gives_it_back(trial: Trial) -> None:
    (a_tx, a_rx), (_, b_rx) = trial.open(1), trial.open(1)
    a_tx.send_nowait("old")
    selecting = await trial.started_and_waiting(choose, ap.send_to(a_tx, "mine"), b_rx)
    assert a_rx.receive_nowait() == "old"
    await trial.cancel(selecting)
    a_tx.send_nowait("new")
    assert a_rx.receive_nowait() == "new"


@on_every_loop
async def test_ch48_the_losers_leave_at_once_and_quiet_channels_stay_empty(trial: Trial) -> None:
    (busy_tx, busy_rx), quiet = trial.open(1), [trial.open(0) for _ in range(3)]
    for item in range(50):
        guards = [busy_rx, *(rx for _, rx in quiet), *(ap.send_to(tx, item) for tx, _ in quiet[:1])]
        selecting = trial.start(choose, *guards)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        busy_tx.send_nowait(item)
        assert await selecting == (0, item)
        assert [waiting(rx) for _, rx in quiet] == [0, 0, 0]


@on_every_loop
async def test_ch48_a_thousand_that_give_up_leave_at_most_as_many_tombstones_as_waiters(trial: Trial) -> None:
    (_, quiet), (other_tx, other) = trial.open(0), trial.open(math.inf)
    staying = trial.start(quiet.receive)
    selects = [trial.start(choose, quiet, other) for _ in range(1000)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await other_tx.send_many(range(1000))
    assert sorted([(await select)[1] for select in selects]) == list(range(1000))
    assert quiet.statistics().waiting_receivers == 1
    assert waiting(quiet) <= 40
    staying.cancel()


@on_every_loop
async def test_ch49_send_mine_or_take_yours_is_coherent_on_capacity_0(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(0), trial.open(0)
    one = trial.start(choose, ap.send_to(a_tx, "one"), b_rx)
    two = trial.start(choose, ap.send_to(b_tx, "two"), a_rx)
    assert {await trial.soon(one), await trial.soon(two)} in ({(0, None), (1, "one")}, {(0, None), (1, "two")})


@on_every_loop
async def test_ch49_with_a_buffer_both_may_commit_their_send(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(1), trial.open(1)
    assert await choose(ap.send_to(a_tx, "one"), b_rx, priority=True) == (0, None)
    assert await choose(ap.send_to(b_tx, "two"), a_rx, priority=True) == (0, None)


@on_every_loop
async def test_ch50_one_select_waits_for_every_flavour_at_once(trial: Trial) -> None:
    tx, rendezvous = trial.open(0)
    lossy_tx, lossy = ap.open_channel[int](1, overflow="latest")
    hub_tx, hub = ap.open_broadcast[int](1)
    subscriber = hub.subscribe()
    trial.keep(lossy_tx, lossy, hub_tx, subscriber)
    guards = [rendezvous, lossy, subscriber, ap.never(), ap.tick(0.001)]
    assert await trial.soon(choose(*guards[:3], ap.never(), guards[4])) == (4, None)
    for index, send in enumerate((tx.send_nowait, lossy_tx.send_nowait, hub_tx.send_nowait)):
        selecting = await trial.started_and_waiting(choose, *guards[:4])
        send(index)
        assert await selecting == (index, index)
