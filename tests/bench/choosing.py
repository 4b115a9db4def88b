"""Select over ten channels of capacity 1.

Two shapes. Busy: ten producers keep their channels filled, so that most selects find something ready. Lone: one item at
a time is in the whole system and the next is sent when the last has been answered, so that every select has to wait;
the answer is part of what is measured, for every contestant.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import actorpar as ap

from .cases import Case, Group, peer
from .measure import Sample, Stopwatch, expect
from .streams import produce
from .systems import AIOCHAN, PROCESSES, QUEUE, TASKS, Ends, System

WAYS = 10

Answer = Callable[[int], Awaitable[object]] | None
Chooser = Callable[[Sequence[Any], int, Answer, list[int]], Awaitable[None]]


async def _by_selector(receivers: Sequence[ap.Receiver[int]], items: int, answer: Answer, taken: list[int]) -> None:
    selector = ap.Selector(*map(ap.receive_from, receivers))
    for _ in range(items):
        index, item = await selector.select()
        taken[index] += 1
        if answer is not None:
            await answer(item)


async def _one_shot(receivers: Sequence[ap.Receiver[int]], items: int, answer: Answer, taken: list[int]) -> None:
    for _ in range(items):
        index, item = await ap.select(*receivers)
        taken[index] += 1
        if answer is not None:
            await answer(item)


async def _spelled_out(receivers: Sequence[ap.Receiver[int]], items: int, answer: Answer, taken: list[int]) -> None:
    """One-shot again, with every guard made anew where it is used."""
    for _ in range(items):
        index, item = await ap.select(*[ap.receive_from(receiver) for receiver in receivers])
        taken[index] += 1
        if answer is not None:
            await answer(item)


async def _by_asyncio_wait(queues: Sequence[asyncio.Queue[int]], items: int, answer: Answer, taken: list[int]) -> None:
    """The usual way: one get() task a queue, kept across turns; all that are done are used before the next wait."""
    getters = {asyncio.create_task(queue.get()): index for index, queue in enumerate(queues)}
    left = items
    while left:
        done, _ = await asyncio.wait(getters, return_when=asyncio.FIRST_COMPLETED)
        left -= len(done)
        for getter in done:
            index = getters.pop(getter)
            getters[asyncio.create_task(queues[index].get())] = index
            taken[index] += 1
            if answer is not None:
                await answer(getter.result())
    for getter in getters:
        getter.cancel()
    await asyncio.gather(*getters, return_exceptions=True)


async def _by_aiochan(channels: Sequence[Any], items: int, answer: Answer, taken: list[int]) -> None:
    select = peer("aiochan").select
    indices = {channel: index for index, channel in enumerate(channels)}
    for _ in range(items):
        item, channel = await select(*channels)
        taken[indices[channel]] += 1
        if answer is not None:
            await answer(item)


async def _one_at_a_time(channels: Sequence[Ends], answered: Callable[[], Awaitable[int]], items: int) -> None:
    for item in range(items):
        await channels[item % WAYS].send(item)
        await answered()


def _busy(name: str, system: System, chooser: Chooser, capacity: float = 1) -> Case:
    async def body(items: int) -> Sample:
        channels, taken = [system.open(capacity) for _ in range(WAYS)], [0] * WAYS
        producers = [(produce, channel.send, items // WAYS) for channel in channels]
        with Stopwatch() as watch:
            await system.together(*producers, (chooser, [channel.source for channel in channels], items, None, taken))
        for channel in channels:
            channel.close()
        expect("items of each channel", taken, [items // WAYS] * WAYS)
        return watch.sample(items)

    return Case(name, system.on(body), system.needs)


def _lone(name: str, system: System, chooser: Chooser) -> Case:
    async def body(items: int) -> Sample:
        channels, taken = [system.open(1) for _ in range(WAYS)], [0] * WAYS
        answers = system.open(1)
        sources = [channel.source for channel in channels]
        with Stopwatch() as watch:
            await system.together(
                (_one_at_a_time, channels, answers.receive, items), (chooser, sources, items, answers.send, taken)
            )
        for channel in (*channels, answers):
            channel.close()
        expect("items of each channel", taken, [items // WAYS] * WAYS)
        return watch.sample(items)

    return Case(name, system.on(body), system.needs)


def groups() -> list[Group]:
    return [
        Group(
            "select of 10, busy",
            "ten producers, one function that selects; capacity 1",
            10_240,
            (
                _busy("asyncio.wait over get()", QUEUE, _by_asyncio_wait),
                _busy("actorpar, Selector", PROCESSES, _by_selector),
                _busy("actorpar, one-shot", PROCESSES, _one_shot),
                _busy("actorpar, one-shot, receive_from", PROCESSES, _spelled_out),
                _busy("actorpar, Selector, rendezvous", PROCESSES, _by_selector, 0),
                _busy("actorpar, Selector, tasks", TASKS, _by_selector),
                _busy("aiochan select", AIOCHAN, _by_aiochan),
                _busy("aiochan select, rendezvous", AIOCHAN, _by_aiochan, 0),
            ),
            least=WAYS,
        ),
        Group(
            "select of 10, parking",
            "one item at a time over ten channels, and its answer; every select waits",
            5_120,
            (
                _lone("asyncio.wait over get()", QUEUE, _by_asyncio_wait),
                _lone("actorpar, Selector", PROCESSES, _by_selector),
                _lone("actorpar, one-shot", PROCESSES, _one_shot),
                _lone("actorpar, Selector, tasks", TASKS, _by_selector),
                _lone("aiochan select", AIOCHAN, _by_aiochan),
            ),
            least=WAYS,
        ),
    ]
