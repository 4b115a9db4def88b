"""What a sending end that is away has on its way: how many bytes more may follow, and what is lost if the home is.

Invariants
- At most WINDOW bytes are on their way, or one batch that is larger behind fewer than UNTOLD (NET-4).
- A batch is kept until all its items are known to be received: the outcome of the others is unknown if the node of the
  home is lost (NET-35).
- When the home moves, what was on its way precedes at the new one all that follows (NET-22): the first item of that
  which is received tells that all before were.
"""

from __future__ import annotations

import collections
from typing import Any, Final

from ..errors import ProtocolError
from .credit import UNTOLD, WINDOW
from .ops import Credit

#: Items of a batch while nothing is known of their size.
FIRST_BATCH: Final = 16


class Flights:
    """The batches of one sending end, from the first on that is not received as a whole."""

    def __init__(self) -> None:
        self._batches: collections.deque[list[Any]] = collections.deque()
        self._before: tuple[Any, ...] = ()  # on their way to homes of before
        self._received = 0  # items at their front that are known to be received
        self._told = (0, 0)  # items received and bytes freed, in all
        self._bytes = 0  # on their way
        self._item_size = 0.0  # bytes of an item, on average of late

    def batch_size(self, waiting: int, first: Any) -> int:
        """How many of the items that wait, of which this is the first, may go in one batch now."""
        if self._item_size == 0.0:
            if not isinstance(first, bytes | bytearray | memoryview):
                return min(waiting, FIRST_BATCH)
            self._item_size = float(max(len(first), 1))
        room = WINDOW - self._bytes
        if room <= 0 and self._bytes:
            return 0
        return min(waiting, max(int(room / self._item_size), 1 if self._bytes < UNTOLD else 0))

    def sent(self, items: list[Any], size: int) -> None:
        """A batch goes; it takes `size` bytes."""
        self._batches.append(items)
        self._bytes += size
        each = size / len(items)
        self._item_size = (7 * self._item_size + each) / 8 if self._item_size else each

    def told(self, credit: Credit) -> None:
        """The home tells what was received. ProtocolError: less than it had told before."""
        received, freed = self._told
        if credit.received < received:
            raise ProtocolError(f"{received} items were received, and now {credit.received}", code="credit")
        self._received += credit.received - received
        self._bytes -= credit.freed - freed
        self._told = (credit.received, credit.freed)
        if credit.received:
            self._before = ()
        batches = self._batches
        while batches and len(batches[0]) <= self._received:
            self._received -= len(batches.popleft())

    def unknown(self) -> tuple[Any, ...]:
        """The items of which it is not known that they were received."""
        return (*self._before, *[item for batch in self._batches for item in batch][self._received :])

    def moved(self) -> None:
        """The home is another one from now on, which has to tell anew what it knows."""
        before = self.unknown()
        self.clear()
        self._before = before

    def clear(self) -> None:
        """Nothing is on its way any more."""
        self._before = ()
        self._batches.clear()
        self._received = self._bytes = 0
        self._told = (0, 0)
