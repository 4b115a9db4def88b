"""What processes of a test's own do with the ends and references that they are given. Each is run as a process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import actorpar as ap


def run(main: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
    """Run a coroutine function with what the process was given."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await main(*args)

    ap.run(bounded)


@dataclass
class Point:
    x: int
    y: int


@dataclass
class Errand:
    """Ends that are not arguments themselves, but inside of one."""

    ends: dict[str, list[Any]]


async def square(numbers: ap.Receiver[int], squares: ap.Sender[int]) -> None:
    async with numbers, squares:
        async for number in numbers:
            await squares.send(number * number)


async def square_nested(errand: Errand) -> None:
    (numbers,), (squares,) = errand.ends["in"], errand.ends["out"]
    await square(numbers, squares)


async def mirror(points: ap.Receiver[Point], mirrored: ap.Sender[Point]) -> None:
    async with points, mirrored:
        async for point in points:
            assert isinstance(point, Point)
            await mirrored.send(Point(point.y, point.x))


async def send_and_leave(out: ap.Sender[bytes], count: int, size: int) -> None:
    """End at once after the last send; no turn of the loop comes in between if nothing has to wait."""
    for number in range(count):
        await out.send(number.to_bytes(size, "little"))
    out.close()


async def fetch_ahead(numbers: ap.Receiver[int], out: ap.Sender[int]) -> None:
    numbers.prefetch(100)
    await square(numbers, out)


async def merge(a: ap.Receiver[str], b: ap.Receiver[str], out: ap.Sender[str]) -> None:
    """Select over two ends of the other process, a channel of this one and a timer."""
    own_tx, own_rx = ap.open_channel[str](1)
    await own_tx.send("own")
    guards = [ap.receive_from(a), ap.receive_from(b), ap.receive_from(own_rx)]
    async with a, b, out, own_tx, own_rx:
        for _ in range(3):
            index, value = await ap.select(*guards)
            await out.send(f"{index} {value}")
        index, _ = await ap.select(*guards, ap.receive_from(ap.after(0.01)))
        await out.send(f"{index} timer")


async def send_and_hang(out: ap.Sender[Any], numbers: ap.Receiver[Any] | None = None) -> None:
    await out.send(os.getpid())
    if numbers is not None:
        numbers.prefetch(1)
    await asyncio.Event().wait()


async def fail(out: ap.Sender[int]) -> None:
    await out.send(1)
    raise SystemExit(3)


async def stop_parent(numbers: ap.Receiver[int], tell: Any) -> None:
    """Kill the process that has started this one, and tell what becomes of the end."""
    await numbers.receive()
    os.kill(os.getppid(), signal.SIGKILL)
    await tell_end(numbers, tell)


async def tell_end(numbers: ap.Receiver[int], tell: Any) -> None:
    """Receive to the end, and tell how that came."""
    async with numbers:
        try:
            while True:
                await numbers.receive()
        except ap.ChannelError as error:
            tell.send(f"{type(error).__name__}: {type(error.__cause__).__name__}")


async def acknowledge(numbers: ap.Receiver[int], out: ap.Sender[int], tell: Any) -> None:
    """Send the first number back, then tell how the channel ends."""
    await out.send(await numbers.receive())
    await tell_end(numbers, tell)


def close_without_a_loop(out: ap.Sender[int], kept: ap.Sender[int]) -> None:
    """The first end is closed before any loop runs, the other is used in one."""
    out.close()
    run(send_one, kept)


async def send_one(out: ap.Sender[int]) -> None:
    async with out:
        await out.send(1)


def touch_nothing(*_: Any) -> None:
    """Ends are given, and never used."""


def touch_after_fork(told: Any, touch: Callable[[], Any]) -> None:
    """In a process that was forked: what becomes of who uses what the parent had."""

    async def main() -> None:
        result = touch()
        if isinstance(result, Coroutine):
            await result

    try:
        asyncio.run(main())
    except BaseException as error:
        told.send(type(error).__name__)
    else:
        told.send("nothing")


class Counter(ap.Actor):
    """An actor of the parent."""

    def __init__(self) -> None:
        self.total = 0

    async def add(self, number: int) -> int:
        self.total += number
        return self.total


async def count(counter: ap.ActorRef[Counter], out: ap.Sender[int]) -> None:
    async with ap.ActorSystem(), out:
        counter.tell(Counter.add, 1)
        await out.send(await counter.ask(Counter.add, 10))


async def tell_and_leave(counter: ap.ActorRef[Counter]) -> None:
    async with ap.ActorSystem():
        for _ in range(100):
            assert counter.tell(Counter.add, 1)


async def ask_without_a_system(counter: ap.ActorRef[Counter], out: ap.Sender[str]) -> None:
    async with out:
        try:
            await counter.ask(Counter.add, 1)
        except ap.ActorError as error:
            await out.send(str(error))


async def await_end(counter: ap.ActorRef[Counter], out: ap.Sender[str]) -> None:
    async with ap.ActorSystem() as system:
        watcher = await system.spawn(Watcher, counter, out.clone())
        await out.send("watching")
        out.close()
        await system.ended(watcher)


class Watcher(ap.Actor):
    """Waits for the end of another actor, and tells."""

    def __init__(self, other: ap.ActorRef[Counter], out: ap.Sender[str]) -> None:
        self.other = other
        self.out = out

    def on_start(self) -> None:
        self.ctx.monitor(self.other)

    async def on_down(self, down: ap.Down) -> None:
        await self.out.send(down.reason.kind)
        self.ctx.stop()
