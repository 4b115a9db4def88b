"""Two nodes that connect to each other, at once or not, end with one link (NET-30), whatever is lost on the way.

Every order in which both dial and hear HELLO, WELCOME and REFUSED, while connections break before they are welcomed, or
who dials gives up and its HELLO arrives all the same, later. What a node does around `judge` is done here as
nodes/node.py does it: it takes the session of who is greater while it dials itself, gives up dialing when it is told
`duplicate`, dials again when its connection broke, and is down when it is told `session`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import pytest

from actorpar.nodes.errors import HandshakeRefused
from actorpar.nodes.protocol import handshake
from actorpar.nodes.protocol.handshake import Hello, Known

IDS = (b"a" * 16, b"b" * 16)
#: Connections that a search may make: one that needs more of them could go on for ever.
MOST_DIALED = 9
#: No connection.
NONE = -1


class Flying(NamedTuple):
    """What is on its way to a node. `closed`: the connection is over."""

    to: int
    connection: int
    kind: Literal["hello", "welcome", "refused", "closed"]
    session: bytes
    fresh: bool = True
    code: str = ""


@dataclass(frozen=True)
class Side:
    """What one node has of the link: `linked` after the first WELCOME, `over` which connection it is up now."""

    session: bytes = b""
    linked: bool = False
    over: int = NONE
    dials: int = NONE
    wants: bool = True
    down: bool = False


@dataclass(frozen=True)
class World:
    sides: tuple[Side, Side]
    flying: tuple[Flying, ...] = ()
    given_up: tuple[int, ...] = ()
    dialed: int = 0
    breaks: int = 0

    def with_side(self, number: int, **facts: Any) -> World:
        sides = list(self.sides)
        sides[number] = replace(sides[number], **facts)
        return replace(self, sides=(sides[0], sides[1]))

    def send(self, *messages: Flying) -> World:
        return replace(self, flying=tuple(sorted((*self.flying, *messages))))


def hello(number: int, session: bytes, fresh: bool = True) -> Hello:
    return Hello("actorpar", 1, IDS[number], "n", 1, session, fresh, 1, 1 << 20, (), "h", b"", (), 1, 1)


def following(world: World) -> list[World]:
    """All worlds that may come next."""
    found = []
    for number, side in enumerate(world.sides):
        if side.wants and side.dials == NONE:
            found.append(dial(world, number))
        if side.dials != NONE and world.breaks:
            found.append(give_up(replace(world, breaks=world.breaks - 1), number))
    for message in world.flying:
        rest = replace(world, flying=tuple(each for each in world.flying if each != message))
        found.append(hear(rest, message))
        if message.kind in ("hello", "welcome") and world.breaks and message.connection not in world.given_up:
            found.append(lose(replace(rest, breaks=world.breaks - 1), message))
    return found


def dial(world: World, number: int) -> World:
    side = world.sides[number]
    if side.over != NONE or side.down:
        return world.with_side(number, wants=False)
    session = side.session or b"%d" % number * 16
    world = world.send(Flying(1 - number, world.dialed, "hello", session, fresh=not side.linked))
    world = world.with_side(number, session=session, dials=world.dialed, wants=False)
    return replace(world, dialed=world.dialed + 1)


def give_up(world: World, number: int) -> World:
    """The handshake took too long: this connection is closed, and another one will be tried."""
    given_up = (*world.given_up, world.sides[number].dials)
    return replace(world, given_up=given_up).with_side(number, dials=NONE, wants=True)


def lose(world: World, message: Flying) -> World:
    """The connection breaks before this arrives; both sides learn it."""
    closed = [Flying(to, message.connection, "closed", b"") for to in (0, 1)]
    return world.send(*closed)


def hear(world: World, message: Flying) -> World:
    side = world.sides[message.to]
    if message.kind == "hello":
        return hear_hello(world, message)
    if message.kind == "closed":
        return hear_closed(world, message)
    if side.dials != message.connection:  # given up: who has accepted learns it
        closed = Flying(1 - message.to, message.connection, "closed", b"")
        return world.send(closed) if message.kind == "welcome" else world
    world = world.with_side(message.to, dials=NONE)
    if message.kind == "refused":
        gone, over = message.code == "session", message.code == "duplicate" and not side.linked
        return world.with_side(message.to, down=side.down or gone, wants=not gone and not over)
    if message.session != side.session:
        return world.send(Flying(1 - message.to, message.connection, "closed", b""))
    return attach(world, message)


def hear_hello(world: World, message: Flying) -> World:
    number, side = message.to, world.sides[message.to]
    known = Known(
        incarnation=1 if side.linked else 0,
        session=side.session,
        dialing=bool(side.session) and not side.linked,
    )
    try:
        verdict = handshake.judge(hello(number, b""), hello(1 - number, message.session, message.fresh), known)
    except HandshakeRefused as refused:
        return world.send(message._replace(to=1 - number, kind="refused", code=refused.code))
    assert not verdict.replaces
    return attach(world.send(message._replace(to=1 - number, kind="welcome")), message)


def attach(world: World, message: Flying) -> World:
    """The link is up over this connection; one that it had before is closed."""
    before = world.sides[message.to].over
    if before not in (NONE, message.connection):
        world = world.send(Flying(1 - message.to, before, "closed", b""))
    return world.with_side(message.to, session=message.session, linked=True, over=message.connection)


def hear_closed(world: World, message: Flying) -> World:
    side = world.sides[message.to]
    if side.dials == message.connection:
        return world.with_side(message.to, dials=NONE, wants=True)
    if side.over == message.connection:  # of two that are linked the greater dials again
        return world.with_side(message.to, over=NONE, wants=message.to == 1)
    return world


def explore(start: World) -> tuple[int, list[World]]:
    seen, todo, ends = {start}, [start], []
    while todo:
        world = todo.pop()
        found = following(world)
        if not found:
            ends.append(world)
        for each in found:
            assert each.dialed <= MOST_DIALED, f"they dial and dial: {each}"
            if each not in seen:
                seen.add(each)
                todo.append(each)
    return len(seen), ends


BOTH, LESSER, GREATER = (True, True), (True, False), (False, True)


@pytest.mark.parametrize(("who", "breaks"), [(BOTH, 0), (BOTH, 1), (LESSER, 1), (GREATER, 1), (GREATER, 2)])
def test_net30_nodes_that_connect_to_each_other_have_one_link(who: tuple[bool, bool], breaks: int) -> None:
    states, ends = explore(World((Side(wants=who[0]), Side(wants=who[1])), breaks=breaks))
    print(f"{states} states, {len(ends)} ends")
    assert ends
    for end in ends:
        one, other = end.sides
        assert not one.down and not other.down, end  # noqa: PT018
        assert one.over == other.over != NONE, end
        assert one.session == other.session, end
