"""The two ends of a channel, and what they share: handles that can be cloned, closed, moved and aborted.

A handle points to the channel behind it (`core`). Closing it, or giving it away, points it to a channel that refuses
everything; so the hot path of an operation needs no test for that. The ends know the flavour of their channel
only through `flavors.base.Flavor`.

Cancellation, at every await here: an item is delivered or stays, and a cancelled send is done or had no effect
(CH-52, CH-53, CH-54). CancelledError is never swallowed, converted or delayed (CH-58).
"""

from __future__ import annotations

import collections
import warnings
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from .errors import ChannelClosed, ChannelEmpty, ChannelError, ChannelFull, EndMoved, EndOfChannel
from .flavors.base import CLOSED, NO_WAITERS, NOTHING, Flavor
from .guard import Receiving
from .process import Process, park, pause
from .runqueue import current, run_queue, sleep, waiter_here
from .statistics import Statistics
from .waiters import DONE, GRANTED, IDLE, PARKED, TaskWaiter, wake

if TYPE_CHECKING:
    from .permit import Reservation
    from .threads import ThreadReceiver, ThreadSender

T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class _Refusing(Flavor):
    """The channel behind a handle that is closed or was given away."""

    __slots__ = ()

    def __init__(self, failure: type[ChannelError]) -> None:
        super().__init__(0, name="this end")
        self.failure = failure
        self.limit = CLOSED

    def refusal(self, item: Any = None) -> ChannelError:
        assert self.failure is not None
        return self.failure(item=item)

    def expects_close(self) -> bool:
        return False

    def enter(self) -> bool:
        return run_queue().is_spent()

    def check_loop(self) -> None:
        pass

    def try_send(self, item: Any) -> bool:
        raise self.refusal(item)

    def try_receive(self) -> Any:
        raise self.refusal()

    def try_reserve(self) -> Any:
        raise self.refusal()


SHUT = _Refusing(ChannelClosed)
MOVED = _Refusing(EndMoved)


class End:
    """What both ends of a channel have in common."""

    __slots__ = ("core", "waits")

    def __init__(self, core: Flavor) -> None:
        self.core = core
        self.waits = 0  # operations that wait on this very handle, so that closing an idle one costs O(1)

    @property
    def name(self) -> str:
        """The name of the channel."""
        return self.core.name

    @property
    def closed(self) -> bool:
        """True once this very handle was closed or given away."""
        return isinstance(self.core, _Refusing)

    def clone(self) -> Self:
        """Another handle of the same end; the stream is not split (CH-32). Raises ChannelClosed on a closed handle."""
        core = self.core
        if isinstance(core, _Refusing):
            raise core.refusal()
        self._count(core)
        return type(self)(core)

    def close(self) -> None:
        """Close this handle; the channel ends with the last one (CH-21, CH-22).

        Synchronous, idempotent, and legal in `finally` and in a cancelled task (CH-24). Operations that wait on this
        handle raise ChannelClosed and give their item back; those on other handles go on (CH-23).
        """
        self._end(None)

    def lose(self, failure: BaseException) -> None:
        """Close this handle because its owner failed: the end of a sender lost like this is abnormal (CH-21)."""
        self._end(failure)

    def abort(self, exc: BaseException, *, after_drain: bool = False) -> None:
        """End the channel for everybody, with a cause (CH-26).

        The buffer is undelivered, every operation that waits or comes later, on any handle, raises ChannelAborted with
        `exc` as its cause. With `after_drain` what is buffered can still be received first (CH-27).
        """
        core = self.core
        if isinstance(core, _Refusing):
            raise core.refusal()
        core.check_loop()
        core.abort(exc, after_drain)

    def statistics(self) -> Statistics:
        """A snapshot of the channel's state (CH-60)."""
        return self.core.statistics()

    def move(self) -> Self:
        """Give the end away: a new handle that owns it; this one raises EndMoved from now on."""
        core = self.core
        if isinstance(core, _Refusing):
            raise core.refusal()
        self._fail_waiters(core, MOVED)
        return type(self)(core)

    def _count(self, core: Flavor) -> None:
        raise NotImplementedError

    def _end(self, failure: BaseException | None) -> None:
        raise NotImplementedError

    def _fail_waiters(self, core: Flavor, becomes: Flavor) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        core = getattr(self, "core", None)
        if core is None or not core.expects_close():
            return
        heir = type(self)(core)
        loop = core.queue.loop
        if loop is None:
            heir.close()
        elif loop.is_closed():
            heir.core = SHUT
        else:
            loop.call_soon_threadsafe(heir.close)  # the collector may run in any thread, in the middle of anything
        message = f"an open {type(self).__name__} of {core.name} was dropped; close it, or use it in a `with` block"
        warnings.warn(message, ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        core = self.core
        state = f"{core.name}, {len(core.buffer)}/{core.capacity}"
        if isinstance(core, _Refusing):
            state = "moved" if core is MOVED else "closed"
        return f"<{type(self).__name__} {state}>"


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
        if not fuel or not core.plain or core.receivers or core.senders is NO_WAITERS:
            if not fuel and core.enter():
                await pause()
            core = self.core
            if fuel:
                queue.fuel = fuel - 1
            if core.try_send(item):
                if not fuel:
                    core.queue.spend()
                return
        process = current.get(core.queue.loop)
        if type(process) is Process:
            waiter = process.waiter
            waiter.state = PARKED
        else:
            waiter = TaskWaiter(core.queue.loop, process)
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
            buffer = core.buffer
            buffer.append(item)
            if len(buffer) > core.peak:
                core.peak = len(buffer)
            if core.receivers and wake(core.receivers, GRANTED):
                core.held += 1
            return
        core.finish_send(waiter)

    def send_nowait(self, item: T_contra) -> None:
        """Send one item now, or raise ChannelFull with `.item` (CH-30); the other refusals are those of `send`."""
        core = self.core
        if not core.queue.fuel:
            core.check_loop()
        if not core.try_send(item):
            raise ChannelFull(f"{core.name}: {ChannelFull.default}", item=item)

    async def send_many(self, items: Iterable[T_contra]) -> None:
        """Send the items in order, as many at a time as there is room for; much cheaper per item than `send`.

        Refused midway, the error carries the unsent rest as `.items`. Cancelled, the rest is known only to who keeps
        the iterable: pass a `collections.deque`, and every item leaves it the moment it is sent (CH-56).
        """
        rest = items if isinstance(items, collections.deque) else collections.deque(items)
        if not self.core.queue.fuel and self.core.enter():
            await pause()
        self.core.queue.spend()
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
            core.buffer.extend(rest)
            rest.clear()
        else:
            core.buffer.extend([rest.popleft() for _ in range(room)])
        core.peak = max(core.peak, len(core.buffer))
        core.items_came()
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
        if not isinstance(core, _Refusing):
            core.check_loop()
            self._fail_waiters(core, SHUT)
            core.drop_sender(failure)

    def _fail_waiters(self, core: Flavor, becomes: Flavor) -> None:
        self.core = becomes
        if self.waits:
            core.fail_waiters_of(self, core.senders)


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
        if fuel and len(buffer) > core.held:
            queue.fuel = fuel - 1
            item: T_co = buffer.popleft()
            if core.senders:
                core.slot_freed()
            return item
        if not fuel or not core.plain or core.senders or core.receivers is NO_WAITERS:
            if not fuel and core.enter():
                await pause()
            core = self.core
            if fuel:
                queue.fuel = fuel - 1
            item = core.try_receive()
            if item is not NOTHING:
                if not fuel:
                    core.queue.spend()
                return item
        process = current.get(core.queue.loop)
        if type(process) is Process:
            waiter = process.waiter
            waiter.state = PARKED
        else:
            waiter = TaskWaiter(core.queue.loop, process)
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
        if not core.queue.fuel:
            core.check_loop()
        item: T_co = core.try_receive()
        if item is NOTHING:
            raise ChannelEmpty(f"{core.name}: {ChannelEmpty.default}")
        return item

    async def receive_many(self, most: int) -> list[T_co]:
        """Receive at least one item and at most `most`: wait for the first, never to fill up (CH-56)."""
        if most < 1:
            raise ValueError(f"receive_many takes at least one item, not {most}")
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
        if not isinstance(core, _Refusing):
            core.check_loop()
            self._fail_waiters(core, SHUT)
            core.drop_receiver(failure)

    def _fail_waiters(self, core: Flavor, becomes: Flavor) -> None:
        self.core = becomes
        if self.waits:
            core.fail_waiters_of(self, core.receivers)
