"""Structured processes: the group waits for them, its first failure ends it, and cancelling it ends them all."""

# ruff: noqa: PT012 - what raises is a structured block, and it takes several statements to be one

from __future__ import annotations

import asyncio

import pytest

import actorpar as ap

from .running import settle, sleep_for_ever


async def fail(error: BaseException) -> None:
    raise error


async def test_leaving_the_block_waits_for_the_processes() -> None:
    ended = []

    async def slow(number: int) -> None:
        for _ in range(number):
            await asyncio.sleep(0)
        ended.append(number)

    async with ap.ProcessGroup() as group:
        for number in (30, 10, 20):
            group.spawn(slow, number)
    assert ended == [10, 20, 30]


async def test_an_empty_group_ends_at_once() -> None:
    async with ap.ProcessGroup("empty"):
        pass


async def test_a_process_takes_its_first_step_soon_and_not_now() -> None:
    begun = False

    async def begin() -> None:
        nonlocal begun
        begun = True

    async with ap.ProcessGroup() as group:
        group.spawn(begin)
        assert not begun
    assert begun


async def test_the_first_failure_cancels_the_rest_and_is_raised_itself() -> None:
    error = ValueError("first")
    rest: list[ap.Process[None]] = []
    group = ap.ProcessGroup()
    with pytest.raises(ValueError) as caught:
        async with group:
            rest += [group.spawn(sleep_for_ever) for _ in range(3)]
            group.spawn(fail, error)
    assert caught.value is error
    assert [process.cancelled() for process in rest] == [True] * 3
    assert group.failures == [error]


async def test_a_failure_interrupts_the_block() -> None:
    reached = []
    with pytest.raises(ValueError):
        async with ap.ProcessGroup() as group:
            group.spawn(fail, ValueError())
            reached.append("spawned")
            await sleep_for_ever()
            reached.append("beyond")
    assert reached == ["spawned"]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)  # no cancellation is left behind


async def test_a_failure_interrupts_a_block_that_is_a_process_parked_on_a_channel() -> None:
    tx, rx = ap.open_channel[int](0)

    async def host() -> str:
        with pytest.raises(ValueError):
            async with ap.ProcessGroup() as inner:
                inner.spawn(fail, ValueError())
                await rx.receive()
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert rx.statistics().waiting_receivers == 0
        return "went on"

    async with ap.ProcessGroup() as group:
        process = group.spawn(host)
    assert process.result() == "went on"
    tx.close()
    rx.close()


async def test_a_block_that_swallows_its_interruption_still_raises_the_failure() -> None:
    with pytest.raises(ValueError):
        async with ap.ProcessGroup() as group:
            group.spawn(fail, ValueError())
            with pytest.raises(asyncio.CancelledError):
                await sleep_for_ever()
            await asyncio.sleep(0)  # it is interrupted once
    await asyncio.sleep(0)


async def test_what_the_block_raises_after_its_interruption_comes_second() -> None:
    first, second = ValueError("first"), KeyError("second")
    group = ap.ProcessGroup()
    with pytest.raises(ValueError) as caught:
        async with group:
            group.spawn(fail, first)
            with pytest.raises(asyncio.CancelledError):
                await sleep_for_ever()
            raise second
    assert caught.value is first
    assert group.failures == [first, second]
    assert "second" in "".join(first.__notes__)


async def test_an_exception_in_the_block_cancels_the_processes_and_is_raised_itself() -> None:
    error = ValueError()
    processes: list[ap.Process[None]] = []
    with pytest.raises(ValueError) as caught:
        async with ap.ProcessGroup() as group:
            processes.append(group.spawn(sleep_for_ever))
            await settle()
            raise error
    assert caught.value is error
    assert processes[0].cancelled()


async def test_what_else_fails_is_told_in_the_notes_of_the_first_failure() -> None:
    async def fail_when_cancelled() -> None:
        try:
            await sleep_for_ever()
        except asyncio.CancelledError:
            raise TypeError("while cleaning up") from None

    group = ap.ProcessGroup("pipeline")
    with pytest.raises(ValueError) as caught:
        async with group:
            group.spawn(fail_when_cancelled)
            await settle()
            group.spawn(fail, ValueError())
    assert [type(failure) for failure in group.failures] == [ValueError, TypeError]
    (note,) = caught.value.__notes__
    assert "pipeline" in note
    assert "while cleaning up" in note


async def test_the_same_exception_from_two_processes_is_one_failure() -> None:
    error = ValueError()
    group = ap.ProcessGroup()
    with pytest.raises(ValueError):
        async with group:
            group.spawn(fail, error)
            group.spawn(fail, error)
    assert group.failures == [error]
    assert not hasattr(error, "__notes__")


async def test_a_failure_while_the_block_is_being_left_cancels_the_rest() -> None:
    async def fail_later() -> None:
        await asyncio.sleep(0)
        raise ValueError

    rest: list[ap.Process[None]] = []
    with pytest.raises(ValueError):
        async with ap.ProcessGroup() as group:
            rest.append(group.spawn(sleep_for_ever))
            group.spawn(fail_later)
    assert rest[0].cancelled()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_a_process_that_is_cancelled_alone_ends_nothing_else() -> None:
    async with ap.ProcessGroup() as group:
        cancelled, other = group.spawn(sleep_for_ever), group.spawn(asyncio.sleep, 0.001, "done")
        await settle()
        cancelled.cancel()
    assert cancelled.cancelled()
    assert other.result() == "done"


async def test_cancelling_the_block_from_outside_cancels_the_processes_and_waits_for_them() -> None:
    cleaned_up = []

    async def slow_to_end() -> None:
        try:
            await sleep_for_ever()
        finally:
            await asyncio.sleep(0)
            cleaned_up.append(True)

    async def block(in_block: bool) -> None:
        async with ap.ProcessGroup() as group:
            group.spawn(slow_to_end)
            if in_block:
                await sleep_for_ever()

    for in_block in (True, False):
        task = asyncio.create_task(block(in_block))
        await settle()
        task.cancel("outside")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
    assert cleaned_up == [True, True]


async def test_a_second_cancellation_does_not_leave_a_process_behind() -> None:
    async def stubborn() -> None:
        try:
            await sleep_for_ever()
        finally:
            await asyncio.sleep(0)

    async def block() -> None:
        async with ap.ProcessGroup() as group:
            processes.append(group.spawn(stubborn))
            await sleep_for_ever()

    processes: list[ap.Process[None]] = []
    task = asyncio.create_task(block())
    for _ in range(2):
        await settle()
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert all(process.done() for process in processes)


async def test_a_failure_outranks_a_cancellation_from_outside() -> None:
    async def fail_when_cancelled() -> None:
        try:
            await sleep_for_ever()
        finally:
            raise ValueError

    async def block() -> None:
        async with ap.ProcessGroup() as group:
            group.spawn(fail_when_cancelled)

    task = asyncio.create_task(block())
    await settle()
    task.cancel()
    with pytest.raises(ValueError):
        await task


async def test_a_timeout_around_a_group_ends_it() -> None:
    processes: list[ap.Process[None]] = []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            async with ap.ProcessGroup() as group:
                processes.append(group.spawn(sleep_for_ever))
    assert processes[0].cancelled()


async def test_a_timeout_around_a_group_that_fails_leaves_no_cancellation_behind() -> None:
    with pytest.raises(ValueError):
        async with asyncio.timeout(60):
            async with ap.ProcessGroup() as group:
                group.spawn(fail, ValueError())
                await sleep_for_ever()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_a_timeout_inside_the_block_is_the_blocks_own() -> None:
    async with ap.ProcessGroup() as group:
        process = group.spawn(asyncio.sleep, 0.002, "unharmed")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await sleep_for_ever()
    assert process.result() == "unharmed"


async def test_a_failure_in_an_inner_group_ends_the_outer_ones_in_turn() -> None:
    ended = []

    async def rest(name: str) -> None:
        try:
            await sleep_for_ever()
        finally:
            ended.append(name)

    async def inner() -> None:
        async with ap.ProcessGroup("inner") as group:
            group.spawn(rest, "inner")
            await settle()
            group.spawn(fail, ValueError())

    with pytest.raises(ValueError):
        async with ap.ProcessGroup("outer") as group:
            group.spawn(rest, "outer")
            group.spawn(inner)
    assert ended == ["inner", "outer"]


async def test_cancelling_the_outer_group_ends_the_inner_one() -> None:
    processes: list[ap.Process[None]] = []

    async def inner() -> None:
        async with ap.ProcessGroup() as group:
            processes.append(group.spawn(sleep_for_ever))

    async with ap.ProcessGroup() as group:
        process = group.spawn(inner)
        await settle()
        group.cancel()
    assert process.cancelled()
    assert processes[0].cancelled()


async def test_a_failure_that_was_handled_inside_stays_there() -> None:
    async def host() -> str:
        try:
            async with ap.ProcessGroup() as group:
                group.spawn(fail, ValueError())
        except ValueError:
            return "handled"
        return "not reached"

    async with ap.ProcessGroup() as group:
        process = group.spawn(host)
    assert process.result() == "handled"


async def test_a_process_may_spawn_into_its_group_even_while_the_block_is_being_left() -> None:
    async def spawn_another(group: ap.ProcessGroup) -> ap.Process[str]:
        await asyncio.sleep(0)
        return group.spawn(asyncio.sleep, 0, "child")

    async with ap.ProcessGroup() as group:
        parent = group.spawn(spawn_another, group)
    assert parent.result().result() == "child"


async def test_after_its_end_a_group_takes_no_process() -> None:
    async with ap.ProcessGroup() as group:
        pass
    with pytest.raises(ap.ActorparError):
        group.spawn(sleep_for_ever)


async def test_before_its_block_a_group_takes_no_process() -> None:
    with pytest.raises(ap.ActorparError):
        ap.ProcessGroup().spawn(sleep_for_ever)


async def test_a_process_spawned_into_a_group_that_is_being_cancelled_cannot_hold_it_up() -> None:
    async def spawn_at_the_end(group: ap.ProcessGroup) -> None:
        try:
            await sleep_for_ever()
        finally:
            group.spawn(sleep_for_ever)

    async with asyncio.timeout(5) as limit:
        with pytest.raises(ValueError):
            async with ap.ProcessGroup() as group:
                group.spawn(spawn_at_the_end, group)
                await settle()
                group.spawn(fail, ValueError())
    assert not limit.expired()


async def test_what_is_no_async_function_is_refused_and_told_so() -> None:
    async with ap.ProcessGroup() as group:
        with pytest.raises(TypeError, match="async def"):
            group.spawn(print, "not a coroutine")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.may_block  # spawning all of them is one step
async def test_a_group_of_many_processes_ends() -> None:
    tx, rx = ap.open_channel[int](0)

    async def send_one(tx: ap.Sender[int], number: int) -> None:
        await tx.send(number)

    async with ap.ProcessGroup() as group:
        for number in range(500):
            group.spawn(send_one, tx.clone(), number)
        tx.close()
        assert [number async for number in rx] == list(range(500))
    rx.close()


async def test_par_gives_the_results_in_order() -> None:
    async def slow() -> str:
        await asyncio.sleep(0)
        return "slow"

    async def quick() -> int:
        return 1

    assert await ap.par(slow(), quick()) == ("slow", 1)


async def test_par_of_nothing_is_nothing() -> None:
    assert await ap.par() == ()


async def test_par_ends_with_its_first_failure_and_cancels_the_others() -> None:
    ended = []

    async def other() -> None:
        try:
            await sleep_for_ever()
        finally:
            ended.append(True)

    async def fail_later() -> None:
        await asyncio.sleep(0)
        raise ValueError

    with pytest.raises(ValueError):
        await ap.par(other(), fail_later(), other())
    assert ended == [True, True]


async def test_par_is_cancelled_as_a_whole() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await ap.par(sleep_for_ever(), sleep_for_ever())
    assert len(asyncio.all_tasks()) == 1


async def test_par_runs_two_sides_of_a_rendezvous() -> None:
    tx, rx = ap.open_channel[str](0)
    assert await ap.par(tx.send("hello"), rx.receive()) == (None, "hello")
    tx.close()
    rx.close()
