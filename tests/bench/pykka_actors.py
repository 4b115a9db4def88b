"""pykka: a thread for each actor. Imported only where pykka is installed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.savina.pseudorandom import PseudoRandom

from .cases import peer
from .measure import Sample, Stopwatch, expect

if TYPE_CHECKING:

    class ThreadingActor:
        """What is used of pykka, for a type checker that has no pykka."""

        actor_ref: Any

        @classmethod
        def start(cls, *args: Any) -> Any: ...

else:
    from pykka import ThreadingActor

Ref = Any


@contextmanager
def stopped_afterwards() -> Iterator[None]:
    """Stop every actor, the last one first, when the block ends."""
    try:
        yield
    finally:
        peer("pykka").ActorRegistry.stop_all()


# -- single operations


class Counter(ThreadingActor):
    """Counts its messages; answers None with the count."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def on_receive(self, message: int | None) -> int:
        if message is not None:
            self.count += message
        return self.count

    def add(self, n: int) -> None:
        self.count += n


async def tell(items: int) -> Sample:
    with stopped_afterwards():
        counter = Counter.start()
        send = counter.tell
        with Stopwatch() as watch:
            for _ in range(items):
                send(1)
            total = counter.ask(None)
    expect("messages", total, items)
    return watch.sample(items)


async def tell_by_proxy(items: int) -> Sample:
    """The method is called by its name, as with the other libraries; `tell` sends a bare number."""
    with stopped_afterwards():
        counter = Counter.start()
        proxy = counter.proxy()
        with Stopwatch() as watch:
            for _ in range(items):
                proxy.add.defer(1)
            total = counter.ask(None)
    expect("messages", total, items)
    return watch.sample(items)


# -- programs of Savina


class Ping(ThreadingActor):
    def __init__(self, pong: Ref, finished: threading.Event) -> None:
        super().__init__()
        self.pong, self.finished = pong, finished

    def on_receive(self, left: int) -> None:
        if left:
            self.pong.tell((self.actor_ref, left - 1))
        else:
            self.finished.set()


class Pong(ThreadingActor):
    def on_receive(self, message: tuple[Ref, int]) -> None:
        sender, left = message
        sender.tell(left)


async def pingpong(items: int) -> Sample:
    finished = threading.Event()
    with stopped_afterwards(), Stopwatch() as watch:
        Ping.start(Pong.start(), finished).tell(items)
        finished.wait()
    return watch.sample(items)


async def count(items: int) -> Sample:
    """As `tell`, but the flood comes from an actor."""

    class Producer(ThreadingActor):
        def on_receive(self, counter: Ref) -> int:
            for _ in range(items):
                counter.tell(1)
            total: int = counter.ask(None)
            return total

    with stopped_afterwards():
        with Stopwatch() as watch:
            total = Producer.start().ask(Counter.start())
    expect("messages", total, items)
    return watch.sample(items)


class Node(ThreadingActor):
    """Of the ring. The first message is the next node, all others are hops that are left."""

    def __init__(self, index: int, finished: list[int], done: threading.Event) -> None:
        super().__init__()
        self.index, self.finished, self.done = index, finished, done
        self.following: Ref | None = None

    def on_receive(self, message: Any) -> None:
        if self.following is None:
            self.following = message
        elif message:
            self.following.tell(message - 1)
        else:
            self.finished.append(self.index)
            self.done.set()


async def threadring(items: int, size: int) -> Sample:
    finished, done = list[int](), threading.Event()
    with stopped_afterwards(), Stopwatch() as watch:
        nodes = [Node.start(index, finished, done) for index in range(size)]
        for index, node in enumerate(nodes):
            node.tell(nodes[(index + 1) % size])
        nodes[0].tell(items)
        done.wait()
    expect("node at which the token stopped", finished, [items % size])
    return watch.sample(items)


async def fjthrput(items: int, workers: int) -> Sample:
    with stopped_afterwards():
        with Stopwatch() as watch:
            counters = [Counter.start() for _ in range(workers)]
            for _ in range(items // workers):
                for counter in counters:
                    counter.tell(1)
            done = [counter.ask(None) for counter in counters]
    expect("messages", sum(done), items)
    return watch.sample(items)


class Worker(ThreadingActor):
    """Of `big`. A message is who pings, None for an answer, or the list of all workers to begin with."""

    def __init__(self, index: int, pings: int, finished: threading.Semaphore) -> None:
        super().__init__()
        self.random, self.left, self.finished = PseudoRandom(index), pings, finished
        self.workers: list[Ref] = []

    def on_receive(self, message: Any) -> None:
        if message is None:
            self.left -= 1
            self._go_on()
        elif isinstance(message, list):
            self.workers = message
            self._go_on()
        else:
            message.tell(None)

    def _go_on(self) -> None:
        if self.left:
            self.workers[self.random.below(len(self.workers))].tell(self.actor_ref)
        else:
            self.finished.release()


async def big(items: int, workers: int) -> Sample:
    finished = threading.Semaphore(0)
    with stopped_afterwards(), Stopwatch() as watch:
        refs = [Worker.start(index, items // workers, finished) for index in range(workers)]
        for ref in refs:
            ref.tell(refs)
        for _ in refs:
            finished.acquire()
    return watch.sample(items)
