"""Back-pressure and order: a slow part makes all before it wait, and what is in flight never exceeds its bound."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import actorpar as ap
from actorpar.channels import env
from actorpar.flow.pipeline import CAPACITY, pipeline
from actorpar.flow.stage import WINDOW_PER_WORKER, stage

from .functions import Meter, double, for_ever, late

pytestmark = pytest.mark.virtual_time

#: Virtual seconds after which everything that can go on has gone on.
LONG = 1000.0


async def test_a_slow_consumer_makes_the_source_wait() -> None:
    meter = Meter()
    async with pipeline(meter.source(200), stage(double), stage(double), capacity=3) as results:
        async for _ in results:
            meter.given += 1
            await asyncio.sleep(1)
    # a worker of each stage, the channel between the stages, and the results
    assert meter.most == 1 + 3 + 1 + 3


async def test_a_consumer_that_takes_nothing_stops_the_source_at_the_bound() -> None:
    meter = Meter()
    async with pipeline(meter.source(1000), stage(double, workers=4, ordered=False), stage(double)) as results:
        await asyncio.sleep(LONG)
        assert meter.taken == 4 + CAPACITY + 1 + CAPACITY
        assert await results.receive() == 0


@pytest.mark.parametrize("capacity", [0, 1, 5])
async def test_an_async_source_is_taken_ahead_by_its_channel_and_one_item(capacity: int) -> None:
    meter = Meter()
    async with pipeline(meter.asource(1000), stage(double), capacity=capacity):
        await asyncio.sleep(LONG)
        assert meter.taken == 1 + capacity + 1 + capacity


async def test_the_sender_of_a_channel_as_the_source_is_made_to_wait() -> None:
    tx, rx = ap.open_channel[int](2)
    async with pipeline(rx, stage(double), capacity=1):
        with tx:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(LONG):
                    await tx.send_many(range(100))
            assert tx.statistics().length == 2


async def first_for_ever(n: int) -> int:
    if n == 0:
        await for_ever(n)
    return n


@pytest.mark.parametrize(("window", "bound"), [(None, 3 * WINDOW_PER_WORKER), (3, 3), (50, 50)])
async def test_a_slow_first_item_stops_an_ordered_stage_when_its_window_is_full(window: int | None, bound: int) -> None:
    meter = Meter()
    async with pipeline(meter.source(1000), stage(first_for_ever, workers=3, window=window)) as results:
        await asyncio.sleep(LONG)
        assert meter.taken == bound, "the other workers go on up to the window, and no further"
        (view,) = results.view().stages
        assert (view.busy, view.in_order, view.done) == (1, 2, bound - 1)


async def test_a_slow_first_item_holds_nobody_up_where_no_order_is_kept() -> None:
    slow = stage(first_for_ever, workers=2, ordered=False)
    async with pipeline(range(1000), slow) as results:
        assert [await results.receive() for _ in range(999)] == list(range(1, 1000))


async def test_an_ordered_stage_goes_on_when_its_slow_item_is_done() -> None:
    go_on = asyncio.Event()
    meter = Meter()

    async def first_on_command(n: int) -> int:
        if n == 0:
            await go_on.wait()
        return n

    async with pipeline(meter.source(100), stage(first_on_command, workers=2, window=5), capacity=1) as results:
        await asyncio.sleep(LONG)
        assert meter.taken == 5
        go_on.set()
        assert [n async for n in results] == list(range(100))


async def test_a_full_channel_behind_an_ordered_stage_fills_its_window_and_stops_it() -> None:
    meter = Meter()
    async with pipeline(meter.source(1000), stage(double, workers=4, window=7), capacity=2) as results:
        await asyncio.sleep(LONG)
        assert meter.taken == 7 + 2
        (view,) = results.view().stages
        assert (view.no_room, view.in_order, view.busy) == (1, 3, 0)
        assert [await results.receive() for _ in range(4)] == [0, 2, 4, 6]
        await asyncio.sleep(LONG)
        assert meter.taken == 7 + 2 + 4


@pytest.mark.parametrize("capacity", [0, 1, 16])
@pytest.mark.parametrize("window", [None, 4, 9])
async def test_order_is_kept_when_results_come_backwards(capacity: int, window: int | None) -> None:
    numbers = pipeline(range(10), stage(late, workers=4, window=window), stage(late, workers=2), capacity=capacity)
    assert await numbers.collect() == list(range(10))


async def jittering(n: int) -> int:
    await asyncio.sleep((n * 7) % 5)
    return n


async def test_order_is_kept_from_a_channel_that_several_workers_receive_from() -> None:
    tx, rx = ap.open_channel[int](1)

    async def send() -> None:
        with tx:
            for n in range(60):
                await tx.send(n)

    async def consume() -> list[int]:
        async with pipeline(rx, stage(jittering, workers=5, window=6)) as results:
            return [n async for n in results]

    _, got = await ap.par(send(), consume())
    assert got == list(range(60))


async def test_order_is_kept_when_a_send_has_to_pause_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "BUDGET", 2)  # every third operation that could complete suspends first (CH-18)
    numbers = pipeline(range(100), stage(jittering, workers=4), stage(double, workers=4), capacity=8)
    assert await numbers.collect() == [2 * n for n in range(100)]


async def test_what_an_ordered_stage_skips_leaves_no_gap_that_stops_it() -> None:
    async def odd(n: int) -> int:
        await asyncio.sleep(10 - n % 10)
        if n % 2 == 0:
            raise ValueError(n)
        return n

    letters: list[Any] = []
    numbers = pipeline(range(40), stage(odd, workers=4, window=4, on_error="skip"), on_dead_letter=letters.append)
    assert await numbers.collect() == list(range(1, 40, 2))
    assert sorted(letter.item for letter in letters) == list(range(0, 40, 2))
