"""Handles of a channel for other threads and other event loops (CH-35, CH-59).

A `ThreadSender` is an end with credits: up to `window` items stand in its inbox, in order, and one wake-up of the loop
moves a whole burst of them into the channel. A `ThreadReceiver` asks the loop for each item, or batch of items.

Invariants
- `_signalled` is true from the moment a wake-up of the loop is posted until the drain has found the inbox empty after
  setting it to false; so an item in the inbox always has a wake-up or a drain to come.
- Whoever waits for room registers under the lock after looking at the inbox under it, and the drain takes the
  registered under it after making room; so nobody sleeps on a free place.
- The inbox may hold one item per sending thread beyond the window, for looking and appending are two steps.
"""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import functools
import math
import os
import sys
import warnings
import weakref
from collections.abc import Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from . import env
from .end import End
from .errors import ChannelBroken, ChannelClosed, ChannelError, ChannelFull, EndOfChannel, WrongLoop
from .process import Process, pause
from .receiver import Receiver
from .runqueue import RunQueue
from .sender import Sender

T = TypeVar("T")
R = TypeVar("R")

#: Items that may be on their way into an unbounded or rendezvous channel.
WINDOW = 1024
#: Seconds after which a thread that waits for room looks whether the loop is still there.
PATIENCE = 1.0


class _ThreadEnd:
    """What both handles share: an end of the channel, and the loop it lives on."""

    def __init__(self, end: End) -> None:
        if end.closed:
            raise end.core.refusal()
        end.core.check_loop()
        if end.core.queue.loop is None:
            raise WrongLoop(f"{end.name}: make the thread-safe handle on the event loop that owns the channel")
        self._end: Any = end.clone()
        self._core = end.core
        self._core.outside += 1
        self._queue = end.core.queue
        self._loop: asyncio.AbstractEventLoop = self._queue.loop
        self._closed = False
        self._window = 0
        _handles.add(self)

    @property
    def name(self) -> str:
        """The name of the channel."""
        return self._core.name

    def close(self) -> None:
        """Close the handle, from any thread; what was sent before is delivered first. Idempotent."""
        if not self._closed:
            self._closed = True
            try:
                self._loop.call_soon_threadsafe(self._close_on_loop)
            except RuntimeError:  # the loop is closed, and its channels with it
                self._close_end()

    def _close_on_loop(self) -> None:
        self._close_end()

    def _close_end(self) -> None:
        if not self._end.closed:
            self._core.outside -= 1
            self._end.close()

    def _is_closed(self, item: Any = None) -> ChannelClosed:
        if self._queue.forked:
            self._core.check_loop()  # raises that
        return ChannelClosed(item=item)

    def _loop_is_gone(self, item: Any = None) -> ChannelBroken:
        return ChannelBroken(f"{self._core.name}: the event loop that owned the channel has ended", item=item)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True) and not sys.is_finalizing():
            self.close()
            message = f"an open {type(self).__name__} of {self.name} was dropped; close it"
            warnings.warn(message, ResourceWarning, stacklevel=2, source=self)


_handles: weakref.WeakSet[_ThreadEnd] = weakref.WeakSet()


def _disown() -> None:
    """In a process that was just forked: the loop is that of the parent, and no handle reaches it from here."""
    for handle in list(_handles):
        handle._closed = True
        handle._window = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown)


class ThreadSender(_ThreadEnd, Generic[T]):
    """A sending end for any thread or loop. Made by `Sender.threadsafe()` on the loop that owns the channel.

    Items of one thread keep their order. `send` returning means that the item is on its way under the window's
    back-pressure; if the channel is ended before it gets there, it goes to the channel's `on_undelivered`, and the next
    `send` raises why.
    """

    def __init__(self, end: Sender[T]) -> None:
        super().__init__(end)
        capacity = end.core.capacity
        self._window = WINDOW if capacity in (0, math.inf) else max(int(capacity), 16)
        self._inbox: collections.deque[T] = collections.deque()
        self._signalled = False
        self._draining = False
        self._failure: ChannelError | None = None
        self._lock = env.Lock()
        self._waiting: list[Callable[[], object]] = []

    def send(self, item: T, timeout: float | None = None) -> None:
        """Send one item; block the thread while the window is full.

        Raises TimeoutError, the item not sent, after `timeout` seconds; ChannelClosed, ChannelBroken or ChannelAborted
        with `.item`. Do not call it on the loop that owns the channel: it would wait for itself.
        """
        inbox = self._inbox
        if len(inbox) >= self._window:
            self._wait_for_room(item, timeout)
        inbox.append(item)
        if not self._signalled:
            self._signalled = True
            try:
                self._loop.call_soon_threadsafe(self._flush)
            except RuntimeError:
                self._take_out(item)
                self._fail(self._loop_is_gone())
                raise self._loop_is_gone(item) from None

    def _take_out(self, item: T) -> None:
        """Take the item that was just put into the inbox back, by identity: `==` is the user's code."""
        for place in reversed(range(len(self._inbox))):
            if self._inbox[place] is item:
                del self._inbox[place]
                return

    def send_nowait(self, item: T) -> None:
        """Send one item, or raise ChannelFull with `.item` if the window is full."""
        self._check(item)
        if len(self._inbox) >= self._window:
            raise ChannelFull(f"{self.name}: the window of the thread-safe handle is full", item=item)
        self.send(item)

    async def asend(self, item: T) -> None:
        """`send` for a coroutine of another event loop. Cancelled: the item was not sent."""
        self._check(item)
        while len(self._inbox) >= self._window:
            room = asyncio.Event()
            wake = functools.partial(asyncio.get_running_loop().call_soon_threadsafe, room.set)
            if self._register(wake):
                await room.wait()
            self._check(item)
        self.send(item)

    def close(self) -> None:
        """Close the handle, from any thread; what was sent before is delivered first. Idempotent."""
        self._window = 0  # so that the hot path of `send` needs no other test
        super().close()

    def _check(self, item: T) -> None:
        if self._closed:
            raise self._is_closed(item)
        if self._failure is not None:
            raise type(self._failure)(str(self._failure), item=item) from self._failure.__cause__

    def _wait_for_room(self, item: T, timeout: float | None) -> None:
        self._check(item)
        if asyncio._get_running_loop() is self._loop:
            raise WrongLoop(f"{self.name}: this would block the loop of the channel; send on the channel itself")
        deadline = None if timeout is None else env.clock() + timeout
        while len(self._inbox) >= self._window:
            room = env.Event()
            if self._register(room.set):
                left = math.inf if deadline is None else deadline - env.clock()
                if not room.wait(min(left, PATIENCE)) and left <= PATIENCE:
                    raise TimeoutError(f"{self.name}: no room within {timeout} seconds")
                if self._loop.is_closed():
                    raise self._loop_is_gone(item)
            self._check(item)

    def _register(self, wake: Callable[[], object]) -> bool:
        """Have `wake` called once there is room. False: there is room already."""
        with self._lock:
            if len(self._inbox) < self._window or self._failure is not None:
                return False
            self._waiting.append(wake)
            return True

    def _wake_waiting(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for wake in waiting:
            try:
                wake()
            except RuntimeError:  # the loop of an asend() is gone, and nobody waits there any more
                pass

    # -- on the loop

    def _flush(self) -> None:
        if not self._draining:
            self._draining = True
            self._queue.spawn(self._drain(), f"drain of {self.name}")

    async def _drain(self) -> None:
        inbox, end = self._inbox, self._end
        try:
            while True:
                while inbox:
                    if end.send_ready(inbox):
                        await pause()  # threads may be as quick as this loop
                    else:
                        await self._send_first()
                    if self._waiting:
                        self._wake_waiting()
                self._signalled = False
                if not inbox:
                    break
        except ChannelError as error:
            self._fail(error)
        except asyncio.CancelledError:
            self._fail(self._loop_is_gone())
            raise
        finally:
            self._draining = False
            self._wake_waiting()
        if self._closed:
            self._close_end()

    async def _send_first(self) -> None:
        try:
            await self._end.send_first(self._inbox)
        except ChannelFull:  # the overflow policy "reject": this item is refused, and the next may have room
            self._core.undelivered((self._inbox.popleft(),))

    def _fail(self, failure: ChannelError) -> None:
        """Nothing more gets through: refuse what comes, and report what stands in the inbox (CH-20)."""
        self._failure = failure
        self._window = 0
        self._signalled = False  # whoever was between looking and appending posts a drain of its own
        inbox = self._inbox
        self._core.undelivered([inbox.popleft() for _ in range(len(inbox))])

    def _close_on_loop(self) -> None:
        if self._draining:
            return  # the drain closes the end when the inbox is empty
        if self._inbox:
            self._flush()
        else:
            self._close_end()


class ThreadReceiver(_ThreadEnd, Generic[T]):
    """A receiving end for any thread or loop. Made by `Receiver.threadsafe()` on the loop that owns the channel.

    An item that came just too late for a receive that gave up is kept for the next receive of this handle.
    """

    def __init__(self, end: Receiver[T]) -> None:
        super().__init__(end)
        self._late: collections.deque[T] = collections.deque()

    def receive(self, timeout: float | None = None) -> T:
        """Receive the next item; block the thread while there is none, at most `timeout` seconds (TimeoutError)."""
        return self.receive_many(1, timeout)[0]

    def receive_many(self, most: int, timeout: float | None = None) -> list[T]:
        """Receive at least one and at most `most` items: one round trip to the loop for all of them."""
        if asyncio._get_running_loop() is self._loop:
            raise WrongLoop(f"{self.name}: this would block the loop of the channel; receive on the channel itself")
        request = self._request(most)
        deadline = math.inf if timeout is None else env.clock() + timeout
        while True:
            try:
                return request.answer.result(min(PATIENCE, max(deadline - env.clock(), 0)))
            except concurrent.futures.CancelledError:
                if request.withdrawn:
                    raise TimeoutError(f"{self.name}: nothing to receive within {timeout} seconds") from None
                raise self._loop_is_gone() from None
            except TimeoutError:
                if self._loop.is_closed():
                    raise self._loop_is_gone() from None
                if env.clock() >= deadline and not request.withdrawn:
                    request.withdraw()  # and wait for the answer: an item may have come in the last moment
                    deadline = math.inf

    async def areceive(self) -> T:
        """`receive` for a coroutine of another event loop. Cancelled: nothing is lost."""
        request = self._request(1)
        try:
            return (await asyncio.shield(asyncio.wrap_future(request.answer)))[0]
        except asyncio.CancelledError:
            request.answer.add_done_callback(self._keep)
            request.withdraw()
            raise

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        try:
            return self.receive()
        except EndOfChannel:
            raise StopIteration from None

    def _request(self, most: int) -> _Request[T]:
        if self._closed:
            raise self._is_closed()
        request: _Request[T] = _Request(self._queue, functools.partial(self._receive, most))
        try:
            self._loop.call_soon_threadsafe(request.start)
        except RuntimeError:
            raise self._loop_is_gone() from None
        return request

    async def _receive(self, most: int) -> list[T]:
        if self._late:
            return [self._late.popleft()]
        items: list[T] = await self._end.receive_many(most)
        return items

    def _keep(self, answer: concurrent.futures.Future[list[T]]) -> None:
        if not answer.cancelled() and answer.exception() is None:
            self._late.extend(answer.result())
            if self._closed:
                self._loop.call_soon_threadsafe(self._close_on_loop)

    def _close_on_loop(self) -> None:
        super()._close_on_loop()
        self._core.undelivered([self._late.popleft() for _ in range(len(self._late))])


class _Request(Generic[T]):
    """One receive that a thread has asked the loop for."""

    def __init__(self, queue: RunQueue, receive: Callable[[], Coroutine[Any, Any, list[T]]]) -> None:
        self.answer: concurrent.futures.Future[list[T]] = concurrent.futures.Future()
        self.withdrawn = False
        self._queue = queue
        self._receive = receive
        self._process: Process[list[T]] | None = None

    def start(self) -> None:
        """On the loop: begin to receive."""
        if self.withdrawn:
            self.answer.cancel()
            return
        self._process = self._queue.spawn(self._receive(), "receive for a thread")
        self._process.add_done_callback(self._done)

    def withdraw(self) -> None:
        """From any thread: give up; the answer tells whether an item had come before."""
        self.withdrawn = True
        self._queue.loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._process is not None:
            self._process.cancel()

    def _done(self, process: Process[list[T]]) -> None:
        if process.cancelled():
            self.answer.cancel()
            return
        failure = process.exception()
        if failure is None:
            self.answer.set_result(process.result())
        else:
            self.answer.set_exception(failure)
