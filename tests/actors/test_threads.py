"""Actors and other threads: `ref.threadsafe()`. These tests run in real time, on threads that really run."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

import actorpar as ap

from .staff import Busy, Desk, PlainDesk, fails, having

R = TypeVar("R")


async def in_thread(work: Callable[[], R]) -> R:
    """Run it in a thread of its own."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, work)


async def test_ac02_messages_of_one_thread_keep_their_order_asks_included(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, mailbox=4))

        def send(name: str) -> None:
            with handles[name] as thread:
                for number in range(0, 30, 3):
                    thread.send(Desk.note, (name, number))
                    thread.send(Desk.note, item=(name, number + 1))
                    assert thread.ask(Desk.note, (name, number + 2)) == (name, number + 2)

        handles = {name: ref.within(30).threadsafe() for name in "abc"}
        await asyncio.gather(*[in_thread(functools.partial(send, name)) for name in handles])
        notes = await ref.ask(Desk.look)
        for name in handles:
            assert [number for who, number in notes if who == name] == list(range(30))


async def test_ac02_an_ask_of_a_thread_does_not_overtake_what_waits_for_room(desk: type[Desk]) -> None:
    """The mailbox is full, so what the thread sent waits outside; its ask must come behind that."""
    async with ap.ActorSystem() as system:
        ref = await system.spawn(having(desk, mailbox=2))
        thread = ref.within(30).threadsafe()
        asked = threading.Event()

        def send() -> Any:
            for number in range(6):
                thread.send(Desk.note, number)
            asked.set()
            return thread.ask(Desk.look)

        busy = Busy(ref)
        await busy.__aenter__()
        sending = asyncio.ensure_future(in_thread(send))
        await in_thread(asked.wait)
        await busy.__aexit__()
        assert await sending == list(range(6))
        thread.close()


async def test_ac13_a_thread_that_asks_gets_what_any_asker_gets(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref: Any = await system.spawn(desk)

        def ask() -> None:
            with handle as thread:
                assert thread.ask(Desk.note, 1) == 1
                with pytest.raises(ap.Reject):
                    thread.ask(Desk.do, reject)
                with pytest.raises(ap.UnhandledMessage):
                    thread.ask(print)
                with pytest.raises(ap.BadArguments):
                    thread.ask(Desk.note, 1, 2, 3)
                with pytest.raises(ap.BadArguments):
                    thread.send(Desk.note)
                with pytest.raises(ap.UnhandledMessage):
                    thread.send(print, 1)
                with pytest.raises(ap.HandlerFailed):
                    thread.ask(Desk.do, lambda _: 1 / 0)
                with pytest.raises(ap.ActorDead):
                    thread.ask(Desk.note, 1)

        def reject(actor: Desk) -> None:
            raise ap.Reject("no")

        handle = ref.threadsafe()
        await in_thread(ask)


async def test_ac14_the_deadline_of_a_thread_is_that_of_the_reference(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        with ref.within(0.01).threadsafe() as thread:
            async with Busy(ref):
                with pytest.raises(ap.AskTimeout):
                    await in_thread(lambda: thread.ask(Desk.note, 1))
            assert await ref.ask(Desk.look) == []


async def test_ac16_a_thread_that_asks_learns_of_the_death_of_the_asked(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        with ref.within(None).threadsafe() as thread:
            async with Busy(ref):
                asking = asyncio.ensure_future(in_thread(lambda: thread.ask(Desk.note, 1)))
                while not len(ref):  # type: ignore[arg-type]  # noqa: ASYNC110
                    await asyncio.sleep(0)
                system.kill(ref)
                await fails(ap.ActorDead, asking)

            def send_until_it_is_refused() -> None:
                for _ in range(1_000_000):
                    thread.send(Desk.note, 1)

            dead = await fails(ap.ActorDead, in_thread(send_until_it_is_refused))
            assert dead.reason == ap.KILLED


async def test_ac17_a_thread_safe_reference_is_refused_on_the_loop_of_its_actor(desk: type[Desk]) -> None:
    async with ap.ActorSystem() as system:
        ref = await system.spawn(desk)
        with ref.threadsafe() as thread:
            with pytest.raises(ap.WrongLoop):
                thread.ask(Desk.note, 1)
        with pytest.raises(ap.ActorparError):
            thread.send(Desk.note, 1)


async def test_ac01_a_blocking_handler_may_send_and_ask_others_and_its_own_actor_later() -> None:
    class Cruncher(ap.Actor):
        def __init__(self, other: ap.ActorRef[Desk]) -> None:
            self.other = other.within(10).threadsafe()
            self.me = self.ctx.ref.threadsafe()
            self.notes: list[Any] = []

        @ap.blocking
        def crunch(self, number: int) -> Any:
            self.me.send(Cruncher.note, number)
            return self.other.ask(Desk.note, number)

        def note(self, number: int) -> None:
            self.notes.append(number)

        def look(self) -> list[Any]:
            return self.notes

        def on_stop(self, reason: ap.Reason) -> None:
            self.other.close()
            self.me.close()

    async with ap.ActorSystem() as system:
        ref = await system.spawn(Cruncher, await system.spawn(PlainDesk))
        assert [await ref.ask(Cruncher.crunch, number) for number in range(5)] == list(range(5))
        while len(await ref.ask(Cruncher.look)) < 5:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert await ref.ask(Cruncher.look) == list(range(5))


async def test_ac06_a_flood_from_threads_is_held_back_and_none_is_lost() -> None:
    all_there = asyncio.Event()

    class Counts(PlainDesk, mailbox=8):
        def note(self, item: Any) -> Any:
            self.notes.append(item)
            if len(self.notes) == 2000:
                all_there.set()

    async with ap.ActorSystem() as system:
        ref = await system.spawn(Counts)
        handles = [ref.threadsafe() for _ in range(4)]

        def flood(thread: Any) -> None:
            with thread:
                for number in range(500):
                    thread.send(Desk.note, number)

        await asyncio.gather(*[in_thread(functools.partial(flood, handle)) for handle in handles])
        await all_there.wait()
        assert system.counters.dead_letters == {}
