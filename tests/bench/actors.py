"""Actors, one operation at a time: a tell, an ask, a spawn, a restart. The programs are in savina.py.

Whoever tells or asks is the main task, an ordinary one, for every contestant.
"""

import asyncio
import logging
from typing import Any

import actorpar as ap

from .cases import Body, Case, Group, on_asyncio, peer
from .measure import Sample, Stopwatch, expect

BURST = 250  # tells between two turns of the loop, in which they are handled

TASK_AND_QUEUE = "task + asyncio.Queue"


def lazily(module: str, function: str, *arguments: Any) -> Body:
    """A body from a module of this package that is imported when it runs: it may need a peer that is not installed."""

    async def body(items: int) -> Sample:
        sample: Sample = await getattr(peer(f"{__package__}.{module}"), function)(items, *arguments)
        return sample

    return body


def by_hand(function: str, module: str = "queue_actors", *arguments: Any) -> Case:
    """A task and a queue for each actor."""
    return Case(TASK_AND_QUEUE, on_asyncio(lazily(module, function, *arguments)))


def pykka(function: str, *arguments: Any, note: str = "") -> Case:
    return Case("pykka" + note, on_asyncio(lazily("pykka_actors", function, *arguments)), ("pykka",))


def xoscar(function: str, *arguments: Any, note: str = "") -> Case:
    return Case("xoscar" + note, on_asyncio(lazily("xoscar_actors", function, *arguments)), ("xoscar",))


class Counter(ap.Actor):
    """Counts what it is told."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, n: int) -> int:
        self.count += n
        return self.count

    async def add_async(self, n: int) -> int:
        self.count += n
        return self.count


# -- tell


def _tell(name: str, method: Any, **options: Any) -> Case:
    async def body(items: int) -> Sample:
        async with ap.ActorSystem("bench", **options) as system:
            counter = await system.spawn(Counter)
            tell = counter.tell
            with Stopwatch() as watch:
                for first in range(0, items, BURST):
                    for _ in range(min(BURST, items - first)):
                        tell(method, 1)
                    await asyncio.sleep(0)
                total = await counter.ask(Counter.add, 0)
        expect("messages", total, items)
        return watch.sample(items)

    return Case(name, on_asyncio(body))


async def _teller(items: int) -> Sample:
    async with ap.ActorSystem("bench") as system:
        counter = await system.spawn(Counter)
        add = counter.teller(Counter.add)
        with Stopwatch() as watch:
            for first in range(0, items, BURST):
                for _ in range(min(BURST, items - first)):
                    add(1)
                await asyncio.sleep(0)
            total = await counter.ask(Counter.add, 0)
    expect("messages", total, items)
    return watch.sample(items)


async def _send(items: int) -> Sample:
    async with ap.ActorSystem("bench") as system:
        counter = await system.spawn(Counter)
        send = counter.send
        with Stopwatch() as watch:
            for _ in range(items):
                await send(Counter.add, 1)
            total = await counter.ask(Counter.add, 0)
    expect("messages", total, items)
    return watch.sample(items)


async def _tell_each(items: int) -> Sample:
    async with ap.ActorSystem("bench") as system:
        refs = [await system.spawn(Counter) for _ in range(items)]
        with Stopwatch() as watch:
            for ref in refs:
                ref.tell(Counter.add, 1)
            await refs[-1].ask(Counter.add, 0)  # it is the last to have its turn
        expect("messages", sum([await ref.ask(Counter.add, 0) for ref in refs]), items)
    return watch.sample(items)


# -- ask


def _ask(name: str, method: Any) -> Case:
    async def body(items: int) -> Sample:
        async with ap.ActorSystem("bench") as system:
            counter = await system.spawn(Counter)
            ask, last = counter.ask, 0
            with Stopwatch() as watch:
                for _ in range(items):
                    last = await ask(method, 1)
        expect("last answer", last, items)
        return watch.sample(items)

    return Case(name, on_asyncio(body))


class Asker(ap.Actor):
    """Asks on behalf of the bench."""

    async def ask_often(self, counter: ap.ActorRef[Counter], items: int) -> int:
        ask, last = counter.ask, 0
        for _ in range(items):
            last = await ask(Counter.add, 1)
        return last


async def _ask_from_an_actor(items: int) -> Sample:
    async with ap.ActorSystem("bench") as system:
        asker, counter = await system.spawn(Asker), await system.spawn(Counter)
        with Stopwatch() as watch:
            last = await asker.within(None).ask(Asker.ask_often, counter, items)
    expect("last answer", last, items)
    return watch.sample(items)


# -- lives


async def _spawn(items: int) -> Sample:
    async with ap.ActorSystem("bench") as system:
        with Stopwatch() as watch:
            refs = [await system.spawn(Counter) for _ in range(items)]
        expect("actors", sum(ref.is_alive() for ref in refs), items)
    return watch.sample(items)


class Fuse:
    """How often an actor has still to fail, and who waits for that."""

    def __init__(self, length: int) -> None:
        self.left = length
        self.burnt: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Phoenix(ap.Actor):
    """Fails as soon as it has started, while there is a piece of the fuse left."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse

    def on_start(self) -> None:
        if self.fuse.left:
            self.fuse.left -= 1
            self.ctx.ref.tell(Phoenix.fail)
        else:
            self.fuse.burnt.set_result(None)

    def fail(self) -> None:
        raise RuntimeError("fails, to be started again")


async def _restart(items: int) -> Sample:
    """Crash reports are made, and thrown away."""
    log = logging.getLogger("actorpar")
    log.addHandler(nowhere := logging.NullHandler())
    log.propagate = False
    try:
        async with ap.ActorSystem("bench") as system:
            fuse = Fuse(items)
            child = ap.child(Phoenix, fuse, id="phoenix")
            with Stopwatch() as watch:
                await system.spawn(ap.Supervisor, ap.one_for_one(child, intensity=items, period=3600.0))
                async with asyncio.timeout(30):
                    await fuse.burnt
        expect("pieces of the fuse that are left", fuse.left, 0)
        return watch.sample(items)
    finally:
        log.propagate = True
        log.removeHandler(nowhere)


def groups() -> list[Group]:
    return [
        Group(
            "tell",
            f"one actor is told to add 1, {BURST} times in each turn of the loop, and has added all of it",
            200_000,
            (
                by_hand("tell"),
                _tell("actorpar", Counter.add),
                Case("actorpar, teller", on_asyncio(_teller)),
                _tell("actorpar, async def", Counter.add_async),
                Case("actorpar, send", on_asyncio(_send)),
                pykka("tell"),
                pykka("tell_by_proxy", note=", proxy"),
                xoscar("tell_plain", note=", ActorRef"),
                xoscar("tell", note=", LocalActorRef"),
            ),
            unit="us",
        ),
        Group(
            "counters",
            "the tell of above, with the runtime's counters on and off",
            400_000,
            (
                _tell("actorpar, counters off", Counter.add, counters=False),
                _tell("actorpar, counters on", Counter.add),
            ),
            unit="us",
        ),
        Group(
            "ask",
            "one actor that has nothing else to do is asked to add 1",
            50_000,
            (
                by_hand("ask"),
                _ask("actorpar, def", Counter.add),
                _ask("actorpar, async def", Counter.add_async),
                Case("actorpar, def, asked by an actor", on_asyncio(_ask_from_an_actor)),
                xoscar("ask", note=", LocalActorRef, def"),
                xoscar("ask_async", note=", LocalActorRef, async def"),
            ),
            unit="us",
        ),
        Group(
            "spawn",
            "actors are started one by one until there are so many; their end is not timed",
            20_000,
            (by_hand("spawn"), Case("actorpar", on_asyncio(_spawn)), xoscar("spawn")),
            unit="us",
        ),
        Group(
            "one tell to each",
            "one message to each of 100 000 actors, none of which had one before",
            100_000,
            (by_hand("tell_each"), Case("actorpar", on_asyncio(_tell_each))),
            unit="us",
        ),
        Group(
            "supervised restart",
            "an actor fails at its first message and is started again; by hand: a task, from its own callback",
            2_000,
            (by_hand("restart"), Case("actorpar, one_for_one", on_asyncio(_restart))),
            unit="us",
        ),
    ]
