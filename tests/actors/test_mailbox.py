"""Order, delivery and bounds of mailboxes (AC-1 to AC-9)."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

import actorpar as ap
from actorpar.actors import life
from actorpar.actors.timed import cell_of
from tests.processes.running import settle

from .staff import CALLERS, Busy, Desk, PlainDesk, Trapper, Watcher, fails, having

pytestmark = pytest.mark.virtual_time

#: Fill this and the next message is one too many.
SMALL = 4


# -- one at a time


async def test_ac01_the_next_message_starts_only_after_the_handler_has_returned(desk: type[Desk]) -> None:
    inside: list[int] = []

    async def step(actor: Desk) -> None:
        inside.append(1)
        assert len(inside) == 1
        await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        assert len(inside) == 1
        inside.clear()
        actor.notes.append("step")

    def plain(actor: Desk) -> None:
        assert not inside
        actor.notes.append("plain")

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        for _ in range(5):
            ref.tell(Desk.run, step)
            ref.tell(Desk.do, plain)
        asked = await asyncio.gather(*[ref.ask(Desk.run, step) for _ in range(3)], ref.ask(Desk.do, plain))
        assert asked == [None] * 4
        assert await ref.ask(Desk.look) == ["step", "plain"] * 5 + ["step"] * 3 + ["plain"]


async def test_ac01_a_reentrant_actor_interleaves_at_awaits_and_nowhere_else() -> None:
    gate = asyncio.Event()

    async def wait(actor: Desk) -> None:
        actor.notes.append("in")
        await gate.wait()
        actor.notes.append("out")

    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(PlainDesk, reentrant=True))
        for _ in range(2):
            ref.tell(Desk.run, wait)
        await settle()  # as plain tasks, handlers begin later
        assert await ref.ask(Desk.note, "between") == "between"
        assert await ref.ask(Desk.look) == ["in", "in", "between"]
        gate.set()
        await settle()
        assert (await ref.ask(Desk.look))[3:] == ["out", "out"]


async def test_ac01_a_reentrant_actor_may_ask_itself() -> None:
    async def ask(actor: Desk) -> Any:
        return await actor.ctx.ref.ask(Desk.note, "mine")

    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(PlainDesk, reentrant=True))
        assert await ref.ask(Desk.run, ask) == "mine"


# -- order


@pytest.mark.parametrize("caller", CALLERS)
async def test_ac02_messages_of_one_sender_are_handled_in_the_order_in_which_they_were_sent(
    desk: type[Desk], caller: Any
) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, mailbox=7))
        tell = ref.teller(Desk.note)

        async def send() -> None:
            for number in range(0, 120, 6):
                await ref.send(Desk.note, number)
                assert ref.tell(Desk.note, number + 1)
                assert await ref.ask(Desk.note, number + 2) == number + 2
                assert tell(number + 3)
                assert await ref.within(None).ask(Desk.note, item=number + 4) == number + 4
                assert ref.tell(Desk.note, item=number + 5)

        await caller(system, send)
        assert await ref.ask(Desk.look) == list(range(120))


async def test_ac02_an_ask_does_not_overtake_what_the_same_sender_told_before(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        ref.tell(Desk.note, "told")
        assert await ref.ask(Desk.look) == ["told"]


async def test_ac02_more_messages_than_one_turn_takes_keep_their_order(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        for number in range(300):
            assert ref.tell(Desk.note, number)
            if number == 150:
                await asyncio.sleep(0)
        assert await ref.ask(Desk.look) == list(range(300))


async def test_ac02_what_a_handler_tells_its_own_actor_comes_after_what_waits(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        ref.tell(Desk.do, lambda actor: actor.ctx.ref.tell(Desk.note, "own"))
        ref.tell(Desk.note, "first")
        await settle()
        assert await ref.ask(Desk.look) == ["first", "own"]


# -- at most once


async def test_ac03_an_ask_that_was_given_up_before_it_began_is_never_handled(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        async with Busy(ref):
            asking = asyncio.ensure_future(ref.ask(Desk.note, "never"))
            await settle()
            asking.cancel()
            await fails(asyncio.CancelledError, asking)
            await fails(ap.AskTimeout, ref.within(1).ask(Desk.note, "too late"))
        assert await ref.ask(Desk.note, "once") == "once"
        assert await ref.ask(Desk.look) == ["once"]
        assert system.counters.expired == 2


async def test_ac03_every_message_is_counted_once(desk: type[Desk]) -> None:
    gate = asyncio.Event()

    async def wait(actor: Desk) -> None:
        await gate.wait()

    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        stopped = await system.spawn(desk)
        async with Busy(stopped):
            stopped.tell(Desk.run, wait)
            for number in range(30):
                stopped.tell(Desk.note, number)
        assert len(cell_of(stopped)) == 30, "what is left of the batch that it has begun"
        for number in range(200):
            ref.tell(Desk.note, number)
        ref.tell(Desk.do, lambda _: life.stop(cell_of(stopped)))
        await ref.ask(Desk.look)
        gate.set()
        await system.ended(stopped)
        assert system.counters.handled == 200 + 1 + 2 + 1
        assert system.counters.dead_letters == {"dead": 30}


# -- urgent and normal


async def test_ac04_a_stop_overtakes_what_waits(desk: type[Desk]) -> None:
    notes: list[Any] = []
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk, notes)
        async with Busy(ref) as busy:
            for number in range(3):
                ref.tell(Desk.note, number)
            stopping = asyncio.ensure_future(system.stop(ref))
            await settle()
            assert ref.is_alive(), "the handler in hand goes on"
            busy.gate.set()
            assert await stopping == ap.SHUTDOWN
    assert notes == []
    assert system.counters.dead_letters["dead"] == 3


async def test_ac04_a_stop_overtakes_what_waits_for_the_first_turn(desk: type[Desk]) -> None:
    notes: list[Any] = []
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, on_stop=lambda self, reason: None), notes)
        for number in range(3):
            ref.tell(Desk.note, number)
        assert await system.stop(ref) == ap.SHUTDOWN
    assert notes == []
    assert system.counters.dead_letters["dead"] == 3


async def test_ac04_an_actor_that_stops_itself_handles_no_more(desk: type[Desk]) -> None:
    notes: list[Any] = []
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk, notes)
        ref.tell(Desk.note, 1)
        ref.tell(Desk.do, lambda actor: actor.ctx.stop())
        ref.tell(Desk.note, 2)
        asking = asyncio.ensure_future(ref.ask(Desk.note, 3))
        assert await system.ended(ref) == ap.NORMAL
        assert (await fails(ap.ActorDead, asking)).reason == ap.NORMAL
    assert notes == [1]


async def test_ac04_a_kill_overtakes_what_waits(desk: type[Desk]) -> None:
    notes: list[Any] = []
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk, notes)
        for number in range(3):
            ref.tell(Desk.note, number)
        system.kill(ref)
        assert not ref.is_alive(), "no handler was in hand"
        await settle()
    assert notes == []


@pytest.mark.parametrize("how", ["stops", "fails", "is killed"])
@pytest.mark.parametrize("told", ["Down", "Exit"])
async def test_ac05_the_news_of_an_end_comes_behind_what_the_ended_sent_before(
    desk: type[Desk], how: str, told: str
) -> None:
    async with ap.ActorSystem() as system:
        watcher = await system.spawn(Trapper)
        ref = await system.spawn(desk)

        def last_words(actor: Desk) -> None:
            for number in range(3):
                watcher.tell(Desk.note, number)
            if how == "stops":
                actor.ctx.stop()
            elif how == "fails":
                raise ValueError("boom")
            else:
                system.kill(actor.ctx.ref)

        await watcher.ask(Desk.do, lambda w: (w.ctx.monitor if told == "Down" else w.ctx.link)(ref) and None)
        async with Busy(watcher):
            ref.tell(Desk.do, last_words)
            await settle()
            assert not ref.is_alive()
        notes = await watcher.ask(Desk.look)
        assert notes[:3] == [0, 1, 2]
        assert [type(note).__name__ for note in notes[3:]] == [told]


# -- bounds


async def test_ac06_a_tell_beyond_the_bound_is_a_dead_letter_and_false(
    desk: type[Desk], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "actorpar")
    async with ap.ActorSystem() as system:
        letters = system.events.subscribe(ap.DeadLetter)
        ref = await system.spawn(having(desk, mailbox=SMALL), name="small")
        tell = ref.teller(Desk.note)
        async with Busy(ref):
            assert [ref.tell(Desk.note, number) for number in range(SMALL + 1)] == [True] * SMALL + [False]
            assert not tell("one more")
            assert not ref.tell(Desk.note, item="by its name")
            full = await fails(ap.MailboxFull, ref.ask(Desk.note, "asked"))
            assert "small" in str(full)
        assert await ref.ask(Desk.look) == list(range(SMALL))
        assert system.counters.dead_letters == {"overflow": 3}
        letter = letters.receive_nowait()
        assert (letter.name, letter.message, letter.why) == ("small", "note", "overflow")
        letters.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"], "once a second"
    assert "small" in caplog.text
    assert "full" in caplog.text


async def test_ac06_the_overflow_of_each_actor_is_logged_again_after_a_second(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(PlainDesk, mailbox=1), name="small")
        async with Busy(ref):
            ref.tell(Desk.note, 0)
            for _ in range(2):
                for number in range(10):
                    ref.tell(Desk.note, number)
                await asyncio.sleep(1.1)
    assert len(caplog.records) == 2
    assert "9 more" in caplog.records[1].getMessage()


def test_ac06_mailboxes_are_bounded_by_default() -> None:
    assert ap.Actor._mailbox == 65_536


async def test_ac06_room_comes_back_as_messages_are_handled(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, mailbox=SMALL))
        for number in range(5 * SMALL):
            assert ref.tell(Desk.note, number)
            if number % SMALL == SMALL - 1:
                await settle()
        assert await ref.ask(Desk.look) == list(range(5 * SMALL))


async def test_ac06_the_bound_holds_while_a_handler_is_suspended_with_messages_behind_it(desk: type[Desk]) -> None:
    gates = [asyncio.Event(), asyncio.Event()]

    def waiting(gate: asyncio.Event) -> Any:
        async def wait(actor: Desk) -> None:
            await gate.wait()

        return wait

    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, mailbox=SMALL))
        for gate in gates:
            ref.tell(Desk.run, waiting(gate))
        ref.tell(Desk.note, 0)
        ref.tell(Desk.note, 1)
        await settle()
        assert len(ref) == 3  # type: ignore[arg-type]
        assert [ref.tell(Desk.note, number) for number in (2, 3)] == [True, False]
        gates[0].set()
        await settle()
        assert [ref.tell(Desk.note, number) for number in (4, 5)] == [True, False]
        gates[1].set()
        await settle()
        assert await ref.ask(Desk.look) == [0, 1, 2, 4]


async def test_ac06_the_bound_holds_between_the_turns_of_a_long_batch() -> None:
    """A turn takes 64 messages: what it left behind still counts."""
    capacity = 100
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(PlainDesk, mailbox=capacity))
        longest = 0

        def crowd(_: Desk) -> None:
            nonlocal longest
            while ref.tell(Desk.note, 1):
                longest = max(longest, len(ref))  # type: ignore[arg-type]

        other = await system.spawn(PlainDesk)
        while ref.tell(Desk.note, 0):
            pass
        other.tell(Desk.do, crowd)
        await settle()
        assert longest == capacity


async def test_ac06_the_bound_holds_for_what_a_handler_sends_its_own_actor(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, mailbox=SMALL))
        taken: list[int] = []
        overfull = 0

        def tell_myself(actor: Desk) -> None:
            nonlocal overfull
            count = 0
            while actor.ctx.ref.tell(Desk.note, count):
                count += 1
            taken.append(count)
            overfull = max(overfull, len(ref) - SMALL)  # type: ignore[arg-type]

        ref.tell(Desk.do, tell_myself)
        ref.tell(Desk.note, "a")
        ref.tell(Desk.note, "b")
        await settle()
        assert taken == [SMALL - 2]
        assert overfull == 0
        ref.tell(Desk.do, tell_myself)
        await settle()
        assert taken[1] == SMALL


@pytest.mark.parametrize("order", ["stop", "hold"])
async def test_ac06_orders_from_outside_make_no_room(order: str) -> None:
    async with ap.ActorSystem() as system:
        ref: Any = await system.spawn(having(PlainDesk, mailbox=SMALL))
        async with Busy(ref):
            while ref.tell(Desk.note, 0):
                pass
            for _ in range(3):
                life.stop(ref) if order == "stop" else life.hold(ref, True)
                ref.tell(Desk.note, 1)
            assert len(ref) == SMALL
        if order == "hold":
            life.hold(ref, False)


async def test_ac06_signals_of_the_system_do_not_count_against_the_bound() -> None:
    async with ap.ActorSystem() as system:
        watcher = await system.spawn(having(Watcher, mailbox=2))
        watched = [await system.spawn(PlainDesk) for _ in range(5)]

        def watch(actor: Desk) -> None:
            for ref in watched:
                actor.ctx.monitor(ref)
            actor.ctx.after(0.1, actor.note, "tick")

        await watcher.ask(Desk.do, watch)
        async with Busy(watcher):
            for ref in watched:
                system.kill(ref)
            await asyncio.sleep(0.2)
            assert [watcher.tell(Desk.note, number) for number in range(3)] == [True, True, False]
        notes = await watcher.ask(Desk.look)
        assert [note.ref for note in notes[:5]] == watched
        assert notes[5:] == ["tick", 0, 1]


async def test_ac06_a_full_mailbox_still_takes_every_signal() -> None:
    async with ap.ActorSystem() as system:
        watcher = await system.spawn(having(Watcher, mailbox=1))
        ref = await system.spawn(PlainDesk)
        await watcher.ask(Desk.do, lambda actor: actor.ctx.monitor(ref) and None)
        async with Busy(watcher):
            watcher.tell(Desk.note, 0)
            system.kill(ref)
        assert [type(note).__name__ for note in await watcher.ask(Desk.look)] == ["int", "Down"]


# -- the dead


@pytest.mark.parametrize("caller", CALLERS)
async def test_ac07_a_tell_to_the_dead_is_one_dead_letter_and_an_ask_fails_at_once(
    desk: type[Desk], caller: Any
) -> None:
    async with ap.ActorSystem() as system:
        letters = system.events.subscribe(ap.DeadLetter)
        ref = await system.spawn(desk, name="gone")
        tell = ref.teller(Desk.note)
        await system.stop(ref)
        assert not ref.is_alive()
        assert not ref.tell(Desk.note, 1)
        assert not ref.tell(Desk.note, item=1)
        assert not tell(1)
        assert system.counters.dead_letters == {"dead": 3}
        assert [letters.receive_nowait().why for _ in range(3)] == ["dead"] * 3
        before = asyncio.get_running_loop().time()

        async def ask() -> None:
            for asking in (ref.ask(Desk.note, 1), ref.within(None).ask(Desk.note, 1), ref.send(Desk.note, 1)):
                dead = await fails(ap.ActorDead, asking)
                assert dead.reason == ap.SHUTDOWN
                assert ref.name in str(dead)

        await caller(system, ask)
        assert asyncio.get_running_loop().time() == before
        letters.close()


@pytest.mark.parametrize("how", ["stop", "fail", "kill"])
@pytest.mark.parametrize("caller", CALLERS)
async def test_ac08_asks_that_wait_when_an_actor_ends_fail_and_the_rest_become_dead_letters(
    desk: type[Desk], how: str, caller: Any
) -> None:
    async with ap.ActorSystem() as system:
        letters = system.events.subscribe(ap.DeadLetter)
        ref = await system.spawn(having(desk, mailbox=SMALL))
        gate = asyncio.Event()

        async def work(actor: Desk) -> None:
            await gate.wait()
            if how == "fail":
                raise ValueError("boom")

        ref.tell(Desk.run, work)
        await settle()
        ref.tell(Desk.note, "told")
        asking = [
            asyncio.ensure_future(caller(system, lambda: fails(ap.ActorDead, ref.within(None).ask(Desk.note, 1))))
            for _ in range(2)
        ]
        await settle()
        ref.tell(Desk.note, "told too")
        waiting = asyncio.ensure_future(fails(ap.ActorDead, ref.send(Desk.note, "waits for room")))
        await settle()
        if how == "stop":
            life.stop(cell_of(ref))
        elif how == "kill":
            system.kill(ref)
        gate.set()
        kinds = [(await each).reason.kind for each in [*asking, waiting]]
        assert kinds == [{"stop": "shutdown", "fail": "error", "kill": "killed"}[how]] * 3
        told = [letters.receive_nowait() for _ in range(2)]
        assert [(letter.message, letter.why) for letter in told] == [("note", "dead")] * 2
        assert system.counters.dead_letters == {"dead": 2}
        letters.close()


# -- no such message


async def test_ac09_a_message_that_the_actor_does_not_have_is_raised_at_the_sender_and_it_lives_on(
    desk: type[Desk],
) -> None:
    class Other(ap.Actor):
        def strange(self) -> None: ...

    async with ap.ActorSystem() as system:
        events = system.events.subscribe(ap.Unhandled)
        ref: Any = await system.spawn(desk)
        method: Any
        for method in (Other.strange, print, "note", None, [], ref, ap.Actor.on_start, Desk.__init__):
            with pytest.raises(ap.UnhandledMessage):
                ref.tell(method)
            with pytest.raises(ap.UnhandledMessage):
                ref.tell(method, 1, 2)
            with pytest.raises(ap.UnhandledMessage):
                ref.teller(method)
            await fails(ap.UnhandledMessage, ref.ask(method))
            await fails(ap.UnhandledMessage, ref.send(method))
        unhandled = events.receive_nowait()
        assert (unhandled.ref, unhandled.message) == (ref, "strange")
        assert await ref.ask(Desk.note, 1) == 1
        events.close()


async def test_ac09_the_error_names_the_messages_that_there_are() -> None:
    async with ap.ActorSystem() as system:
        ref: Any = await system.spawn(PlainDesk)
        with pytest.raises(ap.UnhandledMessage, match=r"Its messages: do, look, note, run"):
            ref.tell(len)
        with pytest.raises(ap.UnhandledMessage, match=r"name it PlainDesk\.note, from the class"):
            ref.tell(PlainDesk().note, 1)


async def test_ac09_a_message_of_a_base_class_reaches_the_override(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        assert await ref.ask(desk.note, 1) == await ref.ask(Desk.note, 1) == 1


async def test_ac10_a_message_is_handled_when_its_turn_comes_and_not_when_it_is_asked_for(desk: type[Desk]) -> None:
    """There is no selective receive: a handler cannot fetch a later message out of the mailbox."""
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        async with Busy(ref):
            for number in range(3):
                ref.tell(Desk.note, number)
            await settle()
        assert await ref.ask(Desk.look) == [0, 1, 2]
