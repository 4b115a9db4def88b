"""What a test suite watches for: callbacks that block the loop, and processes that outlive their test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from actorpar.channels import env, runqueue
from actorpar.channels.process import Process


class Blocked(NamedTuple):
    """A callback that kept the event loop from everything else for `seconds` of real time."""

    seconds: float
    callback: str

    def __str__(self) -> str:
        return f"{self.callback} blocked the event loop for {self.seconds:.3f} s"


@contextlib.contextmanager
def detect_blocking(limit: float) -> Iterator[list[Blocked]]:
    """Collect the callbacks of asyncio's own loops that run for more than `limit` seconds at a stretch.

    Every step of a task and every turn of a run queue is a callback. Loops with handles of their own (uvloop) are not
    seen; run the same test on the default loop. Time in which a busy machine had no processor for this thread is not
    counted, where the system tells it (Linux).
    """
    blocked: list[Blocked] = []
    clock = env.clock
    run = asyncio.Handle._run
    starved_before = _seconds_without_a_processor()

    def timed_run(handle: asyncio.Handle) -> None:
        start = clock()
        run(handle)
        seconds = clock() - start
        if seconds > limit and seconds - (_seconds_without_a_processor() - starved_before) > limit:
            blocked.append(Blocked(seconds, repr(handle)))
        del handle  # the traceback of a task's end keeps this frame, and the handle keeps the task

    asyncio.Handle._run = timed_run  # type: ignore[method-assign,assignment]
    try:
        yield blocked
    finally:
        asyncio.Handle._run = run  # type: ignore[method-assign]


def live_processes() -> list[Process[Any]]:
    """The processes that have not ended, on every event loop that is not closed, in the order of their names."""
    loops = [loop for loop in list(runqueue._queues) if not loop.is_closed()]
    tasks: list[Any] = [task for loop in loops for task in asyncio.all_tasks(loop)]
    return sorted((task for task in tasks if isinstance(task, Process)), key=lambda process: process.get_name())


def _seconds_without_a_processor() -> float:
    """How long the calling thread was ready to run and had to wait for a processor; 0.0 where nobody tells."""
    try:
        with open("/proc/thread-self/schedstat") as schedstat:
            return int(schedstat.read().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
