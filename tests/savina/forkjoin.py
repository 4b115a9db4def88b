"""Many actors, and waiting for them: fjcreate (a life for one message), fjthrput (fan-out), fib (a tree)."""

from __future__ import annotations

import actorpar as ap


class Join(ap.Actor):
    """Adds up what it is told, and answers when it has been told often enough."""

    def __init__(self, parts: int) -> None:
        self.left = parts
        self.sum = 0
        self.waiting: ap.Reply[int] | None = None

    def add(self, part: int) -> None:
        self.sum += part
        self.left -= 1
        if not self.left and self.waiting is not None:
            self.waiting.send(self.sum)

    def total(self) -> ap.Reply[int]:
        """The sum, when all parts are there."""
        self.waiting = self.ctx.defer(int)
        if not self.left:
            self.waiting.send(self.sum)
        return self.waiting


class Once(ap.Actor):
    """Lives for one message."""

    def __init__(self, join: ap.ActorRef[Join]) -> None:
        self.join = join

    def work(self, part: int) -> None:
        self.join.tell(Join.add, part)
        self.ctx.stop()


async def fjcreate(system: ap.ActorSystem, actors: int) -> int:
    """Start that many actors, each of which is told its number, passes it on and stops: the sum of the numbers."""
    join = await system.spawn(Join, actors)
    for number in range(actors):
        (await system.spawn(Once, join)).tell(Once.work, number)
    return await join.within(None).ask(Join.total)


class Worker(ap.Actor):
    """Counts its messages, and tells the count when it has all of them."""

    def __init__(self, join: ap.ActorRef[Join], messages: int) -> None:
        self.join, self.messages = join, messages
        self.done = 0

    def work(self) -> None:
        self.done += 1
        if self.done == self.messages:
            self.join.tell(Join.add, self.done)


async def fjthrput(system: ap.ActorSystem, workers: int, each: int) -> int:
    """Send `each` messages to every one of the workers, in turn: the number of messages handled."""
    join = await system.spawn(Join, workers)
    sends = [(await system.spawn(Worker, join, each)).send for _ in range(workers)]
    for _ in range(each):
        for send in sends:
            await send(Worker.work)
    return await join.within(None).ask(Join.total)


class Fib(ap.Actor):
    """One call of the function: starts two children, and passes the sum of their answers on."""

    def __init__(self, parent: ap.ActorRef[Fib] | None) -> None:
        self.parent = parent
        self.sum = self.answers = 0

    def first(self, n: int) -> ap.Reply[int]:
        """For the root: answers with the result."""
        self.result = self.ctx.defer(int)
        self.ctx.ref.tell(Fib.compute, n)
        return self.result

    async def compute(self, n: int) -> None:
        if n <= 2:
            self._answer(1)
        else:
            for less in (1, 2):
                child = await self.ctx.spawn(Fib, self.ctx.ref)
                child.tell(Fib.compute, n - less)

    def collect(self, part: int) -> None:
        self.sum += part
        self.answers += 1
        if self.answers == 2:
            self._answer(self.sum)

    def _answer(self, result: int) -> None:
        if self.parent is None:
            self.result.send(result)
        else:
            self.parent.tell(Fib.collect, result)
        self.ctx.stop()


async def fib(system: ap.ActorSystem, n: int) -> int:
    """The n-th Fibonacci number, an actor for each call: 2 fib(n) - 1 of them."""
    return await (await system.spawn(Fib, None)).within(None).ask(Fib.first, n)
