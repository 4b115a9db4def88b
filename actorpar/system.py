"""The system: everything a program runs, started and ended in one block.

The root of all actors is an actor that handles nothing; what `spawn` starts are its children.

Leaving the block: processes are awaited, then actors are stopped in reverse start order, all under one deadline; what
does not end in time is killed and named (AC-61). An exception in the block, or a cancellation, cancels the processes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import weakref
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, TypeVarTuple, overload

from .actors import life, orders
from .actors.actor import Actor
from .actors.belongings import Belongings, more_of
from .actors.cell import Cell
from .actors.counters import Counters
from .actors.deadletters import DeadLetters
from .actors.dispatcher import Dispatcher
from .actors.errors import ActorError, InvalidActor
from .actors.events import Ended, EventStream, Started
from .actors.groups import Groups
from .actors.kind import kind_of
from .actors.reason import SHUTDOWN, Reason, Restart
from .actors.ref import ActorRef
from .actors.registry import Registry
from .actors.spawning import begin, spawn, started
from .actors.states import DEAD, IDLE
from .channels.group import ProcessGroup
from .channels.process import Process
from .channels.runqueue import run_queue
from .observe import inspection
from .observe.sampling import Samples
from .remote import runtime

if TYPE_CHECKING:
    from .nodes.node import Node
    from .nodes.remote.ops import Member
    from .observe.control import Control
    from .observe.inspection import ActorInfo
    from .observe.snapshot import SystemSnapshot
    from .remote.hub import Hub

A = TypeVar("A", bound=Actor)
R = TypeVar("R")
Ts = TypeVarTuple("Ts")

logger = logging.getLogger("actorpar")

#: Seconds that a system has to stop its actors, unless it is told otherwise.
SHUTDOWN_SECONDS: Final = 10.0
#: How many of the actors that had to be killed a log line names.
NAMED: Final = 20

_running: weakref.WeakSet[ActorSystem] = weakref.WeakSet()


class _Root(Actor):
    """The parent of the actors at the top."""


class _SystemGroup(ProcessGroup):
    """A group in which whoever awaits a process takes charge of its failure."""

    def is_handled(self, process: Process[Any]) -> bool:
        return process.awaited


class ActorSystem:
    """`async with ActorSystem() as system:` starts actors and processes, and ends when they have.

    name      for logs
    shutdown  seconds that the actors have to stop when the block is left; what is left then is killed
    counters  False: no histograms of what actors do are sampled
    control   open a control socket for `actorpar top`: True, or a path; None: if ACTORPAR_CONTROL is 1 (ControlError)
    node      the node whose links the system uses; None: that of the launcher, if it was started by one
    serves    modules from which other nodes may have actors and processes started here

    An exception in the block cancels all processes. A process that fails while nobody awaits it ends the block with
    its exception; one that somebody awaits fails there. An actor that fails is logged, and its supervisor, its links
    and its monitors are told.
    """

    def __init__(
        self,
        name: str = "system",
        *,
        shutdown: float = SHUTDOWN_SECONDS,
        counters: bool = True,
        control: bool | str | os.PathLike[str] | None = None,
        node: Node | None = None,
        serves: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.shutdown = shutdown
        #: What had to be killed when the block was left, by name.
        self.killed: tuple[str, ...] = ()
        #: Names of actors (AC-50).
        self.registry = Registry()
        #: Named groups of actors (AC-52).
        self.groups = Groups()
        #: What happens: starts, ends, dead letters.
        self.events = EventStream()
        self._group = _SystemGroup(name)
        self._owned = _SystemGroup(name)  # the processes of actors, which end with these
        self._dispatcher: Dispatcher | None = None
        self._root: Cell | None = None
        #: True once the block has ended: the actors are stopped, and no other can be started.
        self.is_leaving = False
        self._samples = Samples() if counters else None
        self._control_wanted = control
        self._control: Control | None = None
        self._node = node
        self._serves = serves
        self.remote: Hub | None = None

    # -- starting and ending

    @overload
    async def spawn(
        self,
        target: Callable[[*Ts], Coroutine[Any, Any, R]],
        /,
        *args: *Ts,
        name: str | None = None,
        propagate: bool = False,
        on: Member | str | None = None,
    ) -> Process[R]: ...
    @overload
    async def spawn(
        self, target: Callable[[*Ts], A], /, *args: *Ts, name: str | None = None, on: Member | str | None = None
    ) -> ActorRef[A]: ...
    async def spawn(
        self,
        target: Callable[[*Ts], Any],
        /,
        *args: *Ts,
        name: str | None = None,
        propagate: bool = False,
        on: Member | str | None = None,
    ) -> Any:
        """Start an actor (a class) or a process (an async function) with these arguments.

        A class gives its ActorRef, once `on_start` has returned; raises StartFailed, NameTaken. A function gives a
        Process; await it for its result. Ends among the arguments move to what is started, which closes them when it
        ends (CH-63). Keyword arguments: `functools.partial`, for a process.

        `on` is a node of `system.nodes`, or the name or a label of one: it runs there. The function or class is
        imported there by its name (NotImportable), and arguments are encoded by their annotations (CodecError).
        A node that ended and is just started again is waited for. NodeDown.
        """
        if on is not None and (away := await self.hub.place(on)) is not None:
            return await self.hub.starting.spawn(away, target, args, name, propagate, self._group)
        if isinstance(target, type) and issubclass(target, Actor) and not self.is_leaving:
            cell, waits = begin(self._root or self.root, kind_of(target), args, name)
            if waits is not None:
                await started(cell, waits)
            return cell
        return await self.spawn_under(self.root, target, args, name=name, propagate=propagate)

    async def stop(self, ref: ActorRef[Any], *, reason: Reason = SHUTDOWN, timeout: float | None = 5.0) -> Reason:
        """Stop an actor after the message in hand, and return how it ended; it is killed after `timeout` seconds."""
        return await orders.stop(ref, reason, timeout)

    def kill(self, ref: ActorRef[Any]) -> None:
        """End an actor now: no hook runs, the handler in hand is cancelled. It has 0.25 s to unwind (AC-29)."""
        orders.kill(ref)

    async def ended(self, ref: ActorRef[Any]) -> Reason:
        """Wait until an actor has ended and return how."""
        return await orders.ended(ref)

    def find(self, name: str, cls: type[A]) -> ActorRef[A] | None:
        """The living actor registered under `name`, or None. InvalidActor if it is no `cls`."""
        cell = self.registry.find(name)
        if cell is not None and not issubclass(cell.kind.cls, cls):
            raise InvalidActor(f"{name!r} is a {cell.kind.name}, not a {cls.__qualname__}")
        return cell

    def running(self) -> ActorRef[Any] | None:
        """The actor whose handler runs now; None outside of all handlers."""
        return None if self._dispatcher is None else self._dispatcher.running()

    # -- nodes

    @property
    def hub(self) -> Hub:
        """What the system has to do with other nodes; ActorError where it is alone."""
        if self.remote is None:
            raise ActorError(f"{self.name} is on no node: start the program with `actorpar run`, or pass node=")
        return self.remote

    @property
    def nodes(self) -> tuple[Member, ...]:
        """The other nodes that may be given work, by name; alone, this node itself, or none without a launcher."""
        return () if self.remote is None else self.remote.nodes()

    def traffic(self) -> dict[str, tuple[int, int]]:
        """Bytes that were sent to and received from each node that is linked now, by its name."""
        return {} if self.remote is None else self.remote.traffic()

    async def wait_for_nodes(self, count: int, *, timeout: float | None = 30.0) -> tuple[Member, ...]:
        """Wait until there are `count` nodes that may be given work, and return them. TimeoutError."""
        return await self.hub.wait_for_nodes(count, timeout)

    # -- looking at it (AC-62)

    def inspect(self, ref: ActorRef[Any]) -> ActorInfo:
        """What an actor is doing now, without its help; also of one that has ended."""
        return inspection.inspect(ref)

    def suspend(self, ref: ActorRef[Any]) -> None:
        """Have an actor handle nothing more after the handler in hand, until `resume`; it can be stopped meanwhile."""
        inspection.suspend(ref)

    def resume(self, ref: ActorRef[Any]) -> None:
        """Let a suspended actor go on with what waits."""
        inspection.resume(ref)

    def trace(self, ref: ActorRef[Any], wanted: bool = True) -> None:
        """Publish a `Traced` event for each message that the actor is sent from now on, or no more."""
        inspection.trace(ref, wanted)

    def snapshot(self) -> SystemSnapshot:
        """The whole system as plain data, fit for JSON: actors, counters, who waits for whom, deadlock suspects."""
        from .observe.snapshot import snapshot

        return snapshot(self)

    @property
    def actors(self) -> tuple[ActorRef[Any], ...]:
        """The living actors at the top, in start order."""
        return () if self._root is None or self._root.more is None else tuple(self._root.more.children)

    @property
    def counters(self) -> Counters:
        """What was counted since the system started."""
        counters = self.dispatcher.counters
        counters.inlined = self.dispatcher.inlined
        return counters

    async def __aenter__(self) -> Self:
        if self._dispatcher is not None:
            raise ActorError(f"{self.name}: a system runs once; make another ActorSystem")
        if self._control_wanted or (self._control_wanted is None and "ACTORPAR_CONTROL" in os.environ):
            from .observe.control import open_control

            self._control = await open_control(self, self._control_wanted)
        await self._group.__aenter__()
        await self._owned.__aenter__()
        self._dispatcher = Dispatcher(run_queue(), self)
        self._dispatcher.sample = self._samples
        self.dead_letters = DeadLetters(self._dispatcher.counters, self.events)
        self._root = Cell(kind_of(_Root), self._dispatcher, None)
        self._root.state = IDLE
        _running.add(self)
        if self._node is None:
            self._node, self._serves = runtime.take(self._serves)
        if self._node is not None:
            from .remote.hub import Hub

            self.remote = Hub(self, self._node, self._serves)
            self.remote.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        try:
            await self._group.__aexit__(kind, exc, tb)
        finally:
            try:
                await self._end_actors()
            finally:
                await self._owned.__aexit__(None, None, None)
                if self.remote is not None:
                    self.remote.close()

    async def _end_actors(self) -> None:
        """Stop the actors, the last first; a cancellation meanwhile hurries them."""
        self.is_leaving = True
        stopping = asyncio.ensure_future(self._stop_actors())
        cancelled: asyncio.CancelledError | None = None
        while not stopping.done():
            try:
                await asyncio.shield(stopping)
            except asyncio.CancelledError as request:
                cancelled = request
                self._kill_all()
        _running.discard(self)
        self.dispatcher.deadlines.close()
        self.events.close()
        self.groups.close()
        if self._control is not None:
            self._control.close()
        stopping.result()
        if cancelled is not None:
            raise cancelled

    async def _stop_actors(self) -> None:
        children = self._top_actors()
        try:
            async with asyncio.timeout(self.shutdown):
                while children:
                    await life.stop_and_wait(next(reversed(children)), None)
        except TimeoutError:
            self._kill_all()
        while children:
            await life.ended(next(reversed(children)))

    def _kill_all(self) -> None:
        for cell in list(reversed(self._top_actors())):
            life.stop(cell)  # what has nothing in hand and no hook ends at once
        left = list(reversed(self._top_actors()))
        if left:
            self.killed += tuple(cell.name for cell in left)
            named = ", ".join(self.killed[:NAMED]) + (", …" if len(self.killed) > NAMED else "")
            logger.warning("%s: %d actors did not stop in time and were killed: %s", self.name, len(self.killed), named)
        for cell in left:
            life.kill(cell)

    def _top_actors(self) -> dict[Cell, Any]:
        assert self._root is not None
        return more_of(self._root).children

    # -- for the actors

    @property
    def dispatcher(self) -> Dispatcher:
        """The turns of the actors; ActorError while the system does not run."""
        if self._dispatcher is None:
            raise ActorError(f"{self.name}: use it inside its `async with` block; it is not running")
        return self._dispatcher

    @property
    def root(self) -> Cell:
        """The parent of the actors at the top; ActorError while the system does not run."""
        self.dispatcher  # noqa: B018  # raises
        assert self._root is not None
        return self._root

    async def spawn_under(
        self, parent: Cell, target: Any, args: tuple[Any, ...], *, name: str | None = None,
        link: bool = False, propagate: bool = False, record: Any = None, restart: Restart | None = None,
    ) -> Any:  # fmt: skip
        """Start an actor or a process as a child of `parent`; `record` and `restart` as for actors.spawning.spawn."""
        if parent.state == DEAD:  # a handler that swallowed the cancellation of a kill still runs
            raise parent.dead()
        if isinstance(target, type) and issubclass(target, Actor):
            if self.is_leaving and parent is self._root:
                raise ActorError(f"{self.name}: the block has ended, nothing can be spawned any more")
            return await spawn(parent, kind_of(target), args, name=name, link=link, record=record, restart=restart)
        if isinstance(target, Actor):
            kind = type(target).__name__
            raise InvalidActor(f"spawn takes a class and its arguments, spawn({kind}, …), and makes the object itself")
        owner = self._group if parent is self._root else self._owned
        process = owner.spawn(target, *args, name=name, propagate=propagate)
        if owner is self._owned:
            more = more_of(parent)
            more.processes = more.processes or {}
            more.processes[process] = None
            process.watch(lambda done: more.processes is not None and more.processes.pop(done, None))
        if link:
            from .actors import bonds

            bonds.link(parent, process)
        return process

    def started(self, cell: Cell, restart: Restart | None) -> None:
        """An actor is ready."""
        self.events.publish(Started(cell, cell.name, 0 if restart is None else restart.count))

    def ended_now(self, cell: Cell, name: str, reason: Reason, *, supervised: bool) -> None:
        """An actor has ended: the crash report (AC-26) and the event."""
        if reason.error is not None:
            told = "its supervisor is told" if supervised else "nobody supervises it"
            logger.error("%s failed, %s: %s", name, told, reason, exc_info=reason.error, extra={"actor": name})
        if self.events.wanted:
            self.events.publish(Ended(cell, name, reason))

    def forget(self, cell: Cell, more: Belongings) -> None:
        """An actor has ended: its names and memberships are free."""
        if more.names:
            self.registry.release(cell)
        if more.groups:
            self.groups.release(cell)


def running_systems() -> list[ActorSystem]:
    """The systems whose block was entered and not left yet, by name: for leak checks."""
    return sorted(_running, key=lambda system: system.name)
