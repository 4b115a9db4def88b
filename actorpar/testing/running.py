"""A system for one test: nothing may outlive it, and no process may keep its end waiting."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Final

from actorpar.system import ActorSystem

from .idle import cells_of, wait_idle
from .leaks import Leaked, no_leaks, waits_of
from .virtual import place_of

#: Seconds that the actors of a test have to stop.
SHUTDOWN: Final = 2.0


@contextlib.asynccontextmanager
async def running_system(name: str = "test") -> AsyncIterator[ActorSystem]:
    """`async with running_system() as system:` is an ActorSystem for one test, with a leak check behind it.

    At the end of the block the processes that were started from it must have ended, or be able to end without waiting
    for time or for somebody: those that have not are cancelled. The actors are stopped, which each must allow within
    2 s. Then nothing may be left, as in `no_leaks`. Raises Leaked, which names what kept running or was left. If the
    block raises, the processes are cancelled, the actors stopped, and that goes on; nothing is checked.
    """
    async with no_leaks():
        async with ActorSystem(name, shutdown=SHUTDOWN) as system:
            yield system
            with contextlib.suppress(TimeoutError):
                await wait_idle(system)
            unfinished = _unfinished(system)
            if unfinished:
                raise Leaked(unfinished)
        if system.killed:
            raise Leaked(
                [f"{name}, an actor that did not stop within {SHUTDOWN} s and was killed" for name in system.killed]
            )


def _unfinished(system: ActorSystem) -> list[str]:
    """The processes that run on and belong to no actor, which would end them."""
    waits = waits_of(system.dispatcher.queue)
    owned = {process for cell in cells_of(system) if cell.more is not None for process in cell.more.processes or ()}
    return [
        f"the process {waits.get(process.get_name()) or place_of(process)}; it was cancelled"
        for process in system._group._processes
        if process not in owned
    ]
