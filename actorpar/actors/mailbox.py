"""The sending side of a channel in front of a mailbox: for those who wait for room, and for `select` (AC-6).

`tell` does not come through here: it never waits. A door is made when somebody first waits for room, and has the
flavour interface of the channels, so waiting, cancellation and selection are theirs, rule by rule.

Invariant: `reserved` places are promised to woken senders; the cell's `limit` is less by as many, so no tell takes
them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..channels.errors import ChannelBroken, ChannelError
from ..channels.flavors.base import Flavor
from ..channels.sender import Sender
from ..channels.waiters import GRANTED, IDLE, Waiter, wake
from .belongings import more_of
from .cell import Cell
from .errors import ActorDead
from .states import DEAD

if TYPE_CHECKING:
    from .entry import Letter


class MailboxFlavor(Flavor):
    """A channel that ends in a mailbox. Nothing is ever buffered here."""

    __slots__ = ("cell", "reserved")

    def __init__(self, cell: Cell) -> None:
        super().__init__(cell.kind.mailbox, name=f"the mailbox of {cell.name}")
        self.cell = cell
        self.reserved = 0
        self.bind(cell.dispatcher.queue)
        self.sender_queue()

    def room(self) -> int:
        return 0

    def refusal(self, item: Any = None) -> ChannelError:
        return ActorDead(f"{self.cell.name} has ended: {self.cell.stopping}", self.cell.stopping, item=item)

    def expects_close(self) -> bool:
        return False

    def try_send(self, item: Letter) -> bool:
        cell = self.cell
        if cell.state == DEAD:
            raise self.refusal(item)
        if self.senders or not cell.has_room():
            return False
        return cell.put(item)

    def make_room(self) -> None:
        """Messages were taken: reserve the free places for the first that wait (CH-8)."""
        cell = self.cell
        while len(cell.box or ()) < cell.limit and wake(self.senders, GRANTED):
            self.reserved += 1
            cell.limit -= 2

    def finish_send(self, waiter: Waiter) -> None:
        state, item, _ = self.settle(waiter)
        if state != GRANTED or self.cell.state == DEAD:
            raise self.refusal(item)
        self.reserved -= 1
        self.cell.limit += 2
        self.cell.append(item)

    def leave_send(self, waiter: Waiter) -> None:
        if waiter.state == GRANTED:
            waiter.state = IDLE
            self.reserved -= 1
            self.cell.limit += 2
            self.make_room()
        else:
            self.discard(self.senders, waiter)
        waiter.end = waiter.item = None

    def undelivered(self, items: Iterable[Any]) -> None:
        """What threads had sent when the actor ended."""
        for letter in items:
            self.dropped += 1
            self.cell.dispatcher.dead_letter(self.cell, letter, "dead")

    def bury(self) -> None:
        """The actor has ended: everybody who waits learns it."""
        if self.failure is None:
            self.end(ChannelBroken)
            self.discard_buffer()


def door_of(cell: Cell) -> Sender[Letter]:
    """The one door of an actor."""
    more = more_of(cell)
    if more.door is None:
        more.door = Sender(MailboxFlavor(cell))
        if cell.state == DEAD:
            more.door.core.bury()
    door: Sender[Letter] = more.door
    return door
