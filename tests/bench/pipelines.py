"""Three stages with bounded places between them: `ap.pipeline`, and tasks with queues as they are written by hand."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import actorpar as ap

from .actors import TASK_AND_QUEUE
from .cases import Body, Case, Group, on_asyncio
from .measure import Sample, Stopwatch, expect
from .queue_actors import end

STAGES = 3
PLACES = 16  # between two stages

Function = Callable[[int], Awaitable[int]]


async def at_once(n: int) -> int:
    return n + 1


async def after_a_turn(n: int) -> int:
    await asyncio.sleep(0)
    return n + 1


def _check(total: int, items: int) -> None:
    expect("sum of the results", total, sum(range(items)) + STAGES * items)


def _by_hand(function: Function, workers: int) -> Body:
    async def work(inbox: asyncio.Queue[int], outbox: asyncio.Queue[int]) -> None:
        while True:
            await outbox.put(await function(await inbox.get()))

    async def feed(inbox: asyncio.Queue[int], items: int) -> None:
        for n in range(items):
            await inbox.put(n)

    async def body(items: int) -> Sample:
        queues = [asyncio.Queue[int](PLACES) for _ in range(STAGES + 1)]
        total = 0
        with Stopwatch() as watch:
            tasks = [asyncio.create_task(feed(queues[0], items))]
            for inbox, outbox in itertools.pairwise(queues):
                tasks += [asyncio.create_task(work(inbox, outbox)) for _ in range(workers)]
            for _ in range(items):
                total += await queues[-1].get()
            await end(tasks)
        _check(total, items)
        return watch.sample(items)

    return body


def _pipeline(function: Function, workers: int, ordered: bool) -> Body:
    stage = ap.stage(function, workers=workers, ordered=ordered)

    async def body(items: int) -> Sample:
        total = 0
        with Stopwatch() as watch:
            async with ap.pipeline(range(items), stage, stage, stage, capacity=PLACES) as results:
                async for n in results:
                    total += n
        _check(total, items)
        return watch.sample(items)

    return body


def _group(name: str, what: str, function: Function, workers: int) -> Group:
    cases = [
        Case(TASK_AND_QUEUE, on_asyncio(_by_hand(function, workers))),
        Case("actorpar, unordered", on_asyncio(_pipeline(function, workers, ordered=False))),
        Case("actorpar, ordered", on_asyncio(_pipeline(function, workers, ordered=True))),
    ]
    return Group(
        f"pipeline, {name}, {workers} a stage",
        f"one item through {STAGES} stages, {PLACES} places between two; its function {what}",
        20_000,
        tuple(cases),
        unit="us",
    )


def groups() -> list[Group]:
    return [
        _group(name, what, function, workers)
        for name, what, function in (
            ("no wait", "never waits", at_once),
            ("a turn", "waits for one turn of the loop", after_a_turn),
        )
        for workers in (1, 4)
    ]
