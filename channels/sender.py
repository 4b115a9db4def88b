"""The sending end of a channel.

Cancellation, at every await here: a cancelled send is done or had no effect (CH-53, CH-54). CancelledError is never
swallowed, converted or delayed (CH-58). What an operation costs is decided in its first lines: with fuel and room, it
is done without a call; see docs/architecture.md for the way of an item.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable
from typing import TYPE_CHECKING, Generic, TypeVar

from .end import SHUT, End
from .env import thread_id
from .errors import ChannelError, ChannelFull, EndOfChannel
from .flavors.base import NO_WAITERS, Flavor
from .process import Process, park, pause
from .runqueue import current, sleep, waiter_here
from .waiters import DONE, GRANTED, IDLE, PARKED, TaskWaiter, wake

if TYPE_CHECKING:
    from .permit import Reservation
    from .threads import ThreadSender

T_contra = TypeVar("T_contra", contravariant=True)


class Sender(End, Generic[T_contra]):
    """The sending end of a channel of T."""

    __slots__ = ()

    async def send(self, item: T_contra) -> None:
        """Send one item; wait while the channel is full, or, on capacity 0, until a receiver takes it.

        Returning means that the item is in the buffer, or was taken. Raises ChannelClosed, ChannelBroken or
        ChannelAborted, each with `.item`. Cancelled: the item was not sent and will not be; on capacity 0 it may have
        been taken already (at most once). There is no timeout parameter: use `asyncio.timeout`, or a select.
        """
        core = self.core
        queue = core.queue
        fuel = queue.fuel
        buffer = core.buffer
        length = len(buffer)
        if fuel and length < core.limit:
            queue.fuel = fuel - 1
            buffer.append(item)
            if length >= core.peak:
                core.peak = length + 1
            if core.receivers and wake(core.receivers, GRANTED):
                core.held += 1
            return
        if not fuel:
            if core.enter():
                await pause()
            core = self.core
            length = len(core.buffer)
        if not core.plain or length < core.limit or core.receivers or core.senders is NO_WAITERS:
            if fuel:
                queue.fuel = fuel - 1
            if core.try_send(item):
                if not fuel:
                    core.queue.spend()
                return
        queue = core.queue
        if thread_id() != queue.thread:
            core.check_loop()  # the task that the table names may be that of another thread
        process = current.get(queue.loop)
        if type(process) is Process:
            waiter = process.waiter
            waiter.state = PARKED
        else:
            waiter = TaskWaiter(queue.loop, process)
        waiter.end = self
        waiter.item = item
        self.waits += 1
        core.senders.append(waiter)
        if core.watched:
            core.sender_parked(waiter)
        try:
            if waiter.state == PARKED:
                await park()
            else:
                await waiter.future  # type: ignore[attr-defined]  # not PARKED: a TaskWaiter
        except BaseException:
            self.waits -= 1
            core.leave_send(waiter)
            raise
        self.waits -= 1
        if waiter.state == DONE and not core.timed:
            waiter.state, waiter.item, waiter.end = IDLE, None, None
            return
        if waiter.state == GRANTED and core.plain and self.core is core and not core.timed:
            waiter.state, waiter.item, waiter.end = IDLE, None, None
            core.limit += 1
            core.buffer.append(item)
            if len(core.buffer) > core.peak:
                core.peak = len(core.buffer)
            if core.receivers and wake(core.receivers, GRANTED):
                core.held += 1
            return
        core.finish_send(waiter)

    def send_nowait(self, item: T_contra) -> None:
        """Send one item now, or raise ChannelFull with `.item` (CH-30); the other refusals are those of `send`."""
        core = self.core
        if not core.queue.fuel or thread_id() != core.queue.thread:
            core.check_loop()
        if not core.try_send(item):
            raise ChannelFull(f"{core.name}: {ChannelFull.default}", item=item)

    async def send_many(self, items: Iterable[T_contra]) -> None:
        """Send the items in order, as many at a time as there is room for; much cheaper per item than `send`.

        Refused midway, the error carries the unsent rest as `.items`. Cancelled, the rest is known only to who keeps
        the iterable: pass a `collections.deque`, and every item leaves it the moment it is sent (CH-56).
        """
        if not self.core.queue.fuel and self.core.enter():
            await pause()
        self.core.queue.spend()
        if type(items) is list and len(items) <= self.core.limit - len(self.core.buffer):
            self.core.enqueue(items)
            return
        rest = items if isinstance(items, collections.deque) else collections.deque(items)
        try:
            while rest:
                if not self.send_ready(rest):
                    await self.send_first(rest)
        except ChannelError as error:
            error.item, error.items = rest[0], tuple(rest)
            raise

    def send_ready(self, rest: collections.deque[T_contra]) -> int:
        """Send from the left of `rest` what the buffer has room for now, and return how many items that were."""
        core = self.core
        room = min(core.limit - len(core.buffer), len(rest))
        if room <= 0:
            return 0
        if room == len(rest):
            core.enqueue(rest)
            rest.clear()
        else:
            core.enqueue([rest.popleft() for _ in range(room)])
        return room

    async def send_first(self, rest: collections.deque[T_contra]) -> None:
        """Send the leftmost item; it leaves `rest` the moment it is sent, also when this is cancelled just then."""
        core = self.core
        if not core.try_send(rest[0]):
            waiter = waiter_here(core.queue)
            core.park_send(waiter, self, rest[0])
            try:
                await sleep(waiter)
            except BaseException:
                self.waits -= 1
                if waiter.state == DONE:
                    rest.popleft()
                core.leave_send(waiter)
                raise
            self.waits -= 1
            core.finish_send(waiter)
        rest.popleft()

    async def flush(self) -> None:
        """Wait until all that was sent through here is in the channel, wherever its receivers are (NET-8).

        In this process it is there when `send` returns, and this returns at once. From another node it takes a round
        trip. Raises why the channel has ended, LinkLost among it; ChannelClosed. Cancelled, what was sent stays sent.
        """
        core = self.core
        core.check_loop()
        try:
            await core.flush()
        except EndOfChannel:  # this end was closed meanwhile, or given away
            raise self.core.refusal() from None

    def reserve(self) -> Reservation[T_contra]:
        """`async with tx.reserve() as permit: permit.send(item)`: wait for a place, then send for certain (CH-55).

        The send is synchronous and fails only if the channel was ended meanwhile; a permit that is not used gives its
        place back. This is the exact form of a timed or cancellable send, on capacity 0 too.
        """
        from .permit import Reservation

        return Reservation(self)

    def threadsafe(self) -> ThreadSender[T_contra]:
        """A clone of this end for other threads and loops (CH-35); call it on the loop that owns the channel."""
        from .threads import ThreadSender

        return ThreadSender(self)

    def _count(self, core: Flavor) -> None:
        core.sender_count += 1

    def _end(self, failure: BaseException | None) -> None:
        core = self.core
        if not self.closed:
            core.check_loop()
            self._fail_waiters(core, SHUT)
            core.drop_sender(failure)

    def _fail_waiters(self, core: Flavor, becomes: Flavor) -> None:
        self.core = becomes
        if self.waits:
            core.fail_waiters_of(self, core.senders)
