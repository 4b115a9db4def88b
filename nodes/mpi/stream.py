"""The stream of bytes between two ranks: what a socket is for other links (`nodes/stream.py`), made of MPI messages.

Invariants
- What comes is told in order: while a bulk is on its way, the packets behind it wait, at most WINDOW of them.
- The sink is told `closed` exactly once, after which nothing is read or written.
- A packet counts as taken when the sink has it, so a sender is never further ahead than WINDOW packets.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import ProtocolError
from .packets import Outflow

if TYPE_CHECKING:
    import ssl

    from ..connection import Sink
    from .poller import Poller
    from .wire import Pending


class RankStream:
    """The connection with one other rank. It exists from the start, and is opened once."""

    tls: ssl.SSLObject | None = None
    medium = "mpi"

    def __init__(self, poller: Poller, rank: int) -> None:
        self.rank = rank
        self.out = Outflow()
        self.is_closed = False
        self.sent = 0
        self.received = 0
        self._poller = poller
        self._sink: Sink | None = None
        self._buffer: Callable[[], memoryview]
        self._owes = False  # `writable`, to the sink that was told False
        self._bulk: tuple[Pending, memoryview, bool] | None = None  # True: it is received where the sink has said
        self._held: collections.deque[tuple[bytes, int, bool]] = collections.deque()  # packets that came behind it
        self._unwanted: list[Pending] = []  # bulks that nobody waits for any more

    def start(self, sink: Sink) -> None:
        """Begin to read; what comes goes to the sink."""
        self.hand_over(sink)
        self._go_on()

    def hand_over(self, sink: Sink) -> None:
        """What comes from now on goes to another sink."""
        self._sink = sink
        self._buffer = sink.buffer

    # -- writing

    def write(self, buffers: list[Any]) -> bool:
        """Write whole frames now, in bytes-like pieces whose `len` is their size.

        Large pieces are sent from where they stand. False: a rest is kept, and `writable` tells when it is gone.
        """
        if self.is_closed:
            return True
        whole = self.out.whole(buffers)
        if whole is not None:
            self.sent += len(whole)
            self._poller.send(self.rank, whole)
            return True
        self.out.put(buffers)
        self._push()
        self._owes = self.out.waits
        return not self._owes

    def beat(self, frame: bytes) -> None:
        """Nothing: no other thread may call MPI. That this process lives is seen by other means."""

    def _push(self) -> None:
        while (packet := self.out.next()) is not None:
            data, bulk = packet
            self.sent += len(data)
            self._poller.send(self.rank, data)
            if bulk is not None:
                self.sent += len(bulk)
                self._poller.send_bulk(self.rank, bulk)

    def acknowledged(self, count: int) -> None:
        """The other side has taken so many packets. ProtocolError."""
        self.out.acknowledged(count)
        if self._owes:
            self._push()
            if not self.out.waits and self._sink is not None:
                self._owes = False
                self._sink.writable()

    # -- reading

    @property
    def awaits_bulk(self) -> bool:
        """True while a bulk is on its way."""
        return self._bulk is not None or bool(self._unwanted)

    def packet(self, data: memoryview, bulk: int, end: bool) -> None:
        """A packet came, so many bytes follow it, and it may be the last. ProtocolError."""
        if self.is_closed:
            self._drop(bulk)
        elif self._bulk is not None or self._sink is None:
            self._held.append((bytes(data), bulk, end))
        else:
            self._take(data, bulk, end)

    def _take(self, data: memoryview, bulk: int, end: bool) -> None:
        if end:
            self._close(None)
            return
        self._deliver(data)
        if self.is_closed:
            self._drop(bulk)
            return
        self.out.owed += 1
        self._poller.owes(self)
        if bulk:
            target = self._buffer()
            fits = len(target) >= bulk
            into = target[:bulk] if fits else memoryview(bytearray(bulk))
            self._bulk = self._poller.wire.receive_bulk(self.rank, into), into, fits
            self._poller.arriving(self)

    def _drop(self, bulk: int) -> None:
        """Receive it all the same: at the other side it stands until it has left."""
        if bulk:
            self._unwanted.append(self._poller.wire.receive_bulk(self.rank, memoryview(bytearray(bulk))))
            self._poller.arriving(self)

    def _deliver(self, data: memoryview) -> None:
        """Give bytes to the sink, which may close this, or hand over to another sink, in between."""
        self.received += len(data)
        while data and self._sink is not None:
            view = self._buffer()
            count = min(len(view), len(data))
            view[:count] = data[:count]
            self._sink.advance(count)
            data = data[count:]

    def reap(self) -> bool:
        """Take the bulk if it has come, and what waited for it. True: something did."""
        before = len(self._unwanted)
        if before:
            self._unwanted = [each for each in self._unwanted if not each.Test()]
        if self._bulk is None or not self._bulk[0].Test():
            return len(self._unwanted) < before
        _, data, fits = self._bulk
        self._bulk = None
        try:
            if not fits:
                self._deliver(data)
            elif self._sink is not None:
                self.received += len(data)
                self._sink.advance(len(data))
            self._go_on()
        except ProtocolError as error:
            self.fail(error)
        return True

    def _go_on(self) -> None:
        """Take the packets that were held."""
        while self._held and self._bulk is None and self._sink is not None:
            data, bulk, end = self._held.popleft()
            self._take(memoryview(data), bulk, end)

    # -- closing

    def lost(self) -> None:
        """The other rank has ended: nothing of it is under way any more."""
        self._bulk = None
        self._unwanted.clear()
        self._held.clear()
        self._close(None)

    def fail(self, error: BaseException) -> None:
        """It cannot go on; the other side is told that it has ended, if MPI itself has not failed."""
        self._close(error, tell=True)

    def close(self) -> None:
        """Close; the sink is told, and the other side."""
        self._close(None, tell=True)

    def abandon(self) -> None:
        """Close; the sink is not told."""
        self._sink = None
        self._close(None, tell=True)

    def _close(self, error: BaseException | None, *, tell: bool = False) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        if tell and not self._poller.is_closed:
            self._poller.send(self.rank, self.out.end())
        held, self._held = self._held, collections.deque()
        for _, bulk, _ in held:
            self._drop(bulk)
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.closed(error)
