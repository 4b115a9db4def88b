"""Virtual time: an event loop that jumps to its next timer instead of sleeping.

A test that waits for an hour takes no time, and always the same steps. Where nothing is ready and no timer is left, the
program would wait for ever: the loop raises `Deadlock` and names who waits for what.

Real I/O is polled before every jump but never waited for while a timer is pending; it has no place in virtual time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from actorpar.channels import env
from actorpar.channels.errors import Deadlock
from actorpar.channels.process import Process
from actorpar.channels.runqueue import run_queue
from actorpar.channels.waitgraph import wait_graph

R = TypeVar("R")

#: Steps of the run queue between two looks at everything else. In real time a turn ends when it has taken long; here no
#: time passes meanwhile.
TURN_STEPS = 32


class VirtualClock(asyncio.SelectorEventLoop):
    """An asyncio loop that keeps its own time; it starts at 0 and moves only when nothing else can happen.

    While it runs, `env.clock` shows its time too, so that `statistics().blocked_seconds` are virtual seconds.
    """

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jumping(self))
        self._clock_resolution = 1e-9  # what _run_once adds to the time when it looks for timers that are due

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock; timers that come due run in the next turn of the loop."""
        self._now += seconds

    def run_forever(self) -> None:
        """Run until stopped, with `env.clock` showing this loop's time."""
        before = env.clock, env.TURN_STEPS
        env.clock, env.TURN_STEPS = self.time, TURN_STEPS
        try:
            super().run_forever()
        finally:
            env.clock, env.TURN_STEPS = before

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """End the loop's threads, however long that takes: they work in real time, which no timer here can measure."""
        await super().shutdown_default_executor()

    def describe_waits(self) -> str:
        """One line for each task and process that is left, with what it waits for."""
        waits = wait_graph(run_queue(self))
        lines = [str(wait) for wait in waits]
        known = {wait.who for wait in waits}
        lines += sorted(place_of(task) for task in asyncio.all_tasks(self) if task.get_name() not in known)
        return "\n  ".join(["nothing is ready, no timer is pending, and these wait:", *lines])


class _Jumping(selectors.DefaultSelector):
    """A selector that moves the clock of its loop instead of waiting."""

    def __init__(self, loop: VirtualClock) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is not None:
            self._loop.advance(timeout)
            return ready
        if len(self.get_map()) > 1 or getattr(self._loop, "_default_executor", None) is not None:
            return super().select(None)  # only a socket or a thread of the program can go on: let it
        raise Deadlock(self._loop.describe_waits())


def place_of(task: asyncio.Task[Any] | Process[Any]) -> str:
    """Where a task or process waits, with its name."""
    stack = task.get_stack(limit=1)
    where = f"{stack[-1].f_code.co_filename}:{stack[-1].f_lineno}" if stack else "its first step"
    return f"{task.get_name()} waits at {where}"


def run_virtual(main: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """Run `main()` on a new `VirtualClock` and return its result; Deadlock if it can never end."""
    with asyncio.Runner(loop_factory=VirtualClock) as runner:
        return runner.run(main())
