"""What leaves in a session: control first, then the lanes in turn (NET-38, NET-39); and what is sent again.

A lane is the way of one channel. Lanes share the link by deficit round robin, in bytes: a turn is worth one full frame,
and what a lane could not use of it is kept while it waits. A large message goes by fragments, of 64 KiB while another
lane waits and of up to 1 MiB, or `alone`, when it is alone. So no message delays another lane by more than a fragment.

Invariants
- A frame gets its number when it is taken for writing, so numbers follow the order on the wire.
- In a session that can be resumed a frame is retained until it is acknowledged; data stops when `unacked_limit` bytes
  are retained, control never does (NET-32), and `overrun` tells of a peer that does not take it. Retained are the
  frames from `next_seq - len(retained)` on, without a gap.
- A message is cut at the borders of its parts, so that each fragment is received into one piece of memory.
- Large messages under way are together no larger than what the peer takes as one (`message_limit`), so its limits are
  never met by who keeps to them. Lanes that wait for this are set aside in order; while one is, another is under way.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any, Final

from ..errors import CodecError, ProtocolError
from .frame import BEGIN, CONTROL, FRAGMENT, HEADER, MOST_BUFFERS, PLAIN, TABLE, frame, table
from .inbound import ASSEMBLIES, MESSAGE_LIMIT

#: Bytes of a fragment while other lanes wait.
FRAGMENT_SHARED: Final = 64 * 1024
#: Bytes of one when no other lane waits, unless the connection asks for more.
FRAGMENT_ALONE: Final = 1 << 20
#: Bytes of a turn: the largest frame that goes while others wait.
QUANTUM: Final = HEADER.size + FRAGMENT_SHARED
#: Empty lanes that are kept to be used again.
MOST_IDLE: Final = 256
#: Bytes of data that may be unacknowledged.
UNACKED_LIMIT: Final = 16 << 20
#: Bytes of control that may wait, or be unacknowledged, beyond that.
CONTROL_LIMIT: Final = 16 << 20


class _Large:
    """A large message in its lane, and how far it has gone."""

    __slots__ = ("begun", "kind", "offset", "part", "parts", "size")

    def __init__(self, kind: int, parts: list[memoryview], size: int) -> None:
        self.kind = kind
        self.parts = parts
        self.size = size
        self.begun = False
        self.part = 0
        self.offset = 0
        self.pass_empty()

    def pass_empty(self) -> None:
        """Go on to a part of which something is left, or behind the last."""
        while self.part < len(self.parts) and self.offset == len(self.parts[self.part]):
            self.part += 1
            self.offset = 0


class _Lane:
    """The messages that wait in a lane: (kind, flags, payload) or a _Large; and what its turn is worth yet."""

    __slots__ = ("admitted", "deficit", "waiting")

    def __init__(self) -> None:
        self.waiting: collections.deque[Any] = collections.deque()
        self.deficit = QUANTUM
        self.admitted = False  # its first message is large, and may be under way


class Outbound:
    """The sending half of a session.

    `message_limit` is the largest message that the peer takes; set it when the peer has told it.
    """

    def __init__(
        self, *, resumable: bool, unacked_limit: int = UNACKED_LIMIT, message_limit: int = MESSAGE_LIMIT
    ) -> None:
        self.resumable = resumable
        self.message_limit = message_limit
        #: Bytes of a fragment while no other lane waits, at most LARGEST_FRAGMENT.
        self.alone = FRAGMENT_ALONE
        #: Bytes that wait in the lanes.
        self.queued = 0
        #: Bytes that are retained.
        self.unacked = 0
        self.next_seq = 1
        #: The last `take` has left something.
        self.more = False
        self._unacked_limit = unacked_limit
        self._connection: list[bytes] = []
        self._control: collections.deque[bytes] = collections.deque()
        self._control_bytes = 0  # that wait
        self._lanes: dict[int, _Lane] = {}  # those that wait, in the order of their turns
        self._aside: dict[int, _Lane] = {}  # those whose large message may not begin yet, in order
        self._idle: list[_Lane] = []  # to be used again: most turns have one message in a lane
        self._under_way = 0  # large messages that were admitted and are not written out
        self._under_way_bytes = 0
        self._again: collections.deque[list[Any]] = collections.deque()  # retained frames to be sent again
        self._retained: collections.deque[tuple[list[Any], int]] = collections.deque()

    @property
    def pending(self) -> bool:
        """True if something waits to be written."""
        return bool(self._connection or self._control or self._again or self._lanes)

    @property
    def overrun(self) -> int:
        """Bytes of control that the peer does not take, once they are more than CONTROL_LIMIT (A14); otherwise 0."""
        held = self._control_bytes + self.unacked - self._unacked_limit
        return held if held > CONTROL_LIMIT else 0

    # -- saying

    def connection(self, kind: int, body: bytes) -> None:
        """Say something that belongs to this connection, before all else; it is never sent again."""
        self._connection.append(frame(kind, body))

    def control(self, body: bytes) -> None:
        """Say something to the node, before all data. CodecError: it is no single frame."""
        if len(body) > PLAIN:
            raise CodecError(f"a control message of {len(body)} bytes, and {PLAIN} may go: say it in parts")
        self._control.append(body)
        self._control_bytes += HEADER.size + len(body)

    def message(self, kind: int, lane: int, body: Any, buffers: Sequence[Any] = ()) -> None:
        """Queue a message behind those of its lane. CodecError: it has too many buffers, and is not queued."""
        if buffers or len(body) > PLAIN:
            self._message_in_parts(kind, lane, [body, *buffers])
            return
        (self._lanes.get(lane) or self._lane(lane)).waiting.append((kind, 0, body))
        self.queued += len(body)

    def _message_in_parts(self, kind: int, lane: int, pieces: list[Any]) -> None:
        if len(pieces) > MOST_BUFFERS + 1:
            raise CodecError(f"a message of {len(pieces) - 1} buffers, and {MOST_BUFFERS} may go: send fewer at a time")
        parts = [_bytes_of(piece) for piece in pieces]
        sizes = [len(part) for part in parts]
        head, size = table(sizes), sum(sizes)
        if len(head) + size <= PLAIN:
            payload = b"".join((head, *parts))
            self._lane(lane).waiting.append((kind, TABLE, payload))
            self.queued += len(payload)
        else:
            self._lane(lane).waiting.append(_Large(kind, parts, size))
            self.queued += size

    def _lane(self, number: int) -> _Lane:
        lane = self._lanes.get(number) or self._aside.get(number)
        if lane is None:
            lane = self._lanes[number] = self._idle.pop() if self._idle else _Lane()
        return lane

    # -- writing

    def take(self, budget: int) -> list[Any]:
        """Frames for one gather write, about `budget` bytes of them; [] if nothing may go now."""
        out: list[Any] = self._connection
        self._connection = []
        while self._again and budget > 0:
            parts = self._again.popleft()
            out += parts
            budget -= sum(map(len, parts))
        if self._again:
            self.more = True
            return out
        while self._control:
            body = self._control.popleft()
            self._control_bytes -= HEADER.size + len(body)
            budget -= self._emit(out, CONTROL, 0, 0, body)
        while self._lanes and budget > 0 and self.unacked < self._unacked_limit:
            budget -= self._serve(out, budget)
        self.more = bool(self._lanes)
        return out

    def _serve(self, out: list[Any], budget: int) -> int:
        """The first lane has its turn, or as much of it as may go; returns how many bytes that were."""
        number, lane = next(iter(self._lanes.items()))
        waiting = lane.waiting
        written = 0
        while written < budget and self.unacked < self._unacked_limit:
            first = waiting[0]
            if type(first) is tuple:
                kind, flags, payload = first
                size = HEADER.size + len(payload)
                if size > lane.deficit:
                    self._next_turn(number, lane)
                    break
                self._emit(out, kind, flags, number, payload)
                self.queued -= len(payload)
                waiting.popleft()
            else:
                size = self._serve_large(out, number, lane, first)
                if not size:
                    break
            lane.deficit -= size
            written += size
            if not waiting:
                del self._lanes[number]
                lane.deficit = QUANTUM
                if len(self._idle) < MOST_IDLE:
                    self._idle.append(lane)
                break
        return written

    def _next_turn(self, number: int, lane: _Lane) -> None:
        """The rest of its turn is too small: it is kept for the next one, behind the other lanes."""
        lane.deficit += QUANTUM
        del self._lanes[number]
        self._lanes[number] = lane

    def _serve_large(self, out: list[Any], number: int, lane: _Lane, large: _Large) -> int:
        """Write a frame of the large message at the front; 0 if it is not its turn or it may not begin."""
        if not lane.admitted and not self._admit(lane, large):
            del self._lanes[number]
            self._aside[number] = lane
            return 0
        if not large.begun:
            head = table([len(part) for part in large.parts])
            if HEADER.size + len(head) > lane.deficit:
                self._next_turn(number, lane)
                return 0
            large.begun = True
            return self._emit(out, large.kind, BEGIN, number, head)
        part = large.parts[large.part]
        rest = len(part) - large.offset
        if len(self._lanes) == 1:
            size = min(rest, self.alone)
            lane.deficit = HEADER.size + size  # nobody waits: it is nobody's loss, and the next who comes is next
        else:
            size = min(rest, FRAGMENT_SHARED)
            if HEADER.size + size > lane.deficit:
                self._next_turn(number, lane)
                return 0
        self._emit(out, large.kind, FRAGMENT, number, part[large.offset : large.offset + size])
        self.queued -= size
        large.offset += size
        large.pass_empty()
        if large.part == len(large.parts):
            self._written_out(lane, large)
        return HEADER.size + size

    def _admit(self, lane: _Lane, large: _Large, *, again: bool = False) -> bool:
        """May this large message begin? One that is set aside comes first, and one alone may always."""
        if self._under_way and (
            (self._aside and not again)
            or self._under_way >= ASSEMBLIES
            or self._under_way_bytes + large.size > self.message_limit
        ):
            return False
        self._under_way += 1
        self._under_way_bytes += large.size
        lane.admitted = True
        return True

    def _written_out(self, lane: _Lane, large: _Large) -> None:
        """A large message is over: those that waited for it may begin, in order."""
        lane.waiting.popleft()
        lane.admitted = False
        self._under_way -= 1
        self._under_way_bytes -= large.size
        while self._aside:
            number, next_lane = next(iter(self._aside.items()))
            if not self._admit(next_lane, next_lane.waiting[0], again=True):
                break
            del self._aside[number]
            self._lanes[number] = next_lane

    def _emit(self, out: list[Any], kind: int, flags: int, lane: int, payload: Any) -> int:
        size = len(payload)
        header = HEADER.pack(size, kind, flags, 0, lane, self.next_seq)
        parts = [header, payload] if size else [header]
        size += HEADER.size
        out += parts
        if self.resumable:
            self._retained.append((parts, size))
            self.unacked += size
        self.next_seq += 1
        return size

    # -- what the peer has

    def acked(self, next_seq: int) -> None:
        """The peer has all frames before this number (NET-32)."""
        if not 0 < next_seq <= self.next_seq:
            raise ProtocolError(f"frame {next_seq} acknowledged, and {self.next_seq} is next", code="ack")
        retained = self._retained
        for _ in range(next_seq - self.next_seq + len(retained)):
            self.unacked -= retained.popleft()[1]

    def can_resume(self, next_seq: int) -> bool:
        """True if a peer that waits for this frame can get it: all from there on are retained."""
        return self.next_seq - len(self._retained) <= next_seq <= self.next_seq

    def resume(self, next_seq: int) -> None:
        """There is a new connection, on which the peer waits for this frame: what it lacks goes first (NET-33).

        ProtocolError, and nothing is changed, if that cannot be.
        """
        if not self.can_resume(next_seq):
            raise ProtocolError(f"the peer waits for frame {next_seq}, which is gone or was never sent", code="resume")
        self.acked(next_seq)
        self._connection = []
        self._again = collections.deque(parts for parts, _ in self._retained)


def _bytes_of(piece: Any) -> memoryview:
    view = memoryview(piece)
    return view.cast("B") if view.nbytes else memoryview(b"")  # what is empty cannot be cast, if it has a shape
