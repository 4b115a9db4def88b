"""A waiter with nobody behind it: a callback that stands in the queue of a channel and is told when its turn comes.

So the ends of a channel need not know about links. The first item that is put into an empty outbox chooses the trigger
that waits where a receiver would, and the outbox is emptied at the end of the turn; a slot that is freed chooses the
trigger that stands for the senders of another node, in its place among the senders that wait here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from actorpar.channels.waiters import IDLE, WAITING, Waiter, WaitQueue


class Trigger(Waiter):
    """Call back with the outcome when this waiter is chosen; it is queued again with `park`."""

    __slots__ = ("callback", "counts")

    def __init__(self, callback: Callable[[int], None], *, counts: bool = False) -> None:
        super().__init__()
        self.callback = callback
        self.counts = counts  # an operation of another node waits behind it

    def park(self, queue: WaitQueue) -> None:
        """Stand at the end of the queue, unless it stands in one."""
        if self.state != WAITING:
            self.state = WAITING
            queue.append(self)

    def leave(self, queue: WaitQueue) -> None:
        """Leave the queue."""
        if self.state == WAITING and self in queue:
            self.state = IDLE
            queue.remove(self)

    def claim(self, outcome: int) -> bool:
        if self.state != WAITING:
            return False
        self.state = IDLE
        self.callback(outcome)
        return True

    def is_live(self) -> bool:
        return self.counts and self.state == WAITING

    def sleeper(self) -> asyncio.Future[Any] | None:
        return None
