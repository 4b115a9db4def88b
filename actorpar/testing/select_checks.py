"""The checks that select passes over every backing: `await check_select(make_pair)`.

Each check cites its rule of docs/semantics.md. They use the public face alone, and assume no exact scheduling.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import actorpar as ap

from .trial import BACK_PRESSURE, READINESS, RENDEZVOUS, Checks, MakePair, Trial

SELECT_CHECKS = Checks()
_check = SELECT_CHECKS.add


async def check_select(make_pair: MakePair, *, lacks: Iterable[str] = (), patience: float = 0.01) -> None:
    """Run all SELECT_CHECKS over channels of `make_pair(capacity)`; the arguments are those of `check_channel`."""
    await SELECT_CHECKS.run_all(make_pair, frozenset(lacks), patience)


async def _select(*guards: ap.Guard[Any], priority: bool = False, skip_closed: bool = False) -> tuple[int, Any]:
    return await ap.select(*guards, priority=priority, skip_closed=skip_closed)


@_check("CH-33")
async def a_select_commits_exactly_one_guard(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(1), trial.open(1)
    await a_tx.send("a")
    await b_tx.send("b")
    index, value = await trial.soon(_select(ap.receive_from(a_rx), ap.receive_from(b_rx)))
    assert (index, value) in {(0, "a"), (1, "b")}
    other = (b_rx, "b") if index == 0 else (a_rx, "a")
    assert await trial.soon(other[0].receive()) == other[1]


@_check("CH-33")
async def a_select_that_waits_takes_what_comes_first(trial: Trial) -> None:
    (_a_tx, a_rx), (b_tx, b_rx) = trial.open(1), trial.open(1)
    selecting = await trial.started_and_waiting(_select, ap.receive_from(a_rx), ap.receive_from(b_rx))
    await trial.soon(b_tx.send("b"))
    assert await trial.soon(selecting) == (1, "b")


@_check("CH-33", BACK_PRESSURE)
async def a_send_guard_is_chosen_once_there_is_room(trial: Trial) -> None:
    (a_tx, a_rx), (_b_tx, b_rx) = trial.open(1), trial.open(1)
    await a_tx.send("a")
    selecting = await trial.started_and_waiting(_select, ap.send_to(a_tx, "mine"), ap.receive_from(b_rx))
    assert await trial.soon(a_rx.receive()) == "a"
    assert await trial.soon(selecting) == (0, None)
    assert await trial.soon(a_rx.receive()) == "mine"


@_check("CH-36", RENDEZVOUS)
async def a_select_never_pairs_with_itself(trial: Trial) -> None:
    tx, rx = trial.open(0)
    selecting = await trial.started_and_waiting(_select, ap.send_to(tx, "own"), ap.receive_from(rx))
    assert await trial.soon(rx.receive()) == "own"
    assert await trial.soon(selecting) == (0, None)


@_check("CH-37", READINESS)
async def with_priority_the_first_declared_guard_wins(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(9), trial.open(9)
    await a_tx.send_many(range(5))
    await b_tx.send_many(range(5))
    await trial.settle()
    guards = ap.receive_from(b_rx), ap.receive_from(a_rx)
    assert [await trial.soon(_select(*guards, priority=True)) for _ in range(5)] == [(0, item) for item in range(5)]


@_check("CH-38")
async def a_selector_serves_every_ready_guard_in_rotation(trial: Trial) -> None:
    pairs = [trial.open(9) for _ in range(3)]
    for tx, _ in pairs:
        await tx.send_many(range(6))
    await trial.settle()
    selector = ap.Selector(*(ap.receive_from(rx) for _, rx in pairs))
    for _ in range(3):
        chosen = [(await trial.soon(selector.select()))[0] for _ in range(3)]
        assert sorted(chosen) == [0, 1, 2]


@_check("CH-40", READINESS)
async def default_is_taken_only_if_nothing_is_ready(trial: Trial) -> None:
    tx, rx = trial.open(1)
    assert await trial.soon(_select(ap.receive_from(rx), ap.default())) == (1, None)
    await tx.send("x")
    await trial.settle()
    assert await trial.soon(_select(ap.default(), ap.receive_from(rx))) == (1, "x")


@_check("CH-41", READINESS)
async def a_ready_guard_beats_a_deadline_that_has_passed(trial: Trial) -> None:
    tx, rx = trial.open(1)
    await tx.send("x")
    await trial.settle()
    assert await trial.soon(_select(ap.after(0), ap.receive_from(rx), priority=True)) == (1, "x")
    assert await trial.soon(_select(ap.after(0.001), ap.receive_from(rx))) == (0, None)


@_check("CH-42")
async def a_guard_on_an_ended_channel_yields_its_error_or_is_skipped(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(1), trial.open(1)
    a_tx.close()
    await trial.settle()
    await trial.fails(ap.EndOfChannel, _select(ap.receive_from(a_rx), ap.receive_from(b_rx), priority=True))
    await b_tx.send("b")
    guards = ap.receive_from(a_rx), ap.receive_from(b_rx)
    assert await trial.soon(_select(*guards, skip_closed=True)) == (1, "b")
    b_tx.close()
    await trial.fails(ap.AllClosed, _select(*guards, skip_closed=True))


@_check("CH-42")
async def a_waiting_select_learns_that_a_channel_ended(trial: Trial) -> None:
    (a_tx, a_rx), (_b_tx, b_rx) = trial.open(1), trial.open(1)
    selecting = await trial.started_and_waiting(_select, ap.receive_from(a_rx), ap.receive_from(b_rx))
    a_tx.close()
    await trial.fails(ap.EndOfChannel, selecting)


@_check("CH-43")
async def a_masked_guard_is_never_chosen_and_renumbers_nothing(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(1), trial.open(1)
    await a_tx.send("a")
    await b_tx.send("b")
    guards = ap.receive_from(a_rx, when=False), ap.receive_from(b_rx)
    assert await trial.soon(_select(*guards, priority=True)) == (1, "b")


@_check("CH-44")
async def a_select_with_nothing_to_wait_for_is_refused(trial: Trial) -> None:
    _tx, rx = trial.open(1)
    await trial.fails(ap.InvalidGuard, _select(ap.receive_from(rx, when=False)))


@_check("CH-45", BACK_PRESSURE)
async def an_item_that_was_not_chosen_stays_with_the_caller(trial: Trial) -> None:
    (a_tx, a_rx), (b_tx, b_rx) = trial.open(1), trial.open(1)
    await a_tx.send("full")
    selecting = await trial.started_and_waiting(_select, ap.send_to(a_tx, "mine"), ap.receive_from(b_rx))
    await trial.soon(b_tx.send("b"))
    assert await trial.soon(selecting) == (1, "b")
    assert await trial.soon(a_rx.receive()) == "full"
    await trial.waits(trial.start(a_rx.receive))


@_check("CH-46")
async def one_channel_in_two_guards_keeps_its_order(trial: Trial) -> None:
    tx, rx = trial.open(9)
    await tx.send_many(range(6))
    guards = ap.receive_from(rx), ap.receive_from(rx)
    assert [(await trial.soon(_select(*guards)))[1] for _ in range(6)] == list(range(6))


@_check("CH-47")
async def a_cancelled_select_touches_no_channel(trial: Trial) -> None:
    (a_tx, a_rx), (_b_tx, b_rx) = trial.open(1), trial.open(1)
    await trial.cancel(await trial.started_and_waiting(_select, ap.receive_from(a_rx), ap.receive_from(b_rx)))
    await trial.soon(a_tx.send("kept"))
    assert await trial.soon(a_rx.receive()) == "kept"


@_check("CH-48")
async def the_losers_leave_their_queues(trial: Trial) -> None:
    (_a_tx, a_rx), (b_tx, b_rx) = trial.open(1), trial.open(1)
    for item in range(20):
        selecting = await trial.started_and_waiting(_select, ap.receive_from(a_rx), ap.receive_from(b_rx))
        await trial.soon(b_tx.send(item))
        assert await trial.soon(selecting) == (1, item)
    assert a_rx.statistics().waiting_receivers == 0


@_check("CH-50", READINESS)
async def timers_and_channels_mix(trial: Trial) -> None:
    tx, rx = trial.open(1)
    with ap.tick(0.002) as ticks, ap.never() as never:
        guards = ap.receive_from(rx), ap.receive_from(ticks), ap.receive_from(never)
        assert await trial.soon(_select(*guards)) == (1, None)
        await tx.send("x")
        await trial.settle()
        assert await trial.soon(_select(*guards, priority=True)) == (0, "x")
