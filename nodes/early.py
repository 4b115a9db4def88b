"""Messages to actors that come before this node has a system: they wait for it, in order.

Where the same program begins on many nodes at once, one of them may be linked, and start something here, while the
program of this one is still on its way to its system.

Invariants
- At most CALLS messages of BYTES together wait. What is more is dropped, counted, and told in the log.
- What waits stands in memory of its own: a message may be a view of what the next read overwrites.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from .complaints import Complaints
from .errors import ProtocolError

if TYPE_CHECKING:
    from .link import Link

#: Messages that may wait, and bytes of all of them together.
CALLS: Final = 1024
BYTES: Final = 16 << 20


class EarlyCalls:
    """Stands where a system's receiver of messages will stand, until `pass_on`."""

    def __init__(self, complaints: Complaints) -> None:
        self._complaints = complaints
        self._calls: list[tuple[Link, int, bytes, list[Any]]] = []
        self._bytes = 0

    def __call__(self, link: Link, lane: int, body: Any, buffers: list[Any]) -> None:
        size = len(body) + sum(len(each) for each in buffers)
        if len(self._calls) == CALLS or self._bytes + size > BYTES:
            text = "%s says more to actors here than waits for a system to begin: dropped"
            self._complaints.note("calls before a system", text, link.name)
            return
        self._bytes += size
        self._calls.append((link, lane, bytes(body), buffers))

    def pass_on(self, receive: Callable[[Link, int, Any, list[Any]], None]) -> None:
        """A system has begun: give it what waits. A link that has broken the protocol ends."""
        calls, self._calls, self._bytes = self._calls, [], 0
        for link, lane, body, buffers in calls:
            if link.is_down:
                continue
            try:
                receive(link, lane, body, buffers)
            except ProtocolError as error:
                link.close(f"it broke the protocol: {error}")
