"""How an actor comes to be: its name first, then its object, then its hooks; `spawn` returns when it is ready (AC-23).

Channel ends among the arguments move to the actor, which closes them when it ends (CH-63).
"""

from __future__ import annotations

import asyncio
from typing import Any

from ..channels.ownership import Parcel
from ..channels.runqueue import run_queue
from . import bonds, life
from .actor import Actor
from .belongings import more_of
from .cell import Cell
from .errors import StartFailed
from .kind import Kind
from .reason import Reason, Restart, describe
from .request import Request
from .runner import SUSPENDED
from .states import DEAD


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
    dispatcher = parent.dispatcher
    if run_queue() is not dispatcher.queue:
        dispatcher.is_spent()  # raises WrongLoop
    cell = Cell(kind, dispatcher, parent)
    if name is not None:
        dispatcher.system.registry.register(name, cell)
    more_of(parent).children[cell] = record
    parcel = Parcel()
    try:
        if args:
            args = parcel.pack(args)
        _make(cell, args, restart)
    except BaseException as failure:
        parcel.unpack()
        cell.stopping = Reason("error", error=failure)
        life.bury(cell)
        raise _start_failed(cell, failure) from failure
    if parcel.ends:
        more_of(cell).ends += parcel.ends
    if link:
        bonds.link(parent, cell)
    waits = _start(cell, restart)
    if waits is not None:
        try:
            await waits.wait(None)
        except asyncio.CancelledError:
            life.kill(cell)
            raise
    if cell.state == DEAD and waits is None:
        raise _start_failed(cell, cell.stopping.error if cell.stopping is not None else None)
    dispatcher.counters.spawned += 1
    if dispatcher.system.events.wanted:
        dispatcher.system.started(cell, restart)
    return cell


def _make(cell: Cell, args: tuple[Any, ...], restart: Restart | None) -> None:
    """Make the object; `self.ctx` works in its `__init__` already."""
    cls = cell.kind.cls
    actor: Actor = cls.__new__(cls, *args)
    actor._cell = cell
    cell.actor = actor
    actor.__init__(*args)  # type: ignore[misc]  # as calling the class does, once the runtime is reachable from it


def _start(cell: Cell, restart: Restart | None) -> Request | None:
    """Run the hooks of the start. A Request: they are not done yet, and it waits for them."""
    hooks = cell.kind.hooks
    dispatcher = cell.dispatcher
    if "on_start" in hooks or (restart is not None and "on_restart" in hooks):
        request = Request(cell, "on_start")
        try:
            if dispatcher.enter(cell, _hooks_of_the_start(cell, restart), request, False) is SUSPENDED:
                return request
        except BaseException as failure:
            dispatcher.failed(cell, failure, None)
            raise _start_failed(cell, failure) from failure
        if cell.runner is not None:
            cell.runner.request = None
    dispatcher.settle(cell)
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


def _start_failed(cell: Cell, failure: BaseException | None) -> StartFailed:
    why = "it was stopped" if failure is None else describe(failure)
    return StartFailed(f"{cell.name} could not start: {why}")
