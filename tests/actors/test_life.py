"""How actors start and end: once, in order, and whatever their code does (AC-23 to AC-26)."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import actorpar as ap
from actorpar.actors import life
from actorpar.actors.timed import cell_of
from actorpar.channels import env
from tests.processes.running import settle

from .staff import DESKS, AsyncDesk, Busy, Desk, PlainDesk, SlowDesk, Trapper, Watcher, fails, having, swallow

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


def len_of_notes(actor: Desk) -> int:
    return len(actor.notes)


def use_ref(ref: Any) -> Callable[[Any], Any]:
    """Work that monitors the actor."""

    def work(actor: Desk) -> None:
        actor.ctx.monitor(ref)

    return work


def hook(style: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """A hook of one of the three styles that does `work`."""

    def plain(*args: Any) -> Any:
        work(*args)

    async def fast(*args: Any) -> Any:
        work(*args)

    async def slow(*args: Any) -> Any:
        await asyncio.sleep(0)
        work(*args)
        await asyncio.sleep(0)

    return {"def": plain, "async": fast, "suspends": slow}[style]


STYLES = ["def", "async", "suspends"]
style = pytest.mark.parametrize("style", STYLES)


# -- the start


@style
async def test_ac23_spawn_returns_after_the_start_hook_and_before_any_message(style: str) -> None:
    notes: list[Any] = []
    refs: list[Any] = []

    def start(actor: Desk) -> None:
        notes.append("started")
        assert actor.ctx.name == "early"

    class Early(PlainDesk):
        def __init__(self, notes: list[Any]) -> None:
            super().__init__(notes)
            refs.append(self.ctx.ref)
            self.ctx.ref.tell(Desk.note, "told by itself")

        on_start = hook(style, start)

    async with ap.ActorSystem() as system:
        events = system.events.subscribe(ap.Started)
        ref = await system.spawn(Early, notes, name="early")
        assert notes[0] == "started"
        assert refs == [ref]
        assert await ref.ask(Desk.look) == ["started", "told by itself"]
        assert events.receive_nowait().ref == ref
        assert system.counters.spawned == 1
        events.close()


@style
@pytest.mark.parametrize("where", ["__init__", "on_start"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, asyncio.CancelledError])
async def test_ac23_a_start_that_fails_raises_at_the_spawner_and_the_name_is_free_by_then(
    style: str, where: str, error: type[BaseException]
) -> None:
    stopped: list[Any] = []

    def fail(*_: Any) -> None:
        raise error("boom")

    if where == "__init__":
        cls = having(PlainDesk, __init__=fail, on_stop=lambda self, reason: stopped.append(reason))
    else:
        cls = having(PlainDesk, on_start=hook(style, fail), on_stop=lambda self, reason: stopped.append(reason))

    async with ap.ActorSystem() as system:
        events = system.events.subscribe(ap.Event)
        for _ in range(2):
            failed = await fails(ap.StartFailed, system.spawn(cls, name="taken"))
            assert type(failed.__cause__) is error
            assert "taken" in str(failed)
            assert system.find("taken", Desk) is None
        assert await system.spawn(PlainDesk, name="taken") == system.find("taken", Desk)
        assert stopped == [], "what never started is not stopped"
        assert system.counters.spawned == 1
        assert [type(event).__name__ for event in await events.receive_many(10)] == ["Started"]
        events.close()


async def test_ac23_the_wrong_arguments_of_a_class_are_told_to_the_spawner() -> None:
    async with ap.ActorSystem() as system:
        wrong: Any = PlainDesk
        failed = await fails(ap.StartFailed, system.spawn(wrong, 1, 2, 3, name="x"))
        assert isinstance(failed.__cause__, TypeError)
        assert system.find("x", Desk) is None


async def test_ac23_messages_sent_during_a_start_that_fails_become_dead_letters() -> None:
    class Early(PlainDesk):
        async def on_start(self) -> None:
            self.ctx.ref.tell(Desk.note, 1)
            await asyncio.sleep(1)
            raise ValueError("boom")

    async with ap.ActorSystem() as system:
        spawning = asyncio.ensure_future(fails(ap.StartFailed, system.spawn(Early, name="early")))
        await settle()
        early = system.find("early", Desk)
        assert early is not None
        asking = asyncio.ensure_future(fails(ap.ActorDead, early.within(None).ask(Desk.note, 2)))
        await spawning
        await asking
        assert system.counters.dead_letters == {"dead": 1}


@pytest.mark.parametrize("swallows", [False, True])
@pytest.mark.parametrize("who", ["kill", "spawner cancelled"])
async def test_ac23_an_actor_that_is_killed_while_it_starts_never_started(swallows: bool, who: str) -> None:
    class Slow(PlainDesk):
        async def on_start(self) -> None:
            await (swallow() if swallows else asyncio.get_running_loop().create_future())

    async with ap.ActorSystem() as system:
        spawning = asyncio.ensure_future(system.spawn(Slow, name="slow"))
        await settle()
        slow = system.find("slow", Desk)
        assert slow is not None
        if who == "kill":
            system.kill(slow)
            await fails(ap.StartFailed, spawning)
        else:
            spawning.cancel()
            await fails(asyncio.CancelledError, spawning)
        assert (await system.ended(slow)).kind == "killed"
        assert now() <= life.KILL_GRACE
        assert system.find("slow", Desk) is None
        assert system.counters.spawned == 0
        await system.spawn(PlainDesk, name="slow")


@style
@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_ac23_an_actor_that_ends_itself_in_its_start_never_started(style: str, how: str) -> None:
    stopped: list[Any] = []

    def end(actor: Desk) -> None:
        if how == "stop":
            actor.ctx.stop()
        else:
            actor.ctx.system.kill(actor.ctx.ref)

    cls = having(PlainDesk, on_start=hook(style, end), on_stop=lambda self, reason: stopped.append(reason))
    async with ap.ActorSystem() as system:
        await fails(ap.StartFailed, system.spawn(cls, name="short"))
        assert system.find("short", Desk) is None
        assert await system.spawn(PlainDesk, name="short")
        assert system.counters.spawned == 1


# -- the end


ENDS = ["stop", "ctx.stop", "fail told", "fail asked", "kill", "kills itself", "system", "link", "parent"]


@pytest.mark.parametrize("how", ENDS)
@style
async def test_ac24_on_stop_runs_exactly_once_on_every_end_except_kill(desk: type[Desk], style: str, how: str) -> None:
    stopped: list[Any] = []

    def stop(actor: Desk, reason: ap.Reason) -> None:
        assert actor.ctx.ref.is_alive()
        stopped.append(reason.kind)

    cls = having(desk, on_stop=hook(style, stop))

    def fail(actor: Desk) -> None:
        raise ValueError("boom")

    async with ap.ActorSystem() as system:
        parent = await system.spawn(PlainDesk)
        other = await system.spawn(PlainDesk)
        ref: Any = await parent.ask(Desk.run, lambda actor: actor.ctx.spawn(cls))
        if how == "stop":
            assert set(await asyncio.gather(system.stop(ref), system.stop(ref))) == {ap.SHUTDOWN}
        elif how == "ctx.stop":
            ref.tell(Desk.do, lambda actor: len([actor.ctx.stop(), actor.ctx.stop(ap.SHUTDOWN)]))
        elif how == "fail told":
            ref.tell(Desk.note, 1)
            ref.tell(Desk.do, fail)
            ref.tell(Desk.do, fail)
        elif how == "fail asked":
            await fails(ap.HandlerFailed, ref.ask(Desk.do, fail))
        elif how == "kill":
            system.kill(ref)
        elif how == "kills itself":
            ref.tell(Desk.do, lambda actor: actor.ctx.system.kill(actor.ctx.ref))
        elif how == "link":
            await ref.ask(Desk.do, lambda actor: actor.ctx.link(other))
            other.tell(Desk.do, fail)
        elif how == "parent":
            await system.stop(parent)
        if how != "system":
            reason = await system.ended(ref)
            life.stop(cell_of(ref))
            system.kill(ref)
            assert await system.stop(ref) == reason
    kinds = {
        "stop": "shutdown",
        "ctx.stop": "normal",
        "kill": None,
        "kills itself": None,
        "system": "shutdown",
        "parent": "shutdown",
    }
    kind = kinds.get(how, "error")
    assert stopped == ([] if kind is None else [kind])


@style
async def test_ac24_on_failure_runs_first_and_once_and_only_after_a_failure(desk: type[Desk], style: str) -> None:
    calls: list[Any] = []
    error = ValueError("boom")

    def fail(actor: Desk) -> None:
        raise error

    cls = having(
        desk,
        on_failure=hook(style, lambda actor, error: calls.append(error)),
        on_stop=hook(style, lambda actor, reason: calls.append(reason)),
    )
    async with ap.ActorSystem() as system:
        ref = await system.spawn(cls)
        ref.tell(Desk.do, fail)
        await system.ended(ref)
        assert calls == [error, ap.Reason("error", error=error)]
        calls.clear()
        await system.stop(await system.spawn(cls))
        assert calls == [ap.SHUTDOWN]


@style
@pytest.mark.parametrize("which", ["on_stop", "on_failure"])
async def test_ac24_a_hook_of_the_end_that_raises_is_logged_and_changes_nothing(
    desk: type[Desk], style: str, which: str, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[str] = []

    class NoRepr(Exception):
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

        __str__ = __repr__

    error = NoRepr()

    def fail(*_: Any) -> None:
        raise KeyError("in the hook")

    def boom(actor: Desk) -> None:
        raise error

    hooks: dict[str, Any] = {
        "on_failure": lambda actor, error: calls.append("on_failure"),
        "on_stop": lambda actor, reason: calls.append("on_stop"),
    }
    hooks[which] = hook(style, fail)
    async with ap.ActorSystem() as system:
        watcher = await system.spawn(Watcher)
        ref = await system.spawn(having(desk, **hooks), name="ends")
        await watcher.ask(Desk.do, lambda actor: actor.ctx.monitor(ref) and None)
        ref.tell(Desk.do, boom)
        assert (await system.ended(ref)).error is error
        assert [note.reason.error for note in await watcher.ask(Desk.look)] == [error]
        assert system.find("ends", Desk) is None
    assert calls == ["on_stop" if which == "on_failure" else "on_failure"]
    assert any(which in record.getMessage() and "ends" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("error", [asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit])
@style
async def test_ac24_whatever_on_stop_raises_the_actor_ends(style: str, error: type[BaseException]) -> None:
    def fail(*_: Any) -> None:
        raise error("boom")

    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(PlainDesk, on_stop=hook(style, fail)))
        assert await system.stop(ref) == ap.SHUTDOWN
        assert now() == 0


@pytest.mark.parametrize("swallows", [False, True])
async def test_ac24_an_on_stop_that_hangs_is_killed_in_time(swallows: bool) -> None:
    class Hangs(PlainDesk):
        async def on_stop(self, reason: ap.Reason) -> None:
            await (swallow() if swallows else asyncio.get_running_loop().create_future())

    async with ap.ActorSystem() as system:
        ref = await system.spawn(Hangs)
        assert (await system.stop(ref, timeout=2)).kind == "killed"
        assert 2 <= now() <= 2 + life.KILL_GRACE


@style
@pytest.mark.parametrize("which", ["on_stop", "on_failure"])
async def test_ac24_a_hook_of_the_end_may_kill_its_own_actor(style: str, which: str) -> None:
    def kill(actor: Desk, _: Any) -> None:
        actor.ctx.system.kill(actor.ctx.ref)

    async with ap.ActorSystem() as system:
        other = await system.spawn(PlainDesk)
        ref = await system.spawn(having(PlainDesk, **{which: hook(style, kill)}))
        ref.tell(Desk.do, lambda _: 1 / 0)
        await asyncio.wait_for(system.ended(ref), 1)
        await settle()
        assert await other.ask(Desk.note, 1) == 1


async def test_ac24_an_on_stop_may_still_use_everything(desk: type[Desk]) -> None:
    seen: list[Any] = []

    async with ap.ActorSystem() as system:
        other = await system.spawn(PlainDesk)

        class Tidy(desk):  # type: ignore[valid-type,misc]
            async def on_stop(self, reason: ap.Reason) -> None:
                seen.append(self.ctx.name)
                seen.append(self.ctx.system.find("tidy", Desk) == self.ctx.ref)
                seen.append(await other.ask(Desk.note, "asked"))
                await asyncio.sleep(1)
                seen.append(other.tell(Desk.note, "told"))

        ref: Any = await system.spawn(Tidy, name="tidy")
        await system.stop(ref)
        assert seen == ["tidy", True, "asked", True]
        assert await other.ask(Desk.look) == ["asked", "told"]


@pytest.mark.parametrize("how", ["stop", "fail"])
async def test_ac24_children_stop_in_reverse_order_before_their_parent_s_on_stop(desk: type[Desk], how: str) -> None:
    ended: list[str] = []

    def on_stop(self: Desk, reason: ap.Reason) -> None:
        ended.append(self.ctx.name)

    cls = having(desk, on_stop=hook("suspends", on_stop))

    async def grow(actor: Desk) -> None:
        for number in range(3):
            await actor.ctx.spawn(cls, name=f"child-{number}")

    async with ap.ActorSystem() as system:
        parent = await system.spawn(cls, name="parent")
        await parent.ask(Desk.run, grow)
        if how == "stop":
            await system.stop(parent)
        else:
            parent.tell(Desk.do, lambda _: 1 / 0)
            await system.ended(parent)
        assert ended == ["child-2", "child-1", "child-0", "parent"]


async def test_ac24_a_killed_parent_takes_its_children_and_grandchildren_with_it(desk: type[Desk]) -> None:
    refs: list[Any] = []
    stopped: list[Any] = []
    cls = having(desk, on_stop=lambda self, reason: stopped.append(reason))

    async def grow(actor: Desk) -> None:
        child = await actor.ctx.spawn(cls)
        refs.append(child)
        if len(refs) < 3:
            await child.ask(Desk.run, grow)

    async with ap.ActorSystem() as system:
        parent = await system.spawn(cls)
        await parent.ask(Desk.run, grow)
        async with Busy(refs[-1]):
            system.kill(parent)
            reasons = [await system.ended(ref) for ref in refs]
        assert [reason.kind for reason in reasons] == ["killed"] * 3
        assert all(reason.root == ap.KILLED for reason in reasons)
        assert stopped == []


async def test_ac24_a_child_that_does_not_stop_in_time_is_killed() -> None:
    class Hangs(PlainDesk):
        async def on_stop(self, reason: ap.Reason) -> None:
            await asyncio.get_running_loop().create_future()

    async with ap.ActorSystem() as system:
        parent = await system.spawn(PlainDesk)
        child: Any = await parent.ask(Desk.run, lambda actor: actor.ctx.spawn(Hangs))
        assert (await system.stop(parent, timeout=None)) == ap.SHUTDOWN
        assert (await system.ended(child)).kind == "killed"
        assert now() == pytest.approx(life.CHILD_SHUTDOWN)


async def test_ac24_processes_of_an_actor_are_cancelled_and_done_before_its_on_stop(desk: type[Desk]) -> None:
    seen: list[str] = []

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            seen.append("process")

    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, on_stop=lambda self, reason: seen.append("on_stop")))
        await ref.ask(Desk.run, lambda actor: actor.ctx.spawn(work))
        await settle()
        await system.stop(ref)
        assert seen == ["process", "on_stop"]


# -- kill


@pytest.mark.parametrize("reentrant", [False, True])
async def test_ac24_a_kill_cancels_the_handler_in_hand_and_lets_it_unwind(desk: type[Desk], reentrant: bool) -> None:
    seen: list[str] = []

    async def work(actor: Desk) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)
            seen.append("cancelled")
            raise

    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, reentrant=reentrant))
        for _ in range(2 if reentrant else 1):
            ref.tell(Desk.run, work)
        await settle()
        system.kill(ref)
        assert await system.ended(ref) == ap.KILLED
        assert now() == pytest.approx(0.1)
        assert seen == ["cancelled"] * (2 if reentrant else 1)


@pytest.mark.parametrize("how", ["kill", "stop", "system", "link"])
@pytest.mark.parametrize("reentrant", [False, True])
async def test_ac24_a_handler_that_swallows_cancellation_is_ended_all_the_same(
    how: str, reentrant: bool, desk: type[Desk]
) -> None:
    async with ap.ActorSystem(shutdown=2) as system:
        watcher = await system.spawn(Watcher)
        ref = await system.spawn(having(desk, reentrant=reentrant), name="stubborn")
        await watcher.ask(Desk.do, lambda actor: actor.ctx.monitor(ref) and None)
        ref.tell(Desk.run, lambda _: swallow())
        await settle()
        if how == "kill":
            system.kill(ref)
        elif how == "stop":
            await system.stop(ref, timeout=1)
        elif how == "link":
            other = await system.spawn(PlainDesk)
            await other.ask(Desk.do, lambda actor: actor.ctx.link(ref))
            system.kill(other)
            await settle()
            assert (await system.stop(ref, timeout=1)).kind == "killed"
        if how != "system":
            assert (await system.ended(ref)).kind == "killed"
            assert now() <= 1 + life.KILL_GRACE
            assert [note.reason.kind for note in await watcher.ask(Desk.look)] == ["killed"]
            assert system.find("stubborn", Desk) is None
    assert now() <= 2 + life.KILL_GRACE
    assert system.killed == (("stubborn",) if how == "system" else ())


@pytest.mark.parametrize("reentrant", [False, True])
async def test_ac24_an_actor_that_kills_itself_and_goes_on_is_ended_all_the_same(
    reentrant: bool, desk: type[Desk]
) -> None:
    async def go_on(actor: Desk) -> None:
        actor.ctx.system.kill(actor.ctx.ref)
        await swallow()

    async def go_on_later(actor: Desk) -> None:
        await asyncio.sleep(0)
        await go_on(actor)

    async with ap.ActorSystem() as system:
        for work in (go_on, go_on_later):
            for asked in (False, True):
                ref = await system.spawn(having(desk, reentrant=reentrant))
                start = now()
                if asked:
                    await fails(ap.ActorDead, ref.within(None).ask(Desk.run, work))
                else:
                    ref.tell(Desk.run, work)
                assert await asyncio.wait_for(system.ended(ref), 1) == ap.KILLED
                assert now() - start <= life.KILL_GRACE


async def test_ac24_an_actor_that_kills_itself_in_a_plain_handler_is_dead_when_it_returns(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        ref.tell(Desk.do, lambda actor: actor.ctx.system.kill(actor.ctx.ref))
        ref.tell(Desk.note, 1)
        assert await system.ended(ref) == ap.KILLED
        assert system.counters.dead_letters == {"dead": 1}


async def test_ac24_nothing_of_a_dead_actor_runs_any_more(desk: type[Desk], engine: str) -> None:
    """A handler that swallowed its cancellation is closed; as a plain task it cannot be, but it spawns nothing."""
    ran: list[str] = []

    async def work(actor: Desk) -> None:
        ctx = actor.ctx
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            pass
        await asyncio.sleep(1)
        ran.append("after the end")
        await ctx.spawn(PlainDesk)

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        ref.tell(Desk.run, work)
        await settle()
        system.kill(ref)
        await system.ended(ref)
        await asyncio.sleep(5)
        assert ran == ([] if engine == "run queue" else ["after the end"])
        assert system.counters.spawned == 1


# -- stopping a reentrant actor


async def test_ac24_a_stop_waits_for_the_handlers_of_a_reentrant_actor(desk: type[Desk]) -> None:
    gate = asyncio.Event()

    async def wait(actor: Desk) -> str:
        await gate.wait()
        return "done"

    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, reentrant=True))
        asking = [asyncio.ensure_future(ref.ask(Desk.run, wait)) for _ in range(2)]
        await settle()
        stopping = asyncio.ensure_future(system.stop(ref))
        await settle()
        assert ref.is_alive()
        gate.set()
        assert [await each for each in asking] == ["done"] * 2
        assert await stopping == ap.SHUTDOWN


async def test_ac24_a_failure_in_a_reentrant_actor_cancels_its_other_handlers(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, reentrant=True))
        forever = asyncio.get_running_loop().create_future()

        async def wait(actor: Desk) -> None:
            await asyncio.shield(forever)

        asking = asyncio.ensure_future(fails(ap.ActorError, ref.within(None).ask(Desk.run, wait)))
        await settle()
        ref.tell(Desk.do, lambda _: 1 / 0)
        assert isinstance((await system.ended(ref)).error, ZeroDivisionError)
        await asking
        forever.cancel()


# -- what is released before others learn it


async def test_ac25_names_groups_timers_and_ends_are_released_before_anybody_is_told() -> None:
    seen: list[Any] = []
    tx, rx = ap.open_channel[int](4)

    async with ap.ActorSystem() as system:

        class Looks(Watcher):
            def on_down(self, down: ap.Down) -> None:
                self.look_around()

            def on_exit(self, exit: ap.Exit) -> None:
                self.look_around()

            def look_around(self) -> None:
                seen.append((system.find("owner", Desk), system.groups.members("staff"), tx.closed))
                with pytest.raises(ap.ChannelBroken):
                    tx.send_nowait(1)

        class Owner(PlainDesk):
            def __init__(self, rx: ap.Receiver[int]) -> None:
                super().__init__()
                self.rx = rx

        watcher = await system.spawn(Looks)
        owner = await system.spawn(Owner, rx, name="owner")
        await owner.ask(Desk.do, lambda a: len([a.ctx.join("staff"), a.ctx.every(1, a.note, "tick")]))
        await watcher.ask(Desk.do, lambda a: len([a.ctx.monitor(owner), a.ctx.link(owner)]))
        system.events.subscribe(ap.Ended).close()
        await system.stop(owner)
        await settle()
        assert seen == [(None, (), False)] * 2
        tx.close()


@pytest.mark.parametrize("how", ["stop", "fail", "kill", "never started"])
async def test_ac25_ends_among_the_arguments_move_to_the_actor_and_end_with_it(how: str) -> None:
    class Owner(PlainDesk):
        def __init__(self, tx: ap.Sender[int], rx: ap.Receiver[int]) -> None:
            super().__init__()
            if how == "never started":
                raise ValueError("boom")
            self.tx, self.rx = tx, rx

    out_tx, out_rx = ap.open_channel[int](4)
    in_tx, in_rx = ap.open_channel[int](4)
    async with ap.ActorSystem() as system:
        if how == "never started":
            await fails(ap.StartFailed, system.spawn(Owner, out_tx, in_rx))
            for end in (out_tx, out_rx, in_tx, in_rx):
                end.close()
            return
        ref = await system.spawn(Owner, out_tx, in_rx)
        with pytest.raises(ap.EndMoved):
            out_tx.send_nowait(1)
        if how == "stop":
            await system.stop(ref)
        elif how == "fail":
            ref.tell(Desk.do, lambda _: 1 / 0)
            await system.ended(ref)
        else:
            system.kill(ref)
        await fails(ap.EndOfChannel if how == "stop" else ap.ChannelBroken, out_rx.receive())
        await fails(ap.ChannelBroken, in_tx.send(1))
    for end in (out_rx, in_tx):
        end.close()


# -- reasons


async def test_ac26_reasons_tell_how_an_actor_ended() -> None:
    error = ValueError("boom")

    def boom(_: Desk) -> None:
        raise error

    async with ap.ActorSystem() as system:
        refs = [await system.spawn(PlainDesk) for _ in range(5)]
        refs[0].tell(Desk.do, lambda actor: actor.ctx.stop())
        await system.stop(refs[1])
        await system.stop(refs[2], reason=ap.Reason("shutdown", "for the night"))
        system.kill(refs[3])
        refs[4].tell(Desk.do, boom)
        reasons = [await system.ended(ref) for ref in refs]
        assert reasons == [
            ap.NORMAL,
            ap.SHUTDOWN,
            ap.Reason("shutdown", "for the night"),
            ap.KILLED,
            ap.Reason("error", error=error),
        ]
        assert [reason.abnormal for reason in reasons] == [False, False, False, True, True]
        assert [str(reason) for reason in reasons] == [
            "normal",
            "shutdown",
            "shutdown(for the night)",
            "killed",
            "error(ValueError('boom'))",
        ]
        assert ap.Reason("error", error=error, cause=ap.Reason("killed", cause=ap.NOPROC)).root == ap.NOPROC


async def test_ac26_crashes_are_reported_and_ordered_ends_are_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING")
    async with ap.ActorSystem() as system:
        events = system.events.subscribe(ap.Ended)
        for how in ("normal", "shutdown", "detail", "error"):
            ref = await system.spawn(PlainDesk, name=how)
            if how == "normal":
                ref.tell(Desk.do, lambda actor: actor.ctx.stop())
            elif how == "error":
                ref.tell(Desk.do, lambda actor: 1 / 0)
            else:
                await system.stop(ref, reason=ap.Reason("shutdown", "x") if how == "detail" else ap.SHUTDOWN)
            await system.ended(ref)
        assert [event.name for event in await events.receive_many(9)] == ["normal", "shutdown", "detail", "error"]
        events.close()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "error" in caplog.text
    assert "ZeroDivisionError" in caplog.text


# -- memory


@pytest.mark.parametrize("how", ["stop", "ctx.stop", "kill", "kill in hand"])
@pytest.mark.parametrize(
    "used",
    ["told", "asked", "timer", "monitor", "link", "child", "deferred", "stash", "full", "named", "feed", "thread"],
)
async def test_ac25_a_dead_actor_frees_its_memory_without_the_cycle_collector(
    desk: type[Desk], how: str, used: str
) -> None:
    if used == "feed" and env.plain_tasks:
        pytest.skip("an asyncio task keeps the frames of its own cancellation")

    def use(system: ap.ActorSystem, other: Any) -> Any:
        async def work(actor: Desk) -> None:
            if used == "timer":
                actor.ctx.every(1, actor.note, 1)
                actor.ctx.after(5, actor.note, 1)
            elif used == "monitor":
                actor.ctx.monitor(other)
            elif used == "link":
                actor.ctx.link(other)
            elif used == "child":
                await actor.ctx.spawn(desk)
            elif used == "named":
                actor.ctx.join("staff")

        return work

    async with ap.ActorSystem() as system:
        other = await system.spawn(Trapper)
        await other.ask(Desk.note, 1)
        tx, rx = ap.open_channel[int](1)
        ref: Any = await system.spawn(having(desk, mailbox=2), name="named" if used == "named" else None)
        await other.ask(Desk.do, use_ref(ref) if used == "monitor" else len_of_notes)
        ref.tell(Desk.note, 1)
        await ref.ask(Desk.run, use(system, other))
        kept: list[Any] = []
        asking: Any = None
        if used == "deferred":
            asking = asyncio.ensure_future(
                fails(ap.ActorDead, ref.ask(Desk.do, lambda actor: kept.append(actor.ctx.defer())))
            )
            await settle()
        elif used == "stash":
            ref.tell(Desk.do, lambda actor: None)
        elif used == "feed":
            await ref.ask(Desk.do, lambda actor: actor.ctx.feed(rx, actor.note) and None)
        elif used == "thread":
            with ref.threadsafe() as thread:
                thread.send(Desk.note, 1)
                await settle()
                del thread
        if used == "full":
            async with Busy(ref):
                while ref.tell(Desk.note, 1):
                    pass
                sending = asyncio.ensure_future(ref.send(Desk.note, 1))
                await settle()
            await sending
            del sending
        await settle()
        cell = weakref.ref(cell_of(ref))
        actor = weakref.ref(cell_of(ref).actor)
        gc.disable()
        try:
            if how == "stop":
                await system.stop(ref)
            elif how == "ctx.stop":
                ref.tell(Desk.do, lambda actor: actor.ctx.stop())
                await system.ended(ref)
            elif how == "kill":
                system.kill(ref)
            else:
                async with Busy(ref):
                    system.kill(ref)
                    await system.ended(ref)
            if used == "deferred":
                error: Any = await asking
                error.__traceback__ = None  # it and the frame that caught it keep each other, and all its frames, alive
                del asking, error
                kept.clear()
            for _ in range(2):  # others have work meanwhile
                other.tell(Desk.do, lambda actor: actor.notes.clear())
                await other.ask(Desk.look)
            del ref
            await asyncio.sleep(10)
            assert actor() is None
            assert cell() is None
        finally:
            gc.enable()
            tx.close()
            rx.close() if used != "feed" else None


@pytest.mark.parametrize("asked", [False, True])
async def test_ac25_a_message_that_was_handled_is_not_kept(desk: type[Desk], asked: bool) -> None:
    class Large:
        pass

    async with ap.ActorSystem() as system:
        ref: Any = await system.spawn(desk)
        item = Large()
        known: Any = weakref.ref(item)
        gc.disable()
        try:
            if asked:
                assert await ref.ask(Desk.do, lambda _, item=item: type(item)) is Large
            else:
                ref.tell(Desk.do, lambda _, item=item: type(item))
                await settle()
            del item
            assert known() is None
        finally:
            gc.enable()


async def test_ac25_many_short_lived_actors_leave_nothing_behind(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        for _ in range(50):
            ref = await system.spawn(desk)
            await ref.ask(Desk.note, 1)
            await system.stop(ref)
        assert system.actors == ()
        assert system.counters.spawned == system.counters.ended == 50
        assert desk in DESKS
        assert {AsyncDesk, PlainDesk, SlowDesk} == set(DESKS)
