"""How an actor comes to be: its name first, then its object, then its hooks; `spawn` returns when it is ready (AC-23).

Channel ends among the arguments move to the actor, which closes them when it ends (CH-63).
"""

from __future__ import annotations

import asyncio
from typing import Any

from ..channels.env import thread_id
from ..channels.ownership import Parcel
from . import bonds, life
from .actor import Actor
from .belongings import more_of
from .cell import Cell
from .errors import StartFailed
from .handlers import enter, failed
from .kind import Kind
from .reason import Reason, Restart, describe
from .request import Request
from .runner import SUSPENDED
from .states import IDLE, STARTING


async def spawn(
    parent: Cell,
    kind: Kind,
    args: tuple[Any, ...],
    *,
    name: str | None = None,
    record: Any = None,
    restart: Restart | None = None,
    link: bool = False,
) -> Cell:
    """Start an actor as a child of `parent`, and return when `on_start` has.

    Raises NameTaken, or StartFailed with what `__init__`, `on_start` or `on_restart` raised as its cause; then the name
    is free again. Cancelled: the actor is killed.
    """
    cell, waits = begin(parent, kind, args, name, record, restart, link)
    if waits is not None:
        await started(cell, waits, restart)
    return cell


def begin(
    parent: Cell,
    kind: Kind,
    args: tuple[Any, ...],
    name: str | None = None,
    record: Any = None,
    restart: Restart | None = None,
    link: bool = False,
) -> tuple[Cell, Request | None]:
    """The part of `spawn` that waits for nothing. A Request: the hooks are not done, and `started` waits for them."""
    dispatcher = parent.dispatcher
    if thread_id() != dispatcher.thread:
        dispatcher.is_spent()  # raises WrongLoop
    cell = Cell(kind.traced() if dispatcher.observes_all else kind, dispatcher, parent)
    if name is not None:
        dispatcher.system.registry.register(name, cell)
    more = parent.more or more_of(parent)
    more.children[cell] = record
    parcel = None
    try:
        if args:
            parcel = Parcel()
            args = parcel.pack(args)
        cls = kind.cls
        actor: Actor = cls.__new__(cls, *args)
        actor._cell = cell  # so that `self.ctx` works in `__init__` already
        cell.actor = actor
        actor.__init__(*args)  # type: ignore[misc]  # as calling the class does
    except BaseException as failure:
        if parcel is not None:
            parcel.unpack()
        cell.stopping = Reason("error", error=failure)
        life.bury(cell)
        raise _start_failed(cell, failure) from failure
    if parcel is not None and parcel.ends:
        more_of(cell).ends += parcel.ends
    if record is not None:
        record.begun(cell)
    if link:
        bonds.link(parent, cell)
    if kind.starts and ("on_start" in kind.hooks or restart is not None):
        waits = _run_hooks(cell, restart)
        if waits is not None:
            return cell, waits
    elif cell.box is None and cell.more is None and cell.stopping is None:
        cell.state = IDLE
        dispatcher.counters.spawned += 1
        if dispatcher.system.events.wanted:
            dispatcher.system.started(cell, restart)
        return cell, None
    if cell.stopping is not None:
        life.fail(cell, life.EndedEarly(), None)
        raise life.not_started(cell)
    if cell.state == STARTING:
        dispatcher.settle(cell)
    _count(cell, restart)
    return cell, None


async def started(cell: Cell, waits: Request, restart: Restart | None = None) -> None:
    """Wait for the hooks of the start. Cancelled: the actor is killed."""
    try:
        await waits.wait(None)
    except asyncio.CancelledError:
        life.kill(cell)
        raise
    _count(cell, restart)


def _count(cell: Cell, restart: Restart | None) -> None:
    dispatcher = cell.dispatcher
    dispatcher.counters.spawned += 1
    if dispatcher.system.events.wanted:
        dispatcher.system.started(cell, restart)


def _run_hooks(cell: Cell, restart: Restart | None) -> Request | None:
    """Run the hooks of the start. A Request: they are not done yet, and it waits for them."""
    request = Request(cell, "on_start")
    try:
        if enter(cell, _hooks_of_the_start(cell, restart), request, False) is SUSPENDED:
            return request
    except BaseException as failure:
        failed(cell, failure, None)
        if isinstance(failure, life.EndedEarly):
            raise life.not_started(cell) from None
        raise _start_failed(cell, failure) from failure
    if cell.runner is not None:
        cell.runner.request = None
    return None


async def _hooks_of_the_start(cell: Cell, restart: Restart | None) -> None:
    actor = cell.actor
    if restart is not None:
        done = actor.on_restart(restart)
        if done is not None:
            await done
    done = actor.on_start()
    if done is not None:
        await done
    if cell.stopping is not None:
        raise life.EndedEarly


def _start_failed(cell: Cell, failure: BaseException) -> StartFailed:
    return StartFailed(f"{cell.name} could not start: {describe(failure)}")
