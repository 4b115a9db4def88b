"""Misuses of actors that mypy and pyright refuse, each in the line marked so. Never run.

The marks keep the checks of the whole repository quiet; test_typing.py removes them, and holds both checkers to
refuse every marked line and no other.
"""

from __future__ import annotations

import actorpar as ap
from actorpar.testing import open_probe, wait_idle


class Stats(ap.Actor):
    def __init__(self, start: int = 0) -> None:
        self.count = start

    async def add(self, n: int) -> int:
        return n

    def peek(self, *, twice: bool = False) -> int:
        return self.count

    @ap.blocking
    def crunch(self, n: int) -> float:
        return n

    def take(self) -> ap.Reply[int]:
        reply = self.ctx.defer(int)
        reply.send("one")  # type: ignore
        reply.fail("no")  # type: ignore
        text: ap.Reply[str] = reply  # type: ignore
        print(text)
        return self.ctx.defer(str)  # type: ignore


class Other(ap.Actor):
    def __init__(self, name: str, size: int) -> None: ...

    def shout(self) -> str:
        return ""


class Base(ap.Actor):
    async def fetch(self, url: str) -> object:
        return url


class Derived(Base):
    def own(self) -> int:
        return 1


class Wrong(Base, mailbox="many"):  # type: ignore
    async def fetch(self, url: int) -> object:  # type: ignore
        return url

    def on_stop(self, reason: str) -> None:  # type: ignore
        pass

    async def on_withdrawn(self, reply: ap.Reply[int]) -> None:  # type: ignore
        pass


class Reentrant(Base, reentrant="yes"):  # type: ignore
    pass


async def asking(ref: ap.ActorRef[Stats], other: ap.ActorRef[Other]) -> None:
    await ref.ask(Stats.add)  # type: ignore
    await ref.ask(Stats.add, "1")  # type: ignore
    await ref.ask(Stats.add, 1, 2)  # type: ignore
    await ref.ask(Stats.add, m=1)  # type: ignore
    await ref.ask(Stats.add, n="1")  # type: ignore
    await ref.ask(Stats.peek, True)  # type: ignore
    await ref.ask(Stats.peek, twice=2)  # type: ignore
    await ref.ask(Stats.crunch, "1")  # type: ignore
    await ref.ask(Stats.ad, 1)  # type: ignore
    await ref.ask("add", 1)  # type: ignore
    await ref.ask(Other.shout)  # type: ignore
    await other.ask(Stats.add, 1)  # type: ignore
    await ref.add(1)  # type: ignore
    await ref.count  # type: ignore
    await ref.within(1.0).ask(Stats.add, "1")  # type: ignore
    await ref.within("1").ask(Stats.add, 1)  # type: ignore
    text: str = await ref.ask(Stats.add, 1)  # type: ignore
    text = await ref.ask(Stats.peek)  # type: ignore
    text = await ref.ask(Stats.crunch, 1)  # type: ignore
    text = await ref.ask(Stats.take)  # type: ignore
    (await ref.ask(Stats.take)).send(1)  # type: ignore
    number: int = ref.ask(Stats.add, 1)  # type: ignore
    print(text, number)


async def telling(ref: ap.ActorRef[Stats]) -> None:
    ref.tell(Stats.add)  # type: ignore
    ref.tell(Stats.add, "1")  # type: ignore
    ref.tell(Other.shout)  # type: ignore
    ref.tell(Stats.peek, once=True)  # type: ignore
    await ref.tell(Stats.add, 1)  # type: ignore
    await ref.send(Stats.add, "1")  # type: ignore
    await ref.send(Other.shout)  # type: ignore
    ref.teller(Other.shout)  # type: ignore
    ref.teller(Stats.add)("1")  # type: ignore
    ref.teller(Stats.add)()  # type: ignore
    ref.teller(Stats.add)(n=1)  # type: ignore
    ap.send_to(ref, Stats.add)  # type: ignore
    ap.send_to(ref, Stats.add, "1")  # type: ignore
    ap.send_to(ref, Other.shout)  # type: ignore
    answer: int = await ref.send(Stats.add, 1)  # type: ignore
    print(answer)


def threads(ref: ap.ActorRef[Stats]) -> None:
    handle = ref.threadsafe()
    handle.send(Stats.add, "1")  # type: ignore
    handle.send(Other.shout)  # type: ignore
    handle.ask(Stats.add)  # type: ignore
    handle.ask(Other.shout)  # type: ignore
    text: str = handle.ask(Stats.add, 1)  # type: ignore
    handle.tell(Stats.add, 1)  # type: ignore
    print(text)


async def variance(base: ap.ActorRef[Base], stats: ap.ActorRef[Stats]) -> None:
    derived: ap.ActorRef[Derived] = base  # type: ignore
    base.tell(Derived.own)  # type: ignore
    other: ap.ActorRef[Other] = stats  # type: ignore
    number: ap.ActorRef[int] | None = None  # type: ignore
    print(derived, other, number)


class Uses(ap.Actor):
    def tick(self) -> None: ...

    def look(self, n: int) -> None: ...

    async def on_page(self, page: str) -> None: ...

    def pass_on(self, ref: ap.ActorRef[Stats]) -> ap.Reply[str]:
        self.ctx.forward(ref, Stats.add, "1")  # type: ignore
        self.ctx.forward(ref, Other.shout)  # type: ignore
        return self.ctx.forward(ref, Stats.add, 1)  # type: ignore

    async def use(self, numbers: ap.Receiver[int], ref: ap.ActorRef[Stats]) -> None:
        self.ctx.after(1.0, self.look)  # type: ignore
        self.ctx.after(1.0, self.look, "x")  # type: ignore
        self.ctx.after("1", self.tick)  # type: ignore
        self.ctx.after(1.0, self.tick())  # type: ignore
        self.ctx.every(1.0, self.tick, 3)  # type: ignore
        self.ctx.feed(numbers, self.on_page)  # type: ignore
        self.ctx.feed([1, 2], self.look)  # type: ignore
        self.ctx.monitor(Stats)  # type: ignore
        self.ctx.demonitor(ref)  # type: ignore
        self.ctx.link(self)  # type: ignore
        self.ctx.stop("enough")  # type: ignore
        self.ctx.join(ref)  # type: ignore
        await self.ctx.spawn(Other, "x")  # type: ignore
        await self.ctx.spawn(Stats, "1")  # type: ignore
        wrong: ap.ActorRef[Stats] = self.ctx.ref  # type: ignore
        self.ctx = None  # type: ignore
        print(wrong)


async def spawning(system: ap.ActorSystem, ref: ap.ActorRef[Stats]) -> None:
    await system.spawn(Stats, "1")  # type: ignore
    await system.spawn(Stats, 1, 2)  # type: ignore
    await system.spawn(Stats, start=1)  # type: ignore
    await system.spawn(Other, "name")  # type: ignore
    await system.spawn(Other, 1, "name")  # type: ignore
    await system.spawn(Stats, name=1)  # type: ignore
    await system.spawn(int)  # type: ignore
    await system.spawn(Stats(1))  # type: ignore
    other: ap.ActorRef[Other] = await system.spawn(Stats)  # type: ignore
    other = system.find("stats", Stats)  # type: ignore
    system.find("stats")  # type: ignore
    system.find("stats", int)  # type: ignore
    system.kill("stats")  # type: ignore
    await system.stop(ref, "now")  # type: ignore
    await system.stop(ref, reason="now")  # type: ignore
    system.events.subscribe("Started")  # type: ignore
    print(other)


def reasons() -> None:
    ap.Reason("crashed")  # type: ignore
    ap.Restart(ap.NORMAL)  # type: ignore


class Worker(ap.Actor):
    def __init__(self, size: int) -> None: ...

    async def fetch(self, url: str) -> bytes:
        return b""


async def routers(system: ap.ActorSystem, stats: ap.ActorRef[Stats], other: ap.ActorRef[Other]) -> None:
    router = ap.Router([stats])
    text: str = await router.ask(Stats.add, 1)  # type: ignore
    await router.ask(Stats.add, "1")  # type: ignore
    await router.ask(Other.shout)  # type: ignore
    router.tell(Stats.add)  # type: ignore
    await router.send(Other.shout)  # type: ignore
    router.by_key(1.5)  # type: ignore
    router.by_key("a").tell(Other.shout)  # type: ignore
    ap.Router([Stats])  # type: ignore
    ap.Router([stats], choice="random")  # type: ignore
    ap.Router.of_group(system, "stats")  # type: ignore
    wrong: ap.Router[Other] = ap.Router.of_group(system, "stats", Stats)  # type: ignore
    print(text, wrong)


async def pools(system: ap.ActorSystem, numbers: list[int], urls: list[str]) -> None:
    ap.pool(system, Worker, size=4)  # type: ignore
    ap.pool(system, Worker, "3", size=4)  # type: ignore
    ap.pool(system, Worker, 3)  # type: ignore
    ap.pool(system, Worker, 3, size=4, retry=3)  # type: ignore
    ap.pool(system, fetch, 3, size=4)  # type: ignore
    async with ap.pool(system, Worker, 3, size=4) as pool:
        await pool.ask(Worker.fetch)  # type: ignore
        await pool.ask(Worker.fetch, 1)  # type: ignore
        await pool.ask(Stats.add, 1)  # type: ignore
        pool.tell(Stats.add, 1)  # type: ignore
        async for page in pool.map(Worker.fetch, urls):
            urls.append(page)  # type: ignore
        pool.map(Worker.fetch, numbers)  # type: ignore
        pool.map(Stats.add, numbers)  # type: ignore
        for result in pool.map(Worker.fetch, urls):  # type: ignore
            print(result)


async def fetch(url: str) -> bytes:
    return b""


async def testing(system: ap.ActorSystem) -> None:
    probe = await open_probe(system, Stats)
    await probe.expect(Other.shout)  # type: ignore
    await probe.expect(Stats.add, "1")  # type: ignore
    (await probe.expect(Stats.add, 1)).send("1")  # type: ignore
    probe.answer(Other.shout, "")  # type: ignore
    await open_probe(system, int)  # type: ignore
    await wait_idle(probe)  # type: ignore
