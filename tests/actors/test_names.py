"""Names, groups, references and their incarnations (AC-50 to AC-56)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import actorpar as ap
from tests.processes.running import settle

from .staff import Desk, PlainDesk, Watcher, fails

pytestmark = pytest.mark.virtual_time


async def test_ac50_a_name_is_unique_and_a_taken_one_is_refused(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        first = await system.spawn(desk, name="one")
        error = await fails(ap.NameTaken, system.spawn(desk, name="one"))
        assert "one" in str(error)
        assert system.find("one", Desk) == first
        assert first.name == "one"
        assert system.counters.spawned == 1
        assert len(system.actors) == 1
        await system.stop(first)
        assert system.find("one", Desk) is None
        second = await system.spawn(desk, name="one")
        assert second != first
        assert system.find("one", Desk) == second
        assert not first.tell(Desk.note, "to the first")
        assert await second.ask(Desk.look) == []


async def test_ac50_a_name_is_free_before_anybody_learns_of_the_end() -> None:
    again: list[Any] = []

    async with ap.ActorSystem() as system:

        class Renews(Watcher):
            async def on_down(self, down: ap.Down) -> None:
                again.append(await system.spawn(PlainDesk, name="one"))

        watcher = await system.spawn(Renews)
        first = await system.spawn(PlainDesk, name="one")
        await watcher.ask(Desk.do, lambda actor: actor.ctx.monitor(first) and None)
        system.kill(first)
        assert await system.ended(first) == ap.KILLED
        await settle()
        assert system.find("one", Desk) == again[0]


async def test_ac50_a_name_is_taken_from_the_start_of_the_start() -> None:
    gate = asyncio.Event()

    class Slow(PlainDesk):
        async def on_start(self) -> None:
            await gate.wait()

    async with ap.ActorSystem() as system:
        spawning = asyncio.ensure_future(system.spawn(Slow, name="one"))
        await settle()
        await fails(ap.NameTaken, system.spawn(PlainDesk, name="one"))
        gate.set()
        assert await spawning == system.find("one", Desk)


async def test_ac50_names_of_two_systems_do_not_meet() -> None:
    async with ap.ActorSystem("a") as one, ap.ActorSystem("b") as other:
        first, second = await one.spawn(PlainDesk, name="same"), await other.spawn(PlainDesk, name="same")
        assert one.find("same", Desk) == first
        assert other.find("same", Desk) == second
        assert await first.ask(Desk.note, 1) == await second.ask(Desk.note, 1)


@pytest.mark.parametrize("name", ["", " ", "with space", "a" * 201, "nul\x00", "line\n", "ümlaut", 3, b"x", object()])
async def test_ac50_a_name_that_is_none_is_refused(name: Any) -> None:
    async with ap.ActorSystem() as system:
        await fails(ap.InvalidName, system.spawn(PlainDesk, name=name))
        assert system.actors == ()


async def test_ac50_an_actor_may_have_several_names_and_all_are_free_at_its_end(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref: Any = await system.spawn(desk, name="one")
        system.registry.register("two", ref)
        system.registry.register("two", ref)
        assert system.find("two", Desk) == ref
        assert ref.name == "one"
        system.registry.unregister("one")
        assert system.find("one", Desk) is None
        system.registry.unregister("nobody")
        system.registry.register("three", ref)
        await system.stop(ref)
        assert system.find("two", Desk) is None
        assert system.registry.names() == []


async def test_ac50_finding_an_actor_of_another_class_is_an_error() -> None:
    async with ap.ActorSystem() as system:
        await system.spawn(PlainDesk, name="one")
        with pytest.raises(ap.InvalidActor):
            system.find("one", Watcher)
        assert system.find("nobody", Desk) is None


async def test_ac51_a_name_belongs_to_one_system_and_promises_nothing_beyond_it() -> None:
    """Cluster-wide names are another table; what is found here is always an actor of this system, alive."""
    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk, name="one")
        assert system.find("one", Desk) is not None
        system.kill(ref)
        assert system.find("one", Desk) is None


async def test_ac56_references_of_one_incarnation_are_equal_and_of_two_are_not(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref, other = await system.spawn(desk), await system.spawn(desk)
        assert ref == ref.within(3) == ref.within(None).within(1)
        assert hash(ref) == hash(ref.within(3))
        assert len({ref, ref.within(1), other}) == 2
        assert ref != other
        stranger: Any = "a string"
        assert ref != stranger
        assert await ref.ask(Desk.do, lambda actor: actor.ctx.ref == ref)
        assert ref.name != other.name
        assert bool(ref)
        assert ref.name in repr(ref)
        assert repr(ref.within(1)) == repr(ref)
        await system.stop(ref)
        assert "dead" in repr(ref)


async def test_ac56_nothing_addressed_to_an_old_incarnation_reaches_a_new_one(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        old = await system.spawn(desk, name="one")
        tell = old.teller(Desk.note)
        await system.stop(old)
        new = await system.spawn(desk, name="one")
        assert not tell(1)
        assert not old.tell(Desk.note, 1)
        await fails(ap.ActorDead, old.ask(Desk.note, 1))
        system.kill(old)
        assert new.is_alive()
        assert await new.ask(Desk.look) == []


# -- groups


async def test_ac52_members_join_and_leave_and_multiple_joins_count(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        one, two = await system.spawn(desk), await system.spawn(desk)
        join, leave = (lambda actor: actor.ctx.join("g")), (lambda actor: actor.ctx.leave("g"))
        for ref in (one, two, one):
            await ref.ask(Desk.do, join)
        assert system.groups.members("g") == (one, two, one)
        await one.ask(Desk.do, leave)
        assert sorted(ref.name for ref in system.groups.members("g")) == sorted([one.name, two.name])
        await one.ask(Desk.do, leave)
        await one.ask(Desk.do, leave)
        assert system.groups.members("g") == (two,)
        await two.ask(Desk.do, leave)
        assert system.groups.members("g") == ()
        assert system.groups.names() == [], "an empty group is a missing group"


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_ac52_the_dead_are_members_of_nothing(desk: type[Desk], how: str) -> None:
    async with ap.ActorSystem() as system:
        one, two = await system.spawn(desk), await system.spawn(desk)
        for group in ("g", "h", "g"):
            system.groups.join(group, one)
        system.groups.join("g", two)
        if how == "stop":
            await system.stop(one)
        else:
            system.kill(one)
        assert system.groups.members("g") == (two,)
        assert system.groups.names() == ["g"]
        with pytest.raises(ap.ActorDead):
            system.groups.join("g", one)
        system.groups.leave("g", one)
        assert system.groups.members("g") == (two,)


async def test_ac53_a_monitor_of_a_group_gets_the_members_and_then_every_change_once(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        refs = [await system.spawn(desk) for _ in range(3)]
        system.groups.join("g", refs[0])
        members, changes = system.groups.monitor("g")
        assert members == (refs[0],)
        system.groups.join("g", refs[1])
        system.groups.join("other", refs[1])
        system.groups.join("g", refs[1])
        system.groups.leave("g", refs[0])
        system.groups.leave("g", refs[2])
        system.kill(refs[1])
        got = await changes.receive_many(10)
        assert [(change.joined, change.refs) for change in got] == [
            (True, (refs[1],)),
            (True, (refs[1],)),
            (False, (refs[0],)),
            (False, (refs[1], refs[1])),
        ]
        known = list(members)
        for change in got:
            for ref in change.refs:
                known.append(ref) if change.joined else known.remove(ref)
        assert tuple(known) == system.groups.members("g")
        changes.close()
        system.groups.join("g", refs[2])


async def test_ac53_the_changes_of_a_group_end_with_the_system() -> None:
    async with ap.ActorSystem() as system:
        members, changes = system.groups.monitor("empty")
        assert members == ()
    await fails(ap.EndOfChannel, changes.receive())
    changes.close()


async def test_ac54_leaving_what_one_never_joined_changes_nothing_and_is_told_to_nobody() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk)
        _, changes = system.groups.monitor("g")
        system.groups.leave("g", ref)
        system.groups.leave("unknown", ref)
        with pytest.raises(ap.ChannelEmpty):
            changes.receive_nowait()
        changes.close()


async def test_ac55_a_down_of_an_actor_here_is_delivered_once_and_needs_no_acknowledgement() -> None:
    """Across nodes it is acknowledged and resent; here nothing lies between the two."""
    async with ap.ActorSystem() as system:
        watcher, ref = await system.spawn(Watcher), await system.spawn(PlainDesk)
        await watcher.ask(Desk.do, lambda actor: actor.ctx.monitor(ref) and None)
        system.kill(ref)
        system.kill(ref)
        await settle()
        assert len(await watcher.ask(Desk.look)) == 1


# -- dead letters and events


async def test_ac58_dead_letters_tell_message_sender_target_and_reason(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        letters = system.events.subscribe(ap.DeadLetter)
        dead, sender = await system.spawn(desk, name="dead"), await system.spawn(desk)
        await system.stop(dead)
        await sender.ask(Desk.do, lambda actor: dead.tell(Desk.note, 1))
        dead.tell(Desk.do, print)
        first, second = await letters.receive_many(10)
        assert (first.message, first.sender, first.ref, first.name, first.why) == ("note", sender, dead, "dead", "dead")
        assert (second.message, second.sender) == ("do", None)
        letters.close()


async def test_ac58_a_flood_of_dead_letters_is_counted_and_not_logged_one_by_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "actorpar")
    async with ap.ActorSystem() as system:
        dead = await system.spawn(PlainDesk, name="dead")
        system.kill(dead)
        caplog.clear()
        for number in range(1000):
            dead.tell(Desk.note, number)
        assert system.counters.dead_letters == {"dead": 1000}
        assert len(caplog.records) == 1
        await asyncio.sleep(2)
        dead.tell(Desk.note, 0)
        assert "999 more" in caplog.records[-1].getMessage()


async def test_ac58_a_subscriber_that_is_slow_loses_the_oldest_and_delays_nobody() -> None:
    async with ap.ActorSystem() as system:
        letters = system.events.subscribe(ap.DeadLetter, capacity=3)
        dead = await system.spawn(PlainDesk)
        system.kill(dead)
        for _ in range(10):
            dead.tell(Desk.note, 0)
        assert letters.statistics().dropped == 7
        assert len(await letters.receive_many(10)) == 3
        letters.close()
        dead.tell(Desk.note, 0)


async def test_ac58_events_come_by_their_class_and_end_with_the_system(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        everything = system.events.subscribe(ap.Event)
        ends = system.events.subscribe(ap.Ended, ap.Started)
        ref = await system.spawn(desk, name="one")
        await system.stop(ref)
        ref.tell(Desk.note, 1)
    kinds = ["Started", "Ended", "DeadLetter"]
    assert [type(event).__name__ for event in await everything.receive_many(10)] == kinds
    assert [type(event).__name__ for event in await ends.receive_many(10)] == kinds[:2]
    for rx in (everything, ends):
        await fails(ap.EndOfChannel, rx.receive())
        rx.close()
