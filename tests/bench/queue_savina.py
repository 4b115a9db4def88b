"""Programs of Savina over hand-written actors: a task and an asyncio.Queue for each.

Floods go through `await put` on a queue of 65 536 places, all other messages through `put_nowait` on one without bound.
"""

import asyncio
from typing import Any

from tests.savina.pseudorandom import PseudoRandom

from .measure import Sample, Stopwatch, expect
from .queue_actors import end

ROOM = 65_536

Inbox = asyncio.Queue[Any]


async def pingpong(items: int) -> Sample:
    there: Inbox = asyncio.Queue()
    back: Inbox = asyncio.Queue()

    async def ping() -> int:
        answer = items
        for left in range(items - 1, -1, -1):
            there.put_nowait(left)
            answer = await back.get()
        return answer

    async def pong() -> None:
        while True:
            back.put_nowait(await there.get())

    with Stopwatch() as watch:
        answering = asyncio.create_task(pong())
        answer = await asyncio.create_task(ping())
    expect("last answer", answer, 0)
    await end([answering])
    return watch.sample(items)


async def count(items: int) -> Sample:
    inbox: Inbox = asyncio.Queue(ROOM)

    async def produce() -> None:
        for _ in range(items):
            await inbox.put(1)

    async def add_up() -> int:
        total = 0
        for _ in range(items):
            total += await inbox.get()
        return total

    with Stopwatch() as watch:
        adding = asyncio.create_task(add_up())
        await asyncio.create_task(produce())
        total = await adding
    expect("messages", total, items)
    return watch.sample(items)


async def threadring(items: int, size: int) -> Sample:
    inboxes: list[Inbox] = [asyncio.Queue() for _ in range(size)]
    finished: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def node(index: int) -> None:
        inbox, following = inboxes[index], inboxes[(index + 1) % size]
        while hops := await inbox.get():
            following.put_nowait(hops - 1)
        finished.set_result(index)

    with Stopwatch() as watch:
        tasks = [asyncio.create_task(node(index)) for index in range(size)]
        inboxes[0].put_nowait(items)
        last = await finished
    expect("node at which the token stopped", last, items % size)
    await end(tasks)
    return watch.sample(items)


async def fjcreate(items: int) -> Sample:
    async def once(inbox: Inbox) -> int:
        number: int = await inbox.get()
        return number

    tasks = []
    with Stopwatch() as watch:
        for number in range(items):
            inbox: Inbox = asyncio.Queue()
            tasks.append(asyncio.create_task(once(inbox)))
            inbox.put_nowait(number)
        total = sum(await asyncio.gather(*tasks))
    expect("sum", total, items * (items - 1) // 2)
    return watch.sample(items)


async def fjthrput(items: int, workers: int) -> Sample:
    inboxes: list[Inbox] = [asyncio.Queue(ROOM) for _ in range(workers)]

    async def work(inbox: Inbox) -> int:
        done = 0
        for _ in range(items // workers):
            await inbox.get()
            done += 1
        return done

    with Stopwatch() as watch:
        tasks = [asyncio.create_task(work(inbox)) for inbox in inboxes]
        for _ in range(items // workers):
            for inbox in inboxes:
                await inbox.put(None)
        done = await asyncio.gather(*tasks)
    expect("messages", sum(done), items)
    return watch.sample(items)


async def big(items: int, workers: int) -> Sample:
    """A message is the index of who pings, or PONG."""
    pong = -1
    inboxes: list[Inbox] = [asyncio.Queue() for _ in range(workers)]
    finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    working = workers

    async def work(index: int) -> None:
        nonlocal working
        inbox, random = inboxes[index], PseudoRandom(index)
        for _ in range(items // workers):
            inboxes[random.below(workers)].put_nowait(index)
            while (sender := await inbox.get()) != pong:
                inboxes[sender].put_nowait(pong)
        working -= 1
        if not working:
            finished.set_result(None)
        while True:
            inboxes[await inbox.get()].put_nowait(pong)

    with Stopwatch() as watch:
        tasks = [asyncio.create_task(work(index)) for index in range(workers)]
        await finished
    await end(tasks)
    return watch.sample(items)
