"""A buffer that never makes its senders wait: what does not fit is refused, or something is dropped (CH-19)."""

from __future__ import annotations

from typing import Any, Literal

from ..errors import ChannelFull
from .bounded import Bounded

#: "reject" refuses the new item with ChannelFull, "drop_new" drops it, "drop_old" drops the oldest item to make room.
#: Every dropped item is counted and given to `on_undelivered`.
Policy = Literal["reject", "drop_new", "drop_old"]


class Lossy(Bounded):
    """A bounded buffer whose `send` never waits; `reserve` still waits for a place."""

    __slots__ = ("policy",)

    def __init__(self, capacity: float, policy: Policy, **options: Any) -> None:
        super().__init__(capacity, **options)
        self.policy = policy

    def open(self) -> None:
        super().open()
        self.plain = False

    def try_send(self, item: Any) -> bool:
        if super().try_send(item):
            return True
        if self.policy == "reject":
            raise ChannelFull(f'{self.name}: full, and its overflow policy is "reject"', item=item)
        if self.policy == "drop_new" or not self.buffer:  # an empty buffer without room: all of it is reserved
            self.undelivered((item,))
            return True
        # One item leaves and one comes: no reservation changes, so nobody is woken.
        oldest = self.buffer.popleft()
        self.buffer.append(item)
        self.undelivered((oldest,))
        return True
