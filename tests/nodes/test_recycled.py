"""Memory of large messages is used again, and never while somebody has it."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

from actorpar.nodes.recycled import Recycled


def address(view: memoryview) -> int:
    return int(np.frombuffer(view, "u1").ctypes.data)


def test_a_block_is_used_again_when_its_last_view_is_gone() -> None:
    memory = Recycled()
    first = memory.take(1 << 16)
    array = np.frombuffer(first, "f8")
    where = address(first)
    del first
    assert address(memory.take(1 << 16)) != where, "an array stands on it"
    array[:] = 1.0
    del array
    assert address(memory.take(1 << 16)) == where


def test_what_waits_is_bounded_and_the_oldest_sizes_go_first() -> None:
    memory = Recycled(kept=300_000)
    views = [memory.take(size) for size in (100_000, 120_000, 140_000)]
    while views:
        del views[0]
    assert memory.waiting == 260_000
    kept = memory.take(120_000), memory.take(140_000)
    assert memory.waiting == 0
    assert len(kept) == 2


def test_views_may_be_dropped_in_any_thread() -> None:
    memory = Recycled()
    views = [memory.take(1 << 16) for _ in range(50)]
    places = {address(view) for view in views}
    threads = [threading.Thread(target=views.clear) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    again = [memory.take(1 << 16) for _ in range(50)]
    assert {address(view) for view in again} == places


@pytest.mark.parametrize("size", [1, 4096, 1 << 20])
def test_memory_can_be_written_to_its_end(size: int) -> None:
    view = Recycled().take(size)
    view[:] = b"x" * size
    assert len(view) == size
    assert bytes(view[-1:]) == b"x"
