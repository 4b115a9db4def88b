"""Shared memory on one link: large buffers that do not go through its stream (NET-48 … NET-52).

Such a buffer is copied into the shared memory of its process once, or stands there already (`slabs.empty_shared`). What
the frame has in its place is a note of where that is. The other side reads it there, and says when nothing stands on it
any more.

Invariants
- Nothing is lent before the other side has shown that it sees the memory of this process: it is told where a secret
  stands, and says what it is. A node of another host or container cannot, and gets everything by the stream.
- What was lent is not used again before it came back or the session is over; a connection that breaks is neither.
- What comes is checked before it is looked at; a loan, or a return, that makes no sense is an error of the protocol.
- Views are dropped anywhere, in any thread and while anything is done: that only appends, and wakes the loop.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import os
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

import msgspec

from actorpar.channels import env

from . import slabs
from .borrowed import Borrowed
from .errors import CodecError, OutOfSlabs, ProtocolError
from .protocol.frame import LENT, MOST_BUFFERS
from .remote import ops
from .shm import Descriptor

#: Bytes from which a buffer is lent: below, the socket is as quick, one by one, and needs no memory set aside.
LENT_FROM: Final = 64 << 10
#: Bytes that are copied at once, for nobody else has a turn meanwhile. More goes by the stream, in fragments.
MOST_AT_ONCE: Final = 16 << 20
#: Bytes of copies that one other node may have.
MOST_COPIED: Final = 128 << 20
#: Seconds that a closing node waits for others to reach what it has lent them.
SETTLE: Final = 1.0
#: Bytes of a secret, and returns that are told in one op.
SECRET: Final = 32
RETURNS: Final = 256


#: What stands in a message for what is lent: its place among the buffers, and where it is.
Note: TypeAlias = tuple[int, Descriptor]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Note]).decode


class Lending:
    """What one link lends and borrows. Made on the loop of its link.

    say       puts an op on the link
    counters  those of the node
    limit     bytes that a message may have, what it borrows included
    """

    def __init__(self, say: Callable[[ops.Op], None], counters: collections.Counter[str], limit: int) -> None:
        self._say = say
        self._counters = counters
        self._limit = limit
        #: True if the other side says that it is on this host.
        self.is_near = False
        #: False: only what stands in shared memory is lent, and nothing is copied there; the link itself is as quick.
        self.copies = True
        self._secret = b""
        self._shares = False  # the other side has told the secret
        self._copies: set[Descriptor] = set()  # that are lent
        self._copied = 0  # bytes of them
        self._reached: asyncio.Event | None = None  # somebody waits until all that was lent is reached
        self._borrowed = Borrowed(self._dropped)
        self._asked = False
        self._back: collections.deque[Descriptor] = collections.deque()
        self._wakes = False
        self._loop = asyncio.get_running_loop()
        self._thread = env.thread_id()
        self._process = os.getpid()
        self._is_closed = False

    # -- lending

    def ask(self) -> None:
        """Find out whether the other side sees the memory of this process."""
        if self._secret or not self.is_near or self._is_closed:
            return
        secret = env.new_id().encode()
        try:
            place = slabs.arena().put(secret, self)
        except OutOfSlabs:
            self._counters["shared memory: none free"] += 1
            return
        self._secret = secret
        self._say(ops.Look(0, place))

    def lend(self, kind: int, buffers: list[Any]) -> tuple[int, list[Any]]:
        """The kind of the message and its buffers as they are to go: with notes for those that are lent, if any is."""
        if max(map(len, buffers)) < LENT_FROM or len(buffers) > MOST_BUFFERS:
            return kind, buffers
        if not self._shares:
            self.ask()
            return kind, buffers
        rest: list[Any] = []
        notes: list[Note] = []
        for index, buffer in enumerate(buffers):
            place = self._place(buffer) if len(buffer) >= LENT_FROM else None
            if place is None:
                rest.append(buffer)
            else:
                notes.append((index, place))
        return (LENT[kind], [*rest, _encode(notes)]) if notes else (kind, buffers)

    def _place(self, buffer: Any) -> Descriptor | None:
        """Lend a buffer where it is, or a copy of it."""
        arena = slabs.arena()
        place = arena.lend(buffer, self)
        if place is None:
            size = len(buffer)
            if size > MOST_AT_ONCE or not self.copies:
                return None
            try:
                if self._copied + size > MOST_COPIED:
                    raise OutOfSlabs("the other side has as much as it may have")
                place = arena.put(buffer, self)
            except OutOfSlabs:
                self._counters["shared memory: none free"] += 1
                return None
            self._copies.add(place)
            self._copied += size
        self._counters["shared memory: lent"] += 1
        return place

    async def settle(self) -> None:
        """Wait until the other side reaches all that was lent to it, also when the files are removed; or has ended."""
        if self._secret and not self._is_closed and not slabs.arena().is_reached(self):
            self._reached = self._reached or asyncio.Event()
            await self._reached.wait()

    # -- borrowing

    def borrow(self, buffers: list[Any]) -> list[Any]:
        """The buffers of a message of which some stand in the memory of the other side. ProtocolError."""
        try:
            notes = _decode(buffers.pop())
        except (msgspec.MsgspecError, ValueError, RecursionError, IndexError):
            raise ProtocolError("a message that borrows does not say what", code="slab") from None
        if sum(map(len, buffers)) + sum(place.size for _, place in notes) > self._limit:
            raise ProtocolError(f"a message that borrows more than {self._limit} bytes", code="limit")
        for index, place in notes:
            if not 0 <= index <= len(buffers) < MOST_BUFFERS:
                raise ProtocolError(f"buffer {index} of a message of {len(buffers)}", code="slab")
            buffers.insert(index, self._view(place))
        return buffers

    def _view(self, place: Descriptor) -> memoryview:
        is_known = place.name in self._borrowed
        try:
            view = self._borrowed.view(place)
        except CodecError as error:
            raise ProtocolError(str(error), code="slab") from error
        if not is_known:
            self._say(ops.Mapped(0, place.name))
        return view

    def _dropped(self, place: Descriptor) -> None:
        """Nothing stands on it any more. Called anywhere; a fork has borrowed nothing."""
        if self._is_closed or os.getpid() != self._process:
            return
        self._back.append(place)
        if not self._wakes:
            self._wakes = True
            here = env.thread_id() == self._thread  # then nobody has to be woken, which takes a call of the system
            with contextlib.suppress(RuntimeError):  # the loop is closed
                (self._loop.call_soon if here else self._loop.call_soon_threadsafe)(self._give_back)

    def _give_back(self) -> None:
        self._wakes = False
        while self._back and not self._is_closed:
            places = [self._back.popleft() for _ in range(min(len(self._back), RETURNS))]
            self._say(ops.Returned(0, places))

    # -- what the other side says

    def on_op(self, op: ops.OfMemory) -> None:
        """ProtocolError for what it cannot say."""
        match op:
            case ops.Look():
                self._look(op)
            case ops.Seen():
                if not self._secret or self._shares or op.said != self._secret:
                    raise ProtocolError("it has not seen what it says", code="slab")
                self._shares = True
            case ops.Mapped():
                slabs.arena().mapped(op.name, self)
            case ops.Returned():
                for place in op.places:
                    self._returned(place)
        if self._reached is not None and slabs.arena().is_reached(self):
            self._reached.set()

    def _look(self, op: ops.Look) -> None:
        if self._asked or op.place.size != SECRET:
            raise ProtocolError(f"a secret of {op.place.size} bytes, or a second one", code="slab")
        self._asked = True
        try:
            said = self._borrowed.copy(op.place)
        except CodecError:
            return  # it is not here: nothing is said, and nothing will be lent
        self._say(ops.Seen(0, bytes(said)))

    def _returned(self, place: Descriptor) -> None:
        if not slabs.arena().returned(place, self):
            raise ProtocolError("it returns what it does not have", code="slab")
        if place in self._copies:
            self._copies.remove(place)
            self._copied -= place.size

    # -- time, and the end

    def tidy(self) -> None:
        """Every half second: let go what the other side has removed."""
        self._borrowed.tidy()

    def close(self) -> None:
        """The session is over. What was borrowed stays readable; what was lent is written off."""
        self._is_closed = True
        if self._reached is not None:
            self._reached.set()
        self._borrowed.close()
        if self._secret:
            slabs.arena().lost(self)


async def settled(all_of: Iterable[Lending]) -> None:
    """Wait for a moment until every other side reaches what it was lent. Cancelled, it is as good as over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLE):
            for lending in all_of:
                await lending.settle()
