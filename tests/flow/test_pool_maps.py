"""Maps over a pool: ordered or not, bounded from the source to the consumer, ended by the first job that fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

import actorpar as ap
from actorpar.testing import wait_idle

from .workers import Flaky, Worker, seen
from .workers import fresh as fresh


@pytest.mark.virtual_time
@pytest.mark.parametrize("ordered", [True, False])
async def test_a_map_keeps_the_order_or_gives_what_is_ready(actor_system: ap.ActorSystem, ordered: bool) -> None:
    async with ap.pool(actor_system, Worker, size=4) as pool:
        results = [r async for r in pool.map(Worker.slow_square, range(40), ordered=ordered)]
    expected = [n * n for n in range(40)]
    assert sorted(results) == expected
    assert (results == expected) is ordered


@pytest.mark.virtual_time
async def test_a_map_keeps_every_worker_busy(actor_system: ap.ActorSystem) -> None:
    async with ap.pool(actor_system, Worker, size=5) as pool:
        assert len([r async for r in pool.map(Worker.slow_square, [2] * 50, ordered=False)]) == 50
    assert asyncio.get_running_loop().time() == 40  # 50 jobs of 4 s, five at a time


async def test_a_slow_consumer_makes_the_source_wait(actor_system: ap.ActorSystem) -> None:
    pulled = 0

    async def source() -> AsyncIterator[int]:
        nonlocal pulled
        while True:
            pulled += 1
            yield pulled

    async with ap.pool(actor_system, Worker, size=2) as pool:
        async with contextlib.aclosing(pool.map(Worker.square, source())) as results:
            assert await anext(results) == 1
            await wait_idle(actor_system)
            assert pulled < 100
            assert await anext(results) == 4
        assert await pool.ask(Worker.square, 9) == 81  # the pool goes on


async def test_the_first_job_that_fails_ends_a_map(actor_system: ap.ActorSystem) -> None:
    async with ap.pool(actor_system, Worker, size=2) as pool:
        with pytest.raises(ap.Reject, match="2 is even"):
            async for _ in pool.map(Worker.odd_only, [1, 3, 2, 5]):
                pass
        assert await pool.ask(Worker.square, 3) == 9


@pytest.mark.virtual_time
async def test_a_map_retries_as_the_pool_does(actor_system: ap.ActorSystem) -> None:
    seen.clear()
    async with ap.pool(actor_system, Flaky, size=3, retry=ap.Retry(attempts=2)) as pool:
        assert [r async for r in pool.map(Flaky.work, range(20))] == list(range(20))


async def test_a_map_takes_its_items_from_a_channel(actor_system: ap.ActorSystem) -> None:
    tx, rx = ap.open_channel[int](4)

    async def feed(out: ap.Sender[int]) -> None:
        for n in range(10):
            await out.send(n)

    async with ap.pool(actor_system, Worker, size=2) as pool:
        await actor_system.spawn(feed, tx)
        assert [r async for r in pool.map(Worker.square, rx)] == [n * n for n in range(10)]
