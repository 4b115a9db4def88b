"""What a test leaves behind: actors, processes, tasks, operations that wait, timers, thread-safe handles, open files.

Compared is what is there after the block with what was there before it, on the event loop that runs it. Things that are
on their way out, such as a cancelled task or a transport that closes, are given some turns of the loop, and things that
nobody refers to any more are collected, before anything is called a leak.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from actorpar.channels import waitgraph
from actorpar.channels.errors import ActorparError
from actorpar.channels.process import Process
from actorpar.channels.runqueue import RunQueue, TaskProcess, run_queue
from actorpar.system import ActorSystem, running_systems

from .idle import cells_of, turn
from .virtual import place_of

#: Turns of the loop in which what is on its way out may go.
TURNS: Final = 16
#: How many actors of a system a message names.
NAMED: Final = 10
#: Where the system lists the open files of this process; elsewhere they are not looked at.
OPEN_FILES: Final = "/proc/self/fd"

#: What a driver keeps open from the first use of a device to the end of the process.
DRIVERS: Final = ("/dev/nvidia", "/dev/dri/")

#: A timer of the library itself that holds nothing: debug mode's look for deadlocks.
_LOOK: Final = f"{waitgraph.watch.__qualname__}.<locals>.look"


class Leaked(ActorparError, AssertionError):
    """Something was left behind; `left` says what, a line for each."""

    def __init__(self, left: list[str]) -> None:
        super().__init__("left behind:" + "".join(f"\n  {line}" for line in left))
        self.left = left


@contextlib.asynccontextmanager
async def no_leaks() -> AsyncIterator[None]:
    """`async with no_leaks():` raises Leaked if the block leaves something behind that was not there before it.

    That is: a system that was not left, with its actors; a process or a task; an operation that waits on a channel; a
    timer; a thread-safe handle that is open; an open file, where /proc tells. If the block raises, that goes on
    unchanged. Timers are not seen on loops that do not tell (uvloop).
    """
    loop = asyncio.get_running_loop()
    before = set(_things(loop))
    yield
    for _ in range(TURNS):
        if not _left(loop, before):
            return
        await turn(loop)
    gc.collect()
    await turn(loop)
    left = _left(loop, before)
    if left:
        raise Leaked(left)


def _left(loop: asyncio.AbstractEventLoop, before: set[object]) -> list[str]:
    return [told for thing, told in _things(loop).items() if thing not in before]


def _things(loop: asyncio.AbstractEventLoop) -> dict[object, str]:
    """Everything that may leak, each with the words for it."""
    queue = run_queue(loop)
    return dict([*_systems(loop), *_tasks(loop, queue), *_timers(loop), *_handles(queue), *_files()])


def _systems(loop: asyncio.AbstractEventLoop) -> Iterator[tuple[object, str]]:
    for system in running_systems():
        if system.dispatcher.loop is loop:
            yield system, f"{system.name}, a system whose block was not left, with {_actors(system)}"


def _actors(system: ActorSystem) -> str:
    names = [cell.name for cell in cells_of(system)]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"the actors {', '.join(names[:NAMED])}{more}" if names else "no actors"


def _tasks(loop: asyncio.AbstractEventLoop, queue: RunQueue) -> Iterator[tuple[object, str]]:
    waits = waits_of(queue)
    here = asyncio.current_task()
    for task in sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name()):
        if task is not here:
            kind = "process" if isinstance(task, Process | TaskProcess) else "task"
            yield task, f"the {kind} {waits.get(task.get_name()) or place_of(task)}"
        waits.pop(task.get_name(), None)
    for wait in waits.values():
        yield wait, f"an operation: {wait}"


def waits_of(queue: RunQueue) -> dict[str, waitgraph.Wait]:
    """What waits on a channel of this loop, by the name of who waits."""
    return {wait.who: wait for wait in waitgraph.wait_graph(queue)}


def _timers(loop: Any) -> Iterator[tuple[object, str]]:
    for handle in getattr(loop, "_scheduled", ()):
        if not handle.cancelled() and getattr(handle._callback, "__qualname__", None) != _LOOK:
            yield ("timer", id(handle)), f"the timer {handle!r}, due in {max(0.0, handle.when() - loop.time()):.3g} s"


def _handles(queue: RunQueue) -> Iterator[tuple[object, str]]:
    for core in sorted(queue.flavors, key=lambda core: str(core.name)):
        for number in range(1, core.outside + 1):
            yield (core, number), f"a thread-safe handle of {core.name}, which is open"


def _files() -> Iterator[tuple[object, str]]:
    try:
        numbers = sorted(map(int, os.listdir(OPEN_FILES)))
    except OSError:
        return
    completion = sys.modules.get("actorpar.gpu.completion")
    kept = completion.open_descriptors() if completion is not None else ()
    for number in numbers:
        with contextlib.suppress(OSError):  # the folder that was listed, which is closed by now
            target = os.readlink(f"{OPEN_FILES}/{number}")
            if number in kept or target.startswith(DRIVERS):
                continue
            yield (number, target), f"the open file {number}: {target}"
