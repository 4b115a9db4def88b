"""What is wrong is refused at once, with an error that says what to do; nothing is lost by it."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

import actorpar as ap

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("capacity", [-1, -math.inf, math.nan, 1.0, 0.0, 2.5, "8", None, True, [], b"1"])
@pytest.mark.parametrize("open_one", [ap.open_channel, ap.open_broadcast], ids=["channel", "broadcast"])
def test_ch01_a_capacity_that_is_none_is_refused(open_one: Any, capacity: Any) -> None:
    with pytest.raises(ap.InvalidCapacity, match="capacity must"):
        open_one(capacity)
    with pytest.raises(ValueError, match="capacity must"):
        open_one[int](capacity)


def test_ch01_there_is_no_default_capacity() -> None:
    for open_one in (ap.open_channel, ap.open_channel[int]):
        with pytest.raises(TypeError, match="capacity"):
            open_one()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_ch01_a_negative_capacity_says_how_unbounded_is_spelled() -> None:
    with pytest.raises(ap.InvalidCapacity, match=r"math\.inf"):
        ap.open_channel[int](-1)


@pytest.mark.parametrize("capacity", [0, math.inf])
@pytest.mark.parametrize("overflow", ["reject", "drop_new", "drop_old", "latest"])
def test_ch19_a_policy_needs_a_bound(capacity: float, overflow: Any) -> None:
    with pytest.raises(ap.InvalidCapacity, match="capacity"):
        ap.open_channel[int](capacity, overflow=overflow)


def test_ch19_latest_keeps_one_item() -> None:
    with pytest.raises(ap.InvalidCapacity, match="capacity 1"):
        ap.open_channel[int](2, overflow="latest")


def test_ch19_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match='"wait", "reject", "drop_new", "drop_old" or "latest"'):
        ap.open_channel[int](1, overflow="block")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_ch01_a_broadcast_needs_a_buffer() -> None:
    with pytest.raises(ap.InvalidCapacity, match="at least 1"):
        ap.open_broadcast[int](0)


async def test_ch24_closing_twice_is_no_error() -> None:
    tx, rx = ap.open_channel[int](1)
    for end in (tx, rx, tx, rx):
        end.close()
        end.close()


async def test_ch31_an_operation_after_close_says_what_to_do() -> None:
    tx, rx = ap.open_channel[int](1)
    tx.close()
    rx.close()
    operations = (tx.send(1), tx.send_many([1]), rx.receive(), rx.receive_many(1))
    for operation in operations:
        with pytest.raises(ap.ChannelClosed, match=r"clone\(\)"):
            await operation
    with pytest.raises(ap.ChannelClosed):
        tx.send_nowait(1)
    with pytest.raises(ap.ChannelClosed):
        rx.receive_nowait()
    with pytest.raises(ap.ChannelClosed):
        tx.abort(ValueError())
    with pytest.raises(ap.ChannelClosed):
        async with tx.reserve():
            pass
    with pytest.raises(ap.ChannelClosed):
        async for _ in rx:
            pass


async def test_ch31_a_thread_safe_handle_of_a_closed_end_is_refused() -> None:
    tx, rx = ap.open_channel[int](1)
    tx.close()
    rx.close()
    with pytest.raises(ap.ChannelClosed):
        tx.threadsafe()
    with pytest.raises(ap.ChannelClosed):
        rx.threadsafe()


def test_ch59_a_thread_safe_handle_is_made_on_the_loop() -> None:
    tx, rx = ap.open_channel[int](1)
    with tx, rx, pytest.raises(ap.WrongLoop, match="on the event loop"):
        tx.threadsafe()


def test_ch32_cloning_a_closed_end_is_refused() -> None:
    tx, rx = ap.open_channel[int](1)
    for end in (tx, rx):
        end.close()
        with pytest.raises(ap.ChannelClosed, match="clone"):
            end.clone()


def test_ch59_an_operation_without_a_loop_says_so() -> None:
    tx, rx = ap.open_channel[int](1)
    for operation in (tx.send(1), rx.receive()):
        with pytest.raises(ap.WrongLoop, match="no event loop"):
            operation.send(None)
    tx.close()
    rx.close()


@pytest.mark.parametrize("period", [0, -1, math.nan])
async def test_ch51_a_tick_needs_a_period(period: float) -> None:
    with pytest.raises(ValueError, match="period above 0"):
        ap.tick(period)


async def test_ch51_a_deadline_that_is_no_number_is_refused() -> None:
    with pytest.raises((TypeError, ValueError), match=r"seconds|number"):
        ap.after("soon")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"seconds|nan"):
        ap.after(math.nan)


async def test_ch44_a_select_with_no_guard_is_refused() -> None:
    with pytest.raises(ap.InvalidGuard, match="guard"):
        await ap.select()


async def test_ch44_a_select_with_two_defaults_is_refused() -> None:
    with pytest.raises(ap.InvalidGuard, match="default"):
        await ap.select(ap.default(), ap.default())


async def test_ch44_what_is_no_guard_is_refused() -> None:
    with pytest.raises(ap.InvalidGuard, match="guard 0"):
        await ap.select(asyncio.sleep)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]


async def test_ch55_a_permit_used_twice_gives_the_item_back() -> None:
    tx, rx = ap.open_channel[str](2)
    with tx, rx:
        async with tx.reserve() as permit:
            permit.send("a")
            with pytest.raises(ap.ChannelError) as twice:
                permit.send("b")
        assert twice.value.item == "b"


async def test_ch56_receive_many_needs_a_positive_number() -> None:
    tx, rx = ap.open_channel[int](2)
    with tx, rx, pytest.raises(ValueError, match="at least one"):
        await rx.receive_many(0)


async def test_ch56_an_iterable_that_fails_sends_nothing_and_tells_why() -> None:
    def numbers() -> Any:
        yield 1
        raise KeyError("broken iterable")

    tx, rx = ap.open_channel[int](4)
    with tx, rx:
        with pytest.raises(KeyError, match="broken iterable"):
            await tx.send_many(numbers())
        assert rx.statistics().length == 0
