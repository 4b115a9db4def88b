"""Channels that only time sends to: after, tick and never; receive-only, without a task (CH-51).

Time is that of the channel's event loop, so a virtual clock covers it. A loop timer is armed only while somebody waits.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ..runqueue import RunQueue
from ..waiters import GRANTED, Waiter, wake, wake_all
from .base import NOTHING, Flavor


class Timer(Flavor):
    """What the timers share: nobody sends, and nobody needs to close them."""

    __slots__ = ()

    def __init__(self, name: str) -> None:
        super().__init__(0, name=name)
        self.sender_count = 0
        self.watched = True

    def room(self) -> int:
        return 0

    def expects_close(self) -> bool:
        return False

    def check_open(self) -> None:
        """Raise if the timer was aborted (CH-26); else get ready to queue a receiver."""
        if self.failure is not None:
            raise self.refusal()
        self.receiver_queue()


class Never(Timer):
    """Nothing ever comes."""

    __slots__ = ()

    def try_receive(self) -> Any:
        self.check_open()
        return NOTHING

    def receiver_parked(self, waiter: Waiter) -> None:
        """Nothing to arm."""


class Alarm(Timer):
    """A timer that comes due at a time of the loop's clock."""

    __slots__ = ("due", "handle")

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(name)
        self.due = seconds  # from now on; a time of the loop's clock once the channel is bound
        self.handle: asyncio.TimerHandle | None = None
        if asyncio._get_running_loop() is not None:
            self.check_loop()

    def bind(self, queue: RunQueue) -> None:
        super().bind(queue)
        self.due += queue.loop.time()

    def receiver_parked(self, waiter: Waiter) -> None:
        self.arm()

    def leave_receive(self, waiter: Waiter) -> None:
        super().leave_receive(waiter)
        if self.handle is not None and not self.receivers:
            self.handle.cancel()
            self.handle = None

    def is_served_outside(self) -> bool:
        return True

    def arm(self) -> None:
        """Have the loop call `ring` when it is due."""
        if self.handle is None:
            self.handle = self.queue.loop.call_at(self.due, self.ring)

    def ring(self) -> None:
        """It is due."""
        raise NotImplementedError


class After(Alarm):
    """Ready for good once its time has come; in a select any other guard that is ready goes before it (CH-41)."""

    __slots__ = ()
    yields = True

    def __init__(self, seconds: float) -> None:
        super().__init__(f"after({seconds:g})", seconds)

    def try_receive(self) -> Any:
        self.check_open()
        return None if self.queue.loop.time() >= self.due else NOTHING

    def ring(self) -> None:
        self.handle = None
        wake_all(self.receivers, GRANTED)

    def finish_receive(self, waiter: Waiter) -> Any:
        state, _, end = self.settle(waiter)
        if state != GRANTED or end.core is not self:
            raise end.core.refusal()


class Tick(Alarm):
    """One None each `period` seconds of the loop's clock, without drift; missed ticks become one."""

    __slots__ = ("period",)

    def __init__(self, period: float) -> None:
        super().__init__(f"tick({period:g})", period)
        self.period = period

    def try_receive(self) -> Any:
        self.check_open()
        now = self.queue.loop.time()
        if now >= self.due:
            self.strike(now)
        if len(self.buffer) > self.held:
            return self.buffer.popleft()
        return NOTHING

    def ring(self) -> None:
        self.handle = None
        self.strike(max(self.due, self.queue.loop.time()))
        if self.receivers and wake(self.receivers, GRANTED):
            self.held += 1
        if self.receivers:
            self.arm()

    def strike(self, now: float) -> None:
        """Store one tick, unless one is stored, and move on to the first due time after now."""
        if len(self.buffer) == self.held:
            self.buffer.append(None)
        self.due += self.period * (1 + (now - self.due) // self.period)

    def slot_freed(self) -> None:
        """Nothing: nobody sends."""
