"""The system: how it ends, whatever runs in it (AC-61), and who may use it from where."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import actorpar as ap
from actorpar.actors import life
from tests.processes.running import settle

from .staff import Desk, PlainDesk, fails, having, swallow

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def hang(actor: Desk) -> None:
    await asyncio.get_running_loop().create_future()


async def test_ac61_top_level_actors_stop_in_reverse_start_order(desk: type[Desk]) -> None:
    ended: list[str] = []
    cls = having(desk, on_stop=lambda self, reason: ended.append(f"{self.ctx.name} {reason}"))
    async with ap.ActorSystem() as system:
        for name in ("a", "b", "c"):
            await system.spawn(cls, name=name)
    assert ended == ["c shutdown", "b shutdown", "a shutdown"]
    assert system.killed == ()


async def test_ac61_messages_in_hand_are_finished_and_those_that_wait_are_dead_letters(desk: type[Desk]) -> None:
    notes: list[Any] = []

    async def work(actor: Desk) -> None:
        await asyncio.sleep(1)
        actor.notes.append("finished")

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk, notes)
        ref.tell(Desk.run, work)
        await settle()
        ref.tell(Desk.note, "waits")
    assert notes == ["finished"]
    assert system.counters.dead_letters == {"dead": 1}


@pytest.mark.parametrize("swallows", [False, True])
async def test_ac61_what_does_not_stop_in_time_is_killed_and_named(
    desk: type[Desk], swallows: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class Hangs(desk):  # type: ignore[valid-type,misc]
        async def on_stop(self, reason: ap.Reason) -> None:
            await hang(self)

    async with ap.ActorSystem("s", shutdown=3) as system:
        await system.spawn(desk, name="good")
        await system.spawn(Hangs, name="hangs in on_stop".replace(" ", "-"))
        busy = await system.spawn(desk, name="busy")
        busy.tell(Desk.run, (lambda _: swallow()) if swallows else hang)
        await settle()
    assert 3 <= now() <= 3 + life.KILL_GRACE
    assert system.killed == ("busy", "hangs-in-on_stop")
    assert "busy" in caplog.text


async def test_ac61_a_shutdown_of_no_time_kills_what_does_not_end_at_once(desk: type[Desk]) -> None:
    async with ap.ActorSystem(shutdown=0) as system:
        (await system.spawn(desk, name="busy")).tell(Desk.run, hang)
        await settle()
    assert system.killed == ("busy",)
    assert now() <= life.KILL_GRACE


async def test_ac61_an_exception_in_the_block_ends_everything_and_comes_out(desk: type[Desk]) -> None:
    stopped: list[Any] = []
    started: list[Any] = []

    async def block() -> None:
        async with ap.ActorSystem(shutdown=1) as system:
            started.append(await system.spawn(having(desk, on_stop=lambda self, reason: stopped.append(reason))))
            started.append(await system.spawn(hang, None))  # type: ignore[arg-type]
            await settle()
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        await block()
    assert stopped == [ap.SHUTDOWN]
    assert not started[0].is_alive()
    assert started[1].cancelled()


@pytest.mark.parametrize("when", ["in the block", "while it stops", "twice"])
async def test_ac61_a_cancelled_system_ends_everything_and_stays_cancelled(desk: type[Desk], when: str) -> None:
    refs: list[Any] = []

    class Hangs(desk):  # type: ignore[valid-type,misc]
        async def on_stop(self, reason: ap.Reason) -> None:
            await hang(self)

    async def run() -> None:
        async with ap.ActorSystem(shutdown=100) as system:
            refs.append(await system.spawn(desk if when == "in the block" else Hangs))
            if when == "in the block":
                await asyncio.get_running_loop().create_future()

    running = asyncio.ensure_future(run())
    await settle()
    running.cancel()
    if when == "twice":
        await settle()
        running.cancel()
    await fails(asyncio.CancelledError, running)
    assert not refs[0].is_alive()
    assert now() <= 1


async def test_ac61_a_process_that_fails_ends_the_system_with_its_failure(desk: type[Desk]) -> None:
    async def fail() -> None:
        raise ValueError("boom")

    refs: list[Any] = []

    async def block() -> None:
        async with ap.ActorSystem() as system:
            refs.append(await system.spawn(desk))
            await system.spawn(fail)
            await asyncio.get_running_loop().create_future()

    with pytest.raises(ValueError, match="boom"):
        await block()
    assert not refs[0].is_alive()


async def test_ac61_actors_work_until_the_processes_of_the_block_are_done(desk: type[Desk]) -> None:
    answers: list[Any] = []

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)

        async def work() -> None:
            for number in range(3):
                await asyncio.sleep(1)
                answers.append(await ref.ask(Desk.note, number))

        await system.spawn(work)
    assert answers == [0, 1, 2]


async def test_ac61_nothing_can_be_spawned_at_the_top_of_a_system_that_ends(desk: type[Desk]) -> None:
    errors: list[BaseException] = []

    async with ap.ActorSystem() as system:

        class Late(desk):  # type: ignore[valid-type,misc]
            async def on_stop(self, reason: ap.Reason) -> None:
                errors.append(await fails(ap.ActorError, system.spawn(desk)))

        await system.spawn(Late)
    assert len(errors) == 1
    await fails(ap.ActorError, system.spawn(desk))


async def test_ac61_a_child_spawned_in_on_stop_does_not_outlive_its_parent(desk: type[Desk]) -> None:
    children: list[Any] = []

    class Late(desk):  # type: ignore[valid-type,misc]
        async def on_stop(self, reason: ap.Reason) -> None:
            children.append(await self.ctx.spawn(desk))

    async with ap.ActorSystem() as system:
        ref: Any = await system.spawn(Late)
        await system.stop(ref)
        assert not children[0].is_alive()


async def test_ac61_after_the_block_references_lead_to_dead_letters_and_raise_nothing(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
    assert not ref.tell(Desk.note, 1)
    await fails(ap.ActorDead, ref.ask(Desk.note, 1))
    await fails(ap.ActorDead, ref.send(Desk.note, 1))
    assert await system.stop(ref) == ap.SHUTDOWN


async def test_ac61_a_system_runs_once() -> None:
    system = ap.ActorSystem("once")
    with pytest.raises(ap.ActorError, match="not running"):
        _ = system.counters
    async with system:
        pass
    with pytest.raises(ap.ActorError, match="once"):
        async with system:
            pass


async def test_ac61_two_systems_on_one_loop_do_not_disturb_each_other(desk: type[Desk]) -> None:
    async with ap.ActorSystem("a") as one:
        first = await one.spawn(desk)
        async with ap.ActorSystem("b") as other:
            second = await other.spawn(desk)

            async def cross(actor: Desk) -> Any:
                return await first.ask(Desk.note, "crossed")

            assert await second.ask(Desk.run, cross) == "crossed"
        assert not second.is_alive()
        assert await first.ask(Desk.look) == ["crossed"]


async def test_ac61_no_timer_task_or_future_is_left(desk: type[Desk]) -> None:
    before = asyncio.all_tasks()
    async with ap.ActorSystem() as system:
        refs = [await system.spawn(desk) for _ in range(5)]
        asking = [asyncio.ensure_future(ref.ask(Desk.run, hang)) for ref in refs]
        await settle()
        for ref in refs:
            system.kill(ref)
        await asyncio.gather(*asking, return_exceptions=True)
    await settle()
    assert asyncio.all_tasks() == before
    loop: Any = asyncio.get_running_loop()
    assert [handle for handle in loop._scheduled if not handle.cancelled()] == [] or now() < life.KILL_GRACE
    await asyncio.sleep(1)
    assert [handle for handle in loop._scheduled if not handle.cancelled()] == []


async def test_ac61_a_stop_of_oneself_inside_a_handler_is_no_deadlock(desk: type[Desk]) -> None:
    """It waits for itself until the time is over, and then it is killed; nobody else is held up."""

    async def stop_myself(actor: Desk) -> None:
        await actor.ctx.system.stop(actor.ctx.ref, timeout=1)

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        await fails(ap.ActorError, ref.within(None).ask(Desk.run, stop_myself))
        assert (await system.ended(ref)).kind in ("killed", "error", "shutdown")
        assert now() <= 1 + life.KILL_GRACE


# -- foreign threads


async def test_ac06_a_foreign_thread_is_told_to_use_a_thread_safe_reference(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref: Any = await system.spawn(desk)
        outcomes: list[BaseException] = []

        def use() -> None:
            for call in (
                lambda: ref.tell(Desk.note, 1),
                lambda: ref.ask(Desk.note, 1).send(None),
                lambda: ref.within(1).ask(Desk.note, 1).send(None),
                lambda: ref.send(Desk.note, 1).send(None),
                ref.threadsafe,
                lambda: asyncio.run(ask()),
                lambda: asyncio.run(spawn()),
            ):
                try:
                    call()
                except BaseException as error:
                    outcomes.append(error)
                else:
                    outcomes.append(AssertionError("accepted"))

        async def ask() -> None:
            await ref.ask(Desk.note, 1)

        async def spawn() -> None:
            await system.spawn(PlainDesk)

        await asyncio.get_running_loop().run_in_executor(None, use)
        assert [type(outcome) for outcome in outcomes] == [ap.WrongLoop] * 7
        assert "threadsafe" in str(outcomes[0])
        assert await ref.ask(Desk.look) == []
