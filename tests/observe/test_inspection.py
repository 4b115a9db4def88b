"""Any actor can be looked at, suspended, resumed and traced without its help (AC-62)."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import actorpar as ap
from tests.actors.staff import Busy, Desk, PlainDesk, SlowDesk, Trapper, Watcher, fails, having
from tests.processes.running import settle

pytestmark = pytest.mark.virtual_time


class Nap(ap.Actor):
    """Sleeps when it is told to."""

    async def sleep(self, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    def greet(self, name: object, *, loudly: bool = False) -> str:
        return f"hello {name}"

    def hear(self, name: object) -> None:
        pass


# -- looking


async def test_ac62_an_idle_actor_is_looked_at_without_being_sent_anything() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk, name="desk")
        await ref.ask(Desk.note, 1)
        info = system.inspect(ref)
        assert (info.name, info.kind, info.state, info.reason) == ("desk", "PlainDesk", "idle", None)
        assert (info.mailbox, info.capacity, info.handled, info.in_hand) == (0, 65_536, 1, ())
        assert (info.names, info.parent, info.restarts, info.suspended, info.traced) == (
            ("desk",),
            None,
            None,
            False,
            False,
        )
        assert system.inspect(ref.within(1)) == info
        assert system.counters.handled + system.counters.inlined == 1


async def test_ac62_the_message_in_hand_is_told_with_its_place_and_how_long_its_asker_has_waited() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(Nap)
        asking = asyncio.ensure_future(ref.ask(Nap.sleep, 3.0))
        await asyncio.sleep(2.0)
        info = system.inspect(ref)
        assert info.state == "busy"
        (hand,) = info.in_hand
        assert hand.message == "sleep"
        assert hand.place is not None
        assert hand.place.startswith("test_inspection.py:")
        assert hand.place.endswith(" in sleep")
        assert hand.seconds == pytest.approx(2.0)
        assert await asking == 3.0
        assert system.inspect(ref).in_hand == ()


async def test_ac62_how_long_nobody_has_waited_is_not_known() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(Nap)
        ref.tell(Nap.sleep, 1.0)
        await settle()
        assert [hand.seconds for hand in system.inspect(ref).in_hand] == [None]


async def test_ac62_all_handlers_under_way_of_a_reentrant_actor_are_told() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having_reentrant())
        for seconds in (1.0, 2.0, 3.0):
            ref.tell(Nap.sleep, seconds)
        await settle()
        assert [hand.message for hand in system.inspect(ref).in_hand] == ["sleep"] * 3
        await asyncio.sleep(1.5)
        assert len(system.inspect(ref).in_hand) == 2


def having_reentrant() -> type[Nap]:
    class Reentrant(Nap, reentrant=True):
        pass

    return Reentrant


async def test_ac62_messages_that_wait_are_counted_and_left_in_their_order() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk)
        async with Busy(ref):
            for n in range(5):
                ref.tell(Desk.note, n)
            assert system.inspect(ref).mailbox == 5
        assert await ref.ask(Desk.look) == [0, 1, 2, 3, 4]


async def test_ac62_what_an_actor_holds_is_told_by_name() -> None:
    async with ap.ActorSystem() as system:
        watched, linked = await system.spawn(PlainDesk, name="watched"), await system.spawn(Trapper, name="linked")
        parent = await system.spawn(Watcher, name="parent")

        async def begin(desk: Any) -> None:
            ctx = desk.ctx
            await ctx.spawn(PlainDesk, name="child")
            ctx.monitor(watched)
            ctx.link(linked)
            ctx.after(100.0, desk.note, 1)
            ctx.join("night")
            ctx.join("night")

        await parent.ask(Desk.run, begin)
        info = system.inspect(parent)
        assert (info.children, info.timers, info.groups) == (1, 1, ("night",))
        assert (info.links, info.monitors) == (("linked",), ("watched",))
        assert system.inspect(linked).links == ("parent",)
        assert system.inspect(watched).monitored_by == ("parent",)
        child = system.find("child", PlainDesk)
        assert child is not None
        assert system.inspect(child).parent == "parent"


async def test_ac62_requests_that_were_deferred_and_messages_that_were_stashed_are_counted() -> None:
    kept: list[Any] = []

    def keep(desk: Any) -> Any:
        kept.append(desk.ctx.defer())
        return kept[0]

    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk)
        asking = asyncio.ensure_future(ref.ask(Desk.do, keep))
        ref.tell(Desk.do, lambda desk: desk.ctx.stash())
        await settle()
        info = system.inspect(ref)
        assert (info.deferred, info.stashed) == (1, 1)
        kept[0].send(7)
        assert await asking == 7


async def test_ac62_the_restarts_of_a_supervised_actor_are_told() -> None:
    async with ap.ActorSystem() as system:
        spec = ap.child(PlainDesk, id="desk", name="desk", restart="permanent")
        await system.spawn(ap.Supervisor, ap.one_for_one(spec, intensity=5, period=5.0))
        for restarts in range(3):
            ref = system.find("desk", PlainDesk)
            assert ref is not None
            assert system.inspect(ref).restarts == restarts
            system.kill(ref)
            await asyncio.sleep(1.0)


async def test_ac62_an_actor_that_ended_tells_how() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk, name="desk")
        await system.stop(ref)
        info = system.inspect(ref)
        assert (info.name, info.state, info.reason) == ("desk", "dead", "shutdown")
        for refused in (system.suspend, system.resume, system.trace):
            with pytest.raises(ap.ActorDead, match="desk has ended"):
                refused(ref)


async def test_ac62_a_reason_with_control_characters_is_made_printable() -> None:
    def fail(desk: Any) -> None:
        raise KeyError("\x1b[2J\n2026 forged")

    class Odd(Exception):
        def __repr__(self) -> str:
            return "odd\x1b[2J\nforged"

    def fail_oddly(desk: Any) -> None:
        raise Odd

    async with ap.ActorSystem() as system:
        for work in (fail, fail_oddly):
            ref = await system.spawn(PlainDesk)
            await fails(ap.HandlerFailed, ref.ask(Desk.do, work))
            reason = system.inspect(ref).reason
            assert reason is not None
            assert reason.isprintable()


async def test_ac62_an_actor_that_starts_or_ends_is_seen_in_its_hook() -> None:
    gate = asyncio.Event()

    class Slow(PlainDesk):
        async def on_start(self) -> None:
            await gate.wait()

        async def on_stop(self, reason: ap.Reason) -> None:
            await gate.wait()

    async with ap.ActorSystem() as system:
        starting = asyncio.ensure_future(system.spawn(Slow, name="slow"))
        await settle()
        early = system.find("slow", Slow)
        assert early is not None
        assert (system.inspect(early).state, system.inspect(early).in_hand[0].message) == ("starting", "on_start")
        gate.set()
        ref = await starting
        gate.clear()
        stopping = asyncio.ensure_future(system.stop(ref))
        await settle()
        assert (system.inspect(ref).state, system.inspect(ref).in_hand[0].message) == ("ending", "on_stop")
        gate.set()
        await stopping


async def test_ac62_every_task_of_an_actor_is_named_after_it() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(Nap, name="sleeper")
        ref.tell(Nap.sleep, 1.0)
        await settle()
        assert "sleeper" in [task.get_name() for task in asyncio.all_tasks()]


async def test_ac62_only_references_can_be_looked_at_and_only_in_the_thread_of_their_loop() -> None:
    refused: list[BaseException] = []

    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk, name="desk")
        with pytest.raises(ap.InvalidActor):
            system.inspect(object())  # type: ignore[arg-type]

        def look(method: Any) -> None:
            try:
                method(ref)
            except ap.WrongLoop as error:
                refused.append(error)

        for method in (system.inspect, system.suspend, system.resume, system.trace):
            thread = threading.Thread(target=look, args=(method,))
            thread.start()
            thread.join()
    assert len(refused) == 4


# -- suspending


@pytest.mark.parametrize("cls", [PlainDesk, SlowDesk])
async def test_ac62_a_suspended_actor_handles_nothing_and_goes_on_in_order_when_it_is_resumed(cls: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        notes: list[Any] = []
        ref = await system.spawn(cls, notes)
        system.suspend(ref)
        for n in range(100):
            assert ref.tell(Desk.note, n)
        await asyncio.sleep(1.0)
        info = system.inspect(ref)
        assert (notes, info.state, info.suspended, info.mailbox) == ([], "suspended", True, 100)
        system.resume(ref)
        await asyncio.sleep(1.0)
        assert notes == list(range(100))
        assert system.inspect(ref).suspended is False


async def test_ac62_an_actor_suspended_with_its_turn_to_come_handles_each_message_once() -> None:
    async with ap.ActorSystem() as system:
        notes: list[Any] = []
        ref = await system.spawn(PlainDesk, notes)
        ref.tell(Desk.note, 1)
        system.suspend(ref)
        system.resume(ref)
        ref.tell(Desk.note, 2)
        system.suspend(ref)
        await settle()
        assert notes == []
        system.resume(ref)
        await settle()
        assert notes == [1, 2]


async def test_ac62_suspending_a_busy_actor_lets_the_handler_in_hand_end() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(Nap)
        first, second = (asyncio.ensure_future(ref.ask(Nap.sleep, seconds)) for seconds in (1.0, 0.5))
        await asyncio.sleep(0.1)
        system.suspend(ref)
        assert (system.inspect(ref).state, system.inspect(ref).suspended) == ("busy", True)
        assert await first == 1.0
        await asyncio.sleep(2.0)
        assert (system.inspect(ref).state, second.done()) == ("suspended", False)
        system.resume(ref)
        assert await second == 0.5


async def test_ac62_an_actor_suspended_by_its_own_handler_stops_after_it() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk)
        ref.tell(Desk.do, lambda desk: system.suspend(desk.ctx.ref))
        ref.tell(Desk.note, 1)
        await settle()
        assert (system.inspect(ref).state, system.inspect(ref).mailbox) == ("suspended", 1)
        system.resume(ref)
        assert await ref.ask(Desk.look) == [1]


async def test_ac62_an_ask_of_a_suspended_actor_has_its_deadline() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk)
        system.suspend(ref)
        await fails(ap.AskTimeout, ref.within(1.0).ask(Desk.note, 1))
        system.resume(ref)
        assert await ref.ask(Desk.look) == []


@pytest.mark.parametrize("way", ["stop", "kill", "leave the block"])
async def test_ac62_a_suspended_actor_ends_all_the_same(way: str) -> None:
    ended: list[ap.Reason] = []

    class Noting(PlainDesk):
        def on_stop(self, reason: ap.Reason) -> None:
            ended.append(reason)

    async with ap.ActorSystem(shutdown=1.0) as system:
        ref = await system.spawn(Noting)
        system.suspend(ref)
        ref.tell(Desk.note, 1)
        if way == "stop":
            assert await system.stop(ref) == ap.SHUTDOWN
        elif way == "kill":
            system.kill(ref)
            assert not ref.is_alive()
    assert system.killed == ()
    assert ended == ([] if way == "kill" else [ap.SHUTDOWN])


# -- tracing


async def test_ac62_a_traced_actor_tells_each_message_that_it_is_sent() -> None:
    async with ap.ActorSystem() as system:
        events = system.events.subscribe(ap.Traced)
        ref, other = await system.spawn(Nap, name="nap"), await system.spawn(PlainDesk, name="other")
        system.trace(ref)
        assert system.inspect(ref).traced
        ref.tell(Nap.greet, "a")
        assert await ref.ask(Nap.greet, "b", loudly=True) == "hello b"
        await other.ask(Desk.do, lambda desk: ref.tell(Nap.greet, "c"))
        await ref.send(Nap.sleep, 0.0)
        ref.teller(Nap.hear)("d")
        with events:
            told = [await events.receive() for _ in range(5)]
        assert [(event.message, event.args, event.asked) for event in told] == [
            ("greet", "'a'", False),
            ("greet", "'b', loudly=True", True),
            ("greet", "'c'", False),
            ("sleep", "0.0", False),
            ("hear", "'d'", False),
        ]
        assert [event.sender for event in told] == [None, None, other, None, None]
        assert {(event.ref, event.name) for event in told} == {(ref, "nap")}


async def test_ac62_only_the_traced_actor_is_told_of_and_only_until_the_trace_ends() -> None:
    async with ap.ActorSystem() as system:
        events = system.events.subscribe(ap.Traced)
        ref, other = await system.spawn(Nap), await system.spawn(having_reentrant())
        system.trace(ref)
        other.tell(Nap.greet, 1)
        await other.ask(Nap.greet, 1)
        ref.tell(Nap.greet, 2)
        system.trace(ref, False)
        ref.tell(Nap.greet, 3)
        await ref.ask(Nap.greet, 3)
        assert not system.inspect(ref).traced
        assert system.dispatcher.observe is None
        with events:
            assert (await events.receive()).args == "2"
            with pytest.raises(ap.ChannelEmpty):
                events.receive_nowait()


async def test_ac62_a_trace_changes_neither_answers_nor_order() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk)
        for n in range(30):
            system.trace(ref, n % 3 == 0)
            ref.tell(Desk.note, n)
        assert await ref.ask(Desk.look) == list(range(30))


async def test_ac62_traced_arguments_are_short_and_printable_whatever_they_are() -> None:
    class Rude:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    class Forging:
        def __repr__(self) -> str:
            return "\x1b[31m\nINFO all is well"

    async with ap.ActorSystem() as system:
        events = system.events.subscribe(ap.Traced)
        ref = await system.spawn(Nap)
        system.trace(ref)
        for argument in (Rude(), Forging(), "x" * 100_000, list(range(100_000)), "a\nb\u202e"):
            ref.tell(Nap.greet, argument)
        with events:
            for _ in range(5):
                told = (await events.receive()).args
                assert told.isprintable()
                assert 0 < len(told) <= 1_000


async def test_ac62_a_traced_actor_that_nobody_listens_to_works_as_ever() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(PlainDesk, mailbox=1))
        system.trace(ref)
        assert ref.tell(Desk.note, 1)
        assert not ref.tell(Desk.note, 2)
        await settle()
        assert await ref.ask(Desk.look) == [1]
