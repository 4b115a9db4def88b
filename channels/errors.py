"""Every error of the runtime, under one base class.

An error that refuses an item carries it as `.item`: nothing that was not accepted is lost.
The rule numbers (CH-…) are those of docs/semantics.md.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ActorparError(Exception):
    """Base class of every error that actorpar raises on purpose."""


class ChannelError(ActorparError):
    """An operation on a channel was refused.

    `item` is the item the operation tried to send (CH-31), and `items` all of them, in order, when it
    was a `send_many` (CH-56); both are empty for a receive.
    """

    default: ClassVar[str] = "the channel refused the operation"

    def __init__(self, message: str | None = None, *, item: Any = None, items: tuple[Any, ...] = ()) -> None:
        super().__init__(message or self.default)
        self.item = item
        self.items = items


class EndOfChannel(ChannelError):
    """Every sender closed on purpose and the buffer is empty: the stream is complete (CH-21)."""

    default = "every sender has closed and nothing is left to receive"


class ChannelBroken(ChannelError):
    """The other side is gone: the last receiver left (CH-22), or a sender ended abnormally (CH-21).

    `__cause__` is the failure that ended the other side, if there was one.
    """

    default = "the other side of the channel is gone"


class ChannelAborted(ChannelError):
    """Somebody called `abort(exc)`; `__cause__` is that exception, the same for every later operation (CH-26)."""

    default = "the channel was aborted"


class ChannelClosed(ChannelError):
    """This very end was closed (CH-23): use a clone made before, or open another channel."""

    default = "this end of the channel is closed; clone() an end before closing it to keep using the channel"


class EndMoved(ChannelError):
    """This end was given away, to a process or inside a message; `clone()` it first to keep one (CH-63)."""

    default = "this end was given to a process and belongs to it now; pass end.clone() to keep one of your own"


class WouldBlock(ChannelError):
    """A `_nowait` operation could not complete at once."""

    default = "the operation cannot complete at once"


class ChannelFull(WouldBlock):
    """`send_nowait` found no room, or the overflow policy "reject" refused the item, which is `.item`."""

    default = "the channel is full"


class ChannelEmpty(WouldBlock):
    """`receive_nowait` found nothing to receive; the channel has not ended."""

    default = "the channel is empty"


class WrongLoop(ActorparError, RuntimeError):
    """A channel belongs to the event loop of its first use (CH-59): cross with `end.threadsafe()`."""


class EndForked(WrongLoop):
    """The channel belongs to the process that forked this one; a process that is spawned can be passed an end."""

    advice: ClassVar[str] = (
        "this channel belongs to the process that forked this one; pass an end to a process of "
        'multiprocessing.get_context("spawn"), as an argument'
    )


class NotPicklable(ActorparError, TypeError):
    """An end or a reference moves to another process inside a message, or as an argument of a process that starts."""


class InvalidCapacity(ActorparError, ValueError):
    """A capacity must be 0 (rendezvous), a positive int, or math.inf, spelled out (CH-1)."""


class InvalidGuard(ActorparError, ValueError):
    """A select was given no enabled guard, two defaults, or something that is no guard (CH-44)."""


class AllClosed(ActorparError):
    """With `skip_closed=True` every guard of the select has ended (CH-42)."""


class Deadlock(ActorparError):
    """Nothing can run any more: every process waits for a channel, and no timer or I/O is pending (CH-61)."""
