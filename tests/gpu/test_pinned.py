"""Pinned memory: lent block by block, up to a cap."""

from __future__ import annotations

import asyncio
import gc
import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from actorpar.gpu.errors import OutOfDeviceMemory
from actorpar.gpu.pinned import PinnedPool

BLOCK = 1 << 16


class Maker:
    """Counts what was made."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def __call__(self, size: int) -> NDArray[np.uint8]:
        self.made.append(size)
        return np.zeros(size, np.uint8)


async def test_dv09_a_block_is_used_again_when_the_last_array_on_it_is_gone() -> None:
    maker = Maker()
    pool = PinnedPool(maker, 4 * BLOCK)
    block = await pool.wait_for(BLOCK)
    part = block.view(np.float32)[4:8]
    del block
    assert pool.lent == BLOCK
    del part
    assert pool.lent == 0
    again = await pool.wait_for(BLOCK)
    assert len(again) == BLOCK
    assert maker.made == [BLOCK]


async def test_dv09_at_the_cap_whoever_asks_waits_in_turn() -> None:
    pool = PinnedPool(Maker(), 2 * BLOCK)
    first, second = await pool.wait_for(BLOCK), await pool.wait_for(BLOCK)
    assert pool.take(1) is None
    third = asyncio.ensure_future(pool.wait_for(BLOCK))
    fourth = asyncio.ensure_future(pool.wait_for(100))
    await asyncio.sleep(0)
    del first
    assert pool.take(100) is None  # it came back, and others wait for it
    assert len(await third) == BLOCK
    assert not fourth.done()
    del second
    assert len(await fourth) == 100


async def test_dv09_a_waiter_that_is_cancelled_takes_no_block_along() -> None:
    pool = PinnedPool(Maker(), BLOCK)
    only = await pool.wait_for(BLOCK)
    one, two = (asyncio.ensure_future(pool.wait_for(BLOCK)) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.wait([one])
    del only
    assert len(await two) == BLOCK


async def test_dv09_a_block_that_was_given_to_a_waiter_who_is_cancelled_at_once_comes_back() -> None:
    pool = PinnedPool(Maker(), BLOCK)
    only = await pool.wait_for(BLOCK)
    one = asyncio.ensure_future(pool.wait_for(BLOCK))
    await asyncio.sleep(0)
    del only
    pool._serve()
    one.cancel()
    await asyncio.wait([one])
    del one
    gc.collect()
    assert len(await asyncio.wait_for(pool.wait_for(BLOCK), 5)) == BLOCK


async def test_dv09_free_blocks_of_other_sizes_make_room() -> None:
    maker = Maker()
    pool = PinnedPool(maker, 4 * BLOCK)
    small = [await pool.wait_for(BLOCK) for _ in range(4)]
    small.clear()
    large = await pool.wait_for(3 * BLOCK)
    assert len(large) == 3 * BLOCK
    assert pool.made <= pool.cap


async def test_more_than_the_cap_is_refused_at_once() -> None:
    pool = PinnedPool(Maker(), BLOCK)
    with pytest.raises(OutOfDeviceMemory, match="ACTORPAR_PINNED"):
        await pool.wait_for(2 * BLOCK)


async def test_dv09_memory_that_comes_back_on_another_thread_wakes_who_waits() -> None:
    pool = PinnedPool(Maker(), BLOCK)
    held = [await pool.wait_for(BLOCK)]
    waiting = asyncio.ensure_future(pool.wait_for(BLOCK))
    await asyncio.sleep(0)
    thread = threading.Thread(target=held.clear)
    thread.start()
    assert len(await asyncio.wait_for(waiting, 5)) == BLOCK
    thread.join()


async def test_a_pool_knows_its_own_memory() -> None:
    pool, other = PinnedPool(Maker(), BLOCK), PinnedPool(Maker(), BLOCK)
    block = await pool.wait_for(BLOCK)
    assert pool.holds(block.view(np.int32)[3:].reshape(-1, 1))
    assert not other.holds(block)
    assert not pool.holds(np.zeros(3))
