"""What other nodes may have done here: actors and processes started, messages handled, ends watched.

Nothing is run that is not served by name, and no actor is reached but by the id that its reference holds.

Invariants
- What a node has started here, or begun to start, is stopped when that node is down: nobody is left to want it (AC-57).
- A message that was told counts against the credit of its sender until it is handled.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from ..actors import life
from ..actors.belongings import more_of
from ..actors.cell import Cell
from ..actors.entry import Call
from ..actors.errors import (
    ActorDead,
    BrokenPromise,
    HandlerFailed,
    MailboxFull,
    Reject,
    StartFailed,
    UnhandledMessage,
)
from ..actors.kind import Message
from ..actors.reason import SHUTDOWN, Reason, Restart
from ..actors.request import PENDING, Request
from ..actors.states import DEAD
from ..nodes.codec.schema import schema_of
from ..nodes.codec.signature import signature_of
from ..nodes.errors import CodecError, NodeDown, NotImportable, ProtocolError
from . import messages as m
from .naming import is_actor, name_of_class, resolve
from .reasons import NO_SUCH, named, reason_of
from .ref import call_signature
from .ward import ProcessWard, Ward
from .watches import Watches
from .window import WINDOW

if TYPE_CHECKING:
    from ..actors.entry import Letter
    from ..nodes.link import Link
    from .hub import Hub

logger = logging.getLogger("actorpar.nodes")

#: How an ask fails that no handler has refused or failed at.
_HOW: Final = ((ActorDead, "dead"), (BrokenPromise, "broken"), (NodeDown, "down"), (MailboxFull, "full"))


class Serving:
    """The side of a system that other nodes see."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.watches = Watches(hub)
        #: Asks that are being answered, and what was started: wards, and the tasks that start other actors.
        self._running: dict[tuple[bytes, int], Request | Ward | ProcessWard | asyncio.Task[None]] = {}
        self._owned: dict[bytes, set[Cell]] = {}  # actors that a node has started
        self._handled: dict[tuple[bytes, bytes], int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that nobody awaits."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def called(self, link: Link, envelope: Any, body: Any, buffers: list[Any]) -> None:
        """Another node says something."""
        match envelope:
            case m.Spawn():
                self._spawn(link, envelope, body, buffers)
            case m.Tell():
                self._tell(link, envelope, body, buffers)
            case m.Ask():
                self._ask(link, envelope, body, buffers)
            case m.Cancel():
                self._cancel(link, envelope)
            case m.Watch():
                self.watches.watch(link, envelope.actor)
            case m.Unwatch():
                self.watches.unwatch(link, envelope.actor)
            case m.Bind():
                self.watches.bound(link, envelope)
            case m.Unbind():
                self.watches.unbound(link, envelope)
            case m.Stop():
                self._stop(envelope)
            case m.Look():
                self.hub.say(link, self.hub.survey.measure())
            case _:
                raise ProtocolError(f"{type(envelope).__name__} is nothing that a node asks for", code="call")

    def failed(self, link: Link, op: int, how: str, error: BaseException) -> None:
        """Tell a node that what it asked for came to nothing."""
        self._running.pop((link.node, op), None)
        details = ""
        if asyncio.get_running_loop().get_debug():
            details = "".join(traceback.format_exception(error))[-8192:]
        kind, message = named(error)
        kind = name_of_class(type(error)) if how == "reject" else kind
        self.hub.say(link, m.Failed(op, how, kind, message, details))

    # -- starting

    def _spawn(self, link: Link, spawn: m.Spawn, body: Any, buffers: list[Any]) -> None:
        try:
            target = resolve(spawn.target, self.hub.served)
            actor = is_actor(target)
            signature = signature_of(target.__init__ if actor else target, 1 if actor else 0)
            end, parts = _ends_of_arguments(spawn)
            args, _ = signature.decode(spawn.count, spawn.names, body[:end], buffers[:parts], link.port)
            restart = self._restart(link, spawn, body, buffers)
        except (NotImportable, CodecError) as error:
            self.failed(link, spawn.op, "import" if isinstance(error, NotImportable) else "start", error)
            return
        key = (link.node, spawn.op)
        if not actor:
            self.run(self._run_process(link, spawn, target, args))
        elif spawn.child is None:
            self._running[key] = self.run(self._start_actor(link, spawn, target, args))
        else:
            ward = self._running[key] = Ward(self, link, spawn.op, spawn.child.shutdown)
            ward.start(target, args, spawn.name, restart)

    def _cancel(self, link: Link, cancel: m.Cancel) -> None:
        running = self._running.get((link.node, cancel.op))
        if isinstance(running, Request):
            running.withdraw()
        elif isinstance(running, asyncio.Task):
            running.cancel()
        elif running is not None and cancel.kill:
            running.kill()
        elif running is not None:
            running.stop(SHUTDOWN if cancel.why is None else reason_of(cancel.why))

    def over(self, link: Link, op: int, ward: Ward) -> bool:
        """The end of a child is told, or is told nobody. False: it was before."""
        return self._running.pop((link.node, op), None) is ward

    def _restart(self, link: Link, spawn: m.Spawn, body: Any, buffers: list[Any]) -> Restart | None:
        """What the child is told of its last incarnation, if there was one. CodecError."""
        restarted = None if spawn.child is None else spawn.child.restarted
        if restarted is None:
            return None
        state = schema_of(Any).decode(body[restarted.state :], buffers[restarted.parts :], link.port)
        if len(state) != 1:
            raise CodecError(f"{len(state)} states of one child")
        return Restart(reason_of(restarted.why), state[0], restarted.count)

    async def _start_actor(self, link: Link, spawn: m.Spawn, target: Any, args: tuple[Any, ...]) -> None:
        key = (link.node, spawn.op)
        try:
            cell = await self.hub.system.spawn(target, *args, name=spawn.name)
        except asyncio.CancelledError:
            self._running.pop(key, None)
            raise
        except Exception as error:
            cause = error.__cause__ if isinstance(error, StartFailed) and error.__cause__ is not None else error
            self.failed(link, spawn.op, "start", cause)
            return
        self._running.pop(key, None)
        if link.is_down:
            life.stop(cell)
            return
        owned = self._owned.setdefault(link.node, set())
        owned.add(cell)
        self.on_end(cell, lambda: owned.discard(cell))
        self.hub.say(link, m.Started(spawn.op, self.hub.export(cell, link)))

    async def _run_process(self, link: Link, spawn: m.Spawn, target: Any, args: tuple[Any, ...]) -> None:
        signature = signature_of(target, 0)
        key = (link.node, spawn.op)
        try:
            process = await self.hub.system.spawn(target, *args, name=spawn.name, propagate=spawn.propagate)
        except Exception as error:
            self.failed(link, spawn.op, "start", error)
            return
        self._running[key] = ProcessWard(self, process, None if spawn.child is None else spawn.child.shutdown)
        self.hub.say(link, m.Started(spawn.op, b""))
        try:
            value = await process  # so its failure is told to the node that wanted it, and ends nothing here
        except asyncio.CancelledError:
            self.hub.say(link, m.Failed(spawn.op, "cancelled", "CancelledError", ""))
        except Exception as failure:
            self.failed(link, spawn.op, "process", failure)
        else:
            self._answer(link, spawn.op, signature.result, value)
        finally:
            self._running.pop(key, None)

    def _answer(self, link: Link, op: int, schema: Any, value: Any) -> None:
        try:
            body, buffers = schema.encode([value], link.port)
        except CodecError as error:
            self.failed(link, op, "process", error)
            return
        self.hub.say(link, m.Returned(op), body, buffers)

    # -- messages

    def _message(self, cell: Cell, name: str) -> Message:
        method = None if name.startswith(("_", "on_")) else getattr(cell.kind.cls, name, None)
        return cell.kind.message(method)

    def _tell(self, link: Link, tell: m.Tell, body: Any, buffers: list[Any]) -> None:
        cell = self.hub.cells.get(tell.actor)
        if cell is None or cell.state == DEAD:
            self.hub.say(link, m.Down(tell.actor, NO_SUCH))
            return
        try:
            message = self._message(cell, tell.method)
            args, kwargs = call_signature(message).decode(tell.count, tell.names, body, buffers, link.port)
        except (UnhandledMessage, CodecError) as error:
            logger.warning("%s: a message from %s was refused: %s", cell.name, link.name, error)
            self._handled_one(link, tell.actor)
            return
        call = ToldCall(message.function, args, kwargs, lambda: self._handled_one(link, tell.actor))
        if not cell.put(cell.dispatcher.observed(cell, call)):
            self._handled_one(link, tell.actor)

    def _handled_one(self, link: Link, actor: bytes) -> None:
        key = (link.node, actor)
        handled = self._handled.get(key, 0) + 1
        if handled >= WINDOW // 2:
            self.hub.say(link, m.Room(actor, handled))
            handled = 0
        self._handled[key] = handled

    def _ask(self, link: Link, ask: m.Ask, body: Any, buffers: list[Any]) -> None:
        cell = self.hub.cells.get(ask.actor)
        if cell is None or cell.state == DEAD:
            self.hub.say(link, m.Failed(ask.op, "dead", "ActorDead", "the actor has ended"))
            return
        try:
            message = self._message(cell, ask.method)
            signature = call_signature(message)
            args, kwargs = signature.decode(ask.count, ask.names, body, buffers, link.port)
        except (UnhandledMessage, CodecError) as error:
            self.failed(link, ask.op, "unhandled", error)
            return
        if link.is_behind:
            self.failed(link, ask.op, "full", MailboxFull(f"{link.name} reads no answers, and gets no more"))
            return
        if not cell.has_room():
            self.failed(link, ask.op, "full", MailboxFull(f"the mailbox of {cell.name} is full ({len(cell)} messages)"))
            return
        key = (link.node, ask.op)
        request = AskedFromAway(cell, message.name, lambda done: self._answered(link, key, signature.result, done))
        if ask.seconds is not None:
            request.due = cell.dispatcher.deadlines.set(request, ask.seconds)
            request.seconds = ask.seconds
        self._running[key] = request
        cell.dispatcher.counters.asked += 1
        cell.put(cell.dispatcher.observed(cell, Call(message.function, args, kwargs, request)))

    def _answered(self, link: Link, key: tuple[bytes, int], schema: Any, request: AskedFromAway) -> None:
        self._running.pop(key, None)
        error, op = request.error, key[1]
        if error is None:
            self._answer(link, op, schema, request.value)
        elif isinstance(error, Reject):
            self.failed(link, op, "reject", error)
        elif isinstance(error, HandlerFailed) and error.__cause__ is not None:
            self.failed(link, op, "handler", error.__cause__)
        else:
            how = next((how for kind, how in _HOW if isinstance(error, kind)), "process")
            self.failed(link, op, how, error)

    # -- ends

    def on_end(self, cell: Cell, callback: Callable[[], object]) -> None:
        """Call back when an actor has ended."""
        more = more_of(cell)
        more.on_end = more.on_end or []
        more.on_end.append(lambda *_: callback())

    def _stop(self, stop: m.Stop) -> None:
        cell = self.hub.cells.get(stop.actor)
        if cell is None or cell.state == DEAD:
            return
        if stop.kill:
            life.kill(cell)
            return
        life.stop(cell, SHUTDOWN if stop.why is None else reason_of(stop.why))
        if stop.seconds is not None:
            cell.dispatcher.loop.call_later(stop.seconds, life.kill, cell)

    def link_down(self, link: Link) -> None:
        """A node is down: what it wanted here is wanted by nobody."""
        for key in [key for key in self._running if key[0] == link.node]:
            running = self._running.pop(key)
            if isinstance(running, Request):
                running.withdraw()
            elif isinstance(running, asyncio.Task):
                running.cancel()
            else:
                running.orphaned()
        self.watches.link_down(link)
        for cell in list(self._owned.pop(link.node, ())):
            life.stop(cell, Reason("shutdown", detail=f"{link.name}, which started it, is down"))
        for actor in [actor for node, actor in self._handled if node == link.node]:
            del self._handled[link.node, actor]


class ToldCall(Call):
    """A message that was told from another node: its handling gives credit back."""

    __slots__ = ("handled",)

    def __init__(self, function: Any, args: Any, kwargs: Any, handled: Callable[[], None]) -> None:
        super().__init__(function, args, kwargs, None)
        self.handled = handled

    def call(self, actor: Any) -> Any:
        self.handled()
        return super().call(actor)

    def again(self, cell: Cell) -> Letter:
        return Call(self.function, self.args, self.kwargs, self.request)  # it has given its credit back


class AskedFromAway(Request):
    """An ask whose asker is on another node."""

    __slots__ = ("answered", "seconds")

    def __init__(self, cell: Cell, message: str, answered: Callable[[AskedFromAway], None]) -> None:
        super().__init__(cell, message)
        self.answered = answered
        self.seconds: float | None = None

    def answer(self, value: Any) -> bool:
        if self.state != PENDING:
            return super().answer(value)
        super().answer(value)
        if self.seconds is not None:
            self.cell.dispatcher.deadlines.clear(self, self.seconds)
        self.answered(self)
        return True


def _ends_of_arguments(spawn: m.Spawn) -> tuple[int | None, int | None]:
    """Where what follows the arguments of a spawn begins, in its body and among its buffers."""
    restarted = None if spawn.child is None else spawn.child.restarted
    return (None, None) if restarted is None else (restarted.state, restarted.parts)
