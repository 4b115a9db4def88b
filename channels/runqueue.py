"""The run queue: processes take turns inside one callback of the event loop.

A turn through the loop costs 1-6 µs, a turn through this queue a few hundred nanoseconds (docs/benchmarks.md).

Invariants
- `scheduled` is true from the moment a callback of this queue is on its way until it has found nothing more to run.
- While a process takes a step it is asyncio's current task, runs in its own context, and has at most BUDGET units of
  `fuel`: one is spent by each channel operation that completes without waiting (CH-17).
- `fuel` is 0 whenever no process of this queue takes a step. An operation that finds 0 takes the checked path, so
  that a foreign loop or an ordinary task is noticed at its first operation (CH-59) at no cost to the others.
- A turn ends after TURN_STEPS steps or TURN_SECONDS, and the loop serves timers and sockets before the next one.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import weakref
from collections.abc import Callable, Coroutine
from itertools import repeat
from typing import Any, TypeVar, cast

from . import env
from .errors import WrongLoop
from .process import PARK, AwaiterCount, Process, park
from .waiters import PARKED, TaskWaiter, Waiter

_R = TypeVar("_R")

#: asyncio's own table of the task that each loop is running: the documented way for third-party task
#: implementations ("Extending") is `_enter_task`/`_leave_task`, which write this table and cost five times as much.
current: dict[Any, Any] = getattr(asyncio.tasks, "_current_tasks", {})


@functools.cache
def is_active() -> bool:
    """True where processes run on the run queue; False where this interpreter leaves only ordinary tasks."""
    probe = cast(asyncio.AbstractEventLoop, object())
    current[probe] = cast(Any, probe)
    try:
        return asyncio.current_task(probe) is cast(Any, probe)
    finally:
        del current[probe]


class TaskProcess(AwaiterCount, asyncio.Task[Any]):
    """A process where there is no run queue: an asyncio task."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], **options: Any) -> None:
        self._awaiters = 0
        super().__init__(coroutine, **options)


class RunQueue:
    """The processes of one event loop that are ready to run."""

    __slots__ = (
        "__weakref__", "_after", "_budget", "_callback", "_context", "_stride", "checked", "flavors", "forked", "fuel",
        "lent", "loop", "on_idle", "ready", "scheduled", "thread",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.thread = env.thread_id()
        self.ready = env.ReadyQueue()
        self.scheduled = False
        self.forked = False  # the queue of the process that forked this one: nothing of it runs here
        self.fuel = 0
        self.lent = False
        self.checked = 0  # operations of ordinary tasks on the checked path since the last pause
        self.on_idle: Any = None
        self.flavors: weakref.WeakSet[Any] = weakref.WeakSet()
        self._after: list[Callable[[], None]] = []
        self._callback = self._turn
        self._context = contextvars.Context()  # a process's own would be entered twice and leak its variables
        self._stride = 1
        self._budget = env.BUDGET

    def spawn(self, coroutine: Coroutine[Any, Any, _R], name: str | None = None) -> Process[_R]:
        """Run a coroutine as a process; where there is no run queue, as an asyncio task, which has the same surface."""
        if env.plain_tasks or not is_active():
            return cast("Process[_R]", TaskProcess(coroutine, loop=self.loop, name=name))
        process = Process(self, coroutine, name)
        asyncio.tasks._register_task(cast(Any, process))
        self.push(process)
        return process

    def push(self, process: Process[Any]) -> None:
        """Make a process ready to run, behind those that are."""
        self.ready.append(process)
        if not self.scheduled:
            self.schedule()

    def schedule(self) -> None:
        """Ask the loop for a turn."""
        if not self.loop.is_closed():
            self.scheduled = True
            self.loop.call_soon(self._callback, context=self._context)

    def spend(self) -> None:
        """An operation completed without waiting. What an ordinary task may spend is lent to it, and taken back at the
        latest with the callbacks that are ready now."""
        if self.fuel:
            self.fuel -= 1
        elif not self.lent:
            self.lent = True
            self.fuel = env.BUDGET - 1
            self.loop.call_soon(self._take_back, context=self._context)

    def is_spent(self) -> bool:
        """Count an operation on the checked path. True: whoever runs has used up its budget and must pause (CH-17)."""
        if self.fuel:
            self.fuel -= 1
            return False
        if type(current.get(self.loop)) is Process:
            return True
        self.checked += 1
        if self.lent or self.checked >= env.BUDGET:
            self.checked = 0
            return True
        return False

    def _take_back(self) -> None:
        self.fuel = 0
        self.lent = False

    def resume(self, process: Process[Any]) -> None:
        """Run a process whose future is done; at once, for this is a callback of the loop already."""
        self.ready.append(process)
        if not self.scheduled:
            self.scheduled = True
            self._turn()

    def after_turn(self, callback: Callable[[], None]) -> None:
        """Call back once, at the end of the turn that runs or is coming: for what is done once for many operations.

        Where no turn is coming it is called soon. It must not raise.
        """
        self._after.append(callback)
        if not self.scheduled and len(self._after) == 1 and not self.loop.is_closed():
            self.loop.call_soon(self._run_after, context=self._context)

    def end_turn(self) -> None:
        """Make the calls of `after_turn` now: for a callback of the loop that is going to look for answers to them."""
        if self._after and not self.scheduled:
            self._run_after()

    def _run_after(self) -> None:
        after = self._after
        while after:
            calls, after[:] = after[:], []
            for call in calls:
                call()

    def run_with(self, callback: Callable[..., None], *args: Any) -> None:
        """For a callback of the loop: call, and run at once the processes that this makes ready."""
        if self.scheduled:
            callback(*args)
            return
        self.scheduled = True
        try:
            callback(*args)
        finally:
            self._turn()

    def _turn(self) -> None:
        ready, loop, budget = self.ready, self.loop, self._budget
        take, running, clock = ready.popleft, current, env.clock
        left, stride = env.TURN_STEPS, self._stride
        quick = env.TURN_SECONDS / 8
        now = clock()
        end = now + env.TURN_SECONDS
        try:
            while left > 0 and now < end:
                for _ in repeat(None, stride):
                    if not ready:
                        self.scheduled = False
                        if self.on_idle is not None:
                            self.on_idle()
                        return
                    process = take()
                    running[loop] = process
                    self.fuel = budget
                    try:
                        signal = process.run(process.step, None)
                    except StopIteration as stop:
                        process.succeed(stop.value)
                    except BaseException as failure:
                        lethal = isinstance(failure, KeyboardInterrupt | SystemExit) and process.host is None
                        # Our own frame would keep alive, with the failure, whoever ran last in this turn.
                        process.fall(failure.with_traceback(failure.__traceback__ and failure.__traceback__.tb_next))
                        if lethal:
                            raise
                    else:
                        if signal is PARK:
                            if process._must_cancel and process.waiter.state == PARKED:
                                process.send_cancel()
                                ready.append(process)
                        elif signal is None:
                            ready.append(process)
                        else:
                            process.block_on(signal)
                left -= stride
                before, now = now, clock()
                # The clock costs as much as a short step, so it is read every `stride` steps; one long stretch is
                # enough to read it after every step again, or 32 slow steps would keep the loop from its sockets.
                if now - before < quick:
                    stride, budget = min(32, stride + 1), min(env.BUDGET, 2 * budget)
                else:
                    stride, budget = 1, env.SLOW_BUDGET
            self._stride, self._budget = stride, budget
            loop.call_soon(self._callback, context=self._context)
        except BaseException:
            loop.call_soon(self._callback, context=self._context)
            raise
        finally:
            self.fuel = 0
            running.pop(loop, None)
            if self._after:
                self._run_after()
            process = signal = None  # the traceback of a failed process keeps this frame, and all it names


def waiter_here(queue: RunQueue) -> Waiter:
    """The waiter of the process or task that runs now, ready to be queued."""
    if env.thread_id() != queue.thread and asyncio._get_running_loop() is not queue.loop:
        raise WrongLoop("this channel belongs to the event loop of another thread; cross with end.threadsafe()")
    process = current.get(queue.loop)
    if type(process) is Process:
        waiter: Waiter = process.waiter
        waiter.state = PARKED
        return waiter
    return TaskWaiter(queue.loop, process)


async def sleep(waiter: Waiter) -> None:
    """Suspend whoever runs now, queued as `waiter`, until it is woken or cancelled."""
    if waiter.state == PARKED:
        await park()
    else:
        await waiter.future  # type: ignore[attr-defined]  # not PARKED: a TaskWaiter


class _NoQueue:
    """What a channel has before its first use: no fuel, so that the first operation takes the checked path."""

    __slots__ = ("forked", "fuel", "thread")
    loop = None

    def __init__(self) -> None:
        self.forked = False
        self.fuel = 0
        self.thread = None

    def spend(self) -> None:
        """An operation that is about to be refused."""


UNBOUND = cast(RunQueue, _NoQueue())

_queues: dict[asyncio.AbstractEventLoop, RunQueue] = {}


def run_queue(loop: asyncio.AbstractEventLoop | None = None) -> RunQueue:
    """The run queue of a loop, the running one by default; `WrongLoop` where none runs."""
    if loop is None:
        loop = asyncio._get_running_loop()
        if loop is None:
            raise WrongLoop("no event loop is running here; call this from a coroutine, for example under ap.run(main)")
    queue = _queues.get(loop)
    if queue is None:
        for other in list(_queues):  # other threads add and remove theirs meanwhile
            if other.is_closed():
                _queues.pop(other, None)  # a queue holds its loop, so weak keys would not help
        queue = _queues[loop] = RunQueue(loop)
        if loop.get_debug():
            from .waitgraph import watch

            watch(queue)
    return queue


def _disown() -> None:
    """In a process that was just forked: the channels of the parent, used there or not yet, are none of this one."""
    global UNBOUND
    for queue in (UNBOUND, *_queues.values()):
        queue.forked = True
        queue.fuel = 0  # the parent may have forked in the step of a process
        queue.thread = cast(int, None)  # so every operation takes the checked path, to its end
    _queues.clear()
    UNBOUND = cast(RunQueue, _NoQueue())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown)
