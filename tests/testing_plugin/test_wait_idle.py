"""`wait_idle`: it returns when nothing in the system is about to run, and not before."""

from __future__ import annotations

import asyncio
import re
import threading

import pytest
import uvloop

import actorpar as ap
from actorpar.testing import run_virtual, wait_idle


class Link(ap.Actor):
    """Hands a number on, one less, until it is 0: in three ways."""

    def __init__(self, other: ap.ActorRef[Link] | None) -> None:
        self.other = other or self.ctx.ref
        self.zeros = 0

    def down(self, n: int) -> None:
        if n:
            self.other.tell(Link.down, n - 1)
        else:
            self.zeros += 1

    async def down_by_ask(self, n: int) -> None:
        if n:
            await self.other.ask(Link.down_by_ask, n - 1)
            await asyncio.sleep(0)
        self.zeros += 1

    def seen(self) -> int:
        return self.zeros

    def for_ever(self) -> None:
        self.ctx.ref.tell(Link.for_ever)


class Worker(ap.Actor):
    def __init__(self, gate: threading.Event) -> None:
        self.gate = gate
        self.done = 0

    @ap.blocking
    def work(self) -> None:
        assert self.gate.wait(10)
        self.done += 1

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.done += 1

    async def receive(self, rx: ap.Receiver[int]) -> None:
        with rx:
            self.done += await rx.receive()

    def seen(self) -> int:
        return self.done


async def test_what_was_told_has_been_handled_and_what_that_told(actor_system: ap.ActorSystem) -> None:
    last = await actor_system.spawn(Link, None)
    first = await actor_system.spawn(Link, last)
    first.tell(Link.down, 1000)
    await wait_idle(actor_system)
    assert await last.ask(Link.seen) == 1


async def test_asks_on_their_way_are_waited_for(actor_system: ap.ActorSystem) -> None:
    chain = await actor_system.spawn(Link, None)
    for _ in range(30):
        chain = await actor_system.spawn(Link, chain)
    chain.tell(Link.down_by_ask, 30)
    await wait_idle(actor_system)
    assert await chain.ask(Link.seen) == 1


async def test_an_actor_that_is_woken_through_a_channel_is_waited_for(actor_system: ap.ActorSystem) -> None:
    tx, rx = ap.open_channel[int](0)
    worker = await actor_system.spawn(Worker, threading.Event())
    worker.tell(Worker.receive, rx)
    await wait_idle(actor_system)  # it waits for somebody outside, which is idle
    with tx:
        await tx.send(5)
    await wait_idle(actor_system)
    assert await worker.ask(Worker.seen) == 5


async def test_a_blocking_handler_is_waited_for(actor_system: ap.ActorSystem) -> None:
    gate = threading.Event()
    worker = await actor_system.spawn(Worker, gate)
    worker.tell(Worker.work)
    asyncio.get_running_loop().call_later(0.02, gate.set)
    await wait_idle(actor_system)
    assert await worker.ask(Worker.seen) == 1


async def test_a_thread_that_does_not_end_is_named(actor_system: ap.ActorSystem) -> None:
    gate = threading.Event()
    worker = await actor_system.spawn(Worker, gate, name="stuck")
    worker.tell(Worker.work)
    with pytest.raises(TimeoutError, match="stuck runs a blocking handler in a thread"):
        await wait_idle(actor_system, timeout=0.02)
    gate.set()


async def test_who_is_never_idle_is_named(actor_system: ap.ActorSystem) -> None:
    busy = await actor_system.spawn(Link, None, name="busy")
    busy.tell(Link.for_ever)
    with pytest.raises(TimeoutError, match=re.escape("is not idle after 0.02 s: busy has 1 messages waiting")):
        await wait_idle(actor_system, timeout=0.02)
    await actor_system.stop(busy)


@pytest.mark.virtual_time
async def test_a_timer_is_not_waited_for_and_the_clock_stands_still(actor_system: ap.ActorSystem) -> None:
    loop = asyncio.get_running_loop()
    worker = await actor_system.spawn(Worker, threading.Event())
    worker.tell(Worker.sleep, 3600)
    worker.tell(Worker.sleep, 1)
    before = loop.time()
    await wait_idle(actor_system)
    assert loop.time() == before
    await asyncio.sleep(3602)
    assert await worker.ask(Worker.seen) == 2


@pytest.mark.may_block  # no time passes meanwhile that could end a turn of the run queue
@pytest.mark.virtual_time
async def test_who_is_never_idle_is_named_in_virtual_time_too(actor_system: ap.ActorSystem) -> None:
    busy = await actor_system.spawn(Link, None, name="busy")
    busy.tell(Link.for_ever)
    with pytest.raises(TimeoutError, match="busy has 1 messages waiting"):
        await wait_idle(actor_system, timeout=0.02)
    await actor_system.stop(busy)


async def test_a_suspended_actor_is_idle_and_keeps_its_messages(actor_system: ap.ActorSystem) -> None:
    link = await actor_system.spawn(Link, None)
    actor_system.suspend(link)
    link.tell(Link.down, 0)
    await wait_idle(actor_system)
    actor_system.resume(link)
    await wait_idle(actor_system)
    assert await link.ask(Link.seen) == 1


def test_a_process_may_wait_for_the_others() -> None:
    async def look(system: ap.ActorSystem, last: ap.ActorRef[Link]) -> int:
        await wait_idle(system)
        return await last.ask(Link.seen)

    async def main() -> int:
        async with ap.ActorSystem() as system:
            last = await system.spawn(Link, None)
            (await system.spawn(Link, last)).tell(Link.down, 500)
            return await (await system.spawn(look, system, last))

    assert run_virtual(main) == 1


def test_on_uvloop_which_does_not_tell_what_is_ready() -> None:
    async def main() -> int:
        async with ap.ActorSystem() as system:
            last = await system.spawn(Link, None)
            (await system.spawn(Link, last)).tell(Link.down, 10_000)
            await wait_idle(system)
            return await last.ask(Link.seen)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == 1
