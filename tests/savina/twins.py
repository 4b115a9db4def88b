"""The programs as CSP: processes and channels instead of actors and mailboxes.

What an actor keeps in its fields is where a process stands in its program; the end of a stream says what a count or a
last message said there; and a process that waits for a place or for an item needs no list of who waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import actorpar as ap

from .buffering import Delivered
from .crowds import complement

CAPACITY = 64


async def _ping(out: ap.Sender[int], back: ap.Receiver[int], rounds: int) -> int:
    pongs = 0
    for number in range(rounds):
        await out.send(number)
        await back.receive()
        pongs += 1
    return pongs


async def _pong(source: ap.Receiver[int], out: ap.Sender[int]) -> None:
    async for number in source:
        await out.send(number)


async def pingpong(rounds: int) -> int:
    """The number of pongs; two rendezvous channels."""
    there_tx, there_rx = ap.open_channel[int](0)
    back_tx, back_rx = ap.open_channel[int](0)
    async with ap.ProcessGroup() as group:
        group.spawn(_pong, there_rx, back_tx)
        ping = group.spawn(_ping, there_tx, back_rx, rounds)
    return ping.result()


async def _node(index: int, source: ap.Receiver[int], following: ap.Sender[int]) -> int | None:
    """Returns its index if the token stopped here. Then the ring unravels: a node ends when the one before it has."""
    async for hops in source:
        if not hops:
            return index
        await following.send(hops - 1)
    return None


async def threadring(size: int, hops: int) -> int:
    """The index of the node at which a token stops that makes `hops` hops round a ring of `size`."""
    channels = [ap.open_channel[int](1) for _ in range(size)]
    await channels[0][0].send(hops)
    async with ap.ProcessGroup() as group:
        nodes = [
            group.spawn(_node, index, channels[index][1], channels[(index + 1) % size][0]) for index in range(size)
        ]
    [stopped_at] = [index for index in (node.result() for node in nodes) if index is not None]
    return stopped_at


async def _flood(out: ap.Sender[None], messages: int) -> None:
    for _ in range(messages):
        await out.send(None)


async def _count(source: ap.Receiver[None]) -> int:
    count = 0
    async for _ in source:
        count += 1
    return count


async def count(messages: int) -> int:
    """What a counter says after that many messages."""
    tx, rx = ap.open_channel[None](CAPACITY)
    async with ap.ProcessGroup() as group:
        group.spawn(_flood, tx, messages)
        counter = group.spawn(_count, rx)
    return counter.result()


async def _deal(outs: list[ap.Sender[None]], each: int) -> None:
    for _ in range(each):
        for out in outs:
            await out.send(None)


async def fjthrput(workers: int, each: int) -> int:
    """Send `each` messages to every one of the workers, in turn: the number of messages handled."""
    channels = [ap.open_channel[None](CAPACITY) for _ in range(workers)]
    async with ap.ProcessGroup() as group:
        counters = [group.spawn(_count, rx) for _, rx in channels]
        group.spawn(_deal, [tx for tx, _ in channels], each)
    return sum(counter.result() for counter in counters)


async def _once(number: int) -> int:
    return number


async def fjcreate(processes: int) -> int:
    """Start that many processes, each of which returns its number: the sum of the numbers."""
    async with ap.ProcessGroup() as group:
        started = [group.spawn(_once, number) for number in range(processes)]
    return sum(process.result() for process in started)


async def fib(n: int) -> int:
    """The n-th Fibonacci number, a process for each call."""
    return 1 if n <= 2 else sum(await ap.par(fib(n - 1), fib(n - 2)))


async def _mall(arrivals: ap.Receiver[tuple[int, int]], answers: list[ap.Sender[int]], meetings: int) -> None:
    for _ in range(meetings):
        one, colour = await arrivals.receive()
        other, its_colour = await arrivals.receive()
        await answers[one].send(its_colour)
        await answers[other].send(colour)


async def _chameneo(
    index: int, colour: int, mall: ap.Sender[tuple[int, int]], answers: ap.Receiver[int]
) -> tuple[int, int]:
    """Meets until the mall closes; returns how often, and its last colour."""
    meetings = 0
    try:
        while True:
            await mall.send((index, colour))
            colour = complement(colour, await answers.receive())
            meetings += 1
    except (ap.ChannelBroken, ap.EndOfChannel):
        return meetings, colour


async def chameneos(size: int, meetings: int) -> int:
    """How often a chameneo met another, added up over all of them: two for each meeting."""
    tx, rx = ap.open_channel[tuple[int, int]](0)
    answers = [ap.open_channel[int](1) for _ in range(size)]
    async with ap.ProcessGroup() as group:
        group.spawn(_mall, rx, [out for out, _ in answers], meetings)
        with tx:
            crowd = [
                group.spawn(_chameneo, index, index % 3, tx.clone(), back) for index, (_, back) in enumerate(answers)
            ]
    return sum(met for met, _ in (chameneo.result() for chameneo in crowd))


async def _produce(out: ap.Sender[int], first: int, items: int) -> None:
    for item in range(first, first + items):
        await out.send(item)


async def _buffer(source: ap.Receiver[int], out: ap.Sender[int], places: int) -> int:
    """Takes while there is a place and gives while there is an item; returns how many it held at most."""
    items: deque[int] = deque()
    fullest = 0
    try:
        while True:
            match await ap.select(
                ap.receive_from(source, when=len(items) < places),
                ap.send_to(out, items[0] if items else 0, when=bool(items)),
            ):
                case 0, item:
                    items.append(item)
                    fullest = max(fullest, len(items))
                case 1, _:
                    items.popleft()
    except ap.EndOfChannel:
        await out.send_many(items)
    return fullest


async def _consume(source: ap.Receiver[int]) -> tuple[int, int]:
    count = total = 0
    async for item in source:
        count += 1
        total += item
    return count, total


async def bndbuffer(producers: int, consumers: int, each: int, places: int) -> Delivered:
    """A buffer that selects, between producers and consumers that meet it without a place in between."""
    made_tx, made_rx = ap.open_channel[int](0)
    wanted_tx, wanted_rx = ap.open_channel[int](0)
    async with ap.ProcessGroup() as group:
        with made_tx, wanted_rx:
            buffer = group.spawn(_buffer, made_rx, wanted_tx, places)
            eaters = [group.spawn(_consume, wanted_rx.clone()) for _ in range(consumers)]
            for index in range(producers):
                group.spawn(_produce, made_tx.clone(), index * each, each)
    consumed = [eater.result() for eater in eaters]
    return Delivered(sum(count for count, _ in consumed), sum(total for _, total in consumed), buffer.result())


async def _stage(mask: int, source: ap.Receiver[int], out: ap.Sender[int]) -> None:
    later = []
    async for number in source:
        if number & mask:
            later.append(number)
        else:
            await out.send(number)
    for number in later:
        await out.send(number)


async def _feed(out: ap.Sender[int], unsorted: Sequence[int]) -> None:
    for number in unsorted:
        await out.send(number)


async def radixsort(unsorted: Sequence[int], bits: int) -> list[int]:
    """The numbers, none of more than `bits` bits, in order."""
    async with ap.ProcessGroup() as group:
        tx, source = ap.open_channel[int](CAPACITY)
        group.spawn(_feed, tx, tuple(unsorted))
        for bit in range(bits):
            tx, rx = ap.open_channel[int](CAPACITY)
            group.spawn(_stage, 1 << bit, source, tx)
            source = rx
        with source:
            return [number async for number in source]
