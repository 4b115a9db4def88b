"""How children start (AC-34), and that the supervisor answers meanwhile (AC-40)."""

from __future__ import annotations

import asyncio

import pytest

import actorpar as ap

from .acting import Boom, Journal, S, Worker, find, running, settle, states, worker

pytestmark = pytest.mark.virtual_time


async def test_ac34_children_start_in_order_each_after_the_one_before(system: ap.ActorSystem, journal: Journal) -> None:
    journal.slow = {"a": 3.0, "b": 1.0}
    sup = await system.spawn(S, ap.one_for_one(*[worker(journal, label) for label in "abc"]))
    assert journal.take() == ["start a", "start b", "start c"]
    assert asyncio.get_running_loop().time() == pytest.approx(4.0)
    assert await running(sup) == ["a", "b", "c"]


@pytest.mark.parametrize("slow", [{}, {"c": 1.0}], ids=["at once", "after a while"])
async def test_ac34_a_child_that_cannot_start_stops_those_before_it_in_reverse_and_fails_the_supervisor(
    system: ap.ActorSystem, journal: Journal, slow: dict[str, float]
) -> None:
    journal.failing["c"] = 1
    journal.slow = slow
    with pytest.raises(ap.StartFailed) as failed:
        await system.spawn(S, ap.one_for_one(*[worker(journal, label) for label in "abcd"]), name="sup")
    assert journal.take() == ["start a", "start b", "failed c", "stop b", "stop a"]
    assert isinstance(failed.value.__cause__, ap.ChildStartFailed)
    assert isinstance(failed.value.__cause__.__cause__, Boom)
    assert "child 'c' of sup could not start: Boom('c')" in str(failed.value)
    assert system.find("sup", S) is None
    assert system.actors == ()


async def test_ac34_a_failed_start_waits_for_the_stop_of_the_others(system: ap.ActorSystem, journal: Journal) -> None:
    journal.failing["b"] = 1
    journal.stubborn["a"] = 3.0
    with pytest.raises(ap.StartFailed):
        await system.spawn(S, ap.one_for_one(worker(journal, "a"), worker(journal, "b")))
    assert journal.take() == ["start a", "failed b", "stop a"]


async def test_ac34_a_nested_supervisor_that_cannot_start_names_the_child_and_keeps_its_failure(
    system: ap.ActorSystem, journal: Journal
) -> None:
    journal.failing["b"] = 1
    inner = ap.child(S, ap.one_for_one(worker(journal, "b")), id="inner")
    with pytest.raises(ap.StartFailed) as failed:
        await system.spawn(S, ap.one_for_one(worker(journal, "a"), inner))
    chain: list[type] = []
    cause: BaseException | None = failed.value
    while cause is not None:
        chain.append(type(cause))
        cause = cause.__cause__
    assert chain == [ap.StartFailed, ap.ChildStartFailed, ap.ChildStartFailed, Boom]
    assert journal.take() == ["start a", "failed b", "stop a"]


async def test_ac34_a_start_that_is_cancelled_leaves_nothing_alive(system: ap.ActorSystem, journal: Journal) -> None:
    journal.slow["b"] = 60.0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await system.spawn(S, ap.one_for_one(worker(journal, "a", name="a"), worker(journal, "b", name="b")))
    await asyncio.sleep(1.0)
    assert system.actors == ()
    assert system.registry.names() == []


async def test_ac34_who_dies_before_its_siblings_have_started_is_restarted_when_they_have(
    system: ap.ActorSystem, journal: Journal
) -> None:
    journal.slow["b"] = 2.0
    spawning = asyncio.ensure_future(
        system.spawn(S, ap.one_for_one(worker(journal, "a", name="a"), worker(journal, "b")))
    )
    await asyncio.sleep(1.0)
    first = system.find("a", Worker)
    assert first is not None
    first.tell(Worker.fail)
    sup = await spawning
    await settle()
    assert journal.take() == ["start a", "stop a", "start b", "start a"]
    assert await running(sup) == ["a", "b"]


async def test_ac34_a_child_that_is_started_later_is_the_last(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a")))
    ref = await sup.ask(S.start_child, worker(journal, "b"))
    assert await ref.ask(Worker.note, 3) == 3
    assert await find(sup, "b") == ref
    assert list(await states(sup)) == ["a", "b"]
    await system.stop(sup)
    assert journal.take() == ["start a", "start b", "stop b", "stop a"]


async def test_ac34_a_later_child_that_cannot_start_is_an_answer_and_is_not_kept(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a")))
    journal.failing["b"] = 1
    with pytest.raises(ap.ChildStartFailed, match=r"child 'b' of .* Boom\('b'\)") as failed:
        await sup.ask(S.start_child, worker(journal, "b"))
    assert isinstance(failed.value.__cause__, Boom)
    assert await states(sup) == {"a": "running"}
    await sup.ask(S.start_child, worker(journal, "b"))
    assert await running(sup) == ["a", "b"]


async def test_ac40_questions_are_answered_while_a_child_starts(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a")))
    journal.slow["b"] = 3.0
    starting = asyncio.ensure_future(sup.ask(S.start_child, worker(journal, "b")))
    await asyncio.sleep(1.0)
    assert await states(sup) == {"a": "running", "b": "starting"}
    assert (await sup.ask(S.count_children)).specs == 2
    assert await sup.ask(S.child, "a") is not None
    assert asyncio.get_running_loop().time() == pytest.approx(1.0)
    await starting


async def test_ac40_changes_wait_for_their_turn_in_the_order_in_which_they_were_asked_for(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a")))
    journal.slow = {"b": 3.0, "c": 0.5}
    asked = sup.within(None)
    async with asyncio.TaskGroup() as group:
        group.create_task(asked.ask(S.start_child, worker(journal, "b")))
        group.create_task(asked.ask(S.start_child, worker(journal, "c")))
        group.create_task(asked.ask(S.terminate_child, "b"))
        group.create_task(asked.ask(S.start_child, worker(journal, "d")))
    assert journal.take() == ["start a", "start b", "start c", "stop b", "start d"]


async def test_ac40_a_stop_does_not_wait_for_a_child_that_is_starting(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a")))
    journal.slow["b"] = 1000.0
    starting = asyncio.ensure_future(sup.within(None).ask(S.start_child, worker(journal, "b")))
    waiting = asyncio.ensure_future(sup.within(None).ask(S.start_child, worker(journal, "c")))
    await asyncio.sleep(1.0)
    assert (await system.stop(sup)).kind == "shutdown"
    assert asyncio.get_running_loop().time() < 2.0
    assert journal.take() == ["start a", "stop a"]
    for asked in (starting, waiting):
        with pytest.raises(ap.ActorDead):
            await asked


async def test_ac40_an_asker_that_gives_up_stops_nothing(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_one())
    journal.slow["a"] = 3.0
    with pytest.raises(ap.AskTimeout):
        await sup.within(1.0).ask(S.start_child, worker(journal, "a"))
    await asyncio.sleep(3.0)
    assert await running(sup) == ["a"]


@pytest.mark.parametrize("stubborn", [False, True], ids=["yields", "swallows its cancellation"])
async def test_ac34_a_child_that_is_killed_in_its_start_has_not_started(
    system: ap.ActorSystem, journal: Journal, stubborn: bool
) -> None:
    class Slow(ap.Actor):
        async def on_start(self) -> None:
            try:
                await asyncio.sleep(60.0)
            except asyncio.CancelledError:
                if not stubborn:
                    raise

    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a")))
    starting = asyncio.ensure_future(sup.within(None).ask(S.start_child, ap.child(Slow, name="slow")))
    await asyncio.sleep(1.0)
    slow = system.find("slow", Slow)
    assert slow is not None
    system.kill(slow)
    with pytest.raises(ap.ChildStartFailed, match="killed"):
        await starting
    assert await states(sup) == {"a": "running"}
    assert system.find("slow", Slow) is None
