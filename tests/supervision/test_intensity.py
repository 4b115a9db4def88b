"""How many restarts a supervisor puts up with, and what it tells when it gives up (AC-39, AC-47)."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

import actorpar as ap

from .acting import Boom, Journal, S, fail, running, states, worker

pytestmark = pytest.mark.virtual_time


RestartType = Literal["permanent", "transient", "temporary"]


async def test_ac39_one_restart_in_five_seconds_is_allowed_by_default(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), worker(journal, "b")))
    await fail(sup, "a")
    assert await running(sup) == ["a", "b"]
    await fail(sup, "b")
    assert (await system.ended(sup)).kind == "shutdown"
    assert journal.take()[-2:] == ["stop b", "stop a"]


@pytest.mark.parametrize(("pause", "survives"), [(1.0, False), (3.0, True)])
async def test_ac39_restarts_count_within_the_period_only(
    system: ap.ActorSystem, journal: Journal, pause: float, survives: bool
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), intensity=2, period=5.0))
    for _ in range(5):
        if not sup.is_alive():
            break
        await fail(sup, "a")
        await asyncio.sleep(pause)
    assert sup.is_alive() == survives


async def test_ac39_a_group_restart_counts_once(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_all(*[worker(journal, label) for label in "abcd"], intensity=2))
    await fail(sup, "a")
    await fail(sup, "b")
    assert await running(sup) == ["a", "b", "c", "d"]
    await fail(sup, "c")
    assert not sup.is_alive()


async def test_ac39_failed_starts_count(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), worker(journal, "b"), intensity=3))
    journal.take()
    journal.failing["a"] = 99
    await fail(sup, "a")
    assert (await system.ended(sup)).kind == "shutdown"
    assert journal.take() == ["stop a", "failed a", "failed a", "failed a", "stop b"]


async def test_ac39_intensity_zero_restarts_nothing(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), intensity=0))
    await fail(sup, "a")
    assert not sup.is_alive()
    assert journal.take() == ["start a", "stop a"]


async def test_ac39_a_permanent_parent_restarts_the_supervisor_and_a_transient_one_is_not_asked(
    system: ap.ActorSystem, journal: Journal
) -> None:
    def inner(label: str, restart: RestartType) -> ap.ChildSpec[ap.ActorRef[S]]:
        return ap.child(S, ap.one_for_one(worker(journal, label), intensity=0), id=f"of {label}", restart=restart)

    sup = await system.spawn(S, ap.one_for_one(inner("a", "permanent"), inner("b", "transient")))
    for label in "ab":
        inside = await sup.ask(S.child, f"of {label}")
        assert inside is not None
        await fail(inside, label)
    assert await states(sup) == {"of a": "running", "of b": "stopped"}  # shutdown is no failure (AC-37)


async def test_ac47_the_reason_of_a_supervisor_that_gave_up_keeps_the_failure(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), intensity=0))
    await fail(sup, "a")
    reason = await system.ended(sup)
    assert reason.kind == "shutdown"
    assert reason.cause is not None
    assert isinstance(reason.cause.error, Boom)
    assert reason.root is reason.cause
    assert "more than 0 restarts in 5.0 s" in str(reason.detail)


async def test_ac47_the_root_cause_is_kept_through_three_supervisors(system: ap.ActorSystem, journal: Journal) -> None:
    leaf = ap.child(S, ap.one_for_one(worker(journal, "a"), intensity=0), id="leaf")
    middle = ap.child(S, ap.one_for_one(leaf, intensity=0), id="middle")
    top = await system.spawn(S, ap.one_for_one(middle, worker(journal, "b"), intensity=0))
    one = await top.ask(S.child, "middle")
    assert one is not None
    two = await one.ask(S.child, "leaf")
    assert two is not None
    await fail(two, "a")
    reason = await system.ended(top)
    kinds = []
    link: ap.Reason | None = reason
    while link is not None:
        kinds.append(link.kind)
        link = link.cause
    assert kinds == ["shutdown", "shutdown", "shutdown", "error"]
    assert isinstance(reason.root.error, Boom)


async def test_ac47_a_failed_start_is_the_cause_where_the_supervisor_gives_up_on_it(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), intensity=2))
    journal.failing["a"] = 9
    await fail(sup, "a")
    assert isinstance((await system.ended(sup)).root.error, Boom)
