"""Pools: idle workers take what waits in a bounded queue and are replaced; closing drains, maps keep order if asked."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from typing import Any

import pytest

import actorpar as ap
from actorpar.testing import wait_idle

from .workers import Flaky, Worker, seen, starts
from .workers import fresh as fresh


async def hold(pool: ap.ActorPool[Worker], gate: ap.Receiver[None]) -> int:
    return await pool.ask(Worker.hold, gate)


async def square(pool: ap.ActorPool[Worker], n: int) -> int:
    return await pool.ask(Worker.square, n)


# -- a job


async def test_a_job_is_done_by_a_worker_made_with_the_arguments(actor_system: ap.ActorSystem) -> None:
    async with ap.pool(actor_system, Worker, "label", size=3) as pool:
        assert await pool.ask(Worker.square, 7) == 49
        assert await pool.ask(Worker.slow_square, n=0) == 0
        assert (pool.size, len(pool.workers), pool.busy, pool.waiting) == (3, 3, 0, 0)
    assert starts.made == ["label"] * 3
    assert not any(ref.is_alive() for ref in pool.workers)


@pytest.mark.virtual_time
async def test_as_many_jobs_run_at_a_time_as_there_are_workers(actor_system: ap.ActorSystem) -> None:
    loop = asyncio.get_running_loop()
    async with ap.pool(actor_system, Worker, size=3) as pool:
        await ap.par(*[pool.ask(Worker.slow_square, 2) for _ in range(7)])  # each takes 4 s
    assert loop.time() == 12


async def test_the_queue_is_bounded_and_then_the_caller_waits(actor_system: ap.ActorSystem) -> None:
    tx, rx = ap.open_channel[None](0)
    async with ap.ProcessGroup() as callers, ap.pool(actor_system, Worker, size=2, queue=3) as pool:
        jobs = [callers.spawn(hold, pool, rx.clone()) for _ in range(2)]
        await wait_idle(actor_system)
        assert (pool.busy, pool.waiting) == (2, 0)
        jobs += [callers.spawn(hold, pool, rx.clone()) for _ in range(4)]
        await wait_idle(actor_system)
        assert (pool.busy, pool.waiting) == (2, 3)  # and one waits for room
        assert not pool.tell(Worker.square, 1)
        for _ in range(6):
            await tx.send(None)
        assert Counter([await job for job in jobs]).total() == 6
        assert pool.tell(Worker.square, 1)
        await pool.send(Worker.square, 1)
        rx.close()
        tx.close()


async def test_with_no_queue_a_job_is_handed_over(actor_system: ap.ActorSystem) -> None:
    tx, rx = ap.open_channel[None](0)
    async with ap.ProcessGroup() as callers, ap.pool(actor_system, Worker, size=1, queue=0) as pool:
        callers.spawn(hold, pool, rx)
        await wait_idle(actor_system)
        assert not pool.tell(Worker.square, 1)
        tx.close()
        await wait_idle(actor_system)
        assert pool.tell(Worker.square, 1)


@pytest.mark.virtual_time
async def test_a_job_that_was_given_up_before_it_began_is_not_done(actor_system: ap.ActorSystem) -> None:
    async with ap.pool(actor_system, Worker, size=1) as pool:
        first = asyncio.ensure_future(pool.ask(Worker.slow_square, 2))
        await wait_idle(actor_system)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await pool.ask(Worker.crash, 1)
        assert await first == 4
        assert await pool.ask(Worker.square, 3) == 9
    assert len(starts.made) == 1


async def test_a_wrong_message_is_refused_before_it_is_queued(actor_system: ap.ActorSystem) -> None:
    async with ap.pool(actor_system, Worker, size=1) as pool:
        with pytest.raises(ap.UnhandledMessage):
            await pool.ask(Flaky.work, 1)  # type: ignore[call-overload]
        with pytest.raises(ap.BadArguments):
            pool.tell(Worker.square)  # type: ignore[call-arg]
        with pytest.raises(ap.BadArguments):
            await pool.send(Worker.square, 1, 2)  # type: ignore[call-arg]


# -- workers that fail


async def test_a_worker_that_fails_is_replaced_and_its_job_fails(actor_system: ap.ActorSystem) -> None:
    async with ap.pool(actor_system, Worker, size=2) as pool:
        for n in range(20):  # far more than a supervisor's intensity allows
            with pytest.raises(ap.HandlerFailed, match=f"item {n}") as failed:
                await pool.ask(Worker.crash, n)
            assert isinstance(failed.value.__cause__, ValueError)
        assert await pool.ask(Worker.square, 3) == 9
        await wait_idle(actor_system)
        assert all(ref.is_alive() for ref in pool.workers)
    assert len(starts.made) == 22


async def test_a_rejected_job_costs_no_worker(actor_system: ap.ActorSystem) -> None:
    async with ap.pool(actor_system, Worker, size=1, retry=ap.Retry(attempts=5)) as pool:
        with pytest.raises(ap.Reject, match="4 is even"):
            await pool.ask(Worker.odd_only, 4)
        assert await pool.ask(Worker.odd_only, 5) == 5
    assert len(starts.made) == 1


@pytest.mark.virtual_time
async def test_a_job_is_tried_again_by_choice(actor_system: ap.ActorSystem) -> None:
    seen.clear()
    async with ap.pool(actor_system, Flaky, size=2, retry=ap.Retry(attempts=3)) as pool:
        assert await ap.par(*[pool.ask(Flaky.work, n) for n in range(5)]) == (0, 1, 2, 3, 4)
    assert set(seen.values()) == {2}


@pytest.mark.virtual_time
async def test_a_job_is_tried_so_often_and_after_these_errors_only(actor_system: ap.ActorSystem) -> None:
    async with ap.pool(actor_system, Worker, size=1, retry=ap.Retry(attempts=3)) as pool:
        with pytest.raises(ap.HandlerFailed, match="item 1"):
            await pool.ask(Worker.crash, 1)
    assert len(starts.made) == 4
    async with ap.pool(actor_system, Worker, size=1, retry=ap.Retry(attempts=3, only=(OSError,))) as pool:
        with pytest.raises(ap.HandlerFailed, match="item 1"):
            await pool.ask(Worker.crash, 1)
    assert len(starts.made) == 6


async def test_a_worker_that_ended_while_it_was_idle_costs_no_job(actor_system: ap.ActorSystem) -> None:
    async with ap.pool(actor_system, Worker, size=1) as pool:
        actor_system.kill(pool.workers[0])
        assert await pool.ask(Worker.square, 2) == 4
        await pool.send(Worker.end)
        assert await pool.ask(Worker.square, 3) == 9


@pytest.mark.virtual_time
async def test_a_worker_that_cannot_start_is_tried_again_with_longer_pauses(actor_system: ap.ActorSystem) -> None:
    loop = asyncio.get_running_loop()
    async with ap.pool(actor_system, Worker, size=1) as pool:
        starts.refusals = 3
        actor_system.kill(pool.workers[0])
        assert await pool.ask(Worker.square, 2) == 4
        assert 0.56 <= loop.time() <= 0.7  # 0.1 + 0.2 + 0.4 seconds, less up to a fifth of each


@pytest.mark.virtual_time
async def test_a_pool_whose_workers_cannot_start_breaks(actor_system: ap.ActorSystem) -> None:
    async def use() -> None:
        async with ap.pool(actor_system, Worker, size=2, queue=1) as pool:
            starts.refusals = 100
            for ref in pool.workers:
                actor_system.kill(ref)
            jobs = [asyncio.ensure_future(pool.ask(Worker.square, n)) for n in range(5)]
            for job in jobs:
                with pytest.raises(ap.PoolClosed, match="it cannot start now") as closed:
                    await job
                assert isinstance(closed.value.__cause__, ap.ChildStartFailed)
            with pytest.raises(ap.PoolClosed):
                await pool.ask(Worker.square, 1)
            assert not pool.tell(Worker.square, 1)

    with pytest.raises(ap.PoolClosed, match=r"the pool of Worker broke: .*it cannot start now"):
        await use()


async def test_a_pool_that_cannot_start_leaves_nothing(actor_system: ap.ActorSystem) -> None:
    starts.refusals = 1
    with pytest.raises(ap.ChildStartFailed):
        async with ap.pool(actor_system, Worker, size=3):
            raise AssertionError("it must not get here")
    assert actor_system.actors == ()


# -- its end


async def test_closing_drains(actor_system: ap.ActorSystem) -> None:
    async with ap.ProcessGroup() as callers:
        async with ap.pool(actor_system, Worker, size=2) as pool:
            jobs = [callers.spawn(square, pool, n) for n in range(10)]
            await wait_idle(actor_system)
            await pool.send(Worker.square, 1)
        assert [await job for job in jobs] == [n * n for n in range(10)]
    assert actor_system.actors == ()
    with pytest.raises(ap.PoolClosed, match="the pool of Worker is closed"):
        await pool.ask(Worker.square, 1)
    with pytest.raises(ap.PoolClosed):
        await pool.__aenter__()


async def test_an_exception_in_the_block_drops_the_jobs_and_tells_everybody(actor_system: ap.ActorSystem) -> None:
    tx, rx = ap.open_channel[None](0)
    jobs: list[asyncio.Future[int]] = []

    async def use() -> None:
        async with ap.pool(actor_system, Worker, size=1, queue=1) as pool:
            jobs.extend(asyncio.ensure_future(pool.ask(Worker.hold, rx)) for _ in range(3))
            await wait_idle(actor_system)  # one is in hand, one is queued, one waits for room
            raise KeyError("the block")

    with pytest.raises(KeyError):
        await use()
    for job in jobs:
        with pytest.raises(ap.PoolClosed):
            await job
    tx.close()
    rx.close()


async def test_a_cancelled_block_ends(actor_system: ap.ActorSystem) -> None:
    tx, rx = ap.open_channel[None](0)

    async def run() -> None:
        async with ap.pool(actor_system, Worker, size=1) as pool:
            await pool.ask(Worker.hold, rx)

    task = asyncio.ensure_future(run())
    await wait_idle(actor_system)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert actor_system.actors == ()
    tx.close()
    rx.close()


async def test_a_pool_outside_of_its_block_is_refused(actor_system: ap.ActorSystem) -> None:
    pool = ap.pool(actor_system, Worker, size=1)
    with pytest.raises(ap.PoolClosed, match="use it inside its `async with` block"):
        await pool.ask(Worker.square, 1)
    async with pool:
        pass


any_pool: Any = ap.pool  # for what a type checker would refuse


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda system: any_pool(system, Worker, size=0), "a number of workers from 1 on, not 0"),
        (lambda system: any_pool(system, Worker, size=True), "a number of workers from 1 on, not True"),
        (lambda system: any_pool(system, Worker, size=1, retry=3), "retry takes an ap.Retry, not 3"),
        (lambda system: any_pool(system, asyncio.sleep, 1, size=1), "a pool is of an Actor class"),
        (lambda system: any_pool(system, Worker, size=1, queue=-1), "-1"),
    ],
)
async def test_a_pool_that_makes_no_sense_is_refused(actor_system: ap.ActorSystem, call: Any, message: str) -> None:
    with pytest.raises(ap.ActorparError, match=re.escape(message)):
        call(actor_system)


class Fed(ap.Actor):
    def __init__(self, out: ap.Sender[int]) -> None:
        self.out = out

    async def pass_on(self, n: int) -> None:
        await self.out.send(n)


async def test_each_worker_gets_clones_of_the_channel_ends(actor_system: ap.ActorSystem) -> None:
    tx, rx = ap.open_channel[int](64)
    async with ap.pool(actor_system, Fed, tx, size=3) as pool:
        for n in range(6):
            await pool.ask(Fed.pass_on, n)
            await actor_system.stop(pool.workers[n % 3])
    with rx:
        assert sorted([n async for n in rx]) == [0, 1, 2, 3, 4, 5]  # and the channel has ended


@pytest.mark.virtual_time
@pytest.mark.parametrize("seed", range(5))
async def test_whatever_workers_are_killed_every_job_is_answered_once(actor_system: ap.ActorSystem, seed: int) -> None:
    draw = random.Random(seed)
    jobs = 200
    outcomes: Counter[str] = Counter()
    async with ap.pool(actor_system, Worker, size=4, queue=draw.randrange(6)) as pool:

        async def job(n: int) -> None:
            try:
                async with asyncio.timeout(draw.choice([None, 1.0, 30.0])):
                    assert await pool.ask(Worker.slow_square, n) == n * n
                    outcomes["done"] += 1
            except (ap.ActorDead, TimeoutError) as error:
                outcomes[type(error).__name__] += 1

        async def kill() -> None:
            for _ in range(40):
                await asyncio.sleep(draw.random() * 4)
                actor_system.kill(draw.choice(pool.workers))

        await ap.par(kill(), *[job(n) for n in range(jobs)])
        assert (pool.busy, pool.waiting) == (0, 0)
        assert await pool.ask(Worker.square, 5) == 25
    assert outcomes.total() == jobs
    assert min(outcomes[kind] for kind in ("done", "ActorDead", "TimeoutError")) >= 5
