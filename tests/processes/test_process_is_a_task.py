"""A process is the current asyncio task: everything that asyncio offers a task works inside it."""

# ruff: noqa: PT012 - what raises is a structured block, and it takes several statements to be one

from __future__ import annotations

import asyncio
import contextvars
import inspect
import io
import sys
import threading
from typing import Any

import pytest

import actorpar as ap

from .running import alone, settle, sleep_for_ever

CAPACITIES = pytest.mark.parametrize("capacity", [0, 1, 4])


async def test_the_process_is_the_current_task() -> None:
    async def who() -> asyncio.Task[object] | None:
        before = asyncio.current_task()
        await asyncio.sleep(0)
        await asyncio.to_thread(int)
        assert asyncio.current_task() is before
        return before

    async with ap.ProcessGroup() as group:
        process = group.spawn(who)
    assert process.result() is process  # type: ignore[comparison-overlap]


@CAPACITIES
async def test_a_timeout_around_a_parked_receive_consumes_nothing(capacity: int) -> None:
    tx, rx = ap.open_channel[int](capacity)

    async def impatient() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await rx.receive()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert rx.statistics().waiting_receivers == 0

    await alone(impatient)
    receiving = asyncio.create_task(rx.receive())
    await tx.send(7)
    assert await receiving == 7
    tx.close()
    rx.close()


@CAPACITIES
async def test_a_timeout_around_a_parked_send_sends_nothing(capacity: int) -> None:
    tx, rx = ap.open_channel[int](capacity)

    async def impatient() -> None:
        for item in range(capacity):
            await tx.send(item)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await tx.send(99)
        assert tx.statistics().waiting_senders == 0
        tx.close()

    await alone(impatient)
    assert [item async for item in rx] == list(range(capacity))
    rx.close()


async def test_a_timeout_that_does_not_expire_leaves_no_trace() -> None:
    tx, rx = ap.open_channel[int](0)

    async def patient(rx: ap.Receiver[int]) -> int:
        async with asyncio.timeout(60):
            item = await rx.receive()
        await asyncio.sleep(0)
        return item

    async with ap.ProcessGroup() as group:
        process = group.spawn(patient, rx)
        await tx.send(5)
    assert process.result() == 5
    tx.close()


async def test_a_task_group_inside_a_process_aborts_its_parked_receive() -> None:
    tx, rx = ap.open_channel[int](0)

    async def fail() -> None:
        raise ValueError

    async def parent() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(fail())
                await rx.receive()
        assert [type(error) for error in caught.value.exceptions] == [ValueError]
        assert rx.statistics().waiting_receivers == 0
        await asyncio.sleep(0)  # nothing is left to be delivered

    await alone(parent)
    tx.close()
    rx.close()


async def test_tasks_of_a_task_group_inside_a_process_use_the_same_channels() -> None:
    tx, rx = ap.open_channel[int](1)

    async def parent() -> list[int]:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(tx.send_many(range(10)))
            return [await rx.receive() for _ in range(10)]

    assert await alone(parent) == list(range(10))
    tx.close()
    rx.close()


async def test_gather_works_inside_a_process_and_over_processes() -> None:
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    async def parent() -> list[int]:
        return await asyncio.gather(*[double(number) for number in range(3)])

    assert await alone(parent) == [0, 2, 4]
    async with ap.ProcessGroup() as group:
        assert await asyncio.gather(*[group.spawn(double, number) for number in range(3)]) == [0, 2, 4]


async def test_wait_and_as_completed_take_processes() -> None:
    async with ap.ProcessGroup() as group:
        quick, slow = group.spawn(asyncio.sleep, 0, "quick"), group.spawn(sleep_for_ever)
        both: list[asyncio.Future[Any]] = [quick, slow]
        done, pending = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        assert (done, pending) == ({quick}, {slow})
        slow.cancel()
        assert await next(asyncio.as_completed([quick])) == "quick"


async def test_wait_for_inside_a_process_returns_what_it_waited_for() -> None:
    tx, rx = ap.open_channel[int](1)

    async def parent() -> int:
        await tx.send(3)
        return await asyncio.wait_for(rx.receive(), 60)

    assert await alone(parent) == 3
    tx.close()
    rx.close()


async def test_wait_for_gives_up_on_a_parked_receive_and_nothing_is_lost() -> None:
    tx, rx = ap.open_channel[int](1)

    async def parent() -> int:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(rx.receive(), 0.001)
        await tx.send(4)
        return await rx.receive()

    assert await alone(parent) == 4
    tx.close()
    rx.close()


async def test_wait_for_a_process_that_takes_too_long_cancels_it() -> None:
    async with ap.ProcessGroup() as group:
        process = group.spawn(sleep_for_ever)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process, 0.001)
        assert process.cancelled()


async def test_a_shielded_receive_goes_on_when_its_process_gives_up() -> None:
    tx, rx = ap.open_channel[int](1)

    async def parent() -> int:
        receiving = asyncio.ensure_future(rx.receive())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.shield(receiving)
        assert not receiving.done()
        await tx.send(6)
        return await receiving

    assert await alone(parent) == 6
    tx.close()
    rx.close()


async def test_shielding_a_process_protects_it_from_its_awaiter() -> None:
    async with ap.ProcessGroup() as group:
        process = group.spawn(sleep_for_ever)
        awaiter = asyncio.create_task(asyncio.wait_for(asyncio.shield(process), 60))
        await settle()
        awaiter.cancel()
        await asyncio.wait([awaiter])
        assert awaiter.cancelled()
        assert not process.done()
        process.cancel()


async def test_cancelling_a_task_that_awaits_a_process_cancels_the_process() -> None:
    async def await_it(process: asyncio.Future[None]) -> None:
        await process

    async with ap.ProcessGroup() as group:
        process = group.spawn(sleep_for_ever)
        awaiter = asyncio.create_task(await_it(process))
        await settle()
        awaiter.cancel()
        await asyncio.wait([awaiter, process])
        assert awaiter.cancelled()
        assert process.cancelled()


setting: contextvars.ContextVar[str] = contextvars.ContextVar("setting", default="default")


async def test_a_process_sees_the_context_of_its_spawn_and_changes_only_its_own(engine: str) -> None:
    async def read_then_write(value: str) -> str:
        seen = setting.get()
        setting.set(value)
        await asyncio.sleep(0)
        assert setting.get() == value
        await asyncio.to_thread(int)
        assert setting.get() == value
        return seen

    setting.set("spawn")
    async with ap.ProcessGroup() as group:
        first, second = group.spawn(read_then_write, "first"), group.spawn(read_then_write, "second")
        setting.set("later")
    assert [first.result(), second.result(), setting.get()] == ["spawn", "spawn", "later"]
    if engine == "run queue" or sys.version_info >= (3, 12):  # the tasks of 3.11 do not show their context
        assert first.get_context()[setting] == "first"


async def test_a_woken_process_runs_in_its_own_context_and_not_in_that_of_the_waker() -> None:
    tx, rx = ap.open_channel[int](0)

    async def receive(rx: ap.Receiver[int]) -> str:
        await rx.receive()
        return setting.get()

    async with ap.ProcessGroup() as group:
        process = group.spawn(receive, rx)
        await settle()
        setting.set("of the waker")
        await tx.send(1)
    assert process.result() == "default"
    tx.close()


async def test_all_tasks_knows_a_process_while_it_runs() -> None:
    async with ap.ProcessGroup() as group:
        process = group.spawn(sleep_for_ever)
        await settle()
        assert {process, asyncio.current_task()} == asyncio.all_tasks()
        process.cancel()
        await asyncio.wait([process])
        assert {asyncio.current_task()} == asyncio.all_tasks()


async def test_a_task_made_inside_a_process_may_send_for_it() -> None:
    tx, rx = ap.open_channel[int](0)

    async def parent() -> int:
        sending = asyncio.create_task(tx.send(9))
        item = await rx.receive()
        await sending
        return item

    assert await alone(parent) == 9
    tx.close()
    rx.close()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_an_eager_task_inside_a_process_waits_for_itself_alone() -> None:
    if sys.version_info >= (3, 12):  # for the type checkers
        tx, rx = ap.open_channel[int](0)
        inside: list[object] = []

        async def receive() -> int:
            inside.append(asyncio.current_task())
            return await rx.receive()

        async def parent() -> int:
            process = asyncio.current_task()
            eager = asyncio.Task(receive(), loop=asyncio.get_running_loop(), eager_start=True)
            assert inside == [eager]
            assert asyncio.current_task() is process
            await tx.send(8)
            return await eager

        assert await alone(parent) == 8
        tx.close()
        rx.close()


async def test_locks_events_and_queues_of_asyncio_work_between_processes() -> None:
    lock, ready, queue = asyncio.Lock(), asyncio.Event(), asyncio.Queue[int](1)
    inside = 0

    async def produce() -> None:
        await ready.wait()
        for item in range(5):
            await queue.put(item)

    async def consume() -> list[int]:
        nonlocal inside
        ready.set()
        items = []
        for _ in range(5):
            async with lock:
                inside += 1
                items.append(await queue.get())
                assert inside == 1
                inside -= 1
        return items

    produced, consumed = await ap.par(produce(), consume())
    assert (produced, consumed) == (None, [0, 1, 2, 3, 4])


async def test_a_process_may_leave_work_to_a_thread() -> None:
    async def parent() -> bool:
        return await asyncio.to_thread(threading.current_thread) is not threading.main_thread()

    assert await alone(parent)


async def test_a_process_has_the_surface_of_a_task() -> None:
    async with ap.ProcessGroup() as group:
        process = group.spawn(sleep_for_ever, name="sleeper")
        await settle()
        assert process.get_name() == "sleeper"
        process.set_name("renamed")
        assert "renamed" in repr(process)
        coroutine = process.get_coro()
        assert inspect.iscoroutine(coroutine)
        assert coroutine.__name__ == "sleep_for_ever"
        assert [frame.f_code.co_name for frame in process.get_stack()] == ["sleep_for_ever"]
        stack = io.StringIO()
        process.print_stack(file=stack)
        assert "sleep_for_ever" in stack.getvalue()
        assert process.get_loop() is asyncio.get_running_loop()
        assert (process.done(), process.cancelled(), process.cancelling()) == (False, False, 0)
        with pytest.raises(asyncio.InvalidStateError):
            process.result()
        with pytest.raises(asyncio.InvalidStateError):
            process.exception()
        with pytest.raises(RuntimeError):
            process.set_result(None)
        with pytest.raises(RuntimeError):
            process.set_exception(ValueError())
        process.cancel()


async def test_a_process_without_a_name_is_called_after_its_function() -> None:
    async with ap.ProcessGroup() as group:
        process = group.spawn(asyncio.sleep, 0)
    assert process.get_name() == "sleep"


async def test_done_callbacks_are_called_from_the_loop_with_the_process() -> None:
    called: list[object] = []
    async with ap.ProcessGroup() as group:
        process = group.spawn(asyncio.sleep, 0)
        process.add_done_callback(called.append)
        removed = called.append
        process.add_done_callback(removed)
        assert process.remove_done_callback(removed) == 2
        process.add_done_callback(called.append)
    await settle()
    assert called == [process]


def test_asyncio_run_cancels_a_process_that_is_left() -> None:
    ended: list[str] = []

    async def stubborn() -> None:
        try:
            await sleep_for_ever()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            ended.append("cancelled")
            raise

    async def main() -> None:
        group = await ap.ProcessGroup().__aenter__()  # a block that is never left
        group.spawn(stubborn)
        await settle()

    asyncio.run(main())
    assert ended == ["cancelled"]
