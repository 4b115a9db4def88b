"""What a select can wait for: guards (CH-33 … CH-50).

A guard belongs to an end of a channel; `when` masks it. The methods with an underscore are the select's: they are told
the channel, so that an end that moves or is closed meanwhile is left where it was queued.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .flavors.base import NOTHING, Flavor

if TYPE_CHECKING:
    from .end import End
    from .receiver import Receiver
    from .sender import Sender
    from .waiters import GuardWaiter

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Guard(Generic[T_co]):
    """One alternative of a select; its value, once chosen, is a T. A `Receiver` is a guard, too."""

    __slots__ = ()

    when: bool = True

    def _is_waiting(self, core: Flavor) -> bool:
        """On a plain channel: it cannot complete now."""
        raise NotImplementedError

    def _poll(self, core: Flavor) -> Any:
        """Commit now, or NOTHING; raises the refusal of an ended channel."""
        raise NotImplementedError

    def _park(self, core: Flavor, waiter: GuardWaiter, end: End) -> None:
        """Queue the guard, unless its channel has ended."""
        raise NotImplementedError

    def _finish(self, core: Flavor, waiter: GuardWaiter) -> Any:
        """The guard was chosen: its value."""
        raise NotImplementedError

    def _leave(self, core: Flavor, waiter: GuardWaiter) -> None:
        """Another guard was chosen, or the select was cancelled."""
        raise NotImplementedError


class Receiving(Guard[T_co]):
    """What a receiver does as a guard."""

    __slots__ = ()

    def _is_waiting(self, core: Flavor) -> bool:
        return len(core.buffer) <= core.held and not core.senders

    def _poll(self, core: Flavor) -> Any:
        return core.try_receive()

    def _park(self, core: Flavor, waiter: GuardWaiter, end: End) -> None:
        if core.failure is None or core.buffer or core.remote is not None:
            waiter.core = core
            core.park_receive(waiter, end)

    def _finish(self, core: Flavor, waiter: GuardWaiter) -> Any:
        return core.finish_receive(waiter)

    def _leave(self, core: Flavor, waiter: GuardWaiter) -> None:
        core.leave_receive(waiter)


class ReceiveFrom(Receiving[T_co]):
    """Made by `receive_from`. `when` may be changed between two calls of a reusable Selector."""

    __slots__ = ("end", "when")

    def __init__(self, end: Receiver[T_co], when: bool) -> None:
        self.end = end
        self.when = when


class SendTo(Guard[None], Generic[T]):
    """Made by `send_to`. `item` and `when` may be changed between two calls of a reusable Selector."""

    __slots__ = ("end", "item", "when")

    def __init__(self, end: Sender[T], item: T, when: bool) -> None:
        self.end = end
        self.item = item
        self.when = when

    def _is_waiting(self, core: Flavor) -> bool:
        return len(core.buffer) >= core.limit and not core.receivers

    def _poll(self, core: Flavor) -> Any:
        return None if core.try_send(self.item) else NOTHING

    def _park(self, core: Flavor, waiter: GuardWaiter, end: End) -> None:
        if core.failure is None:
            waiter.core = core
            core.park_send(waiter, end, self.item)

    def _finish(self, core: Flavor, waiter: GuardWaiter) -> Any:
        return core.finish_send(waiter)

    def _leave(self, core: Flavor, waiter: GuardWaiter) -> None:
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
