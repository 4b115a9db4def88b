"""A small world that is stepped by hand: one loop that only counts, a few processes, every choice made by the caller.

Nothing of the library is copied: channels, waiters, select, processes and the run queue are the shipped ones. The seam
(`channels/env.py`) gives the rest: a ready queue whose `popleft` takes the process that is to run next, turns of
one step, and a budget of one operation, so that every operation is a step of its own.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar, cast

from actorpar.channels import env
from actorpar.channels.end import SHUT
from actorpar.channels.errors import ChannelError
from actorpar.channels.flavors.base import Flavor
from actorpar.channels.guard import SendTo, receive_from
from actorpar.channels.opening import open_channel
from actorpar.channels.process import Process, pause
from actorpar.channels.receiver import Receiver
from actorpar.channels.runqueue import RunQueue, run_queue
from actorpar.channels.select import Selector
from actorpar.channels.sender import Sender

Item = tuple[str, int]
E = TypeVar("E", bound=Sender[Any] | Receiver[Any])

#: What became of an item, as its sender knows it.
OFFERED, SENT, CANCELLED, REFUSED = "offered", "sent", "cancelled", "refused"


class CountingLoop:
    """What the library needs of an event loop: a list of callbacks. Time stands still; there is no I/O."""

    def __init__(self) -> None:
        self.callbacks: list[tuple[Callable[..., object], tuple[Any, ...], Any]] = []
        self.closed = False

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Any = None) -> None:
        self.callbacks.append((callback, args, context))

    call_soon_threadsafe = call_soon

    def time(self) -> float:
        return 0.0

    def get_debug(self) -> bool:
        return False

    def is_closed(self) -> bool:
        return self.closed

    def is_running(self) -> bool:
        return True

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)  # type: ignore[arg-type]

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        raise AssertionError(context)

    def run_callback(self, index: int) -> None:
        callback, args, context = self.callbacks.pop(index)
        context.run(callback, *args)


class ChosenQueue(collections.deque[Any]):
    """The ready queue of a world: `next` is the process that the next step belongs to."""

    next: Any = None

    def popleft(self) -> Any:
        self.remove(self.next)
        return self.next


class _Clock:
    """Every look at the clock is one turn later, so a turn is one step."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@contextlib.contextmanager
def stepped_by_hand() -> Iterator[None]:
    """The seam as a world needs it, for the time of a search."""
    saved = {name: getattr(env, name) for name in ("clock", "ReadyQueue", "BUDGET", "SLOW_BUDGET", "TURN_STEPS")}
    env.clock, env.ReadyQueue, env.BUDGET, env.SLOW_BUDGET, env.TURN_STEPS = _Clock(), ChosenQueue, 1, 1, 1
    try:
        yield
    finally:
        for name, value in saved.items():
            setattr(env, name, value)
        asyncio._set_running_loop(None)


class World:
    """Channels, processes, and what each of them saw."""

    def __init__(self) -> None:
        self.loop = CountingLoop()
        asyncio._set_running_loop(self.loop)  # type: ignore[arg-type]
        self.queue: RunQueue = run_queue()
        self.cores: list[Flavor] = []
        self.processes: dict[str, Process[Any]] = {}
        self.tasks: dict[str, asyncio.Task[Any]] = {}
        self.fate: dict[Item, str] = {}
        self.home: dict[Item, Flavor] = {}
        self.received: dict[str, list[Item | str]] = {}
        self.undelivered: list[Item] = []
        self.permits = 0
        self.cancels = 0  # that may still come
        self.cancelled = 0
        self.closed = 0
        self.reserved = 0
        self.selectors: list[Selector[Any]] = []
        self._ends: list[Sender[Any] | Receiver[Any]] = []

    # -- what a scenario is built from

    def channel(self, capacity: float, core: Flavor | None = None) -> tuple[Sender[Item], Receiver[Item]]:
        """A channel that is bound to the world's loop; `core` in place of the shipped flavour."""
        if core is None:
            tx, rx = open_channel[Item](capacity, on_undelivered=self.undelivered.append)
        else:
            tx, rx = Sender(core), Receiver(core)
        self.cores.append(tx.core)
        self._ends += tx, rx
        tx.core.check_loop()
        return tx, rx

    def process(self, name: str, coroutine: Coroutine[Any, Any, Any]) -> None:
        """A process of the run queue."""
        self.processes[name] = self.queue.spawn(coroutine, name)

    def task(self, name: str, coroutine: Coroutine[Any, Any, Any]) -> None:
        """An ordinary asyncio task."""
        self.tasks[name] = asyncio.Task(coroutine, loop=self.loop, name=name)  # type: ignore[arg-type]

    def clone(self, end: E) -> E:
        """Another handle of an end."""
        copy = cast(E, end.clone())
        self._ends.append(copy)
        return copy

    # -- what processes do; a cancelled operation is noted, and the next one follows

    async def sends(self, tx: Sender[Item], name: str, count: int, *, close: bool = False) -> None:
        """Send `count` items, one after the other, and close the handle."""
        core = tx.core
        for number in range(count):
            item = (name, number)
            with self.offering(core, item):
                await tx.send(item)
        if close:
            tx.close()

    async def receives(self, rx: Receiver[Item], name: str, count: int) -> None:
        """Receive `count` times."""
        log = self.received.setdefault(name, [])
        for _ in range(count):
            with contextlib.suppress(asyncio.CancelledError, ChannelError), self.listening(log):
                log.append(await rx.receive())

    async def reserves(self, tx: Sender[Item], name: str, count: int, *, use: bool = True) -> None:
        """Reserve a place, let others run, and send into it or give it back."""
        core = tx.core
        for number in range(count):
            item = (name, number)
            with self.offering(core, item):
                async with tx.reserve() as permit:
                    self.permits += 1
                    self.reserved += 1
                    try:
                        await pause()
                        if not use:
                            raise ChannelError("not used")
                        permit.send(item)
                    finally:
                        self.permits -= 1

    async def chooses(self, rx: Receiver[Item], tx: Sender[Item], name: str, count: int) -> None:
        """Send to `tx` or receive from `rx`, whatever is possible first, with one Selector."""
        log = self.received.setdefault(name, [])
        core = tx.core
        item: Item = (name, 0)
        send = SendTo[Item](tx, item, True)
        selector: Selector[Any] = Selector(receive_from(rx), send)
        self.selectors.append(selector)
        for number in range(count):
            send.item = (name, number)
            with self.offering(core, send.item), self.listening(log):
                index, value = await selector.select()
                if index == 0:
                    log.append(value)
                    raise ChannelError("another guard was chosen")

    async def ends(self, *ends: Sender[Any] | Receiver[Any]) -> None:
        """Close the handles, one step each."""
        for end in ends:
            await pause()
            self.closed += 1
            end.close()

    async def aborts(self, end: Sender[Any] | Receiver[Any], *, after_drain: bool = False) -> None:
        """End the channel with a cause."""
        end.abort(ValueError("poison"), after_drain=after_drain)

    @contextlib.contextmanager
    def offering(self, core: Flavor, item: Item) -> Iterator[None]:
        """Note what becomes of `item` in the block that sends it into the channel."""
        self.fate[item] = OFFERED
        self.home[item] = core
        try:
            yield
            self.fate[item] = SENT
        except asyncio.CancelledError:
            self.fate[item] = CANCELLED
        except ChannelError:
            self.fate[item] = REFUSED

    @contextlib.contextmanager
    def listening(self, log: list[Item | str]) -> Iterator[None]:
        """Note how the receive in the block ended, if not with an item."""
        try:
            yield
        except asyncio.CancelledError:
            log.append(CANCELLED)
            raise
        except ChannelError as error:
            log.append(type(error).__name__)
            raise

    # -- what the search chooses from

    def actions(self) -> list[tuple[str, str]]:
        """Everything that could happen next, in an order that depends on the state alone."""
        steps = [("step", process.get_name()) for process in self.queue.ready]
        turn = self._find(self.queue._callback)
        calls = [("call", str(index)) for index in range(len(self.loop.callbacks)) if index != turn]
        running = {**self.processes, **self.tasks} if self.cancels else {}
        return steps + calls + [("cancel", name) for name, process in running.items() if not process.done()]

    def perform(self, kind: str, name: str) -> None:
        """Let one of the actions happen."""
        if kind == "step":
            self.queue.ready.next = self.processes[name]  # type: ignore[attr-defined]
            turn = self._find(self.queue._callback)
            assert turn is not None, "a process is ready, and no turn is to come"
            self.loop.run_callback(turn)
        elif kind == "call":
            self.loop.run_callback(int(name))
        else:
            self.cancels -= 1
            self.cancelled += 1
            (self.processes.get(name) or self.tasks[name]).cancel()
        # The budget that an ordinary task was lent is taken back at once: when it is changes no outcome.
        while (lent := self._find(self.queue._take_back)) is not None:
            self.loop.run_callback(lent)

    def _find(self, callback: object) -> int | None:
        return next((index for index, entry in enumerate(self.loop.callbacks) if entry[0] == callback), None)

    def close(self) -> None:
        """Tear the world down: no coroutine is left suspended, no end open, no task pending."""
        for end in self._ends:
            end.core = SHUT
        for task in self.tasks.values():
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        runners: list[Any] = [*self.processes.values(), *self.tasks.values()]
        for runner in runners:
            if not runner.done():
                with contextlib.suppress(Exception):  # a planted bug may show here once more
                    runner.get_coro().close()
        self.loop.closed = True
