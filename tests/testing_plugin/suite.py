"""A suite of somebody who uses the plugin. test_plugin.py runs it, in both modes of pytest-asyncio.

Tests named `test_leaves_…` leave something behind, and must be told so; all others must pass or fail as they say.
"""

from __future__ import annotations

import asyncio
import socket

import pytest

import actorpar as ap
from actorpar.testing import wait_idle

pytestmark = pytest.mark.asyncio


class Counter(ap.Actor):
    def __init__(self) -> None:
        self.count = 0

    def add(self, n: int) -> int:
        self.count += n
        return self.count

    async def stay(self) -> None:
        await asyncio.get_running_loop().create_future()


async def consume(rx: ap.Receiver[int]) -> int:
    return sum([item async for item in rx])


#: What keeps things alive that nobody ends.
kept: list[object] = []

# -- actor_system


async def test_a_system_runs_and_its_actors_are_stopped(actor_system: ap.ActorSystem) -> None:
    ref = await actor_system.spawn(Counter)
    assert await ref.ask(Counter.add, 2) == 2


async def test_a_process_that_can_end_is_waited_for(actor_system: ap.ActorSystem) -> None:
    tx, rx = ap.open_channel[int](8)
    await actor_system.spawn(consume, rx)
    await tx.send(1)
    tx.close()


@pytest.mark.parametrize("debug", [False, True])
async def test_a_kill_leaves_nothing(actor_system: ap.ActorSystem, debug: bool) -> None:
    asyncio.get_running_loop().set_debug(debug)
    ref = await actor_system.spawn(Counter)
    ref.tell(Counter.stay)
    await wait_idle(actor_system)
    actor_system.kill(ref)
    await actor_system.ended(ref)


async def test_leaves_a_process_that_nobody_wakes(actor_system: ap.ActorSystem) -> None:
    tx, rx = ap.open_channel[int](8, name="numbers")
    await actor_system.spawn(consume, rx, name="consumer")
    kept.append(tx)


@pytest.mark.virtual_time
async def test_leaves_an_actor_that_does_not_stop(actor_system: ap.ActorSystem) -> None:
    ref = await actor_system.spawn(Counter, name="stayer")
    ref.tell(Counter.stay)


async def fail() -> None:
    raise ValueError("nobody awaits this")


async def test_leaves_the_failure_of_a_process(actor_system: ap.ActorSystem) -> None:
    await actor_system.spawn(fail)


# -- leak_check


async def test_nothing_is_left(leak_check: None) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(Counter)
        with ref.threadsafe() as handle:
            await asyncio.get_running_loop().run_in_executor(None, lambda: handle.send(Counter.add, 1))
        assert await ref.ask(Counter.add, 1) == 2
    asyncio.get_running_loop().call_later(60, print).cancel()
    asyncio.ensure_future(asyncio.sleep(60)).cancel()
    a, b = socket.socketpair()
    a.close()
    b.close()


async def test_leaves_a_system_that_was_not_left(leak_check: None) -> None:
    system = await ap.ActorSystem("forgotten").__aenter__()
    kept.append(await system.spawn(Counter, name="counter"))


async def test_leaves_a_task(leak_check: None) -> None:
    kept.append(asyncio.create_task(asyncio.sleep(3600), name="sleeper"))


async def test_leaves_a_timer(leak_check: None) -> None:
    asyncio.get_running_loop().call_later(3600, print, "late")


async def test_leaves_a_thread_safe_handle(leak_check: None) -> None:
    tx, rx = ap.open_channel[int](1, name="numbers")
    kept.append((tx, rx, tx.threadsafe()))


async def test_leaves_a_socket(leak_check: None) -> None:
    kept.append(socket.socketpair())


@pytest.mark.may_leak
async def test_may_leak(leak_check: None) -> None:
    kept.append(asyncio.create_task(asyncio.sleep(3600)))


async def test_fails_and_leaves_a_task_that_is_no_news(leak_check: None) -> None:
    kept.append(asyncio.create_task(asyncio.sleep(3600)))
    raise AssertionError("the failure of the test")


# -- virtual time


@pytest.mark.virtual_time
async def test_an_hour_takes_no_time() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(3600)
    assert loop.time() == 3600


async def test_the_clock_can_be_moved(virtual_clock: asyncio.AbstractEventLoop) -> None:
    before = virtual_clock.time()
    virtual_clock.advance(60)  # type: ignore[attr-defined]
    assert virtual_clock.time() == before + 60


async def test_other_tests_run_in_real_time() -> None:
    assert type(asyncio.get_running_loop()).__name__ != "VirtualClock"


@pytest.mark.virtual_time
@pytest.mark.parametrize("seconds", [1, 2])
class TestInAClass:
    async def test_virtual_time_reaches_parametrized_methods(self, seconds: int, actor_system: ap.ActorSystem) -> None:
        start = asyncio.get_running_loop().time()
        await asyncio.sleep(seconds)
        assert asyncio.get_running_loop().time() == start + seconds


@pytest.mark.virtual_time
async def test_fails_where_it_would_wait_for_ever() -> None:
    _, rx = ap.open_channel[int](1, name="nothing")
    await rx.receive()
