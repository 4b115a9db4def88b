"""What a channel says about itself (CH-60)."""

from __future__ import annotations

from typing import NamedTuple


class Statistics(NamedTuple):
    """One exact snapshot of a channel; every number is a count of items, ends or waiters unless it says otherwise."""

    #: The name given when the channel was opened, or channel-N.
    name: str
    #: 0, a positive int, or math.inf.
    capacity: float
    #: Items in the buffer now, those reserved for woken receivers included.
    length: int
    #: Open sending ends.
    senders: int
    #: Open receiving ends.
    receivers: int
    #: Operations that wait to send.
    waiting_senders: int
    #: Operations that wait to receive.
    waiting_receivers: int
    #: The largest length there ever was.
    peak: int
    #: Accepted items that nobody can ever receive: overflow, abort, last receiver gone.
    dropped: int
    #: Seconds that senders and receivers spent in waits that have ended; zeros unless opened with `timed=True`.
    blocked_seconds: tuple[float, float]
