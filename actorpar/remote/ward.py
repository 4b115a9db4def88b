"""What another node has started here, and what is done with it: a supervisor's child, or a process (AC-57).

To the runtime a `Ward` is the record of its actor, as a `Child` is where the supervisor runs.

Invariants
- The supervisor is told of the start before the end, and of the end exactly once; after a start that failed of neither.
- When the supervisor's node is down the child is stopped, and killed after the time that its spec gives it.
- While its own node is leaving, an end by order of that is not told: the supervisor learns that the node is gone, and
  starts the child elsewhere. Asked to end it, it answers at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..actors import life
from ..actors.cell import Cell
from ..actors.childprocess import kill_process
from ..actors.errors import StartFailed
from ..actors.reason import KILLED, SHUTDOWN, Reason, Restart
from ..actors.states import DEAD
from ..nodes.codec.schema import schema_of
from . import messages as m
from .reasons import told

if TYPE_CHECKING:
    from ..actors.entry import Letter
    from ..channels.process import Process
    from ..nodes.link import Link
    from .serving import Serving


class Ward:
    """One incarnation, from the order to start it until its end has been told."""

    def __init__(self, serving: Serving, link: Link, op: int, shutdown: float | None) -> None:
        self._serving = serving
        self._link = link
        self._op = op
        self._shutdown = shutdown
        self._cell: Cell | None = None
        self._reference = b""
        self._start: asyncio.Task[None] | None = None
        self._is_told = False  # that it has started
        self._state: Any = None
        self.restarts = 0  # incarnations before this one
        self.mailbox: list[Letter] = []  # never filled: what waits is not kept for an incarnation on another node

    # -- the record of an actor

    def keeps(self, reason: Reason) -> bool:
        return False

    def begun(self, cell: Cell) -> None:
        """It has been made, and nothing of it runs yet."""
        self._cell = cell
        self._reference = self._serving.hub.export(cell, self._link)

    def ended(self, cell: Cell, reason: Reason) -> None:
        """It has ended after it had started."""
        self._tell_start()
        if self._serving.hub.system.is_leaving and not reason.abnormal:
            return
        left = _left_by(cell)
        if left:
            self._serving.run(self._tell_end_later(left, reason))
        else:
            self._tell_end(reason)

    @property
    def state(self) -> Any:
        """What `ctx.keep` has kept: it goes to the supervisor, as plain data. CodecError."""
        return self._state

    @state.setter
    def state(self, value: Any) -> None:
        body, buffers = schema_of(Any).encode([value], self._link.port)
        self._state = value
        self._serving.hub.say(self._link, m.Kept(self._op), body, buffers)

    # -- its life

    def start(self, target: Any, args: tuple[Any, ...], name: str | None, restart: Restart | None) -> None:
        """Begin to start it."""
        self.restarts = 0 if restart is None else restart.count
        self._start = self._serving.run(self._run_start(target, args, name, restart))
        self._start.add_done_callback(self._start_ended)

    async def _run_start(self, target: Any, args: tuple[Any, ...], name: str | None, restart: Restart | None) -> None:
        system = self._serving.hub.system
        try:
            await system.spawn_under(system.root, target, args, name=name, record=self, restart=restart)
        except asyncio.CancelledError:
            if self._cell is not None:
                await life.ended(self._cell)  # it was killed, and may not be dead yet
            raise
        except Exception as error:
            if self._cell is not None:
                await life.ended(self._cell)
            cause = error.__cause__ if isinstance(error, StartFailed) and error.__cause__ is not None else error
            self._serving.failed(self._link, self._op, "start", cause)
        else:
            self._tell_start()

    def _start_ended(self, start: asyncio.Task[None]) -> None:
        if start.cancelled():
            self._serving.failed(self._link, self._op, "cancelled", asyncio.CancelledError())

    def _tell_start(self) -> None:
        if not self._is_told:
            self._is_told = True
            self._serving.hub.say(self._link, m.Started(self._op, self._reference))

    def stop(self, reason: Reason) -> None:
        """Its supervisor stops it. A start is cancelled, as it is at home."""
        cell = self._cell
        if not self._is_told:
            self.kill()
        elif cell is not None and cell.state == DEAD:
            self._tell_end(SHUTDOWN if cell.stopping is None else cell.stopping)
        elif cell is not None:
            life.stop(cell, reason)

    def kill(self) -> None:
        """Its supervisor, or what is left of it, has no more patience."""
        if not self._is_told:
            if self._start is not None and not self._start.cancelling():
                self._start.cancel()
        elif self._cell is not None and self._cell.state == DEAD:
            self._tell_end(KILLED if self._cell.stopping is None else self._cell.stopping)
        elif self._cell is not None:
            life.kill(self._cell)

    def orphaned(self) -> None:
        """The node of its supervisor is down: nobody is left to want it."""
        if self._shutdown == 0 or not self._is_told:
            self.kill()
            return
        assert self._cell is not None
        life.stop(self._cell, Reason("shutdown", detail=f"{self._link.name}, where its supervisor was, is down"))
        if self._shutdown is not None:
            self._cell.dispatcher.loop.call_later(self._shutdown, life.kill, self._cell)

    # -- its end

    async def _tell_end_later(self, left: list[Any], reason: Reason) -> None:
        """Wait for what a killed actor has left that still unwinds (AC-46)."""
        for each in left:
            if isinstance(each, Cell):
                await life.ended(each)
            else:
                await kill_process(each)
        self._tell_end(reason)

    def _tell_end(self, reason: Reason) -> None:
        if self._serving.over(self._link, self._op, self):
            self._serving.hub.say(self._link, m.Ended(self._op, told(reason)))


class ProcessWard:
    """A process that another node has started here. `shutdown` as of a child; None: it has as long as it takes."""

    def __init__(self, serving: Serving, process: Process[Any], shutdown: float | None) -> None:
        self._serving = serving
        self._process = process
        self._shutdown = shutdown

    def stop(self, reason: Reason) -> None:
        """Cancel it."""
        self._process.cancel(reason)

    def kill(self) -> None:
        """Cancel it for the last time."""
        self._serving.run(kill_process(self._process))

    def orphaned(self) -> None:
        """The node that has started it is down."""
        self._process.cancel()
        if self._shutdown is not None:
            self._process.get_loop().call_later(self._shutdown, self.kill)


def _left_by(cell: Cell) -> list[Any]:
    """Killed actors and processes that an actor has started, and that have not ended yet."""
    root = cell.dispatcher.system.root.more
    actors = () if root is None else root.children
    processes = () if cell.more is None else cell.more.processes or ()
    doomed = [each for each in actors if each.more is not None and each.more.doomed]
    return [*doomed, *(each for each in processes if not each.done())]
