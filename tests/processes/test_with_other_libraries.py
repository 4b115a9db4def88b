"""Libraries that are written for asyncio tasks work inside processes: anyio and aiohttp."""

# ruff: noqa: PT012 - what raises is a structured block, and it takes several statements to be one

from __future__ import annotations

import asyncio

import aiohttp
import anyio
import anyio.lowlevel
import pytest
from aiohttp import web

import actorpar as ap

from .running import alone, settle, sleep_for_ever


async def test_an_anyio_scope_that_times_out_cancels_a_parked_receive() -> None:
    tx, rx = ap.open_channel[int](1)

    async def process() -> int:
        with anyio.move_on_after(0.001) as scope:
            await rx.receive()
        assert scope.cancelled_caught
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await tx.send(1)
        return await rx.receive()

    assert await alone(process) == 1
    tx.close()
    rx.close()


async def test_fail_after_of_anyio_raises_inside_a_process() -> None:
    tx, rx = ap.open_channel[int](0)

    async def process() -> None:
        with anyio.fail_after(0.001):
            await tx.send(1)

    with pytest.raises(TimeoutError):
        await alone(process)
    assert tx.statistics().waiting_senders == 0
    tx.close()
    rx.close()


async def test_an_anyio_scope_that_was_cancelled_stops_every_wait_inside_it() -> None:
    tx, rx = ap.open_channel[int](0)

    async def process() -> int:
        attempts = 0
        with anyio.CancelScope() as scope:
            scope.cancel()
            try:
                await rx.receive()
            finally:
                attempts += 1
                with pytest.raises(asyncio.CancelledError):  # anyio's cancellation is a level, not an edge
                    await rx.receive()
                attempts += 1
        return attempts

    assert await alone(process) == 2
    tx.close()
    rx.close()


async def test_a_shielded_anyio_scope_lets_a_process_clean_up() -> None:
    tx, rx = ap.open_channel[str](1)

    async def process(tx: ap.Sender[str]) -> None:
        with anyio.move_on_after(0.001):
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.lowlevel.checkpoint()
                    await tx.send("cleaned up")

    async with ap.ProcessGroup() as group:
        group.spawn(process, tx)
        assert [item async for item in rx] == ["cleaned up"]
    rx.close()


async def test_an_anyio_task_group_inside_a_process_uses_channels() -> None:
    tx, rx = ap.open_channel[int](0)

    received: list[int] = []

    async def process() -> None:
        async with anyio.create_task_group() as tasks:
            for item in range(3):
                tasks.start_soon(tx.send, item)
            received.extend([await rx.receive() for _ in range(3)])

    await alone(process)
    assert received == [0, 1, 2]
    tx.close()
    rx.close()


async def test_a_failure_in_an_anyio_task_group_aborts_the_parked_receive_of_its_process() -> None:
    tx, rx = ap.open_channel[int](0)

    async def fail() -> None:
        raise ValueError

    async def process() -> str:
        with pytest.raises(ExceptionGroup):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(fail)
                await rx.receive()
        await asyncio.sleep(0)
        return "went on"

    assert await alone(process) == "went on"
    tx.close()
    rx.close()


async def test_a_process_can_be_cancelled_while_it_waits_in_an_anyio_scope() -> None:
    async def process() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)

    async with ap.ProcessGroup() as group:
        cancelled = group.spawn(process)
        await settle()
        cancelled.cancel()
    assert cancelled.cancelled()


async def test_an_anyio_timeout_around_a_group_ends_it() -> None:
    processes: list[ap.Process[None]] = []
    with anyio.move_on_after(0.001) as scope:
        async with ap.ProcessGroup() as group:
            processes.append(group.spawn(sleep_for_ever))
    assert scope.cancelled_caught
    assert processes[0].cancelled()


async def test_anyio_runs_a_function_in_a_thread_for_a_process() -> None:
    async def process() -> int:
        return await anyio.to_thread.run_sync(abs, -5)

    assert await alone(process) == 5


async def test_anyio_knows_the_process_as_its_current_task() -> None:
    async def process() -> str | None:
        return anyio.get_current_task().name

    async with ap.ProcessGroup() as group:
        named = group.spawn(process, name="mine")
    assert named.result() == "mine"


async def test_a_client_and_a_server_of_aiohttp_talk_inside_processes() -> None:
    requests_tx, requests_rx = ap.open_channel[str](0)
    ports_tx, ports_rx = ap.open_channel[int](1)
    stop = asyncio.Event()

    async def serve(requests: ap.Sender[str], ports: ap.Sender[int]) -> None:
        async def answer(request: web.Request) -> web.Response:
            await requests.send(request.path)
            return web.Response(text=f"you asked for {request.path}")

        application = web.Application()
        application.router.add_get("/{name}", answer)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        await ports.send(runner.addresses[0][1])
        await stop.wait()
        await runner.cleanup()

    async def ask(ports: ap.Receiver[int]) -> list[str]:
        port = await ports.receive()
        timeout = aiohttp.ClientTimeout(total=20)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            answers = []
            for name in ("a", "b", "c"):
                async with session.get(f"http://127.0.0.1:{port}/{name}") as response:
                    answers.append(await response.text())
        stop.set()
        return answers

    async with ap.ProcessGroup() as group:
        group.spawn(serve, requests_tx, ports_tx)
        client = group.spawn(ask, ports_rx)
        assert [path async for path in requests_rx] == ["/a", "/b", "/c"]
    assert client.result() == ["you asked for /a", "you asked for /b", "you asked for /c"]
    requests_rx.close()


async def test_a_timeout_of_aiohttp_fires_inside_a_process() -> None:
    released = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.close()

    async def ask(port: int) -> str:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.05)) as session:
            with pytest.raises(asyncio.TimeoutError):
                await session.get(f"http://127.0.0.1:{port}/")
        return "went on"

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    assert await alone(ask, server.sockets[0].getsockname()[1]) == "went on"
    released.set()
    server.close()
    await server.wait_closed()
