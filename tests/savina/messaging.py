"""Messages and nothing else: pingpong (latency), threadring (one hop), count (one mailbox)."""

from __future__ import annotations

import actorpar as ap


class Pong(ap.Actor):
    """Answers each ping with one pong."""

    def __init__(self) -> None:
        self.pings = 0

    def ping(self, sender: ap.ActorRef[Ping]) -> None:
        self.pings += 1
        sender.tell(Ping.pong)

    def count(self) -> int:
        self.pings += 1
        return self.pings


class Ping(ap.Actor):
    """Sends the next ping when it has the pong of the last one."""

    def __init__(self, pong: ap.ActorRef[Pong]) -> None:
        self.partner = pong
        self.left = self.pongs = 0

    def on_start(self) -> None:
        self.me = self.ctx.ref

    def play(self, rounds: int) -> ap.Reply[int]:
        """Answers with the number of pongs, after `rounds` of them."""
        self.left = rounds
        self.result = self.ctx.defer(int)
        self.partner.tell(Pong.ping, self.me)
        return self.result

    def pong(self) -> None:
        self.pongs += 1
        self.left -= 1
        if self.left:
            self.partner.tell(Pong.ping, self.me)
        else:
            self.result.send(self.pongs)

    async def play_by_ask(self, rounds: int) -> int:
        """The same by asking; answers with what the last ask gave."""
        ask, last = self.partner.ask, 0
        for _ in range(rounds):
            last = await ask(Pong.count)
        return last


async def pingpong(system: ap.ActorSystem, rounds: int) -> int:
    """The number of pongs."""
    ping = await system.spawn(Ping, await system.spawn(Pong))
    return await ping.within(None).ask(Ping.play, rounds)


async def pingpong_by_ask(system: ap.ActorSystem, rounds: int) -> int:
    """The number of pings."""
    ping = await system.spawn(Ping, await system.spawn(Pong))
    return await ping.within(None).ask(Ping.play_by_ask, rounds)


class Node(ap.Actor):
    """A member of the ring. The first one is told where the token stopped."""

    def __init__(self, index: int) -> None:
        self.index = index

    def connect(self, following: ap.ActorRef[Node], first: ap.ActorRef[Node]) -> None:
        self.following, self.first = following, first

    def start(self, hops: int) -> ap.Reply[int]:
        """Answers with the index of the node at which the token stopped."""
        self.result = self.ctx.defer(int)
        self.take(hops)
        return self.result

    def take(self, hops: int) -> None:
        if hops:
            self.following.tell(Node.take, hops - 1)
        else:
            self.first.tell(Node.stopped_at, self.index)

    def stopped_at(self, index: int) -> None:
        self.result.send(index)


async def threadring(system: ap.ActorSystem, size: int, hops: int) -> int:
    """The index of the node at which a token stops that makes `hops` hops round a ring of `size`."""
    nodes = [await system.spawn(Node, index) for index in range(size)]
    for index, node in enumerate(nodes):
        node.tell(Node.connect, nodes[(index + 1) % size], nodes[0])
    return await nodes[0].within(None).ask(Node.start, hops)


class Counter(ap.Actor):
    """Counts its messages."""

    def __init__(self) -> None:
        self.count = 0

    def increment(self) -> None:
        self.count += 1

    def total(self) -> int:
        return self.count


class Producer(ap.Actor):
    """Sends a flood."""

    async def produce(self, counter: ap.ActorRef[Counter], messages: int) -> int:
        send = counter.send
        for _ in range(messages):
            await send(Counter.increment)
        return await counter.within(None).ask(Counter.total)


async def count(system: ap.ActorSystem, messages: int) -> int:
    """What a counter says after that many messages."""
    counter, producer = await system.spawn(Counter), await system.spawn(Producer)
    return await producer.within(None).ask(Producer.produce, counter, messages)
