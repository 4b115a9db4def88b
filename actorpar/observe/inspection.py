"""Introspection of any actor without its help, as OTP's `sys` (AC-62): look at it, suspend it, resume it, trace it.

Looking reads what the runtime keeps anyway: it runs no code of the actor, sends it nothing and waits for nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..actors import life
from ..actors.cell import Cell
from ..actors.request import Request
from ..actors.states import STATES
from ..actors.timed import cell_of
from ..channels.env import thread_id
from ..channels.errors import WrongLoop
from .taps import Taps, taps_of
from .text import printable

if TYPE_CHECKING:
    from ..actors.ref import ActorRef

#: Code in which a handler stands while it waits, and which says nothing about where: this library, and asyncio.
_LIBRARY = (os.path.dirname(os.path.dirname(__file__)), os.path.dirname(asyncio.__file__))
_HOOKS = {"_hooks_of_the_start": "on_start", "_hooks_of_the_end": "on_stop"}


@dataclass(frozen=True, slots=True)
class InHand:
    """A handler that has begun and is suspended.

    message   its name
    place     file, line and function where it waits; None where that cannot be seen
    seconds   for how long its asker has waited; None if it was told, or asked without a deadline
    """

    message: str
    place: str | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class ActorInfo:
    """What an actor is doing, at the moment when it was looked at.

    number      unique in the system, also when names are used again
    state       starting, idle, queued, busy, suspended, ending, dead
    reason      how it ended, or is about to
    mailbox     messages that wait, of at most `capacity`; `stashed` are put aside
    handled     messages handled so far
    in_hand     handlers that are suspended: at most one, unless the class is reentrant
    deferred    requests that it has promised to answer later
    monitors    what it watches; `monitored_by` are its watchers
    restarts    how often its supervisor has started it again; None without a supervisor
    suspended   by `system.suspend`; while the handler in hand still runs the state is busy
    """

    number: int
    name: str
    kind: str
    state: str
    reason: str | None
    mailbox: int
    capacity: int
    stashed: int
    handled: int
    in_hand: tuple[InHand, ...]
    deferred: int
    parent: str | None
    children: int
    links: tuple[str, ...]
    monitors: tuple[str, ...]
    monitored_by: tuple[str, ...]
    timers: int
    groups: tuple[str, ...]
    names: tuple[str, ...]
    restarts: int | None
    suspended: bool
    traced: bool


def inspect(ref: ActorRef[Any]) -> ActorInfo:
    """Look at an actor, alive or dead. InvalidActor if it is no reference; WrongLoop in another thread."""
    cell = here(ref)
    more = cell.more
    taps = cell.dispatcher.observe
    return ActorInfo(
        number=cell.serial,
        name=cell.name,
        kind=cell.kind.name,
        state=STATES[cell.state],
        reason=None if cell.stopping is None else printable(str(cell.stopping)),
        mailbox=len(cell),
        capacity=cell.kind.mailbox,
        stashed=0 if more is None else len(more.stash or ()),
        handled=cell.handled,
        in_hand=in_hand(cell),
        deferred=0 if more is None else len(more.deferred or ()),
        parent=None if cell.parent is None or cell.parent.parent is None else cell.parent.name,
        children=0 if more is None else len(more.children),
        links=() if more is None else _names(more.links or ()),
        monitors=() if more is None else _names(watch.ref for watch in more.watching or ()),
        monitored_by=() if more is None else _names(watch.watcher for watch in more.watchers or ()),
        timers=0 if more is None else len(more.timers or ()),
        groups=() if more is None else tuple(dict.fromkeys(more.groups or ())),
        names=() if more is None else tuple(more.names),
        restarts=restarts(cell),
        suspended=more is not None and more.held,
        traced=isinstance(taps, Taps) and cell in taps.traced,
    )


def suspend(ref: ActorRef[Any]) -> None:
    """Let an actor handle nothing more after the handler in hand; its mailbox fills. Stop and kill act all the same.

    Raises ActorDead.
    """
    life.hold(_alive(ref), True)


def resume(ref: ActorRef[Any]) -> None:
    """Let a suspended actor go on with what waits. Raises ActorDead."""
    life.hold(_alive(ref), False)


def trace(ref: ActorRef[Any], wanted: bool) -> None:
    """Publish a `Traced` event for each message that the actor is sent from now on, or no more. Raises ActorDead.

    A teller that was made before keeps its way past the trace while something waits in the mailbox.
    """
    cell = here(ref)
    taps_of(cell.dispatcher).trace(cell, wanted)


def here(ref: ActorRef[Any]) -> Cell:
    """The cell behind a reference, for use in the thread of its loop; WrongLoop elsewhere."""
    cell = cell_of(ref)
    if thread_id() != cell.dispatcher.thread:
        raise WrongLoop(f"{cell.name} belongs to the event loop of another thread; look at it there")
    return cell


def _alive(ref: ActorRef[Any]) -> Cell:
    cell = here(ref)
    if not cell.is_alive():
        raise cell.dead()
    return cell


# -- what it does


def in_hand(cell: Cell) -> tuple[InHand, ...]:
    """The handlers of an actor that are suspended."""
    return tuple(
        InHand(message_of(runner), _place(task_of(runner)), waited(runner.request)) for runner in life.runners_of(cell)
    )


def task_of(runner: Any) -> Any:
    """The process or task on which a suspended handler runs."""
    return runner.process if runner.process is not None else runner.task


def message_of(runner: Any) -> str:
    """What a suspended handler is called."""
    name: str = runner.handler_name()
    return _HOOKS.get(name, name)


def waited(request: Request | None) -> float | None:
    """For how long the asker has waited; None if that is not known."""
    if not isinstance(request, Request) or request.due is None:
        return None
    dispatcher = request.cell.dispatcher
    since = dispatcher.deadlines.since(request)
    return None if since is None else max(0.0, dispatcher.loop.time() - since)


def restarts(cell: Cell) -> int | None:
    """How often the supervisor has started this child again; None if it has no supervisor."""
    parent = cell.parent
    record = None if parent is None or parent.more is None else parent.more.children.get(cell)
    return getattr(record, "restarts", None)


def _place(task: Any) -> str | None:
    """Where a suspended coroutine stands: the innermost line that belongs neither to this library nor to asyncio."""
    found = None
    inner = task.get_coro()
    while inner is not None:
        frame = getattr(inner, "cr_frame", None)
        if frame is not None and not frame.f_code.co_filename.startswith(_LIBRARY):
            code = frame.f_code
            found = f"{os.path.basename(code.co_filename)}:{frame.f_lineno} in {code.co_name}"
        inner = getattr(inner, "cr_await", None)
    return found


def _names(those: Iterable[Any]) -> tuple[str, ...]:
    """The names of actors and processes."""
    return tuple(that.name if isinstance(that, Cell) else printable(str(that.get_name())) for that in those)
