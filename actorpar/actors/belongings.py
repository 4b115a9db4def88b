"""What an actor holds beyond its mailbox: children, names, timers, links. Most actors hold nothing, and have none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..channels.end import End
    from ..channels.process import Process
    from ..remote.process import RemoteProcess
    from .bonds import Link, Monitor
    from .cell import Cell
    from .entry import Letter
    from .reason import Reason
    from .request import Request
    from .runner import Runner
    from .timers import Timer


class Belongings:
    """Each field is None or empty until it is needed; all are released before the end is told to others (AC-25)."""

    __slots__ = (
        "children", "deferred", "doomed", "door", "ends", "feeds", "grace", "groups", "held", "hurried", "killed",
        "links", "names", "on_end", "processes", "runners", "signals", "stash", "timers", "unborn", "watchers",
        "watching",
    )  # fmt: skip

    def __init__(self) -> None:
        self.names: list[str] = []
        self.children: dict[Cell, Any] = {}  # in start order, each with its supervisor's record or None
        self.ends: tuple[End, ...] = ()
        self.processes: dict[Process[Any] | RemoteProcess, None] | None = None  # CSP processes it spawned
        self.feeds: dict[asyncio.Future[Any], None] | None = None
        self.groups: list[str] | None = None
        self.timers: dict[object, Timer] | None = None
        self.stash: list[Letter] | None = None
        self.deferred: dict[Request, None] | None = None
        self.links: dict[Any, Link] | None = None
        self.watching: dict[Monitor, None] | None = None  # monitors of this actor
        self.watchers: dict[Monitor, None] | None = None  # monitors on this actor
        self.on_end: list[Callable[[Cell, Reason], object]] | None = None
        self.runners: dict[Runner, None] = {}  # handlers under way of a reentrant actor
        self.signals = 0  # news of the system in the mailbox, which do not count against its bound
        self.held = False  # suspended from outside (AC-62)
        self.hurried = False  # its end does not wait for the handler in hand
        self.killed = False  # no code of the user runs any more
        self.doomed = False  # its handler was cancelled by a kill
        self.grace: asyncio.TimerHandle | None = None  # when that handler is closed
        self.unborn = False  # it was killed before it had started
        self.door: Any = None  # the sending side of a channel, for those who wait for room


def more_of(cell: Cell) -> Belongings:
    """The belongings of an actor, made at its first need."""
    more = cell.more
    if more is None:
        more = cell.more = Belongings()
    return more
