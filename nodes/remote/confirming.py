"""Who waits, at a sending end that is away, until what was sent is at the home (NET-8).

The question goes in the lane, behind the items; the home answers it when it comes. If the home moves meanwhile it is
asked anew at the new one, behind what the old one passes on.

Invariant: the home owes one answer for each entry of `waiting`, in their order; who gave up stands there as None.
"""

from __future__ import annotations

import collections
import contextlib
from typing import TYPE_CHECKING

from actorpar.channels.runqueue import sleep, waiter_here
from actorpar.channels.waiters import ENDED, GRANTED, IDLE, Waiter

from ..errors import ProtocolError
from . import ops

if TYPE_CHECKING:
    from .outlet import Outlet


class Confirming:
    """The confirmations that one sending end waits for."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._waiting: collections.deque[Waiter | None] = collections.deque()

    async def wait(self) -> None:
        """Wait until the home has what was sent, or the channel has ended. Cancelled, only the waiting ends."""
        waiter = waiter_here(self._outlet.core.queue)
        self._waiting.append(waiter)
        self._outlet.in_lane(ops.Confirm(0))
        try:
            await sleep(waiter)
        finally:
            with contextlib.suppress(ValueError):  # it was answered
                self._waiting[self._waiting.index(waiter)] = None
            waiter.state = IDLE

    def confirmed(self) -> None:
        """The home answers. ProtocolError: nothing was asked."""
        if not self._waiting:
            raise ProtocolError(f"{self._outlet.core.name}: the home confirms what was not asked", code="op")
        self._wake(GRANTED)

    def ask_anew(self) -> None:
        """The home has moved, and the old one answers no more."""
        backlog = self._outlet.backlog
        backlog[:] = [part for part in backlog if not isinstance(part, ops.Confirm)]
        while None in self._waiting:
            self._waiting.remove(None)
        for _ in self._waiting:
            self._outlet.in_lane(ops.Confirm(0))

    def end(self) -> None:
        """The channel has ended here."""
        while self._waiting:
            self._wake(ENDED)

    def _wake(self, outcome: int) -> None:
        waiter = self._waiting.popleft()
        if waiter is not None:
            waiter.claim(outcome)
