"""A pool of processes for work that keeps a core busy: `async with ap.ProcessPool(4) as pool:`.

Its workers are operating-system processes that `multiprocessing` starts by the spawn method, given the ends of two
channels each: one by which jobs come, one by which results go. So order, bounds and loss are those of channels.

Invariants
- A worker that ends is replaced, and its jobs are done again, or fail, as `retries` says; results that it had sent
  before count.
- Workers end with the pool, and with the process of the pool, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar, TypeVarTuple, overload

from ..actors.backoff import Backoff
from ..channels import env
from ..channels.group import ProcessGroup
from ..launch import cores
from ..nodes.codec.signature import signature_of
from ..nodes.errors import NotImportable
from ..remote.naming import name_of
from . import progress as bar
from .batches import Batches
from .crew import Crew, Task
from .errors import ProcessPoolClosed
from .processes import WorkerProcess, has_no_file, is_importing
from .window import windowed
from .wire import Failure

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Items = Iterable[T] | AsyncIterable[T]

#: How often in a row a worker is started anew before the pool gives up, and the pauses in between.
STARTS: Final = 3
BACKOFF: Final = Backoff(0.1, 5.0)


class ProcessPool:
    """Functions of a module, called in processes.

    processes  how many; as many as the cores that this process may use by default. Threads of numeric libraries are
               limited in each, so that processes x threads do not exceed the cores
    retries    how often a call is made again whose worker was lost with it, killed or out of memory; 0: it raises
               WorkerLost. A call that raises is never made again

    A function is a plain one, or `async def`, that can be imported by its name; arguments and results are of types
    that links carry (docs/nodes.md), and are checked by its annotations. What a function raises is raised here as
    RemoteError, with the traceback of the worker as a note; an `ap.Reject` as a Reject.
    """

    def __init__(self, processes: int | None = None, *, retries: int = 0) -> None:
        if processes is not None and (isinstance(processes, bool) or not isinstance(processes, int) or processes < 1):
            raise ValueError(f"a pool has a number of processes from 1 on, not {processes!r}")
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise ValueError(f"retries is a number from 0 on, not {retries!r}")
        self.size = processes or cores.usable()
        self._crew = Crew(retries=retries)
        self._group = ProcessGroup("process pool")
        self._processes: dict[int, WorkerProcess] = {}
        self._is_open = False
        self._closing = False
        self._failure: BaseException | None = None

    async def __aenter__(self) -> Self:
        """Start the workers and wait until all are there. ProcessPoolClosed: one of them could not start."""
        if self._is_open or self._closing:
            raise ProcessPoolClosed("a pool is entered once: make another one")
        if is_importing():
            raise ProcessPoolClosed(
                "this process is a worker of a pool, and imports the program to find its functions: have the program "
                'start under `if __name__ == "__main__":`'
            )
        await self._group.__aenter__()
        self._is_open = True
        ready = [asyncio.get_running_loop().create_future() for _ in range(self.size)]
        for number, future in enumerate(ready):
            self._group.spawn(self._keep, number, future)
        try:
            await asyncio.gather(*ready)
        except BaseException:
            await self._leave(drop=True)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Wait for what was submitted, and end the workers. An exception in the block, or a cancellation, drops it and
        kills them: whoever waits is raised ProcessPoolClosed."""
        try:
            if exc is None:
                await self._crew.idle()
        finally:
            await self._leave(drop=not self._crew.is_idle())

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes of the workers that are there now."""
        return tuple(process.pid for process in self._processes.values())

    # -- calls

    @overload
    def submit(self, fn: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]: ...
    @overload
    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]: ...
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """Call `fn` in a worker: the future of its result, in the order of the calls as workers get free.

        Nothing bounds how many wait: for many items take `imap`. `cancel()` of the future: a call that no worker has is
        not made; of another one the result is dropped. Raises, with nothing submitted: NotImportable for a function
        that has no name to import it by, TypeError and ItemTypeError for arguments that do not fit, CodecError for one
        that cannot cross, ProcessPoolClosed.
        """
        task = Task(self._name(fn), signature_of(fn), [args], kwargs, is_single=True)
        self._crew.put(task)
        return task.future

    @overload
    async def map(
        self, fn: Callable[[T], Awaitable[R]], items: Items[T], /, *, chunk: int | None = ..., progress: bool = ...
    ) -> list[R]: ...
    @overload
    async def map(
        self, fn: Callable[[T], R], items: Items[T], /, *, chunk: int | None = ..., progress: bool = ...
    ) -> list[R]: ...
    async def map(
        self, fn: Callable[[Any], Any], items: Items[Any], /, *, chunk: int | None = None, progress: bool = False
    ) -> list[Any]:
        """Call `fn` with each item: the results, in their order. Arguments, errors and cancellation are those of
        `imap`."""
        return [result async for result in self.imap(fn, items, chunk=chunk, progress=progress)]

    @overload
    async def starmap(
        self, fn: Callable[[*Ts], Awaitable[R]], items: Items[tuple[*Ts]], /,
        *, chunk: int | None = ..., progress: bool = ...,
    ) -> list[R]: ...  # fmt: skip
    @overload
    async def starmap(
        self, fn: Callable[[*Ts], R], items: Items[tuple[*Ts]], /, *, chunk: int | None = ..., progress: bool = ...
    ) -> list[R]: ...
    async def starmap(
        self, fn: Callable[..., Any], items: Items[Any], /, *, chunk: int | None = None, progress: bool = False
    ) -> list[Any]:
        """`map` for a function of several arguments: each item is a tuple of them."""
        return [result async for result in self._imap(fn, items, True, chunk, progress, spread=True)]

    @overload
    def imap(
        self, fn: Callable[[T], Awaitable[R]], items: Items[T], /,
        *, ordered: bool = ..., chunk: int | None = ..., progress: bool = ...,
    ) -> AsyncGenerator[R, None]: ...  # fmt: skip
    @overload
    def imap(
        self, fn: Callable[[T], R], items: Items[T], /,
        *, ordered: bool = ..., chunk: int | None = ..., progress: bool = ...,
    ) -> AsyncGenerator[R, None]: ...  # fmt: skip
    def imap(
        self, fn: Callable[[Any], Any], items: Items[Any], /,
        *, ordered: bool = True, chunk: int | None = None, progress: bool = False,
    ) -> AsyncGenerator[Any, None]:  # fmt: skip
        """Call `fn` with each item, and give the results as they come: `async for page in pool.imap(parse, texts):`.

        ordered   results come in the order of the items; False: as they are ready
        chunk     items that go to a worker together. By default as many as take some milliseconds, by what the calls
                  before took
        progress  show a bar on a terminal, on standard error

        It is bounded: a slow consumer makes the workers wait, and items are pulled as they get free, so they may be
        without end. The first call that fails ends it with that error; what waits then is not done. To leave it early
        put `contextlib.aclosing` around it.
        """
        return self._imap(fn, items, ordered, chunk, progress, spread=False)

    async def _imap(
        self,
        fn: Callable[..., Any],
        items: Items[Any],
        ordered: bool,
        chunk: int | None,
        progress: bool,
        *,
        spread: bool,
    ) -> AsyncGenerator[Any, None]:
        if chunk is not None and (isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1):
            raise ValueError(f"chunk is a number of items from 1 on, not {chunk!r}")
        name, signature = self._name(fn), signature_of(fn)

        def put(calls: list[tuple[Any, ...]]) -> asyncio.Future[Any]:
            task = Task(name, signature, calls)
            self._crew.put(task)
            return task.future

        batches = Batches(items, chunk, self.size, functools.partial(self._crew.pace.worth, name), spread=spread)
        with bar.shown(name, items) if progress else bar.nothing() as advance:
            async with contextlib.aclosing(windowed(batches.source(), put, self._ahead, ordered)) as done:
                async for outcomes in done:
                    for outcome in outcomes:
                        if isinstance(outcome, Failure):
                            raise outcome.error
                        yield outcome
                    advance(len(outcomes))

    def _ahead(self) -> int:
        """Jobs of one map that may be under way: a worker that runs short finds as many as it may have in hand."""
        return 2 * self.size * self._crew.depth()

    def _name(self, fn: Callable[..., Any]) -> str:
        if not self._is_open:
            raise ProcessPoolClosed("the pool is not open: use it inside `async with`") from self._failure
        name = name_of(fn, by_child=True)
        if name.startswith("__main__:") and has_no_file():
            raise NotImportable(f"{fn!r} is defined in no file, so a worker cannot import it: define it in a module")
        return name

    # -- workers

    async def _keep(self, number: int, ready: asyncio.Future[None]) -> None:
        """Keep one worker: start it, serve it until it is gone, and start the next."""
        name, environment = f"worker {number + 1}", cores.bounds(self.size, os.environ)
        failures = 0
        while not self._closing:
            process = self._processes[number] = WorkerProcess(name, environment)
            try:
                if await process.ready():
                    failures = 0
                    if not ready.done():
                        ready.set_result(None)
                    await self._crew.serve(process.worker, process.results, process.how)
                else:
                    failures += 1
                how = await process.how()
            finally:
                del self._processes[number]
                await process.end()
            if failures >= STARTS or (failures and not ready.done()):
                self._break(
                    ProcessPoolClosed(f"{name} ended before it was ready, {how}; what it printed says why"), ready
                )
                return
            if failures:
                await env.sleep(BACKOFF.delay(failures - 1))

    def _break(self, failure: ProcessPoolClosed, ready: asyncio.Future[None]) -> None:
        self._failure, self._is_open = failure, False
        if not ready.done():
            ready.set_exception(failure)
        self._crew.fail_all(failure)

    async def _leave(self, *, drop: bool) -> None:
        self._is_open, self._closing = False, True
        self._crew.fail_all(ProcessPoolClosed("the pool was left before this was done"))
        for process in list(self._processes.values()):
            process.leave(kill=drop)
        await self._group.__aexit__(None, None, None)
