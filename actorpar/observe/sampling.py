"""Histograms of what actors do, from samples: of one in 64 turns the time and the length of the mailbox are taken.

A clock read for each message would cost a good part of a tell; this costs two reads in 64 turns. Short turns of idle
actors and long ones of busy actors are equally likely to be taken.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..actors.cell import Cell

#: Upper bounds of the buckets: seconds by factors of about 3, messages by factors of 4.
SECONDS: Final = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0)
MESSAGES: Final = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0)


class Histogram:
    """How often values fell at or below each bound; the last count is for those above all bounds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """Count a value, as often as it was seen."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times


class Samples:
    """Two histograms for each class of actors. The dispatcher calls it for the turns that are sampled.

    seconds    for which one message kept the event loop: of a handler that suspends, its first step
    messages   that waited in the mailbox when the turn began
    """

    def __init__(self) -> None:
        self.seconds: dict[str, Histogram] = {}
        self.messages: dict[str, Histogram] = {}

    def __call__(self, cell: Cell, seconds: float, handled: int) -> None:
        name = cell.kind.name
        if name not in self.seconds:
            self.seconds[name] = Histogram(SECONDS)
            self.messages[name] = Histogram(MESSAGES)
        if handled > 0:
            self.seconds[name].add(seconds / handled, handled)
        self.messages[name].add(len(cell) + handled)
