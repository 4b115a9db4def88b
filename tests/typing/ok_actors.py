"""What mypy and pyright infer of actors, without a cast, a plugin or a mirror declaration. Never run."""

from __future__ import annotations

import functools
from typing import Any, assert_never, assert_type

import actorpar as ap
from actorpar.testing import Probe, open_probe, running_system, wait_idle


class Stats(ap.Actor, mailbox=128, reentrant=False, stash=8):
    def __init__(self, start: int = 0) -> None:
        self.count = start
        self.waiting: list[ap.Reply[int]] = []

    async def add(self, n: int) -> int:
        self.count += n
        return self.count

    def peek(self, *, twice: bool = False) -> int:
        return self.count * (2 if twice else 1)

    def name_it(self, name: str, *more: str) -> list[str]:
        return [name, *more]

    @ap.blocking
    def crunch(self, n: int, /, factor: float = 1.0) -> float:
        return n * factor

    def take(self) -> ap.Reply[int]:
        reply = self.ctx.defer(int)
        assert_type(reply, ap.Reply[int])
        assert_type(reply.send(1), bool)
        assert_type(reply.fail(ap.Reject("no")), bool)
        assert_type(reply.pending, bool)
        assert_type(reply.deadline, float | None)
        self.waiting.append(reply)
        return reply

    async def take_later(self, optional: bool) -> ap.Reply[str | None]:
        reply: ap.Reply[str | None] = self.ctx.defer()
        return reply

    def forget(self) -> None: ...


class Base(ap.Actor):
    async def fetch(self, url: str) -> object:
        return url


class Derived(Base):
    async def fetch(self, url: str, retries: int = 0) -> bytes:
        return b""

    def own(self) -> int:
        return 1


class Router(ap.Actor):
    """Uses all of its context."""

    def __init__(self, other: ap.ActorRef[Stats], names: list[str]) -> None:
        self.other = other
        mine: ap.ActorContext[Router] = self.ctx
        anybodys: ap.ActorContext[ap.Actor] = self.ctx
        print(mine, anybodys)

    def pass_on(self, n: int) -> ap.Reply[int]:
        assert_type(self.ctx.forward(self.other, Stats.take), ap.Reply[int])
        assert_type(self.ctx.forward(self.other, Stats.peek, twice=True), ap.Reply[int])
        assert_type(self.ctx.forward(self.other, Stats.take_later, True), ap.Reply[str | None])
        return self.ctx.forward(self.other, Stats.add, n)

    async def work(self, rx: ap.Receiver[str]) -> None:
        ctx = self.ctx
        myself: ap.ActorRef[Router] = ctx.ref
        assert_type(await ctx.ref.ask(Router.wake, b"x"), int)
        assert_type(myself.tell(Router.tick), bool)
        assert_type(ctx.name, str)
        assert_type(ctx.system, ap.ActorSystem)
        assert_type(ctx.deadline, float | None)
        assert_type(await ctx.spawn(Stats, 1, name="stats"), ap.ActorRef[Stats])
        assert_type(await ctx.spawn(Stats, link=True), ap.ActorRef[Stats])
        assert_type(await ctx.spawn(identity, 1), ap.Process[int])
        assert_type(ctx.monitor(self.other, pact=True), ap.Monitor)
        assert_type(ctx.after(1.0, self.tick), ap.Timer)
        assert_type(ctx.after(1, self.look, 3, "x", key="look"), ap.Timer)
        assert_type(ctx.every(0.5, self.wake, b"x"), ap.Timer)
        assert_type(ctx.cancel_timer("look"), bool)
        assert_type(ctx.feed(rx, self.on_page), ap.Process[None])
        assert_type(ctx.feed(rx, self.wide), ap.Process[None])
        ctx.demonitor(ctx.monitor(self.other))
        ctx.link(self.other)
        ctx.unlink(self.other)
        ctx.join("rooms")
        ctx.leave("rooms")
        ctx.stash()
        ctx.unstash_all()
        ctx.keep({"count": 1})
        ctx.log.info("seen %s", ctx.name)
        ctx.stop(ap.NORMAL)

    def tick(self) -> None: ...

    def look(self, n: int, text: str) -> None: ...

    async def wake(self, data: bytes) -> int:
        return len(data)

    async def on_page(self, page: str) -> None: ...

    def wide(self, page: object) -> None: ...

    # hooks, plain and async, as a subclass may write them

    async def on_start(self) -> None: ...

    def on_stop(self, reason: ap.Reason) -> None:
        assert_type(reason.error, BaseException | None)
        assert_type(reason.root, ap.Reason)
        match reason.kind:
            case "normal" | "shutdown" | "killed" | "noproc" | "noconnection" | "error":
                pass
            case other:
                assert_never(other)

    async def on_failure(self, error: BaseException) -> None: ...

    def on_restart(self, restart: ap.Restart) -> None:
        assert_type(restart.reason, ap.Reason)
        assert_type(restart.count, int)

    async def on_down(self, down: ap.Down) -> None:
        assert_type(down.reason, ap.Reason)
        assert_type(down.monitor, ap.Monitor)

    def on_exit(self, exit: ap.Exit) -> None:
        assert_type(exit.reason, ap.Reason)

    def on_withdrawn(self, reply: ap.Reply[Any]) -> None: ...


async def identity(n: int) -> int:
    return n


async def with_keywords(n: int, *, depth: int) -> str:
    return str(n)


async def asking(ref: ap.ActorRef[Stats]) -> None:
    assert_type(await ref.ask(Stats.add, 1), int)
    assert_type(await ref.ask(Stats.add, n=1), int)
    assert_type(await ref.ask(Stats.peek), int)
    assert_type(await ref.ask(Stats.peek, twice=True), int)
    assert_type(await ref.ask(Stats.name_it, "a", "b", "c"), list[str])
    assert_type(await ref.ask(Stats.crunch, 1, factor=2.0), float)
    assert_type(await ref.ask(Stats.take), int)
    assert_type(await ref.ask(Stats.take_later, True), str | None)
    assert_type(await ref.ask(Stats.forget), None)
    assert_type(await ref.within(1.0).ask(Stats.take), int)
    assert_type(await ref.within(None).within(3).ask(Stats.peek, twice=True), int)
    assert_type(ref.within(1), ap.ActorRef[Stats])
    first, second = await ap.par(ref.ask(Stats.add, 1), ref.ask(Stats.name_it, "x"))
    assert_type(first, int)
    assert_type(second, list[str])


async def telling(ref: ap.ActorRef[Stats]) -> None:
    assert_type(ref.tell(Stats.add, 1), bool)
    assert_type(ref.tell(Stats.add, n=1), bool)
    assert_type(ref.tell(Stats.take), bool)
    assert_type(ref.tell(Stats.crunch, 1, 2.0), bool)
    assert_type(await ref.send(Stats.peek, twice=True), None)
    add = ref.teller(Stats.add)
    assert_type(add(1), bool)
    crunch = ref.teller(Stats.crunch)
    assert_type(crunch(1, 2.0), bool)
    assert_type(ref.name, str)
    assert_type(ref.is_alive(), bool)
    assert_type({ref: 1}[ref], int)


def threads(ref: ap.ActorRef[Stats]) -> None:
    with ref.within(3.0).threadsafe() as handle:
        assert_type(handle, ap.ThreadRef[Stats])
        assert_type(handle.send(Stats.add, 1), None)
        assert_type(handle.ask(Stats.add, n=1), int)
        assert_type(handle.ask(Stats.peek, twice=True), int)
        assert_type(handle.ask(Stats.take), int)
        assert_type(handle.ask(Stats.take_later, False), str | None)
        assert_type(handle.close(), None)


async def variance(derived: ap.ActorRef[Derived]) -> None:
    base: ap.ActorRef[Base] = derived  # who has a reference to a derived actor has one to its base
    anything: ap.ActorRef[ap.Actor] = derived
    assert_type(await base.ask(Base.fetch, "url"), object)
    assert_type(await derived.ask(Derived.fetch, "url", 3), bytes)
    assert_type(await derived.ask(Base.fetch, "url"), object)
    assert_type(derived.tell(Derived.own), bool)
    print(anything)


async def guards(ref: ap.ActorRef[Stats], rx: ap.Receiver[str]) -> None:
    chosen = await ap.select(ap.send_to(ref, Stats.add, 1), ap.send_to(ref, Stats.peek, twice=True), rx)
    match chosen:
        case 0, sent:
            assert_type(sent, None)
        case 1, also_sent:
            assert_type(also_sent, None)
        case 2, text:
            assert_type(text, str)
        case _:
            assert_never(chosen)


async def system() -> int:
    async with ap.ActorSystem("name", shutdown=1.0) as system:
        assert_type(system, ap.ActorSystem)
        stats = await system.spawn(Stats, 1, name="stats")
        assert_type(stats, ap.ActorRef[Stats])
        assert_type(await system.spawn(Stats), ap.ActorRef[Stats])
        assert_type(await system.spawn(Router, stats, ["a"]), ap.ActorRef[Router])
        assert_type(await system.spawn(Derived), ap.ActorRef[Derived])
        assert_type(await system.spawn(identity, 3, name="id"), ap.Process[int])
        assert_type(await system.spawn(functools.partial(with_keywords, depth=1), 3), ap.Process[str])
        assert_type(await (await system.spawn(identity, 3)), int)
        assert_type(system.find("stats", Stats), ap.ActorRef[Stats] | None)
        assert_type(await system.stop(stats), ap.Reason)
        assert_type(await system.stop(stats, reason=ap.Reason("shutdown", "rain"), timeout=None), ap.Reason)
        assert_type(await system.ended(stats), ap.Reason)
        assert_type(system.kill(stats), None)
        assert_type(system.actors, tuple[ap.ActorRef[Any], ...])
        assert_type(system.events.subscribe(ap.Started), ap.Receiver[ap.Started])
        async for letter in system.events.subscribe(ap.DeadLetter):
            assert_type(letter.message, str)
            assert_type(letter.sender, ap.ActorRef[Any] | None)
        assert_type(system.groups.members("rooms"), tuple[ap.ActorRef[Any], ...])
        members, changes = system.groups.monitor("rooms")
        assert_type(members, tuple[ap.ActorRef[Any], ...])
        assert_type(changes, ap.Receiver[ap.GroupChange])
        assert_type(system.counters.handled, int)
        return await stats.ask(Stats.peek)  # the block swallows nothing


async def errors(ref: ap.ActorRef[Stats]) -> None:
    try:
        await ref.ask(Stats.add, 1)
    except ap.ActorDead as dead:
        assert_type(dead.reason, ap.Reason | None)
    except TimeoutError as late:
        print(late)
    except ap.ActorError as other:
        print(other)


class Worker(ap.Actor):
    def __init__(self, size: int) -> None: ...

    async def fetch(self, url: str, retries: int = 1) -> bytes:
        return b""

    def measure(self, data: bytes) -> int:
        return len(data)

    def later(self, data: bytes) -> ap.Reply[float]:
        return self.ctx.defer(float)


async def routers(system: ap.ActorSystem, ref: ap.ActorRef[Stats]) -> None:
    router = ap.Router([ref, ref.within(1.0)], choice="least_loaded")
    assert_type(router, ap.Router[Stats])
    assert_type(ap.Router.of_group(system, "workers", Worker), ap.Router[Worker])
    assert_type(router.choose(), ap.ActorRef[Stats])
    assert_type(router.by_key("ada"), ap.ActorRef[Stats])
    assert_type(router.by_key(7), ap.ActorRef[Stats])
    assert_type(router.members, tuple[ap.ActorRef[Stats], ...])
    assert_type(await router.ask(Stats.add, n=1), int)
    assert_type(await router.ask(Stats.take), int)
    assert_type(await router.ask(Stats.take_later, True), str | None)
    assert_type(router.tell(Stats.peek, twice=True), bool)
    assert_type(await router.send(Stats.add, 1), None)


async def pools(system: ap.ActorSystem, urls: list[str], pages: ap.Receiver[bytes]) -> None:
    async with ap.pool(system, Worker, 3, size=4, queue=8, retry=ap.Retry(attempts=2)) as pool:
        assert_type(pool, ap.ActorPool[Worker])
        assert_type(await pool.ask(Worker.fetch, "url"), bytes)
        assert_type(await pool.ask(Worker.later, data=b""), float)
        assert_type(pool.tell(Worker.measure, b""), bool)
        assert_type(await pool.send(Worker.fetch, "url", retries=2), None)
        assert_type(pool.workers, tuple[ap.ActorRef[Worker], ...])
        async for page in pool.map(Worker.fetch, urls):
            assert_type(page, bytes)
        async for size in pool.map(Worker.measure, pages, ordered=False):
            assert_type(size, int)
        async for number in pool.map(Worker.later, pages):
            assert_type(number, float)
    assert_type(pool.busy, int)  # bound: the block swallows nothing


async def testing(system: ap.ActorSystem) -> None:
    await wait_idle(system, timeout=1.0)
    probe = await open_probe(system, Stats, name="stats")
    assert_type(probe, Probe[Stats])
    assert_type(probe.ref, ap.ActorRef[Stats])
    assert_type(await probe.expect(Stats.add, 1), ap.Reply[int])
    assert_type(await probe.expect(Stats.take), ap.Reply[int])
    assert_type((await probe.expect(Stats.peek, twice=True)).send(3), bool)
    assert_type((await probe.receive()).name, str)
    probe.answer(Stats.add, 1)
    async with running_system() as other:
        assert_type(other, ap.ActorSystem)
