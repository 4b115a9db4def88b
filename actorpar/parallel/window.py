"""Jobs of a map under way: as many as the window allows, and their results in order or as they come.

Invariant: a batch is pulled only when it may be put at once, so what is taken from the source, and not yet given to the
consumer, is at most the window; a consumer that stops, stops the source.
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from typing import Any, Final

from ..flow.pipeline import pipeline
from ..flow.stage import stage

#: Batches of an async iterable under way.
AHEAD: Final = 64
_END: Final = object()


async def windowed(
    batches: Iterable[Any] | AsyncIterable[Any],
    put: Callable[[Any], asyncio.Future[Any]],
    size: Callable[[], int],
    ordered: bool,
) -> AsyncGenerator[Any, None]:
    """Put each batch, at most `size()` at a time, and give what becomes of it. The first failure is raised.

    Left early, or failed, it cancels the futures of what is under way.
    """
    if isinstance(batches, AsyncIterable):
        async with pipeline(batches, stage(put, workers=AHEAD, ordered=ordered)) as results:
            async for result in results:
                yield result
        return
    source, changed = iter(batches), asyncio.Event()
    row: collections.deque[asyncio.Future[Any]] = collections.deque()  # under way, in the order of the results
    ready: collections.deque[asyncio.Future[Any]] = row if ordered else collections.deque()

    def done(future: asyncio.Future[Any]) -> None:
        if not future.cancelled():
            future.exception()  # of several failures one is raised, and the others are no news
            if not ordered:
                row.remove(future)
                ready.append(future)
        changed.set()

    ended = False
    try:
        while True:
            while not ended and len(row) + (0 if ordered else len(ready)) < size():
                batch = next(source, _END)
                if batch is _END:
                    ended = True
                    break
                row.append(put(batch))
                row[-1].add_done_callback(done)
            if ready and ready[0].done():
                yield ready.popleft().result()
            elif ended and not row:
                return
            else:
                changed.clear()
                await changed.wait()
    finally:
        for future in row:
            future.cancel()
