"""The receiving end of a channel.

Cancellation, at every await here: an item is delivered or stays in the channel (CH-52), and CancelledError is never
swallowed, converted or delayed (CH-58). What an operation costs is decided in its first lines: with fuel and an item,
it is done without a call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

from .end import SHUT, End
from .env import thread_id
from .errors import ChannelEmpty, EndOfChannel
from .flavors.base import NO_WAITERS, NOTHING, Flavor
from .guard import Receiving
from .process import Process, park, pause
from .runqueue import current
from .waiters import GRANTED, IDLE, PARKED, TaskWaiter

if TYPE_CHECKING:
    from .threads import ThreadReceiver

T_co = TypeVar("T_co", covariant=True)


class Receiver(End, Receiving[T_co]):
    """The receiving end of a channel of T. In a select it stands for `receive_from(rx)`."""

    __slots__ = ()

    async def receive(self) -> T_co:
        """Receive the next item; wait while there is none.

        Raises EndOfChannel once every sender has closed and nothing is left, ChannelBroken or ChannelAborted with the
        cause of an abnormal end, ChannelClosed if this handle is closed. Cancelled: nothing was consumed (CH-52).
        """
        core = self.core
        queue = core.queue
        fuel = queue.fuel
        buffer = core.buffer
        length = len(buffer)
        if fuel and length > core.held:
            queue.fuel = fuel - 1
            item: T_co = buffer.popleft()
            if core.senders:
                core.slot_freed()
            return item
        if not fuel:
            if core.enter():
                await pause()
            core = self.core
            length = len(core.buffer)
        if not core.plain or length > core.held or core.senders or core.receivers is NO_WAITERS:
            if fuel:
                queue.fuel = fuel - 1
            item = core.try_receive()
            if item is not NOTHING:
                if not fuel:
                    core.queue.spend()
                return item
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
        self.waits += 1
        core.receivers.append(waiter)
        if core.watched:
            core.receiver_parked(waiter)
        try:
            if waiter.state == PARKED:
                await park()
            else:
                await waiter.future  # type: ignore[attr-defined]  # not PARKED: a TaskWaiter
        except BaseException:
            self.waits -= 1
            core.leave_receive(waiter)
            raise
        self.waits -= 1
        if waiter.state == GRANTED and core.plain and self.core is core and not core.timed:
            waiter.state, waiter.end = IDLE, None
            core.held -= 1
            item = core.buffer.popleft()
            if core.senders:
                core.slot_freed()
            return item
        return core.finish_receive(waiter)  # type: ignore[no-any-return]

    def receive_nowait(self) -> T_co:
        """Receive the next item now, or raise ChannelEmpty (CH-30); the other refusals are those of `receive`."""
        core = self.core
        if not core.queue.fuel or thread_id() != core.queue.thread:
            core.check_loop()
        item: T_co = core.try_receive()
        if item is NOTHING:
            raise ChannelEmpty(f"{core.name}: {ChannelEmpty.default}")
        return item

    async def receive_many(self, most: int) -> list[T_co]:
        """Receive at least one item and at most `most`: wait for the first, never to fill up (CH-56)."""
        if most < 1:
            raise ValueError(f"receive_many takes at least one item, not {most}")
        core = self.core
        if core.remote is not None:
            core.want(most)
        items = [await self.receive()]
        core = self.core
        many = min(len(core.buffer) - core.held, most - 1)
        if many > 0:
            if many == len(core.buffer):
                items += core.buffer
                core.buffer.clear()
            else:
                take = core.buffer.popleft
                items += [take() for _ in range(many)]
            if core.senders:
                core.slot_freed()
        return items

    def prefetch(self, items: int) -> None:
        """Have so many items come ahead of the receives, where the channel's home is on another node (NET-11).

        By default one item comes for each receive that waits; more keeps a slow link busy, and holds items here that
        another receiver could have had. On a channel that is at home here it changes nothing.
        """
        if items < 0:
            raise ValueError(f"prefetch takes a number of items from 0 on, not {items}")
        self.core.prefetch(items)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T_co:
        core = self.core
        queue = core.queue
        fuel = queue.fuel
        buffer = core.buffer
        if fuel and len(buffer) > core.held:
            queue.fuel = fuel - 1
            item: T_co = buffer.popleft()
            if core.senders:
                core.slot_freed()
            return item
        try:
            return await self.receive()
        except EndOfChannel:
            raise StopAsyncIteration from None

    def threadsafe(self) -> ThreadReceiver[T_co]:
        """A clone of this end for other threads and loops (CH-35); call it on the loop that owns the channel."""
        from .threads import ThreadReceiver

        return ThreadReceiver(self)

    def _count(self, core: Flavor) -> None:
        core.receiver_count += 1

    def _end(self, failure: BaseException | None) -> None:
        core = self.core
        if not self.closed:
            core.check_loop()
            self._fail_waiters(core, SHUT)
            core.drop_receiver(failure)

    def _fail_waiters(self, core: Flavor, becomes: Flavor) -> None:
        self.core = becomes
        if self.waits:
            core.fail_waiters_of(self, core.receivers)
