"""What is wrong with a child spec, a strategy or a supervisor is said at once, and nothing is left behind."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest

import actorpar as ap

from .acting import Boom, Journal, S, Worker, running, worker

pytestmark = pytest.mark.virtual_time

child: Any = ap.child
one_for_one: Any = ap.one_for_one


async def process(n: int) -> None:
    await asyncio.sleep(n)


@pytest.mark.parametrize("target", [3, None, "Room", int, Worker.note, process(1)], ids=repr)
def test_a_child_is_an_actor_class_or_a_function(target: Any) -> None:
    if target is Worker.note:
        child(target)  # a plain function passes here, and is refused when it returns no coroutine
        return
    with pytest.raises(ap.InvalidChild, match="an Actor class or an `async def` function"):
        child(target)
    if asyncio.iscoroutine(target):
        target.close()


async def test_a_function_that_is_not_async_is_refused_when_it_is_started(system: ap.ActorSystem) -> None:
    sup = await system.spawn(S, ap.dynamic())
    with pytest.raises(ap.ChildStartFailed, match=r"<lambda> at .* returned 3"):
        await sup.ask(S.start_child, child(lambda: 3, id="a"))
    assert await running(sup) == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"restart": "always"}, "restart is one of permanent, transient, temporary, not 'always'"),
        ({"shutdown": -1}, "shutdown is seconds from 0 on"),
        ({"shutdown": "soon"}, "shutdown is seconds from 0 on"),
        ({"shutdown": True}, "shutdown is seconds from 0 on"),
        ({"shutdown": float("nan")}, "shutdown is seconds from 0 on"),
        ({"id": ""}, "a string that is not empty"),
        ({"id": 3}, "a string that is not empty"),
        ({"significant": True}, "never ends for good"),
    ],
    ids=repr,
)
def test_a_wrong_option_of_a_child_is_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ap.InvalidChild, match=told):
        child(Worker, None, "a", **options)


def test_a_wrong_name_of_a_child_is_told_at_once() -> None:
    with pytest.raises(ap.InvalidName):
        child(Worker, None, "a", name="no name")


def test_a_process_has_no_mailbox_to_keep() -> None:
    with pytest.raises(ap.InvalidChild, match="no mailbox to keep"):
        child(process, 1, keep_mailbox=True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"intensity": -1}, "intensity is a number of restarts"),
        ({"intensity": 1.5}, "intensity is a number of restarts"),
        ({"intensity": True}, "intensity is a number of restarts"),
        ({"period": 0}, "period is a number of seconds above 0"),
        ({"period": "5"}, "period is a number of seconds above 0"),
        ({"backoff": 1.0}, r"backoff is ap.Backoff"),
        ({"auto_shutdown": "some"}, "auto_shutdown is one of never, any, all"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one", "dynamic"])
def test_a_wrong_option_of_a_strategy_is_told(strategy: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ap.InvalidChild, match=told):
        getattr(ap, strategy)(**options)


@pytest.mark.parametrize("given", [Worker, "a", None], ids=repr)
def test_a_strategy_takes_child_specs_only(given: Any) -> None:
    with pytest.raises(ap.InvalidChild, match=r"made by ap.child"):
        one_for_one(given)


@pytest.mark.parametrize(
    "values",
    [(0, 1), (-1, 1), (2, 1), (1, 2, -0.1), (1, 2, 1.1), (1, 2, 0.5, -1), (float("nan"), 1)],
    ids=repr,
)
def test_a_back_off_that_makes_no_delays_is_refused(values: Any) -> None:
    with pytest.raises(ap.InvalidChild):
        ap.Backoff(*values)


@pytest.mark.parametrize("given", [None, Worker, []], ids=repr)
async def test_a_supervisor_takes_a_strategy(system: ap.ActorSystem, given: Any) -> None:
    target: Any = S
    with pytest.raises(ap.StartFailed, match="takes a strategy") as failed:
        await system.spawn(target, given)
    assert isinstance(failed.value.__cause__, ap.InvalidChild)
    assert system.actors == ()


async def test_a_child_whose_name_is_taken_cannot_start(system: ap.ActorSystem, journal: Journal) -> None:
    await system.spawn(Worker, journal, "x", name="taken")
    sup = await system.spawn(S, ap.one_for_one())
    with pytest.raises(ap.ChildStartFailed, match="the name 'taken' belongs to") as failed:
        await sup.ask(S.start_child, worker(journal, "a", name="taken"))
    assert isinstance(failed.value.__cause__, ap.NameTaken)
    assert await sup.ask(S.which_children) == ()


async def test_wrong_arguments_of_a_child_are_a_failed_start(system: ap.ActorSystem) -> None:
    sup = await system.spawn(S, ap.one_for_one())
    for spec in (child(Worker, 1, 2, 3, 4, id="a"), child(process, 1, 2, id="a")):
        with pytest.raises(ap.ChildStartFailed, match="positional argument"):
            await sup.ask(S.start_child, spec)
    assert await sup.ask(S.which_children) == ()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), asyncio.CancelledError(), GeneratorExit()])
async def test_whatever_the_start_of_a_child_raises_is_a_failed_start(
    system: ap.ActorSystem, journal: Journal, error: BaseException
) -> None:
    class Bad(ap.Actor):
        def on_start(self) -> None:
            raise error

    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a")))
    with pytest.raises(ap.ChildStartFailed) as failed:
        await sup.ask(S.start_child, ap.child(Bad))
    assert type(failed.value.__cause__) is type(error)
    assert await running(sup) == ["a"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
async def test_an_interrupt_in_a_handler_is_a_failure_like_others(system: ap.ActorSystem, error: BaseException) -> None:
    class Bad(ap.Actor):
        def fail(self) -> None:
            raise error

    sup = await system.spawn(S, ap.one_for_one(ap.child(Bad, id="a")))
    ref: ap.ActorRef[Bad] | None = await sup.ask(S.child, "a")
    assert ref is not None
    with pytest.raises(ap.HandlerFailed):
        await ref.ask(Bad.fail)
    await asyncio.sleep(0.01)
    assert await running(sup) == ["a"]


async def test_an_error_whose_repr_raises_is_restarted_all_the_same(system: ap.ActorSystem) -> None:
    class Unspeakable(Exception):
        def __repr__(self) -> str:
            raise Boom

    class Bad(ap.Actor):
        starts = 0

        def on_start(self) -> None:
            Bad.starts += 1
            if Bad.starts in (2, 3):
                raise Unspeakable

        def fail(self) -> None:
            raise Unspeakable

    sup = await system.spawn(S, ap.one_for_one(ap.child(Bad, id="a"), intensity=5))
    ref: ap.ActorRef[Bad] | None = await sup.ask(S.child, "a")
    assert ref is not None
    ref.tell(Bad.fail)
    await asyncio.sleep(0.1)
    assert await running(sup) == ["a"]
    assert Bad.starts == 4


async def test_a_child_that_swallows_its_cancellation_is_killed_and_does_not_hold_up_the_rest(
    system: ap.ActorSystem, journal: Journal
) -> None:
    released = asyncio.Event()

    class Deaf(ap.Actor):
        async def work(self) -> None:
            while not released.is_set():
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    pass

    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), ap.child(Deaf, shutdown=1.0)))
    ref = await sup.ask(S.child, "Deaf")
    assert ref is not None
    ref.tell(Deaf.work)
    await asyncio.sleep(0.1)
    await system.stop(sup)
    assert (await system.ended(ref)).kind == "killed"
    released.set()  # or the plain task would resist the end of the loop too
    assert journal.take() == ["start a", "stop a"]
    assert asyncio.get_running_loop().time() < 2.0


async def test_keyword_arguments_of_a_process_come_by_partial(system: ap.ActorSystem, journal: Journal) -> None:
    async def tell(*, line: str) -> None:
        journal.write(line)

    sup = await system.spawn(S, ap.one_for_one(ap.child(functools.partial(tell, line="x"), restart="temporary")))
    await asyncio.sleep(0.1)
    assert journal.take() == ["x"]
    assert sup.is_alive()
