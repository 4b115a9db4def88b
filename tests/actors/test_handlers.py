"""Where handlers run: in the task and the context of their actor, inside the ask or not (AC-1)."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import anyio
import pytest

import actorpar as ap
from actorpar.actors import life
from actorpar.actors.asking import INLINE_DEPTH
from actorpar.actors.timed import cell_of
from tests.processes.running import settle

from .staff import CALLERS, DESKS, AsyncDesk, Busy, Desk, PlainDesk, fails, first_step, from_process, having

pytestmark = pytest.mark.virtual_time

colour: contextvars.ContextVar[str] = contextvars.ContextVar("colour", default="none")


# -- inside the ask


async def test_ac01_an_ask_of_an_idle_actor_runs_inside_the_asker_s_step(engine: str) -> None:
    async with ap.ActorSystem() as system:
        plain, fast = await system.spawn(PlainDesk), await system.spawn(AsyncDesk)
        assert first_step(plain.ask(Desk.note, 1)) == (True, 1)
        assert first_step(plain.within(1).ask(Desk.note, 2)) == (True, 2)
        if engine == "run queue":
            assert first_step(fast.ask(Desk.note, 1)) == (True, 1)
        assert system.counters.asked == (0 if engine == "run queue" else system.counters.asked)


@pytest.mark.parametrize("obstacle", ["a message waits", "busy", "suspended", "reentrant", "starting"])
async def test_ac01_an_ask_runs_inside_only_if_the_actor_is_idle(obstacle: str) -> None:
    asked_at_the_start: list[Any] = []

    class Starts(PlainDesk):
        def on_start(self) -> None:
            if obstacle == "starting":
                asked_at_the_start.append(asyncio.ensure_future(self.ctx.ref.ask(Desk.note, "early")))

    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(Starts, reentrant=obstacle == "reentrant"))
        cell = cell_of(ref)
        if obstacle == "starting":
            assert await asked_at_the_start[0] == "early"
            return
        if obstacle == "a message waits":
            ref.tell(Desk.note, 1)
        elif obstacle == "suspended":
            life.hold(cell, True)
        busy = Busy(ref)
        if obstacle == "busy":
            await busy.__aenter__()
        assert first_step(ref.ask(Desk.note, 2)) == (False, None)
        if obstacle == "suspended":
            life.hold(cell, False)
        await busy.__aexit__()
        assert await ref.ask(Desk.look) == ([1] if obstacle == "a message waits" else [])


async def test_ac01_asks_run_inside_one_another_sixteen_deep_and_no_deeper() -> None:
    depth = INLINE_DEPTH
    assert depth == 16
    reached: list[tuple[int, int]] = []

    async with ap.ActorSystem() as system:
        refs = [await system.spawn(AsyncDesk) for _ in range(3 * depth)]

        def visit(place: int) -> Any:
            async def work(actor: Desk) -> int:
                reached.append((place, system.dispatcher.depth))
                return place if place + 1 == len(refs) else await refs[place + 1].ask(Desk.run, visit(place + 1))

            return work

        assert await refs[0].ask(Desk.run, visit(0)) == 3 * depth - 1
        assert max(deep for _, deep in reached) <= depth
        assert system.dispatcher.depth == 0
        assert [place for place, _ in reached] == list(range(3 * depth))


async def test_ac01_a_failure_inside_leaves_the_depth_as_it_was(desk: type[Desk]) -> None:
    def fail(actor: Desk) -> None:
        raise ValueError("boom")

    async with ap.ActorSystem() as system:
        for _ in range(3 * INLINE_DEPTH):
            await fails(ap.HandlerFailed, (await system.spawn(desk)).ask(Desk.do, fail))
        assert system.dispatcher.depth == 0
        if desk is not DESKS[-1]:
            assert first_step((await system.spawn(PlainDesk)).ask(Desk.note, 1)) == (True, 1)


async def test_ac01_asks_that_run_inside_count_against_the_budget() -> None:
    """CH-17: one process asks in a loop, and another must run meanwhile."""
    between: list[int] = []

    class Progress:
        done = False
        turns = 0

    async def ask(ref: Any, progress: Progress) -> None:
        for number in range(2000):
            progress.turns = number
            await ref.ask(Desk.look)
        progress.done = True

    async def look(progress: Progress) -> None:
        last = 0
        while not progress.done:
            between.append(progress.turns - last)
            last = progress.turns
            await asyncio.sleep(0)

    async with ap.ActorSystem() as system:
        for desk in (PlainDesk, AsyncDesk):
            ref, progress = await system.spawn(desk), Progress()
            async with ap.ProcessGroup() as group:
                group.spawn(ask, ref, progress)
                group.spawn(look, progress)
            assert max(between) <= 2 * 128


async def test_ac01_a_process_that_asks_inside_can_be_cancelled() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk)

        async def ask_for_ever() -> None:
            while True:
                await ref.ask(Desk.look)

        process = await system.spawn(ask_for_ever)
        await settle()
        process.cancel()
        await fails(asyncio.CancelledError, process)


# -- the task


async def test_ac01_handlers_run_as_the_task_of_their_actor(desk: type[Desk], engine: str) -> None:
    async def who(actor: Desk) -> Any:
        before = asyncio.current_task()
        await asyncio.sleep(0)
        assert asyncio.current_task() is before
        return before

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk, name="worker")
        other = await system.spawn(desk, name="other")

        async def ask_other(actor: Desk) -> Any:
            mine = asyncio.current_task()
            theirs = await other.ask(Desk.run, who)
            assert asyncio.current_task() is mine
            return mine, theirs

        first = await ref.ask(Desk.run, who)
        assert first.get_name() == "worker"
        assert first is not asyncio.current_task()
        mine, theirs = await ref.ask(Desk.run, ask_other)
        assert (mine.get_name(), theirs.get_name()) == ("worker", "other")
        if engine == "run queue":
            assert mine is first, "the same over all messages"
        here = asyncio.current_task()
        await ref.ask(Desk.do, lambda actor: None)
        assert asyncio.current_task() is here


async def test_ac01_a_plain_handler_is_not_the_task_of_whoever_asked() -> None:
    seen: list[Any] = []

    def look(actor: Desk) -> None:
        seen.append(asyncio.current_task())

    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk)
        await ref.ask(Desk.do, look)
        ref.tell(Desk.do, look)
        await from_process(system, lambda: ref.ask(Desk.do, look))
        assert asyncio.current_task() not in seen
        assert seen == [None] * 3


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("way", ["timeout", "wait_for", "task group", "anyio"])
async def test_ac01_the_scopes_of_a_handler_never_touch_the_asker(desk: type[Desk], caller: Any, way: str) -> None:
    async def give_up(actor: Desk) -> str:
        forever = asyncio.get_running_loop().create_future()
        if way == "timeout":
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await forever
        elif way == "wait_for":
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(forever, 1)
        elif way == "anyio":
            with anyio.move_on_after(1) as scope:
                await forever
            assert scope.cancelled_caught
        else:
            with pytest.raises(ExceptionGroup):
                await group_that_fails(forever)
        await asyncio.sleep(0)
        return "gave up"

    async def fail() -> None:
        raise ValueError("boom")

    async def group_that_fails(forever: asyncio.Future[None]) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await forever

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)

        async def ask() -> list[Any]:
            answers = [await ref.ask(Desk.run, give_up)]
            await asyncio.sleep(0)
            ref.tell(Desk.note, 1)
            return [*answers, await ref.ask(Desk.run, give_up), await ref.ask(Desk.note, 1)]

        assert await caller(system, ask) == ["gave up", "gave up", 1]
        assert ref.is_alive()


async def test_ac01_a_timeout_around_an_ask_that_runs_inside_is_the_asker_s(desk: type[Desk]) -> None:
    async def hang(actor: Desk) -> None:
        try:
            await asyncio.sleep(3)
        except asyncio.CancelledError:
            actor.notes.append("cancelled")
            raise
        actor.notes.append("done")

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await ref.ask(Desk.run, hang)
        assert await ref.ask(Desk.look) == ["done"]


async def test_ac01_a_handler_that_cancels_its_own_task_touches_nobody_else(desk: type[Desk]) -> None:
    async def cancel_myself(actor: Desk) -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        task.uncancel()
        return "still here"

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        assert await ref.ask(Desk.run, cancel_myself) == "still here"
        assert await ref.ask(Desk.note, 1) == 1


async def test_ac01_a_cancellation_that_a_handler_left_behind_does_not_reach_the_next(desk: type[Desk]) -> None:
    async def cancel_and_return(actor: Desk) -> int:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        return 1

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        try:
            await ref.ask(Desk.run, cancel_and_return)
        except ap.HandlerFailed:  # a task that was cancelled is cancelled
            return
        assert await ref.ask(Desk.note, 1) == 1
        await asyncio.sleep(1)
        assert ref.is_alive()


async def test_ac01_a_cancellation_that_a_told_handler_left_behind_does_not_reach_the_next(
    desk: type[Desk], engine: str
) -> None:
    async def cancel_and_return(actor: Desk) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    async def sleep(actor: Desk) -> None:
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(1)
        actor.notes.append("slept")

    if engine == "plain tasks":
        pytest.skip("a task that was cancelled is cancelled")
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        ref.tell(Desk.note, 0)
        ref.tell(Desk.run, cancel_and_return)
        ref.tell(Desk.run, sleep)
        assert await ref.ask(Desk.look) == [0, "slept"]


async def test_ac01_an_actor_without_a_suspended_handler_is_no_task(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        before = asyncio.all_tasks()
        refs = [await system.spawn(desk) for _ in range(3)]
        for ref in refs:
            await ref.ask(Desk.note, 1)
        assert asyncio.all_tasks() == before
        async with Busy(refs[0]):
            assert [task.get_name() for task in asyncio.all_tasks() - before] == [refs[0].name]


async def test_ac01_tasks_made_by_a_handler_outlive_it(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)

        async def later() -> str:
            await asyncio.sleep(1)
            return "later"

        def start(actor: Desk) -> Any:
            return asyncio.ensure_future(later())

        assert await (await ref.ask(Desk.do, start)) == "later"


# -- the context


async def test_ac01_each_actor_has_variables_of_its_own(desk: type[Desk]) -> None:
    def paint(name: str) -> Any:
        def work(actor: Desk) -> str:
            before = colour.get()
            colour.set(name)
            return before

        return work

    colour.set("none")
    async with ap.ActorSystem() as system:
        red, blue = await system.spawn(desk), await system.spawn(desk)
        assert await red.ask(Desk.do, paint("red")) == "none"
        assert await blue.ask(Desk.do, paint("blue")) == "none"
        assert colour.get() == "none"
        for _ in range(3):
            red.tell(Desk.do, lambda actor: actor.notes.append(colour.get()))
            blue.tell(Desk.do, lambda actor: actor.notes.append(colour.get()))
        assert await red.ask(Desk.look) == ["red"] * 3
        assert await blue.ask(Desk.look) == ["blue"] * 3
        fresh = await system.spawn(desk)
        assert await fresh.ask(Desk.do, lambda _: colour.get()) == "none"
        red.tell(Desk.do, paint("dark red"))
        assert await red.ask(Desk.do, lambda _: colour.get()) == "dark red"


@pytest.mark.parametrize("other", DESKS, ids=lambda cls: cls.style)
async def test_ac01_variables_of_the_asker_do_not_leak_into_the_asked_or_back(
    desk: type[Desk], other: type[Desk]
) -> None:
    async with ap.ActorSystem() as system:
        asked = await system.spawn(other)

        def look_and_paint(actor: Desk) -> str:
            before = colour.get()
            colour.set("asked")
            return before

        async def ask(actor: Desk) -> list[str]:
            colour.set("asker")
            return [await asked.ask(Desk.do, look_and_paint), colour.get()]

        asker = await system.spawn(desk)
        colour.set("test")
        assert await asker.ask(Desk.run, ask) == ["none", "asker"]
        assert colour.get() == "test"
        assert await asked.ask(Desk.do, lambda _: colour.get()) == "asked"
        asked.tell(Desk.do, lambda _: colour.set("told"))
        assert await asked.ask(Desk.do, lambda _: colour.get()) == "told"
    colour.set("none")


async def test_ac01_the_hooks_see_the_variables_of_their_actor(desk: type[Desk]) -> None:
    seen: list[str] = []

    def on_start(self: Desk) -> None:
        colour.set("started")

    def on_stop(self: Desk, reason: ap.Reason) -> None:
        seen.append(colour.get())

    async with ap.ActorSystem() as system:
        for how in ("stop", "fail"):
            ref: Any = await system.spawn(having(desk, on_start=on_start, on_stop=on_stop))
            assert await ref.ask(Desk.do, lambda _: colour.get()) == "started"
            await ref.ask(Desk.do, lambda _: colour.set("painted") and None)
            if how == "fail":
                ref.tell(Desk.do, lambda _: 1 / 0)
                await system.ended(ref)
            else:
                await system.stop(ref)
        assert seen == ["painted"] * 2
        assert colour.get() == "none"


async def test_ac01_an_actor_that_is_only_told_and_reads_variables_keeps_no_context_of_its_own() -> None:
    async with ap.ActorSystem() as system:
        notes: list[Any] = []
        ref = await system.spawn(PlainDesk, notes)
        ref.tell(Desk.do, lambda actor: actor.notes.append(colour.get()))
        await settle()
        assert notes == ["none"]
        assert cell_of(ref).context is None


# -- blocking handlers


@pytest.mark.parametrize("told", [False, True])
async def test_ac01_a_blocking_handler_runs_in_a_thread_still_one_message_at_a_time(told: bool) -> None:
    import threading

    here = threading.get_ident()

    class Cruncher(ap.Actor):
        def __init__(self) -> None:
            self.notes: list[Any] = []
            self.inside = 0

        @ap.blocking
        def crunch(self, number: int) -> int:
            self.inside += 1
            assert self.inside == 1
            assert threading.get_ident() != here
            self.notes.append(number)
            self.inside -= 1
            return number * 2

        def look(self) -> list[Any]:
            assert self.inside == 0
            return self.notes

    async with ap.ActorSystem() as system:
        ref = await system.spawn(Cruncher)
        if told:
            for number in range(5):
                ref.tell(Cruncher.crunch, number)
            assert await ref.within(None).ask(Cruncher.look) == list(range(5))
        else:
            asks = [ref.within(None).ask(Cruncher.crunch, number) for number in range(5)]
            assert await asyncio.gather(*asks) == [0, 2, 4, 6, 8]


async def test_ac01_a_blocking_handler_that_raises_fails_its_actor() -> None:
    class Cruncher(ap.Actor):
        @ap.blocking
        def crunch(self) -> None:
            raise ValueError("boom")

    async with ap.ActorSystem() as system:
        ref = await system.spawn(Cruncher)
        failed = await fails(ap.HandlerFailed, ref.within(None).ask(Cruncher.crunch))
        assert isinstance(failed.__cause__, ValueError)
        assert (await system.ended(ref)).kind == "error"


async def test_ac01_the_loop_goes_on_and_a_kill_does_not_wait_for_the_thread() -> None:
    import threading

    go_on = threading.Event()
    began = threading.Event()

    class Cruncher(ap.Actor):
        @ap.blocking
        def crunch(self) -> None:
            began.set()
            go_on.wait(10)

    async with ap.ActorSystem() as system:
        ref = await system.spawn(Cruncher)
        other = await system.spawn(PlainDesk)
        asking = asyncio.ensure_future(fails(ap.ActorDead, ref.within(None).ask(Cruncher.crunch)))
        await asyncio.get_running_loop().run_in_executor(None, began.wait, 10)
        assert await other.ask(Desk.note, 1) == 1
        system.kill(ref)
        await asking
        assert await system.ended(ref) == ap.KILLED
        go_on.set()


async def test_ac01_a_turn_that_is_measured_runs_in_the_context_of_its_actor() -> None:
    """One turn in 64 is. An actor whose own context is empty starts children meanwhile."""

    class Parent(ap.Actor):
        async def bear(self) -> None:
            await self.ctx.spawn(Starting)

    class Starting(ap.Actor):
        def on_start(self) -> None:
            pass

    async def bear_many() -> int:
        async with ap.ActorSystem() as system:
            parent = await system.spawn(Parent)
            for _ in range(200):
                parent.tell(Parent.bear)
                await settle()
            return system.counters.spawned

    empty = contextvars.Context()
    assert await asyncio.create_task(bear_many(), context=empty) == 1 + 200
