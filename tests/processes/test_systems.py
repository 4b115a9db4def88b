"""The system: an awaited failure is the awaiter's, a failure that nobody awaits ends the program's block."""

# ruff: noqa: PT012 - what raises is a structured block, and it takes several statements to be one

from __future__ import annotations

import asyncio

import pytest

import actorpar as ap

from .running import settle, sleep_for_ever


async def fail() -> None:
    raise ValueError


async def test_a_system_waits_for_its_processes() -> None:
    async with ap.ActorSystem() as system:
        process = await system.spawn(asyncio.sleep, 0.001, "done")
    assert process.result() == "done"


async def test_the_result_of_a_process_is_what_its_awaiter_gets() -> None:
    async with ap.ActorSystem() as system:
        assert await (await system.spawn(asyncio.sleep, 0, 7)) == 7


async def test_an_awaited_failure_is_the_awaiters() -> None:
    async with ap.ActorSystem() as system:
        other = await system.spawn(asyncio.sleep, 0.001, "unharmed")
        process = await system.spawn(fail)
        with pytest.raises(ValueError):
            await process
    assert other.result() == "unharmed"


async def test_an_awaited_failure_is_the_awaiters_when_that_is_a_process() -> None:
    async def call(system: ap.ActorSystem) -> str:
        process = await system.spawn(fail)
        with pytest.raises(ValueError):
            await process
        return "handled"

    async with ap.ActorSystem() as system:
        caller = await system.spawn(call, system)
    assert caller.result() == "handled"


async def test_an_unawaited_failure_ends_the_block() -> None:
    others: list[ap.Process[None]] = []
    with pytest.raises(ValueError):
        async with ap.ActorSystem() as system:
            others.append(await system.spawn(sleep_for_ever))
            await system.spawn(fail)
            await sleep_for_ever()
    assert others[0].cancelled()


async def test_an_unawaited_failure_ends_a_block_that_only_waits_for_its_processes() -> None:
    with pytest.raises(ValueError):
        async with ap.ActorSystem() as system:
            await system.spawn(sleep_for_ever)
            await system.spawn(fail)


async def test_who_awaited_once_and_gave_up_is_no_awaiter() -> None:
    failing = asyncio.Event()

    async def fail_later() -> None:
        await failing.wait()
        raise ValueError

    limit = asyncio.timeout(5)
    with pytest.raises(ValueError):
        async with limit, ap.ActorSystem() as system:
            process = await system.spawn(fail_later)
            _, pending = await asyncio.wait([process], timeout=0.001)
            assert pending
            failing.set()
            await sleep_for_ever()
    assert not limit.expired()


async def test_an_exception_in_the_block_cancels_all_processes() -> None:
    processes: list[ap.Process[None]] = []
    with pytest.raises(KeyError):
        async with ap.ActorSystem() as system:
            processes.append(await system.spawn(sleep_for_ever))
            await settle()
            raise KeyError
    assert processes[0].cancelled()


async def test_ends_move_to_the_processes_of_a_system() -> None:
    tx, rx = ap.open_channel[int](1)

    async def produce(tx: ap.Sender[int]) -> None:
        await tx.send_many(range(5))

    async with ap.ActorSystem() as system:
        await system.spawn(produce, tx)
        assert [item async for item in rx] == [0, 1, 2, 3, 4]
        with pytest.raises(ap.EndMoved):
            tx.clone()
    rx.close()


async def test_before_and_after_its_block_a_system_takes_no_process() -> None:
    system = ap.ActorSystem("mine")
    with pytest.raises(ap.ActorparError, match="mine"):
        await system.spawn(sleep_for_ever)
    async with system:
        pass
    with pytest.raises(ap.ActorparError, match="mine"):
        await system.spawn(sleep_for_ever)
