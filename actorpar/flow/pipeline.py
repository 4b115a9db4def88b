"""A pipeline: stages of workers with bounded channels between them, run inside one block.

Invariants
- Every worker is a process of one group; leaving the block cancels what still runs, and waits for it.
- The first failure is kept as it is. It cancels every worker and ends the channel of the results after what is in it,
  so that the consumer meets the failure and never an end that looks complete.
- What is in the pipeline is bounded: `capacity` items in each channel, and in each stage one for each worker, or as
  many as its window.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import inspect
import math
import reprlib
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ..channels.end import End
from ..channels.errors import ChannelError, InvalidCapacity
from ..channels.group import ProcessGroup
from ..channels.opening import checked_capacity, open_channel
from ..channels.process import Process
from ..channels.receiver import Receiver
from .errors import InvalidPipeline, PipelineUsed, StageFailed
from .results import Results
from .source import InPlace, Source, feed
from .stage import Stage
from .view import View, bottleneck
from .work import OnDeadLetter, Work

if TYPE_CHECKING:
    from ..system import ActorSystem

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")
G = TypeVar("G")
T_co = TypeVar("T_co", covariant=True)

_Run = Callable[..., Coroutine[Any, Any, None]]

#: Places of each channel of a pipeline, unless it says otherwise.
CAPACITY = 16


class _Workers(ProcessGroup):
    """The processes of a pipeline, which itself takes charge of their failures."""

    def is_handled(self, process: Process[Any]) -> bool:
        return True


class Pipeline(Generic[T_co]):
    """Made by `pipeline`: `async with` it for its results, or await `collect()` or `run()`. It runs once."""

    def __init__(
        self,
        source: Any,
        stages: tuple[Stage[Any, Any], ...],
        capacity: int,
        on_dead_letter: OnDeadLetter | None,
        system: ActorSystem | None,
    ) -> None:
        self._failure: BaseException | None = None
        self._told = False  # the consumer has met the failure
        self._source = source
        self._capacity = capacity
        self._works = [Work(stage, name, on_dead_letter) for stage, name in zip(stages, _names(stages), strict=True)]
        self._group = _Workers("pipeline")
        self._system = system
        self._crews = contextlib.AsyncExitStack()
        self._results: Receiver[Any] | None = None
        self._used = False
        self._ending = False

    async def __aenter__(self) -> Results[T_co]:
        """Start the workers. A channel as the source moves to the pipeline, and is closed when it ends (CH-63)."""
        if self._used:
            raise PipelineUsed("this pipeline has run, and its source is used up; make another one with ap.pipeline()")
        source = self._source.move() if isinstance(self._source, Receiver) else self._source
        self._used, self._source = True, None
        await self._group.__aenter__()
        try:
            await self._reach_out()
            self._results = self._start(source)
        except BaseException:
            await self._leave()
            raise
        return Results(self, self._results)

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Cancel what still runs, wait for it, and raise what the pipeline failed with, unless the block met it.

        If the block raised something else, that goes on, and the failure stands in its notes.
        """
        await self._leave()
        failure = self._failure
        if failure is None or self._told:
            return
        if exc is None:
            raise failure
        exc.add_note(f"the pipeline failed, too: {reprlib.repr(failure)}")

    async def collect(self) -> list[T_co]:
        """Run the pipeline and return all its results; raises what it failed with.

        Cancelled, it cancels every worker, and raises CancelledError when they have ended.
        """
        async with self as results:
            return [result async for result in results]

    async def run(self) -> View:
        """Run the pipeline for what its stages do, drop the results, and return the last view, with all its counts.

        Raises, and is cancelled, as `collect` is.
        """
        async with self as results:
            async for _ in results:
                pass
        return self.view()

    def view(self) -> View:
        """Where the pipeline waits now: a snapshot of its stages, and which of them sets the pace.

        Costs a few microseconds for each stage, and nothing while nobody asks.
        """
        stages = tuple(work.look() for work in self._works)
        results = self._works[-1].outlet
        return View(stages, results.statistics().length if results else 0, self._capacity, bottleneck(stages))

    def tell_failure(self) -> BaseException:
        """What the pipeline failed with, for the consumer, who takes charge of it."""
        assert self._failure is not None
        self._told = True
        return self._failure

    # -- starting and ending

    async def _reach_out(self) -> None:
        """Start the workers of stages that run on other nodes."""
        for work in self._works:
            stage = work.stage
            if stage.per_node:
                from ..parallel.nodecrew import NodeCrew  # with all that links need

                assert self._system is not None
                crew = NodeCrew(self._system, stage.fn, stage.on, stage.per_node, stage.blocking)
                await self._crews.enter_async_context(crew)
                work.go(crew.call, 2 * crew.size)

    def _start(self, source: Any) -> Receiver[Any]:
        """Start every worker; the receiver of the results."""
        items: Receiver[Any] | InPlace[Any]
        if isinstance(source, Receiver):
            items = source
        elif isinstance(source, AsyncIterable):
            items = self._start_feed(source)
        else:
            items = InPlace(source)
        for work in self._works:
            items = self._start_stage(work, items)
        assert isinstance(items, Receiver)
        return items

    def _start_feed(self, source: AsyncIterable[Any]) -> Receiver[Any]:
        out, items = open_channel[Any](self._capacity, name="source")
        self._adopt("source", (out,), feed, source, out)
        return items

    def _start_stage(self, work: Work, items: Receiver[Any] | InPlace[Any]) -> Receiver[Any]:
        out, results = open_channel[Any](self._capacity, name=f"behind {work.name}")
        work.outlet = results.core
        work.intake = items.core if isinstance(items, Receiver) else None
        work.alive = work.workers
        with out:
            for number in range(1, work.workers + 1):
                own = (items.clone() if isinstance(items, Receiver) else items, out.clone())
                ends = tuple(end for end in own if isinstance(end, End))
                self._adopt(f"{work.name} {number}" if work.workers > 1 else work.name, ends, work.run, *own)
        if isinstance(items, Receiver):
            items.close()
        return results

    def _adopt(
        self, name: str, ends: tuple[End, ...], run: Callable[..., Coroutine[Any, Any, None]], *args: Any
    ) -> None:
        self._group.adopt(self._serve(run, args), ends, name=name)

    async def _serve(self, run: _Run, args: tuple[Any, ...]) -> None:
        """One process of the pipeline: if it fails, so does the pipeline."""
        try:
            await run(*args)
        except GeneratorExit:  # its loop is gone
            raise
        except BaseException as error:
            if not (self._ending and isinstance(error, asyncio.CancelledError | ChannelError)):
                self._fail(error)
            raise

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            cause, error = error, StageFailed("a worker was cancelled, but not by its pipeline")
            error.__cause__ = cause
        if self._failure is None:
            self._failure = error
        elif self._failure is not error:
            self._failure.add_note(f"another worker failed, too: {reprlib.repr(error)}")
        self._stop()
        if self._results is not None and not self._results.closed:
            self._results.abort(self._failure, after_drain=True)

    def _stop(self) -> None:
        self._ending = True
        for work in self._works:
            work.stopping = True
        self._group.cancel()

    async def _leave(self) -> None:
        if self._results is not None:
            self._results.close()
        self._stop()
        await self._group.__aexit__(None, None, None)
        await self._crews.aclose()
        for work in self._works:
            work.alive = 0


def _names(stages: Iterable[Stage[Any, Any]]) -> list[str]:
    """A name for each stage, and no name twice."""
    seen: collections.Counter[str] = collections.Counter()
    names = []
    for stage in stages:
        seen[stage.name] += 1
        names.append(stage.name if seen[stage.name] == 1 else f"{stage.name} ({seen[stage.name]})")
    return names


# fmt: off
@overload
def pipeline(
    source: Source[A], a: Stage[A, B], /,
    *, capacity: int = ..., on_dead_letter: OnDeadLetter | None = ..., system: ActorSystem | None = ...,
) -> Pipeline[B]: ...
@overload
def pipeline(
    source: Source[A], a: Stage[A, B], b: Stage[B, C], /,
    *, capacity: int = ..., on_dead_letter: OnDeadLetter | None = ..., system: ActorSystem | None = ...,
) -> Pipeline[C]: ...
@overload
def pipeline(
    source: Source[A], a: Stage[A, B], b: Stage[B, C], c: Stage[C, D], /,
    *, capacity: int = ..., on_dead_letter: OnDeadLetter | None = ..., system: ActorSystem | None = ...,
) -> Pipeline[D]: ...
@overload
def pipeline(
    source: Source[A], a: Stage[A, B], b: Stage[B, C], c: Stage[C, D], d: Stage[D, E], /,
    *, capacity: int = ..., on_dead_letter: OnDeadLetter | None = ..., system: ActorSystem | None = ...,
) -> Pipeline[E]: ...
@overload
def pipeline(
    source: Source[A], a: Stage[A, B], b: Stage[B, C], c: Stage[C, D], d: Stage[D, E], e: Stage[E, F], /,
    *, capacity: int = ..., on_dead_letter: OnDeadLetter | None = ..., system: ActorSystem | None = ...,
) -> Pipeline[F]: ...
@overload
def pipeline(
    source: Source[A], a: Stage[A, B], b: Stage[B, C], c: Stage[C, D], d: Stage[D, E], e: Stage[E, F],
    f: Stage[F, G], /,
    *, capacity: int = ..., on_dead_letter: OnDeadLetter | None = ..., system: ActorSystem | None = ...,
) -> Pipeline[G]: ...
@overload
def pipeline(
    source: Source[Any], a: Stage[Any, Any], b: Stage[Any, Any], c: Stage[Any, Any], d: Stage[Any, Any],
    e: Stage[Any, Any], f: Stage[Any, Any], g: Stage[Any, Any], /, *more: Stage[Any, Any],
    capacity: int = ..., on_dead_letter: OnDeadLetter | None = ..., system: ActorSystem | None = ...,
) -> Pipeline[Any]: ...
# fmt: on
def pipeline(
    source: Source[Any],
    /,
    *stages: Stage[Any, Any],
    capacity: int = CAPACITY,
    on_dead_letter: OnDeadLetter | None = None,
    system: ActorSystem | None = None,
) -> Pipeline[Any]:
    """A pipeline from `source` through the stages: `async with ap.pipeline(source, ap.stage(fn), …) as results:`.

    source          a Receiver, which moves to the pipeline; an async iterable, which is closed at the end if it can be;
                    or a plain iterable, pulled in the event loop, an item when a worker is free for it. One that
                    blocks: `ap.iterate_in_thread(iterable)`
    capacity        places of each channel: before the first stage of an async iterable, between two stages, and for
                    the results; 16, or any int from 0, where a worker hands its result over
    on_dead_letter  called with a DeadLetterItem for each item that a stage skips; what it raises ends the pipeline
    system          the system whose nodes stages with `on` or `per_node` run on

    Every channel is bounded, so a slow stage, or a slow consumer, makes all before it wait, down to the source. The
    first failure of a stage or of the source cancels all workers and is raised where the results are taken, as it is.
    Leaving the block, by an exception, a cancellation or a `break`, cancels the workers, waits for them and closes
    what the pipeline owns; items in its stages are dropped then. Raises InvalidPipeline and InvalidCapacity.
    """
    if not stages:
        raise InvalidPipeline("a pipeline needs a stage: ap.pipeline(source, ap.stage(fn))")
    for stage in stages:
        if not isinstance(stage, Stage):
            raise InvalidPipeline(f"{stage!r} is no stage: write ap.stage(...) around the function")
    if not isinstance(source, AsyncIterable | Iterable):
        raise InvalidPipeline(f"a source is a Receiver, an async iterable or an iterable, not {source!r}")
    if checked_capacity(capacity) == math.inf:
        raise InvalidCapacity("a pipeline is bounded: its capacity is an int of at least 0, not math.inf")
    if on_dead_letter is not None and (inspect.iscoroutinefunction(on_dead_letter) or not callable(on_dead_letter)):
        raise InvalidPipeline(f"on_dead_letter is a plain function of one DeadLetterItem, not {on_dead_letter!r}")
    away = next((stage.name for stage in stages if stage.per_node), None)
    if away is not None and system is None:
        raise InvalidPipeline(f"{away} runs on nodes: say of which system, ap.pipeline(…, system=system)")
    return Pipeline(source, stages, capacity, on_dead_letter, system)
