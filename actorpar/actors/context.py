"""What an actor sees of the runtime: `self.ctx`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, MutableMapping
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, TypeVarTuple, overload

from ..channels.receiver import Receiver
from . import bonds, life
from .actor import Actor
from .belongings import more_of
from .bonds import Monitor
from .cell import Cell
from .errors import ActorError, InvalidActor
from .feed import feed
from .kind import name_of
from .reason import NORMAL, Reason
from .ref import ActorRef, AwayRef
from .reply import Forwarded, Reply
from .request import GIVEN_AWAY, LAZY, PENDING, Request, unasked
from .stash import stash, unstash_all
from .timed import addressee_of
from .timers import Timer

if TYPE_CHECKING:
    from ..channels.process import Process
    from ..system import ActorSystem
    from .entry import Call

A_co = TypeVar("A_co", bound=Actor, covariant=True)
B = TypeVar("B", bound=Actor)
R = TypeVar("R")
T = TypeVar("T")
P = ParamSpec("P")
Ts = TypeVarTuple("Ts")


class ActorContext(Generic[A_co]):
    """The runtime of one actor. For its own handlers and hooks only, on the event loop."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    @property
    def ref(self) -> ActorRef[A_co]:
        """The reference to this actor: give it to others, never `self`."""
        return self._cell

    @property
    def name(self) -> str:
        """The name of this actor."""
        return self._cell.name

    @property
    def system(self) -> ActorSystem:
        """The system in which it runs."""
        return self._cell.dispatcher.system

    @property
    def parent(self) -> ActorRef[Any] | None:
        """The actor that spawned it; None at the top."""
        parent = self._cell.parent
        return None if parent is None or parent.parent is None else parent

    @property
    def children(self) -> tuple[ActorRef[Any], ...]:
        """The living actors that it spawned, in start order."""
        return tuple(self._cell.more.children) if self._cell.more is not None else ()

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """The logger `actorpar.actor`, whose records carry the actor's name as `record.actor`."""
        return _ActorLog(_logger, {"actor": self._cell.name})

    @property
    def deadline(self) -> float | None:
        """Until when the asker of the request in hand waits, in the time of the loop; None: it does not (AC-21)."""
        request = self._in_hand()
        if request is LAZY:
            dispatcher = self._cell.dispatcher
            runner = None if dispatcher.cell is not None else dispatcher.running_runner()
            within = dispatcher.within if runner is None else runner.within
            return None if within is None else dispatcher.loop.time() + within
        return None if request is None else request.due

    # -- others

    @overload
    async def spawn(
        self, target: Callable[[*Ts], Coroutine[Any, Any, R]], /, *args: *Ts, name: str | None = ..., link: bool = ...
    ) -> Process[R]: ...
    @overload
    async def spawn(
        self, target: Callable[[*Ts], B], /, *args: *Ts, name: str | None = ..., link: bool = ...
    ) -> ActorRef[B]: ...
    async def spawn(
        self, target: Callable[[*Ts], Any], /, *args: *Ts, name: str | None = None, link: bool = False
    ) -> Any:
        """Start an actor or a process as a child: it ends when this actor does, before its `on_stop`.

        With `link` they are linked before the child runs (AC-27). Otherwise the failure of a child actor is logged and
        nothing more; watch it with `monitor`, or let a Supervisor start it again.
        """
        return await self.system.spawn_under(self._cell, target, args, name=name, link=link)

    def stop(self, reason: Reason = NORMAL) -> None:
        """End this actor after the handler in hand."""
        life.stop(self._cell, reason)

    def link(self, ref: ActorRef[Any] | Process[Any]) -> None:
        """Tie this actor's end to another's, both ways (AC-27, AC-28). A class that defines `on_exit` traps exits."""
        bonds.link(self._cell, ref)

    def unlink(self, ref: ActorRef[Any] | Process[Any]) -> None:
        """Undo a link; no exit of it arrives any more (AC-30)."""
        bonds.unlink(self._cell, ref)

    def monitor(self, ref: ActorRef[Any] | Process[Any], *, pact: bool = False) -> Monitor:
        """Have `on_down` told, once, of another's end (AC-31). With `pact` this actor fails with DeathPact instead, if
        its class defines no `on_down` (AC-33)."""
        return bonds.monitor(self._cell, ref, pact)

    def demonitor(self, monitor: Monitor) -> None:
        """Undo a monitor; no Down of it arrives any more (AC-30)."""
        bonds.demonitor(monitor)

    def join(self, group: str) -> None:
        """Become a member of a group; leave it with `leave`, or by ending."""
        self.system.groups.join(group, self._cell)

    def leave(self, group: str) -> None:
        """Undo one `join`."""
        self.system.groups.leave(group, self._cell)

    def keep(self, state: object) -> None:
        """What the next incarnation is to find as `restart.state`, however this one ends, a kill included.

        Kept by reference, by the supervisor of this actor; without one there is no next incarnation.
        """
        cell = self._cell
        record = cell.parent.more.children.get(cell) if cell.parent is not None and cell.parent.more else None
        if record is not None:
            record.state = state

    # -- messages

    def defer(self, kind: type[T] | None = None, /) -> Reply[T]:
        """Answer the request in hand later: keep the Reply, and return it from the handler, which then is typed."""
        request = self._defer()
        if request is None:
            return Forwarded(unasked(self._cell))
        more = more_of(self._cell)
        more.deferred = more.deferred or {}
        more.deferred[request] = None
        return Reply(request)

    @overload
    def forward(
        self,
        ref: ActorRef[B],
        method: Callable[Concatenate[B, P], Coroutine[Any, Any, Reply[R]]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Reply[R]: ...
    @overload
    def forward(
        self,
        ref: ActorRef[B],
        method: Callable[Concatenate[B, P], Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Reply[R]: ...
    @overload
    def forward(
        self, ref: ActorRef[B], method: Callable[Concatenate[B, P], Reply[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Reply[R]: ...
    @overload
    def forward(
        self, ref: ActorRef[B], method: Callable[Concatenate[B, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Reply[R]: ...
    def forward(self, ref: ActorRef[Any], method: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Reply[Any]:
        """Have another actor answer the request in hand; asker and deadline stay (AC-20). Return what this returns."""
        target = addressee_of(ref)
        letter = target.letter(method, args, kwargs)
        if isinstance(target, AwayRef):
            return self._forward_away(target, method, letter)
        request = self._defer()
        if request is None:
            request = unasked(target)
        elif request.state == PENDING:
            request.cell = target
            letter.request = request
        target.put(letter)
        return Forwarded(request)

    def _forward_away(self, target: AwayRef[Any], method: Callable[..., Any], letter: Call) -> Reply[Any]:
        until = self.deadline  # before the request is deferred: one inside the asker's step has none of its own yet
        request = self._defer()
        if request is None:
            target.tell(method, *letter.args, **letter.kwargs)
            return Forwarded(unasked(self._cell))
        try:
            seconds = None if until is None else max(0.0, until - self._cell.dispatcher.loop.time())
            target.relay(request, seconds, letter)
        except BaseException:  # nothing was sent: it is for this handler to answer
            request.deferred = False
            self._set_in_hand(request)
            raise
        return Forwarded(request)

    def stash(self) -> None:
        """Put the message in hand aside until `unstash_all`; call it before anything else in the handler (AC-11).

        A request stays unanswered meanwhile. Raises StashFull.
        """
        self._set_in_hand(stash(self._cell, self._in_hand()))

    def unstash_all(self) -> None:
        """Handle what was stashed next, in its order, before everything that waits (AC-11)."""
        unstash_all(self._cell)

    # -- later

    def after(self, seconds: float, method: Callable[[*Ts], object], /, *args: *Ts, key: object = None) -> Timer:
        """Send this actor a message in `seconds`: `ctx.after(1.0, self.look, 3)`. Replaces a timer of the same key."""
        return Timer(self._cell, _seconds(seconds), self._own(method), args, key, None)

    def every(self, period: float, method: Callable[[*Ts], object], /, *args: *Ts, key: object = None) -> Timer:
        """Send this actor a message each `period` seconds, without drift; ticks it could not handle become one."""
        if not _seconds(period) > 0:
            raise ValueError(f"a period is above 0 seconds, not {period!r}")
        return Timer(self._cell, period, self._own(method), args, key, period)

    def cancel_timer(self, key: object) -> bool:
        """Cancel a timer by its key, or the Timer itself. False: there was none. It sends nothing any more (AC-12)."""
        more = self._cell.more
        timer = None if more is None or more.timers is None else more.timers.get(key)
        if timer is not None:
            timer.cancel()
        return timer is not None

    def feed(self, rx: Receiver[T], method: Callable[[T], object], /) -> Process[None]:
        """Make the items of a channel messages of this actor, one in hand at a time; the end moves to the actor.

        The process returned is done when the channel has ended: monitor or await it. A channel that is broken or
        aborted fails the actor, unless somebody does.
        """
        return feed(self._cell, rx, self._own(method))

    # -- inside

    def _own(self, method: Callable[..., object]) -> Callable[..., Any]:
        function: Callable[..., Any] | None = getattr(method, "__func__", None)
        if function is None or getattr(method, "__self__", None) is not self._cell.actor:
            raise InvalidActor(f"{method!r} is no method of {self._cell.name}: pass one, as in self.on_page")
        known = self._cell.kind.messages.get(function)
        return function if known is None else known.function

    def _defer(self) -> Request | None:
        """Take the request in hand from its handler; None: the message was told, and nobody waits for an answer."""
        request = self._in_hand()
        cell = self._cell
        if request is LAZY:
            request = Request(cell, name_of(cell.dispatcher.inlined_function))
        elif request is None:
            return None
        elif request.deferred:
            raise ActorError(f"{cell.name}: this request was deferred or forwarded already")
        request.deferred = True
        self._set_in_hand(request)
        return request

    def _in_hand(self) -> Request | None:
        dispatcher = self._cell.dispatcher
        if dispatcher.cell is self._cell:
            return dispatcher.request
        runner = dispatcher.running_runner()
        if runner is None or runner.cell is not self._cell:
            raise ActorError(f"{self._cell.name}: this concerns the message in hand, so call it in a handler")
        return runner.request

    def _set_in_hand(self, request: Request | None) -> None:
        """What the handler has in hand. After its first await it forgets a request that is not its to answer."""
        dispatcher = self._cell.dispatcher
        if dispatcher.cell is self._cell:
            dispatcher.request = request
        else:
            runner = dispatcher.running_runner()
            assert runner is not None
            runner.request = GIVEN_AWAY if runner.suspended and request is not None and request.deferred else request


_logger = logging.getLogger("actorpar.actor")


class _ActorLog(logging.LoggerAdapter[logging.Logger]):
    """Sets `record.actor`, and keeps what the `extra=` of a call adds, as the standard adapter does from 3.13 on."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **(self.extra or {})}
        return msg, kwargs


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or not value >= 0:
        raise ValueError(f"a timer takes seconds from 0 on, not {value!r}")
    return value
