"""Structured processes: a group that outlives none of its processes, and CSP's PAR.

Invariants
- Leaving the block waits for every process of the group, cancelled ones included.
- The first failure cancels the rest, and the block, and is raised as it is; what else failed meanwhile stands in its
  notes, and under `failures` of the group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar, TypeVarTuple, cast, overload

from .end import End
from .errors import ActorparError
from .ownership import Parcel
from .process import Process, release_ends
from .runqueue import RunQueue, run_queue

R = TypeVar("R")
R0 = TypeVar("R0")
R1 = TypeVar("R1")
R2 = TypeVar("R2")
R3 = TypeVar("R3")
Ts = TypeVarTuple("Ts")


class _Emptied(asyncio.Future[None]):
    """Done when a group has no process left."""

    waits_for_processes = True  # the wait graph knows by this that the block waits for its processes only


class ProcessGroup:
    """`async with ProcessGroup() as group:` runs processes, and ends when all of them have.

    An exception in the block cancels all processes. Cancelling the task that runs the block cancels them too; the
    block ends when they have.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name or "group"
        self.failures: list[BaseException] = []
        self._processes: dict[Process[Any], None] = {}
        self._queue: RunQueue | None = None
        self._host: asyncio.Task[Any] | None = None
        self._interrupted = False
        self._leaving = False
        self._ending = False
        self._empty: asyncio.Future[None] | None = None

    def spawn(
        self,
        target: Callable[[*Ts], Coroutine[Any, Any, R]],
        /,
        *args: *Ts,
        name: str | None = None,
        propagate: bool = False,
    ) -> Process[R]:
        """Start `target(*args)` as a process; it takes its first step soon, not now.

        Channel ends among the arguments move to the process: they are closed when it returns, and end abnormally when
        it fails or is cancelled, so that a short result never looks complete (CH-21, CH-63). With `propagate`, a
        process that ends by ChannelAborted aborts its other ends with the same cause (CH-28). Keyword arguments:
        `functools.partial`.
        """
        self._check_open()
        parcel = Parcel()
        try:
            parts = parcel.pack((target, args))
            coroutine = cast("Callable[..., Coroutine[Any, Any, R]]", parts[0])(*parts[1])
            if not asyncio.iscoroutine(coroutine):
                raise TypeError(f"a process is an `async def` function; {target!r} returned {coroutine!r}")
        except BaseException:
            parcel.unpack()
            raise
        return self.adopt(coroutine, parcel.ends, name=name or getattr(target, "__name__", None), propagate=propagate)

    def adopt(
        self,
        coroutine: Coroutine[Any, Any, R],
        ends: tuple[End, ...] = (),
        *,
        name: str | None = None,
        propagate: bool = False,
    ) -> Process[R]:
        """Start a coroutine that was made already as a process of the group, the owner of `ends`."""
        process = self._check_open().spawn(coroutine, name)
        own(process, ends, propagate)
        self._processes[process] = None
        process.watch(self._done)
        if self._ending:
            process.cancel()
        return process

    def cancel(self) -> None:
        """Cancel every process of the group."""
        for process in list(self._processes):
            process.cancel()

    def is_handled(self, process: Process[Any]) -> bool:
        """True if a failure of the process is somebody else's to handle. Never so in a plain group."""
        return False

    async def __aenter__(self) -> Self:
        self._queue = run_queue()
        self._host = asyncio.current_task()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._leaving = True
        cancelled = exc if isinstance(exc, asyncio.CancelledError) else None
        if self._interrupted and self._host is not None and self._host.uncancel() == 0:
            cancelled = None  # it was the group itself that cancelled the block
        if exc is not None:
            if not isinstance(exc, asyncio.CancelledError):
                self._record(exc, first=not self._interrupted)
            self._end_all()
        while self._processes:
            self._empty = _Emptied(loop=asyncio.get_running_loop())
            try:
                await self._empty
            except asyncio.CancelledError as request:
                cancelled = request
                self._end_all()
        self._queue = self._host = None
        if self.failures:
            raise self._first_failure()
        if cancelled is not None:
            raise cancelled

    def _check_open(self) -> RunQueue:
        if self._queue is None:
            raise ActorparError(f"{self.name}: spawn inside the `async with` block of the group; it is not running")
        if self._leaving and not self._processes:
            raise ActorparError(f"{self.name}: the block has ended, nothing can be spawned any more")
        return self._queue

    def _first_failure(self) -> BaseException:
        first, *others = self.failures
        for other in others:
            try:
                told = repr(other)
            except Exception:  # the code of the user
                told = type(other).__name__
            first.add_note(f"{self.name}: another process failed, too: {told}")
        return first

    def _record(self, failure: BaseException, *, first: bool = False) -> None:
        if not any(known is failure for known in self.failures):
            self.failures.insert(0 if first else len(self.failures), failure)

    def _end_all(self) -> None:
        """Cancel every process, and whatever is spawned from now on."""
        self._ending = True
        self.cancel()

    def _done(self, process: Process[Any]) -> None:
        del self._processes[process]
        failure = None if process.cancelled() else process.exception()
        if failure is not None and not self.is_handled(process):
            self._record(failure)
            self._end_all()
            self._interrupt()
        if not self._processes and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    def _interrupt(self) -> None:
        """Cancel the block itself, once, if it still runs."""
        if not self._leaving and not self._interrupted and self._host is not None:
            self._interrupted = True
            self._host.cancel()


def own(process: Process[Any], ends: tuple[End, ...], propagate: bool) -> None:
    """Make the process the owner of its ends; where there is no run queue, a callback of the task releases them."""
    if isinstance(process, Process):
        process.ends = ends
        process.propagate = propagate
    elif ends:
        process.watch(lambda task: release_ends(ends, propagate, outcome(task)))


def outcome(process: asyncio.Future[Any]) -> BaseException | None:
    """How a process that is done ended: None if it returned."""
    return asyncio.CancelledError() if process.cancelled() else process.exception()


@overload
async def par(a: Coroutine[Any, Any, R0], b: Coroutine[Any, Any, R1], /) -> tuple[R0, R1]: ...
@overload
async def par(
    a: Coroutine[Any, Any, R0], b: Coroutine[Any, Any, R1], c: Coroutine[Any, Any, R2], /
) -> tuple[R0, R1, R2]: ...
@overload
async def par(
    a: Coroutine[Any, Any, R0], b: Coroutine[Any, Any, R1], c: Coroutine[Any, Any, R2], d: Coroutine[Any, Any, R3], /
) -> tuple[R0, R1, R2, R3]: ...
@overload
async def par(*coroutines: Coroutine[Any, Any, R]) -> tuple[R, ...]: ...
async def par(*coroutines: Coroutine[Any, Any, Any]) -> tuple[Any, ...]:
    """CSP's PAR: run the coroutines as processes side by side, and return their results in order.

    Ends when all have ended. The first failure cancels the others and is raised as it is.
    """
    async with ProcessGroup("par") as group:
        processes = [group.adopt(coroutine, name=getattr(coroutine, "__name__", None)) for coroutine in coroutines]
    return tuple(process.result() for process in processes)
