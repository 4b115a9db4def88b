"""What nodes tell each other of groups, without I/O: in every order, over deaths and returns (AC-52 to AC-54)."""

from __future__ import annotations

import copy

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorpar.nodes.errors import ProtocolError
from actorpar.remote import messages as m
from actorpar.remote.membership import PART, Change, Memberships, Refused, Say

from .gossip import Action, World

A, B, C = (bytes([number]) * 16 for number in (1, 2, 3))
ONE, TWO = b"1" * 16, b"2" * 16


def membership(actor: bytes, times: int = 1, group: str = "g") -> m.Membership:
    return m.Membership(group, actor, "m:C", "c", times)


# -- every order


@pytest.mark.parametrize("ends", ["nobody dies", "one dies", "the link ends"])
def test_ac52_in_every_order_of_all_that_happens_each_learns_all_of_the_other(ends: str) -> None:
    scripts = {
        A: [Action("join", A, ONE, "g"), Action("join", A, ONE, "g"), Action("leave", A, ONE, "g")],
        B: [Action("join", B, TWO, "g"), Action("leave", B, TWO, "g")],
    }
    seen: set[tuple[bytes, int, int]] = set()
    outcomes = 0

    def explore(world: World, done: dict[bytes, int]) -> None:
        nonlocal outcomes
        key = (world.key(), done[A], done[B])
        if key in seen:
            return
        seen.add(key)
        own = [
            scripts[id][done[id]]
            for id in (A, B)
            if id in world.nodes and world.nodes[id].memberships is not None and done[id] < len(scripts[id])
        ]
        actions = [*world.may_happen(), *own]
        if ends == "one dies" and B in world.nodes:
            actions.append(Action("die", B))
        if ends == "the link ends" and B in world.nodes[A].attached:
            actions.append(Action("lose", A, B))
        for action in actions:
            after = copy.deepcopy(world)
            after.happen(action)
            explore(after, {**done, action.node: done.get(action.node, 0) + (action in own)})
        if not actions:
            world.settle()
            outcomes += 1

    explore(World(A, B), {A: 0, B: 0})
    assert outcomes
    assert len(seen) > 400, "these are many orders"


@given(st.lists(st.integers(0, 1 << 20), max_size=120))
def test_ac54_three_nodes_that_die_and_come_anew_never_see_what_was_not_so_and_agree_in_the_end(
    dice: list[int],
) -> None:
    world = World(A, B, C)
    for number in dice:
        actions = world.may_happen()
        for node in list(world.nodes.values()):
            if node.memberships is not None:
                actors = [node.id[:8] + bytes(7) + bytes([each]) for each in (1, 2)]
                actions += [Action("join", node.id, actor, group) for actor in actors for group in ("g", "h")]
                actions += [Action("leave", node.id, actor, group) for group, actor in node.past[-1]]
        if world.made < 7:
            actions += [Action("die", node) for node in world.nodes]
            actions += [Action("lose", node.id, peer) for node in world.nodes.values() for peer in node.attached]
        world.happen(actions[number % len(actions)])
    world.settle()


# -- the rules, one by one


def linked() -> Memberships:
    """A node that is linked to B, which has told that it has nobody."""
    memberships = Memberships(most=4)
    memberships.up(B)
    memberships.heard(B, m.Everyone(()))
    return memberships


def test_ac54_joins_and_leaves_of_a_peer_that_has_not_told_all_are_ignored() -> None:
    memberships = Memberships()
    assert memberships.up(B) == [Say(B, m.WhoIsIn())]
    assert memberships.heard(B, m.Joins((membership(ONE),))) == []
    assert memberships.heard(B, m.Leaves("g", ONE, 1)) == []
    told, _ = memberships.heard(B, m.Everyone((membership(TWO),)))
    assert told == Change(B, "g", True, (membership(TWO),)), "and what it told before is not believed now"


def test_ac54_who_tells_all_again_is_believed_that_and_nothing_else() -> None:
    memberships = linked()
    memberships.heard(B, m.Joins((membership(ONE),)))
    assert memberships.heard(B, m.Everyone((membership(ONE, 2), membership(TWO)))) == [
        Change(B, "g", False, (membership(ONE),)),
        Change(B, "g", True, (membership(ONE, 2), membership(TWO))),
    ]
    assert memberships.down(B) == [Change(B, "g", False, (membership(ONE, 2), membership(TWO)))]


def test_ac54_a_peer_that_is_down_is_not_heard() -> None:
    memberships = linked()
    memberships.heard(B, m.Joins((membership(ONE, 2), membership(TWO), membership(TWO, group="h"))))
    assert memberships.down(B) == [
        Change(B, "g", False, (membership(ONE, 2), membership(TWO))),
        Change(B, "h", False, (membership(TWO, group="h"),)),
    ]
    for message in (m.WhoIsIn(), m.Everyone((membership(ONE),)), m.Joins((membership(ONE),)), m.Leaves("g", ONE, 1)):
        assert memberships.heard(B, message) == []
    assert memberships.down(B) == []


def test_ac54_nobody_leaves_who_has_not_joined_and_nobody_more_often() -> None:
    memberships = linked()
    memberships.heard(B, m.Joins((membership(ONE, 2),)))
    assert memberships.heard(B, m.Leaves("g", TWO, 1)) == []
    assert memberships.heard(B, m.Leaves("h", ONE, 1)) == []
    assert memberships.heard(B, m.Leaves("g", ONE, 9)) == [Change(B, "g", False, (membership(ONE, 2),))]
    assert memberships.heard(B, m.Leaves("g", ONE, 1)) == []


def test_ac52_no_peer_can_have_the_actors_of_another_one_leave() -> None:
    memberships = linked()
    memberships.up(C)
    memberships.heard(C, m.Everyone(()))
    memberships.heard(B, m.Joins((membership(ONE),)))
    assert memberships.heard(C, m.Leaves("g", ONE, 1)) == []
    assert memberships.heard(C, m.Joins((membership(ONE),))) == [Change(C, "g", True, (membership(ONE),))]
    assert memberships.heard(C, m.Everyone(())) == [Change(C, "g", False, (membership(ONE),))]
    assert memberships.down(C) == []
    assert memberships.down(B) == [Change(B, "g", False, (membership(ONE),))]


def test_ac52_of_too_many_memberships_each_is_refused_and_those_that_leave_make_room() -> None:
    memberships = linked()
    outcomes = memberships.heard(B, m.Joins((membership(ONE, 3), membership(TWO, 2), membership(TWO))))
    assert outcomes == [Change(B, "g", True, (membership(ONE, 3), membership(TWO))), Refused(B, 2)]
    assert memberships.heard(B, m.Joins((membership(TWO),))) == [Refused(B, 1)]
    memberships.heard(B, m.Leaves("g", ONE, 1))
    assert memberships.heard(B, m.Joins((membership(TWO),))) == [Change(B, "g", True, (membership(TWO),))]


def test_ac52_many_memberships_are_told_in_parts_that_are_not_large() -> None:
    here, there = Memberships(), linked()
    here.up(A)
    for number in range(2 * PART + 1):
        here.joined("g", number.to_bytes(16, "big"), "m:C", "c")
    said = here.heard(A, m.WhoIsIn())
    assert [type(say.message) for say in said if isinstance(say, Say)] == [m.Everyone, m.Joins, m.Joins]
    there = Memberships()
    there.up(B)
    for say in said:
        assert isinstance(say, Say)
        assert len(m.pack(say.message)) < 1 << 16
        there.heard(B, say.message)
    (left,) = there.down(B)
    assert isinstance(left, Change)
    assert len(left.memberships) == 2 * PART + 1


def test_ac52_changes_are_told_to_those_that_were_told_all_and_to_nobody_else() -> None:
    memberships = Memberships()
    for peer in (B, C):
        memberships.up(peer)
    memberships.heard(B, m.WhoIsIn())
    assert memberships.joined("g", ONE, "m:C", "c") == [Say(B, m.Joins((membership(ONE),)))]
    assert memberships.left("g", ONE, 1) == [Say(B, m.Leaves("g", ONE, 1))]
    assert memberships.heard(C, m.WhoIsIn()) == [Say(C, m.Everyone(()))]


@pytest.mark.parametrize(
    "broken",
    [
        m.Leaves("", ONE, 1), m.Leaves("g\n", ONE, 1), m.Leaves("g" * 201, ONE, 1), m.Leaves("g", b"1", 1),
        m.Leaves("g", ONE, 0), m.Leaves("g", ONE, -1), m.Joins((membership(ONE, 0),)),
        m.Everyone((membership(ONE, group="a b"),)),
    ],
    ids=repr,
)  # fmt: skip
def test_ac54_what_cannot_be_a_membership_is_no_message(broken: m.OfGroups) -> None:
    with pytest.raises(ProtocolError):
        m.unpack(m.pack(broken))


def test_a_membership_survives_the_wire() -> None:
    for message in (m.WhoIsIn(), m.Everyone((membership(ONE, 2),)), m.Joins((membership(ONE),)), m.Leaves("g", ONE, 1)):
        told, rest = m.unpack(m.pack(message))
        assert (told, bytes(rest)) == (message, b"")
        assert msgspec.to_builtins(told) == msgspec.to_builtins(message)
