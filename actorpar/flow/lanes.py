"""The lanes of a pool: each takes one job at a time from the queue and has its worker do it.

A lane is a process that runs no code of the user, so it outlives its worker: when that ends it sees to it that there is
another, a child of the pool's supervisor.

Invariants
- A job is in exactly one place: on its way into the queue, in it, or in the hands of a lane. Wherever it is when the
  pool ends, whoever waits for it is told.
- A lane asks no worker that has ended or is about to.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from ..actors import life
from ..actors.backoff import Backoff
from ..actors.child import ChildSpec
from ..actors.errors import ActorError
from ..actors.reason import describe
from ..actors.ref import ActorRef
from ..actors.refusals import ChildStartFailed
from ..actors.strategies import dynamic
from ..actors.supervisor import Supervisor
from ..actors.timed import cell_of
from ..channels import env
from ..channels.errors import ChannelError
from ..channels.group import ProcessGroup
from ..channels.process import Process
from ..channels.receiver import Receiver
from ..system import ActorSystem

logger = logging.getLogger("actorpar")

#: How often in a row a worker is started anew before the pool gives up, and the pauses in between.
STARTS: Final = 6
BACKOFF: Final = Backoff(0.1, 10.0)


class PoolClosed(ActorError):
    """The pool takes no more jobs, or ended before this one was done; `__cause__` is why, if the pool broke."""


class Job:
    """One message for a worker. `answer` is None if nobody waits for it."""

    __slots__ = ("answer", "args", "kwargs", "method")

    def __init__(
        self, method: Any, args: tuple[Any, ...], kwargs: dict[str, Any], answer: asyncio.Future[Any] | None
    ) -> None:
        self.method = method
        self.args = args
        self.kwargs = kwargs
        self.answer = answer

    def is_withdrawn(self) -> bool:
        """True if whoever waited has given up."""
        return self.answer is not None and self.answer.done()

    def succeed(self, value: Any) -> None:
        """Hand the result to whoever waits."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Raise the error where somebody waits."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error)


class Lanes(ProcessGroup):
    """The lanes of one pool, their workers, and the supervisor of these."""

    def __init__(self, name: str, system: ActorSystem, spec: ChildSpec[Any], size: int) -> None:
        super().__init__(name)
        self.workers: list[ActorRef[Any]] = []
        self.busy = 0
        self.failure: BaseException | None = None  # why the pool broke
        self.is_open = False
        self._system = system
        self._spec = spec
        self._size = size
        self._supervisor: ActorRef[Supervisor] | None = None

    def is_handled(self, process: Process[Any]) -> bool:
        return True

    async def open(self, jobs: Receiver[Job]) -> None:
        """Start the workers and the lanes; raises ChildStartFailed, with nothing left, if a worker cannot start."""
        try:
            self._supervisor = await self._system.spawn(Supervisor, dynamic())
            for _ in range(self._size):
                self.workers.append(await self._start())
        except BaseException:
            await self.end()
            raise
        await self.__aenter__()
        for place in range(self._size):
            own = jobs.clone()
            self.adopt(self._run(place, own), (own,), name=f"lane {place + 1} of {self.name}")
        self.is_open = True

    async def finish(self, *, drop: bool) -> None:
        """Wait until the lanes have ended: when there are no more jobs, or at once, then stop the workers."""
        self.is_open = False
        try:
            if drop:
                self.cancel()
            await self.__aexit__(None, None, None)
        finally:
            await self.end()

    async def end(self) -> None:
        """Stop the workers."""
        self._spec.close()
        if self._supervisor is not None:
            await self._system.stop(self._supervisor, timeout=None)

    def refusal(self) -> PoolClosed:
        """What is raised to whoever has a job that will not be done."""
        if self.failure is not None:
            refusal = PoolClosed(f"the {self.name} broke: {describe(self.failure)}")
            refusal.__cause__ = self.failure
            return refusal
        state = "is not open: use it inside its `async with` block" if self._supervisor is None else "is closed"
        return PoolClosed(f"the {self.name} {state}")

    # -- one lane

    async def _run(self, place: int, jobs: Receiver[Job]) -> None:
        try:
            async for job in jobs:
                if not job.is_withdrawn():
                    await self._do(place, job)
                    await self._see_to(place)  # before there is a job for it
        except ChannelError:
            pass  # another lane broke the pool
        except ActorError as failure:
            if self.failure is None:
                self.failure = failure
                jobs.abort(failure)
            raise

    async def _do(self, place: int, job: Job) -> None:
        """Have the worker do a job, and hand on what comes of it."""
        self.busy += 1
        try:
            await self._see_to(place)  # it may have ended while it had nothing to do
            try:
                result = await self.workers[place].within(None).ask(job.method, *job.args, **job.kwargs)
            except Exception as error:
                job.fail(error)
            else:
                job.succeed(result)
        except ActorError as failure:  # no worker could be started
            self.failure = self.failure or failure
            job.fail(self.refusal())
            raise
        except BaseException:  # the pool drops its jobs
            job.fail(self.refusal())
            life.kill(cell_of(self.workers[place]))
            raise
        finally:
            self.busy -= 1

    async def _see_to(self, place: int) -> None:
        """Return when there is a worker at this place; try a few times, with longer and longer pauses."""
        failures = 0
        while not _is_fit(self.workers[place]):
            await life.ended(cell_of(self.workers[place]))
            try:
                self.workers[place] = await self._start()
            except ChildStartFailed as failure:
                failures += 1
                if failures >= STARTS:
                    raise
                pause = BACKOFF.delay(failures - 1)
                logger.warning("%s: %s; it is tried again in %.1f s", self.name, failure, pause)
                await env.sleep(pause)

    async def _start(self) -> ActorRef[Any]:
        assert self._supervisor is not None
        spec = self._spec.lent()
        try:
            ref: ActorRef[Any] = await self._supervisor.within(None).ask(Supervisor.start_child, spec)
        except BaseException:
            spec.close()
            raise
        return ref


def _is_fit(ref: ActorRef[Any]) -> bool:
    """True unless the actor has ended or is about to."""
    cell = cell_of(ref)
    return cell.is_alive() and cell.stopping is None
