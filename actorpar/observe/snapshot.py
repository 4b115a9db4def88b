"""A snapshot of a whole system as plain data, fit for JSON: what the control socket answers and `actorpar top` shows.

It is taken in one step of the loop, so it is bounded: at most ACTORS actors are in it, parents before children, and
those that have something to do even where they come later; `left_out` tells how many are not.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypedDict

from .. import __version__
from ..actors.cell import Cell
from ..actors.states import STATES
from ..channels import env
from .devices import DeviceRow, device_rows
from .inspection import in_hand, restarts
from .nodes import NodeRow, node_rows
from .taps import living
from .text import printable
from .waits import look

if TYPE_CHECKING:
    from ..system import ActorSystem

#: Actors, and waits, of one snapshot: some 5 ms of the loop's time and 300 kB.
ACTORS: Final = 1_000
WAITS: Final = 1_000
#: What a reader must know to read it; raised when a field changes its meaning.
FORMAT: Final = 3


class ActorRow(TypedDict):
    """One actor; the fields are those of ActorInfo. `parent` is the number of the parent, 0 at the top."""

    number: int
    name: str
    kind: str
    state: str
    mailbox: int
    capacity: int
    handled: int
    in_hand: list[dict[str, Any]]
    parent: int
    children: int
    links: int
    monitors: int
    timers: int
    restarts: int | None
    suspended: bool


class SystemSnapshot(TypedDict):
    """A system at one moment.

    at         seconds since the epoch; `clock` is monotonic seconds, for rates
    alive      actors that live; `left_out` of them are not in `actors`
    queued     actors that have their turn coming; `handlers` are suspended
    waits      as `observe.waits.Waiting`; suspects: rings among them, by name
    nodes      this one and those that it is linked to; empty where there is none. Others are asked for their figures
               by each snapshot, and the next one has what they answered
    devices    of this process; those of the other nodes are in their figures
    """

    format: int
    actorpar: str
    pid: int
    system: str
    at: float
    clock: float
    alive: int
    left_out: int
    queued: int
    handlers: int
    counters: dict[str, int]
    dead_letters: dict[str, int]
    actors: list[ActorRow]
    waits: list[dict[str, Any]]
    suspects: list[list[str]]
    nodes: list[NodeRow]
    devices: list[DeviceRow]


def snapshot(system: ActorSystem, actors: int = ACTORS) -> SystemSnapshot:
    """Look at a running system; ActorError if it is not running."""
    dispatcher = system.dispatcher
    cells, alive = _chosen(system, actors)
    picture = look(dispatcher, cells)
    counters = {name: getattr(system.counters, name) for name in type(system.counters).__slots__}
    dead_letters = dict(counters.pop("dead_letters"))
    return SystemSnapshot(
        format=FORMAT,
        actorpar=__version__,
        pid=os.getpid(),
        system=printable(system.name),
        at=env.wall_clock(),
        clock=env.clock(),
        alive=alive,
        left_out=alive - len(cells),
        queued=len(dispatcher.todo),
        handlers=dispatcher.waiting,
        counters=counters,
        dead_letters=dead_letters,
        actors=[_row(cell, system.root) for cell in cells],
        waits=[asdict(wait) for wait in picture.waits[:WAITS]],
        suspects=[list(ring) for ring in picture.suspects],
        nodes=[] if system.remote is None else node_rows(system.remote.survey),
        devices=device_rows(),
    )


def _chosen(system: ActorSystem, most: int) -> tuple[list[Cell], int]:
    """The actors that are shown, and how many are alive."""
    counters = system.counters
    first = list(islice(living(system), most + 1))
    alive = max(counters.spawned - counters.ended, len(first))
    if len(first) <= most:
        return first, alive
    known = set(first)
    queued = dict.fromkeys(islice(system.dispatcher.todo, most))
    busy = [cell for cell in queued if cell not in known and cell.is_alive()][: most // 2]
    return first[: most - len(busy)] + busy, alive


def _row(cell: Cell, root: Cell) -> ActorRow:
    more = cell.more
    parent = cell.parent
    return ActorRow(
        number=cell.serial,
        name=cell.name,
        kind=cell.kind.name,
        state=STATES[cell.state],
        mailbox=len(cell),
        capacity=cell.kind.mailbox,
        handled=cell.handled,
        in_hand=[asdict(hand) for hand in in_hand(cell)],
        parent=0 if parent is None or parent is root else parent.serial,
        children=0 if more is None else len(more.children),
        links=0 if more is None else len(more.links or ()),
        monitors=0 if more is None else len(more.watching or ()),
        timers=0 if more is None else len(more.timers or ()),
        restarts=restarts(cell),
        suspended=more is not None and more.held,
    )
