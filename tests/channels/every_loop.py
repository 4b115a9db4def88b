"""A test of select that runs four times: on virtual time and on uvloop, with processes and with ordinary tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

import actorpar as ap
from actorpar.testing import Trial, VirtualClock, live_processes

#: How each loop is made, and the seconds after which what must wait is believed to wait.
LOOPS: dict[str, tuple[Callable[[], asyncio.AbstractEventLoop], float]] = {
    "default": (VirtualClock, 1.0),
    "uvloop": (uvloop.new_event_loop, 0.002),
}


def on_every_loop(function: Callable[[Trial], Awaitable[None]]) -> Any:
    """Run the test's coroutine over both loops, and start its operations as processes and as tasks."""

    @pytest.mark.parametrize("processes", [True, False], ids=["processes", "tasks"])
    @pytest.mark.parametrize("loop", LOOPS)
    def test(loop: str, processes: bool) -> None:
        factory, patience = LOOPS[loop]

        async def run() -> None:
            async with Trial(ap.open_channel, processes=processes, patience=patience) as trial:
                await function(trial)
            assert not live_processes(), "a process outlives the test"

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(run())

    test.__name__, test.__doc__, test.__module__ = function.__name__, function.__doc__, function.__module__
    return test


async def choose(*guards: ap.Guard[Any], priority: bool = False, skip_closed: bool = False) -> tuple[int, Any]:
    """`ap.select` as a coroutine function, to be started."""
    return await ap.select(*guards, priority=priority, skip_closed=skip_closed)


def waiting(end: ap.Sender[Any] | ap.Receiver[Any]) -> int:
    """Everything that stands in the queues of the channel, tombstones included."""
    return len(end.core.senders) + len(end.core.receivers)
