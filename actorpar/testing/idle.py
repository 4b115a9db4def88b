"""Wait until everything that was set off has been done, as far as it can be without the world outside.

A system is idle when nothing in it is about to run: no actor has a message that it could take, no process is ready, and
the event loop has no callback left. Whatever is under way then waits for a timer, for a socket, or for somebody outside
of the system; for how long, nobody can know. Two things are not idle although nothing is about to run: a `@blocking`
handler in its thread, which is waited for; and a suspended actor (AC-62), which is not, for its messages stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from actorpar.actors.kind import in_thread
from actorpar.actors.life import runners_of
from actorpar.channels import env
from actorpar.channels.runqueue import RunQueue

if TYPE_CHECKING:
    from actorpar.actors.cell import Cell
    from actorpar.system import ActorSystem

#: Turns of the loop in a row in which nothing may happen; the second one has looked at the sockets after the first.
QUIET_TURNS: Final = 2
#: The same on a loop that does not tell what is ready (uvloop): a chain of callbacks of this length looks idle.
BLIND_TURNS: Final = 16
#: Seconds of real time between two looks at a thread.
LOOK: Final = 0.001
#: How many actors a message names.
NAMED: Final = 10

#: The code of a handler that waits for its thread.
_IN_THREAD: Final = next(constant for constant in in_thread.__code__.co_consts if hasattr(constant, "co_code"))


async def wait_idle(system: ActorSystem, *, timeout: float = 5.0) -> None:
    """Wait until nothing in the system is about to run, handlers in threads included.

    What was told before has been handled then, and what that set off, too; what waits for a timer or a socket has not.
    In virtual time the clock stands still meanwhile. Raises TimeoutError, which says who is busy, after `timeout`
    seconds of real time: actors that tell each other for ever are never idle. Call it in a test, not in a handler.
    """
    loop = asyncio.get_running_loop()
    give_up = _real_time(loop) + timeout
    needed = QUIET_TURNS if _ready(loop) is not None else BLIND_TURNS
    quiet = 0
    while quiet < needed:
        await turn(loop)
        quiet = 0 if _is_busy(system, loop) else quiet + 1
        if quiet == needed and system.dispatcher.waiting and any(_in_threads(system)):
            quiet = 0
            if isinstance(loop, asyncio.BaseEventLoop) and type(loop).time is asyncio.BaseEventLoop.time:
                await env.sleep(LOOK)
        if quiet < needed and _real_time(loop) > give_up:
            raise TimeoutError(f"{system.name} is not idle after {timeout} s: {_describe(system)}")


async def turn(loop: asyncio.AbstractEventLoop) -> None:
    """Let everybody else run once, the sockets that are ready included."""
    passed = loop.create_future()
    loop.call_soon(_set, passed)
    await passed


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _ready(loop: Any) -> Any:
    """The callbacks that the loop will run next; None where it does not tell."""
    return getattr(loop, "_ready", None)


def _is_busy(system: ActorSystem, loop: asyncio.AbstractEventLoop) -> bool:
    dispatcher = system.dispatcher
    queue: RunQueue = dispatcher.queue
    return bool(_ready(loop) or queue.ready or dispatcher.scheduled)


def _in_threads(system: ActorSystem) -> Iterator[Cell]:
    """The actors whose `@blocking` handler runs in a thread now."""
    for cell in cells_of(system):
        for runner in runners_of(cell):
            task: Any = getattr(runner, "task", None) or runner.process
            if task is not None and getattr(task.get_coro(), "cr_code", None) is _IN_THREAD:
                yield cell
                break


def cells_of(system: ActorSystem) -> Iterator[Cell]:
    """All living actors of a system, each before its children."""
    rest: list[Any] = list(reversed(system.actors))
    while rest:
        cell = rest.pop()
        yield cell
        if cell.more is not None:
            rest += reversed(cell.more.children)


def _real_time(loop: asyncio.AbstractEventLoop) -> float:
    """Seconds that pass also where the time of the loop is virtual."""
    return asyncio.BaseEventLoop.time(loop) if isinstance(loop, asyncio.BaseEventLoop) else loop.time()


def _describe(system: ActorSystem) -> str:
    busy = [f"{cell.name} has {len(cell)} messages waiting" for cell in cells_of(system) if len(cell)]
    busy += [f"{cell.name} runs a blocking handler in a thread" for cell in _in_threads(system)]
    more = f"; and {len(busy) - NAMED} more" if len(busy) > NAMED else ""
    return "; ".join(busy[:NAMED]) + more if busy else "no actor has messages, but processes or callbacks keep running"
