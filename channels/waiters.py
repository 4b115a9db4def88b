"""Who waits at an end of a channel, and in which order.

Invariants
- A waiter is in at most one queue. Whoever wakes it takes it out of the queue first.
- Its state says everything: PARKED or WAITING while it may be chosen; then, exactly once, GRANTED (an item or a slot is
  reserved for it, CH-9), DONE (its item was taken) or ENDED (the channel or its handle ended). CANCELLED means that its
  process was cancelled while it waited: still queued, but nobody may choose it any more.
- Waking sets the state and makes the sleeper ready to run; it never runs it (CH-16).
- A queue is first in, first out, and holds at most as many tombstones as live waiters, so that giving up costs
  O(1) amortized on a channel that nobody uses (CH-48).
"""

from __future__ import annotations

import asyncio
import collections
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .flavors.base import Flavor
    from .guard import Guard
    from .process import Process
    from .select import Choice

IDLE, PARKED, WAITING, GRANTED, DONE, ENDED, CANCELLED, BURIED = range(8)

#: The states of a waiter that stands in a queue and is not a tombstone.
QUEUED = (PARKED, WAITING, CANCELLED)

#: A waiter gives up by a linear search up to this length of the queue, and leaves a tombstone beyond it.
SHORT = 16


class Waiter:
    """A process that waits at one end of one channel. Each process owns one and uses it for every wait.

    The state PARKED belongs to this class alone, so that `state == PARKED` tests class and liveness in one comparison.
    """

    __slots__ = ("end", "item", "process", "since", "state")

    def __init__(self, process: Process[Any] | None = None) -> None:
        self.state = IDLE
        self.process: Process[Any] = process  # type: ignore[assignment]  # None only in the subclasses, which never read it
        self.end: Any = None
        self.item: Any = None
        self.since = 0.0

    def claim(self, outcome: int) -> bool:
        """Choose this waiter: set its state and make it ready. False if it may not be chosen any more."""
        if self.state != PARKED:
            return False
        self.state = outcome
        self.process.queue.push(self.process)
        return True

    def is_live(self) -> bool:
        """True while the waiter may be chosen."""
        return self.state == PARKED

    def sleeper(self) -> asyncio.Future[Any] | None:
        """The process or task that waits; None when it is not known."""
        return self.process


class TaskWaiter(Waiter):
    """An ordinary asyncio task that waits. asyncio cancels its future at once, and so tells that it is gone."""

    __slots__ = ("future", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any] | None) -> None:
        self.state = WAITING
        self.process = None  # type: ignore[assignment]
        self.end = self.item = None
        self.future: asyncio.Future[None] = loop.create_future()
        self.task = task

    def claim(self, outcome: int) -> bool:
        if self.future.done():
            return False
        self.state = outcome
        self.future.set_result(None)
        return True

    def is_live(self) -> bool:
        return not self.future.done()

    def sleeper(self) -> asyncio.Future[Any] | None:
        return self.task


class GuardWaiter(Waiter):
    """One guard of a select that waits: it can be chosen while no other guard of that select was (CH-34)."""

    __slots__ = ("choice", "core", "guard", "index")

    choice: Choice
    guard: Guard[Any]

    def __init__(self, index: int) -> None:
        self.state = IDLE
        self.process = None  # type: ignore[assignment]
        self.end = self.item = None
        self.core: Flavor | None = None  # the channel where it is queued
        self.index = index

    def claim(self, outcome: int) -> bool:
        if self.state != WAITING or not self.choice.commit(self, outcome):
            return False
        self.state = outcome
        return True

    def settle(self, outcome: int) -> bool:
        """Be chosen by the claim that holds the select (NET-14); False if that was cancelled."""
        if not self.choice.settle(self, outcome):
            return False
        self.state = outcome
        return True

    def is_live(self) -> bool:
        return self.state == WAITING and self.choice.is_open()

    def sleeper(self) -> asyncio.Future[Any] | None:
        return self.choice.waiter.sleeper()


#: The waiters of one side of a channel, in order of arrival (CH-6). A plain deque: the interpreter's fast calls are
#: for the exact type, and a subclass would cost 20 ns for each wait.
WaitQueue = collections.deque[Waiter]


def wake(queue: WaitQueue, outcome: int) -> Waiter | None:
    """Choose the first waiter that may still be chosen, and take it out; None if there is none."""
    while queue:
        waiter = queue.popleft()
        if waiter.state == PARKED:  # claim(), written out: this is the hot path of every wait
            waiter.state = outcome
            process = waiter.process
            runs = process.queue
            runs.ready.append(process)
            if not runs.scheduled:
                runs.schedule()
            return waiter
        if waiter.claim(outcome):
            return waiter
        drop(waiter)
    return None


def wake_all(queue: WaitQueue, outcome: int) -> None:
    """Choose every waiter that may still be chosen (CH-8)."""
    while wake(queue, outcome) is not None:
        pass


def first(queue: WaitQueue) -> Waiter | None:
    """The first waiter that may be chosen, left in its place; those before it that may not be are dropped."""
    while queue:
        if queue[0].is_live():
            return queue[0]
        drop(queue.popleft())
    return None


def drop(waiter: Waiter) -> None:
    """A waiter left its queue without being chosen."""
    if waiter.state != BURIED:
        waiter.state = IDLE


def count_live(queue: WaitQueue) -> int:
    """How many waiters may be chosen; O(n), for statistics."""
    return sum(waiter.is_live() for waiter in queue)


def discard(queue: WaitQueue, waiter: Waiter) -> bool:
    """Take out a waiter that gives up. False: a tombstone stays in its place, so never use the waiter again."""
    if waiter.state not in QUEUED:
        return True
    if queue[-1] is waiter:  # the usual case: the last to come is the first to give up
        queue.pop()
    elif len(queue) <= SHORT:
        queue.remove(waiter)
    else:
        waiter.state = BURIED
        return False
    waiter.state = IDLE
    return True


def sweep(queue: WaitQueue) -> None:
    """Take the tombstones out."""
    living = [waiter for waiter in queue if waiter.state != BURIED]
    queue.clear()
    queue.extend(living)
