"""Ends that are given to a process are its own (CH-63), and what its end does to them (CH-21, CH-28)."""

# ruff: noqa: PT012 - what raises is a structured block, and it takes several statements to be one

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable
from typing import Any

import pytest

import actorpar as ap

from .running import settle, sleep_for_ever


async def produce(tx: ap.Sender[int], items: int) -> None:
    for item in range(items):
        await tx.send(item)


async def test_ch63_ends_are_closed_when_their_process_returns() -> None:
    tx, rx = ap.open_channel[int](8)
    async with ap.ProcessGroup() as group:
        group.spawn(produce, tx, 3)
        assert [item async for item in rx] == [0, 1, 2]
    rx.close()


async def test_ch63_the_ends_are_closed_before_anybody_learns_that_the_process_is_done() -> None:
    tx, rx = ap.open_channel[int](8)
    async with ap.ProcessGroup() as group:
        await group.spawn(produce, tx, 0)
        assert rx.statistics().senders == 0
    rx.close()


async def test_ch63_a_receiving_end_is_closed_too() -> None:
    tx, rx = ap.open_channel[int](8)

    async def take_one(rx: ap.Receiver[int]) -> int:
        return await rx.receive()

    async with ap.ProcessGroup() as group:
        tx.send_nowait(1)
        assert await group.spawn(take_one, rx) == 1
        with pytest.raises(ap.ChannelBroken):
            await tx.send(2)
    tx.close()


async def test_ch63_the_end_that_was_given_away_raises_end_moved() -> None:
    tx, rx = ap.open_channel[int](8)
    async with ap.ProcessGroup() as group:
        group.spawn(produce, tx, 0)
        for use in (tx.clone, functools.partial(tx.send_nowait, 1)):
            with pytest.raises(ap.EndMoved):
                use()
        with pytest.raises(ap.EndMoved) as moved:
            await tx.send(5)
        assert moved.value.item == 5
        with pytest.raises(ap.EndMoved):
            await ap.select(ap.send_to(tx, 1), ap.after(None))
        tx.close()  # closing what one has no more is as harmless as closing twice
    rx.close()


async def test_ch63_an_end_can_be_given_away_only_once() -> None:
    tx, rx = ap.open_channel[int](8)
    async with ap.ProcessGroup() as group:
        group.spawn(produce, tx, 0)
        with pytest.raises(ap.EndMoved):
            group.spawn(produce, tx, 0)
    rx.close()


async def test_ch63_a_clone_stays_with_its_owner() -> None:
    tx, rx = ap.open_channel[int](8)
    async with ap.ProcessGroup() as group:
        await group.spawn(produce, tx.clone(), 1)
        await tx.send(10)
        tx.close()
        assert [item async for item in rx] == [0, 10]
    rx.close()


async def test_ch63_a_process_may_close_its_end_itself() -> None:
    tx, rx = ap.open_channel[int](8)

    async def close_early(tx: ap.Sender[int]) -> None:
        tx.close()
        await sleep_for_ever()

    async with ap.ProcessGroup() as group:
        group.spawn(close_early, tx)
        with pytest.raises(ap.EndOfChannel):
            await rx.receive()
        group.cancel()
    rx.close()


async def test_ch63_operations_that_wait_on_an_end_fail_when_it_is_given_away() -> None:
    tx, rx = ap.open_channel[int](0)
    async with ap.ProcessGroup() as group:
        waiting = asyncio.create_task(tx.send(3))
        await settle()
        group.spawn(produce, tx, 0)
        with pytest.raises(ap.EndMoved) as moved:
            await waiting
        assert moved.value.item == 3
    rx.close()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda end: [end],
        lambda end: (1, end),
        lambda end: {"end": end},
        lambda end: [{"deep": ([end],)}],
        lambda end: functools.partial(list, end),
        lambda end: functools.partial(dict, end=[end]),
    ],
    ids=["list", "tuple", "dict", "nested", "partial", "keyword of a partial"],
)
async def test_ch63_ends_move_inside_of_containers(wrap: Callable[[object], object]) -> None:
    tx, rx = ap.open_channel[int](8)

    async def hold(_: object) -> None:
        pass

    async with ap.ProcessGroup() as group:
        await group.spawn(hold, wrap(tx))
        with pytest.raises(ap.EndMoved):
            tx.send_nowait(1)
        with pytest.raises(ap.EndOfChannel):
            await rx.receive()
    rx.close()


async def test_ch63_a_partial_as_the_target_carries_ends_as_keyword_arguments() -> None:
    tx, rx = ap.open_channel[int](8)

    async def send_one(*, tx: ap.Sender[int]) -> None:
        await tx.send(1)

    async with ap.ProcessGroup() as group:
        group.spawn(functools.partial(send_one, tx=tx))
        assert [item async for item in rx] == [1]
        with pytest.raises(ap.EndMoved):
            tx.clone()
    rx.close()


async def test_ch63_arguments_without_ends_are_passed_as_they_are() -> None:
    argument: list[object] = [{"a": (1, 2)}]

    async def identity(value: object) -> object:
        return value

    async with ap.ProcessGroup() as group:
        assert await group.spawn(identity, argument) is argument


async def test_ch63_a_list_that_holds_ends_stays_the_callers_own() -> None:
    tx, rx = ap.open_channel[int](8)
    given = [tx]

    async def clear(ends: list[ap.Sender[int]]) -> None:
        ends.clear()

    async with ap.ProcessGroup() as group:
        await group.spawn(clear, given)
    assert given == [tx]
    with pytest.raises(ap.EndOfChannel):
        await rx.receive()
    rx.close()


async def test_ch63_ends_of_a_failed_process_end_abnormally_after_what_was_sent() -> None:
    tx, rx = ap.open_channel[int](8)
    error = ValueError()

    async def send_and_fail(tx: ap.Sender[int]) -> None:
        await tx.send(1)
        raise error

    async with ap.ActorSystem() as system:
        process = await system.spawn(send_and_fail, tx)
        with contextlib.suppress(ValueError):
            await process
        assert await rx.receive() == 1
        with pytest.raises(ap.ChannelBroken) as broken:
            await rx.receive()
        assert broken.value.__cause__ is error
    rx.close()


async def test_ch63_ends_of_a_cancelled_process_end_abnormally() -> None:
    tx, rx = ap.open_channel[int](8)

    async def hold(tx: ap.Sender[int]) -> None:
        await sleep_for_ever()

    async with ap.ProcessGroup() as group:
        process = group.spawn(hold, tx)
        await settle()
        process.cancel()
        with pytest.raises(ap.ChannelBroken) as broken:
            await rx.receive()
        assert isinstance(broken.value.__cause__, asyncio.CancelledError)
    rx.close()


async def test_ch63_a_sender_learns_why_its_receiver_is_gone() -> None:
    tx, rx = ap.open_channel[int](0)
    error = ValueError()

    async def fail(rx: ap.Receiver[int]) -> None:
        await rx.receive()
        raise error

    with pytest.raises(ValueError):
        async with ap.ProcessGroup() as group:
            group.spawn(fail, rx)
            await tx.send(1)
    with pytest.raises(ap.ChannelBroken) as broken:
        await tx.send(2)
    assert broken.value.item == 2
    assert broken.value.__cause__ is error
    tx.close()


async def test_ch21_one_lost_sender_among_others_makes_the_end_abnormal_once_all_are_gone() -> None:
    tx, rx = ap.open_channel[int](8)
    error = ValueError()

    async def fail(tx: ap.Sender[int]) -> None:
        raise error

    async with ap.ActorSystem() as system:
        failing = await system.spawn(fail, tx.clone())
        with contextlib.suppress(ValueError):
            await failing
        await tx.send(1)
        tx.close()
        assert await rx.receive() == 1
        with pytest.raises(ap.ChannelBroken) as broken:
            await rx.receive()
        assert broken.value.__cause__ is error
    rx.close()


@pytest.mark.parametrize("propagate", [True, False])
async def test_ch28_a_process_that_ends_by_an_abort_aborts_its_other_ends_only_if_declared_so(propagate: bool) -> None:
    upstream_tx, upstream_rx = ap.open_channel[int](8, name="upstream")
    downstream_tx, downstream_rx = ap.open_channel[int](8, name="downstream")
    cause = ValueError("poison")

    async def forward(rx: ap.Receiver[int], tx: ap.Sender[int]) -> None:
        async for item in rx:
            await tx.send(item)

    async with ap.ActorSystem() as system:
        process = await system.spawn(forward, upstream_rx, downstream_tx, propagate=propagate)
        await upstream_tx.send(1)
        await settle()
        upstream_tx.abort(cause)
        with pytest.raises(ap.ChannelAborted):
            await process
        if propagate:  # poison discards what is buffered (CH-26)
            with pytest.raises(ap.ChannelAborted) as ended:
                await downstream_rx.receive()
            assert ended.value.__cause__ is cause
        else:
            assert await downstream_rx.receive() == 1
            with pytest.raises(ap.ChannelBroken) as broken:
                await downstream_rx.receive()
            assert isinstance(broken.value.__cause__, ap.ChannelAborted)
    upstream_tx.close()
    downstream_rx.close()


async def test_ch28_an_abort_tears_a_whole_pipeline_down() -> None:
    cause = ValueError("poison")
    first_tx, rx = ap.open_channel[int](0)

    async def forward(rx: ap.Receiver[int], tx: ap.Sender[int]) -> None:
        async for item in rx:
            await tx.send(item)

    async with ap.ActorSystem() as system:
        stages = []
        for _ in range(5):
            tx, next_rx = ap.open_channel[int](0)
            stages.append(await system.spawn(forward, rx, tx, propagate=True))
            rx = next_rx
        waiting = asyncio.create_task(rx.receive())
        await settle()
        first_tx.abort(cause)
        failures = await asyncio.gather(*stages, return_exceptions=True)
        assert [type(failure) for failure in failures] == [ap.ChannelAborted] * 5
        assert [failure.__cause__ for failure in failures if failure] == [cause] * 5
        with pytest.raises(ap.ChannelAborted) as last:
            await waiting
        assert last.value.__cause__ is cause
    first_tx.close()
    rx.close()


async def test_ch28_another_failure_does_not_propagate_as_an_abort() -> None:
    tx, rx = ap.open_channel[int](8)

    async def fail(tx: ap.Sender[int]) -> None:
        await tx.send(1)
        raise ValueError

    async with ap.ActorSystem() as system:
        process = await system.spawn(fail, tx, propagate=True)
        with contextlib.suppress(ValueError):
            await process
        assert await rx.receive() == 1
        with pytest.raises(ap.ChannelBroken):
            await rx.receive()
    rx.close()


async def nothing(*args: Any) -> None:
    pass


async def no_arguments() -> None:
    pass


def no_coroutine(end: object) -> None:
    pass


async def test_ch63_a_spawn_that_is_refused_moves_nothing() -> None:
    tx, rx = ap.open_channel[int](1)
    closed, other = ap.open_channel[int](1)
    closed.close()
    other.close()
    async with ap.ProcessGroup() as group:
        with pytest.raises(ap.ChannelClosed):
            group.spawn(nothing, tx, closed)
        with pytest.raises(ap.EndMoved):
            group.spawn(nothing, tx, tx)
        with pytest.raises(TypeError):
            group.spawn(no_arguments, tx)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(TypeError):
            group.spawn(no_coroutine, tx)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    tx.send_nowait(1)
    assert rx.receive_nowait() == 1
    tx.close()
    rx.close()
