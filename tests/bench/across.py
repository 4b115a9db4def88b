"""Actors and many channels across processes: an ask, a thousand channels on one link, two stages on two nodes."""

import asyncio
import os
from typing import Any

import actorpar as ap

from .cases import UVLOOP, Case, Group, LoopFactory, Trial, peer
from .linked import PIPE, SMALL, UNIX, linked, on_loop, pinned, sample
from .measure import Sample, Stopwatch, expect

CAPACITY = 1024
MANY = 1000
#: Bytes that the controller may have had while the stages ran, of 64 items: it starts them, and hears of their end.
CONTROL = 64 * len(SMALL)
#: Items of each channel: twice what goes without a word from the other side.
EACH = 2 * CAPACITY
BATCH = 32
ASK, XOSCAR = "actorpar, pipe", "xoscar"
ONE, THOUSAND = "one channel", "1 000 channels"
ONE_BATCHED, THOUSAND_BATCHED = f"{ONE}, {BATCH} items ready", f"{THOUSAND}, {BATCH} items ready"
DIRECT, STAGES = "direct link", "two stages on two nodes"


# -- a remote ask


class Counter(ap.Actor):
    """Counts."""

    def __init__(self) -> None:
        self.count = 0

    async def add(self, n: int) -> int:
        self.count += n
        return self.count


def _ask(items: int, loop_factory: LoopFactory) -> Sample:
    async def main(count: int) -> Sample:
        async with linked(PIPE, core=0) as system:
            counter = await system.spawn(Counter, on="far")
            last = await counter.ask(Counter.add, 1)
            with Stopwatch() as watch:
                for _ in range(count):
                    last = await counter.ask(Counter.add, 1)
            expect("last answer", last, count + 1)
            return sample(watch, count)

    with pinned(0):
        return on_loop(main)(items, loop_factory)


def _ask_xoscar(items: int, loop_factory: LoopFactory) -> Sample:
    from . import xoscar_actors

    xo: Any = peer("xoscar")

    async def main() -> Sample:
        pool = await xo.create_actor_pool("127.0.0.1:0", n_process=1)  # its other process is pinned as this one is
        async with pool:
            counter = await xo.create_actor(
                xoscar_actors.Counter,
                address=pool.external_address,
                allocate_strategy=xo.allocate_strategy.ProcessIndex(1),
            )
            last = await counter.add_async(1)
            with Stopwatch() as watch:
                for _ in range(items):
                    last = await counter.add_async(1)
            expect("last answer", last, items + 1)
            return sample(watch, items)

    with pinned(0), asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main())


# -- a thousand channels on one link


class Starved(Exception):
    """One channel was served much less than another."""


async def consume_all(ends: list[ap.Receiver[bytes]], each: int, done: ap.Sender[int]) -> None:
    """Count what comes through each end; when the first has all, each other one must have had a batch."""
    counts = [0] * len(ends)
    await done.send(0)

    async def consume(place: int, items: ap.Receiver[bytes]) -> None:
        async for _ in items:
            counts[place] += 1
            if counts[place] == each and max(counts[:place] + counts[place + 1 :], default=0) < each:
                least = min(counts)
                if least < BATCH:
                    raise Starved(f"one channel has had {least} items when another has had {each}")

    async with ap.ProcessGroup() as group:
        for place, end in enumerate(ends):
            group.spawn(consume, place, end)
    await done.send(sum(counts))


async def feed(tx: ap.Sender[bytes], items: int, batch: int) -> None:
    """Send so many items, one by one or in batches."""
    with tx:
        if batch == 1:
            for _ in range(items):
                await tx.send(SMALL)
        else:
            for _ in range(items // batch):
                await tx.send_many([SMALL] * batch)


def _channels(count: int, batch: int) -> Trial:
    async def main(items: int) -> Sample:
        async with linked(PIPE) as system:
            pairs = [ap.open_channel[bytes](CAPACITY) for _ in range(count)]
            done, says = ap.open_channel[int](1)
            consuming = await system.spawn(consume_all, [rx for _, rx in pairs], items // count, done, on="far")
            await says.receive()
            with says, Stopwatch() as watch:
                try:
                    async with ap.ProcessGroup() as group:
                        for tx, _ in pairs:
                            group.spawn(feed, tx, items // count, batch)
                    expect("items", await says.receive(), items)
                except ap.ChannelError:
                    await consuming  # it tells why
                    raise
            return sample(watch, items)

    return on_loop(main)


# -- two stages on two nodes


async def produce(out: ap.Sender[bytes], items: int, start: ap.Receiver[int]) -> None:
    """The first stage: send when told to."""
    await start.receive()
    await feed(out, items, 1)


async def count(items: ap.Receiver[bytes], done: ap.Sender[int]) -> None:
    """The last stage."""
    await done.send(0)
    total = 0
    async for _ in items:
        total += 1
    await done.send(total)


def _stages(names: tuple[str, ...]) -> Trial:
    """The producer is on the first of these nodes, the consumer on the last."""

    async def main(items: int) -> Sample:
        async with linked(UNIX, names=names) as system:
            tx, rx = ap.open_channel[bytes](CAPACITY)
            go, start = ap.open_channel[int](1)
            done, says = ap.open_channel[int](1)
            await system.spawn(count, rx, done, on=names[-1])
            await says.receive()
            await system.spawn(produce, tx, items, start, **({"on": names[0]} if len(names) > 1 else {}))
            before = _bytes(system)
            with go, says, Stopwatch() as watch:
                await go.send(1)
                expect("items", await says.receive(), items)
            if len(names) > 1:
                expect(f"times {CONTROL} B by way of the controller", (_bytes(system) - before) // CONTROL, 0)
            return sample(watch, items)

    return on_loop(main)


def _bytes(system: Any) -> int:
    """Bytes to and from all nodes."""
    return sum(written + read for written, read in system.traffic().values())


def groups() -> list[Group]:
    channels = (
        Case(ONE, _channels(1, 1)),
        Case(THOUSAND, _channels(MANY, 1)),
        Case(ONE_BATCHED, _channels(1, BATCH)),
        Case(THOUSAND_BATCHED, _channels(MANY, BATCH)),
    )
    stages = (Case(DIRECT, _stages(("far",))), Case(STAGES, _stages(("first", "second"))))
    cores = f"{os.cpu_count()} cores"
    return [
        Group("remote ask", "both processes on one core", 2_000,
              (Case(XOSCAR, _ask_xoscar, needs=("xoscar",)), Case(ASK, _ask)), unit="us", loops=(UVLOOP,)),
        Group("1 000 channels on one link", f"64 B, capacity {CAPACITY} each", EACH * MANY, channels, unit="us",
              least=EACH * MANY, loops=(UVLOOP,)),
        Group("pipeline across nodes", f"64 B, three processes on {cores}", 500_000, stages, unit="us", least=100,
              loops=(UVLOOP,)),
    ]  # fmt: skip
