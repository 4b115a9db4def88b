"""The actors of these tests. What they do is handed to them in the message, so that one test is read in one place."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar, TypeVar

import pytest

import actorpar as ap
from tests.processes.running import settle

R = TypeVar("R")
D = TypeVar("D", bound="Desk")


class Desk(ap.Actor):
    """Does what it is told to do; `notes` is what it is told to remember."""

    style: ClassVar[str] = ""

    def __init__(self, notes: list[Any] | None = None) -> None:
        self.notes: list[Any] = [] if notes is None else notes

    def do(self, work: Callable[[Any], Any]) -> Any:
        """Call a plain function with the actor, and answer what it returns."""
        raise NotImplementedError

    def note(self, item: Any) -> Any:
        """Remember the item, and answer it."""
        raise NotImplementedError

    async def run(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """Await an async function of the actor, and answer what it returns."""
        return await work(self)

    def look(self) -> list[Any]:
        """What was remembered, in order."""
        return self.notes.copy()


class PlainDesk(Desk):
    """Its handlers are plain functions."""

    style = "def"

    def do(self, work: Callable[[Any], Any]) -> Any:
        return work(self)

    def note(self, item: Any) -> Any:
        self.notes.append(item)
        return item


class AsyncDesk(Desk):
    """Its handlers are coroutines that end at their first step."""

    style = "async"

    async def do(self, work: Callable[[Any], Any]) -> Any:
        return work(self)

    async def note(self, item: Any) -> Any:
        self.notes.append(item)
        return item


class SlowDesk(Desk):
    """Its handlers suspend before and after they do something."""

    style = "suspends"

    async def do(self, work: Callable[[Any], Any]) -> Any:
        await asyncio.sleep(0)
        result = work(self)
        await asyncio.sleep(0)
        return result

    async def note(self, item: Any) -> Any:
        await asyncio.sleep(0)
        self.notes.append(item)
        await asyncio.sleep(0)
        return item


DESKS: tuple[type[Desk], ...] = (PlainDesk, AsyncDesk, SlowDesk)


def having(cls: type[D], **options: Any) -> type[D]:
    """The same class with options in its class statement, or with methods and hooks of its own."""
    settings: dict[str, Any] = {
        name: options.pop(name) for name in ("mailbox", "reentrant", "stash") if name in options
    }
    made: type[D] = types.new_class(cls.__name__, (cls,), settings, lambda members: members.update(options))
    return made


class Watcher(Desk):
    """Notes every Down."""

    style = "def"

    def do(self, work: Callable[[Any], Any]) -> Any:
        return work(self)

    def note(self, item: Any) -> Any:
        self.notes.append(item)
        return item

    def on_down(self, down: ap.Down) -> Any:
        self.notes.append(down)


class Trapper(Watcher):
    """Notes every Exit of its links as well, and lives on."""

    def on_exit(self, exit: ap.Exit) -> None:
        self.notes.append(exit)


def first_step(coroutine: Coroutine[Any, Any, R]) -> tuple[bool, R | None]:
    """Run a coroutine to its first suspension: (True, what it returned), or (False, None) and it is closed."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return True, stop.value
    coroutine.close()
    return False, None


class Busy:
    """Keeps an actor busy with one message until it is let go: `async with Busy(ref): …`."""

    def __init__(self, ref: ap.ActorRef[Any]) -> None:
        self.ref = ref
        self.gate = asyncio.Event()

    async def __aenter__(self) -> Busy:
        started = asyncio.Event()

        async def wait(desk: Desk) -> None:
            started.set()
            await self.gate.wait()

        assert self.ref.tell(Desk.run, wait)
        await started.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gate.set()
        await settle()


def refuses(kind: type[BaseException], call: Callable[..., Any], /, *args: Any) -> bool:
    """Call something that raises `kind`; True, for it did."""
    with pytest.raises(kind):
        call(*args)
    return True


async def fails(kind: type[BaseException], awaitable: Awaitable[Any]) -> Any:
    """Await something that raises `kind`, and return what it raised."""
    try:
        value = await awaitable
    except kind as failure:
        return failure
    raise AssertionError(f"returned {value!r} instead of raising {kind.__name__}")


async def swallow() -> None:
    """Swallow every cancellation for an hour of virtual time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + 3600
    while loop.time() < end:
        try:
            await asyncio.sleep(end - loop.time())
        except asyncio.CancelledError:
            pass


async def from_task(system: ap.ActorSystem, work: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """Run it as an ordinary task."""
    return await asyncio.create_task(work())


async def from_process(system: ap.ActorSystem, work: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """Run it as a process."""
    return await (await system.spawn(work))


async def from_actor(system: ap.ActorSystem, work: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """Run it in a handler of an actor."""

    async def call(desk: Desk) -> R:
        return await work()

    caller = await system.spawn(PlainDesk)
    try:
        return await caller.within(None).ask(Desk.run, call)
    except ap.HandlerFailed as failed:
        raise failed.__cause__ or failed from None


CALLERS = (from_task, from_process, from_actor)
