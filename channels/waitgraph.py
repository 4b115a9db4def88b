"""Who waits for whom: the picture of a deadlock (CH-61).

In debug mode (`ap.run(main, debug=True)` or PYTHONASYNCIODEBUG=1) a run queue that has been idle for
`env.DEADLOCK_SECONDS`, while every process and task that is left waits for a channel or for one another, logs one
warning that names them all. A timer or a callback that would send later cannot be seen from here, so it is a report,
not an error.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

from . import env
from .flavors.base import Flavor
from .process import Process
from .runqueue import RunQueue
from .sender import Sender
from .waiters import Waiter

logger = logging.getLogger("actorpar")


class Wait(NamedTuple):
    """`who` waits to `does` ("send" or "receive") on `channel`; the processes `others` own its other end."""

    who: str
    does: str
    channel: str
    others: tuple[str, ...]

    def __str__(self) -> str:
        way = "send to" if self.does == "send" else "receive from"
        return f"{self.who} waits to {way} {self.channel}, whose other end {' and '.join(self.others) or 'nobody'} owns"


def wait_graph(queue: RunQueue) -> list[Wait]:
    """Every operation that waits on a channel of this loop, by name, in the order of the names."""
    owners: dict[tuple[int, bool], list[str]] = {}
    for process in _processes(queue.loop):
        for end in process.ends:
            owners.setdefault((id(end.core), isinstance(end, Sender)), []).append(process.get_name())
    waits = [
        Wait(_name(waiter), "send" if sends else "receive", core.name, tuple(owners.get((id(core), not sends), ())))
        for core, sends, waiter in _waiting(queue)
    ]
    return sorted(waits)


def cycle(waits: list[Wait]) -> list[str]:
    """The names of processes that wait for each other in a ring, if there is one."""
    waits_for: dict[str, list[str]] = {}
    for wait in waits:
        waits_for.setdefault(wait.who, []).extend(wait.others)
    finished: set[str] = set()

    def search(name: str, path: list[str]) -> list[str]:
        if name in path:
            return path[path.index(name) :]
        if name in finished:
            return []
        for other in waits_for.get(name, ()):
            ring = search(other, [*path, name])
            if ring:
                return ring
        finished.add(name)
        return []

    return next((ring for name in waits_for if (ring := search(name, []))), [])


def watch(queue: RunQueue) -> None:
    """Report this loop's deadlocks from now on; called for every run queue of a loop in debug mode."""
    pending: asyncio.TimerHandle | None = None

    def idle() -> None:
        nonlocal pending
        if pending is None:
            pending = queue.loop.call_later(env.DEADLOCK_SECONDS, look)

    def look() -> None:
        nonlocal pending
        pending = None
        if not queue.ready and is_stuck(queue):
            waits = wait_graph(queue)
            ring = cycle(waits)
            lines = [f"all {len(waits)} operations wait on channels and nothing else can run:", *map(str, waits)]
            if ring:
                lines.append("in a ring: " + " -> ".join([*ring, ring[0]]))
            logger.warning("\n  ".join(lines))

    queue.on_idle = idle


def is_stuck(queue: RunQueue) -> bool:
    """True if something waits on a channel, and all processes and tasks wait on channels or on one another."""
    waiting = list(_waiting(queue))
    if not waiting or any(core.is_served_outside() for core, _, _ in waiting):
        return False
    stuck = {id(waiter.sleeper()) for _, _, waiter in waiting}
    everybody = [task for task in asyncio.all_tasks(queue.loop) if not task.done()]
    known = {id(task) for task in everybody}
    for task in everybody:
        awaited = getattr(task, "_fut_waiter", None)
        if id(task) not in stuck and (awaited is None or not _is_one_of(awaited, known)):
            return False
    return True


def _is_one_of(future: Any, known: set[int]) -> bool:
    """True for a task that is known, and for a gather of such."""
    children = getattr(future, "_children", None)
    if children is not None:
        return all(id(child) in known for child in children if not child.done())
    return id(future) in known or getattr(future, "waits_for_processes", False)


def _waiting(queue: RunQueue) -> Iterator[tuple[Flavor, bool, Waiter]]:
    for core in list(queue.flavors):
        for sends, waiters in ((True, core.senders), (False, core.receivers)):
            for waiter in waiters:
                if waiter.is_live():
                    yield core, sends, waiter


def _processes(loop: asyncio.AbstractEventLoop) -> list[Process[Any]]:
    found: list[Any] = [task for task in asyncio.all_tasks(loop) if isinstance(task, Process)]
    return sorted(found, key=lambda process: str(process.get_name()))


def _name(waiter: Waiter) -> str:
    sleeper: Any = waiter.sleeper()
    return "a callback" if sleeper is None else str(sleeper.get_name())
