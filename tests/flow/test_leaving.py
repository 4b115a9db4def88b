"""A consumer may leave at any time, by whatever way: every worker ends, and what the pipeline owns is closed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest

import actorpar as ap
from actorpar.channels import env
from actorpar.flow.errors import PipelineUsed
from actorpar.flow.pipeline import Pipeline, pipeline
from actorpar.flow.retry import Retry
from actorpar.flow.stage import stage
from actorpar.testing import live_processes

from .functions import Meter, double, failing_at, for_ever, late

pytestmark = pytest.mark.virtual_time


async def flaky(n: int) -> int:
    if n % 3 == 0:
        raise ValueError(n)
    return n


def nothing_of_a_pipeline_is_left() -> None:
    """Every process has ended, and every task but this one, too."""
    assert live_processes() == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


def make(source: Any, capacity: int) -> Pipeline[int]:
    """Stages of every kind: ordered, unordered, with retries, with items that are skipped."""
    return pipeline(
        source,
        stage(late, workers=3),
        stage(flaky, workers=2, ordered=False, on_error="skip", retry=Retry(attempts=2, base=1)),
        stage(double, workers=2, window=2),
        capacity=capacity,
    )


EXPECTED = [2 * n for n in range(10) if n % 3]


async def consume_plain(meter: Meter, capacity: int) -> list[int]:
    async with make(meter.source(10), capacity) as results:
        return [n async for n in results]


async def consume_async(meter: Meter, capacity: int) -> list[int]:
    async with make(meter.asource(10), capacity) as results:
        return [n async for n in results]


async def consume_channel(meter: Meter, capacity: int) -> list[int]:
    async def send(tx: ap.Sender[int]) -> None:
        with contextlib.suppress(ap.ChannelBroken):  # the pipeline was left
            for n in meter.source(10):
                await tx.send(n)

    async with ap.ProcessGroup() as group:
        tx, rx = ap.open_channel[int](1)
        group.spawn(send, tx)
        async with make(rx, capacity) as results:
            return [n async for n in results]


@pytest.mark.parametrize("capacity", [0, 1, 16])
@pytest.mark.parametrize("consume", [consume_plain, consume_async, consume_channel])
async def test_a_consumer_cancelled_at_any_point_leaves_nothing(
    consume: Callable[[Meter, int], Coroutine[Any, Any, list[int]]], capacity: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(env, "BUDGET", 2)  # every third operation that could complete suspends first (CH-18)
    for turns in itertools.count():
        meter = Meter()
        consumer = asyncio.create_task(consume(meter, capacity))
        for _ in range(turns):
            await asyncio.sleep(0)
            asyncio.get_running_loop().advance(0.25)  # type: ignore[attr-defined]  # a VirtualClock
        if consumer.done():
            assert turns > 20
            assert sorted(await consumer) == EXPECTED
            return
        consumer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await consumer
        nothing_of_a_pipeline_is_left()
        assert meter.closed == (consume is consume_async and meter.taken > 0)


@pytest.fixture(autouse=True)
def no_end_was_dropped() -> Iterator[None]:
    """An end that is left open in a cycle warns when it is collected, here at the latest."""
    yield
    gc.collect()


@pytest.mark.parametrize("taken", range(7))
async def test_a_consumer_that_breaks_off_leaves_nothing(taken: int) -> None:
    meter = Meter()
    got: list[int] = []
    async with make(meter.asource(1000), 3) as results:
        while len(got) < taken:
            got.append(await results.receive())
    assert meter.taken < 100
    nothing_of_a_pipeline_is_left()


@pytest.mark.parametrize("bad", range(12))
@pytest.mark.parametrize("ordered", [True, False])
async def test_a_stage_that_fails_at_any_item_leaves_nothing_and_never_looks_complete(bad: int, ordered: bool) -> None:
    error = ValueError(bad)
    stages = stage(double, workers=2), stage(failing_at(2 * bad, error), workers=3, ordered=ordered), stage(double)
    got: list[int] = []

    async def consume() -> None:
        async with pipeline(range(12), *stages, capacity=2) as results:
            async for n in results:
                got.append(n)

    with pytest.raises(ValueError) as caught:
        await consume()
    assert caught.value is error
    assert len(got) < 12
    nothing_of_a_pipeline_is_left()


async def test_a_pipeline_that_is_left_at_once_has_no_workers() -> None:
    numbers = make(range(10), 3)
    async with numbers as results:
        assert [part.workers for part in results.view().stages] == [3, 2, 2]
    assert [part.workers for part in numbers.view().stages] == [0, 0, 0]


async def test_an_exception_of_the_block_goes_through_as_it_is() -> None:
    error = KeyError("mine")

    async def fail() -> None:
        async with make(range(1000), 3) as results:
            await results.receive()
            raise error

    with pytest.raises(KeyError) as caught:
        await fail()
    assert caught.value is error
    nothing_of_a_pipeline_is_left()


@pytest.mark.parametrize("way", ["collect", "run"])
async def test_cancelling_collect_or_run_ends_the_workers_first(way: str) -> None:
    ended = []

    async def careful(n: int) -> None:
        try:
            await for_ever(n)
        finally:
            await asyncio.sleep(5)
            ended.append(n)

    numbers = pipeline(range(10), stage(careful, workers=3))
    wanted: dict[str, Callable[[], Awaitable[Any]]] = {"collect": numbers.collect, "run": numbers.run}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await wanted[way]()
    assert ended == [0, 1, 2]
    assert asyncio.get_running_loop().time() == 6
    nothing_of_a_pipeline_is_left()


async def test_a_second_cancellation_while_the_workers_end_leaves_none_of_them() -> None:
    async def careful(n: int) -> None:
        try:
            await for_ever(n)
        finally:
            await asyncio.sleep(5)

    consumer = asyncio.create_task(pipeline(range(10), stage(careful, workers=2)).collect())
    await asyncio.sleep(1)
    consumer.cancel()
    await asyncio.sleep(1)
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer
    nothing_of_a_pipeline_is_left()


async def test_a_function_that_swallows_its_cancellation_keeps_nobody_waiting() -> None:
    async def stubborn(n: int) -> int:
        with contextlib.suppress(asyncio.CancelledError):
            await for_ever(n)
        return n

    async with pipeline(range(100), stage(stubborn, workers=2), stage(double)) as results:
        await asyncio.sleep(1)
        assert results.view().stages[0].busy == 2
    nothing_of_a_pipeline_is_left()


async def test_a_late_result_finds_the_worker_that_waited_for_its_place_gone() -> None:
    async def stubborn_first(n: int) -> int:
        with contextlib.suppress(asyncio.CancelledError):
            await (for_ever(n) if n == 0 else asyncio.sleep(1))
        return n

    async with pipeline(range(100), stage(stubborn_first, workers=2, window=2), stage(double)) as results:
        await asyncio.sleep(10)
        assert results.view().stages[0].in_order == 1
    nothing_of_a_pipeline_is_left()


async def test_a_failure_while_the_pipeline_is_left_is_raised() -> None:
    error = OSError("could not clean up")

    async def careless(n: int) -> None:
        try:
            await for_ever(n)
        finally:
            raise error

    async def leave() -> None:
        async with pipeline([1], stage(careless)):
            await asyncio.sleep(1)

    with pytest.raises(OSError) as caught:
        await leave()
    assert caught.value is error
    nothing_of_a_pipeline_is_left()


async def test_a_pipeline_runs_once() -> None:
    numbers = pipeline([1], stage(double))
    assert await numbers.collect() == [2]
    with pytest.raises(PipelineUsed):
        await numbers.collect()


async def test_a_source_that_was_closed_or_given_away_is_refused_at_the_start() -> None:
    tx, rx = ap.open_channel[int](1)
    tx.close()
    rx.close()
    with pytest.raises(ap.ChannelClosed):
        await pipeline(rx, stage(double)).collect()
    nothing_of_a_pipeline_is_left()


async def test_an_iterable_that_cannot_be_iterated_over_leaves_nothing() -> None:
    class Broken:
        def __iter__(self) -> Any:
            raise OSError("no")

    with pytest.raises(OSError):
        await pipeline(Broken(), stage(double)).collect()
    nothing_of_a_pipeline_is_left()


def test_ctrl_c_in_a_stage_goes_through() -> None:
    def interrupt(n: int) -> int:
        raise KeyboardInterrupt

    async def main() -> None:
        await pipeline([1], stage(interrupt)).collect()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
