"""bndbuffer: producers and consumers round one buffer, which asks for an item only when there is a place for it."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import actorpar as ap


class Delivered(NamedTuple):
    """What came of it: how many items, their sum, and how many the buffer held at most."""

    items: int
    sum: int
    fullest: int


class Buffer(ap.Actor):
    """Keeps an item until a consumer wants it.

    A producer makes its next item when it is asked to, so each of them may have one on its way here: with `producers`
    places kept for those, the buffer never holds more than `places`.
    """

    def __init__(self, places: int, producers: int, consumers: int) -> None:
        self.soft_limit = places - producers
        self.producing, self.consumers = producers, consumers
        self.items: deque[int] = deque()
        self.hungry: deque[ap.ActorRef[Consumer]] = deque()
        self.held_back: deque[ap.ActorRef[Producer]] = deque()
        self.fullest = self.delivered = self.sum = 0
        self.result: ap.Reply[Delivered] | None = None

    def put(self, producer: ap.ActorRef[Producer], item: int) -> None:
        if self.hungry:
            self._deliver(self.hungry.popleft(), item)
        else:
            self.items.append(item)
            self.fullest = max(self.fullest, len(self.items))
        if len(self.items) >= self.soft_limit:
            self.held_back.append(producer)
        else:
            producer.tell(Producer.produce)

    def want(self, consumer: ap.ActorRef[Consumer]) -> None:
        if not self.items:
            self.hungry.append(consumer)
            self._finish()
            return
        self._deliver(consumer, self.items.popleft())
        if self.held_back:
            self.held_back.popleft().tell(Producer.produce)

    def no_more(self) -> None:
        """A producer has made its last item."""
        self.producing -= 1
        self._finish()

    def all(self) -> ap.Reply[Delivered]:
        """Answers when everything has been made and consumed."""
        self.result = self.ctx.defer(Delivered)
        self._finish()
        return self.result

    def _deliver(self, consumer: ap.ActorRef[Consumer], item: int) -> None:
        self.delivered += 1
        self.sum += item
        consumer.tell(Consumer.consume, item)

    def _finish(self) -> None:
        if self.result is not None and not self.producing and len(self.hungry) == self.consumers:
            self.result.send(Delivered(self.delivered, self.sum, self.fullest))


class Producer(ap.Actor):
    """Makes the items `first`, `first` + 1, …, one each time it is asked."""

    def __init__(self, buffer: ap.ActorRef[Buffer], first: int, items: int) -> None:
        self.buffer, self.next, self.end = buffer, first, first + items

    def on_start(self) -> None:
        self.me = self.ctx.ref

    def produce(self) -> None:
        if self.next < self.end:
            self.buffer.tell(Buffer.put, self.me, self.next)
            self.next += 1
        else:
            self.buffer.tell(Buffer.no_more)


class Consumer(ap.Actor):
    """Wants the next item when it has consumed one."""

    def __init__(self, buffer: ap.ActorRef[Buffer]) -> None:
        self.buffer = buffer
        self.sum = 0

    def on_start(self) -> None:
        self.me = self.ctx.ref

    def start(self) -> None:
        self.buffer.tell(Buffer.want, self.me)

    def consume(self, item: int) -> None:
        self.sum += item
        self.buffer.tell(Buffer.want, self.me)

    def total(self) -> int:
        return self.sum


async def bndbuffer(system: ap.ActorSystem, producers: int, consumers: int, each: int, places: int) -> Delivered:
    """Every producer makes `each` items. The sum is what the consumers have consumed, not what the buffer saw."""
    buffer = await system.spawn(Buffer, places, producers, consumers)
    eaters = [await system.spawn(Consumer, buffer) for _ in range(consumers)]
    makers = [await system.spawn(Producer, buffer, index * each, each) for index in range(producers)]
    for eater in eaters:
        eater.tell(Consumer.start)
    for maker in makers:
        maker.tell(Producer.produce)
    seen = await buffer.within(None).ask(Buffer.all)
    consumed = sum([await eater.ask(Consumer.total) for eater in eaters])
    return seen._replace(sum=consumed)
