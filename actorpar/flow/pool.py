"""A pool: several actors of one class behind one bounded queue of work; whoever is idle takes the next job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Final, Generic, ParamSpec, Self, TypeVar, TypeVarTuple, overload

from ..actors.actor import Actor
from ..actors.child import ChildSpec, child
from ..actors.errors import ActorDead, HandlerFailed
from ..actors.kind import kind_of
from ..actors.ref import ActorRef
from ..actors.refusals import InvalidChild
from ..actors.reply import Reply
from ..channels import env
from ..channels.errors import ChannelError
from ..channels.opening import open_channel
from .lanes import Job, Lanes
from .pipeline import pipeline
from .retry import Retry
from .source import Source
from .stage import stage

if TYPE_CHECKING:
    from ..system import ActorSystem

A = TypeVar("A", bound=Actor)
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: Jobs that may wait for a worker, unless the pool says otherwise.
QUEUE: Final = 16


class ActorPool(Generic[A]):
    """Made by `pool`: `async with ap.pool(system, Worker, size=4) as workers:`.

    A message goes to the worker that is idle next. Workers are found idle in no particular order, and what one of them
    remembers the others do not know.
    """

    def __init__(
        self, system: ActorSystem, spec: ChildSpec[ActorRef[A]], size: int, queue: int, retry: Retry | None
    ) -> None:
        self._kind = kind_of(spec.target)  # type: ignore[arg-type]  # checked to be an actor class
        self.name = f"pool of {self._kind.name}"
        self.size = size
        self._retry = retry
        self._queue = queue
        self._lanes = Lanes(self.name, system, spec, size)
        self._tx, self._jobs = open_channel[Job](
            queue, name=f"jobs of a {self.name}", on_undelivered=lambda job: job.fail(self._lanes.refusal())
        )

    @property
    def busy(self) -> int:
        """How many workers have a job in hand."""
        return self._lanes.busy

    @property
    def waiting(self) -> int:
        """How many jobs wait in the queue for a worker."""
        return self._tx.statistics().length

    @property
    def workers(self) -> tuple[ActorRef[A], ...]:
        """The workers now; one that has ended is replaced before the next job."""
        return tuple(self._lanes.workers)

    async def __aenter__(self) -> Self:
        """Start the workers; raises ChildStartFailed, with none left, if one of them cannot start."""
        if self._jobs.closed:
            raise self._lanes.refusal()
        try:
            await self._lanes.open(self._jobs)
        except BaseException:
            self._tx.close()
            raise
        finally:
            self._jobs.close()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Take no more jobs, wait for those that were taken, and stop the workers.

        An exception in the block, or a cancellation, drops the jobs, those in hand too, whose workers are killed:
        whoever waits for one is raised PoolClosed. Raises PoolClosed if the pool broke.
        """
        self._tx.close()
        await self._lanes.finish(drop=exc is not None)
        if exc is None and self._lanes.failure is not None:
            raise self._lanes.refusal()

    # -- messages

    @overload
    async def ask(
        self, method: Callable[Concatenate[A, P], Coroutine[Any, Any, Reply[R]]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...
    @overload
    async def ask(
        self, method: Callable[Concatenate[A, P], Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...
    @overload
    async def ask(self, method: Callable[Concatenate[A, P], Reply[R]], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    async def ask(self, method: Callable[Concatenate[A, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    async def ask(self, method: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Have an idle worker do it, and return what its handler returns; wait for room in the queue, and for a worker.

        There is no deadline: put `asyncio.timeout` around it. Raises what `ActorRef.ask` raises, and PoolClosed. A
        worker that fails is replaced; the job is tried again, perhaps by another one, as the `retry` of the pool says,
        and raises HandlerFailed then, or ActorDead. A `Reject` is an answer and is not tried again.
        Cancelled: a job that no worker has begun is not done; otherwise its result is dropped.
        """
        self._check(method, args, kwargs)
        attempts = 1
        while True:
            answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            await self._put(Job(method, args, kwargs, answer))
            try:
                return await answer
            except (HandlerFailed, ActorDead) as error:
                if self._retry is None or attempts >= self._retry.attempts or not _is_worth(self._retry, error):
                    raise
                pause = self._retry.pause(attempts)
            attempts += 1
            await env.sleep(pause)

    def tell(self, method: Callable[Concatenate[A, P], object], /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Have a worker do it, and do not wait. False: there is no room in the queue, or the pool is closed."""
        self._check(method, args, kwargs)
        try:
            self._tx.send_nowait(Job(method, args, kwargs, None))
        except ChannelError:
            return False
        return True

    async def send(self, method: Callable[Concatenate[A, P], object], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Have a worker do it; wait for room in the queue only. Raises PoolClosed. Cancelled: it was not sent."""
        self._check(method, args, kwargs)
        await self._put(Job(method, args, kwargs, None))

    @overload
    def map(
        self, method: Callable[[A, T], Coroutine[Any, Any, Reply[R]]], items: Source[T], /, *, ordered: bool = ...
    ) -> AsyncGenerator[R, None]: ...
    @overload
    def map(
        self, method: Callable[[A, T], Coroutine[Any, Any, R]], items: Source[T], /, *, ordered: bool = ...
    ) -> AsyncGenerator[R, None]: ...
    @overload
    def map(
        self, method: Callable[[A, T], Reply[R]], items: Source[T], /, *, ordered: bool = ...
    ) -> AsyncGenerator[R, None]: ...
    @overload
    def map(
        self, method: Callable[[A, T], R], items: Source[T], /, *, ordered: bool = ...
    ) -> AsyncGenerator[R, None]: ...
    async def map(
        self, method: Callable[..., Any], items: Source[Any], /, *, ordered: bool = True
    ) -> AsyncGenerator[Any, None]:
        """Do it with each item: `async for page in workers.map(Worker.fetch, urls):`.

        items    as the source of a pipeline: a channel, an async iterable or a plain one, pulled as workers get free
        ordered  results come in the order of the items; False: as they are ready

        It is a pipeline of one stage: bounded, and a slow consumer makes the workers wait. The first job that fails for
        good ends it with that error, and the others that it has under way are dropped. To leave it early put
        `contextlib.aclosing` around it.
        """
        at_once = self.size + min(self.size, self._queue)  # so that a worker that gets free finds a job

        async def one(item: Any) -> Any:
            return await self.ask(method, item)

        async with pipeline(items, stage(one, workers=at_once, ordered=ordered, name=self._kind.name)) as results:
            async for result in results:
                yield result

    def _check(self, method: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._kind.message(method).check(self._kind.name, args, kwargs)
        if not self._lanes.is_open or self._lanes.failure is not None:
            raise self._lanes.refusal()

    async def _put(self, job: Job) -> None:
        try:
            await self._tx.send(job)
        except ChannelError:
            raise self._lanes.refusal() from self._lanes.failure

    def __repr__(self) -> str:
        return f"<ActorPool of {self.size} {self._kind.name}: {self.busy} busy, {self.waiting} jobs waiting>"


def _is_worth(retry: Retry, error: BaseException) -> bool:
    """True if another attempt makes sense after this; what counts is what the handler raised."""
    return isinstance(error.__cause__ or error, retry.only)


def pool(
    system: ActorSystem, target: Callable[[*Ts], A], /, *args: *Ts, size: int, queue: int = QUEUE,
    retry: Retry | None = None,
) -> ActorPool[A]:  # fmt: skip
    """A pool of `size` actors of a class, each made with `args`: `async with ap.pool(system, Worker, size=4) as pool:`.

    queue  jobs that may wait while all workers are busy, 16; whoever brings more waits. 0: a job is handed over
    retry  how often a job is tried whose worker failed with it, `ap.Retry(attempts=3)`; by default once

    The workers are children of a supervisor of the pool. One that ends is replaced before it is given a job; if the
    new one cannot start, it is tried again after 0.1 s, 0.2 s and so on, and after six times in a row the pool is
    broken: every job fails with PoolClosed. Channel ends among the arguments move to the pool, and each worker gets
    clones (CH-63). Do not ask the pool in a handler of its own workers: all may wait for one another.
    Raises InvalidChild, and InvalidCapacity.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise InvalidChild(f"the size of a pool is a number of workers from 1 on, not {size!r}")
    if retry is not None and not isinstance(retry, Retry):
        raise InvalidChild(f"retry takes an ap.Retry, not {retry!r}")
    spec: ChildSpec[ActorRef[A]] = child(target, *args, restart="temporary")
    try:
        if not spec.is_actor:
            raise InvalidChild(f"a pool is of an Actor class, not of {target!r}; for functions there is ap.pipeline")
        return ActorPool(system, spec, size, queue, retry)
    except BaseException:
        spec.close()
        raise
