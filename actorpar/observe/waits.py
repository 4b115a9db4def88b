"""Who waits for whom: asks, channels and awaited tasks in one picture, and the rings in it (deadlock suspects).

The picture is drawn from what the runtime keeps anyway. Its points are tasks, for it is a handler that waits, not an
actor: a reentrant actor that waits still answers. A ring is a suspect, not a proof: a deadline, a timer or a callback
may still break it, and who waits on a channel that several can serve waits for all of them here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeGuard

from ..actors import life
from ..actors.mailbox import MailboxFlavor
from ..actors.request import PENDING, Request
from ..actors.runner import Runner
from ..channels import env
from ..channels.sender import Sender
from .inspection import task_of, waited
from .rings import rings
from .text import printable

if TYPE_CHECKING:
    from ..actors.cell import Cell
    from ..actors.dispatcher import Dispatcher
    from ..actors.entry import Letter

#: Letters of one mailbox among which waiting askers are looked for.
LETTERS: Final = 1_000

Task: TypeAlias = "asyncio.Future[Any]"


@dataclass(frozen=True, slots=True)
class Waiting:
    """`who` waits to `does` ("ask", "send", "receive", "await") `on` an actor, a channel or a task.

    message   of an ask; `where` it is: "in hand", "mailbox", "deferred", "stash"
    seconds   for how long, where that is known: of asks that have a deadline, and of channels that are timed
    others    the names of the tasks that could end it, as far as they are known
    """

    who: str
    does: str
    on: str
    message: str | None
    where: str | None
    seconds: float | None
    others: tuple[str, ...]


@dataclass(slots=True)
class Picture:
    """All waits of a system, and the rings among them, each as the names in it."""

    waits: list[Waiting] = field(default_factory=list)
    suspects: list[tuple[str, ...]] = field(default_factory=list)


def look(dispatcher: Dispatcher, cells: Iterable[Cell]) -> Picture:
    """Draw the picture of a loop: of these actors, of all actors that have a handler suspended, and of all tasks."""
    tasks: list[Task] = list(asyncio.all_tasks(dispatcher.loop))
    hosts = (getattr(task, "host", None) for task in tasks)
    busy = (host.cell for host in hosts if isinstance(host, Runner) and host.cell.dispatcher is dispatcher)
    looked_at = list(dict.fromkeys(chain(busy, cells)))
    drawing = _Drawing(dispatcher)
    for cell in looked_at:
        for request, where, for_whom in _requests(cell):
            drawing.ask(request, where, for_whom)
    drawing.channels(looked_at, tasks)
    for task in tasks:
        drawing.awaits(task, [awaited for awaited in _awaited(task) if not awaited.done()])
    found = [tuple(map(name_of, ring)) for ring in rings(drawing.edges)]
    return Picture(sorted(drawing.waits, key=lambda wait: (wait.who, wait.on)), sorted(found))


class _Drawing:
    """The picture while it is drawn: `edges` leads from each task to those it waits for."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self.waits: list[Waiting] = []
        self.edges: dict[Task, list[Task]] = {}

    def ask(self, request: Request, where: str, for_whom: list[Task]) -> None:
        """Somebody waits for an answer."""
        who = None if request.waiter is None else request.waiter.sleeper()
        name = name_of(who) if who is not None else request.asker.name if request.asker is not None else "somebody"
        self._add(who, name, "ask", request.cell.name, for_whom, request.message, where, waited(request))

    def channels(self, cells: list[Cell], tasks: list[Task]) -> None:
        """Operations that wait on channels, the mailboxes of actors included."""
        owners: dict[tuple[int, bool], list[Task | Cell]] = {}
        owning: list[tuple[Task | Cell, Any]] = [(task, getattr(task, "ends", ())) for task in tasks]
        owning += [(cell, cell.more.ends) for cell in cells if cell.more is not None]
        for owner, ends in owning:
            for end in ends:
                owners.setdefault((id(end.core), isinstance(end, Sender)), []).append(owner)
        for core in list(self.dispatcher.queue.flavors):
            for sends, waiters in ((True, core.senders), (False, core.receivers)):
                others = [core.cell] if isinstance(core, MailboxFlavor) else owners.get((id(core), not sends), [])
                for_whom = [task for other in others for task in _tasks_of(other)]
                for waiter in (waiter for waiter in waiters if waiter.is_live()):
                    who = waiter.sleeper()
                    name = "a callback" if who is None else name_of(who)
                    seconds = env.clock() - waiter.since if core.timed else None
                    self._add(who, name, "send" if sends else "receive", core.name, for_whom, None, None, seconds)

    def awaits(self, task: Task, awaited: list[Task]) -> None:
        """A task awaits others. It is a line of the picture for handlers only: programs are full of tasks that wait."""
        for other in awaited:
            if isinstance(getattr(task, "host", None), Runner):
                self._add(task, name_of(task), "await", name_of(other), [other], None, None, None)
            else:
                self.edges.setdefault(task, []).append(other)

    def _add(
        self, who: Task | None, name: str, does: str, on: str, for_whom: list[Task], message: str | None,
        where: str | None, seconds: float | None,
    ) -> None:  # fmt: skip
        names = tuple(dict.fromkeys(map(name_of, for_whom)))
        self.waits.append(Waiting(name, does, printable(on), message, where, seconds, names))
        if who is not None:
            self.edges.setdefault(who, []).extend(for_whom)


def _requests(cell: Cell) -> Iterator[tuple[Request, str, list[Task]]]:
    """The asks for which an actor owes an answer, each with the tasks that must go on before it can come."""
    runners = life.runners_of(cell)
    for runner in runners:
        if _is_pending(runner.request):
            yield runner.request, "in hand", [task_of(runner)]
    hindering = [] if cell.kind.reentrant else [task_of(runner) for runner in runners]
    more = cell.more
    for letter in letters_of(cell, LETTERS):
        request = None if isinstance(letter, tuple) else letter.request
        if request is not None and _is_pending(request):
            yield request, "mailbox", hindering
    if more is not None:
        for request in list(more.deferred or ()):
            if _is_pending(request) and all(runner.request is not request for runner in runners):
                yield request, "deferred", hindering
        for letter in islice(more.stash or (), LETTERS):
            request = None if isinstance(letter, tuple) else letter.request
            if request is not None and _is_pending(request):
                yield request, "stash", hindering


def letters_of(cell: Cell, most: int) -> list[Letter]:
    """The letters among which asks may be, oldest first, left where they are; what wakes an idle actor is no ask."""
    return cell.peek(most)


def _is_pending(request: Any) -> TypeGuard[Request]:
    return isinstance(request, Request) and request.state == PENDING


def _tasks_of(owner: Any) -> list[Task]:
    """The tasks that must go on before the owner of a channel's end, a task or an actor, can use it."""
    return [owner] if isinstance(owner, asyncio.Future) else [task_of(runner) for runner in life.runners_of(owner)]


def _awaited(task: Task) -> Iterator[Task]:
    """The tasks that a task awaits, directly or in a gather."""
    future: Any = getattr(task, "_fut_waiter", None)
    for awaited in getattr(future, "_children", [future]):
        if hasattr(awaited, "get_coro"):
            yield awaited


def name_of(task: Any) -> str:
    """The actor whose handler runs on a task, or the name of the task, which may be anybody's text."""
    host = getattr(task, "host", None)
    return host.cell.name if isinstance(host, Runner) else printable(str(task.get_name()))
