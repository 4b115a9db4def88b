"""Which actors of which nodes are in which groups, as nodes tell each other (AC-52, AC-54). No I/O.

A node speaks of its own actors only: the messages have no words for those of others. Two that are linked ask each other
at once; whoever is asked tells all, and then every change. A question that came before the other side had a system is
lost, and needs no second one: when that system asks, it is told all, and tells all, too.

Invariants
- What is believed of a peer is all that it has told, and every change since. Before that a change is ignored; when the
  peer is down nothing of it is believed any more.
- A peer that was told all is told every change since, in order; others are told none.
- No more than MOST memberships of a peer are believed; of more each is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

from msgspec.structs import replace

from . import messages as m

#: Memberships of one peer; an actor that joined a group twice has two.
MOST: Final = 1 << 16
#: Memberships in one message: so none is too large for anybody.
PART: Final = 256


class Say(NamedTuple):
    """To be sent to a peer."""

    peer: bytes
    message: m.OfGroups


class Change(NamedTuple):
    """Actors of a peer joined or left a group, each `times` times."""

    peer: bytes
    group: str
    joined: bool
    memberships: tuple[m.Membership, ...]


class Refused(NamedTuple):
    """So many memberships that a peer has told are more than it may have."""

    peer: bytes
    times: int


Outcome: TypeAlias = Say | Change | Refused


class Memberships:
    """Those of one node, and those that it believes of others."""

    def __init__(self, most: int = MOST) -> None:
        self._own = _Several()
        self._most = most
        self._peers: dict[bytes, _Peer] = {}

    # -- what happens here

    def up(self, peer: bytes) -> list[Outcome]:
        """A node is linked, or this one begins."""
        self._peers[peer] = _Peer()
        return [Say(peer, m.WhoIsIn())]

    def down(self, peer: bytes) -> list[Outcome]:
        """A node is down for good: its actors are in no group any more."""
        known = self._peers.pop(peer, None)
        return [] if known is None else _changes(peer, False, known.believed.all())

    def joined(self, group: str, actor: bytes, cls: str, name: str) -> list[Outcome]:
        """An actor of this node joined a group."""
        joined = m.Membership(group, actor, cls, name, 1)
        self._own.add(joined)
        return self._tell(m.Joins((joined,)))

    def left(self, group: str, actor: bytes, times: int) -> list[Outcome]:
        """An actor of this node left a group, so many times."""
        self._own.take(group, actor, times)
        return self._tell(m.Leaves(group, actor, times))

    def _tell(self, message: m.OfGroups) -> list[Outcome]:
        return [Say(node, message) for node, peer in self._peers.items() if peer.is_told]

    # -- what a peer says

    def heard(self, peer: bytes, message: m.OfGroups) -> list[Outcome]:
        """A node tells, or asks. One that is not linked, or is down, is not heard (AC-54)."""
        known = self._peers.get(peer)
        if known is None:
            return []
        match message:
            case m.WhoIsIn():
                return self._tell_all(peer, known)
            case m.Everyone():
                outcomes = _changes(peer, False, known.believed.all())
                known.believed, known.has_told = _Several(), True
                outcomes += self._believe(peer, known, message.memberships)
                return outcomes if known.is_told else outcomes + self._tell_all(peer, known)
            case m.Joins():
                return self._believe(peer, known, message.memberships) if known.has_told else []
            case m.Leaves():
                gone = known.believed.take(message.group, message.actor, message.times)
                return [] if gone is None else _changes(peer, False, [gone])

    def _tell_all(self, peer: bytes, known: _Peer) -> list[Outcome]:
        known.is_told = True
        own = self._own.all()
        parts = [own[start : start + PART] for start in range(PART, len(own), PART)]
        return [Say(peer, m.Everyone(own[:PART])), *(Say(peer, m.Joins(part)) for part in parts)]

    def _believe(self, peer: bytes, known: _Peer, memberships: Sequence[m.Membership]) -> list[Outcome]:
        believed, refused = [], 0
        for each in memberships:
            if known.believed.count + each.times > self._most:
                refused += each.times
            else:
                known.believed.add(each)
                believed.append(each)
        outcomes = _changes(peer, True, believed)
        return [*outcomes, Refused(peer, refused)] if refused else outcomes


class _Peer:
    """What was said between this node and another one."""

    __slots__ = ("believed", "has_told", "is_told")

    def __init__(self) -> None:
        self.is_told = False
        self.has_told = False
        self.believed = _Several()


class _Several:
    """Memberships, each of an actor in a group, and how many they are."""

    __slots__ = ("_each", "count")

    def __init__(self) -> None:
        self._each: dict[tuple[str, bytes], m.Membership] = {}
        self.count = 0

    def all(self) -> tuple[m.Membership, ...]:
        return tuple(self._each.values())

    def add(self, membership: m.Membership) -> None:
        key = (membership.group, membership.actor)
        known = self._each.get(key)
        times = membership.times + (0 if known is None else known.times)
        self._each[key] = replace(membership, times=times)
        self.count += membership.times

    def take(self, group: str, actor: bytes, times: int) -> m.Membership | None:
        """Take so many, or as many as there are; None: there is none."""
        known = self._each.pop((group, actor), None)
        if known is None:
            return None
        if known.times > times:
            self._each[group, actor] = replace(known, times=known.times - times)
            known = replace(known, times=times)
        self.count -= known.times
        return known


def _changes(peer: bytes, joined: bool, memberships: Iterable[m.Membership]) -> list[Outcome]:
    """One change for each group."""
    groups: dict[str, list[m.Membership]] = {}
    for each in memberships:
        groups.setdefault(each.group, []).append(each)
    return [Change(peer, group, joined, tuple(members)) for group, members in groups.items()]
