"""xoscar: one pool, in this process. Imported only where xoscar is installed.

A call through a `LocalActorRef` runs the method under the actor's lock, in the caller's task; a tell makes a task for
it. Whoever creates an actor gets a plain `ActorRef`, which sends messages; `xo.actor_ref` turns it into a local one.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.savina.pseudorandom import PseudoRandom

from .cases import peer
from .measure import Sample, Stopwatch, expect

if TYPE_CHECKING:

    class Actor:
        """What is used of xoscar, for a type checker that has no xoscar."""

else:
    from xoscar import Actor

Ref = Any
xo = peer("xoscar")


class Pool:
    """Where the actors live. `create` gives local refs, `create_plain` what xoscar gives."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._created = 0

    async def create_plain(self, kind: type[Actor], *args: Any) -> Ref:
        self._created += 1
        return await xo.create_actor(kind, *args, uid=str(self._created), address=self._address)

    async def create(self, kind: type[Actor], *args: Any) -> Ref:
        ref = await self.create_plain(kind, *args)
        return await xo.actor_ref(ref.address, ref.uid)


@asynccontextmanager
async def pool() -> AsyncIterator[Pool]:
    """A pool without other processes."""
    main = await xo.create_actor_pool("test://127.0.0.1", n_process=0)
    try:
        yield Pool(main.external_address)
    finally:
        await main.stop()


# -- single operations


class Counter(Actor):
    """Counts its messages, and says when it has had `until` of them."""

    def __init__(self, until: int = 0, finished: asyncio.Semaphore | None = None) -> None:
        super().__init__()
        self.count = 0
        self.until, self.finished = until, finished

    def add(self, n: int) -> int:
        self.count += n
        if self.count == self.until and self.finished is not None:
            self.finished.release()
        return self.count

    async def add_async(self, n: int) -> int:
        self.count += n
        return self.count


async def tell(items: int) -> Sample:
    finished = asyncio.Semaphore(0)
    async with pool() as actors:
        return await _tell(await actors.create(Counter, items, finished), items, finished)


async def tell_plain(items: int) -> Sample:
    finished = asyncio.Semaphore(0)
    async with pool() as actors:
        return await _tell(await actors.create_plain(Counter, items, finished), items, finished)


async def _tell(counter: Ref, items: int, finished: asyncio.Semaphore) -> Sample:
    send = counter.add.tell
    with Stopwatch() as watch:
        for _ in range(items):
            await send(1)
        await finished.acquire()
    return watch.sample(items)


async def ask(items: int) -> Sample:
    async with pool() as actors:
        counter = await actors.create(Counter)
        return await _ask(counter.add, items)


async def ask_async(items: int) -> Sample:
    async with pool() as actors:
        counter = await actors.create(Counter)
        return await _ask(counter.add_async, items)


async def _ask(method: Any, items: int) -> Sample:
    last = 0
    with Stopwatch() as watch:
        for _ in range(items):
            last = await method(1)
    expect("last answer", last, items)
    return watch.sample(items)


async def spawn(items: int) -> Sample:
    async with pool() as actors:
        with Stopwatch() as watch:
            refs = [await actors.create_plain(Counter) for _ in range(items)]
        expect("actors", len(refs), items)
    return watch.sample(items)


# -- programs of Savina


class Pong(Actor):
    async def ping(self, sender: Ref, left: int) -> None:
        await sender.pong.tell(left)


class Ping(Actor):
    def __init__(self, pong: Ref, finished: asyncio.Event) -> None:
        super().__init__()
        self.partner, self.finished = pong, finished

    async def start(self, me: Ref, items: int) -> None:
        self.me = me
        await self.pong(items)

    async def pong(self, left: int) -> None:
        if left:
            await self.partner.ping.tell(self.me, left - 1)
        else:
            self.finished.set()


async def pingpong(items: int) -> Sample:
    finished = asyncio.Event()
    async with pool() as actors:
        with Stopwatch() as watch:
            ping = await actors.create(Ping, await actors.create(Pong), finished)
            await ping.start(ping, items)
            await finished.wait()
    return watch.sample(items)


async def pingpong_by_ask(items: int) -> Sample:
    class Asking(Actor):
        async def play(self, counter: Ref) -> int:
            last = 0
            for _ in range(items):
                last = await counter.add(1)
            return last

    async with pool() as actors:
        with Stopwatch() as watch:
            asking, counter = await actors.create(Asking), await actors.create(Counter)
            last = await asking.play(counter)
    expect("last answer", last, items)
    return watch.sample(items)


async def count(items: int) -> Sample:
    class Producer(Actor):
        async def produce(self, counter: Ref) -> None:
            send = counter.add.tell
            for _ in range(items):
                await send(1)

    finished = asyncio.Semaphore(0)
    async with pool() as actors:
        with Stopwatch() as watch:
            counter = await actors.create(Counter, items, finished)
            await (await actors.create(Producer)).produce(counter)
            await finished.acquire()
    return watch.sample(items)


class Node(Actor):
    def __init__(self, index: int, finished: "asyncio.Future[int]") -> None:
        super().__init__()
        self.index, self.finished = index, finished

    def connect(self, following: Ref) -> None:
        self.following = following

    async def take(self, hops: int) -> None:
        if hops:
            await self.following.take.tell(hops - 1)
        else:
            self.finished.set_result(self.index)


async def threadring(items: int, size: int) -> Sample:
    finished = asyncio.get_running_loop().create_future()
    async with pool() as actors:
        with Stopwatch() as watch:
            nodes = [await actors.create(Node, index, finished) for index in range(size)]
            for index, node in enumerate(nodes):
                await node.connect(nodes[(index + 1) % size])
            await nodes[0].take(items)
            last = await finished
    expect("node at which the token stopped", last, items % size)
    return watch.sample(items)


async def fjthrput(items: int, workers: int) -> Sample:
    finished = asyncio.Semaphore(0)
    async with pool() as actors:
        with Stopwatch() as watch:
            counters = [await actors.create(Counter, items // workers, finished) for _ in range(workers)]
            for _ in range(items // workers):
                for counter in counters:
                    await counter.add.tell(1)
            for _ in counters:
                await finished.acquire()
    return watch.sample(items)


class Worker(Actor):
    def __init__(self, index: int, pings: int, finished: asyncio.Semaphore) -> None:
        super().__init__()
        self.random, self.left, self.finished = PseudoRandom(index), pings, finished

    async def start(self, me: Ref, workers: list[Ref]) -> None:
        self.me, self.workers = me, workers
        await self._go_on()

    async def ping(self, sender: Ref) -> None:
        await sender.pong.tell()

    async def pong(self) -> None:
        self.left -= 1
        await self._go_on()

    async def _go_on(self) -> None:
        if self.left:
            await self.workers[self.random.below(len(self.workers))].ping.tell(self.me)
        else:
            self.finished.release()


async def big(items: int, workers: int) -> Sample:
    finished = asyncio.Semaphore(0)
    async with pool() as actors:
        with Stopwatch() as watch:
            refs = [await actors.create(Worker, index, items // workers, finished) for index in range(workers)]
            for ref in refs:
                await ref.start(ref, refs)
            for _ in refs:
                await finished.acquire()
    return watch.sample(items)
