"""What one incarnation of a child leaves to the next: names, the mailbox if it is kept, a state (AC-45)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import actorpar as ap

from .acting import Boom, Journal, S, Worker, fail, find, settle, worker

pytestmark = pytest.mark.virtual_time


async def occupy(ref: ap.ActorRef[Worker]) -> None:
    """Keep an actor busy for a second, so that what it is sent now waits in its mailbox."""
    ref.tell(Worker.work, 1.0)
    await settle()


async def test_ac45_old_references_lead_to_dead_letters_and_names_to_the_new_one(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", name="room")))
    old = system.find("room", Worker)
    assert old is not None
    await fail(sup, "a")
    new = system.find("room", Worker)
    assert new is not None
    assert new != old
    assert not old.is_alive()
    assert new == await find(sup, "a")
    dead = system.events.subscribe(ap.DeadLetter)
    assert old.tell(Worker.note, 1) is False
    letter = await dead.receive()
    assert (letter.ref, letter.message, letter.why) == (old, "note", "dead")
    dead.close()
    with pytest.raises(ap.ActorDead, match="Boom"):
        await old.ask(Worker.note, 1)
    assert await new.ask(Worker.noted) == []


async def test_ac45_a_restart_begins_with_a_fresh_object_and_an_empty_mailbox(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", name="room")))
    old = await find(sup, "a")
    await old.ask(Worker.note, 1)
    dead = system.events.subscribe(ap.DeadLetter)
    await occupy(old)
    old.tell(Worker.fail)
    old.tell(Worker.note, 2)
    asked = asyncio.ensure_future(old.ask(Worker.note, 3))
    with pytest.raises(ap.ActorDead):
        await asked
    assert await (await find(sup, "a")).ask(Worker.noted) == []
    assert (await dead.receive()).message == "note"
    dead.close()


async def test_ac45_a_kept_mailbox_goes_to_the_next_incarnation_in_order_and_loses_what_was_in_hand(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", keep_mailbox=True)))
    old = await find(sup, "a")
    old.tell(Worker.note, 1)
    old.tell(Worker.fail)
    for n in (2, 3, 4):
        old.tell(Worker.note, n)
    await settle()
    assert await (await find(sup, "a")).ask(Worker.noted) == [2, 3, 4]
    assert system.counters.dead_letters["dead"] == 0


async def test_ac45_kept_messages_go_before_those_that_come_to_the_new_incarnation(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", name="room", keep_mailbox=True)))
    old = await find(sup, "a")
    journal.slow["a"] = 2.0
    old.tell(Worker.fail)
    for n in (1, 2):
        old.tell(Worker.note, n)
    await asyncio.sleep(1.0)
    starting = system.find("room", Worker)
    assert starting is not None
    starting.tell(Worker.note, 3)
    await asyncio.sleep(1.5)
    assert await starting.ask(Worker.noted) == [1, 2, 3]


async def test_ac45_kept_asks_stay_pending_and_the_next_incarnation_answers_them(
    system: ap.ActorSystem, journal: Journal
) -> None:
    backoff = ap.Backoff(2.0, 2.0, jitter=0)
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", keep_mailbox=True), backoff=backoff))
    old = await find(sup, "a")
    await occupy(old)
    old.tell(Worker.fail)
    asked = asyncio.ensure_future(old.ask(Worker.note, 7))
    late = asyncio.ensure_future(old.within(2.0).ask(Worker.note, 8))
    lost = asyncio.ensure_future(old.ask(Worker.note, 9))
    await asyncio.sleep(1.5)
    assert not old.is_alive()
    lost.cancel()
    assert await asked == 7
    assert asyncio.get_running_loop().time() == pytest.approx(3.0, abs=0.1)
    with pytest.raises(ap.AskTimeout):
        await late
    assert await (await find(sup, "a")).ask(Worker.noted) == [7]


async def test_ac45_a_kept_ask_is_the_next_incarnations_to_fail(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", keep_mailbox=True), intensity=1))
    old = await find(sup, "a")
    await occupy(old)
    old.tell(Worker.fail)
    first = asyncio.ensure_future(old.ask(Worker.fail))
    second = asyncio.ensure_future(old.ask(Worker.note, 1))
    with pytest.raises(ap.HandlerFailed):
        await first
    with pytest.raises(ap.ActorDead):  # the supervisor gave up, and the message in the kept mailbox with it
        await second
    assert not sup.is_alive()


async def test_ac45_a_mailbox_survives_failed_starts(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", keep_mailbox=True), intensity=9))
    old = await find(sup, "a")
    journal.failing["a"] = 3
    await occupy(old)
    old.tell(Worker.fail)
    old.tell(Worker.note, 1)
    asked = asyncio.ensure_future(old.ask(Worker.note, 2))
    assert await asked == 2
    assert await (await find(sup, "a")).ask(Worker.noted) == [1, 2]


async def test_ac45_a_mailbox_survives_an_object_that_cannot_be_made(system: ap.ActorSystem) -> None:
    failures = [Boom(), Boom()]

    class Fragile(Worker):
        def __init__(self) -> None:
            super().__init__(Journal(), "fragile")
            if len(failures) == 1:
                raise failures.pop()

        def fail(self) -> None:
            raise failures.pop()

    sup = await system.spawn(S, ap.one_for_one(ap.child(Fragile, id="a", keep_mailbox=True), intensity=9))
    old = await find(sup, "a")
    await occupy(old)
    old.tell(Worker.fail)
    assert await old.ask(Worker.note, 1) == 1
    assert await (await find(sup, "a")).ask(Worker.noted) == [1]
    assert failures == []


async def test_ac45_kept_messages_are_dead_letters_when_the_supervisor_gives_up(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", keep_mailbox=True), intensity=2))
    old = await find(sup, "a")
    dead = system.events.subscribe(ap.DeadLetter)
    journal.failing["a"] = 99
    await occupy(old)
    old.tell(Worker.fail)
    old.tell(Worker.note, 1)
    asked = asyncio.ensure_future(old.ask(Worker.note, 2))
    with pytest.raises(ap.ActorDead):
        await asked
    assert (await dead.receive()).message == "note"
    dead.close()
    assert not sup.is_alive()


@pytest.mark.parametrize("how", ["terminate", "stop", "kill"])
async def test_ac45_kept_messages_of_a_child_that_will_not_come_back_are_dead_letters(
    system: ap.ActorSystem, journal: Journal, how: str
) -> None:
    backoff = ap.Backoff(60.0, 60.0, jitter=0)
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", keep_mailbox=True), backoff=backoff))
    old = await find(sup, "a")
    await occupy(old)
    old.tell(Worker.fail)
    old.tell(Worker.note, 1)
    asked = asyncio.ensure_future(old.within(None).ask(Worker.note, 2))
    await asyncio.sleep(1.5)
    assert not old.is_alive()
    assert not asked.done()
    if how == "terminate":
        await sup.ask(S.terminate_child, "a")
    elif how == "stop":
        await system.stop(sup)
    else:
        system.kill(sup)
    with pytest.raises(ap.ActorDead):
        await asked
    assert system.counters.dead_letters["dead"] == 1


async def test_ac45_the_mailbox_of_a_child_that_is_stopped_for_good_is_not_kept(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", keep_mailbox=True)))
    old = await find(sup, "a")
    await occupy(old)
    old.tell(Worker.note, 1)
    await sup.ask(S.terminate_child, "a")
    ref: Any = await sup.ask(S.restart_child, "a")
    assert await ref.ask(Worker.noted) == []
    assert system.counters.dead_letters["dead"] == 1


async def test_ac45_siblings_of_a_group_restart_keep_their_mailboxes_too(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_all(worker(journal, "a"), worker(journal, "b", keep_mailbox=True)))
    b = await find(sup, "b")
    await occupy(b)
    b.tell(Worker.note, 1)
    await fail(sup, "a")
    await asyncio.sleep(1.1)
    assert await (await find(sup, "b")).ask(Worker.noted) == [1]


async def test_ac45_timers_of_the_old_incarnation_are_not_kept(system: ap.ActorSystem) -> None:
    ticks: list[int] = []

    class Ticking(ap.Actor):
        count = 0

        def begin(self) -> None:
            self.ctx.after(0.0, self.tick)

        def tick(self) -> None:
            ticks.append(1)

        async def fail_later(self) -> None:
            await asyncio.sleep(1.0)
            raise Boom

    sup = await system.spawn(S, ap.one_for_one(ap.child(Ticking, id="a", keep_mailbox=True)))
    ref: ap.ActorRef[Ticking] | None = await sup.ask(S.child, "a")
    assert ref is not None
    ref.tell(Ticking.begin)
    ref.tell(Ticking.fail_later)
    await asyncio.sleep(2.0)
    assert ticks == []
    assert await sup.ask(S.child, "a") is not None


async def test_ac45_a_kept_mailbox_never_exceeds_its_bound(system: ap.ActorSystem) -> None:
    class Small(ap.Actor, mailbox=4):
        def __init__(self) -> None:
            self.done: list[int] = []

        async def on_start(self) -> None:
            await asyncio.sleep(1.0)

        def note(self, n: int) -> None:
            self.done.append(n)

        def noted(self) -> list[int]:
            return self.done

        def fail(self) -> None:
            raise Boom

    sup = await system.spawn(S, ap.one_for_one(ap.child(Small, id="a", name="small", keep_mailbox=True)))
    old = system.find("small", Small)
    assert old is not None
    old.tell(Small.fail)
    assert [old.tell(Small.note, n) for n in range(4)] == [True, True, True, False]
    await asyncio.sleep(0.5)
    starting = system.find("small", Small)
    assert starting is not None
    assert starting != old
    assert [starting.tell(Small.note, n) for n in (10, 11)] == [True, False]
    await asyncio.sleep(1.0)
    assert await starting.ask(Small.noted) == [0, 1, 2, 10]
    assert all(starting.tell(Small.note, n) for n in range(4))
    assert sup.is_alive()


async def test_ac45_kept_state_reaches_the_next_incarnation_even_after_a_kill(
    system: ap.ActorSystem, journal: Journal
) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a"), intensity=9))
    await (await find(sup, "a")).ask(Worker.keep, {"history": [1, 2]})
    await fail(sup, "a")
    (restart,) = journal.restarts
    assert restart.state == {"history": [1, 2]}
    assert restart.count == 1
    assert isinstance(restart.reason.error, Boom)
    system.kill(await find(sup, "a"))
    await settle()
    assert journal.restarts[1].state == {"history": [1, 2]}
    assert journal.restarts[1].reason.kind == "killed"
    assert journal.restarts[1].count == 2


async def test_ac45_a_child_started_again_by_hand_begins_afresh(system: ap.ActorSystem, journal: Journal) -> None:
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a")))
    await (await find(sup, "a")).ask(Worker.keep, "old")
    await sup.ask(S.terminate_child, "a")
    await sup.ask(S.restart_child, "a")
    assert journal.restarts == []
    await fail(sup, "a")
    assert [restart.state for restart in journal.restarts] == [None]


async def test_ac45_the_events_tell_each_incarnation_and_which_restart_it_is(
    system: ap.ActorSystem, journal: Journal
) -> None:
    events = system.events.subscribe(ap.Started, ap.Ended)
    sup = await system.spawn(S, ap.one_for_one(worker(journal, "a", name="a"), intensity=9), name="sup")
    await fail(sup, "a")
    await fail(sup, "a")
    told: list[tuple[str, object]] = []
    while len(told) < 6:
        event = await events.receive()
        told.append((event.name, event.restarts if isinstance(event, ap.Started) else "ended"))
    events.close()
    assert told == [("a", 0), ("sup", 0), ("a", "ended"), ("a", 1), ("a", "ended"), ("a", 2)]
    assert system.counters.restarted == 2
