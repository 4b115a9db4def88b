"""The view tells where a pipeline waits, and who sets the pace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

import actorpar as ap
from actorpar.flow.pipeline import pipeline
from actorpar.flow.retry import Retry
from actorpar.flow.stage import stage
from actorpar.flow.view import View

pytestmark = pytest.mark.virtual_time


def taking(seconds: float) -> Callable[[int], Awaitable[int]]:
    async def work(n: int) -> int:
        await asyncio.sleep(seconds)
        return n

    return work


async def slowly(seconds: float) -> AsyncIterator[int]:
    for n in range(1000):
        await asyncio.sleep(seconds)
        yield n


async def look(source: float, first: float, second: float, consumer: float) -> View:
    """The view in the midst of a run in which each part takes so many seconds for an item."""
    numbers = pipeline(
        slowly(source), stage(taking(first), workers=2, name="first"), stage(taking(second), name="second")
    )
    async with numbers as results:
        async with ap.ProcessGroup() as group:

            async def consume() -> None:
                async for _ in results:
                    await asyncio.sleep(consumer)

            consuming = group.spawn(consume)
            await asyncio.sleep(200.5)
            view = results.view()
            consuming.cancel()
    return view


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ((1, 0.1, 0.1, 0.1), "source"),
        ((0.1, 4, 0.1, 0.1), "first"),
        ((0.1, 0.1, 1, 0.1), "second"),
        ((0.1, 0.1, 0.1, 1), "consumer"),
        ((0.1, 1.9, 1, 0.1), "second"),  # two workers of 1.9 s each are quicker than one of 1 s
    ],
)
async def test_the_slowest_part_is_the_bottleneck(seconds: tuple[float, float, float, float], expected: str) -> None:
    assert (await look(*seconds)).bottleneck == expected


async def test_each_worker_is_counted_once_where_it_waits() -> None:
    first, second = (await look(0.1, 0.1, 1, 0.1)).stages
    assert (first.workers, first.busy, first.no_input, first.no_room, first.in_order) == (2, 0, 0, 1, 1)
    assert (first.queued, first.capacity) == (16, 16)
    assert (second.workers, second.busy, second.no_input, second.no_room) == (1, 1, 0, 0)
    assert (second.queued, second.capacity) == (16, 16)
    assert second.seconds == pytest.approx(1)
    assert first.seconds == pytest.approx(0.1)
    first, second = (await look(1, 0.1, 0.1, 0.1)).stages
    assert (first.busy, first.no_input, second.no_input) == (0, 2, 1)
    first, second = (await look(0.1, 0.1, 0.1, 1)).stages
    assert (first.no_room, first.in_order, second.no_room) == (1, 1, 1)


async def test_results_that_nobody_took_are_counted() -> None:
    async with pipeline(range(9), stage(taking(1)), capacity=4) as results:
        await asyncio.sleep(100)
        view = results.view()
        assert (view.queued, view.capacity, view.bottleneck) == (4, 4, "consumer")
        await results.receive()
        await asyncio.sleep(100)
        assert results.view().stages[0].done == 6


async def test_a_pipeline_that_does_not_run_has_no_bottleneck() -> None:
    numbers = pipeline(range(9), stage(taking(1), workers=3))
    before = numbers.view()
    assert (before.bottleneck, before.stages[0].workers, before.stages[0].seconds) == (None, 0, 0.0)
    await numbers.run()
    after = numbers.view()
    assert (after.bottleneck, after.stages[0].workers, after.stages[0].done) == (None, 0, 9)


async def test_a_stage_that_has_ended_is_no_bottleneck() -> None:
    numbers = pipeline(range(3), stage(taking(0), name="first"), stage(taking(10), name="second"))
    async with numbers as results:
        await asyncio.sleep(5)
        view = results.view()
        assert (view.stages[0].workers, view.bottleneck) == (0, "second")


async def test_two_stages_of_one_function_have_two_names() -> None:
    work = taking(1)
    numbers = pipeline([1], stage(work), stage(work), stage(work, name="last"), stage(work))
    assert [part.name for part in numbers.view().stages] == ["work", "work (2)", "last", "work (3)"]


async def test_the_view_reads_as_a_table() -> None:
    failed = []

    async def parse(n: int) -> int:
        await asyncio.sleep(0.5)
        if n == 1 and n not in failed:
            failed.append(n)
            raise ValueError(n)
        if n == 2:
            raise OSError(n)
        return n

    parsing = stage(parse, on_error="skip", retry=Retry(attempts=2, base=0, only=(ValueError,)))
    numbers = pipeline(slowly(0), parsing, stage(taking(30), workers=2, ordered=False, name="store"), capacity=4)
    async with numbers as results:
        await asyncio.sleep(20)
        table = str(results.view())
    assert table.splitlines() == [
        "stage      workers  busy  no input  no room  in order  done  failed  retried  skipped  queue  per item",
        "parse            1     0         0        1         0     7       1        1        1    4/4    562 ms",
        "store            2     2         0        0         0     0       0        0        0    4/4         -",
        "(results)                                                                                0/4",
        "bottleneck: store",
    ]


async def test_the_queue_of_a_stage_that_pulls_its_items_itself_is_no_number() -> None:
    async with pipeline(range(9), stage(taking(1))) as results:
        (part,) = results.view().stages
        assert (part.queued, part.capacity) == (0, None)
        assert " -  " in str(results.view())
