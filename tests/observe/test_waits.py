"""Who waits for whom: asks, channels and tasks in one picture, and the rings in it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import actorpar as ap
from actorpar.observe.rings import knots, rings
from actorpar.observe.snapshot import SystemSnapshot, snapshot
from tests.actors.staff import Busy, Desk, PlainDesk, fails, having
from tests.processes.running import settle

virtual = pytest.mark.virtual_time


class Relay(ap.Actor):
    """Asks others for what it is asked."""

    async def pass_on(self, *others: ap.ActorRef[Relay]) -> int:
        if not others:
            await asyncio.sleep(2.0)
            return 1
        return await others[0].ask(Relay.pass_on, *others[1:])

    async def split(self, *others: ap.ActorRef[Relay]) -> list[int]:
        return await asyncio.gather(*(other.ask(Relay.pass_on) for other in others))


class OpenRelay(Relay, reentrant=True):
    """Answers while it waits."""


def asks(picture: SystemSnapshot) -> set[tuple[Any, ...]]:
    """Who waits for whose answer, and where the question is."""
    return {(wait["who"], wait["on"], wait["where"]) for wait in picture["waits"] if wait["does"] == "ask"}


async def relays(system: ap.ActorSystem, *names: str, cls: type[Relay] = Relay) -> list[ap.ActorRef[Relay]]:
    return [await system.spawn(cls, name=name) for name in names]


@virtual
async def test_actors_that_ask_each_other_in_a_ring_are_suspects_until_a_deadline_breaks_it() -> None:
    async with ap.ActorSystem() as system:
        a, b, c = await relays(system, "a", "b", "c")
        asking = asyncio.create_task(a.ask(Relay.pass_on, b, c, a), name="client")
        await asyncio.sleep(1.5)
        picture = system.snapshot()
        (ring,) = picture["suspects"]
        assert len(ring) == 3
        assert (ring * 2)[ring.index("a") : ring.index("a") + 3] == ["a", "b", "c"]
        assert asks(picture) == {
            ("client", "a", "in hand"),
            ("a", "b", "in hand"),
            ("b", "c", "in hand"),
            ("c", "a", "mailbox"),
        }
        assert [wait["seconds"] for wait in picture["waits"]] == [pytest.approx(1.5)] * 4
        await fails(ap.ActorError, asking)
        await settle()
        assert system.snapshot()["suspects"] == []


@virtual
async def test_a_chain_of_asks_is_no_ring() -> None:
    async with ap.ActorSystem() as system:
        a, b, c = await relays(system, "a", "b", "c")
        asking = asyncio.create_task(a.ask(Relay.pass_on, b, c), name="client")
        await asyncio.sleep(1.0)
        picture = system.snapshot()
        assert (picture["suspects"], len(asks(picture))) == ([], 3)
        assert await asking == 1
        assert system.snapshot()["waits"] == []


@virtual
async def test_reentrant_actors_that_ask_each_other_answer_and_are_no_suspects() -> None:
    async with ap.ActorSystem() as system:
        a, b = await relays(system, "a", "b", cls=OpenRelay)
        asking = asyncio.create_task(a.ask(Relay.pass_on, b, a), name="client")
        await asyncio.sleep(1.0)
        assert system.snapshot()["suspects"] == []
        assert await asking == 1


@virtual
async def test_a_ring_through_a_reentrant_actor_is_seen_by_the_handlers_that_form_it() -> None:
    async with ap.ActorSystem() as system:
        (a,) = await relays(system, "a")
        (b,) = await relays(system, "b", cls=OpenRelay)
        ringing = asyncio.create_task(a.ask(Relay.pass_on, b, a), name="client")
        passing = asyncio.create_task(b.ask(Relay.pass_on), name="other")
        await asyncio.sleep(1.0)
        assert [sorted(ring) for ring in system.snapshot()["suspects"]] == [["a", "b"]]
        assert await passing == 1
        await fails(ap.ActorError, ringing)


@virtual
async def test_an_actor_that_splits_work_to_one_that_waits_for_it_is_in_a_ring() -> None:
    async with ap.ActorSystem() as system:
        a, b = await relays(system, "a", "b")

        class Boss(Relay):
            async def begin(self) -> None:
                await asyncio.gather(a.ask(Relay.pass_on), b.ask(Relay.pass_on, self.ctx.ref))

        boss = await system.spawn(Boss, name="boss")
        asking = asyncio.create_task(boss.ask(Boss.begin), name="client")
        await asyncio.sleep(1.0)
        (ring,) = system.snapshot()["suspects"]
        assert {"b", "boss"} <= set(ring)
        await fails(ap.ActorError, asking)


@virtual
async def test_tasks_that_await_each_other_are_told_of_only_where_a_handler_waits() -> None:
    async with ap.ActorSystem() as system:
        gate = asyncio.Event()
        inner = asyncio.create_task(gate.wait(), name="inner")

        async def follow() -> None:
            await inner

        outer = asyncio.create_task(follow(), name="outer")
        ref = await system.spawn(PlainDesk, name="desk")
        asking = asyncio.create_task(ref.ask(Desk.run, lambda _: follow()), name="client")
        await settle()
        told = {(wait["who"], wait["on"]) for wait in system.snapshot()["waits"] if wait["does"] == "await"}
        assert told == {("desk", "inner")}
        gate.set()
        await asyncio.gather(outer, asking)


@virtual
async def test_messages_behind_a_busy_handler_wait_for_it() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk, name="desk")
        async with Busy(ref):
            asking = asyncio.create_task(ref.ask(Desk.note, 1), name="client")
            await settle()
            (wait,) = [wait for wait in system.snapshot()["waits"] if wait["does"] == "ask"]
            assert (wait["who"], wait["on"], wait["message"], wait["where"]) == ("client", "desk", "note", "mailbox")
            assert wait["others"] == ("desk",)
        assert await asking == 1


@virtual
async def test_asks_that_were_deferred_or_stashed_are_told_with_where_they_are() -> None:
    kept: list[Any] = []

    def keep(desk: Any) -> Any:
        kept.append(desk.ctx.defer())
        return kept[0]

    async with ap.ActorSystem() as system:
        ref = await system.spawn(PlainDesk, name="desk")
        asking = [
            asyncio.create_task(ref.ask(Desk.do, keep), name="patient"),
            asyncio.create_task(ref.within(1).ask(Desk.do, lambda desk: desk.ctx.stash()), name="stashed"),
        ]
        await settle()
        assert asks(system.snapshot()) == {("patient", "desk", "deferred"), ("stashed", "desk", "stash")}
        kept[0].send(1)
        assert await asking[0] == 1
        await fails(ap.AskTimeout, asking[1])


@virtual
async def test_who_waits_for_room_in_a_mailbox_waits_for_its_actor() -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(PlainDesk, mailbox=1), name="desk")
        async with Busy(ref):
            ref.tell(Desk.note, 1)
            sending = asyncio.create_task(ref.send(Desk.note, 2), name="client")
            await settle()
            (wait,) = system.snapshot()["waits"]
            assert (wait["who"], wait["does"], wait["others"]) == ("client", "send", ("desk",))
            assert "desk" in wait["on"]
        await sending


@virtual
async def test_a_ring_of_an_actor_and_a_process_over_a_channel_is_a_suspect() -> None:
    async def work(rx: ap.Receiver[int], ref: ap.ActorRef[Desk]) -> None:
        await ref.within(30).ask(Desk.note, 1)
        async for _ in rx:
            pass

    async with ap.ActorSystem() as system:
        tx, rx = ap.open_channel[int](0, name="orders")
        ref = await system.spawn(PlainDesk, name="desk")
        gate = asyncio.Event()

        async def feed(desk: Any) -> None:
            await gate.wait()
            async with asyncio.timeout(2.0):
                await tx.send(1)

        feeding = asyncio.ensure_future(ref.ask(Desk.run, feed))
        await settle()
        worker = await system.spawn(work, rx, ref, name="worker")
        working = asyncio.ensure_future(fails(ap.ActorDead, worker))
        await settle()
        gate.set()
        await settle()
        picture = system.snapshot()
        if hasattr(worker, "ends"):  # an asyncio task, the fallback, does not tell what it owns
            assert [sorted(ring) for ring in picture["suspects"]] == [["desk", "worker"]]
        assert ("desk", "send", "orders") in {(wait["who"], wait["does"], wait["on"]) for wait in picture["waits"]}
        await fails(ap.HandlerFailed, feeding)
        tx.close()
        await working


@virtual
async def test_the_waits_of_an_actor_are_seen_however_many_actors_come_before_it() -> None:
    async with ap.ActorSystem() as system:
        for _ in range(50):
            await system.spawn(PlainDesk)
        a, b = await relays(system, "a", "b")
        asking = asyncio.create_task(a.ask(Relay.pass_on, b, a), name="client")
        await asyncio.sleep(1.0)
        picture = snapshot(system, actors=10)
        assert (len(picture["actors"]), picture["left_out"], picture["alive"]) == (10, 42, 52)
        assert [sorted(ring) for ring in picture["suspects"]] == [["a", "b"]]
        await fails(ap.ActorError, asking)


# -- rings in graphs

graphs = st.dictionaries(st.integers(0, 12), st.lists(st.integers(0, 12), max_size=4), max_size=13)


@given(graphs)
def test_every_ring_is_a_way_back_and_each_knot_has_one(edges: dict[int, list[int]]) -> None:
    found = list(rings(edges))
    for ring in found:
        assert len(set(ring)) == len(ring)
        for point, following in zip(ring, ring[1:] + ring[:1], strict=True):
            assert following in edges[point]

    def reached(start: int) -> set[int]:
        seen: set[int] = set()
        todo = [start]
        while todo:
            for other in edges.get(todo.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return seen

    in_rings = {point for point in edges if point in reached(point)}
    expected = {
        frozenset(other for other in in_rings if other in reached(point) and point in reached(other))
        for point in in_rings
    }
    assert {frozenset(knot) for knot in knots(edges) if knot & in_rings} == expected
    assert len(found) == len(expected)


def test_a_ring_of_thousands_needs_no_deep_recursion() -> None:
    many = 20_000
    (ring,) = rings({n: [(n + 1) % many] for n in range(many)})
    assert len(ring) == many
