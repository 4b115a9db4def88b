"""What arrives in a session: the sequence of frames, and large messages put together from fragments.

It outlives connections: what a broken connection has left unfinished is sent again on the next one, with the same
numbers, and what had arrived before is dropped (NET-33, NET-34).
"""

from __future__ import annotations

from typing import Final

from ..errors import ProtocolError
from ..recycled import LARGE, memory
from .frame import Message

#: Bytes that a node takes of large messages under way, and so of the largest one, unless it is told otherwise.
MESSAGE_LIMIT: Final = 1 << 30
#: Large messages that may be under way at a time.
ASSEMBLIES: Final = 4096


class Assembly:
    """A large message under way. Its parts are filled in order, and take memory when it is their turn."""

    __slots__ = ("filled", "kind", "lane", "part", "parts", "size", "sizes")

    def __init__(self, kind: int, lane: int, sizes: list[int]) -> None:
        self.kind = kind
        self.lane = lane
        self.sizes = sizes
        self.parts: list[bytearray | memoryview] = []
        self.part = 0  # that is being filled
        self.filled = 0  # bytes of it
        self.size = 0  # of the fragment that is being received
        self._pass_full()

    def _pass_full(self) -> None:
        while self.part < len(self.sizes) and self.filled == self.sizes[self.part]:
            self._begun()
            self.part += 1
            self.filled = 0

    def _begun(self) -> bytearray | memoryview:
        """The part that is being filled."""
        if len(self.parts) == self.part:
            size = self.sizes[self.part]
            self.parts.append(memory.take(size) if size >= LARGE else bytearray(size))
        return self.parts[self.part]

    def target(self, size: int) -> memoryview:
        """The memory of the next `size` bytes; a fragment lies in one part."""
        if self.part == len(self.sizes) or size > self.sizes[self.part] - self.filled:
            raise ProtocolError("a fragment that is larger than what its message lacks", code="fragment")
        self.size = size
        return memoryview(self._begun())[self.filled : self.filled + size]

    def advance(self) -> bool:
        """The fragment is here. True: it was the last."""
        self.filled += self.size
        self._pass_full()
        return self.part == len(self.sizes)


class Inbound:
    """The receiving half of a session."""

    def __init__(self, *, message_limit: int = MESSAGE_LIMIT) -> None:
        #: The number of the next frame; all before it have arrived.
        self.next_seq = 1
        #: Frames that came twice, after a connection broke.
        self.duplicates = 0
        self._limit = message_limit
        self._assemblies: dict[int, Assembly] = {}
        self._held = 0  # bytes of all assemblies, at most the limit

    def expects(self, seq: int) -> bool:
        """True for the next frame, False for one that has arrived before; a gap is an error of the peer (NET-33)."""
        if seq == self.next_seq:
            return True
        if 0 < seq < self.next_seq:
            self.duplicates += 1
            return False
        raise ProtocolError(f"frame {seq} came, and {self.next_seq} was next", code="sequence")

    def accept(self, seq: int) -> bool:
        """Count a frame that is here whole. False: it is a duplicate."""
        if self.expects(seq):
            self.next_seq += 1
            return True
        return False

    def begin(self, kind: int, lane: int, sizes: list[int]) -> None:
        """A large message begins: take memory for it, if it may be that large (NET-40)."""
        size = sum(sizes)
        if self._held + size > self._limit:
            raise ProtocolError(f"a message of {size} bytes, and {self._limit} may come", code="limit")
        if lane in self._assemblies or len(self._assemblies) >= ASSEMBLIES or not size:
            raise ProtocolError(f"a second large message in lane {lane}, or too many", code="fragment")
        self._held += size
        self._assemblies[lane] = Assembly(kind, lane, sizes)

    def target(self, lane: int, size: int) -> memoryview:
        """Where the next fragment of the lane belongs."""
        assembly = self._assemblies.get(lane)
        if assembly is None or not size:
            raise ProtocolError(f"a fragment in lane {lane}, where no message has begun", code="fragment")
        return assembly.target(size)

    def fragment_done(self, lane: int) -> Message | None:
        """A fragment is here whole: the message, if it was the last one."""
        self.next_seq += 1
        assembly = self._assemblies[lane]
        if not assembly.advance():
            return None
        del self._assemblies[lane]
        self._held -= sum(assembly.sizes)
        body, *buffers = assembly.parts
        return Message(assembly.kind, lane, body, buffers)
