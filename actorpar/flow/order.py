"""How a stage with several workers keeps the order of its items, in bounded memory.

Each item gets a slot in a row when a worker takes it; its result goes into the slot. The worker that fills the first
slot of the row sends that result and all that stand ready behind it. So the row is at the same time the order and the
measure of what the stage has in hand.

Invariants
- `used` counts the workers that are about to take an item, and the slots of the row: it never exceeds `size`. A slot
  leaves the row after its result was sent, so a full channel behind stops the stage.
- While the first slot is PENDING nobody sends, and its worker will; otherwise exactly one worker sends: nobody else
  can fill the first slot, for it is full.
- `size` is at least the number of workers, so the row has a slot for each worker that waits for a place: each of them
  is woken by one that leaves.
"""

from __future__ import annotations

import asyncio
import collections
from typing import Any, Final

from ..channels.sender import Sender

#: In a slot: the item is being worked on.
PENDING: Final[Any] = type("Pending", (), {"__repr__": lambda _: "PENDING"})()
#: The result of an item that is left out.
SKIPPED: Final[Any] = type("Skipped", (), {"__repr__": lambda _: "SKIPPED"})()


class Order:
    """The row of the items that an ordered stage has in hand."""

    __slots__ = ("_row", "_waiters", "size", "used")

    def __init__(self, size: int) -> None:
        self.size = size
        self.used = 0
        self._row: collections.deque[list[Any]] = collections.deque()
        self._waiters: collections.deque[asyncio.Future[None]] = collections.deque()

    @property
    def waiting(self) -> int:
        """How many workers wait for a place: the item at the head of the row keeps them from taking others."""
        return len(self._waiters)

    async def enter(self) -> None:
        """Take a place in the window; wait while it is full. Only the end of the pipeline cancels this."""
        while self.used >= self.size:
            place = asyncio.get_running_loop().create_future()
            self._waiters.append(place)
            await place
        self.used += 1

    def leave(self) -> None:
        """Give back a place for which there is no item any more."""
        self.used -= 1

    def take(self) -> list[Any]:
        """The slot of an item; to be called in the step in which the item was taken."""
        slot = [PENDING]
        self._row.append(slot)
        return slot

    async def put(self, slot: list[Any], result: Any, out: Sender[Any]) -> None:
        """Put a result into its slot; if that is the first one, send what stands ready at the head of the row."""
        slot[0] = result
        row, waiters = self._row, self._waiters
        if row[0] is not slot:
            return
        while row and (result := row[0][0]) is not PENDING:
            if result is not SKIPPED:
                await out.send(result)
            row.popleft()
            self.used -= 1
            if waiters:
                place = waiters.popleft()
                if not place.done():  # its worker was cancelled: the pipeline ends
                    place.set_result(None)
