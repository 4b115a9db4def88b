"""How the bytes of a stream travel as MPI messages, from one rank to another: packets, and what is too large for one.

A packet is a header and bytes of the stream, up to PACKET of them. A piece of more than INLINE bytes travels as a
message of its own, the *bulk* of the packet before it: straight from the memory of whoever sends it and into that of
whoever receives it. The stream goes on behind it.

MPI takes whatever it is given, and keeps it in memory that nobody bounds (200 000 unreceived messages of 1 kB were
418 MB), so packets have credits of their own.

Invariants
- At most WINDOW packets are on their way: sent, and not acknowledged as taken. Acknowledgements travel in the header of
  any packet, or alone in one that holds nothing else, which costs no credit and is not acknowledged itself.
- What was put goes out in order, each byte once, as one sequence of packets and their bulks.
"""

from __future__ import annotations

import collections
import struct
from typing import Any, Final

from ..errors import ProtocolError

#: packets of the other side that were taken, flags, bytes of the bulk that follows
HEADER: Final = struct.Struct("<HHI")
#: Flag: nothing follows any more, the stream has ended.
END: Final = 1
#: Bytes of the stream in one packet; the memory that receives one is a little larger.
PACKET: Final = 32 * 1024
#: Bytes up to which a piece is copied into a packet.
INLINE: Final = 16 * 1024
#: Packets that may be on their way.
WINDOW: Final = 8
#: Packets after which an acknowledgement does not wait for something to travel with.
ACK_AFTER: Final = WINDOW // 2


class Outflow:
    """What goes to one rank. `owed`: packets of that rank that were taken here, and it does not know yet."""

    __slots__ = ("_rest", "credit", "owed")

    def __init__(self) -> None:
        self._rest: collections.deque[Any] = collections.deque()
        self.credit = WINDOW
        self.owed = 0

    @property
    def on_the_way(self) -> int:
        """Packets that were sent and are not acknowledged."""
        return WINDOW - self.credit

    @property
    def waits(self) -> bool:
        """True while something that was put has not gone."""
        return bool(self._rest)

    def whole(self, buffers: list[Any]) -> bytes | None:
        """These buffers as the next packet, if they may go now and fit into one; otherwise None, and `put` takes them.

        The way of nearly all writes.
        """
        if self._rest or not self.credit:
            return None
        if len(buffers) > 2 or len(buffers[-1]) > INLINE:
            size = 0
            for each in buffers:
                if len(each) > INLINE:
                    return None
                size += len(each)
            if size > PACKET:
                return None
        self.credit -= 1
        return b"".join((self._header(0), *buffers))

    def put(self, buffers: list[Any]) -> None:
        """Queue pieces of the stream, bytes-like, whose `len` is their size. They stay as they are until they left."""
        self._rest += buffers

    def next(self) -> tuple[bytes, Any] | None:
        """The next packet that may go, and its bulk or None; None: nothing may go now."""
        rest = self._rest
        if not rest or not self.credit:
            return None
        pieces: list[Any] = [b""]
        room = PACKET
        bulk = None
        while rest:
            piece = rest[0]
            if len(piece) > INLINE:
                bulk = rest.popleft()
                break
            if len(piece) > room:
                break
            pieces.append(rest.popleft())
            room -= len(piece)
        pieces[0] = self._header(0 if bulk is None else len(bulk))
        self.credit -= 1
        return b"".join(pieces), bulk

    def acknowledgement(self) -> bytes:
        """A packet that only acknowledges what is owed."""
        return self._header(0)

    def end(self) -> bytes:
        """The last packet; what waits is dropped."""
        self._rest.clear()
        return HEADER.pack(self.owed, END, 0)

    def acknowledged(self, count: int) -> None:
        """So many packets were taken. ProtocolError: of more than were sent."""
        if count > WINDOW - self.credit:
            raise ProtocolError(f"{count} packets taken, and {WINDOW - self.credit} were on the way", code="ack")
        self.credit += count

    def _header(self, bulk: int) -> bytes:
        owed, self.owed = self.owed, 0
        return HEADER.pack(owed, 0, bulk)
