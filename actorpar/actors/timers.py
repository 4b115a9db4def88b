"""Messages that an actor sends to itself later (AC-12).

Invariant: a timer that was cancelled or replaced, or whose actor has ended, calls nothing any more, also when its
message lies in the mailbox already. A periodic timer has at most one message there: ticks that nobody could handle
become one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .belongings import more_of
from .cell import Cell
from .entry import Call, Entry, Letter
from .kind import name_of
from .states import DEAD

if TYPE_CHECKING:
    from .actor import Actor


class Timer(Entry):
    """One message that comes later, or every `period` seconds. Made by `ctx.after` and `ctx.every`."""

    __slots__ = ("_args", "_cell", "_due", "_function", "_handle", "_key", "_queued", "active", "period")

    def __init__(
        self, cell: Cell, seconds: float, function: Callable[..., Any], args: tuple[Any, ...], key: object, period: Any
    ) -> None:
        self._cell = cell
        self._function = function
        self._args = args
        self._key = key
        self.period: float | None = period
        self.active = True
        self._queued = False
        self._due = cell.dispatcher.loop.time() + seconds
        self._handle: asyncio.TimerHandle | None = cell.dispatcher.loop.call_at(self._due, self._fire)
        more = more_of(cell)
        more.timers = more.timers or {}
        replaced = more.timers.get(self.key)
        if replaced is not None:
            replaced.cancel()
        more.timers[self.key] = self

    @property
    def key(self) -> object:
        """The key it was given, or the Timer itself."""
        return self if self._key is None else self._key

    @property
    def name(self) -> str:
        return name_of(self._function)

    def cancel(self) -> None:
        """Undo the timer; idempotent. What it sent already, and was not handled yet, is void (AC-12)."""
        self.active = False
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        timers = self._cell.more.timers if self._cell.more is not None else None
        if timers is not None and timers.get(self.key) is self:
            del timers[self.key]

    def call(self, actor: Actor) -> Any:
        self._queued = False
        if not self.active:
            return None
        if self.period is None:
            self.cancel()
        return self._function(actor, *self._args)

    def again(self, cell: Cell) -> Letter:
        return Call(self._function, self._args, {}, None)

    def _fire(self) -> None:
        cell = self._cell
        if self.period is not None:
            now = cell.dispatcher.loop.time()
            missed = max(0, int((now - self._due) // self.period))
            self._due += (missed + 1) * self.period  # on its grid, whatever was late
            self._handle = cell.dispatcher.loop.call_at(self._due, self._fire)
        if not self._queued and cell.state != DEAD:
            self._queued = True
            cell.put_signal(self)
