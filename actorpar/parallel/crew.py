"""Workers elsewhere and the jobs that they have in hand: who gets the next one, and what becomes of those of a worker
that is lost.

Invariants
- A job waits, is in the hand of one worker, or is over. A worker that is lost gives its jobs back, in their order,
  before all that wait; one that has been given back more often than `retries` allows fails.
- A worker has as many jobs in hand as keep it busy while the next one comes, and not one more: for long jobs, one.
"""

from __future__ import annotations

import asyncio
import collections
import itertools
from collections.abc import Callable
from typing import Any, Final

from ..channels.errors import ChannelError
from ..channels.receiver import Receiver
from ..channels.sender import Sender
from ..nodes.codec.signature import Signature
from ..nodes.errors import CodecError
from .errors import WorkerLost
from .wire import Done, Failure, Job, decode_outcomes, encode_calls

#: Seconds that a job takes on its way to a worker, with room to spare; what a worker has in hand lasts as long.
ON_ITS_WAY: Final = 0.005
#: Jobs that one worker may have in hand.
MOST: Final = 64
#: What a new measurement weighs in the mean.
WEIGHT: Final = 0.2


class Task:
    """A job: calls of one function, encoded, and the future of what becomes of them."""

    __slots__ = ("calls", "content", "future", "is_single", "lost", "name", "signature")

    def __init__(
        self,
        name: str,
        signature: Signature,
        calls: list[tuple[Any, ...]],
        kwargs: dict[str, Any] | None = None,
        *,
        is_single: bool = False,
    ) -> None:
        self.name = name
        self.signature = signature
        self.content = encode_calls(signature, calls, kwargs or {})
        self.calls = len(calls)
        self.is_single = is_single  # the future is that of the value, not of the list of the outcomes
        self.lost = 0
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def settle(self, outcomes: list[Any]) -> None:
        """It is done."""
        if self.future.done():
            return
        if not self.is_single:
            self.future.set_result(outcomes)
        elif isinstance(outcomes[0], Failure):
            self.future.set_exception(outcomes[0].error)
        else:
            self.future.set_result(outcomes[0])

    def fail(self, error: BaseException) -> None:
        """Nothing comes of it."""
        if not self.future.done():
            self.future.set_exception(error)


class Worker:
    """One worker, as the crew knows it."""

    def __init__(self, name: str, jobs: Sender[Job]) -> None:
        self.name = name
        self.jobs = jobs
        self.in_hand: dict[int, Task] = {}
        self.done = 0
        self.is_gone = False


class Crew:
    """The workers that are there now, and the jobs that wait for one."""

    def __init__(self, *, retries: int, at_once: int = 1) -> None:
        self.retries = retries
        self.workers: list[Worker] = []
        self.waiting: collections.deque[Task] = collections.deque()
        self.seconds: dict[str, float] = {}  # by function, what a call takes
        self._at_once = at_once
        self._per_job: float | None = None  # seconds that a job takes, lately
        self._numbers = itertools.count(1)
        self._idle: list[asyncio.Future[None]] = []

    def put(self, task: Task) -> None:
        """Have it done."""
        self.waiting.append(task)
        self._give()

    def depth(self) -> int:
        """Jobs that a worker may have in hand."""
        ahead = 0 if self._per_job is None else int(2 * ON_ITS_WAY / max(self._per_job, 1e-6))
        return min(MOST, self._at_once + ahead)

    def _give(self) -> None:
        """Give jobs to the workers that run short of them: several at a time, for each write wakes a process."""
        depth = self.depth()
        for worker in sorted(self.workers, key=lambda each: len(each.in_hand)):
            if not self.waiting:
                return
            if len(worker.in_hand) <= depth // 2 and not worker.is_gone:
                self._fill(worker, depth)

    def _fill(self, worker: Worker, depth: int) -> None:
        share = len(worker.in_hand) + -(-len(self.waiting) // len(self.workers))
        while self.waiting and len(worker.in_hand) < min(depth, share):
            task = self.waiting.popleft()
            if task.future.done():  # whoever wanted it has given up
                continue
            number = next(self._numbers)
            try:
                worker.jobs.send_nowait((number, task.name, *task.content))
            except ChannelError:  # its node is gone, and `serve` is about to learn it
                self.waiting.appendleft(task)
                worker.is_gone = True
                return
            worker.in_hand[number] = task

    async def serve(self, worker: Worker, results: Receiver[Done], how: Callable[[], Any]) -> None:
        """Give a worker jobs and take its results, until it is gone; `await how()` then tells how it went."""
        self.workers.append(worker)
        try:
            self._give()
            async for done in results:
                self._done(worker, done)
        except ChannelError:
            pass
        finally:
            self.workers.remove(worker)
            tasks = list(worker.in_hand.values())
            worker.in_hand.clear()
            if tasks:
                self._lost(worker, tasks, await how())
            self._look()

    def _done(self, worker: Worker, done: Done) -> None:
        task = worker.in_hand.pop(done[0], None)
        if task is None:
            return
        worker.done += task.calls
        self._per_job = done[4] if self._per_job is None else self._per_job + WEIGHT * (done[4] - self._per_job)
        each = done[4] / task.calls
        known = self.seconds.get(task.name, each)
        self.seconds[task.name] = known + WEIGHT * (each - known)
        try:
            task.settle(decode_outcomes(task.signature, done, task.calls))
        except CodecError as error:
            task.fail(error)
        self._give()
        self._look()

    def _lost(self, worker: Worker, tasks: list[Task], how: str) -> None:
        for task in reversed(tasks):
            task.lost += 1
            if task.lost <= self.retries:
                self.waiting.appendleft(task)
            else:
                advice = "" if self.retries else "; retries=1 would have it done again by another worker"
                task.fail(WorkerLost(f"{worker.name} {how} with {task.name} in hand{advice}"))
        self._give()

    def fail_all(self, error: BaseException) -> None:
        """Nobody is left to do what waits, or is in hand."""
        for task in [*self.waiting, *(task for worker in self.workers for task in worker.in_hand.values())]:
            task.fail(error)
        self.waiting.clear()
        self._look()

    # -- the end

    def is_idle(self) -> bool:
        """True if nothing waits and nothing is in hand."""
        return not self.waiting and not any(worker.in_hand for worker in self.workers)

    async def idle(self) -> None:
        """Wait until nothing waits and nothing is in hand."""
        while not self.is_idle():
            changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(changed)
            await changed

    def _look(self) -> None:
        if self._idle and self.is_idle():
            told, self._idle = self._idle, []
            for changed in told:
                if not changed.done():
                    changed.set_result(None)
