"""Items go from a source through stages to a consumer, whatever the source and the functions are."""

from __future__ import annotations

import asyncio
import functools
import gc
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

import actorpar as ap
from actorpar.channels import env
from actorpar.channels.process import pause
from actorpar.flow.pipeline import pipeline
from actorpar.flow.source import iterate_in_thread
from actorpar.flow.stage import stage
from actorpar.testing import live_processes

from .functions import Meter, double, for_ever

WORKERS = pytest.mark.parametrize("workers", [1, 3])


@WORKERS
async def test_the_results_of_the_last_stage_are_iterated(workers: int) -> None:
    async with pipeline(range(50), stage(double, workers=workers), stage(str, workers=workers)) as results:
        assert [text async for text in results] == [str(2 * n) for n in range(50)]


@WORKERS
async def test_a_receiver_as_the_source_belongs_to_the_pipeline_from_its_start_on(workers: int) -> None:
    tx, rx = ap.open_channel[int](4)
    numbers = pipeline(rx, stage(double, workers=workers))
    assert not rx.closed, "declared, it has taken nothing"
    async with numbers as results:
        with pytest.raises(ap.EndMoved):
            rx.receive_nowait()
        with tx:
            await tx.send_many([1, 2, 3])
        assert [n async for n in results] == [2, 4, 6]


async def test_a_sender_learns_that_the_pipeline_it_feeds_was_left() -> None:
    tx, rx = ap.open_channel[int](1)
    async with pipeline(rx, stage(double)) as results:
        await tx.send(1)
        assert await results.receive() == 2
    with tx, pytest.raises(ap.ChannelBroken):
        await tx.send(2)


@WORKERS
async def test_an_async_generator_as_the_source_is_closed_at_the_end(workers: int) -> None:
    meter = Meter()
    assert await pipeline(meter.asource(20), stage(double, workers=workers)).collect() == [2 * n for n in range(20)]
    assert meter.closed


async def test_an_async_generator_as_the_source_is_closed_when_the_consumer_leaves() -> None:
    meter = Meter()
    async with pipeline(meter.asource(1000), stage(double)) as results:
        assert await results.receive() == 0
    assert meter.closed


async def test_the_results_of_a_pipeline_are_a_source() -> None:
    async with pipeline(range(5), stage(double)) as doubled, pipeline(doubled, stage(double)) as results:
        assert [n async for n in results] == [0, 4, 8, 12, 16]


@pytest.mark.parametrize("fn", [lambda n: 2 * n, lambda n: double(n), functools.partial(double)])
async def test_a_function_may_be_plain_or_give_a_coroutine(fn: Any) -> None:
    assert await pipeline([1, 2], stage(fn, workers=2)).collect() == [2, 4]


async def test_a_blocking_function_runs_in_a_thread() -> None:
    here = env.thread_id()

    def elsewhere(n: int) -> bool:
        return env.thread_id() != here

    assert await pipeline(range(8), stage(elsewhere, workers=4, blocking=True)).collect() == [True] * 8


async def test_none_is_an_item_like_any_other() -> None:
    assert await pipeline([None, 1, None], stage(lambda item: item, workers=2)).collect() == [None, 1, None]


async def test_an_empty_source_gives_an_empty_stream() -> None:
    assert await pipeline([], stage(double, workers=4), stage(double)).collect() == []


async def test_run_works_for_the_effect_and_tells_the_counts() -> None:
    seen: list[int] = []
    view = await pipeline(range(5), stage(double), stage(seen.append)).run()
    assert seen == [0, 2, 4, 6, 8]
    assert [part.done for part in view.stages] == [5, 5]


async def test_results_can_be_received_one_by_one_and_in_batches() -> None:
    async with pipeline(range(5), stage(double)) as results:
        assert await results.receive() == 0
        rest: list[int] = []
        while len(rest) < 4:
            rest += await results.receive_many(3)
        assert rest == [2, 4, 6, 8]
        with pytest.raises(ap.EndOfChannel):
            await results.receive()
        with pytest.raises(ap.EndOfChannel):
            await results.receive_many(3)
    with pytest.raises(ap.ChannelClosed):
        await results.receive()


async def test_several_consumers_share_the_results() -> None:
    async def consume() -> list[int]:
        return [n async for n in results]

    async with pipeline(range(100), stage(double, workers=3)) as results:
        first, second = await ap.par(consume(), consume())
    assert sorted(first + second) == [2 * n for n in range(100)]


@pytest.mark.virtual_time
async def test_unordered_results_come_as_they_are_ready() -> None:
    async def wait(seconds: int) -> int:
        await asyncio.sleep(seconds)
        return seconds

    assert await pipeline([3, 1, 2], stage(wait, workers=3, ordered=False)).collect() == [1, 2, 3]
    assert await pipeline([3, 1, 2], stage(wait, workers=3)).collect() == [3, 1, 2]


@pytest.mark.virtual_time
@pytest.mark.parametrize("ordered", [True, False])
async def test_workers_work_side_by_side(ordered: bool) -> None:
    async def second(n: int) -> int:
        await asyncio.sleep(1)
        return n

    await pipeline(range(12), stage(second, workers=4, ordered=ordered), stage(second, workers=4)).run()
    assert asyncio.get_running_loop().time() == 4.0  # three rounds, and one more for the second stage


def refuse(n: int) -> int:
    raise ValueError(n)


@pytest.mark.parametrize("fn", [lambda n: n, refuse], ids=["results", "all skipped"])
async def test_a_pipeline_serves_the_loop_while_nothing_in_it_ever_waits(fn: Any) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(others())
    view = await pipeline(range(20_000), stage(fn, on_error="skip")).run()
    other.cancel()
    assert view.stages[0].done + view.stages[0].skipped == 20_000
    assert turns > 10


async def test_a_source_that_has_ended_is_not_asked_again() -> None:
    class Resuming:
        """Breaks the promise of iterators: it goes on after its end."""

        def __init__(self) -> None:
            self.asked = 0

        def __iter__(self) -> Resuming:
            return self

        def __next__(self) -> int:
            self.asked += 1
            if self.asked == 3:
                raise StopIteration
            return self.asked

    assert await pipeline(Resuming(), stage(double, workers=3)).collect() == [2, 4]


# -- iterables that block


async def test_an_iterable_that_blocks_is_pulled_in_a_thread() -> None:
    here = env.thread_id()
    threads = set()

    def lines() -> Iterator[int]:
        for n in range(200):
            threads.add(env.thread_id())
            yield n

    assert await pipeline(iterate_in_thread(lines()), stage(double)).collect() == [2 * n for n in range(200)]
    assert here not in threads


async def test_what_an_iterable_in_a_thread_raises_comes_after_its_items() -> None:
    error = OSError("the disk is gone")

    def lines() -> Iterator[int]:
        yield 1
        yield 2
        raise error

    got = []

    async def consume() -> None:
        async for n in iterate_in_thread(lines()):
            got.append(n)

    with pytest.raises(OSError) as caught:
        await consume()
    assert got == [1, 2]
    assert caught.value is error


async def test_an_iterable_in_a_thread_is_taken_ahead_by_a_few_items_at_most() -> None:
    meter = Meter()
    items = iterate_in_thread(meter.source(10_000))
    async for _ in items:
        meter.given += 1
        if meter.given == 500:
            break
    await items.aclose()
    assert meter.most <= 35


async def busy() -> None:
    while True:
        await pause()


@pytest.mark.parametrize("others", [0, 3000], ids=["alone", "on a busy run queue"])
async def test_an_iterable_in_a_thread_that_is_left_in_the_midst_leaves_no_process(others: int) -> None:
    logged: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: logged.append(context))
    async with ap.ProcessGroup() as group:
        for _ in range(others):
            group.spawn(busy)
        for taken in range(1, 30):
            items = iterate_in_thread(itertools.count())
            async for n in items:
                if n == taken:
                    break
            await items.aclose()
            assert len(live_processes()) == (0 if env.plain_tasks else others)
        group.cancel()
    gc.collect()
    assert logged == []


async def test_a_slow_iterable_in_a_thread_gives_each_item_when_it_comes() -> None:
    go_on = env.Event()

    def two() -> Iterator[str]:
        yield "first"
        assert go_on.wait(30), "the first item was not handed over before the second one"
        yield "second"

    got = []
    async for item in iterate_in_thread(two()):
        got.append(item)
        go_on.set()
    assert got == ["first", "second"]


async def test_a_pipeline_that_is_left_stops_the_thread_that_pulls_for_it() -> None:
    entered, go_on = env.Event(), env.Event()
    pulled: list[int] = []

    def lines() -> Iterator[int]:
        for n in range(1000):
            if n:
                entered.set()
                assert go_on.wait(30)
            pulled.append(n)
            yield n

    async with pipeline(iterate_in_thread(lines()), stage(for_ever)):
        await env.run_in_thread(entered.wait, 30)
    go_on.set()
    await asyncio.get_running_loop().shutdown_default_executor()  # waits for the threads
    assert len(pulled) <= 2
