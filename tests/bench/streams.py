"""One producer, one consumer, item by item, at each capacity; and in batches of 64."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator

import actorpar as ap

from .cases import Case, Group, on_asyncio
from .measure import Sample, Stopwatch, expect
from .systems import QUEUE, SYSTEMS, System, as_processes, as_tasks

BATCH = 64


async def produce(send: Callable[[int], Awaitable[object]], count: int) -> None:
    for item in range(count):
        await send(item)


async def consume(receive: Callable[[], Awaitable[int]], count: int, last: list[int]) -> None:
    item = -1
    for _ in range(count):
        item = await receive()
    last.append(item)


def _item_by_item(system: System, capacity: float) -> Case:
    async def body(items: int) -> Sample:
        channel, last = system.open(capacity), list[int]()
        with Stopwatch() as watch:
            await system.together((produce, channel.send, items), (consume, channel.receive, items, last))
        channel.close()
        expect("last item", last, [items - 1])
        return watch.sample(items)

    return Case(system.name, system.on(body), system.needs)


async def _feed(tx: ap.Sender[int], count: int) -> None:
    send = tx.send
    for item in range(count):
        await send(item)


async def _drain(rx: ap.Receiver[int], total: list[int]) -> None:
    count = 0
    async for _ in rx:
        count += 1
    total.append(count)


def _iterated(capacity: float) -> Case:
    """The usual program: each process owns its end, and the stream ends when the producer returns."""

    async def body(items: int) -> Sample:
        tx, rx = ap.open_channel[int](capacity)
        total = list[int]()
        with Stopwatch() as watch:
            await as_processes((_feed, tx, items), (_drain, rx, total))
        expect("items", total, [items])
        return watch.sample(items)

    return Case("actorpar, processes, async for", on_asyncio(body))


def _slices(count: int) -> Iterator[list[int]]:
    """The items in batches; an iterator, for a list among the arguments of a process is searched for ends."""
    items = list(range(count))
    return (items[first : first + BATCH] for first in range(0, count, BATCH))


async def _produce_batches(put: Callable[[list[int]], Awaitable[object]], batches: Iterator[list[int]]) -> None:
    for batch in batches:
        await put(batch)


async def _consume_batches(get: Callable[[], Awaitable[list[int]]], count: int, end: list[int]) -> None:
    taken = 0
    batch: list[int] = []
    while taken < count:
        batch = await get()
        taken += len(batch)
    end += [taken, batch[-1]]


def _batches(name: str, capacity: float) -> Case:
    async def body(items: int) -> Sample:
        tx, rx = ap.open_channel[int](capacity)
        batches, end = _slices(items), list[int]()
        with Stopwatch() as watch:
            await as_processes(
                (_produce_batches, tx.send_many, batches),
                (_consume_batches, lambda: rx.receive_many(BATCH), items, end),
            )
        tx.close()
        rx.close()
        expect("items, and the last", end, [items, items - 1])
        return watch.sample(items)

    return Case(name, on_asyncio(body))


async def _lists_through_a_queue(items: int) -> Sample:
    queue: asyncio.Queue[list[int]] = asyncio.Queue()
    batches, end = _slices(items), list[int]()
    with Stopwatch() as watch:
        await as_tasks((_produce_batches, queue.put, batches), (_consume_batches, queue.get, items, end))
    expect("items, and the last", end, [items, items - 1])
    return watch.sample(items)


def _stream(title: str, capacity: float, items: int) -> Group:
    cases = [_item_by_item(system, capacity) for system in SYSTEMS if system.offers(capacity)]
    return Group(
        title,
        "one producer, one consumer, item by item",
        items,
        (*cases[:2], _iterated(capacity), *cases[2:]),
        least=BATCH,
    )


def groups() -> list[Group]:
    return [
        _stream("rendezvous", 0, 20_480),
        _stream("capacity 1", 1, 20_480),
        _stream("capacity 64", 64, 51_200),
        _stream("unbounded", math.inf, 51_200),
        Group(
            "batches of 64",
            "one producer, one consumer, 64 items a call; the base is asyncio.Queue unbounded, item by item",
            102_400,
            (
                _item_by_item(QUEUE, math.inf),
                _batches("actorpar, unbounded", math.inf),
                _batches("actorpar, capacity 64", BATCH),
                Case("asyncio.Queue of lists", on_asyncio(_lists_through_a_queue)),
            ),
            least=BATCH,
        ),
    ]
