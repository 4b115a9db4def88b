"""What the stages of these tests do, and sources that tell what was taken from them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import actorpar as ap


async def double(n: int) -> int:
    return 2 * n


async def late(n: int) -> int:
    """The larger the number, the sooner its result: without an order they come backwards."""
    await ap.after(10 - n).receive()
    return n


async def for_ever(item: Any) -> Any:
    await asyncio.get_running_loop().create_future()


def failing_at(bad: int, error: BaseException) -> Callable[[int], Coroutine[Any, Any, int]]:
    """Doubles a number, after a turn of the loop; raises the error for one of them."""

    async def work(n: int) -> int:
        await asyncio.sleep(0)
        if n == bad:
            raise error
        return 2 * n

    return work


class Meter:
    """Counts what went into a pipeline and what came out of it."""

    def __init__(self) -> None:
        self.taken = 0
        self.given = 0
        self.closed = False
        self.most = 0

    def source(self, count: int) -> Iterator[int]:
        for n in range(count):
            self._count()
            yield n

    async def asource(self, count: int) -> AsyncIterator[int]:
        try:
            for n in range(count):
                self._count()
                yield n
        finally:
            try:
                await asyncio.sleep(0)  # closing may take a turn of the loop, and has to be waited for
            finally:
                self.closed = True

    def _count(self) -> None:
        self.taken += 1
        self.most = max(self.most, self.taken - self.given)
