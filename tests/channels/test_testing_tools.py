"""The tools of actorpar.testing themselves: checks that bite, virtual time, and the watchers of the suite."""

from __future__ import annotations

import asyncio
import gc
import math
import time
import weakref
from typing import Any

import pytest

import actorpar as ap
from actorpar.testing import (
    CHANNEL_CHECKS,
    SELECT_CHECKS,
    VirtualClock,
    check_channel,
    check_select,
    detect_blocking,
    live_processes,
    run_virtual,
)


def plain(capacity: float) -> tuple[ap.Sender[Any], ap.Receiver[Any]]:
    return ap.open_channel[Any](capacity)


@pytest.mark.virtual_time
async def test_a_channel_with_one_place_too_few_fails_the_kit_by_name() -> None:
    def short(capacity: float) -> tuple[ap.Sender[Any], ap.Receiver[Any]]:
        return ap.open_channel[Any](capacity - 1 if 1 < capacity < math.inf else capacity)

    with pytest.raises((AssertionError, TimeoutError)) as failure:
        await check_channel(short, patience=0)
    assert any("called from processes" in note for note in failure.value.__notes__)


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("make_pair", "check"),
    [
        (lambda _: plain(math.inf), "a_send_waits_while_the_channel_is_full"),
        (lambda _: plain(1), "a_rendezvous_send_returns_only_when_its_item_was_taken"),
        (lambda n: ap.open_channel[Any](max(n, 1), overflow="drop_old"), "a_send_waits_while_the_channel_is_full"),
        (lambda n: ap.open_channel[Any](2, overflow="drop_old"), "items_leave_in_the_order_in_which_they_came"),
        (lambda n: ap.open_channel[Any](1, overflow="drop_new"), "order_holds_under_back_pressure"),
    ],
)
async def test_a_channel_that_is_another_fails_the_check(make_pair: Any, check: str) -> None:
    with pytest.raises((AssertionError, TimeoutError)):
        async with asyncio.timeout(1):
            await CHANNEL_CHECKS[check].run(make_pair, patience=0.002)


async def test_a_backing_may_lack_what_it_names() -> None:
    def bounded_only(capacity: float) -> tuple[ap.Sender[Any], ap.Receiver[Any]]:
        assert 1 <= capacity < math.inf
        return plain(capacity)

    lacks = ("rendezvous", "unbounded")
    await check_channel(bounded_only, lacks=lacks, patience=0)
    await check_select(bounded_only, lacks=lacks, patience=0)


def test_every_check_cites_a_rule() -> None:
    checks = [*CHANNEL_CHECKS.values(), *SELECT_CHECKS.values()]
    assert all(1 <= int(check.rule.removeprefix("CH-")) <= 63 for check in checks)
    assert len(checks) >= 45


# -- virtual time


def test_virtual_time_takes_no_time_and_is_exact() -> None:
    async def main() -> tuple[float, float]:
        start = asyncio.get_running_loop().time()
        await asyncio.sleep(3600)
        await asyncio.sleep(0.5)
        return start, asyncio.get_running_loop().time()

    began = time.perf_counter()
    assert run_virtual(main) == (0, 3600.5)
    assert time.perf_counter() - began < 1


def test_virtual_timers_ring_in_order() -> None:
    async def main() -> list[float]:
        rung: list[float] = []

        async def ring(seconds: float) -> None:
            await asyncio.sleep(seconds)
            rung.append(seconds)

        await asyncio.gather(*(ring(seconds) for seconds in (3, 1, 2, 1e6, 0)))
        return rung

    assert run_virtual(main) == [0, 1, 2, 3, 1e6]


def test_a_program_that_would_wait_for_ever_is_a_deadlock_that_names_who_waits() -> None:
    async def forever(rx: ap.Receiver[int]) -> None:
        await rx.receive()

    async def main() -> None:
        tx, rx = ap.open_channel[int](1, name="orders")
        with tx:
            async with ap.ProcessGroup() as group:
                group.spawn(forever, rx, name="clerk")

    with pytest.raises(ap.Deadlock, match="clerk waits to receive from orders"):
        run_virtual(main)


def test_a_deadlock_names_tasks_that_wait_for_something_else() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(ap.Deadlock, match=r"Task-\d+ waits at .*test_testing_tools"):
        run_virtual(main)


def test_the_seam_shows_virtual_time_only_while_the_loop_runs() -> None:
    from actorpar.channels import env

    async def main() -> float:
        await asyncio.sleep(7)
        return env.clock()

    real = env.clock
    assert run_virtual(main) == 7
    assert env.clock is real


async def test_sockets_work_on_a_virtual_clock() -> None:
    async def main() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(4))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            writer.write(b"ping")
            answered = await reader.readexactly(4)
            writer.close()
            await writer.wait_closed()
            return answered

    assert await asyncio.to_thread(run_virtual, main) == b"ping"


def test_a_virtual_clock_can_be_advanced_by_hand() -> None:
    loop = VirtualClock()
    loop.advance(5)
    assert loop.time() == 5
    loop.close()


# -- what the suite watches for


def test_threads_have_all_the_real_time_they_need_at_the_end_of_virtual_time() -> None:
    done: list[bool] = []

    def work() -> None:
        time.sleep(0.05)
        done.append(True)

    async def main() -> None:
        asyncio.get_running_loop().run_in_executor(None, work)

    run_virtual(main)  # from Python 3.12 on, runners give threads 300 s
    assert done == [True]


def test_a_callback_that_blocks_the_loop_is_told() -> None:
    async def block() -> None:
        time.sleep(0.02)  # noqa: ASYNC251  # on purpose

    with detect_blocking(0.01) as blocked:
        asyncio.run(block())
    assert len(blocked) == 1
    assert "blocked the event loop for 0.0" in str(blocked[0])


def test_a_loop_that_is_not_blocked_is_not_told() -> None:
    async def idle() -> None:
        await asyncio.sleep(0.02)

    with detect_blocking(0.015) as blocked:
        asyncio.run(idle())
    assert blocked == []


def test_watching_a_loop_keeps_no_task_alive() -> None:
    class Item:
        pass

    async def wait(item: Item) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        item = Item()
        known = weakref.ref(item)
        task = asyncio.create_task(wait(item))
        del item
        await asyncio.sleep(0)
        task.cancel()
        del task
        await asyncio.sleep(0.01)
        assert known() is None

    gc.disable()
    try:
        with detect_blocking(1):
            asyncio.run(main())
    finally:
        gc.enable()


async def test_processes_that_live_are_listed_until_they_end() -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    async with ap.ProcessGroup() as group:
        group.spawn(wait, name="b")
        group.spawn(wait, name="a")
        assert [process.get_name() for process in live_processes()] == ["a", "b"]
        group.cancel()
    assert live_processes() == []
