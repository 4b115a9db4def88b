"""What other nodes may have done here: actors and processes started, messages handled, ends watched.

Nothing is run that is not served by name, and no actor is reached but by the id that its reference holds.

Invariants
- What a node has started here is stopped when that node is down: nobody is left to want it (AC-57).
- A message that was told counts against the credit of its sender until it is handled.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..actors import life
from ..actors.belongings import more_of
from ..actors.cell import Cell
from ..actors.entry import Call
from ..actors.errors import ActorDead, HandlerFailed, MailboxFull, Reject, StartFailed, UnhandledMessage
from ..actors.kind import Message
from ..actors.reason import Reason
from ..actors.request import PENDING, Request
from ..actors.states import DEAD
from ..nodes.codec.signature import signature_of
from ..nodes.errors import CodecError, NotImportable, ProtocolError
from . import messages as m
from .naming import is_actor, resolve
from .ref import WINDOW, call_signature

if TYPE_CHECKING:
    from ..nodes.link import Link
    from .hub import Hub

logger = logging.getLogger("actorpar.nodes")


class Serving:
    """The side of a system that other nodes see."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._running: dict[tuple[bytes, int], Any] = {}  # processes, and asks that are being answered
        self._owned: dict[bytes, set[Cell]] = {}  # actors that a node has started
        self._handled: dict[tuple[bytes, bytes], int] = {}
        self._starting: set[asyncio.Task[None]] = set()

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
                running = self._running.get((link.node, envelope.op))
                if isinstance(running, Request):
                    running.withdraw()
                elif running is not None:
                    running.cancel()
            case m.Watch():
                self._watch(link, envelope.actor)
            case m.Unwatch():
                pass
            case m.Exit():
                cell = self._hub.cells.get(envelope.actor)
                if cell is not None:
                    life.stop(cell, Reason("shutdown", detail=envelope.message), hurry=True)
            case m.Stop():
                self._stop(envelope)
            case m.Look():
                self._say(link, self._hub.survey.measure())
            case _:
                raise ProtocolError(f"{type(envelope).__name__} is nothing that a node asks for", code="call")

    def _say(self, link: Link, envelope: m.Envelope, body: bytes = b"", buffers: list[Any] | None = None) -> None:
        if not link.is_down:
            link.call(m.LANE, m.pack(envelope, body), buffers or [])

    def _fail(self, link: Link, op: int, how: str, error: BaseException) -> None:
        details = ""
        if asyncio.get_running_loop().get_debug():
            details = "".join(traceback.format_exception(error))[-8192:]
        self._say(link, m.Failed(op, how, type(error).__name__, _text(error), details))

    # -- starting

    def _spawn(self, link: Link, spawn: m.Spawn, body: Any, buffers: list[Any]) -> None:
        try:
            target = resolve(spawn.target, self._hub.served)
            actor = is_actor(target)
            signature = signature_of(target.__init__ if actor else target, 1 if actor else 0)
            args, _ = signature.decode(spawn.count, spawn.names, body, buffers, link.port)
        except (NotImportable, CodecError) as error:
            self._fail(link, spawn.op, "import" if isinstance(error, NotImportable) else "start", error)
            return
        start = self._start_actor if actor else self._start_process
        task = asyncio.get_running_loop().create_task(start(link, spawn, target, args))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _start_actor(self, link: Link, spawn: m.Spawn, target: Any, args: tuple[Any, ...]) -> None:
        try:
            cell = await self._hub.system.spawn(target, *args, name=spawn.name)
        except Exception as error:
            cause = error.__cause__ if isinstance(error, StartFailed) and error.__cause__ is not None else error
            self._fail(link, spawn.op, "start", cause)
            return
        if link.is_down:
            life.stop(cell)
            return
        owned = self._owned.setdefault(link.node, set())
        owned.add(cell)
        self.on_end(cell, lambda: owned.discard(cell))
        self._say(link, m.Started(spawn.op, self._hub.export(cell, link)))

    async def _start_process(self, link: Link, spawn: m.Spawn, target: Any, args: tuple[Any, ...]) -> None:
        signature = signature_of(target, 0)
        key = (link.node, spawn.op)
        try:
            process = await self._hub.system.spawn(target, *args, name=spawn.name, propagate=spawn.propagate)
        except Exception as error:
            self._fail(link, spawn.op, "start", error)
            return
        self._running[key] = process
        self._say(link, m.Started(spawn.op, b""))
        try:
            value = await process  # so its failure is told to the node that wanted it, and ends nothing here
        except asyncio.CancelledError:
            self._say(link, m.Failed(spawn.op, "cancelled", "CancelledError", ""))
        except Exception as failure:
            self._fail(link, spawn.op, "process", failure)
        else:
            self._answer(link, spawn.op, signature.result, value)
        finally:
            self._running.pop(key, None)

    def _answer(self, link: Link, op: int, schema: Any, value: Any) -> None:
        try:
            body, buffers = schema.encode([value], link.port)
        except CodecError as error:
            self._fail(link, op, "process", error)
            return
        self._say(link, m.Returned(op), body, buffers)

    # -- messages

    def _message(self, cell: Cell, name: str) -> Message:
        method = None if name.startswith(("_", "on_")) else getattr(cell.kind.cls, name, None)
        return cell.kind.message(method)

    def _tell(self, link: Link, tell: m.Tell, body: Any, buffers: list[Any]) -> None:
        cell = self._hub.cells.get(tell.actor)
        if cell is None or cell.state == DEAD:
            self._say(link, m.Down(tell.actor, "noproc", ""))
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
            self._say(link, m.Room(actor, handled))
            handled = 0
        self._handled[key] = handled

    def _ask(self, link: Link, ask: m.Ask, body: Any, buffers: list[Any]) -> None:
        cell = self._hub.cells.get(ask.actor)
        if cell is None or cell.state == DEAD:
            self._say(link, m.Failed(ask.op, "dead", "ActorDead", "the actor has ended"))
            return
        try:
            message = self._message(cell, ask.method)
            signature = call_signature(message)
            args, kwargs = signature.decode(ask.count, ask.names, body, buffers, link.port)
        except (UnhandledMessage, CodecError) as error:
            self._fail(link, ask.op, "unhandled", error)
            return
        if link.is_behind:
            self._fail(link, ask.op, "full", MailboxFull(f"{link.name} reads no answers, and gets no more"))
            return
        if not cell.has_room():
            self._fail(link, ask.op, "full", MailboxFull(f"the mailbox of {cell.name} is full ({len(cell)} messages)"))
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
            self._fail(link, op, "reject", error)
        elif isinstance(error, HandlerFailed) and error.__cause__ is not None:
            self._fail(link, op, "handler", error.__cause__)
        else:
            self._fail(link, op, "dead" if isinstance(error, ActorDead) else "process", error)

    # -- ends

    def on_end(self, cell: Cell, callback: Callable[[], object]) -> None:
        """Call back when an actor has ended."""
        more = more_of(cell)
        more.on_end = more.on_end or []
        more.on_end.append(lambda *_: callback())

    def _watch(self, link: Link, actor: bytes) -> None:
        cell = self._hub.cells.get(actor)
        if cell is None or cell.state == DEAD:
            self._say(link, m.Down(actor, "noproc", ""))
            return
        self.on_end(cell, lambda: self._tell_end(link, actor, cell))

    def _tell_end(self, link: Link, actor: bytes, cell: Cell) -> None:
        reason = cell.stopping
        assert reason is not None
        message = "" if reason.error is None else f"{type(reason.error).__name__}: {_text(reason.error)}"
        self._say(link, m.Down(actor, reason.kind, message))

    def _stop(self, stop: m.Stop) -> None:
        cell = self._hub.cells.get(stop.actor)
        if cell is None or cell.state == DEAD:
            return
        if stop.kill:
            life.kill(cell)
            return
        life.stop(cell)
        if stop.seconds is not None:
            cell.dispatcher.loop.call_later(stop.seconds, life.kill, cell)

    def link_down(self, link: Link) -> None:
        """A node is down: what it wanted here is wanted by nobody."""
        for key in [key for key in self._running if key[0] == link.node]:
            running = self._running.pop(key)
            if isinstance(running, Request):
                running.withdraw()
            else:
                running.cancel()
        for cell in list(self._owned.pop(link.node, ())):
            life.stop(cell, Reason("shutdown", detail=f"{link.name}, which started it, is down"))
        for told in [told for told in self._handled if told[0] == link.node]:
            del self._handled[told]


class ToldCall(Call):
    """A message that was told from another node: its handling gives credit back."""

    __slots__ = ("handled",)

    def __init__(self, function: Any, args: Any, kwargs: Any, handled: Callable[[], None]) -> None:
        super().__init__(function, args, kwargs, None)
        self.handled = handled

    def call(self, actor: Any) -> Any:
        self.handled()
        return super().call(actor)


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


def _text(error: BaseException) -> str:
    try:
        return str(error)[:4096]
    except Exception:
        return ""
