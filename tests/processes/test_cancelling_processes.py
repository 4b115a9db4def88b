"""Cancelling a process: an edge, delivered at the await where it stands or at its next one, exactly as for a task."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Generator
from typing import Any

import pytest

import actorpar as ap

from .running import settle, sleep_for_ever


def this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def test_cancelled_before_its_first_step_a_process_never_runs() -> None:
    ran = False

    async def target() -> None:
        nonlocal ran
        ran = True

    async with ap.ProcessGroup() as group:
        process = group.spawn(target)
        assert process.cancel()
    assert process.cancelled()
    assert not ran


async def test_cancelled_before_its_first_step_its_ends_end_abnormally() -> None:
    tx, rx = ap.open_channel[int](1)

    async def produce(tx: ap.Sender[int]) -> None:
        await tx.send(1)

    async with ap.ProcessGroup() as group:
        group.spawn(produce, tx).cancel()
    with pytest.raises(ap.ChannelBroken) as broken:
        await rx.receive()
    assert isinstance(broken.value.__cause__, asyncio.CancelledError)
    rx.close()


async def test_a_parked_receive_is_cancelled_where_it_stands() -> None:
    tx, rx = ap.open_channel[int](0)

    async def receive() -> None:
        try:
            await rx.receive()
        finally:
            assert rx.statistics().waiting_receivers == 0

    async with ap.ProcessGroup() as group:
        process = group.spawn(receive)
        await settle()
        assert rx.statistics().waiting_receivers == 1
        assert process.cancel()
        assert rx.statistics().waiting_receivers == 0  # nobody may choose it any more
    assert process.cancelled()
    tx.close()
    rx.close()


async def test_a_parked_send_is_cancelled_and_its_item_never_sent() -> None:
    tx, rx = ap.open_channel[str](1)

    async with ap.ProcessGroup() as group:
        tx.send_nowait("first")
        process = group.spawn(tx.send, "cancelled")
        await settle()
        process.cancel()
        assert await rx.receive() == "first"
        tx.close()
        with pytest.raises(ap.EndOfChannel):
            await rx.receive()
    assert process.cancelled()
    rx.close()


async def test_cancelled_between_the_grant_and_its_step_a_receiver_passes_the_item_on() -> None:
    tx, rx = ap.open_channel[int](1)

    async with ap.ProcessGroup() as group:
        first, second = group.spawn(rx.receive), group.spawn(rx.receive)
        await settle()
        tx.send_nowait(1)  # `first` is woken now, and has not run
        first.cancel()
        assert await second == 1
    assert first.cancelled()
    tx.close()
    rx.close()


async def test_cancelled_between_the_grant_and_its_step_a_sender_passes_its_slot_on() -> None:
    tx, rx = ap.open_channel[str](1)

    async with ap.ProcessGroup() as group:
        tx.send_nowait("buffered")
        first, second = group.spawn(tx.send, "first"), group.spawn(tx.send, "second")
        await settle()
        assert rx.receive_nowait() == "buffered"
        first.cancel()
        await second
        assert rx.receive_nowait() == "second"
    assert first.cancelled()
    tx.close()
    rx.close()


async def test_a_grant_after_the_cancellation_goes_to_the_next() -> None:
    tx, rx = ap.open_channel[int](1)

    async with ap.ProcessGroup() as group:
        first, second = group.spawn(rx.receive), group.spawn(rx.receive)
        await settle()
        first.cancel()
        tx.send_nowait(1)
        assert await second == 1
    assert first.cancelled()
    tx.close()
    rx.close()


async def test_cancelling_twice_raises_once_and_counts_twice() -> None:
    raised = 0
    tx, rx = ap.open_channel[int](0)

    async def receive() -> int:
        nonlocal raised
        try:
            await rx.receive()
        except asyncio.CancelledError:
            raised += 1
        await asyncio.sleep(0)
        return this_task().cancelling()

    async with ap.ProcessGroup() as group:
        process = group.spawn(receive)
        await settle()
        process.cancel()
        process.cancel()
    assert process.result() == 2
    assert raised == 1
    tx.close()
    rx.close()


@pytest.mark.parametrize("wait", ["channel", "future", "sleep(0)", "select"])
async def test_a_process_that_cancels_itself_learns_it_at_its_next_wait(wait: str) -> None:
    tx, rx = ap.open_channel[int](0)
    reached = False

    async def process() -> None:
        nonlocal reached
        this_task().cancel()
        reached = True
        if wait == "channel":
            await rx.receive()
        elif wait == "future":
            await asyncio.get_running_loop().create_future()
        elif wait == "select":
            await ap.select(ap.receive_from(rx), ap.after(60))
        else:
            await asyncio.sleep(0)
        pytest.fail("it was not cancelled")

    async with ap.ProcessGroup() as group:
        cancelled = group.spawn(process)
    assert cancelled.cancelled()
    assert reached
    assert rx.statistics().waiting_receivers == 0
    tx.close()
    rx.close()


async def test_a_cancellation_can_be_caught_and_taken_back() -> None:
    tx, rx = ap.open_channel[int](1)

    async def process() -> int:
        this_task().cancel()
        with pytest.raises(asyncio.CancelledError):
            await rx.receive()
        assert this_task().uncancel() == 0
        await tx.send(5)
        return await rx.receive()

    async with ap.ProcessGroup() as group:
        survivor = group.spawn(process)
    assert survivor.result() == 5
    tx.close()
    rx.close()


async def test_a_cancellation_taken_back_before_the_next_wait_is_not_delivered(engine: str) -> None:
    async def process() -> str:
        this_task().cancel()
        this_task().uncancel()
        await asyncio.sleep(0)
        return "went on"

    async with ap.ProcessGroup() as group:
        taken_back = group.spawn(process)
    delivered = engine == "plain tasks" and sys.version_info < (3, 13)  # as asyncio did before Python 3.13
    assert taken_back.cancelled() == delivered
    assert delivered or taken_back.result() == "went on"


async def test_more_uncancels_than_cancels_stay_at_zero() -> None:
    async def process() -> list[int]:
        return [this_task().uncancel(), this_task().uncancel(), this_task().cancelling()]

    async with ap.ProcessGroup() as group:
        counts = group.spawn(process)
    assert counts.result() == [0, 0, 0]


async def test_a_process_that_returns_with_a_cancellation_pending_is_cancelled() -> None:
    async def process() -> str:
        this_task().cancel()
        return "not seen"

    async with ap.ProcessGroup() as group:
        cancelled = group.spawn(process)
    assert cancelled.cancelled()


async def test_a_process_may_swallow_its_cancellation_and_return() -> None:
    async def process() -> str:
        with pytest.raises(asyncio.CancelledError):
            await sleep_for_ever()
        return "cleaned up"

    async with ap.ProcessGroup() as group:
        survivor = group.spawn(process)
        await settle()
        survivor.cancel()
    assert survivor.result() == "cleaned up"


async def test_a_process_that_is_done_cannot_be_cancelled() -> None:
    async with ap.ProcessGroup() as group:
        process = group.spawn(asyncio.sleep, 0, "done")
    assert process.cancel() is False
    assert process.result() == "done"


@pytest.mark.parametrize("wait", ["channel", "future", "not begun"])
async def test_the_message_of_a_cancellation_reaches_the_process_and_its_awaiter(wait: str) -> None:
    tx, rx = ap.open_channel[int](0)
    seen: list[object] = []

    async def process() -> None:
        try:
            await (rx.receive() if wait == "channel" else sleep_for_ever())
        except asyncio.CancelledError as cancelled:
            seen.extend(cancelled.args)
            raise

    async with ap.ProcessGroup() as group:
        cancelled = group.spawn(process)
        if wait != "not begun":
            await settle()
        cancelled.cancel("why")
        with pytest.raises(asyncio.CancelledError) as caught:
            await cancelled
    assert caught.value.args == ("why",)
    assert seen == (["why"] if wait != "not begun" else [])
    tx.close()
    rx.close()


@pytest.mark.parametrize("wait", ["channel", "future"])
async def test_of_two_messages_the_first_is_delivered(wait: str) -> None:
    tx, rx = ap.open_channel[int](0)

    async def process() -> None:
        await (rx.receive() if wait == "channel" else sleep_for_ever())

    async with ap.ProcessGroup() as group:
        cancelled = group.spawn(process)
        await settle()
        cancelled.cancel("first")
        cancelled.cancel("second")
        with pytest.raises(asyncio.CancelledError) as caught:
            await cancelled
    assert caught.value.args == ("first",)
    tx.close()
    rx.close()


async def test_cancelling_reaches_through_processes_that_await_processes() -> None:
    async def outer(group: ap.ProcessGroup) -> None:
        await group.spawn(sleep_for_ever, name="inner")

    async with ap.ProcessGroup() as group:
        process = group.spawn(outer, group)
        await settle()
        process.cancel()
        await asyncio.wait([process])
        assert process.cancelled()
        await settle()
        assert asyncio.all_tasks() == {this_task()}


async def test_taking_a_cancellation_back_after_it_was_delivered_changes_nothing() -> None:
    tx, rx = ap.open_channel[int](1)

    async with ap.ProcessGroup() as group:
        process = group.spawn(rx.receive)
        await settle()
        process.cancel()  # asyncio: the future under the await is cancelled now, and nothing takes that back
        tx.send_nowait(1)
        assert process.uncancel() == 0
        await asyncio.wait([process])
        assert process.cancelled()
        assert rx.receive_nowait() == 1
    tx.close()
    rx.close()


async def test_two_cancellations_taken_back_twice_are_delivered_once() -> None:
    tx, rx = ap.open_channel[int](1)

    async with ap.ProcessGroup() as group:
        process = group.spawn(rx.receive)
        await settle()
        process.cancel()
        process.cancel()
        process.uncancel()
        assert process.uncancel() == 0
        await asyncio.wait([process])
        assert process.cancelled()
    tx.close()
    rx.close()


@types.coroutine
def yield_nonsense() -> Generator[Any, Any, None]:
    yield 42


async def test_a_cancellation_survives_a_bad_yield() -> None:
    tx, rx = ap.open_channel[int](0)
    seen: list[str] = []

    async def process() -> None:
        this_task().cancel()
        with pytest.raises(asyncio.CancelledError):
            await yield_nonsense()
        seen.append("cancelled")
        await rx.receive()

    async with ap.ProcessGroup() as group:
        process_ = group.spawn(process)
        await settle()
        assert rx.statistics().waiting_receivers == 1
        process_.cancel()
    assert seen == ["cancelled"]
    tx.close()
    rx.close()
