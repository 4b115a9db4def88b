"""Restarts that fail are tried again, and restarts that are delayed (AC-40, AC-41)."""

from __future__ import annotations

import asyncio
import random

import pytest

import actorpar as ap
from actorpar.channels import env

from .acting import Journal, S, Worker, fail, find, running, settle, states, worker

pytestmark = pytest.mark.virtual_time


async def test_ac40_a_restart_that_failed_is_tried_again_until_it_succeeds(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), worker(journal, "b"), intensity=9))
    journal.take()
    journal.failing["a"] = 3
    await fail(sup, "a")
    assert journal.take() == ["stop a", "failed a", "failed a", "failed a", "start a"]
    assert await running(sup) == ["a", "b"]


async def test_ac40_the_supervisor_answers_and_can_be_stopped_between_attempts(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), worker(journal, "b"), intensity=10**9))
    journal.failing["a"] = 10**9
    journal.take()
    (await find(sup, "a")).tell(Worker.fail)
    for _ in range(5):
        assert (await states(sup))["b"] == "running"
        await asyncio.sleep(0)
    assert await states(sup) in ({"a": "restarting", "b": "running"}, {"a": "starting", "b": "running"})
    await sup.ask(S.start_child, worker(journal, "c"))
    await system.stop(sup)
    assert journal.take()[-2:] == ["stop c", "stop b"]


async def test_ac40_a_child_that_is_tried_again_and_again_can_be_terminated(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), intensity=10**9))
    journal.failing["a"] = 10**9
    (await find(sup, "a")).tell(Worker.fail)
    await asyncio.sleep(0)
    await sup.ask(S.terminate_child, "a")
    journal.take()
    await settle()
    assert journal.take() == []
    assert await states(sup) == {"a": "stopped"}


async def test_ac40_in_a_group_the_one_that_failed_to_start_decides_what_is_tried_again(
    system: ap.ActorSystem, journal: Journal
) -> None:
    labels = [worker(journal, label) for label in "abcd"]
    sup = await system.spawn(S, ap.rest_for_one(*labels, intensity=9))
    journal.take()
    journal.failing["c"] = 1
    await fail(sup, "b")
    assert journal.take() == [
        "stop b", "stop d", "stop c", "start b", "failed c", "start c", "start d",
    ]  # fmt: skip


async def test_ac40_in_one_for_all_a_failed_start_begins_again_with_the_first(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_all(*[worker(journal, label) for label in "abc"], intensity=9))
    journal.take()
    journal.failing["b"] = 1
    await fail(sup, "c")
    assert journal.take() == [
        "stop c", "stop b", "stop a", "start a", "failed b", "stop a", "start a", "start b", "start c",
    ]  # fmt: skip


async def test_ac40_who_is_terminated_between_attempts_does_not_keep_its_siblings_down(
    system: ap.ActorSystem, journal: Journal
) -> None:
    labels = [worker(journal, label) for label in "abc"]
    sup = await system.spawn(S, ap.one_for_all(*labels, intensity=9, backoff=ap.Backoff(1.0, 8.0, jitter=0)))
    journal.failing["b"] = 9
    await fail(sup, "a")
    await asyncio.sleep(1.0)
    assert await states(sup) == {"a": "restarting", "b": "restarting", "c": "restarting"}
    await sup.ask(S.terminate_child, "b")
    await asyncio.sleep(10.0)
    assert await states(sup) == {"a": "running", "b": "stopped", "c": "running"}


# -- back-off


async def delay_of(system: ap.ActorSystem, sup: ap.ActorRef[S], label: str) -> float:
    """Let a child fail, and wait until it runs again: how long that took."""
    started = system.events.subscribe(ap.Started)
    begin = asyncio.get_running_loop().time()
    (await find(sup, label)).tell(Worker.fail)
    await started.receive()
    started.close()
    return asyncio.get_running_loop().time() - begin


async def test_ac41_delays_double_up_to_the_cap(system: ap.ActorSystem, journal: Journal) -> None:
    backoff = ap.Backoff(1.0, 5.0, jitter=0, reset_after=100.0)
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), intensity=99, backoff=backoff))
    delays = [await delay_of(system, sup, "a") for _ in range(5)]
    assert delays == [pytest.approx(seconds) for seconds in (1.0, 2.0, 4.0, 5.0, 5.0)]


async def test_ac41_a_quiet_period_begins_again_with_the_base(system: ap.ActorSystem, journal: Journal) -> None:
    backoff = ap.Backoff(1.0, 64.0, jitter=0, reset_after=10.0)
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), intensity=99, backoff=backoff))
    delays = []
    for quiet in (0.0, 9.0, 9.0, 11.0, 1.0):
        await asyncio.sleep(quiet)
        delays.append(await delay_of(system, sup, "a"))
    assert delays == [pytest.approx(seconds) for seconds in (1.0, 2.0, 4.0, 1.0, 2.0)]


async def test_ac41_the_quiet_period_is_the_cap_by_default(system: ap.ActorSystem, journal: Journal) -> None:
    backoff = ap.Backoff(1.0, 4.0, jitter=0)
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), intensity=99, backoff=backoff))
    delays = []
    for quiet in (0.0, 3.9, 4.1):
        await asyncio.sleep(quiet)
        delays.append(await delay_of(system, sup, "a"))
    assert delays == [pytest.approx(seconds) for seconds in (1.0, 2.0, 1.0)]


async def test_ac41_failed_starts_are_delayed_longer_and_longer_too(system: ap.ActorSystem, journal: Journal) -> None:
    backoff = ap.Backoff(1.0, 60.0, jitter=0)
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), intensity=99, backoff=backoff))
    journal.failing["a"] = 3
    assert await delay_of(system, sup, "a") == pytest.approx(1.0 + 2.0 + 4.0 + 8.0)


async def test_ac41_during_the_delay_the_child_is_restarting_and_the_supervisor_answers(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", name="a"), backoff=ap.Backoff(60.0, 60.0)))
    await fail(sup, "a")
    (info,) = await sup.ask(S.which_children)
    assert (info.state, info.ref, info.restarts) == ("restarting", None, 0)
    assert await sup.ask(S.count_children) == ap.ChildCounts(specs=1, active=0, supervisors=0, workers=1)
    with pytest.raises(ap.ChildRunning, match="restarting"):
        await sup.ask(S.restart_child, "a")
    await sup.ask(S.start_child, worker(journal, "b"))
    assert await running(sup) == ["b"]
    await system.stop(sup)
    await asyncio.sleep(100.0)
    assert journal.take() == ["start a", "stop a", "start b", "stop b"]


async def test_ac41_siblings_are_stopped_at_once_and_started_after_the_delay(
    system: ap.ActorSystem, journal: Journal
) -> None:
    labels = [worker(journal, label) for label in "abc"]
    sup = await system.spawn(S, ap.rest_for_one(*labels, backoff=ap.Backoff(2.0, 2.0, jitter=0)))
    journal.take()
    await fail(sup, "b")
    assert journal.take() == ["stop b", "stop c"]
    assert await states(sup) == {"a": "running", "b": "restarting", "c": "restarting"}
    await asyncio.sleep(1.9)
    assert journal.take() == []
    await asyncio.sleep(0.2)
    assert journal.take() == ["start b", "start c"]


async def test_ac41_an_earlier_failure_takes_over_a_restart_that_is_due(
    system: ap.ActorSystem, journal: Journal
) -> None:
    labels = [worker(journal, label) for label in "abc"]
    sup = await system.spawn(S, ap.rest_for_one(*labels, intensity=9, backoff=ap.Backoff(2.0, 2.0, jitter=0)))
    journal.take()
    await fail(sup, "b")
    await asyncio.sleep(1.0)
    await fail(sup, "a")
    await asyncio.sleep(1.5)
    assert journal.take() == ["stop b", "stop c", "stop a"]
    await asyncio.sleep(1.0)
    assert journal.take() == ["start a", "start b", "start c"]


def test_ac41_the_delay_is_the_formula_less_the_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = ap.Backoff(0.5, 30.0, jitter=0)
    assert [exact.delay(k) for k in (0, 1, 2, 5, 6, 10_000)] == [0.5, 1.0, 2.0, 16.0, 30.0, 30.0]
    monkeypatch.setattr(env, "random", random.Random(7))
    spread = [ap.Backoff(1.0, 30.0, jitter=0.5).delay(2) for _ in range(200)]
    assert 2.0 <= min(spread) < 2.2
    assert 3.8 < max(spread) <= 4.0
    monkeypatch.setattr(env, "random", random.Random(7))
    assert [ap.Backoff(1.0, 30.0, jitter=0.5).delay(2) for _ in range(200)] == spread
