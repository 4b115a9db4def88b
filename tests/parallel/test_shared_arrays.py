"""Arrays that a pool does not copy: they stand in memory that its processes share."""

from __future__ import annotations

import gc
import os

import numpy as np
import pytest

import actorpar as ap
from actorpar.nodes import slabs
from tests.parallel import chores

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs /proc")
SIZE = 1 << 18


async def test_workers_read_a_shared_array_where_it_stands() -> None:
    array: np.ndarray = ap.empty_shared(SIZE)
    array[:] = 1
    async with ap.ProcessPool(2) as pool:
        assert await pool.map(chores.total_of, [array] * 8, chunk=1) == [SIZE] * 8
        # By now each side has told the other that it sees its memory.
        for where in await pool.map(chores.where, [array] * 8, chunk=1):
            assert f"-{os.getpid()}-" in where
        blocks = [(array[first : first + SIZE // 4],) for first in range(0, SIZE, SIZE // 4)]
        assert await pool.starmap(chores.total_of, blocks) == [SIZE // 4] * 4


async def test_a_shared_array_that_a_worker_returns_stands_in_its_memory_and_outlives_it() -> None:
    async with ap.ProcessPool(1) as pool:
        await pool.submit(chores.shared, SIZE)  # the first one is a copy, see above
        result = await pool.submit(chores.shared, SIZE)
        [pid] = pool.pids
        assert f"-{pid}-" in chores.where(result)
        assert result.flags.writeable
    assert float(result.sum()) == 7.0 * SIZE


async def test_a_call_whose_worker_is_killed_has_its_shared_array_again() -> None:
    array: np.ndarray = ap.empty_shared(SIZE)
    array[:] = 2
    async with ap.ProcessPool(1, retries=1) as pool:
        with pytest.raises(ap.WorkerLost):
            await pool.submit(chores.die_with, array)
        assert await pool.submit(chores.total_of, array) == 2 * SIZE
    del array
    gc.collect()
    assert slabs.arena().used == 0
