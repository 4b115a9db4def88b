"""Actors as asyncio programs write them by hand, a task and an asyncio.Queue for each: single operations.

As plain and as fast as that gets: a message is one object, and what it means is known where it is taken.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from .measure import Sample, Stopwatch, expect

BURST = 250  # tells between two turns of the loop


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel the tasks and wait for their ends."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Counter:
    """Counts its messages."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[int] = asyncio.Queue()
        self.count = 0
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        get = self.inbox.get
        while True:
            self.count += await get()


class Answering:
    """Answers each message, which is the future of the asker."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[asyncio.Future[int]] = asyncio.Queue()
        self.count = 0
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        get = self.inbox.get
        while True:
            reply = await get()
            self.count += 1
            reply.set_result(self.count)


async def tell(items: int) -> Sample:
    counter = Counter()
    put = counter.inbox.put_nowait
    with Stopwatch() as watch:
        for first in range(0, items, BURST):
            for _ in range(min(BURST, items - first)):
                put(1)
            await asyncio.sleep(0)  # the task wakes up before this one, and takes all of them
    expect("messages", counter.count, items)
    await end([counter.task])
    return watch.sample(items)


async def ask(items: int) -> Sample:
    answering, future = Answering(), asyncio.get_running_loop().create_future
    put, last = answering.inbox.put_nowait, 0
    with Stopwatch() as watch:
        for _ in range(items):
            reply = future()
            put(reply)
            last = await reply
    expect("last answer", last, items)
    await end([answering.task])
    return watch.sample(items)


async def spawn(items: int) -> Sample:
    with Stopwatch() as watch:
        actors = [Counter() for _ in range(items)]
        await asyncio.sleep(0)  # each task waits for its queue now
    expect("actors that wait", sum(not actor.task.done() for actor in actors), items)
    await end(actor.task for actor in actors)
    return watch.sample(items)


async def tell_each(items: int) -> Sample:
    actors = [Counter() for _ in range(items)]
    await asyncio.sleep(0)
    with Stopwatch() as watch:
        for actor in actors:
            actor.inbox.put_nowait(1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    expect("messages", sum(actor.count for actor in actors), items)
    await end(actor.task for actor in actors)
    return watch.sample(items)


async def restart(items: int) -> Sample:
    """A task that fails, and a callback that starts it again."""
    finished = asyncio.get_running_loop().create_future()
    starts = 0

    async def fail() -> None:
        raise RuntimeError("fails, to be started again")

    def start_again(task: asyncio.Task[None] | None) -> None:
        nonlocal starts
        if task is not None:
            task.exception()
        if starts == items:
            finished.set_result(None)
            return
        starts += 1
        asyncio.create_task(fail()).add_done_callback(start_again)

    with Stopwatch() as watch:
        start_again(None)
        await finished
    expect("starts", starts, items)
    return watch.sample(items)
