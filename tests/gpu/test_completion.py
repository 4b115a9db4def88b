"""Completions without any device: what drivers do is done by threads of the test."""

from __future__ import annotations

import asyncio
import ctypes
import functools
import gc
import os
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from actorpar.gpu import completion
from actorpar.gpu.completion import Completions
from actorpar.gpu.errors import DeviceHung, DeviceLost, WorkFailed
from actorpar.gpu.waiting import done
from tests.gpu.devices import turn_until


class Stream:
    """A stream that gets there when the test says so: `reach` calls as a driver does, from another thread."""

    def __init__(self, context: str = "device") -> None:
        self.context = context
        self.slots: list[tuple[ctypes.CDLL, int]] = []
        self.gates: list[threading.Event] = []
        self.refuses = False
        self.lost = False
        self.looks = 0

    def notify(self, library: ctypes.CDLL, slot: int) -> None:
        if self.refuses:
            raise WorkFailed("not now")
        self.slots.append((library, slot))

    def waiter(self) -> Callable[[], None]:
        gate = threading.Event()
        self.gates.append(gate)
        return lambda: None if gate.wait(10) else pytest.fail("nobody has opened it")

    def check(self) -> None:
        self.looks += 1
        if self.lost:
            raise DeviceLost("it burns")

    def reach(self, number: int = 0, *, status: int | None = None) -> None:
        """The oldest of those that wait, or another one, is reached."""
        if self.gates:
            self.gates.pop(number).set()
            return
        library, slot = self.slots.pop(number)
        pointer = ctypes.c_void_p(slot)
        if status is None:
            call = functools.partial(library.actorpar_host_function, pointer)
        else:
            call = functools.partial(library.actorpar_event_callback, None, status, pointer)
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()


@pytest.fixture(params=["C callback", "threads"])
async def completions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Completions]:
    """Those of this loop, by either way."""
    monkeypatch.setenv("ACTORPAR_COMPLETION", "threads" if request.param == "threads" else "")
    completion._library.cache_clear()
    if not completion.path().startswith(request.param):
        pytest.skip(completion.path())
    yield completion.completions()
    completion._library.cache_clear()


async def begun(stream: Stream, number: int = 1) -> list[asyncio.Task[None]]:
    """So many tasks that wait for a stream."""
    tasks = [asyncio.ensure_future(done(stream)) for _ in range(number)]
    await asyncio.sleep(0)
    return tasks


async def test_dv01_a_wait_ends_when_the_device_gets_there_and_not_before(completions: Completions) -> None:
    stream = Stream()
    (task,) = await begun(stream)
    assert not task.done()
    stream.reach()
    await task
    assert completions.pending == 0


async def test_dv01_waits_end_in_whatever_order_the_device_gets_there(completions: Completions) -> None:
    stream = Stream()
    first, second, third = await begun(stream, 3)
    stream.reach(1)
    await second
    assert not first.done()
    assert not third.done()
    stream.reach(1)
    stream.reach(0)
    await asyncio.gather(first, third)


async def test_dv01_thousands_that_get_there_from_many_threads_each_end_their_own_wait_once(
    completions: Completions,
) -> None:
    if completion._library() is None:
        pytest.skip("one thread for each")
    stream = Stream()
    tasks = await begun(stream, 2000)
    parts = [stream.slots[n::4] for n in range(4)]

    def reach(part: list[tuple[ctypes.CDLL, int]]) -> None:
        for library, slot in part:
            library.actorpar_host_function(ctypes.c_void_p(slot))

    threads = [threading.Thread(target=reach, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    await asyncio.gather(*tasks)
    for thread in threads:
        thread.join()
    assert completions.pending == 0
    assert len(completions._free) == completion.CAPACITY


async def test_dv01_more_waits_than_there_are_slots_are_armed_as_slots_become_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(completion, "CAPACITY", 4)
    few = completion.completions()
    stream = Stream()
    tasks = await begun(stream, 10)
    armed = stream.gates or stream.slots
    assert len(armed) == 4
    assert few.pending == 10
    while not all(task.done() for task in tasks):
        stream.reach()
        await asyncio.wait([task for task in tasks if not task.done()], return_when=asyncio.FIRST_COMPLETED)
    assert few.pending == 0


async def test_dv02_a_cancelled_wait_keeps_its_slot_until_the_device_gets_there(completions: Completions) -> None:
    stream = Stream()
    (task,) = await begun(stream)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert completions.pending == 1
    (other,) = await begun(stream)
    stream.reach()
    stream.reach()
    await other
    await turn_until(lambda: completions.pending == 0)


async def test_what_a_driver_refuses_is_raised_and_leaves_nothing_behind(completions: Completions) -> None:
    if completion._library() is None:
        pytest.skip("it is not asked")
    stream = Stream()
    stream.refuses = True
    with pytest.raises(WorkFailed):
        await done(stream)
    assert completions.pending == 0


async def test_work_that_failed_is_a_device_lost(completions: Completions) -> None:
    if completion._library() is None:
        pytest.skip("the thread raises what the driver does")
    stream = Stream()
    (task,) = await begun(stream)
    stream.reach(status=-5)
    with pytest.raises(DeviceLost):
        await task


async def test_dv06_a_device_that_is_lost_fails_all_its_waits_and_none_of_another_device(
    completions: Completions,
) -> None:
    one, other, healthy = Stream("one"), Stream("one"), Stream("another")
    lost = [*await begun(one, 3), *await begun(other, 2)]
    (unharmed,) = await begun(healthy)
    await turn_until(lambda: one.looks + other.looks > 1)  # of a context one stream is looked at
    one.lost = other.lost = True
    for task in lost:
        with pytest.raises(DeviceLost, match="it burns"):
            await task
    assert not unharmed.done()
    for stream in (one, one, one, other, other, healthy):
        stream.reach()  # late: nobody is told twice
    await unharmed


async def test_dv06_a_slot_of_a_lost_device_is_not_given_out_before_its_driver_has_called() -> None:
    if completion._library() is None:
        pytest.skip(completion.path())
    completions, stream = completion.completions(), Stream()
    (task,) = await begun(stream)
    _, taken = stream.slots[0]
    stream.lost = True
    await asyncio.wait([task])
    healthy = Stream("another")
    tasks = await begun(healthy, 20)
    assert taken not in [slot for _, slot in healthy.slots]
    for _ in range(20):
        healthy.reach()
    await asyncio.gather(*tasks)
    stream.reach()
    await asyncio.wait_for(turn_until(lambda: len(completions._free) == completion.CAPACITY), 5)
    assert isinstance(task.exception(), DeviceLost)


async def test_a_wait_that_takes_longer_than_it_may_is_a_device_hung(completions: Completions) -> None:
    stream = Stream()
    with pytest.raises(DeviceHung, match=r"not done within 0\.01 s"):
        await done(stream, timeout=0.01)
    stream.reach()


def test_dv11_a_loop_leaves_no_file_open_when_nothing_is_awaited_any_more() -> None:
    async def main() -> None:
        stream = Stream()
        (task,) = await begun(stream)
        stream.reach()
        await task

    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        asyncio.run(main())
    assert len(os.listdir("/proc/self/fd")) == before


def test_dv11_a_loop_that_ends_while_a_driver_has_a_slot_leaves_the_ring_where_it_is() -> None:
    if completion._library() is None:
        pytest.skip(completion.path())
    stream = Stream()

    async def main() -> None:
        await begun(stream)  # its task is cancelled by asyncio.run

    left = len(completion.Ring._left)
    asyncio.run(main())
    assert len(completion.Ring._left) == left + 1
    stream.reach()  # writes to memory that is still there, and to a descriptor that is nobody else's
