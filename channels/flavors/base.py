"""What all flavours of a channel share: its state, its loop, the count of its ends, and how it ends.

Three numbers decide almost everything, in one comparison each:
- `limit`: the capacity less the slots reserved for woken senders; CLOSED once nothing may be sent any more.
- `held`: how many items at the front of `buffer` are reserved for woken receivers.
- `len(buffer)`.

Invariants
- A live receiver waits only while len(buffer) == held; a live sender waits only while len(buffer) >= limit.
  So `len(buffer) < limit` proves that there is room, that the channel is open, and that no sender came before; and
  `len(buffer) > held` proves that there is an item and that no receiver came before (CH-2, CH-3, CH-7).
- A woken waiter holds a reservation, not an item (CH-9): cancelled before it runs, it passes the reservation on.
- No code of the user runs before the state is final (CH-16): `on_undelivered` is the last thing an operation does.
"""

from __future__ import annotations

import asyncio
import collections
import itertools
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Final, cast

from .. import env, runqueue
from ..errors import ChannelAborted, ChannelBroken, ChannelError, EndForked, EndOfChannel, WrongLoop
from ..runqueue import RunQueue, current, run_queue
from ..statistics import Statistics
from ..waiters import ENDED, GRANTED, IDLE, Waiter, WaitQueue, count_live, discard, sweep, wake, wake_all
from .codec import CodecBuffer, close_ends, codec_of

if TYPE_CHECKING:
    from ..end import End

#: The limit of a channel into which nothing may be sent any more.
CLOSED: Final = -(1 << 29)
#: The limit of an unbounded channel. It keeps the comparison one of small ints; memory ends long before it.
UNLIMITED: Final = (1 << 30) - 1
#: What `try_receive` returns where nothing can be received now.
NOTHING: Final[Any] = type("Nothing", (), {"__repr__": lambda _: "NOTHING"})()

NO_BUFFER = cast("collections.deque[Any]", ())
NO_WAITERS: WaitQueue = collections.deque()


_numbers = itertools.count(1)


class Flavor:
    """One channel. The ends, select and processes know only this interface, whatever backs it (CH-50).

    An operation is tried first (`try_send`, `try_receive`: done, refused with an error, or "not now"). To wait it is
    queued (`park_…`); once woken it is finished (`finish_…`), or it leaves (`leave_…`) when its task was cancelled.
    """

    __slots__ = (
        "__weakref__", "blocked_receiving", "blocked_sending", "buffer", "buried", "capacity", "cause", "codec",
        "declared", "dropped", "failure", "held", "limit", "name", "on_undelivered", "outside", "peak", "plain",
        "queue", "receiver_count", "receivers", "redeliver", "remote", "sender_count", "senders", "timed", "watched",
    )  # fmt: skip

    #: True for a deadline: in a select it is chosen only when no other guard is ready (CH-41).
    yields = False

    def __init__(
        self,
        capacity: float,
        *,
        name: str | None = None,
        on_undelivered: Callable[[Any], object] | None = None,
        timed: bool = False,
        declared: Any = Any,
        redeliver: bool = False,
    ) -> None:
        self.capacity = capacity
        self.declared = declared  # the type of the items, for links: T of open_channel[T]
        self.codec: Callable[[Any], Any] | None = None  # what an item becomes when it is sent
        self.redeliver = redeliver  # items on their way to a node that is lost come back (NET-11)
        self.remote: Any = None  # what nodes know of a channel whose ends are on several of them
        self.name = name or f"channel-{next(_numbers)}"
        self.on_undelivered = on_undelivered
        self.queue: RunQueue = runqueue.UNBOUND
        self.buffer = NO_BUFFER  # a deque takes 760 bytes, so it is made at the first use
        self.limit = 0
        self.held = 0
        self.senders = NO_WAITERS
        self.receivers = NO_WAITERS
        self.outside = 0  # thread-safe handles
        self.buried = 0  # waiters that left a tombstone since the last sweep of a queue
        self.sender_count = 1
        self.receiver_count = 1
        self.failure: type[ChannelError] | None = None  # what a receiver of an ended channel gets
        self.cause: BaseException | None = None
        self.peak = 0
        self.dropped = 0
        self.plain = False  # open, and without the other side waiting the three numbers alone decide
        self.timed = timed
        self.watched = timed  # it wants to know who is queued
        self.blocked_sending = 0.0
        self.blocked_receiving = 0.0

    # -- what each flavour defines

    def room(self) -> int:
        """The limit of the open channel while nothing is reserved."""
        raise NotImplementedError

    def try_send(self, item: Any) -> bool:
        """Commit the item now. False: it would have to wait, in `senders`. Raises the refusal of an ended channel."""
        raise NotImplementedError

    def try_receive(self) -> Any:
        """Take the next item now. NOTHING: it would have to wait, in `receivers`. Raises the end of the channel."""
        raise NotImplementedError

    def slot_freed(self) -> None:
        """Items left the buffer while senders wait: reserve the free slots for the first of them (CH-8)."""
        raise NotImplementedError

    def finish_send(self, waiter: Waiter) -> None:
        """The woken sender runs: put its item where it was promised a place, or raise why it cannot."""
        raise NotImplementedError

    def finish_reserve(self, waiter: Waiter) -> Any:
        """The woken sender runs: the token of the place that is reserved for it, or raise why there is none."""
        raise NotImplementedError

    def leave_send(self, waiter: Waiter) -> None:
        """The waiting or woken sender gave up: pass its reservation on (CH-10). A taken item is delivered (CH-54)."""
        raise NotImplementedError

    def try_reserve(self) -> Any:
        """Reserve a place for one later send (CH-55): a token for `redeem` or `forfeit`, or None to wait for one."""
        raise NotImplementedError

    def redeem(self, token: Any, item: Any) -> None:
        """Send the item into the place that was reserved."""
        raise NotImplementedError

    def forfeit(self, token: Any) -> None:
        """Give the reserved place back unused."""
        raise NotImplementedError

    async def flush(self) -> None:
        """Wait until what was sent is where its receivers look for it: on a channel of this process it is."""

    # -- the loop and the budget

    def enter(self) -> bool:
        """The checked path of an operation that found no fuel. True: it must pause once before it goes on (CH-17).

        Raises `WrongLoop` when another loop runs here than the one of the channel's first use (CH-59).
        """
        queue = self.queue
        if current.get(queue.loop) is None or env.thread_id() != queue.thread:  # cheaper than to ask for the loop
            self.check_loop()
            queue = self.queue
            if queue is runqueue.UNBOUND:
                raise WrongLoop(f"{self.name}: no event loop is running in this thread")
        return queue.is_spent()

    def check_loop(self) -> None:
        """Bind the channel to the running loop at its first use; refuse every other loop or thread from then on.

        Before its first use in a loop, and once its loop has stopped, a channel may be touched without one.
        """
        loop = asyncio._get_running_loop()
        owner = self.queue.loop
        if self.queue.forked:
            raise EndForked(f"{self.name}: {EndForked.advice}")
        if owner is loop:
            if self.buffer is NO_BUFFER:
                self.open()
        elif self.queue is runqueue.UNBOUND:
            self.bind(run_queue(loop))
        elif loop is not None or owner.is_running():
            raise WrongLoop(
                f"{self.name} belongs to another event loop or thread; cross with end.threadsafe(), made on the loop "
                "that owns the channel and used from anywhere"
            )

    def bind(self, queue: RunQueue) -> None:
        """Make `queue` the run queue of this channel for good."""
        self.queue = queue
        if self.buffer is NO_BUFFER:
            self.open()
        queue.flavors.add(self)

    def open(self) -> None:
        """Allocate the buffer; nothing else is needed before the first item."""
        self.codec = codec_of(self.declared)
        self.buffer = collections.deque() if self.codec is None else CodecBuffer(self.codec)
        if self.failure is None:
            self.limit = self.room()

    # -- waiting

    def sender_queue(self) -> WaitQueue:
        """The queue of the senders, made when the first of them has to wait."""
        if self.senders is NO_WAITERS:
            self.senders = collections.deque()
        return self.senders

    def receiver_queue(self) -> WaitQueue:
        """The queue of the receivers, made when the first of them has to wait."""
        if self.receivers is NO_WAITERS:
            self.receivers = collections.deque()
        return self.receivers

    def park_send(self, waiter: Waiter, end: End, item: Any) -> None:
        """Queue a sender behind those that wait."""
        waiter.end = end
        waiter.item = item
        end.waits += 1
        self.sender_queue().append(waiter)
        if self.watched:
            self.sender_parked(waiter)

    def park_receive(self, waiter: Waiter, end: End) -> None:
        """Queue a receiver behind those that wait."""
        waiter.end = end
        end.waits += 1
        self.receiver_queue().append(waiter)
        if self.watched:
            self.receiver_parked(waiter)

    def sender_parked(self, waiter: Waiter) -> None:
        """A sender was queued on a watched channel."""
        waiter.since = env.clock()

    def receiver_parked(self, waiter: Waiter) -> None:
        """A receiver was queued on a watched channel."""
        waiter.since = env.clock()

    def settle(self, waiter: Waiter) -> tuple[int, Any, End]:
        """A woken sender runs: free its waiter for the next wait, and tell its state, its item and its handle."""
        state, item, end = waiter.state, waiter.item, waiter.end
        waiter.state, waiter.item, waiter.end = IDLE, None, None
        if self.timed:
            self.blocked_sending += env.clock() - waiter.since
        return state, item, end

    def finish_receive(self, waiter: Waiter) -> Any:
        """The woken receiver runs: take the item that was reserved for it, or raise why there is none."""
        state, end = waiter.state, waiter.end
        waiter.state, waiter.end = IDLE, None
        if self.timed:
            self.blocked_receiving += env.clock() - waiter.since
        if state == GRANTED and self.held and end.core is self:  # an abort sets `held` to 0: no promise stands (CH-26)
            self.held -= 1
            item = self.buffer.popleft()
            if self.failure is not None:
                self.wake_drained()
            elif self.senders:
                self.slot_freed()
            return item
        if state == GRANTED and end.core is not self:
            self.release_item()
        raise (self if end.core is self else end.core).refusal()

    def leave_receive(self, waiter: Waiter) -> None:
        """The waiting or woken receiver gave up: pass its reservation on (CH-10)."""
        if waiter.state == GRANTED:
            self.release_item()
            waiter.state = IDLE
        else:
            self.discard(self.receivers, waiter)
        waiter.end = None

    def enqueue(self, items: Collection[Any]) -> None:
        """Put several items into the free slots, and reserve them for as many waiting receivers (CH-8)."""
        self.buffer.extend(items)
        if len(self.buffer) > self.peak:
            self.peak = len(self.buffer)
        while self.receivers and len(self.buffer) > self.held and wake(self.receivers, GRANTED):
            self.held += 1

    def release_item(self) -> None:
        """Reserve for the next receiver, if one waits, the item that was reserved for one that gave up."""
        if self.held:
            self.held -= 1
            if wake(self.receivers, GRANTED):
                self.held += 1

    def wake_drained(self) -> None:
        """The channel has ended: once the buffer is empty, those who still wait for an item learn it."""
        if not self.buffer:
            wake_all(self.receivers, ENDED)

    def discard(self, queue: WaitQueue, waiter: Waiter) -> None:
        """Take out a waiter that gives up. A process whose waiter stays behind as a tombstone gets a new one."""
        if discard(queue, waiter):
            return
        if waiter.process is not None:
            waiter.process.waiter = Waiter(waiter.process)
        self.buried += 1
        if 2 * self.buried > len(queue):
            self.buried = 0
            sweep(queue)

    def prefetch(self, items: int) -> None:
        """Have items come ahead of the receives; they are here already."""

    def want(self, most: int) -> None:
        """A receive of up to `most` items is about to begin."""

    # -- ends and endings

    def refusal(self, item: Any = None) -> ChannelError:
        """The error that tells why this channel takes and gives nothing any more."""
        kind = self.failure or ChannelBroken
        error = kind(f"{self.name}: {kind.default}", item=item)
        error.__cause__ = self.cause
        return error

    def fail_waiters_of(self, end: End, queue: WaitQueue) -> None:
        """Wake the operations that wait on the handle `end`, which was just closed, and no other (CH-23)."""
        for waiter in [waiter for waiter in queue if waiter.end is end]:
            if waiter.claim(ENDED):
                queue.remove(waiter)

    def drop_sender(self, failure: BaseException | None) -> None:
        """A sending end was closed, or lost with `failure`; after the last one the channel ends (CH-21)."""
        self.sender_count -= 1
        if failure is not None and self.cause is None:
            self.cause = failure
        if not self.sender_count and self.failure is None:
            self.end(EndOfChannel if self.cause is None else ChannelBroken)
            self.wake_drained()

    def drop_receiver(self, failure: BaseException | None) -> None:
        """A receiving end was closed, or lost with `failure`; after the last one the channel is broken (CH-22)."""
        self.receiver_count -= 1
        if not self.receiver_count:
            if self.failure is None:
                self.cause = failure
                self.end(ChannelBroken)
            self.discard_buffer()

    def abort(self, exc: BaseException, after_drain: bool) -> None:
        """End the channel with a cause; unless `after_drain`, what is buffered is undelivered (CH-26, CH-27)."""
        if self.failure is ChannelAborted or (self.failure is not None and not self.receiver_count):
            return
        self.cause = exc
        self.end(ChannelAborted)
        if after_drain:
            wake_all(self.senders, ENDED)
            self.wake_drained()
        else:
            self.discard_buffer()

    def end(self, failure: type[ChannelError]) -> None:
        """Nothing may be sent any more."""
        self.failure = failure
        self.limit = CLOSED
        self.plain = False

    def discard_buffer(self) -> None:
        """Void all reservations, wake everybody, and report what nobody can receive any more (CH-20)."""
        items = tuple(self.buffer)
        if items:
            self.buffer.clear()
        self.held = 0
        wake_all(self.senders, ENDED)
        wake_all(self.receivers, ENDED)
        self.undelivered(items)

    def undelivered(self, items: Iterable[Any]) -> None:
        """Count and report accepted items that can never be received. The last thing an operation does (CH-16)."""
        for item in items:
            self.dropped += 1
            if self.on_undelivered is not None:
                try:
                    self.on_undelivered(item)
                except (KeyboardInterrupt, SystemExit):
                    raise
                except BaseException as error:
                    context = {"message": f"{self.name}: on_undelivered raised", "exception": error}
                    (self.queue.loop or asyncio.get_running_loop()).call_exception_handler(context)
            elif self.codec is not None:
                close_ends(item)

    def expects_close(self) -> bool:
        """True while a handle that is dropped would leave somebody waiting (CH-25)."""
        return self.failure is None and not self.queue.forked

    def is_served_outside(self) -> bool:
        """True while somebody who is no process or task of the loop may send or receive (CH-61)."""
        return self.outside > 0

    def statistics(self) -> Statistics:
        """A snapshot (CH-60)."""
        return Statistics(
            self.name, self.capacity, len(self.buffer), self.sender_count, self.receiver_count,
            count_live(self.senders), count_live(self.receivers), self.peak, self.dropped,
            (self.blocked_sending, self.blocked_receiving),
        )  # fmt: skip
