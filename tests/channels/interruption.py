"""A driver that cancels the user of a channel at its k-th suspension, in every way that asyncio has.

The victim is one of several users of two channels; the others go on afterwards until the channels have ended, and a
ledger compares what was sent with what arrived.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import functools
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from typing import Any

import anyio

import actorpar as ap
from actorpar.channels.process import pause
from actorpar.channels.runqueue import run_queue

Item = tuple[str, int]


class Ledger:
    """What each party says about each item."""

    def __init__(self) -> None:
        self.sent: list[Item] = []
        self.perhaps: list[Item] = []
        self.received: dict[str, list[Item]] = collections.defaultdict(list)
        self.undelivered: list[Item] = []
        self.interrupted = False

    @contextlib.contextmanager
    def sending(self, item: Item, capacity: float) -> Iterator[None]:
        """A send of the item: completed it is sent; cancelled on capacity 0 it may have been taken (CH-54)."""
        try:
            yield
        except asyncio.CancelledError:
            if capacity == 0:
                self.perhaps.append(item)
            raise
        self.sent.append(item)

    def check(self) -> None:
        """Nothing is lost, doubled, or out of order."""
        everywhere = [item for items in self.received.values() for item in items] + self.undelivered
        assert len(everywhere) == len(set(everywhere)), f"doubled: {sorted(everywhere)}"
        assert set(self.sent) <= set(everywhere), f"lost: {set(self.sent) - set(everywhere)}"
        assert set(everywhere) <= {*self.sent, *self.perhaps}, f"not sent: {set(everywhere) - set(self.sent)}"
        for name, items in self.received.items():
            for sender in {sender for sender, _ in items}:
                numbers = [number for who, number in items if who == sender]
                assert numbers == sorted(numbers), f"{name} received {numbers} from {sender}"


class Counted:
    """Awaits a coroutine, counts its suspensions, and calls `strike` at the k-th, before it suspends."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], k: int, strike: Callable[[], None]) -> None:
        self.coroutine = coroutine
        self.left = k
        self.strike = strike

    def __await__(self) -> Generator[Any, Any, None]:
        step: Callable[[], Any] = functools.partial(self.coroutine.send, None)
        while True:
            try:
                signal = step()
            except StopIteration:
                return
            self.left -= 1
            if self.left == 0:
                self.strike()
            try:
                value = yield signal
                step = functools.partial(self.coroutine.send, value)
            except BaseException as error:
                step = functools.partial(self.coroutine.throw, error)


class SiblingFailed(Exception):
    """What cancels the others of a TaskGroup."""


# -- the ways to cancel: each runs the body and gives `arm` what cancels it

Arm = Callable[[Callable[[], object]], None]


async def by_cancel(body: Awaitable[None], arm: Arm) -> None:
    task = asyncio.current_task()
    assert task is not None
    arm(task.cancel)
    await body


async def by_timeout(body: Awaitable[None], arm: Arm) -> None:
    async with asyncio.timeout(None) as scope:
        arm(lambda: None if scope.expired() else scope.reschedule(0))
        await body


async def by_task_group(body: Awaitable[None], arm: Arm) -> None:
    failing = asyncio.Event()

    async def fail() -> None:
        await failing.wait()
        raise SiblingFailed

    async with asyncio.TaskGroup() as group:
        sibling = group.create_task(fail())
        arm(failing.set)
        await body
        sibling.cancel()


async def by_wait_for(body: Awaitable[None], arm: Arm) -> None:
    async def run() -> None:
        await body

    task = asyncio.current_task()
    assert task is not None
    arm(task.cancel)
    await asyncio.wait_for(run(), 3600)


async def by_the_timeout_of_wait_for(body: Awaitable[None], arm: Arm) -> None:
    async def run() -> None:
        await body

    loop: Any = asyncio.get_running_loop()
    arm(lambda: loop.advance(3600))
    await asyncio.wait_for(run(), 3600)


async def by_anyio(body: Awaitable[None], arm: Arm) -> None:
    with anyio.CancelScope() as scope:
        arm(scope.cancel)
        await body


async def by_the_timeout_of_anyio(body: Awaitable[None], arm: Arm) -> None:
    loop: Any = asyncio.get_running_loop()
    with anyio.fail_after(3600):
        arm(lambda: loop.advance(3600))
        await body


WAYS = [by_cancel, by_timeout, by_task_group, by_wait_for, by_anyio]
IN_VIRTUAL_TIME = [by_the_timeout_of_wait_for, by_the_timeout_of_anyio]


# -- the victims: each uses the ends of two channels, and closes nothing


class Users:
    """The channels of one run, the victim and the others."""

    def __init__(self, capacity: float, spawn: Callable[[Coroutine[Any, Any, Any]], asyncio.Future[Any]]) -> None:
        self.capacity = capacity
        self.spawn = spawn
        self.ledger = Ledger()
        undelivered = self.ledger.undelivered.append
        self.out, self.out_rx = ap.open_channel[Item](capacity, on_undelivered=undelivered)
        self.in_tx, self.inn = ap.open_channel[Item](capacity, on_undelivered=undelivered)

    async def sends(self) -> None:
        for number in range(3):
            with self.ledger.sending(("victim", number), self.capacity):
                await self.out.send(("victim", number))

    async def sends_many(self) -> None:
        rest = collections.deque(("victim", number) for number in range(5))
        everything = list(rest)
        try:
            await self.out.send_many(rest)
        finally:  # an item has left the deque exactly if it was sent, on capacity 0 too (CH-56)
            self.ledger.sent += everything[: len(everything) - len(rest)]

    async def receives(self) -> None:
        for _ in range(3):
            self.ledger.received["victim"].append(await self.inn.receive())

    async def receives_many(self) -> None:
        for _ in range(2):
            self.ledger.received["victim"] += await self.inn.receive_many(2)

    async def iterates(self) -> None:
        async for item in self.inn:
            self.ledger.received["victim"].append(item)

    async def reserves(self) -> None:
        for number in range(2):
            async with self.out.reserve() as permit:
                await pause()
                permit.send(("victim", number))
                self.ledger.sent.append(("victim", number))

    async def selects(self) -> None:
        for number in range(3):
            with self._choosing(number) as outcome:
                outcome += await ap.select(ap.receive_from(self.inn), ap.send_to(self.out, ("victim", number)))

    async def selects_with_a_selector(self) -> None:
        receive, send = ap.receive_from(self.inn), ap.send_to(self.out, ("victim", 0))
        selector: ap.Selector[Any] = ap.Selector(receive, send, priority=True)
        for number in range(3):
            send.item = ("victim", number)  # type: ignore[attr-defined]
            with self._choosing(number) as outcome:
                outcome += await selector.select()

    @contextlib.contextmanager
    def _choosing(self, number: int) -> Iterator[list[Any]]:
        outcome: list[Any] = []
        with contextlib.suppress(_NotChosen), self.ledger.sending(("victim", number), self.capacity):
            yield outcome
            if outcome[0] == 0:
                self.ledger.received["victim"].append(outcome[1])
                raise _NotChosen

    # -- the others

    async def sending(self, tx: ap.Sender[Item], name: str) -> None:
        with tx:
            for number in range(3):
                with contextlib.suppress(ap.ChannelBroken), self.ledger.sending((name, number), self.capacity):
                    await tx.send((name, number))

    async def receiving(self, rx: ap.Receiver[Item], name: str) -> None:
        with rx:
            async for item in rx:
                self.ledger.received[name].append(item)
                await pause()

    async def run(self, victim: Coroutine[Any, Any, Any]) -> None:
        """Let the victim and the others use the channels until everything has ended."""
        others = [
            self.spawn(self.receiving(self.out_rx.clone(), "r1")),
            self.spawn(self.sending(self.in_tx.clone(), "s1")),
        ]
        others += [
            self.spawn(victim),
            self.spawn(self.receiving(self.out_rx.clone(), "r2")),
            self.spawn(self.sending(self.out.clone(), "rival")),
            self.spawn(self.sending(self.in_tx.clone(), "s2")),
            self.spawn(self.receiving(self.inn.clone(), "rival")),
        ]
        for end in (self.out_rx, self.in_tx):
            end.close()
        await asyncio.gather(*others)
        self.ledger.check()
        for end in (self.out, self.inn):
            core = end.core
            assert not core.held, "a reservation is left"


class _NotChosen(Exception):
    """The other guard was."""


VICTIMS = [
    Users.sends,
    Users.sends_many,
    Users.receives,
    Users.receives_many,
    Users.iterates,
    Users.reserves,
    Users.selects,
    Users.selects_with_a_selector,
]


def _fail(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Nothing may fail unseen."""
    raise AssertionError(context)


async def interrupt(
    victim: Callable[[Users], Coroutine[Any, Any, None]], way: Any, capacity: float, processes: bool, k: int, delay: int
) -> bool:
    """One run in which the victim is cancelled at its k-th suspension. False: it does not suspend so often."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_fail)
    struck = False

    def spawn(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
        return run_queue().spawn(coroutine) if processes else loop.create_task(coroutine)

    users = Users(capacity, spawn)

    async def later(cancel: Callable[[], object]) -> None:
        for _ in range(delay):
            await pause()
        if not running.done():
            cancel()

    def arm(cancel: Callable[[], object]) -> None:
        def strike() -> None:
            nonlocal struck
            struck = True
            strikers.append(spawn(later(cancel))) if delay else cancel()

        counted.strike = strike

    running = loop.create_future()
    strikers: list[asyncio.Future[Any]] = []

    async def body() -> None:
        try:
            await victim(users)
        except asyncio.CancelledError:
            users.ledger.interrupted = True
            raise
        except ap.EndOfChannel:  # the others were done first
            pass
        finally:
            running.set_result(None)
            users.out.close()
            users.inn.close()

    counted = Counted(body(), k, lambda: None)

    async def runs() -> None:
        try:
            await way(counted, arm)
        except* (TimeoutError, SiblingFailed, asyncio.CancelledError):
            pass

    await users.run(runs())
    await asyncio.gather(*strikers)
    if struck and way is by_cancel and not delay:  # the other ways strike a turn of the loop later
        assert users.ledger.interrupted, "the cancellation was swallowed, converted or delayed (CH-58)"
    return struck
