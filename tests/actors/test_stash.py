"""Messages that an actor puts aside (AC-11)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import actorpar as ap
from actorpar.actors.timed import cell_of
from actorpar.channels import env
from tests.processes.running import settle

from .staff import CALLERS, DESKS, Desk, PlainDesk, Watcher, fails, having

pytestmark = pytest.mark.virtual_time


class Door(ap.Actor):
    """Handles nothing until it is opened."""

    style = "def"

    def __init__(self) -> None:
        self.is_open = False
        self.notes: list[Any] = []

    def handle(self, item: Any) -> Any:
        if not self.is_open:
            self.ctx.stash()
            return "this is no answer"
        self.notes.append(item)
        return item

    def unlock(self) -> None:
        self.is_open = True
        self.ctx.unstash_all()

    def replay(self) -> None:
        self.ctx.unstash_all()

    def look(self) -> list[Any]:
        return self.notes.copy()


class AsyncDoor(Door):
    style = "async"

    async def handle(self, item: Any) -> Any:
        return Door.handle(self, item)


class SlowDoor(Door):
    """Awaits after it has stashed, and around what it handles."""

    style = "suspends"

    async def handle(self, item: Any) -> Any:
        answer = Door.handle(self, item)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return answer


@pytest.fixture(params=[Door, AsyncDoor, SlowDoor], ids=lambda cls: cls.style)
def door(request: pytest.FixtureRequest) -> type[Door]:
    cls: type[Door] = request.param
    return cls


async def test_ac11_stashed_messages_are_replayed_in_their_order_before_newer_ones(door: type[Door]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(door)
        for number in range(5):
            ref.tell(Door.handle, number)
        await settle()
        ref.tell(Door.unlock)
        for number in range(5, 8):
            ref.tell(Door.handle, number)
        await settle()
        assert await ref.ask(Door.look) == list(range(8))


@pytest.mark.parametrize("caller", CALLERS)
async def test_ac11_asks_that_are_stashed_are_answered_when_they_are_replayed(door: type[Door], caller: Any) -> None:
    """The first finds the actor idle and is handled inside the ask; the others lie in the mailbox."""
    async with ap.ActorSystem() as system:
        ref = await system.spawn(door)
        asking = []
        for number in range(6):
            if number % 3 == 2:
                ref.tell(Door.handle, number)
            asking.append(
                asyncio.ensure_future(caller(system, lambda number=number: ref.within(None).ask(Door.handle, number)))
            )
            await settle()
        assert not any(each.done() for each in asking)
        await ref.ask(Door.unlock)
        assert await asyncio.gather(*asking) == list(range(6))
        assert await ref.ask(Door.look) == [0, 1, 2, 2, 3, 4, 5, 5]


async def test_ac11_a_message_may_be_stashed_again_when_it_is_replayed(door: type[Door]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(door)
        asking = [asyncio.ensure_future(ref.within(None).ask(Door.handle, number)) for number in range(3)]
        await settle()
        await ref.ask(Door.replay)
        await settle()
        assert not any(each.done() for each in asking)
        await ref.ask(Door.unlock)
        assert await asyncio.gather(*asking) == [0, 1, 2]


async def test_ac11_an_ask_whose_asker_gave_up_while_it_was_stashed_is_not_replayed(door: type[Door]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(door)
        asking = asyncio.ensure_future(ref.within(1).ask(Door.handle, 1))
        await settle()
        cancelled = asyncio.ensure_future(ref.ask(Door.handle, 2))
        await settle()
        cancelled.cancel()
        await fails(ap.AskTimeout, asking)
        await ref.ask(Door.unlock)
        await settle()
        assert await ref.ask(Door.look) == []


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_ac11_what_is_stashed_when_the_actor_ends_is_a_dead_letter_or_a_failed_ask(
    door: type[Door], how: str
) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(door)
        asking = [asyncio.ensure_future(fails(ap.ActorDead, ref.within(None).ask(Door.handle, n))) for n in range(2)]
        await settle()
        ref.tell(Door.handle, "told")
        await settle()
        if how == "stop":
            await system.stop(ref)
        else:
            system.kill(ref)
        await asyncio.gather(*asking)
        assert system.counters.dead_letters == {"dead": 1}


async def test_ac11_the_stash_is_bounded_and_says_so(door: type[Door]) -> None:
    class Small(door, stash=3):  # type: ignore[valid-type,misc,call-arg]
        def handle(self, item: Any) -> Any:
            try:
                self.ctx.stash()
            except ap.StashFull as full:
                self.notes.append((item, "3" in str(full)))

    async with ap.ActorSystem() as system:
        ref: Any = await system.spawn(Small)
        for number in range(5):
            ref.tell(Door.handle, number)
        await settle()
        assert await ref.ask(Door.look) == [(3, True), (4, True)]
    assert Door._stash == 1024


async def test_ac11_a_stash_that_is_full_and_not_caught_fails_the_actor(door: type[Door]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having_stash(door, 2))
        for number in range(3):
            ref.tell(Door.handle, number)
        assert isinstance((await system.ended(ref)).error, ap.StashFull)
        assert system.counters.dead_letters == {"dead": 2}


def having_stash(door: type[Door], stash: int) -> type[Door]:
    class Small(door, stash=stash):  # type: ignore[valid-type,misc,call-arg]
        pass

    return Small


async def test_ac11_a_message_is_stashed_once(desk: type[Desk]) -> None:
    """AC-3: twice would be handled twice."""

    def twice(actor: Desk) -> None:
        if "open" in actor.notes:
            actor.notes.append("handled")
            return
        actor.ctx.stash()
        with pytest.raises(ap.ActorError):
            actor.ctx.stash()

    async with ap.ActorSystem() as system:
        for asked in (True, False):
            ref = await system.spawn(having(PlainDesk if desk is DESKS[-1] else desk))
            asking = asyncio.ensure_future(ref.ask(Desk.do, twice)) if asked else None
            if asking is None:
                ref.tell(Desk.do, twice)
            await settle()
            await ref.ask(Desk.do, lambda actor: actor.notes.append("open") or actor.ctx.unstash_all())
            await settle()
            if asking is not None:
                await asking
            assert await ref.ask(Desk.look) == ["open", "handled"]


async def test_ac11_a_message_cannot_be_stashed_after_an_await(desk: type[Desk]) -> None:
    if env.plain_tasks:
        pytest.skip("a task does not tell where its coroutine stands: there it is taken all the same")

    async def late(actor: Desk) -> None:
        await asyncio.sleep(0)
        with pytest.raises(ap.ActorError):
            actor.ctx.stash()

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        await ref.ask(Desk.run, late)
        ref.tell(Desk.run, late)
        assert await ref.ask(Desk.note, 1) == 1


async def test_ac11_a_handler_stashes_its_own_message_or_none(desk: type[Desk]) -> None:
    """An ask of another that ran inside, before the stash: what is stashed must not be the other's message."""
    strange: list[str] = []

    async with ap.ActorSystem() as system:
        other = await system.spawn(PlainDesk)

        async def ask_and_stash(actor: Desk) -> str:
            if "open" in actor.notes:
                return "handled"
            await other.ask(Desk.do, lambda _: strange.append("once"))
            try:
                actor.ctx.stash()
            except ap.ActorError:
                return "refused"
            return "no answer"

        for asked in (True, False):
            strange.clear()
            ref = await system.spawn(desk)
            if not asked:
                ref.tell(Desk.note, 0)
            asking = asyncio.ensure_future(ref.within(None).ask(Desk.run, ask_and_stash))
            await settle()
            await ref.ask(Desk.do, lambda actor: actor.notes.append("open") or actor.ctx.unstash_all())
            assert await asking in ("handled", "refused")
            assert strange == ["once"]


@pytest.mark.parametrize("kind", ["after", "every"])
async def test_ac11_a_tick_that_is_stashed_is_handled_when_it_is_replayed(kind: str) -> None:
    class Ticks(Door):
        def start(self) -> None:
            getattr(self.ctx, kind)(1, self.handle, "tick", key="k")

        def end(self) -> None:
            self.ctx.cancel_timer("k")

    async with ap.ActorSystem() as system:
        ref = await system.spawn(Ticks)
        await ref.ask(Ticks.start)
        await asyncio.sleep(1.5)
        await ref.ask(Ticks.unlock)
        await settle()
        assert await ref.ask(Ticks.look) == ["tick"]
        await ref.ask(Ticks.end)


async def test_ac11_a_down_that_is_stashed_is_handled_when_it_is_replayed() -> None:
    class Later(Watcher):
        def on_down(self, down: ap.Down) -> None:
            if "open" not in self.notes:
                self.ctx.stash()
                return
            self.notes.append(down)

    async with ap.ActorSystem() as system:
        watcher, ref = await system.spawn(Later), await system.spawn(PlainDesk)
        await watcher.ask(Desk.do, lambda actor: actor.ctx.monitor(ref) and None)
        system.kill(ref)
        await settle()
        await watcher.ask(Desk.do, lambda actor: actor.notes.append("open") or actor.ctx.unstash_all())
        await settle()
        notes = await watcher.ask(Desk.look)
        assert [getattr(note, "ref", note) for note in notes] == ["open", ref]


async def test_ac11_a_reentrant_actor_answers_a_stashed_ask_once_and_rightly(desk: type[Desk]) -> None:
    gate = asyncio.Event()

    async def stash_and_wait(actor: Desk) -> str:
        if "open" in actor.notes:
            return "answer"
        actor.ctx.stash()
        await gate.wait()
        return "no answer"

    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, reentrant=True))
        asking = asyncio.ensure_future(ref.ask(Desk.run, stash_and_wait))
        await settle()
        await ref.ask(Desk.do, lambda actor: actor.notes.append("open") or actor.ctx.unstash_all())
        gate.set()
        assert await asking == "answer"


async def test_ac11_unstashing_nothing_does_nothing(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        await ref.ask(Desk.do, lambda actor: actor.ctx.unstash_all())
        assert await ref.ask(Desk.note, 1) == 1


async def test_ac11_unstashed_messages_count_in_the_mailbox_again() -> None:
    async with ap.ActorSystem() as system:
        gate = asyncio.Event()

        class Opens(Door, mailbox=4):
            async def unlock(self) -> None:  # type: ignore[override]
                Door.unlock(self)
                await gate.wait()

        ref = await system.spawn(Opens)
        for number in range(4):
            ref.tell(Door.handle, number)
        await settle()
        ref.tell(Door.unlock)
        await settle()
        assert len(cell_of(ref)) == 4
        assert not ref.tell(Door.handle, "too many")
        gate.set()
        await settle()
        assert await ref.ask(Door.look) == [0, 1, 2, 3]
