"""Significant children (AC-43), ids, and what a supervisor refuses and survives (AC-44)."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest

import actorpar as ap

from .acting import Boom, Journal, S, Worker, fail, find, running, settle, states, worker

pytestmark = pytest.mark.virtual_time


async def finish(sup: ap.ActorRef[S], label: str) -> None:
    """Let a child end well."""
    (await find(sup, label)).tell(Worker.finish)
    await settle()


def significant(journal: Journal, label: str, restart: Literal["transient", "temporary"] = "transient") -> Any:
    return worker(journal, label, restart=restart, significant=True)


@pytest.mark.parametrize("restart", ["transient", "temporary"])
async def test_ac43_with_any_the_first_significant_end_ends_the_supervisor(
    system: ap.ActorSystem, journal: Journal, restart: Literal["transient", "temporary"]
) -> None:
    sup = await system.spawn(
        S,
        ap.one_for_one(
            worker(journal, "a"), significant(journal, "b", restart), significant(journal, "c"), auto_shutdown="any"
        ),
    )
    await finish(sup, "b")
    reason = await system.ended(sup)
    assert not reason.abnormal
    assert "significant child 'b'" in str(reason.detail)
    assert journal.take() == ["start a", "start b", "start c", "stop b", "stop c", "stop a"]


async def test_ac43_with_all_the_last_significant_end_ends_the_supervisor(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(
        S,
        ap.one_for_one(
            worker(journal, "a"), significant(journal, "b"), significant(journal, "c", "temporary"), auto_shutdown="all"
        ),
    )
    await finish(sup, "b")
    assert await running(sup) == ["a", "c"]
    await finish(sup, "c")
    assert not (await system.ended(sup)).abnormal


async def test_ac43_a_significant_child_that_is_restarted_has_not_ended(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(significant(journal, "a"), auto_shutdown="any"))
    await fail(sup, "a")
    assert await running(sup) == ["a"]


async def test_ac43_a_temporary_significant_child_that_fails_is_the_cause(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(significant(journal, "a", "temporary"), auto_shutdown="all"))
    await fail(sup, "a")
    reason = await system.ended(sup)
    assert reason.kind == "shutdown"
    assert isinstance(reason.root.error, Boom)


async def test_ac43_the_end_of_other_children_ends_nothing(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(
        S, ap.one_for_one(significant(journal, "a"), worker(journal, "b", restart="transient"), auto_shutdown="any")
    )
    await finish(sup, "b")
    assert await running(sup) == ["a"]


async def test_ac43_who_is_terminated_by_hand_ends_nothing(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_one(significant(journal, "a"), auto_shutdown="any"))
    await sup.ask(S.terminate_child, "a")
    await settle()
    assert sup.is_alive()


async def test_ac43_who_is_stopped_with_its_siblings_ends_nothing(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(
        S, ap.one_for_all(worker(journal, "a"), significant(journal, "b", "temporary"), auto_shutdown="any")
    )
    await fail(sup, "a")
    assert await running(sup) == ["a"]


async def test_ac43_a_dynamic_supervisor_ends_with_its_last_significant_child(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.dynamic(auto_shutdown="all"))
    await sup.ask(S.start_child, significant(journal, "a"))
    await sup.ask(S.start_child, significant(journal, "b", "temporary"))
    await finish(sup, "a")
    assert sup.is_alive()
    await finish(sup, "b")
    assert not sup.is_alive()


def test_ac43_a_permanent_child_cannot_be_significant(journal: Journal) -> None:
    with pytest.raises(ap.InvalidChild, match="permanent child never ends for good"):
        worker(journal, "a", significant=True)


def test_ac43_significant_children_need_an_auto_shutdown(journal: Journal) -> None:
    with pytest.raises(ap.InvalidChild, match="say auto_shutdown='any' or 'all'"):
        ap.one_for_one(significant(journal, "a"))


# -- ids


def test_ac44_two_children_of_one_id_are_refused_at_once(journal: Journal) -> None:
    with pytest.raises(ap.DuplicateChild, match=r"a child 'a' already.*another id="):
        ap.one_for_one(worker(journal, "a"), worker(journal, "b"), worker(journal, "a"))
    with pytest.raises(ap.DuplicateChild, match="a child 'Worker' already"):
        ap.rest_for_one(ap.child(Worker, journal, "a"), ap.child(Worker, journal, "b"))


@pytest.mark.parametrize("state", ["running", "stopped", "restarting"])
async def test_ac44_the_id_of_a_child_cannot_be_taken_whatever_it_does(
    system: ap.ActorSystem, journal: Journal, state: str
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), backoff=ap.Backoff(60.0, 60.0)))
    if state == "stopped":
        await sup.ask(S.terminate_child, "a")
    elif state == "restarting":
        await fail(sup, "a")
    assert await states(sup) == {"a": state}
    with pytest.raises(ap.DuplicateChild, match="'a'"):
        await sup.ask(S.start_child, worker(journal, "a"))
    assert await states(sup) == {"a": state}


async def test_ac44_a_dynamic_supervisor_numbers_children_without_an_id_and_refuses_a_taken_one(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.dynamic())
    spec = ap.child(Worker, journal, "x")
    one, two = [await sup.ask(S.start_child, spec) for _ in range(2)]
    assert one != two
    assert len(await states(sup)) == 2
    await sup.ask(S.start_child, worker(journal, "a"))
    with pytest.raises(ap.DuplicateChild):
        await sup.ask(S.start_child, worker(journal, "a"))


async def test_ac44_a_running_child_is_neither_deleted_nor_started_again(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a")))
    for message in (S.delete_child, S.restart_child):
        with pytest.raises(ap.ChildRunning, match="child 'a' is running: terminate it before"):
            await sup.ask(message, "a")
    assert journal.take() == ["start a"]


async def test_ac44_a_restarting_child_is_neither_deleted_nor_started_again(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), backoff=ap.Backoff(60.0, 60.0)))
    await fail(sup, "a")
    for message in (S.delete_child, S.restart_child):
        with pytest.raises(ap.ChildRunning, match="child 'a' is restarting"):
            await sup.ask(message, "a")
    assert await states(sup) == {"a": "restarting"}


async def test_ac44_a_stopped_child_is_deleted_or_started_again(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), worker(journal, "b")))
    await sup.ask(S.terminate_child, "a")
    await sup.ask(S.terminate_child, "a")  # again: nothing to do
    assert await states(sup) == {"a": "stopped", "b": "running"}
    ref = await sup.ask(S.restart_child, "a")
    assert ref == await find(sup, "a")
    await sup.ask(S.terminate_child, "b")
    await sup.ask(S.delete_child, "b")
    assert await states(sup) == {"a": "running"}
    await sup.ask(S.start_child, worker(journal, "b"))


async def test_ac44_a_terminated_child_does_not_come_back_by_itself(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), backoff=ap.Backoff(1.0, 1.0)))
    await fail(sup, "a")
    await sup.ask(S.terminate_child, "a")
    await asyncio.sleep(60.0)
    assert await states(sup) == {"a": "stopped"}


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_ac44_a_terminated_child_is_kept_unless_it_is_temporary(
    system: ap.ActorSystem, journal: Journal, restart: Any
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", restart=restart)))
    await sup.ask(S.terminate_child, "a")
    assert await states(sup) == ({} if restart == "temporary" else {"a": "stopped"})


async def test_ac44_a_restart_by_hand_that_fails_is_an_answer(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), intensity=0))
    await sup.ask(S.terminate_child, "a")
    journal.failing["a"] = 1
    with pytest.raises(ap.ChildStartFailed):
        await sup.ask(S.restart_child, "a")
    assert await states(sup) == {"a": "stopped"}
    await sup.ask(S.restart_child, "a")
    assert await states(sup) == {"a": "running"}


@pytest.mark.parametrize("message", [S.terminate_child, S.restart_child, S.delete_child])
async def test_ac44_an_unknown_child_is_an_answer_that_names_the_known_ones(
    system: ap.ActorSystem, journal: Journal, message: Any
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), worker(journal, "b")), name="sup")
    with pytest.raises(ap.UnknownChild, match="sup has no child 'x'; its children: a, b"):
        await sup.ask(message, "x")
    assert await running(sup) == ["a", "b"]


async def test_ac44_unexpected_messages_are_not_fatal(
    system: ap.ActorSystem, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    sup: ap.ActorRef[Any] = await system.spawn(S, ap.one_for_one(worker(journal, "a")))
    unhandled = system.events.subscribe(ap.Unhandled)
    with pytest.raises(ap.UnhandledMessage):
        sup.tell(Worker.note, 1)
    assert (await unhandled.receive()).message == "note"
    unhandled.close()
    nonsense: Any = "no spec"
    sup.tell(S.start_child, nonsense)
    sup.tell(S.terminate_child, "x")
    await settle()
    assert "no spec" in caplog.text
    assert "has no child 'x'" in caplog.text
    assert await running(sup) == ["a"]


async def test_ac44_children_are_told_by_id_state_kind_and_restarts(system: ap.ActorSystem, journal: Journal) -> None:
    async def process() -> None:
        await asyncio.sleep(1000)

    inner = ap.child(S, ap.one_for_one(), id="inner")
    sup = await system.spawn(
        S, ap.one_for_one(worker(journal, "a", restart="transient"), inner, ap.child(process, restart="temporary"))
    )
    await fail(sup, "a")
    infos = await sup.ask(S.which_children)
    assert [(info.id, info.state, info.restart, info.restarts, info.kind) for info in infos] == [
        ("a", "running", "transient", 1, "actor"),
        ("inner", "running", "permanent", 0, "supervisor"),
        ("process", "running", "temporary", 0, "process"),
    ]
    assert infos[0].ref == await find(sup, "a")
    assert isinstance(infos[2].ref, ap.Process | asyncio.Task)
    assert await sup.ask(S.count_children) == ap.ChildCounts(specs=3, active=3, supervisors=1, workers=2)
    assert await sup.ask(S.child, "x") is None
    assert await sup.ask(S.child, "process") is None  # it is no actor
