"""Who is restarted, and with whom (AC-37, AC-38)."""

from __future__ import annotations

from typing import Any, Literal

import pytest

import actorpar as ap

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
