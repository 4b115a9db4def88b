"""Groups over nodes: members elsewhere are references, and come and go as they do there (AC-52 to AC-54)."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import actorpar as ap
from actorpar.nodes.node import GUEST, Node
from actorpar.remote import messages as m
from actorpar.remote.membership import MOST
from tests.nodes.meshed import mesh, until
from tests.remote.shards import GROUP, SERVES, Shard
from tests.remote.subjects import Counter
from tests.remote.systems import systems


def system_on(node: Node, *serves: str) -> ap.ActorSystem:
    return ap.ActorSystem(node.name, node=node, serves=serves or SERVES, shutdown=0.5)


def names(system: ap.ActorSystem, group: str = GROUP) -> list[str]:
    return sorted(ref.name for ref in system.groups.members(group))


async def all_see(those: list[ap.ActorSystem], *expected: str, group: str = GROUP) -> None:
    await until(lambda: all(names(system, group) == sorted(expected) for system in those))


async def test_ac52_actors_of_all_nodes_are_members_and_can_be_asked_from_each() -> None:
    async with systems(3) as world:
        those = world.all
        for number, system in enumerate(those):
            await system.spawn(Shard, name=f"shard-{number}")
        await all_see(those, "shard-0", "shard-1", "shard-2")
        for system in those:
            for ref in system.groups.members(GROUP):
                assert await ref.ask(Shard.note, f"from {system.name}") == ref.name
        assert await those[0].groups.members(GROUP)[1].ask(Shard.notes) == ["from n0", "from n1", "from n2"]


async def test_ac52_who_joined_twice_must_leave_twice_on_every_node() -> None:
    async with systems(2) as world:
        those = world.all
        shard = await those[0].spawn(Shard, name="s")
        await shard.ask(Shard.join, GROUP)
        await shard.ask(Shard.join, "other")
        await all_see(those, "s", "s")
        await all_see(those, "s", group="other")
        await shard.ask(Shard.leave, GROUP)
        await all_see(those, "s")
        assert those[1].groups.names() == [GROUP, "other"]
        await shard.ask(Shard.leave, GROUP)
        await all_see(those)
        assert those[1].groups.names() == ["other"], "an empty group is a missing group"
        await those[0].stop(shard)
        await all_see(those, group="other")


async def test_ac52_nodes_that_link_later_tell_each_other_all_that_was_before() -> None:
    with tempfile.TemporaryDirectory(prefix="ap-") as folder:
        async with Node("one") as one, Node("two") as two, system_on(one) as first, system_on(two) as second:
            await first.spawn(Shard, name="a")
            await second.spawn(Shard, name="b")
            members, changes = second.groups.monitor(GROUP)
            assert [ref.name for ref in members] == ["b"]
            await one.listen(f"unix:{folder}/one")
            await two.connect(f"unix:{folder}/one")
            await all_see([first, second], "a", "b")
            change = await changes.receive()
            assert (change.joined, [ref.name for ref in change.refs]) == (True, ["a"])
            changes.close()


async def test_ac52_a_system_that_starts_after_its_links_is_told_and_tells() -> None:
    async with mesh(2) as nodes, system_on(nodes.nodes[0]) as first:
        await first.spawn(Shard, name="a")
        async with system_on(nodes.nodes[1]) as second:
            await second.spawn(Shard, name="b")
            await all_see([first, second], "a", "b")
        await all_see([first], "a")
        async with system_on(nodes.nodes[1]) as third:
            await third.spawn(Shard, name="c")
            await all_see([first, third], "a", "c")


async def test_ac52_an_actor_has_others_neither_join_nor_leave_nor_do_nodes() -> None:
    async with systems(2) as world:
        those = world.all
        await those[0].spawn(Shard, name="s")
        await all_see(those, "s")
        (ref,) = those[1].groups.members(GROUP)
        for wrong in (ref, ref.within(1)):
            with pytest.raises(ap.InvalidActor, match="is an actor of another node: this can be done only there"):
                those[1].groups.join("g", wrong)
            with pytest.raises(ap.InvalidActor):
                those[1].groups.leave(GROUP, wrong)
        await all_see(those, "s")


async def test_ac52_what_an_actor_says_after_it_has_joined_or_left_finds_it_so() -> None:
    async with systems(2) as world:
        those = world.all
        shard = await those[1].spawn(Shard, "", name="s", on="n0")
        for _ in range(20):
            await shard.ask(Shard.join, "late")
            assert names(those[1], "late") == ["s"]
            await shard.ask(Shard.leave, "late")
            assert names(those[1], "late") == []


# -- ends and losses


class Mourner(ap.Actor):
    """Notes who is in the group when it is told of an end."""

    def __init__(self, watched: ap.ActorRef[Shard], seen: list[tuple[str, list[str]]]) -> None:
        self.ctx.monitor(watched)
        self.seen = seen

    def on_down(self, down: ap.Down) -> None:
        self.seen.append((down.reason.kind, names(self.ctx.system)))


async def test_ac52_a_member_that_ends_has_left_before_its_end_is_told() -> None:
    async with systems(2) as world:
        those = world.all
        shard = await those[0].spawn(Shard, name="s")
        await all_see(those, "s")
        (ref,) = those[1].groups.members(GROUP)
        seen: list[tuple[str, list[str]]] = []
        await those[1].spawn(Mourner, ref, seen)
        await ref.ask(Shard.note, "the watch has arrived before this")
        await shard.ask(Shard.stop)
        await until(lambda: seen)
        assert seen == [("normal", [])]


async def test_ac52_the_members_of_a_node_that_is_lost_have_left_before_their_ends_are_told() -> None:
    async with systems(3) as world:
        those = world.all
        for number in (0, 1):
            await those[2].spawn(Shard, name=f"c-{number}")
        await those[0].spawn(Shard, name="a")
        await all_see(those, "a", "c-0", "c-1")
        lost = next(ref for ref in those[0].groups.members(GROUP) if ref.name == "c-1")
        seen: list[tuple[str, list[str]]] = []
        await those[0].spawn(Mourner, lost, seen)
        asking = asyncio.create_task(lost.ask(Shard.wait))
        await until(lambda: lost.asked)  # type: ignore[attr-defined]  # a reference to another node counts them
        members, changes = those[0].groups.monitor(GROUP)
        assert len(members) == 3
        world.nodes[0].links[world.nodes[2].id].close("for the test")
        assert names(those[0]) == ["a"]
        with pytest.raises(ap.NodeDown):
            await asking
        await until(lambda: seen)
        assert seen == [("noconnection", ["a"])]
        change = await changes.receive()
        assert (change.joined, sorted(ref.name for ref in change.refs)) == (False, ["c-0", "c-1"]), "one change for all"
        with pytest.raises(ap.ChannelEmpty):
            changes.receive_nowait()
        changes.close()


async def test_ac53_a_monitor_gets_what_happens_on_other_nodes_once() -> None:
    async with systems(2) as world:
        those = world.all
        await those[0].spawn(Shard, name="early")
        await all_see(those, "early")
        members, changes = those[1].groups.monitor(GROUP)
        known = list(members)
        shards = [await those[number % 2].spawn(Shard, name=f"s-{number}") for number in range(6)]
        for number, shard in enumerate(shards[:4]):
            await those[number % 2].stop(shard)
        await all_see(those, "early", "s-4", "s-5")
        got = await changes.receive_many(100)
        assert len(got) == 10
        for change in got:
            for ref in change.refs:
                known.append(ref) if change.joined else known.remove(ref)
        assert tuple(known) == those[1].groups.members(GROUP)
        changes.close()


# -- what others may not


@asynccontextmanager
async def stranger() -> AsyncIterator[tuple[ap.ActorSystem, Node, Node]]:
    """A system, its node, and another node that says what it likes."""
    async with mesh(2) as nodes, system_on(nodes.nodes[0]) as system:
        yield system, nodes.nodes[0], nodes.nodes[1]


def say(node: Node, to: Node, *messages: m.OfGroups) -> None:
    for message in messages:
        node.links[to.id].call(m.LANE, m.pack(message), [])


def membership(actor: bytes, times: int = 1, cls: str = "tests.remote.shards:Shard") -> m.Membership:
    return m.Membership(GROUP, actor, cls, "of the stranger", times)


async def test_ac54_a_node_has_nobody_leave_but_its_own() -> None:
    async with stranger() as (system, node, other):
        shard = await system.spawn(Shard, name="s")
        id = system.hub.id_of(shard)  # type: ignore[arg-type]  # a reference of this node is its cell
        say(other, node, m.Everyone(()), m.Leaves(GROUP, id, 1), m.Joins((membership(id),)))
        await until(lambda: len(system.groups.members(GROUP)) == 2)
        assert names(system) == ["of the stranger", "s"]
        say(other, node, m.Leaves(GROUP, id, 9))
        await all_see([system], "s")
        assert system.groups.members(GROUP) == (shard,)


async def test_ac54_what_is_told_before_all_is_told_is_ignored() -> None:
    async with stranger() as (system, node, other):
        say(other, node, m.Joins((membership(b"1" * 16),)), m.Everyone((membership(b"2" * 16, 2),)))
        await all_see([system], "of the stranger", "of the stranger")


async def test_ac54_too_many_memberships_and_unknown_classes_are_refused_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with stranger() as (system, node, other):
        say(other, node, m.Everyone((membership(b"1" * 16, MOST + 1), membership(b"2" * 16, 3, "os:Popen"))))
        await until(lambda: node.counters["memberships refused"] == MOST + 4)
        assert system.groups.members(GROUP) == ()
        assert "memberships of actors of n1 are not known here" in caplog.text
        say(other, node, m.Leaves(GROUP, b"2" * 16, 3), m.Joins((membership(b"1" * 16),)))
        await all_see([system], "of the stranger")
        assert node.counters["memberships refused"] == MOST + 4


async def test_ac54_nonsense_ends_the_link_and_nothing_else() -> None:
    logging.getLogger("actorpar.nodes").setLevel(logging.ERROR)
    try:
        async with stranger() as (system, node, other):
            await system.spawn(Shard, name="s")
            say(other, node, m.Everyone((membership(b"1" * 16),)))
            await all_see([system], "of the stranger", "s")
            say(other, node, m.Leaves("no name", b"1" * 16, 1))
            await all_see([system], "s")
            await until(lambda: other.id not in node.links)
    finally:
        logging.getLogger("actorpar.nodes").setLevel(logging.NOTSET)


async def test_ac52_a_guest_takes_no_part_for_it_is_linked_to_one_node_only() -> None:
    with tempfile.TemporaryDirectory(prefix="ap-") as folder:
        async with (
            Node("host") as host,
            Node("guest", labels=(GUEST,)) as guest,
            system_on(host) as first,
            system_on(guest) as second,
        ):
            await first.spawn(Shard, name="a")
            await second.spawn(Shard, name="b")
            await host.listen(f"unix:{folder}/host")
            await guest.connect(f"unix:{folder}/host")
            there = await second.spawn(Shard, "", name="visitor", on="host")
            assert await there.ask(Shard.note, "so all that was said before has arrived")
            assert (names(first), names(second)) == (["a"], ["b"])


async def test_a_member_whose_class_is_not_served_is_left_out() -> None:
    async with mesh(2) as nodes:
        one, two = nodes.nodes
        async with system_on(one, "tests.remote.subjects") as first, system_on(two) as second:
            counter = await first.spawn(Counter, name="counter")
            first.groups.join(GROUP, counter)
            await second.spawn(Shard, name="s")
            await until(lambda: one.counters["memberships refused"] and two.counters["memberships refused"])
            assert (names(first), names(second)) == (["counter"], ["s"])
