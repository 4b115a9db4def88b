"""How children stop (AC-35, AC-36), what cannot hang the supervisor (AC-42), what ends with it (AC-46, AC-48)."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

import actorpar as ap

from .acting import Journal, S, Worker, fail, find, running, settle, worker

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_ac35_children_stop_in_reverse_order_each_when_the_one_after_it_has(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(*[worker(journal, label) for label in "abc"]))
    journal.take()
    journal.stubborn = {"c": 2.0, "b": 1.0}
    assert (await system.stop(sup)).kind == "shutdown"
    assert journal.take() == ["stop c", "stop b", "stop a"]
    assert now() == pytest.approx(3.0)


async def test_ac35_a_restarted_child_keeps_its_place_in_the_order(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_one(*[worker(journal, label) for label in "abc"]))
    await fail(sup, "a")
    journal.take()
    await system.stop(sup)
    assert journal.take() == ["stop c", "stop b", "stop a"]


async def test_ac35_a_dynamic_supervisor_stops_all_at_once_within_one_timeout(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.dynamic())
    for label in "abcd":
        await sup.ask(S.start_child, worker(journal, label, shutdown=3.0))
    journal.take()
    journal.stubborn = {"a": 2.0, "b": math.inf, "c": 1.0, "d": math.inf}
    await system.stop(sup, timeout=None)
    assert journal.take() == ["stop c", "stop a"]
    assert now() == pytest.approx(3.0, abs=0.3)


async def test_ac35_in_a_dynamic_supervisor_each_child_has_its_own_time_all_counted_from_the_same_moment(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.dynamic())
    for label, shutdown in (("a", 4.0), ("b", 1.0), ("c", "kill"), ("d", None)):
        await sup.ask(S.start_child, worker(journal, label, shutdown=shutdown))
    watching = await system.spawn(Watcher)
    for label in "abcd":
        await watching.ask(Watcher.watch, await find(sup, label), label)
    journal.take()
    journal.stubborn = {"a": 3.0, "b": 2.0, "c": 2.0, "d": 60.0}
    await system.stop(sup, timeout=None)
    await settle()
    times = {label: round(time, 1) for label, time in (await watching.ask(Watcher.seen)).items()}
    assert journal.take() == ["stop a", "stop d"]
    assert times["c"] <= 0.3
    assert 1.0 <= times["b"] <= 1.3
    assert times["a"] == 3.0
    assert times["d"] == 60.0


class Watcher(ap.Actor):
    """Notes when others end."""

    def __init__(self) -> None:
        self.labels: dict[Any, str] = {}
        self.times: dict[str, float] = {}

    def watch(self, ref: ap.ActorRef[Any], label: str) -> None:
        self.labels[self.ctx.monitor(ref).ref] = label

    def on_down(self, down: ap.Down) -> None:
        self.times[self.labels[down.ref]] = now()

    def seen(self) -> dict[str, float]:
        return dict(self.times)


@pytest.mark.parametrize(("shutdown", "seconds"), [(2.0, 2.0), (0.5, 0.5), (0, 0.0)])
async def test_ac36_a_child_that_does_not_stop_in_its_time_is_killed(
    system: ap.ActorSystem, journal: Journal, shutdown: float, seconds: float
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", shutdown=shutdown)))
    ref = await find(sup, "a")
    journal.stubborn["a"] = math.inf
    await sup.within(None).ask(S.terminate_child, "a")
    assert (await system.ended(ref)).kind == "killed"
    assert seconds <= now() <= seconds + 0.3
    assert journal.take() == ["start a"]


async def test_ac36_a_worker_has_five_seconds_by_default(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), worker(journal, "b")))
    journal.stubborn = {"a": 4.9, "b": 5.1}
    await sup.within(None).ask(S.terminate_child, "a")
    await sup.within(None).ask(S.terminate_child, "b")
    assert journal.take() == ["start a", "start b", "stop a"]


async def test_ac36_a_child_with_shutdown_none_has_as_long_as_it_takes(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", shutdown=None)))
    journal.stubborn["a"] = 3600.0
    await sup.within(None).ask(S.terminate_child, "a")
    assert journal.take() == ["start a", "stop a"]
    assert now() == pytest.approx(3600.0)


async def test_ac36_a_supervisor_has_as_long_as_its_children_take_by_default(
    system: ap.ActorSystem, journal: Journal
) -> None:
    inner = ap.child(S, ap.one_for_one(*[worker(journal, label) for label in "abc"]), id="inner")
    sup = await system.spawn(S, ap.one_for_one(inner))
    journal.stubborn = dict.fromkeys("abc", 4.0)
    await system.stop(sup, timeout=None)
    assert journal.take()[3:] == ["stop c", "stop b", "stop a"]
    assert now() == pytest.approx(12.0)


async def test_ac36_a_supervisor_with_a_time_is_killed_with_its_children(
    system: ap.ActorSystem, journal: Journal
) -> None:
    inner = ap.child(S, ap.one_for_one(worker(journal, "a"), worker(journal, "b")), id="inner", shutdown=2.0)
    sup = await system.spawn(S, ap.one_for_one(inner))
    inside = await sup.ask(S.child, "inner")
    assert inside is not None
    a = await find(inside, "a")
    journal.stubborn = {"b": 60.0}
    await system.stop(sup, timeout=None)
    assert journal.take() == ["start a", "start b"]
    assert not a.is_alive()
    assert now() < 3.0


async def test_ac36_shutdown_kill_does_not_ask(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", shutdown="kill")))
    ref = await find(sup, "a")
    await system.stop(sup)
    assert journal.take() == ["start a"]
    assert (await system.ended(ref)).kind == "killed"


async def test_ac36_a_handler_in_hand_may_end_before_its_child_stops(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a")))
    ref = await find(sup, "a")
    ref.tell(Worker.work, 3.0)
    await settle()
    await system.stop(sup)
    assert now() == pytest.approx(3.0, abs=0.1)
    assert journal.take() == ["start a", "stop a"]


async def test_ac42_a_child_that_undoes_its_links_cannot_hang_the_supervisor(
    system: ap.ActorSystem, journal: Journal
) -> None:
    class Sly(ap.Actor):
        def __init__(self) -> None:
            assert self.ctx.parent is not None
            self.ctx.unlink(self.ctx.parent)

        async def on_stop(self, reason: ap.Reason) -> None:
            assert self.ctx.parent is not None
            self.ctx.unlink(self.ctx.parent)

        def fail(self) -> None:
            raise ValueError

    sup = await system.spawn(S, ap.one_for_one(ap.child(Sly, id="sly")))
    first = await sup.ask(S.child, "sly")
    assert first is not None
    first.tell(Sly.fail)
    await settle()
    second = await sup.ask(S.child, "sly")
    assert second is not None
    assert second != first
    await sup.ask(S.terminate_child, "sly")
    await system.stop(sup)
    assert not second.is_alive()


async def test_ac42_a_child_that_traps_exits_is_stopped_all_the_same(system: ap.ActorSystem) -> None:
    class Trapper(ap.Actor):
        def on_exit(self, exit: ap.Exit) -> None:
            raise AssertionError("the order to stop is no message")

    sup = await system.spawn(S, ap.one_for_one(ap.child(Trapper, id="a")))
    ref = await sup.ask(S.child, "a")
    assert ref is not None
    await system.stop(sup)
    assert (await system.ended(ref)).kind == "shutdown"


async def test_ac42_a_child_killed_while_it_is_stopped_is_not_waited_for(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", shutdown=None)))
    ref = await find(sup, "a")
    journal.stubborn["a"] = math.inf
    stopping = asyncio.ensure_future(sup.within(None).ask(S.terminate_child, "a"))
    await asyncio.sleep(1.0)
    system.kill(ref)
    await stopping
    assert now() < 1.5


async def test_ac46_a_parent_is_restarted_when_its_children_have_stopped(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a")))
    ref = await find(sup, "a")
    await ref.ask(Worker.start_helper, "helper")
    journal.stubborn["helper"] = 2.0
    journal.take()
    await fail(sup, "a")
    assert journal.take() == []
    await asyncio.sleep(3.0)
    assert journal.take() == ["stop helper", "stop a", "start a"]


async def test_ac46_after_a_kill_no_child_of_the_old_incarnation_meets_the_new_one(
    system: ap.ActorSystem, journal: Journal
) -> None:
    class Clinging(ap.Actor):
        """Swallows its cancellation for a while, and has a name."""

        async def work(self) -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await asyncio.sleep(0.1)
                journal.write("let go")

    class Parent(ap.Actor):
        async def on_start(self) -> None:
            child = await self.ctx.spawn(Clinging, name="the-only-one")
            child.tell(Clinging.work)
            journal.write("parent")

    sup = await system.spawn(S, ap.one_for_one(ap.child(Parent, id="a")))
    ref = await sup.ask(S.child, "a")
    assert ref is not None
    await settle()
    system.kill(ref)
    await asyncio.sleep(1.0)
    assert journal.take() == ["parent", "let go", "parent"]
    assert (await sup.ask(S.which_children))[0].restarts == 1


async def test_ac46_a_nested_supervisor_is_restarted_with_all_its_children(
    system: ap.ActorSystem, journal: Journal
) -> None:
    inner = ap.child(S, ap.one_for_one(worker(journal, "a"), worker(journal, "b"), intensity=0), id="inner")
    sup = await system.spawn(S, ap.one_for_one(inner))
    inside = await sup.ask(S.child, "inner")
    assert inside is not None
    journal.take()
    await fail(inside, "a")
    assert journal.take() == ["stop a", "stop b", "start a", "start b"]
    again = await sup.ask(S.child, "inner")
    assert again is not None
    assert again != inside
    assert await running(again) == ["a", "b"]


async def test_ac48_killing_a_supervisor_ends_its_children(system: ap.ActorSystem, journal: Journal) -> None:
    inner = ap.child(S, ap.one_for_one(worker(journal, "c")), id="inner")
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), inner))
    inside = await sup.ask(S.child, "inner")
    assert inside is not None
    refs = [await find(sup, "a"), inside, await find(inside, "c")]
    system.kill(sup)
    assert [ref.is_alive() for ref in refs] == [False, False, False]
    assert [(await system.ended(ref)).kind for ref in refs] == ["killed"] * 3
    assert [(await system.ended(ref)).root.kind for ref in refs] == ["killed"] * 3


async def test_ac48_killing_a_supervisor_kills_the_child_that_it_is_starting(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a")))
    journal.slow["b"] = 60.0
    starting = asyncio.ensure_future(sup.within(None).ask(S.start_child, worker(journal, "b", name="b")))
    await asyncio.sleep(1.0)
    system.kill(sup)
    with pytest.raises(ap.ActorDead):
        await starting
    await asyncio.sleep(0.5)
    assert system.find("b", Worker) is None
    assert journal.take() == ["start a"]


async def test_ac48_cancelling_the_task_of_a_supervisor_is_its_shutdown(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), worker(journal, "b")), name="sup")
    journal.slow["c"] = 60.0
    starting = asyncio.ensure_future(sup.within(None).ask(S.start_child, worker(journal, "c")))
    await asyncio.sleep(1.0)
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == "sup"]
    task.cancel()
    assert (await system.ended(sup)).kind == "shutdown"
    assert journal.take() == ["start a", "start b", "stop b", "stop a"]
    with pytest.raises(ap.ActorDead):
        await starting


async def test_ac48_a_cancellation_that_nobody_ordered_is_a_crash_of_the_child(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", name="a", restart="transient")))
    first = await find(sup, "a")
    first.tell(Worker.work, 60.0)
    await settle()
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == "a"]
    task.cancel()
    reason = await system.ended(first)
    assert reason.kind == "error"
    assert isinstance(reason.error, asyncio.CancelledError)
    await settle()
    assert await find(sup, "a") != first


async def test_ac49_a_validation_error_is_an_answer_and_restarts_nothing(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), intensity=0))
    ref = await find(sup, "a")
    for _ in range(3):
        with pytest.raises(ap.Reject, match="not like this"):
            await ref.ask(Worker.reject)
    assert await find(sup, "a") == ref
    assert journal.take() == ["start a"]


async def test_ac49_what_is_not_supervised_stops_when_it_crashes(system: ap.ActorSystem, journal: Journal) -> None:
    alone = await system.spawn(Worker, journal, "alone", name="alone")
    alone.tell(Worker.fail)
    await asyncio.sleep(1.0)
    assert system.find("alone", Worker) is None
    assert journal.take() == ["start alone", "stop alone"]
