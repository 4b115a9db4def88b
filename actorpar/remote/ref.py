"""A reference to an actor on another node.

It has the face of every reference. A message is checked and encoded here, so that what does not fit raises here, and
goes while there is credit: so many messages may be told to one actor and not be handled yet (AC-6). Nothing addressed
to an incarnation of a node reaches a newer one: the id of an actor means nothing there (AC-56).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..actors.actor import Actor
from ..actors.errors import ActorDead, AskTimeout, BadArguments
from ..actors.kind import Kind, Message
from ..actors.reason import Reason
from ..actors.ref import DEADLINE, ActorRef, AwayRef
from ..actors.reply import Reply
from ..channels.sender import Sender
from ..nodes.codec.signature import Signature, signature_of
from ..nodes.errors import CodecError, NodeDown
from . import messages as m
from .reasons import told
from .window import WINDOW, Outgoing, Window

if TYPE_CHECKING:
    from ..actors.cell import Cell
    from ..actors.dispatcher import Dispatcher
    from ..actors.entry import Call
    from ..actors.request import Request
    from ..actors.threadref import ThreadRef
    from .hub import Hub


class Unknown(Actor):
    """Stands for the class of an actor that is linked to one here, and that this node does not have."""


class RemoteRef(AwayRef[Any]):
    """One incarnation of an actor on another node."""

    __slots__ = ("__weakref__", "_door", "asked", "credit", "hub", "id", "kind", "label", "node", "reason", "watchers")

    def __init__(self, hub: Hub, node: bytes, id: bytes, kind: Kind, label: str) -> None:
        self.hub = hub
        self.node = node
        self.id = id
        self.kind = kind
        self.label = label
        self.credit = WINDOW
        self.asked = 0  # asks from here that are not answered yet
        self.reason: Reason | None = None  # how it ended, once that is known
        self.watchers: list[Callable[[RemoteEnd], object]] = []
        self._door: Any = None  # the sending side of a channel, for those who wait for room

    # -- the face

    @property
    def name(self) -> str:
        return self.label

    def is_alive(self) -> bool:
        """False once it is known here that it has ended; a monitor makes it known at once."""
        return self.reason is None

    def tell(self, method: Callable[..., object], /, *args: Any, **kwargs: Any) -> bool:
        message = self.kind.message(method)
        if self.reason is not None or not self.credit:
            self.hub.dead_letter(self, message.name, "overflow" if self.reason is None else "dead")
            return False
        try:
            self._send(message, args, kwargs)
        except NodeDown:
            self.hub.dead_letter(self, message.name, "noconnection")
            return False
        return True

    def _send(self, message: Message, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        link = self.hub.link_of(self)
        names, body, buffers = self._encode(message, args, kwargs, link)
        self.credit -= 1
        count = len(args) if not kwargs else -1
        if count < 0:
            count = _count(message, args, kwargs)
        link.call(m.LANE, m.pack(m.Tell(self.id, message.name, count, names), body), buffers)

    def _encode(self, message: Message, args: tuple[Any, ...], kwargs: dict[str, Any], link: Any) -> Any:
        message.check(self.kind.name, args, kwargs)
        try:
            return call_signature(message).encode(args, kwargs, link.port)
        except (CodecError, TypeError) as error:
            raise BadArguments(f"{self.kind.name}.{message.name}: {error}; nothing was sent") from error

    async def send(self, method: Callable[..., object], /, *args: Any, **kwargs: Any) -> None:
        if self.reason is None and self.credit and (self._door is None or not self._door.core.senders):
            self._send(self.kind.message(method), args, kwargs)  # nobody waits for room
        else:
            await self.door().send(self.letter(method, args, kwargs))

    async def ask(self, method: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return await self.ask_within(DEADLINE, method, args, kwargs)

    async def ask_within(self, seconds: float | None, method: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        """`ask` with a deadline."""
        message = self.kind.message(method)
        if self.reason is not None:
            raise self.dead()
        link = self.hub.link_of(self)
        names, body, buffers = self._encode(message, args, kwargs, link)
        count = len(args) if not kwargs else _count(message, args, kwargs)
        question = self.hub.question(self, message)
        deadlines = self.hub.system.dispatcher.deadlines
        self.asked += 1
        try:
            link.call(m.LANE, m.pack(m.Ask(question.op, self.id, message.name, seconds, count, names), body), buffers)
            if seconds is not None:
                deadlines.set(question, seconds)
            if await question.wait():
                return question.value
        finally:
            self.asked -= 1
            if seconds is not None:
                deadlines.clear(question, seconds)
            self.hub.forget(question)
        raise AskTimeout(
            f"{self.name} did not answer {message.name} within {seconds:g} s; ref.within(seconds) sets another deadline"
        )

    def teller(self, method: Callable[..., object], /) -> Any:
        def tell(*args: Any) -> bool:
            return self.tell(method, *args)

        self.kind.message(method)
        return tell

    def within(self, seconds: float | None) -> ActorRef[Any]:
        from ..actors.timed import Timed

        return Timed(self, seconds)  # type: ignore[arg-type]  # all that it needs of a cell is here

    def threadsafe(self) -> ThreadRef[Any]:
        from ..actors.threadref import ThreadRef

        return ThreadRef(self)  # type: ignore[arg-type]

    def dead(self) -> ActorDead:
        """The error for whoever wants something of an actor that has ended."""
        return ActorDead(f"{self.name} has ended: {self.reason}", self.reason)

    def __repr__(self) -> str:
        return f"<ActorRef[{self.kind.name}] {self.label}{'' if self.reason is None else ' (dead)'}>"

    # -- for who stops it

    async def stop(self, reason: Reason, seconds: float | None) -> Reason:
        return await self._end(m.Stop(self.id, seconds, kill=False, why=told(reason)))

    def kill(self) -> None:
        self._order(m.Stop(self.id, None, kill=True))

    async def ended(self) -> Reason:
        return await self._end(None)

    def _order(self, order: m.Stop) -> None:
        if self.reason is None:
            with contextlib.suppress(NodeDown):  # then it has ended as far as anybody here will ever know
                self.hub.say(self.hub.link_of(self), order)

    async def _end(self, order: m.Stop | None) -> Reason:
        """How it has ended. The order to end goes once that is watched."""
        ended: asyncio.Future[Reason] = asyncio.get_running_loop().create_future()

        def has_ended(end: RemoteEnd) -> None:
            if not ended.done():
                ended.set_result(end.reason)

        self.add_done_callback(has_ended)
        try:
            if order is not None:
                self._order(order)
            return await ended
        finally:
            self.remove_done_callback(has_ended)

    # -- for guards, threads and forwarding

    more = None

    @property
    def dispatcher(self) -> Dispatcher:
        """The turns of the system here."""
        return self.hub.system.dispatcher

    @property
    def stopping(self) -> Reason | None:
        """How it ended, as a cell calls it."""
        return self.reason

    def letter(self, method: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Outgoing:
        message = self.kind.message(method)
        message.check(self.kind.name, args, kwargs)
        return Outgoing(message, args, kwargs)

    def door(self) -> Sender[Any]:
        if self._door is None:
            self._door = Sender(Window(self))
            if self.reason is not None:
                self._door.core.bury()
        door: Sender[Any] = self._door
        return door

    def dispatch(self, letter: Outgoing) -> None:
        """Send what has waited here. BadArguments, NodeDown."""
        if letter.request is None:
            self._send(letter.message, letter.args, letter.kwargs)
            return
        try:
            self.relay(letter.request, None, letter)
        except BadArguments as error:
            letter.request.fail(error)

    def relay(self, request: Request, seconds: float | None, letter: Call) -> None:
        assert isinstance(letter, Outgoing)
        try:
            if self.reason is not None:
                raise self.dead()
            link = self.hub.link_of(self)
        except (ActorDead, NodeDown) as error:
            request.fail(error)
            return
        message, args, kwargs = letter.message, letter.args, letter.kwargs
        names, body, buffers = self._encode(message, args, kwargs, link)
        count = len(args) if not kwargs else _count(message, args, kwargs)
        question = self.hub.relay(self, message, request)
        request.cell = self  # type: ignore[assignment]  # all that a request needs of a cell is here
        link.call(m.LANE, m.pack(m.Ask(question.op, self.id, message.name, seconds, count, names), body), buffers)

    def withdrawn(self, request: Request) -> None:
        self.hub.withdrawn(request)

    # -- for links and monitors: an end that is told once, as that of a process

    def add_done_callback(self, callback: Callable[[RemoteEnd], object]) -> None:
        if self.reason is not None:
            asyncio.get_running_loop().call_soon(callback, RemoteEnd(self.reason))
            return
        self.watchers.append(callback)
        if len(self.watchers) == 1:
            self.hub.watch(self)

    def remove_done_callback(self, callback: Callable[[RemoteEnd], object]) -> None:
        if callback in self.watchers:
            self.watchers.remove(callback)
            if not self.watchers:
                self.hub.unwatch(self)

    def bind(self, cell: Cell) -> None:
        self.hub.serving.watches.bind(cell, self)

    def unbind(self, cell: Cell) -> None:
        self.hub.serving.watches.unbind(cell, self)

    # -- for the hub

    def has_ended(self, reason: Reason) -> None:
        """It is known now how it ended, or that nobody can know."""
        if self.reason is not None:
            return
        self.reason = reason
        watchers, self.watchers = self.watchers, []
        for watcher in watchers:
            watcher(RemoteEnd(reason))
        if self._door is not None:
            self._door.core.bury()

    def room(self, messages: int) -> None:
        """So many messages were handled."""
        reserved = 0 if self._door is None else self._door.core.reserved
        self.credit = min(self.credit + messages, WINDOW - reserved)
        if self._door is not None:
            self._door.core.make_room()


class RemoteEnd:
    """How an actor on another node ended, in the shape of a future that is done."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason

    def cancelled(self) -> bool:
        """It was stopped, not failed."""
        return False

    def exception(self) -> BaseException | None:
        """What it failed with."""
        return self.reason.error


@functools.lru_cache(maxsize=4096)
def call_signature(message: Message) -> Signature:
    """How the arguments and the answer of a message cross a link."""
    signature = signature_of(message.function, 1)
    declared = signature.declared_result
    if typing.get_origin(declared) is Reply:
        signature.returns(typing.get_args(declared)[0])
    return signature


def _count(message: Message, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    return len(message.signature.bind(None, *args, **kwargs).args) - 1
