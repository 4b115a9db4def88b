"""Frames: how a link cuts its bytes.

A frame is a header of 20 bytes and a payload. The frames of a handshake, heartbeats and acknowledgements belong to one
connection and have no sequence number; all others belong to the session and are numbered from 1 on (NET-32). A message
is a body and buffers beside it; a small one is a single frame, a large one begins with the sizes of its parts and goes
on in fragments, between which other messages find room (NET-38).

Invariants
- A size is checked before a byte of memory is taken for it (NET-40): nobody makes this node allocate by a claim. Until
  the handshake is over a connection has room for one greeting, and no more is read (NET-31).
- The bytes of a fragment are received into the memory of their message, not copied there.
- A frame of which a part has arrived is completed or forgotten with its connection; it is never told in part (NET-37).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..errors import ProtocolError

if TYPE_CHECKING:
    from .inbound import Inbound

#: size of the payload, kind, flags, 0, lane, sequence number
HEADER: Final = struct.Struct("<IBBHIQ")
#: One size in the table of a message with buffers.
SIZE: Final = struct.Struct("<Q")

HELLO, WELCOME, REFUSED, HEARTBEAT, ACK, BYE = range(1, 7)
CONTROL, OP, ITEMS, CALL, LENT_ITEMS, LENT_CALL = range(16, 22)
#: What goes instead where buffers stand in shared memory: the last one says where (nodes/lending.py).
LENT: Final = {ITEMS: LENT_ITEMS, CALL: LENT_CALL}

#: Flags: the payload begins with the sizes of body and buffers; only these sizes, the bytes follow in fragments; this
#: frame is such a fragment.
TABLE, BEGIN, FRAGMENT = 1, 2, 4

#: The largest payload of a frame that is no fragment, and of one in a handshake.
PLAIN: Final = 64 * 1024
GREETING: Final = 4 * 1024
#: The largest fragment that is taken.
LARGEST_FRAGMENT: Final = 4 << 20
#: Buffers that a message may have.
MOST_BUFFERS: Final = 4096
#: Bytes read at once.
READ: Final = 256 * 1024

CONNECTION_KINDS: Final = frozenset((HELLO, WELCOME, REFUSED, HEARTBEAT, ACK, BYE))
SESSION_KINDS: Final = frozenset((CONTROL, OP, ITEMS, CALL, LENT_ITEMS, LENT_CALL))


class Message(NamedTuple):
    """What one side said: body and buffers are bytes-like; a body may be a view that the next read overwrites."""

    kind: int
    lane: int
    body: Any
    buffers: list[Any]


def frame(kind: int, payload: bytes, *, lane: int = 0, flags: int = 0, seq: int = 0) -> bytes:
    """A whole frame of a small payload."""
    return HEADER.pack(len(payload), kind, flags, 0, lane, seq) + payload


class FrameReader:
    """Cuts the bytes of one connection. Read into `buffer()`, then tell `advance` how many came.

    Until `begin` only small frames of the handshake are accepted, and told one at a time.
    """

    def __init__(self) -> None:
        self._inbound: Inbound | None = None
        self._memory = memoryview(bytearray(HEADER.size + GREETING))
        self._start = 0
        self._end = 0
        self._target: memoryview | None = None  # the rest of the fragment that is being received
        self._bulk = False  # a fragment came last: read the next header alone, and what follows into its place
        self._skip = 0  # bytes of a frame that is dropped
        self._lane = 0

    def begin(self, inbound: Inbound) -> None:
        """The handshake is over: what follows belongs to this session; `advance(0)` tells what has come already."""
        self._inbound = inbound
        rest = self._memory[self._start : self._end]
        self._memory = memoryview(bytearray(READ + HEADER.size + PLAIN))
        self._memory[: len(rest)] = rest
        self._start, self._end = 0, len(rest)

    @property
    def unfinished(self) -> int:
        """0 between two frames, otherwise a number of the frame that has come in part: a peer may stop there (A6)."""
        if self._inbound is None or (self._target is None and not self._skip and self._start == self._end):
            return 0
        return self._inbound.next_seq + self._inbound.duplicates

    def buffer(self) -> memoryview:
        """Where to receive into; never empty. What `advance` told before may be overwritten by it."""
        if self._target is not None:
            return self._target
        if self._start == self._end:
            self._start = self._end = 0
        elif len(self._memory) - self._end < PLAIN:
            rest = self._end - self._start
            self._memory[:rest] = bytes(self._memory[self._start : self._end])
            self._start, self._end = 0, rest
        if self._bulk and self._end - self._start < HEADER.size and not self._skip:
            return self._memory[self._end : self._start + HEADER.size]
        return self._memory[self._end :]

    def advance(self, count: int) -> list[Message]:
        """`count` bytes came: the messages that are complete now. ProtocolError: the link must end."""
        messages: list[Message] = []
        if self._target is not None:
            self._target = self._target[count:]
            if not self._target:
                self._target = None
                self._fragment_done(messages)
            return messages
        self._end += count
        while self._end - self._start >= HEADER.size and (self._inbound is not None or not messages):
            if self._skip and not self._skipped():
                break
            if self._end - self._start < HEADER.size or not self._next_frame(messages):
                break
        if self._skip:
            self._skipped()
        return messages

    def _skipped(self) -> bool:
        """Pass over what is to be dropped. False: there is more of it to come."""
        step = min(self._skip, self._end - self._start)
        self._start += step
        self._skip -= step
        return not self._skip

    def _next_frame(self, messages: list[Message]) -> bool:
        """Take the next frame, if it is here whole. False: more bytes are needed."""
        size, kind, flags, zero, lane, seq = HEADER.unpack_from(self._memory, self._start)
        self._bulk = flags == FRAGMENT
        start = self._start + HEADER.size
        inbound = self._inbound
        if not flags and not zero and size <= PLAIN and kind in SESSION_KINDS and inbound and seq == inbound.next_seq:
            if self._end - start < size:  # most frames: one message, the next of its session
                return False
            self._start = start + size
            inbound.next_seq = seq + 1
            messages.append(Message(kind, lane, self._memory[start : self._start], []))
            return True
        if inbound is None:
            self._check(size <= GREETING and HELLO <= kind <= REFUSED and not flags, "greeting", size)
        if flags == FRAGMENT:
            self._check(size <= LARGEST_FRAGMENT and kind in SESSION_KINDS and not zero, "fragment", size)
            self._start = start
            assert inbound is not None
            self._begin_fragment(inbound, lane, seq, size, messages)
            return self._target is None
        self._check(size <= PLAIN and not zero and flags in (0, TABLE, BEGIN), "frame", size)
        if self._end - start < size:
            return False
        self._start = start + size
        payload = self._memory[start : start + size]
        if kind in SESSION_KINDS and inbound is not None:
            if inbound.accept(seq):
                self._take(inbound, kind, flags, lane, payload, messages)
        else:
            self._check(kind in CONNECTION_KINDS and not seq and not flags, "kind", kind)
            messages.append(Message(kind, lane, payload, []))
        return True

    def _take(
        self, inbound: Inbound, kind: int, flags: int, lane: int, payload: memoryview, messages: list[Message]
    ) -> None:
        if not flags:
            messages.append(Message(kind, lane, payload, []))
            return
        sizes, start = parse_table(payload)
        if flags == BEGIN:
            self._check(start == len(payload), "table", len(payload))
            inbound.begin(kind, lane, sizes)
            return
        self._check(start + sum(sizes) == len(payload), "table", len(payload))
        body = payload[start : start + sizes[0]]
        start += sizes[0]
        buffers: list[Any] = []
        for size in sizes[1:]:
            buffers.append(bytearray(payload[start : start + size]))
            start += size
        messages.append(Message(kind, lane, body, buffers))

    def _begin_fragment(self, inbound: Inbound, lane: int, seq: int, size: int, messages: list[Message]) -> None:
        if not inbound.expects(seq):
            self._skip = size
            self._skipped()
            return
        target = inbound.target(lane, size)
        here = min(self._end - self._start, size)
        target[:here] = self._memory[self._start : self._start + here]
        self._start += here
        self._lane = lane
        self._target = target[here:]
        if not self._target:
            self._target = None
            self._fragment_done(messages)

    def _fragment_done(self, messages: list[Message]) -> None:
        assert self._inbound is not None
        message = self._inbound.fragment_done(self._lane)
        if message is not None:
            messages.append(message)

    @staticmethod
    def _check(holds: bool, code: str, value: int) -> None:
        if not holds:
            raise ProtocolError(f"a frame that makes no sense ({code}: {value})", code=code)


def number_in(body: Any, size: int) -> int:
    """The number that an ACK or a HEARTBEAT tells, in so many bytes. ProtocolError."""
    if len(body) != size:
        raise ProtocolError(f"a number of {len(body)} bytes, and it has {size}", code="size")
    return int.from_bytes(body, "little")


def table(sizes: list[int]) -> bytes:
    """The sizes of body and buffers."""
    return struct.pack(f"<I{len(sizes)}Q", len(sizes), *sizes)


def parse_table(payload: memoryview) -> tuple[list[int], int]:
    """The sizes of body and buffers, and where the table ends; ProtocolError if there is none."""
    count = int.from_bytes(payload[:4], "little")
    end = 4 + SIZE.size * count
    if not 1 <= count <= MOST_BUFFERS + 1 or end > len(payload):
        raise ProtocolError(f"a message of {count} parts", code="table")
    return list(struct.unpack_from(f"<{count}Q", payload, 4)), end
