"""Where the items of a pipeline come from: a channel, an async iterable, or a plain one.

- The workers of the first stage receive from a channel themselves, and pull a plain iterable themselves, one item when
  a worker is free for it: nothing is taken ahead.
- An async iterable is pulled by a process of its own into a bounded channel, for it cannot be asked by two at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from typing import Generic, Self, TypeAlias, TypeVar

from ..channels import env
from ..channels.opening import open_channel
from ..channels.process import pause
from ..channels.receiver import Receiver
from ..channels.runqueue import run_queue
from ..channels.sender import Sender
from .errors import StageFailed

T = TypeVar("T")

Source: TypeAlias = Receiver[T] | AsyncIterable[T] | Iterable[T]

#: Places of the channel behind a thread that pulls; as many items may be on their way into it.
THREAD_CAPACITY = 16


class InPlace(Generic[T]):
    """A plain iterable that several workers pull by turns, as an async iterator."""

    def __init__(self, iterable: Iterable[T]) -> None:
        self._iterator: Iterator[T] = iter(iterable)
        self._ended = False
        self._queue = run_queue()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        queue = self._queue
        if not queue.fuel and queue.is_spent():
            await pause()  # a pull counts as a channel operation, so that the loop is served between them (CH-17)
        queue.spend()
        if not self._ended:
            try:
                for item in self._iterator:
                    return item
            except StopAsyncIteration as error:
                raise StageFailed("the source raised StopAsyncIteration, which is not how it ends") from error
            self._ended = True
        raise StopAsyncIteration


async def feed(source: AsyncIterable[T], out: Sender[T]) -> None:
    """Pull an async iterable into a channel, and close it if it can be closed, as an async generator must be."""
    iterator = aiter(source)
    close = getattr(iterator, "aclose", None)
    async with contextlib.AsyncExitStack() as stack:
        if close is not None:
            stack.push_async_callback(close)
        async for item in iterator:
            await out.send(item)


async def iterate_in_thread(iterable: Iterable[T]) -> AsyncGenerator[T, None]:
    """Iterate over something that blocks, such as a file or a database cursor, in a thread.

    One thread of the loop's default executor pulls it from the first item to the last; each item is handed over when it
    comes, and about 32 are taken ahead at most. What the iterable raises is raised here, after the items that came
    before it. Cancelled, or closed early: the thread ends when it has the item that it waits for, which is dropped;
    nobody waits for that, so leave the iterable alone until then.
    """
    out, items = open_channel[T](THREAD_CAPACITY, name="items of a thread")
    with out:
        handle, channel = out.threadsafe(), out.core
    inside = True  # the thread is in the code of the iterable, which may take for ever

    def pull() -> None:
        nonlocal inside
        with handle:
            for item in iterable:
                inside = False
                handle.send(item)
                inside = True

    thread = asyncio.ensure_future(env.run_in_thread(pull))
    try:
        with items:
            async for item in items:
                yield item
        await thread
    finally:
        # In this order: a thread that is still inside the iterable can send nothing when it is out, and ends then; any
        # other ends now.
        handle.close()
        if inside:
            thread.cancel()
        await asyncio.wait([thread])
        if not thread.cancelled():
            thread.exception()  # it is raised above, or of no interest to somebody who has left
        while channel.statistics().senders:
            await pause()  # the handle is about to close its end
