"""Workers elsewhere and the jobs that they have in hand: who gets the next one, and what becomes of those of a worker
that is lost.

Invariants
- A job waits, is in the hand of one worker, or is over. A worker that is lost gives its jobs back, in their order,
  before all that wait. The one that it was at is charged, and fails once it was charged more often than `retries`
  allows; so every worker that is lost brings an end nearer. Those that it had not begun lose nothing.
- A worker has as many jobs in hand as keep it busy while the next one comes, and not one more: for long jobs, one.
"""

from __future__ import annotations

import asyncio
import collections
import itertools
from collections.abc import Callable
from typing import Any

from ..channels.errors import ChannelError
from ..channels.receiver import Receiver
from ..channels.sender import Sender
from ..nodes.codec.signature import Signature
from ..nodes.errors import CodecError
from .errors import WorkerLost
from .pace import Pace
from .wire import Done, Failure, Job, decode_outcomes, encode_calls, size_of_job


class Task:
    """A job: calls of one function, encoded, and the future of what becomes of them."""

    __slots__ = ("calls", "content", "future", "is_single", "lost", "name", "signature", "size")

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
        self.size = size_of_job(*self.content[2:])
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
    """One worker, as the crew knows it. `begun()` is the number of the job that it began last, where that is seen."""

    def __init__(self, name: str, jobs: Sender[Job], begun: Callable[[], int] | None = None) -> None:
        self.name = name
        self.jobs = jobs
        self.begun = begun
        self.in_hand: dict[int, Task] = {}
        self.done = 0
        self.is_gone = False


class Crew:
    """The workers that are there now, and the jobs that wait for one."""

    def __init__(self, *, retries: int, at_once: int = 1) -> None:
        self.retries = retries
        self.workers: list[Worker] = []
        self.waiting: collections.deque[Task] = collections.deque()
        self.pace = Pace()
        self._at_once = at_once
        self._numbers = itertools.count(1)
        self._idle: list[asyncio.Future[None]] = []

    def put(self, task: Task) -> None:
        """Have it done."""
        self.pace.went(task.name, task.calls, task.size)
        self.waiting.append(task)
        self._give()

    def depth(self) -> int:
        """Jobs that a worker may have in hand."""
        return self._at_once + self.pace.ahead()

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
            worker.is_gone = True
            try:
                if worker.in_hand:
                    self._lost(worker, await how())
            finally:
                self.workers.remove(worker)
                self._look()

    def _done(self, worker: Worker, done: Done) -> None:
        task = worker.in_hand.pop(done[0], None)
        if task is None:
            return
        worker.done += task.calls
        self.pace.took(task.name, task.calls, done[4])
        self.pace.went(task.name, task.calls, size_of_job(done[1], done[2]))
        try:
            task.settle(decode_outcomes(task.signature, done, task.calls))
        except CodecError as error:
            task.fail(error)
        self._give()
        self._look()

    def _lost(self, worker: Worker, how: str) -> None:
        tasks, worker.in_hand = worker.in_hand, {}
        begun = None if worker.begun is None else worker.begun()
        advice = "" if self.retries else "; retries=1 would have it done again by another worker"
        for number, task in reversed(tasks.items()):
            if begun is None or number == begun:
                task.lost += 1
            if (begun is not None and number > begun) or (self.retries and task.lost <= self.retries):
                self.waiting.appendleft(task)
            else:
                what = "the result of " if begun is not None and number < begun else ""
                task.fail(WorkerLost(f"{worker.name} {how} with {what}{task.name} in hand{advice}"))
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
