"""How a check of the conformance kit runs: who calls, how it opens channels, and how it tells "waits" from "goes on".

A check relies on the public face of the ends alone and on no exact scheduling, so that it runs unchanged over a pipe
or a network. "It waits" is judged after `patience` seconds; "it goes on" must come true within `deadline` seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

import actorpar as ap

R = TypeVar("R")

#: Opens one channel of the capacity and gives its two ends.
MakePair = Callable[[float], "tuple[ap.Sender[Any], ap.Receiver[Any]]"]

#: What some backings cannot offer. A check that needs it is left out where it is named under `lacks`.
RENDEZVOUS, BACK_PRESSURE, UNBOUNDED = "rendezvous", "back-pressure", "unbounded"
#: A receiver that is away from the home of its channel and does not prefetch sees nothing of what waits there (NET-10).
READINESS = "readiness"


class _Runner(Protocol):
    def cancel(self) -> bool: ...

    def add_done_callback(self, fn: Callable[[Any], object], /) -> None: ...


class Operation(Generic[R]):
    """Something a check has started, as a process or as a task; await it for its result."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._outcome: asyncio.Future[R] = loop.create_future()
        self._runner: _Runner | None = None
        self.awaited = False

    def start(self, runner: _Runner) -> None:
        """Remember who runs it."""
        self._runner = runner
        runner.add_done_callback(lambda _: self._outcome.cancel())  # cancelled before its first step, it never ran

    async def run(self, function: Callable[[], Coroutine[Any, Any, R]]) -> None:
        """Run the function and keep how it ended; itself it never fails."""
        try:
            result = await function()
        except asyncio.CancelledError:
            self._outcome.cancel()
        except BaseException as error:
            self._outcome.set_exception(error)
        else:
            self._outcome.set_result(result)

    def done(self) -> bool:
        """True once it has ended."""
        return self._outcome.done()

    def cancelled(self) -> bool:
        """True if it ended by CancelledError."""
        return self._outcome.cancelled()

    def cancel(self) -> None:
        """Cancel it where it waits."""
        assert self._runner is not None
        self._runner.cancel()

    def failure(self) -> BaseException | None:
        """What it raised, if it has ended so and nobody has seen it."""
        if not self._outcome.done() or self._outcome.cancelled():
            return None
        error = self._outcome.exception()
        return None if self.awaited else error

    def __await__(self) -> Generator[Any, None, R]:
        self.awaited = True
        return asyncio.shield(self._outcome).__await__()


class Trial:
    """One run of a check: opens channels, starts operations, and cleans up after both."""

    def __init__(self, make_pair: MakePair, *, processes: bool, patience: float = 0.01, deadline: float = 10.0) -> None:
        self._make_pair = make_pair
        self._processes = processes
        self._patience = patience
        self._deadline = deadline
        self._ends: list[ap.Sender[Any] | ap.Receiver[Any]] = []
        self._group = ap.ProcessGroup("trial")
        self._tasks: list[asyncio.Task[None]] = []
        self._operations: list[Operation[Any]] = []

    def open(self, capacity: float) -> tuple[ap.Sender[Any], ap.Receiver[Any]]:
        """A new channel, closed at the end of the trial."""
        tx, rx = self._make_pair(capacity)
        self._ends += [tx, rx]
        return tx, rx

    def keep(self, *ends: ap.Sender[Any] | ap.Receiver[Any]) -> None:
        """Close these ends, too, at the end of the trial."""
        self._ends += ends

    def start(self, function: Callable[..., Coroutine[Any, Any, R]], *args: Any) -> Operation[R]:
        """Start `function(*args)`; ends among the arguments stay the check's own."""
        operation: Operation[R] = Operation(asyncio.get_running_loop())

        async def operate() -> None:
            await operation.run(lambda: function(*args))

        if self._processes:
            operation.start(self._group.spawn(operate, name=getattr(function, "__name__", None)))
        else:
            task = asyncio.create_task(operate())
            self._tasks.append(task)
            operation.start(task)
        self._operations.append(operation)
        return operation

    async def started_and_waiting(self, function: Callable[..., Coroutine[Any, Any, R]], *args: Any) -> Operation[R]:
        """Start an operation that must wait now."""
        operation = self.start(function, *args)
        await self.waits(operation)
        return operation

    async def waits(self, *operations: Operation[Any]) -> None:
        """The operations do not end while nobody does anything."""
        await asyncio.sleep(self._patience)
        ended = [operation for operation in operations if operation.done()]
        assert not ended, f"{len(ended)} operation(s) went on that had to wait: {[op.failure() for op in ended]}"

    async def settle(self) -> None:
        """Let what was done at one end be known at the other: what needs no waiting asks about it at once."""
        await asyncio.sleep(self._patience)

    async def soon(self, awaitable: Awaitable[R]) -> R:
        """The result of something that must not wait for ever."""
        async with asyncio.timeout(self._deadline):
            return await awaitable

    async def fails(self, error: type[BaseException], awaitable: Awaitable[Any]) -> Any:
        """The error that the awaitable must raise soon."""
        try:
            result = await self.soon(awaitable)
        except error as caught:
            return caught
        raise AssertionError(f"{error.__name__} was due, not the result {result!r}")

    async def cancel(self, operation: Operation[Any]) -> None:
        """Cancel an operation that waits; it must end by CancelledError and nothing else (CH-58)."""
        operation.cancel()
        await self.fails(asyncio.CancelledError, operation)
        assert operation.cancelled()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._group.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._group.__aexit__(None, None, None)
        for end in self._ends:
            end.close()
        unseen = [failure for failure in (op.failure() for op in self._operations) if failure is not None]
        if exc is None and unseen:
            raise unseen[0]


@dataclass(frozen=True)
class Check:
    """One named check of one rule."""

    name: str
    rule: str
    needs: frozenset[str]
    body: Callable[[Trial], Coroutine[Any, Any, None]]

    async def run(self, make_pair: MakePair, *, processes: bool = False, patience: float = 0.01) -> None:
        """Run the check over channels of `make_pair`, called from processes or from ordinary tasks."""
        async with Trial(make_pair, processes=processes, patience=patience) as trial:
            await trial.start(self.body, trial)


class Checks(dict[str, Check]):
    """Named checks, in the order of their declaration."""

    def add(
        self, rule: str, *needs: str
    ) -> Callable[[Callable[[Trial], Coroutine[Any, Any, None]]], Callable[[Trial], Coroutine[Any, Any, None]]]:
        """Declare a check of a rule under the name of the function."""

        def declare(body: Callable[[Trial], Coroutine[Any, Any, None]]) -> Callable[[Trial], Coroutine[Any, Any, None]]:
            self[body.__name__] = Check(body.__name__, rule, frozenset(needs), body)
            return body

        return declare

    async def run_all(self, make_pair: MakePair, lacks: frozenset[str], patience: float) -> None:
        """Run every check that the backing can pass, from processes and from tasks; a failure names its check."""
        for check in self.values():
            if check.needs & lacks:
                continue
            for processes in (True, False):
                try:
                    await check.run(make_pair, processes=processes, patience=patience)
                except Exception as error:
                    error.add_note(f"{check.rule}: {check.name}, called from {'processes' if processes else 'tasks'}")
                    raise


async def drain(rx: ap.Receiver[Any]) -> list[Any]:
    """Everything until the channel ends."""
    return [item async for item in rx]


async def send_all(tx: ap.Sender[Any], items: Iterable[Any]) -> None:
    """Send the items one by one."""
    for item in items:
        await tx.send(item)


def refused(error: type[ap.ChannelError], operation: Callable[..., Any], *args: Any) -> ap.ChannelError:
    """The error that a synchronous operation must raise."""
    try:
        result = operation(*args)
    except error as refusal:
        return refusal
    raise AssertionError(f"{error.__name__} was due, not {result!r}")
