"""The sending side of a channel whose items become messages to an actor on another node (AC-6).

`tell` does not come through here: it never waits. The credit of the reference is the room: so many messages may be on
their way or unhandled. Waiting, cancellation and selection are those of the channels, as for a mailbox here.

Invariant: `reserved` messages are promised to woken senders; the credit is less by as many, so no tell takes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..actors.entry import Call
from ..actors.errors import ActorDead
from ..channels.errors import ChannelBroken, ChannelError
from ..channels.flavors.base import Flavor
from ..channels.waiters import GRANTED, IDLE, Waiter, wake

if TYPE_CHECKING:
    from ..actors.kind import Message
    from .ref import RemoteRef

#: Messages that may be told to one actor on another node and not be handled yet.
WINDOW = 1024


class Outgoing(Call):
    """A message that waits here for its turn to be sent."""

    __slots__ = ("message",)

    def __init__(self, message: Message, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__(message.function, args, kwargs, None)
        self.message = message


class Window(Flavor):
    """A channel to an actor on another node. Nothing is ever buffered here."""

    __slots__ = ("ref", "reserved")

    def __init__(self, ref: RemoteRef) -> None:
        super().__init__(WINDOW, name=f"the mailbox of {ref.name}")
        self.ref = ref
        self.reserved = 0
        self.bind(ref.dispatcher.queue)
        self.sender_queue()

    def room(self) -> int:
        return 0

    def refusal(self, item: Any = None) -> ChannelError:
        return ActorDead(f"{self.ref.name} has ended: {self.ref.reason}", self.ref.reason, item=item)

    def expects_close(self) -> bool:
        return False

    def try_send(self, item: Outgoing) -> bool:
        if self.ref.reason is not None:
            raise self.refusal(item)
        if self.senders or not self.ref.credit:
            return False
        self.ref.dispatch(item)
        return True

    def make_room(self) -> None:
        """Messages were handled: reserve the credit for the first that wait (CH-8)."""
        while self.ref.credit and wake(self.senders, GRANTED):
            self.reserved += 1
            self.ref.credit -= 1

    def finish_send(self, waiter: Waiter) -> None:
        state, item, _ = self.settle(waiter)
        if state != GRANTED or self.ref.reason is not None:
            raise self.refusal(item)
        self._give_back()
        try:
            self.ref.dispatch(item)
        finally:
            self.make_room()  # what cannot be encoded has used no credit

    def leave_send(self, waiter: Waiter) -> None:
        if waiter.state == GRANTED:
            waiter.state = IDLE
            self._give_back()
            self.make_room()
        else:
            self.discard(self.senders, waiter)
        waiter.end = waiter.item = None

    def _give_back(self) -> None:
        self.reserved -= 1
        self.ref.credit += 1

    def undelivered(self, items: Iterable[Any]) -> None:
        """What threads had sent when the actor ended."""
        for item in items:
            self.dropped += 1
            self.ref.hub.dead_letter(self.ref, item.name, "dead")

    def bury(self) -> None:
        """The actor has ended: everybody who waits learns it."""
        if self.failure is None:
            self.end(ChannelBroken)
            self.discard_buffer()
