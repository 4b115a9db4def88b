"""Who on other nodes is to be told the end of an actor here: nodes that watch it, and actors that are linked to it.

Invariants (AC-55)
- A node is told an end once, however often it asked to be, and not after it has taken that back.
- A link stands on both nodes, and each watches the other's actor. The node that makes it counts the other one as
  watching before it says so, so that no end falls between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..actors import bonds
from ..actors.belongings import more_of
from ..actors.states import DEAD
from . import messages as m
from .reasons import NO_SUCH, told

if TYPE_CHECKING:
    from ..actors.cell import Cell
    from ..nodes.link import Link
    from .hub import Hub
    from .ref import RemoteRef


class Watches:
    """The actors of this node that others watch."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._nodes: dict[bytes, set[bytes]] = {}  # that watch an actor

    def watch(self, link: Link, actor: bytes) -> bool:
        """A node wants to know when an actor has ended. False: it has, and the node is told that."""
        cell = self._hub.cells.get(actor)
        if cell is None or cell.state == DEAD:
            self._hub.say(link, m.Down(actor, NO_SUCH))
            return False
        if actor not in self._nodes:
            self._nodes[actor] = set()
            more = more_of(cell)
            more.on_end = more.on_end or []
            more.on_end.append(lambda cell, reason: self._ended(actor, cell))
        self._nodes[actor].add(link.node)
        return True

    def unwatch(self, link: Link, actor: bytes) -> None:
        """It does not want to any more."""
        if actor in self._nodes:
            self._nodes[actor].discard(link.node)

    def _ended(self, actor: bytes, cell: Cell) -> None:
        assert cell.stopping is not None
        down = m.Down(actor, told(cell.stopping))
        for node in self._nodes.pop(actor):
            link = self._hub.node.links.get(node)
            if link is not None:
                self._hub.say(link, down)

    def bind(self, cell: Cell, ref: RemoteRef) -> None:
        """An actor here links itself to one over there."""
        link = self._hub.node.links.get(ref.node)
        if link is not None:
            self.watch(link, self._hub.id_of(cell))
            self._hub.say(link, m.Bind(ref.id, self._hub.export(cell, link)))

    def unbind(self, cell: Cell, ref: RemoteRef) -> None:
        """It undoes that."""
        link = self._hub.node.links.get(ref.node)
        if link is not None:
            self._hub.say(link, m.Unbind(ref.id, self._hub.export(cell, link)))

    def bound(self, link: Link, bind: m.Bind) -> None:
        """An actor over there has linked itself to one here."""
        if self.watch(link, bind.actor):
            bonds.link(self._hub.cells[bind.actor], self._hub.peer_of(link, bind.peer), tell=False)

    def unbound(self, link: Link, unbind: m.Unbind) -> None:
        """It has undone that."""
        cell = self._hub.cells.get(unbind.actor)
        if cell is not None:
            bonds.unlink(cell, self._hub.peer_of(link, unbind.peer), tell=False)

    def link_down(self, link: Link) -> None:
        """A node is down, and watches nobody."""
        for nodes in self._nodes.values():
            nodes.discard(link.node)
