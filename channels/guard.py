"""What a select can wait for: guards (CH-33 … CH-50)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .flavors.base import NOTHING, Flavor

if TYPE_CHECKING:
    from .ends import Receiver, Sender
    from .waiters import Waiter

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Guard(Generic[T_co]):
    """One alternative of a select; its value, once chosen, is a T. A `Receiver` is a guard too."""

    __slots__ = ()


class ReceiveFrom(Guard[T_co]):
    """Made by `receive_from`. `when` may be changed between two calls of a reusable Selector."""

    __slots__ = ("end", "when")

    def __init__(self, end: Receiver[T_co], when: bool) -> None:
        self.end = end
        self.when = when

    def is_waiting(self, core: Flavor) -> bool:
        """On a plain channel: nothing can be received now."""
        return len(core.buffer) <= core.held

    def poll(self, core: Flavor) -> Any:
        """Commit now, or NOTHING; raises the refusal of an ended channel."""
        return core.try_receive()

    def park(self, core: Flavor, waiter: Waiter) -> None:
        """Queue the guard."""
        waiter.end = self.end
        core.receiver_queue().append(waiter)
        if core.watched:
            core.receiver_parked(waiter)

    def finish(self, core: Flavor, waiter: Waiter) -> Any:
        """The guard was chosen: its value."""
        return core.finish_receive(waiter)

    def leave(self, core: Flavor, waiter: Waiter) -> None:
        """Another guard was chosen, or the select was cancelled."""
        core.leave_receive(waiter)


class SendTo(Guard[None], Generic[T]):
    """Made by `send_to`. `item` and `when` may be changed between two calls of a reusable Selector."""

    __slots__ = ("end", "item", "when")

    def __init__(self, end: Sender[T], item: T, when: bool) -> None:
        self.end = end
        self.item = item
        self.when = when

    def is_waiting(self, core: Flavor) -> bool:
        """On a plain channel: nothing can be sent now."""
        return len(core.buffer) >= core.limit

    def poll(self, core: Flavor) -> Any:
        """Commit now, or NOTHING; raises the refusal of an ended channel."""
        return None if core.try_send(self.item) else NOTHING

    def park(self, core: Flavor, waiter: Waiter) -> None:
        """Queue the guard."""
        waiter.end = self.end
        waiter.item = self.item
        core.sender_queue().append(waiter)
        if core.watched:
            core.sender_parked(waiter)

    def finish(self, core: Flavor, waiter: Waiter) -> None:
        """The guard was chosen."""
        core.finish_send(waiter)

    def leave(self, core: Flavor, waiter: Waiter) -> None:
        """Another guard was chosen, or the select was cancelled: the item stays the caller's (CH-45)."""
        core.leave_send(waiter)


class Default(Guard[None]):
    """Made by `default`: taken if no other guard is ready at the poll (CH-40)."""

    __slots__ = ()


def receive_from(rx: Receiver[T], *, when: bool = True) -> Guard[T]:
    """A guard that receives an item. `when=False` masks it without renumbering the others (CH-43)."""
    return ReceiveFrom(rx, when)


def send_to(tx: Sender[T], item: T, *, when: bool = True) -> Guard[None]:
    """A guard that sends `item`, which stays the caller's unless this guard is chosen (CH-45)."""
    return SendTo(tx, item, when)


def default() -> Guard[None]:
    """A guard that is taken if no other is ready at once; a select that has it never suspends (CH-40)."""
    return Default()
