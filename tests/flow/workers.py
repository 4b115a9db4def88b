"""Workers of the pools under test, and how their starts are counted, and made to fail."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

import pytest

import actorpar as ap


class Starts:
    """What has been made since the test began, and how many of the next starts fail."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.refusals = 0


starts = Starts()


@pytest.fixture(autouse=True)
def fresh() -> None:
    """No worker has been made yet."""
    starts.__init__()  # type: ignore[misc]


class Worker(ap.Actor):
    def __init__(self, label: str = "w") -> None:
        if starts.refusals:
            starts.refusals -= 1
            raise OSError("it cannot start now")
        starts.made.append(label)
        self.number = len(starts.made)
        self.tries: Counter[int] = Counter()

    def square(self, n: int) -> int:
        return n * n

    async def slow_square(self, n: int) -> int:
        await asyncio.sleep((7 * n) % 5)
        return n * n

    async def hold(self, gate: ap.Receiver[None], n: int = 0) -> int:
        with gate, contextlib.suppress(ap.EndOfChannel):
            await gate.receive()
        return self.number

    def crash(self, n: int) -> int:
        raise ValueError(f"item {n}")

    def odd_only(self, n: int) -> int:
        if n % 2 == 0:
            raise ap.Reject(f"{n} is even")
        return n

    def end(self) -> None:
        self.ctx.stop()


seen: Counter[int] = Counter()


class Flaky(ap.Actor):
    """Fails with an item the first time."""

    async def work(self, n: int) -> int:
        seen[n] += 1
        await asyncio.sleep(0)
        if seen[n] == 1:
            raise ConnectionError("the first time")
        return n
