"""What leaves in a session: control first, then the lanes in turn (NET-38, NET-39); and what is sent again.

A lane is the way of one channel. Lanes take turns: a small message goes whole, a large one by fragments, of 64 KiB
while another lane waits and of up to 1 MiB when it is alone. So no message delays another lane by more than a fragment.

Invariants
- A frame gets its number when it is taken for writing, so numbers follow the order on the wire.
- In a session that can be resumed a frame is retained until it is acknowledged; data stops when `unacked_limit` bytes
  are retained, control never does (NET-32).
- A message is cut at the borders of its parts, so that each fragment is received into one piece of memory.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any, Final

from ..errors import ProtocolError
from .frame import BEGIN, CONTROL, FRAGMENT, HEADER, LARGEST_FRAGMENT, MOST_BUFFERS, PLAIN, TABLE, frame, table

#: Bytes of a fragment while other lanes wait.
FRAGMENT_SHARED: Final = 64 * 1024
#: Bytes of data that may be unacknowledged.
UNACKED_LIMIT: Final = 16 << 20


class _Large:
    """A large message in its lane, and how far it has gone."""

    __slots__ = ("kind", "offset", "part", "parts")

    def __init__(self, kind: int, parts: list[memoryview]) -> None:
        self.kind = kind
        self.parts = parts
        self.part = -1  # before its first frame
        self.offset = 0


class Outbound:
    """The sending half of a session."""

    def __init__(self, *, resumable: bool, unacked_limit: int = UNACKED_LIMIT) -> None:
        self.resumable = resumable
        #: Bytes that wait in the lanes.
        self.queued = 0
        #: Bytes that are retained.
        self.unacked = 0
        self.next_seq = 1
        self._unacked_limit = unacked_limit
        self._connection: list[bytes] = []
        self._control: collections.deque[bytes] = collections.deque()
        self._lanes: dict[int, collections.deque[Any]] = {}  # those that wait, in the order of their turns
        self._again: collections.deque[list[Any]] = collections.deque()  # retained frames to be sent again
        self._retained: collections.deque[tuple[int, list[Any], int]] = collections.deque()

    @property
    def pending(self) -> bool:
        """True if something waits to be written."""
        return bool(self._connection or self._control or self._again or self._lanes)

    def connection(self, kind: int, body: bytes) -> None:
        """Say something that belongs to this connection, before all else; it is never sent again."""
        self._connection.append(frame(kind, body))

    def control(self, body: bytes) -> None:
        """Say something to the node, before all data."""
        self._control.append(body)

    def message(self, kind: int, lane: int, body: Any, buffers: Sequence[Any] = ()) -> None:
        """Queue a message behind those of its lane."""
        waiting = self._lanes.get(lane)
        if waiting is None:
            waiting = self._lanes[lane] = collections.deque()
        size = len(body)
        if not buffers and size <= PLAIN:
            waiting.append((kind, 0, body))
        else:
            if len(buffers) > MOST_BUFFERS:
                raise ProtocolError(f"a message of {len(buffers)} buffers, and {MOST_BUFFERS} may go", code="table")
            parts = [memoryview(body).cast("B"), *(memoryview(buffer).cast("B") for buffer in buffers)]
            sizes = [len(part) for part in parts]
            size = sum(sizes)
            head = table(sizes)
            if size + len(head) <= PLAIN:
                waiting.append((kind, TABLE, b"".join((head, *parts))))
            else:
                waiting.append(_Large(kind, parts))
        self.queued += size

    def take(self, budget: int) -> list[Any]:
        """Frames for one gather write, about `budget` bytes of them; [] if nothing may go now."""
        out: list[Any] = self._connection
        self._connection = []
        while self._again and budget > 0:
            parts = self._again.popleft()
            out += parts
            budget -= sum(map(len, parts))
        if self._again:
            return out
        while self._control:
            body = self._control.popleft()
            budget -= self._emit(out, HEADER.pack(len(body), CONTROL, 0, 0, 0, self.next_seq), body)
        while self._lanes and budget > 0 and self.unacked < self._unacked_limit:
            budget -= self._serve(out)
        return out

    def _serve(self, out: list[Any]) -> int:
        """The first lane has its turn; returns how many bytes that were."""
        lane = next(iter(self._lanes))
        waiting = self._lanes.pop(lane)
        first = waiting[0]
        if type(first) is _Large:
            size, done = self._emit_fragment(out, lane, first, alone=not self._lanes)
        else:
            kind, flags, body = first
            size = self._emit(out, HEADER.pack(len(body), kind, flags, 0, lane, self.next_seq), body)
            self.queued -= len(body)
            done = True
        if done:
            waiting.popleft()
        if waiting:
            self._lanes[lane] = waiting  # behind the others
        return size

    def _emit_fragment(self, out: list[Any], lane: int, large: _Large, *, alone: bool) -> tuple[int, bool]:
        if large.part < 0:
            large.part = 0
            head = table([len(part) for part in large.parts])
            self._pass_empty(large)
            return self._emit(out, HEADER.pack(len(head), large.kind, BEGIN, 0, lane, self.next_seq), head), False
        part = large.parts[large.part]
        size = min(len(part) - large.offset, LARGEST_FRAGMENT if alone else FRAGMENT_SHARED)
        piece = part[large.offset : large.offset + size]
        self._emit(out, HEADER.pack(size, large.kind, FRAGMENT, 0, lane, self.next_seq), piece)
        self.queued -= size
        large.offset += size
        self._pass_empty(large)
        return size, large.part == len(large.parts)

    @staticmethod
    def _pass_empty(large: _Large) -> None:
        while large.part < len(large.parts) and large.offset == len(large.parts[large.part]):
            large.part += 1
            large.offset = 0

    def _emit(self, out: list[Any], header: bytes, payload: Any) -> int:
        size = HEADER.size + len(payload)
        parts = [header, payload] if len(payload) else [header]
        out += parts
        if self.resumable:
            self._retained.append((self.next_seq, parts, size))
            self.unacked += size
        self.next_seq += 1
        return size

    def acked(self, next_seq: int) -> None:
        """The peer has all frames before this number (NET-32)."""
        if not 0 < next_seq <= self.next_seq:
            raise ProtocolError(f"frame {next_seq} acknowledged, and {self.next_seq} is next", code="ack")
        retained = self._retained
        while retained and retained[0][0] < next_seq:
            self.unacked -= retained.popleft()[2]

    def resume(self, next_seq: int) -> None:
        """There is a new connection, on which the peer waits for this frame: what it lacks goes first (NET-33)."""
        first = self._retained[0][0] if self._retained else self.next_seq
        if not first <= next_seq <= self.next_seq:
            raise ProtocolError(f"the peer waits for frame {next_seq}, which is gone or was never sent", code="resume")
        self.acked(next_seq)
        self._connection = []
        self._again = collections.deque(parts for _, parts, _ in self._retained)
