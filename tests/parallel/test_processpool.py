"""Functions called in the processes of a pool."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

import actorpar as ap
from actorpar.nodes.errors import CodecError, ItemTypeError, NotImportable, RemoteError
from actorpar.nodes.node import Node
from tests.parallel import chores

PATIENCE = 20


@pytest.fixture
async def pool() -> AsyncIterator[ap.ProcessPool]:
    async with asyncio.timeout(60):
        async with ap.ProcessPool(2) as pool:
            yield pool


def a_local_name(x: int) -> int:
    return x


async def test_submit_gives_the_future_of_a_result(pool: ap.ProcessPool) -> None:
    futures = [pool.submit(chores.square, number) for number in range(20)]
    assert await asyncio.gather(*futures) == [number * number for number in range(20)]
    assert await pool.submit(chores.later, 1) == 2
    assert await pool.submit(chores.length, chores.Point(3, 4), scale=2.0) == 10.0
    assert await pool.submit(chores.total, 1, 2, 3, start=10) == 16


async def test_map_keeps_the_order_and_makes_what_the_annotations_say(pool: ap.ProcessPool) -> None:
    assert await pool.map(chores.square, range(1000)) == [number * number for number in range(1000)]
    assert await pool.map(chores.square, range(100), chunk=7) == [number * number for number in range(100)]
    assert await pool.map(chores.swapped, [chores.Point(1, 2)]) == [chores.Point(2, 1)]
    assert await pool.map(chores.later, []) == []


async def test_starmap_spreads_tuples_also_of_different_lengths(pool: ap.ProcessPool) -> None:
    items = [(1, 2), (3,), (4, 5, 6), (), (7, 8)]
    assert await pool.starmap(chores.total, items, chunk=4) == [sum(item) for item in items]
    with pytest.raises(TypeError, match="starmap takes tuples"):
        await pool.starmap(chores.total, [1])  # type: ignore[arg-type,list-item]


async def test_imap_unordered_gives_results_as_they_are_ready(pool: ap.ProcessPool) -> None:
    naps = [0.3, 0.0, 0.0, 0.0]
    results = [nap async for nap in pool.imap(chores.nap, naps, ordered=False, chunk=1)]
    assert sorted(results) == sorted(naps)
    assert results[0] == 0.0


async def test_imap_is_bounded_by_its_consumer_over_items_without_end(pool: ap.ProcessPool) -> None:
    pulled = 0

    def numbers() -> Iterator[int]:
        nonlocal pulled
        while True:
            pulled += 1
            yield pulled

    async with aclosing(pool.imap(chores.square, numbers(), chunk=1)) as results:
        assert [await anext(results) for _ in range(5)] == [1, 4, 9, 16, 25]
        assert pulled <= 5 + 2 * 2 * 64
    assert await pool.submit(chores.square, 3) == 9


async def test_imap_holds_few_large_items_although_their_calls_are_short(pool: ap.ProcessPool) -> None:
    for _ in range(3):
        await pool.map(chores.size, [np.zeros(1)] * 2000)  # so batches and hands are as large as they get
    pulled = 0

    def arrays() -> Iterator[np.ndarray]:
        nonlocal pulled
        while True:
            pulled += 1
            yield np.zeros(1 << 17)  # 1 MiB

    async with aclosing(pool.imap(chores.size, arrays())) as sizes:
        for _ in range(100):
            assert await anext(sizes) == 1 << 17
    assert pulled < 200


async def test_imap_takes_async_iterables(pool: ap.ProcessPool) -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(50):
            await asyncio.sleep(0)
            yield number

    assert [result async for result in pool.imap(chores.square, numbers())] == [number**2 for number in range(50)]


async def test_both_processes_work_and_share_the_cores_with_their_threads(pool: ap.ProcessPool) -> None:
    assert set(await pool.map(chores.pid, range(200), chunk=1)) == set(pool.pids)
    from actorpar.launch.cores import share

    if "OMP_NUM_THREADS" not in os.environ:
        assert await pool.submit(chores.threads, 0) == str(share(2))


async def test_arrays_go_and_come(pool: ap.ProcessPool) -> None:
    array = np.arange(500_000, dtype=np.float64)
    assert await pool.submit(chores.total_of, array) == float(array.sum())
    assert np.array_equal(await pool.submit(chores.doubled, array), array * 2)


# -- errors


async def test_what_a_function_raises_is_raised_with_the_traceback_of_the_worker(pool: ap.ProcessPool) -> None:
    with pytest.raises(RemoteError, match="ValueError: seven is never right") as raised:
        await pool.map(chores.refuse, [1, 2, 7, 8], chunk=2)
    assert "in refuse" in "".join(raised.value.__notes__)
    with pytest.raises(ap.Reject, match="three is not taken"):
        await pool.submit(chores.refuse, 3)
    assert await pool.submit(chores.refuse, 4) == 4


async def test_bad_calls_are_refused_before_anything_is_submitted(pool: ap.ProcessPool) -> None:
    with pytest.raises(NotImportable, match="define it in a module"):
        pool.submit(lambda: 1)
    with pytest.raises(TypeError, match="missing a required argument"):
        pool.submit(chores.square)  # type: ignore[call-overload]
    with pytest.raises(ItemTypeError, match="int"):
        pool.submit(chores.square, "two")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="chunk is a number"):
        await pool.map(chores.square, [1], chunk=0)
    tx, rx = ap.open_channel[int](1)
    with pytest.raises(CodecError, match="more than data"):
        pool.submit(chores.a_function_for_an_end, tx)
    tx.close()
    rx.close()


async def test_a_result_that_cannot_cross_fails_its_call_alone(pool: ap.ProcessPool) -> None:
    with pytest.raises(RemoteError, match="CodecError"):
        await pool.submit(chores.what_cannot_cross, 1)
    assert await pool.submit(chores.square, 2) == 4


@pytest.mark.parametrize("options", [{"processes": 0}, {"processes": True}, {"retries": -1}])
def test_numbers_that_make_no_sense_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="number"):
        ap.ProcessPool(**options)


async def test_a_pool_that_is_not_open_takes_nothing() -> None:
    pool = ap.ProcessPool(1)
    with pytest.raises(ap.ProcessPoolClosed, match="inside `async with`"):
        pool.submit(chores.square, 1)


# -- workers that are busy, and workers that are lost


async def test_net42_a_call_that_keeps_the_interpreters_lock_for_longer_than_a_node_may_be_silent_is_no_loss(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of a worker the end is seen, and silence says nothing."""
    monkeypatch.setattr(Node.__init__, "__kwdefaults__", {**(Node.__init__.__kwdefaults__ or {}), "down_after": 0.6})
    async with ap.ProcessPool(1) as pool:
        assert await pool.submit(chores.keep_the_lock, 2) == 0
        assert await pool.submit(chores.nap, 1.7) == 1.7
    assert capfd.readouterr().err == ""  # that a call keeps the loop of a worker is no news


async def test_a_call_whose_worker_is_killed_fails_and_the_pool_goes_on(pool: ap.ProcessPool) -> None:
    before = set(pool.pids)
    with pytest.raises(ap.WorkerLost, match=r"killed by SIGKILL with .*die in hand; retries=1"):
        await pool.submit(chores.die, 1)
    assert await pool.map(chores.square, range(100)) == [number**2 for number in range(100)]
    async with asyncio.timeout(PATIENCE):
        while len(pool.pids) < 2 or set(pool.pids) == before:  # noqa: ASYNC110  # a new process tells nobody here
            await asyncio.sleep(0.01)


async def test_with_retries_a_call_is_made_again_and_results_are_whole(tmp_path: Path) -> None:
    async with ap.ProcessPool(2, retries=1) as pool:
        calls = [(str(tmp_path / str(number // 10)), number) for number in range(40)]
        assert await pool.starmap(chores.die_once, calls, chunk=1) == list(range(40))
        with pytest.raises(ap.WorkerLost):
            await pool.submit(chores.die, 1)


# -- leaving


async def test_a_cancelled_call_that_no_worker_has_is_not_made(pool: ap.ProcessPool, tmp_path: Path) -> None:
    futures = [pool.submit(chores.marked, str(tmp_path), number) for number in range(40)]
    await futures[0]
    for future in futures[20:]:
        future.cancel()
    await asyncio.gather(*futures[:20])
    assert len(os.listdir(tmp_path)) < 40


async def test_a_map_that_is_cancelled_leaves_the_workers_to_others(pool: ap.ProcessPool, tmp_path: Path) -> None:
    mapping = asyncio.ensure_future(pool.starmap(chores.marked, [(str(tmp_path), number) for number in range(1000)]))
    async with asyncio.timeout(PATIENCE):
        while not os.listdir(tmp_path):  # noqa: ASYNC110  # another process tells nobody here
            await asyncio.sleep(0.01)
    mapping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await mapping
    assert await pool.submit(chores.square, 3) == 9
    assert len(os.listdir(tmp_path)) < 100


async def test_leaving_waits_for_what_was_submitted() -> None:
    async with ap.ProcessPool(2) as pool:
        futures = [pool.submit(chores.nap, 0.05) for _ in range(6)]
    assert [future.result() for future in futures] == [0.05] * 6


async def test_an_exception_in_the_block_drops_what_was_submitted_and_kills_the_workers() -> None:
    futures: list[asyncio.Future[float]] = []
    pids: list[int] = []

    async def submit_and_fail() -> None:
        async with ap.ProcessPool(1) as pool:
            futures.append(pool.submit(chores.nap, 60.0))
            pids.extend(pool.pids)
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        await submit_and_fail()
    with pytest.raises(ap.ProcessPoolClosed):
        await futures[0]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
