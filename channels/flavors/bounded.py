"""A channel with a buffer: n >= 1 places, or as many as memory holds for math.inf.

A sender that waits holds on to its item until a slot is reserved for it and it runs; the item is enqueued then, so a
cancelled send was never enqueued (CH-53).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .. import env
from ..waiters import GRANTED, IDLE, Waiter, wake
from .base import NOTHING, UNLIMITED, Flavor

if TYPE_CHECKING:
    from ..end import End


class Bounded(Flavor):
    """First in, first out, with back-pressure at `capacity` items."""

    __slots__ = ()

    def open(self) -> None:
        super().open()
        self.plain = self.failure is None

    def room(self) -> int:
        return UNLIMITED if self.capacity == math.inf else int(self.capacity)

    def try_send(self, item: Any) -> bool:
        length = len(self.buffer)
        if length < self.limit:
            self.buffer.append(item)
            if length >= self.peak:
                self.peak = length + 1
            if self.receivers and wake(self.receivers, GRANTED):
                self.held += 1
            return True
        if self.failure is not None:
            raise self.refusal(item)
        self.sender_queue()
        return False

    def try_receive(self) -> Any:
        if len(self.buffer) > self.held:
            item = self.buffer.popleft()
            if self.senders:
                self.slot_freed()
            return item
        if self.failure is not None and not self.buffer:
            raise self.refusal()
        self.receiver_queue()
        return NOTHING

    def slot_freed(self) -> None:
        while len(self.buffer) < self.limit and wake(self.senders, GRANTED):
            self.limit -= 1

    def finish_send(self, waiter: Waiter) -> None:
        state, item, end = waiter.state, waiter.item, waiter.end
        waiter.state, waiter.item, waiter.end = IDLE, None, None
        if self.timed:
            self.blocked_sending += env.clock() - waiter.since
        if state != GRANTED or end.core is not self or self.failure is not None:
            self.check_slot(state, end, item)
        self.limit += 1
        buffer = self.buffer
        buffer.append(item)
        if len(buffer) > self.peak:
            self.peak = len(buffer)
        if self.receivers and wake(self.receivers, GRANTED):
            self.held += 1

    def finish_reserve(self, waiter: Waiter) -> Any:
        state, _, end = self.settle(waiter)
        self.check_slot(state, end, None)
        return True

    def check_slot(self, state: int, end: End, item: Any) -> None:
        """Raise unless a slot of the open channel is reserved for a sender whose handle is still open."""
        if end.core is not self or state != GRANTED or self.failure is not None:
            if state == GRANTED:
                self.release_slot()
            raise end.core.refusal(item)

    def leave_send(self, waiter: Waiter) -> None:
        if waiter.state == GRANTED:
            self.release_slot()
            waiter.state = IDLE
        else:
            self.discard(self.senders, waiter)
        waiter.end = waiter.item = None

    def try_reserve(self) -> Any:
        if len(self.buffer) < self.limit:
            self.limit -= 1
            return True
        if self.failure is not None:
            raise self.refusal()
        return None

    def redeem(self, token: Any, item: Any) -> None:
        if self.failure is not None:
            raise self.refusal(item)
        self.limit += 1
        self.buffer.append(item)
        if len(self.buffer) > self.peak:
            self.peak = len(self.buffer)
        if self.receivers and wake(self.receivers, GRANTED):
            self.held += 1

    def forfeit(self, token: Any) -> None:
        self.release_slot()

    def release_slot(self) -> None:
        """A reserved slot was not used: reserve it for the next sender, if one waits."""
        if self.failure is None:
            self.limit += 1
            if self.senders:
                self.slot_freed()
