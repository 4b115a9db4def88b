"""Shapes in which every item wakes somebody: ping-pong, a ring of 1000, a fan-in of 100."""

from collections.abc import Awaitable, Callable
from itertools import pairwise

from .cases import Case, Group
from .measure import Sample, Stopwatch, expect
from .streams import consume, produce
from .systems import PROCESSES, SYSTEMS, System

Send = Callable[[int], Awaitable[object]]
Receive = Callable[[], Awaitable[int]]

RING = 1000
PRODUCERS = 100


async def _ping(send: Send, receive: Receive, count: int, last: list[int]) -> None:
    answer = -1
    for item in range(count):
        await send(item)
        answer = await receive()
    last.append(answer)


async def _pong(receive: Receive, send: Send, count: int) -> None:
    for _ in range(count):
        await send(await receive())


def _ping_pong(system: System, capacity: float, note: str = "") -> Case:
    async def body(items: int) -> Sample:
        there, back, last = system.open(capacity), system.open(capacity), list[int]()
        with Stopwatch() as watch:
            await system.together(
                (_ping, there.send, back.receive, items, last), (_pong, there.receive, back.send, items)
            )
        there.close()
        back.close()
        expect("last answer", last, [items - 1])
        return watch.sample(items)

    return Case(system.name + note, system.on(body), system.needs)


async def _ring_driver(send: Send, receive: Receive, laps: int, out: list[Sample]) -> None:
    """Sends the token round. The first lap is not timed: it waits until every node has started."""
    await send(0)
    expect("first lap", await receive(), RING - 1)
    token = 0
    with Stopwatch() as watch:
        for _ in range(laps):
            await send(token + 1)
            token = await receive()
    expect("hops", token, laps * RING)
    out.append(watch.sample(token))


async def _ring_node(receive: Receive, send: Send, laps: int) -> None:
    for _ in range(laps + 1):
        await send(await receive() + 1)


def _ring(system: System) -> Case:
    async def body(items: int) -> Sample:
        laps, out = items // RING, list[Sample]()
        channels = [system.open(1) for _ in range(RING)]
        nodes = [(_ring_node, here.receive, following.send, laps) for here, following in pairwise(channels)]
        await system.together((_ring_driver, channels[0].send, channels[-1].receive, laps, out), *nodes)
        for channel in channels:
            channel.close()
        return out[0]

    return Case(system.name, system.on(body), system.needs)


def _fan_in(system: System) -> Case:
    async def body(items: int) -> Sample:
        channel, last = system.open(64), list[int]()
        producers = [(produce, channel.send, items // PRODUCERS)] * PRODUCERS
        with Stopwatch() as watch:
            await system.together(*producers, (consume, channel.receive, items, last))
        channel.close()
        expect("consumers that got every item", len(last), 1)
        return watch.sample(items)

    return Case(system.name, system.on(body), system.needs)


def groups() -> list[Group]:
    return [
        Group(
            "ping-pong",
            "two functions, two channels, one round trip; rendezvous, or capacity 1 where a library has no rendezvous",
            10_000,
            (
                *(_ping_pong(system, system.narrowest) for system in SYSTEMS),
                _ping_pong(PROCESSES, 1, ", capacity 1"),
            ),
        ),
        Group(
            "ring of 1000",
            "a token round 1000 functions over channels of capacity 1; one hop",
            20 * RING,
            tuple(_ring(system) for system in SYSTEMS),
            least=RING,
        ),
        Group(
            "fan-in of 100",
            "100 producers, one consumer, capacity 64",
            25_600,
            tuple(_fan_in(system) for system in SYSTEMS),
            least=PRODUCERS,
        ),
    ]
