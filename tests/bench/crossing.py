"""From a thread into the loop: one thread sends, a consumer on the loop receives; processor time of both together.

The channels and queues are bounded at 1024 items: the thread waits when the loop falls behind. `call_soon_threadsafe`
is not bounded; it is what a program does today, one wake-up an item.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import actorpar as ap

from .cases import Case, Group, on_asyncio, peer
from .measure import Sample, Stopwatch, expect
from .streams import consume
from .systems import as_processes

CAPACITY = 1024


def _thread(target: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


async def _call_soon_threadsafe(items: int) -> Sample:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    got = list[int]()

    def arrived(item: int) -> None:
        got.append(item)
        if len(got) == items:
            done.set_result(None)

    def send() -> None:
        post = loop.call_soon_threadsafe
        for item in range(items):
            post(arrived, item)

    with Stopwatch() as watch:
        thread = _thread(send)
        await done
        thread.join()
    expect("last item", got[-1], items - 1)
    return watch.sample(items)


async def _iterate(rx: ap.Receiver[int], got: list[int]) -> None:
    async for item in rx:
        got.append(item)


async def _receive_many(rx: ap.Receiver[int], got: list[int]) -> None:
    try:
        while True:
            got += await rx.receive_many(CAPACITY)
    except ap.EndOfChannel:
        pass


def _actorpar(name: str, consumer: Callable[[ap.Receiver[int], list[int]], Any]) -> Case:
    async def body(items: int) -> Sample:
        tx, rx = ap.open_channel[int](CAPACITY)
        sender, got = tx.threadsafe(), list[int]()
        tx.close()  # the thread's handle is a clone, and the stream ends with the last of them

        def send() -> None:
            post = sender.send
            for item in range(items):
                post(item)
            sender.close()

        with Stopwatch() as watch:
            thread = _thread(send)
            await as_processes((consumer, rx, got))
            thread.join()
        expect("items", (len(got), got[-1]), (items, items - 1))
        return watch.sample(items)

    return Case(name, on_asyncio(body))


async def _janus(items: int) -> Sample:
    queue = peer("janus").Queue(CAPACITY)
    sample = await _two_sided_queue(queue.sync_q.put, queue.async_q.get, items)
    await queue.aclose()
    return sample


async def _culsans(items: int) -> Sample:
    queue = peer("culsans").Queue(CAPACITY)
    return await _two_sided_queue(queue.sync_q.put, queue.async_q.get, items)


async def _two_sided_queue(put: Callable[[int], None], get: Any, items: int) -> Sample:
    last = list[int]()

    def send() -> None:
        for item in range(items):
            put(item)

    with Stopwatch() as watch:
        thread = _thread(send)
        await consume(get, items, last)
        thread.join()
    expect("last item", last, [items - 1])
    return watch.sample(items)


def groups() -> list[Group]:
    return [
        Group(
            "thread to loop",
            "one thread sends, the loop receives; bounded at 1024 except call_soon_threadsafe",
            30_720,
            (
                Case("call_soon_threadsafe per item", on_asyncio(_call_soon_threadsafe)),
                _actorpar("actorpar, receive_many", _receive_many),
                _actorpar("actorpar, async for", _iterate),
                Case("janus", on_asyncio(_janus), ("janus",)),
                Case("culsans", on_asyncio(_culsans), ("culsans",)),
            ),
        )
    ]
