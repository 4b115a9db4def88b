"""The groups of a system and its nodes: what actors here do is told to the others, and what those tell is done here.

Invariants
- An actor that has joined is a member elsewhere before anything that it says afterwards arrives there, and none any
  more before its end is told: all goes in one lane.
- The members of a node that is lost have left before anybody here is told of their ends, or that their answers will not
  come.
- A member is an actor of the node that told of it, of a class that this node serves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..actors.cell import Cell
from ..nodes.errors import CodecError
from ..nodes.events import NodeEvent, NodeUp
from ..nodes.foreign import one_line
from ..nodes.node import GUEST
from . import messages as m
from .membership import Change, Memberships, Outcome, Refused, Say
from .naming import name_of_class

if TYPE_CHECKING:
    from ..actors.ref import ActorRef
    from ..nodes.link import Link
    from .hub import Hub


class GroupsOfNodes:
    """What a system has to do with the groups of others. Guests take no part: they are linked to one node only."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._groups = hub.system.groups
        self._node = hub.node
        self._memberships = Memberships()
        self._groups.on_own = self._own_changed
        self.unwatch = self._node.watch(self._happened)
        for node, member in list(self._node.members.items()):
            if node in self._node.links and self._node.links[node].connections:
                self._happened(NodeUp(member))

    def _happened(self, event: NodeEvent) -> None:
        if isinstance(event, NodeUp) and GUEST not in (*self._node.labels, *event.node.labels):
            self._do(self._memberships.up(event.node.node))

    def link_down(self, link: Link) -> None:
        """A node is lost."""
        self._do(self._memberships.down(link.node))

    def heard(self, link: Link, message: m.OfGroups) -> None:
        """Another node asks or tells."""
        self._do(self._memberships.heard(link.node, message))

    def _own_changed(self, group: str, cell: Cell, times: int) -> None:
        actor = self._hub.id_of(cell)
        if times < 0:
            self._do(self._memberships.left(group, actor, -times))
        else:
            cls = name_of_class(cell.kind.cls)
            self._do(self._memberships.joined(group, actor, cls, self._hub.label_of(cell)))

    def _do(self, outcomes: Sequence[Outcome]) -> None:
        for each in outcomes:
            match each:
                case Say(peer, message):
                    link = self._node.links.get(peer)
                    if link is not None:
                        self._hub.say(link, message)
                case Change(peer, group, joined, memberships):
                    change = self._groups.arrive if joined else self._groups.depart
                    change(group, self._references(peer, memberships, joined))
                case Refused(peer, times):
                    self._refuse(peer, times, "it has too many")

    def _references(self, peer: bytes, memberships: Sequence[m.Membership], joined: bool) -> Iterator[ActorRef[Any]]:
        for each in memberships:
            try:
                cls = self._hub.class_named(each.cls)
            except CodecError as error:
                if joined:
                    self._refuse(peer, each.times, str(error))
            else:
                yield from [self._hub.reference(peer, each.actor, cls, one_line(each.name))] * each.times

    def _refuse(self, peer: bytes, count: int, why: str) -> None:
        member = self._node.members.get(peer)
        name = peer.hex()[:8] if member is None else member.name
        text = "%d memberships of actors of %s are not known here: %s"
        self._node.complaints.note("memberships refused", text, count, name, why, count=count)
