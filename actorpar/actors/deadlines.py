"""Deadlines of asks: thousands at a time, most of which never expire.

Nearly all asks of a program use one of a few durations. Of equal durations the one that was set first expires first, so
each duration has a plain dict in order of insertion and one timer of the loop, for its oldest entry.

Invariant: a duration with entries has a timer that is due no later than the deadline of the oldest of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Deadlines(Generic[T]):
    """Calls `expire(entry)` once an entry has been there for its duration; exact, O(1) to set and to clear."""

    __slots__ = ("_expire", "_loop", "_timers", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, expire: Callable[[T], object]) -> None:
        self._loop = loop
        self._expire = expire
        self._waiting: dict[float, dict[T, float]] = {}
        self._timers: dict[float, asyncio.TimerHandle] = {}

    def set(self, entry: T, seconds: float) -> float:
        """Expire the entry in `seconds` from now; returns that moment, in the time of the loop."""
        due = self._loop.time() + seconds
        entries = self._waiting.get(seconds)
        if entries is None:
            entries = self._waiting[seconds] = {}
            self._timers[seconds] = self._loop.call_at(due, self._look, seconds)
        entries[entry] = due
        return due

    def clear(self, entry: T, seconds: float) -> None:
        """Forget the entry, if it is there."""
        entries = self._waiting.get(seconds)
        if entries is not None:
            entries.pop(entry, None)

    def since(self, entry: T) -> float | None:
        """When the entry was set, in the time of the loop; None if it is not here."""
        return next((due[entry] - seconds for seconds, due in self._waiting.items() if entry in due), None)

    def close(self) -> None:
        """Leave no timer behind."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._waiting.clear()

    def _look(self, seconds: float) -> None:
        entries = self._waiting[seconds]
        now = self._loop.time()
        while entries:
            entry, due = next(iter(entries.items()))
            if due > now:
                self._timers[seconds] = self._loop.call_at(due, self._look, seconds)
                return
            del entries[entry]
            self._expire(entry)
        del self._waiting[seconds], self._timers[seconds]
