"""Who is restarted, with whom, how often, and when (AC-37 to AC-41, AC-47)."""

from __future__ import annotations

import asyncio
import random
from typing import Any, Literal

import pytest

import actorpar as ap
from actorpar.channels import env

from .acting import Boom, Journal, S, Worker, fail, find, running, settle, states, worker

pytestmark = pytest.mark.virtual_time

RestartType = Literal["permanent", "transient", "temporary"]

ENDS = {
    "normal": ap.NORMAL,
    "shutdown": ap.SHUTDOWN,
    "shutdown(x)": ap.Reason("shutdown", "x"),
    "error": None,
    "killed": ap.KILLED,
}


async def end(system: ap.ActorSystem, ref: ap.ActorRef[Worker], how: str) -> None:
    """Let a child end in one of these ways."""
    if how == "killed":
        system.kill(ref)
    elif how == "error":
        ref.tell(Worker.fail)
    else:
        reason = ENDS[how]
        assert reason is not None
        ref.tell(Worker.finish, reason)
    await settle()


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize(
    ("restart", "restarted"),
    [("permanent", set(ENDS)), ("transient", {"error", "killed"}), ("temporary", set())],
)
async def test_ac37_the_restart_type_decides_after_which_end_a_child_is_restarted(
    system: ap.ActorSystem, journal: Journal, restart: RestartType, restarted: set[str], how: str
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", restart=restart), worker(journal, "b")))
    ref = await find(sup, "a")
    await end(system, ref, how)
    assert not ref.is_alive()
    after = await states(sup)
    if how in restarted:
        assert after == {"a": "running", "b": "running"}
    elif restart == "temporary":
        assert after == {"b": "running"}
    else:
        assert after == {"a": "stopped", "b": "running"}


async def test_ac37_a_transient_child_that_ended_well_can_be_started_again_by_hand(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", restart="transient")))
    await end(system, await find(sup, "a"), "normal")
    ref = await sup.ask(S.restart_child, "a")
    assert ref == await find(sup, "a")
    assert journal.take() == ["start a", "stop a", "start a"]


async def test_ac37_a_dynamic_supervisor_forgets_whatever_ended_for_good(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.dynamic(intensity=9))
    for label, restart in (("a", "permanent"), ("b", "transient"), ("c", "temporary")):
        await sup.ask(S.start_child, worker(journal, label, restart=restart))
    for label in "abc":
        await end(system, await find(sup, label), "normal")
    assert await states(sup) == {"a": "running"}


ORDERS = {
    "one_for_one": ["stop b", "start b"],
    "one_for_all": ["stop b", "stop d", "stop c", "stop a", "start a", "start b", "start c", "start d"],
    "rest_for_one": ["stop b", "stop d", "stop c", "start b", "start c", "start d"],
}


@pytest.mark.parametrize("strategy", ORDERS)
async def test_ac38_the_strategy_decides_who_is_restarted_in_reverse_order_down_and_in_order_up(
    system: ap.ActorSystem, journal: Journal, strategy: str
) -> None:
    make: Any = getattr(ap, strategy)
    sup = await system.spawn(S, make(*[worker(journal, label) for label in "abcd"]))
    journal.take()
    await fail(sup, "b")
    assert journal.take() == ORDERS[strategy]
    assert await running(sup) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_ac38_temporary_siblings_that_a_group_restart_stopped_stay_gone(
    system: ap.ActorSystem, journal: Journal, strategy: str
) -> None:
    make: Any = getattr(ap, strategy)
    sup = await system.spawn(
        S, make(worker(journal, "a"), worker(journal, "b", restart="temporary"), worker(journal, "c"))
    )
    journal.take()
    await fail(sup, "a")
    assert journal.take() == ["stop a", "stop c", "stop b", "start a", "start c"]
    assert await states(sup) == {"a": "running", "c": "running"}


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_ac38_a_temporary_child_that_fails_restarts_nobody(
    system: ap.ActorSystem, journal: Journal, strategy: str
) -> None:
    make: Any = getattr(ap, strategy)
    sup = await system.spawn(S, make(worker(journal, "a", restart="temporary"), worker(journal, "b")))
    journal.take()
    await fail(sup, "a")
    assert journal.take() == ["stop a"]
    assert await states(sup) == {"b": "running"}


async def test_ac38_a_group_restart_starts_siblings_that_had_ended_too(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_all(worker(journal, "a"), worker(journal, "b", restart="transient")))
    await end(system, await find(sup, "b"), "normal")
    journal.take()
    await fail(sup, "a")
    assert journal.take() == ["stop a", "start a", "start b"]


async def test_ac38_siblings_learn_in_their_restart_whose_failure_it_was(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_all(worker(journal, "a"), worker(journal, "b")))
    await fail(sup, "b")
    a, b = journal.restarts
    assert isinstance(b.reason.error, Boom)
    assert a.reason.kind == "shutdown"
    assert a.reason.root.error is b.reason.error
    assert (a.count, b.count) == (1, 1)


async def test_ac38_two_that_fail_at_once_are_one_restart_of_the_group(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_all(worker(journal, "a"), worker(journal, "b"), intensity=1))
    a, b = await find(sup, "a"), await find(sup, "b")
    a.tell(Worker.fail)
    b.tell(Worker.fail)
    await settle()
    assert await running(sup) == ["a", "b"]
    assert [info.restarts for info in await sup.ask(S.which_children)] == [1, 1]


# -- intensity


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


# -- failed restarts


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


# -- the chain of causes


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
