"""Progress of MPI on an event loop: who looks for messages, how long, and when this rank may sleep.

MPI moves messages only while it is called. So the poller looks at every turn of the loop while something happens, and
for SPIN seconds after; then it sleeps, until somebody rings (`bell.py`). An idle rank costs nothing but a look every
REST seconds, for whatever could go wrong with a bell.

Invariants
- While a message stands in this process, out or in, the poller stays awake: it leaves only while it is polled.
- What is acknowledged is acknowledged before this rank sleeps, so that nobody waits for a sleeper's credit.
- An error in a look ends all streams, loudly: a poller that has died would look like an MPI that hangs.
- One look takes LOOKS empty tests, and TAKES packets at most; only one test if others had the loop meanwhile.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from actorpar.channels import env
from actorpar.channels.runqueue import run_queue

from ..errors import ProtocolError
from .packets import ACK_AFTER, END, HEADER
from .stream import RankStream

if TYPE_CHECKING:
    import asyncio

    from .bell import Bells
    from .farbell import FarBells
    from .wire import Cancellable, Pending, Wire

logger = logging.getLogger("actorpar.nodes.mpi")

#: Seconds that the poller goes on looking after the last message, where each rank has a core of its own.
SPIN: Final = 100e-6
#: Seconds between two looks of a rank that sleeps.
REST: Final = 0.05
#: Empty tests in one look, and packets that one look takes.
LOOKS: Final = 20
TAKES: Final = 4
#: Looks at messages by tag when they are begun: as long as the other side takes to begin its own, more or less.
EAGER_LOOKS: Final = 100
#: Seconds between two looks from which others had the loop.
GAP: Final = 3e-6
#: Seconds without progress after which what stands here is looked at every PAUSE seconds only, and less the longer it
#: takes, down to every LONG_PAUSE seconds.
EAGER: Final = 2e-3
PAUSE: Final = 1e-3
LONG_PAUSE: Final = 10e-3


def passed(pending: list[Any]) -> bool:
    """Take out what is over, from the end. True: nothing is left."""
    while pending and pending[-1].Test():
        pending.pop()
    return not pending


class Awaited:
    """Messages by tag that somebody waits for: `done` once all have left and come."""

    __slots__ = ("_receives", "_sends", "done")

    def __init__(self, sends: list[Pending], receives: list[Cancellable], done: asyncio.Future[None]) -> None:
        self.done = done
        self._sends = sends
        self._receives = receives

    def look(self) -> bool:
        """True once nothing is under way."""
        if not (passed(self._receives) and passed(self._sends)):
            return False
        if not self.done.done():
            self.done.set_result(None)
        return True

    def give_up(self, error: Exception) -> None:
        """What has not come is received no more, and who waits for it fails."""
        for request in self._receives:
            request.Cancel()
        if not self.done.done():
            self.done.set_exception(error)


class Poller:
    """The progress of one rank. Made on the loop that makes all its MPI calls.

    wire   the messages
    bells  those of the ranks of this host, which have met
    far    those of other hosts
    spin   seconds; 0.0 where ranks are more than cores, for who spins then takes the core of who is waited for
    """

    def __init__(self, wire: Wire, bells: Bells, far: FarBells, *, spin: float = SPIN) -> None:
        self.wire = wire
        self.bells = bells
        self.far = far
        self.spin = spin
        self.streams = {rank: RankStream(self, rank) for rank in range(wire.size) if rank != wire.rank}
        self.is_closed = False
        #: Packets that were sent, and times that this rank went to sleep.
        self.packets = 0
        self.sleeps = 0
        self._taken = [0] * wire.size
        self._leaving: list[tuple[Pending, Any, int]] = []
        self._arriving: dict[RankStream, None] = {}  # each waits for a bulk
        self._owing: dict[RankStream, None] = {}
        self._awaited: list[Awaited] = []
        self._queue = run_queue()
        self._loop = self._queue.loop
        self._is_awake = False
        self._last = self._ended = 0.0
        self._next: asyncio.Handle | None = None
        self._loop.add_reader(bells.fileno(), self._rung)
        self._loop.add_reader(far.fileno(), self._rung_from_afar)
        self.wake()

    # -- for the streams

    def send(self, rank: int, packet: bytes) -> None:
        """Send a packet, and wake who sleeps."""
        self.packets += 1
        self.bells.count(rank)
        pending = self.wire.send(rank, packet)
        if pending is not None:
            self._leaving.append((pending, packet, rank))
            self.wake()
        if rank in self.far:
            if self.streams[rank].out.on_the_way == 1:  # the first since all was acknowledged
                self.far.ring(rank)
        else:
            self.bells.ring(rank)

    def acknowledged(self, stream: RankStream) -> None:
        """Another host has said what it has taken; it may have fallen asleep before the rest came."""
        if stream.rank in self.far and stream.out.on_the_way:
            self.far.ring(stream.rank)

    def send_bulk(self, rank: int, data: Any) -> None:
        """Send a buffer behind its packet."""
        pending = self.wire.send_bulk(rank, data)
        if pending is not None:
            self._leaving.append((pending, data, rank))
            self.wake()

    def arriving(self, stream: RankStream) -> None:
        """A stream has posted the receive of a bulk."""
        self._arriving[stream] = None

    def owes(self, stream: RankStream) -> None:
        """A stream has taken a packet that it has not acknowledged."""
        if stream.out.owed >= ACK_AFTER:
            self._acknowledge(stream)
        else:
            self._owing[stream] = None

    # -- for teams

    def send_by_tag(self, rank: int, tag: int, data: Any) -> Pending:
        """Begin to send a buffer, which stays as it is until that is done."""
        pending = self.wire.send_by_tag(rank, tag, data)
        (self.far if rank in self.far else self.bells).ring(rank)
        return pending

    def have_passed(self, sends: list[Pending], receives: list[Cancellable]) -> bool:
        """Look some times whether what was begun has left and come: mostly it soon has. What has is taken out."""
        looks = EAGER_LOOKS if self.spin else 1
        return any(passed(receives) and passed(sends) for _ in range(looks))

    def await_all(self, sends: list[Pending], receives: list[Cancellable]) -> Awaited:
        """Wait for what was begun."""
        awaited = Awaited(sends, receives, self._loop.create_future())
        self._awaited.append(awaited)
        self.wake()
        return awaited

    # -- looking

    def wake(self) -> None:
        """Look again, from the next turn of the loop on."""
        self._last = env.clock()
        if self._is_awake or self.is_closed:
            return
        self._is_awake = True
        self.bells.awake()
        if self._next is not None:
            self._next.cancel()
        self._next = self._loop.call_soon(self._look)

    def _rung(self) -> None:
        self.bells.hear()
        self.wake()

    def _rung_from_afar(self) -> None:
        if self.far.hear():
            self.wake()

    def _look(self) -> None:
        self._queue.end_turn()
        began = env.clock()
        try:
            progress = self._take(LOOKS if began - self._ended < GAP else 1)
            if self._leaving or self._arriving or self._awaited:
                progress |= self._reap()
        except Exception as error:
            self._fail(error)
            return
        if self.is_closed:
            return
        self._ended = now = env.clock()
        if progress:
            self._last = now
        if progress or now - self._last < self.spin:
            self._next = self._loop.call_soon(self._look)
        elif self._leaving or self._arriving or self._awaited or self._is_waited_for_afar():
            idle = now - self._last
            if idle < EAGER:
                self._next = self._loop.call_soon(self._look)
            else:
                self._doze(min(max(PAUSE, idle / 16), LONG_PAUSE))
        else:
            self._sleep()

    def _is_waited_for_afar(self) -> bool:
        """Another host has not acknowledged what was sent, and nobody rings with an acknowledgement."""
        return any(
            stream.out.on_the_way and not stream.is_closed
            for stream in self.streams.values()
            if stream.rank in self.far
        )

    def _acknowledge_all(self) -> None:
        """Say what is owed: nobody waits for the credit of one that sleeps."""
        for stream in self._owing:
            if stream.out.owed and not stream.is_closed:
                self._acknowledge(stream)
        self._owing.clear()

    def _acknowledge(self, stream: RankStream) -> None:
        self.send(stream.rank, stream.out.acknowledgement())
        if stream.rank in self.far:
            self.far.ring(stream.rank)  # it looks now and then only, if it waits for this

    def _doze(self, seconds: float) -> None:
        """Look again later, or when somebody rings."""
        self._acknowledge_all()
        self._is_awake = False
        self.bells.doze()
        self._next = self._loop.call_later(seconds, self._look_again)

    def _look_again(self) -> None:
        self._is_awake = True
        self.bells.awake()
        self._look()

    def _take(self, looks: int) -> bool:
        """Take what came, after so many empty tests at most. True: there was something."""
        take, taken = self.wire.take, self._taken
        for _ in range(looks):
            found = take()
            if found is not None:
                break
        else:
            return False
        left = TAKES
        while found is not None:
            rank, packet = found
            taken[rank] += 1
            self._arrived(self.streams[rank], packet)
            if self.is_closed:
                break
            self.wire.taken()
            left -= 1
            found = take() if left else None
        return True

    def _arrived(self, stream: RankStream, packet: memoryview) -> None:
        owed, flags, bulk = HEADER.unpack_from(packet)
        try:
            if owed:
                stream.acknowledged(owed)
                self.acknowledged(stream)
            if flags or len(packet) > HEADER.size or bulk:
                stream.packet(packet[HEADER.size :], bulk, bool(flags & END))
        except ProtocolError as error:
            stream.fail(error)

    def _reap(self) -> bool:
        """Let go what has left, and take bulks that have come. True: there was one."""
        progress = False
        if self._leaving:
            waits = []
            for each in self._leaving:
                if each[0].Test():
                    progress = True
                    self.bells.ring(each[2])  # it may have fallen asleep before this left; one of another host has not
                else:
                    waits.append(each)
            self._leaving = waits
        for stream in list(self._arriving):
            if stream.reap():
                progress = True
                if not stream.awaits_bulk:
                    self._arriving.pop(stream, None)
        if self._awaited:
            awaited = [each for each in self._awaited if not each.look()]
            progress |= len(awaited) < len(self._awaited)
            self._awaited = awaited
        return progress

    def _sleep(self) -> None:
        """Nothing stands here: sleep unless something is on its way."""
        self._acknowledge_all()
        if self._leaving or not self.bells.may_sleep(self._taken):
            self._next = self._loop.call_soon(self._look)
            return
        self._is_awake = False
        self.sleeps += 1
        self._next = self._loop.call_later(REST, self.wake)

    # -- ends

    def lost(self, rank: int) -> None:
        """That rank has ended: nothing more comes from it, and nothing goes there."""
        self.bells.forget(rank)
        self.far.forget(rank)
        stream = self.streams[rank]
        self._leaving = [each for each in self._leaving if each[2] != rank]
        self._arriving.pop(stream, None)
        self._owing.pop(stream, None)
        stream.lost()

    def _fail(self, error: Exception) -> None:
        logger.exception("MPI failed at rank %d, so its links end", self.wire.rank)
        self._stop()
        for stream in self.streams.values():
            stream.fail(error)

    def _stop(self) -> None:
        self.is_closed = True
        if self._next is not None:
            self._next.cancel()
        self._loop.remove_reader(self.bells.fileno())
        self._loop.remove_reader(self.far.fileno())

    async def close(self, seconds: float) -> bool:
        """End together with all other ranks, once all streams are closed and all that was sent has left.

        False: that took longer than `seconds`, or MPI has failed.
        """
        deadline = env.clock() + seconds
        gone = None
        while not self.is_closed and env.clock() < deadline:
            if gone is None and not self._leaving:
                gone = self.wire.barrier()
            if gone is not None and gone.Test():
                self._stop()
                self.wire.close()
                self._close_bells()
                return True
            self.wake()
            await env.sleep(0)
        if not self.is_closed:
            self._stop()
        self._close_bells()
        return False

    def _close_bells(self) -> None:
        self.bells.close()
        self.far.close()
