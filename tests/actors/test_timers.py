"""Timers: messages that an actor sends to itself later (AC-12)."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

import actorpar as ap
from tests.processes.running import settle

from .staff import Busy, Desk, having, refuses

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_ac12_a_timer_sends_its_message_once_and_in_time(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        await ref.ask(Desk.do, lambda actor: [actor.ctx.after(s, actor.note, s) for s in (3, 1, 2, 0)] and None)
        await settle()
        assert await ref.ask(Desk.look) == [0]
        for seconds in (1, 2, 3):
            await asyncio.sleep(1)
            assert (await ref.ask(Desk.look))[-1] == seconds
        await asyncio.sleep(10)
        assert await ref.ask(Desk.look) == [0, 1, 2, 3]


async def test_ac12_a_periodic_timer_keeps_its_grid_whatever_is_late(desk: type[Desk]) -> None:
    def tick(actor: Desk) -> None:
        actor.notes.append(round(now(), 6))

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        await ref.ask(Desk.do, lambda actor: actor.ctx.every(1, actor.do, tick) and None)
        await asyncio.sleep(3.5)
        assert await ref.ask(Desk.look) == [1, 2, 3]
        async with Busy(ref):
            await asyncio.sleep(3)
        assert await ref.ask(Desk.look) == [1, 2, 3, 6.5], "the ticks that it could not handle became one"
        await asyncio.sleep(1)
        assert (await ref.ask(Desk.look))[4:] == [7]
        asyncio.get_running_loop().advance(2.6)  # type: ignore[attr-defined]  # a loop that was blocked
        await settle()
        assert (await ref.ask(Desk.look))[5:] == [10.1]
        await asyncio.sleep(1)
        assert (await ref.ask(Desk.look))[6:] == [11]


@pytest.mark.parametrize("how", ["replaced", "cancelled by key", "cancelled", "every cancelled"])
async def test_ac12_a_timer_that_was_undone_delivers_no_late_tick(desk: type[Desk], how: str) -> None:
    """The tick lies in the mailbox already."""

    def set_timer(actor: Desk) -> Any:
        if how == "every cancelled":
            return actor.ctx.every(1, actor.note, "late", key="k")
        return actor.ctx.after(1, actor.note, "late", key="k")

    def undo(actor: Desk) -> None:
        if how == "replaced":
            actor.ctx.after(1, actor.note, "new", key="k")
        elif how == "cancelled by key":
            assert actor.ctx.cancel_timer("k")
            assert not actor.ctx.cancel_timer("k")
        else:
            timer.cancel()
            timer.cancel()

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        timer = await ref.ask(Desk.do, set_timer)
        async with Busy(ref):
            ref.tell(Desk.do, undo)
            await asyncio.sleep(1.5)
        await asyncio.sleep(5)
        assert await ref.ask(Desk.look) == (["new"] if how == "replaced" else [])


async def test_ac12_timers_of_different_keys_do_not_touch_each_other(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)

        def set_timers(actor: Desk) -> None:
            for seconds, key in enumerate(("a", "b", None, None), 1):
                actor.ctx.after(seconds, actor.note, key, key=key)
            actor.ctx.cancel_timer("a")

        await ref.ask(Desk.do, set_timers)
        await asyncio.sleep(5)
        assert await ref.ask(Desk.look) == ["b", None, None]


async def test_ac12_a_timer_may_be_cancelled_by_its_own_object_and_its_key_is_itself(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        timer: Any = await ref.ask(Desk.do, lambda actor: actor.ctx.after(1, actor.note, 1))
        assert timer.key is timer
        assert await ref.ask(Desk.do, lambda actor: actor.ctx.cancel_timer(timer))
        await asyncio.sleep(2)
        assert await ref.ask(Desk.look) == []


async def test_ac12_a_periodic_timer_may_cancel_itself(desk: type[Desk]) -> None:
    def tick(actor: Desk) -> None:
        actor.notes.append("tick")
        if len(actor.notes) == 2:
            actor.ctx.cancel_timer("k")

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        await ref.ask(Desk.do, lambda actor: actor.ctx.every(1, actor.do, tick, key="k") and None)
        await asyncio.sleep(10)
        assert await ref.ask(Desk.look) == ["tick", "tick"]


@pytest.mark.parametrize("how", ["stop", "kill", "fail", "hangs"])
async def test_ac12_all_timers_die_with_the_actor(desk: type[Desk], how: str) -> None:
    notes: list[Any] = []

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk, notes)
        await ref.ask(Desk.do, lambda a: len([a.ctx.every(1, a.note, "tick"), a.ctx.after(1, a.note, "once")]))
        if how == "hangs":
            async with Busy(ref):
                await asyncio.sleep(2)
                system.kill(ref)
                await system.ended(ref)
        elif how == "fail":
            ref.tell(Desk.do, lambda _: 1 / 0)
            await system.ended(ref)
        elif how == "kill":
            system.kill(ref)
        else:
            await system.stop(ref)
        await asyncio.sleep(5)
        assert notes == []
        assert system.counters.dead_letters == {}
        loop: Any = asyncio.get_running_loop()
        assert [handle for handle in loop._scheduled if not handle.cancelled() and "_fire" in repr(handle)] == []


async def test_ac12_a_timer_of_a_hook_works(desk: type[Desk]) -> None:
    def on_start(self: Desk) -> None:
        self.ctx.after(1, self.note, "started")

    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, on_start=on_start))
        await asyncio.sleep(2)
        assert await ref.ask(Desk.look) == ["started"]


async def test_ac12_a_timer_calls_what_is_no_message_too_and_overrides(desk: type[Desk]) -> None:
    class Private(desk):  # type: ignore[valid-type,misc]
        def _tick(self, item: Any) -> None:
            self.notes.append(item)

        def note(self, item: Any) -> Any:
            self.notes.append(("overridden", item))

    async with ap.ActorSystem() as system:
        ref: Any = await system.spawn(Private)
        await ref.ask(Desk.do, lambda a: len([a.ctx.after(1, a._tick, 1), a.ctx.after(2, a.note, 2)]))
        await asyncio.sleep(3)
        assert await ref.ask(Desk.look) == [1, ("overridden", 2)]


@pytest.mark.parametrize("seconds", [-1, math.nan, "1", None])
async def test_ac12_a_timer_without_a_sensible_time_is_refused(desk: type[Desk], seconds: Any) -> None:
    async with ap.ActorSystem() as system:
        ref: Any = await system.spawn(desk)
        other = desk()
        for call in ("after", "every"):
            await ref.ask(
                Desk.do,
                lambda a, call=call: refuses(ValueError, getattr(a.ctx, call), seconds, a.note, 1),
            )
        await ref.ask(Desk.do, lambda a: refuses(ValueError, a.ctx.every, 0, a.note, 1))
        for wrong in (print, Desk.note, other.note, None):
            await ref.ask(Desk.do, lambda a, wrong=wrong: refuses(ap.InvalidActor, a.ctx.after, 1, wrong, 1))


async def test_ac12_a_blocking_handler_may_be_timed() -> None:
    class Cruncher(ap.Actor):
        def __init__(self) -> None:
            self.done: list[int] = []

        def start(self) -> None:
            self.ctx.after(1, self.crunch, 3)

        @ap.blocking
        def crunch(self, number: int) -> None:
            self.done.append(number)

        def look(self) -> list[int]:
            return self.done

    async with ap.ActorSystem() as system:
        ref = await system.spawn(Cruncher)
        await ref.ask(Cruncher.start)
        await asyncio.sleep(1.5)
        assert await ref.within(None).ask(Cruncher.look) == [3]
