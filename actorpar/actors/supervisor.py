"""The supervisor: an actor that starts its children in order, starts again what fails, and stops them in reverse order.

How it works
- What changes the children is done one thing after another, in the order in which it was asked for or happened, by one
  handler at a time: `_work`. While that waits for a child, questions are answered at once, and a stop does not wait.
- A start that failed is tried again by a message to itself, so that it answers and can be stopped in between (AC-40).
- All semantics are those of OTP's supervisor; what is added is the back-off (AC-41) and the kept mailbox (AC-45).
"""

from __future__ import annotations

import asyncio
import collections
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from ..remote.process import RemoteProcess
from . import life
from .actor import Actor
from .belongings import more_of
from .cell import Cell
from .child import ChildSpec, RestartType
from .errors import Reject
from .family import Family
from .reason import SHUTDOWN, Reason
from .ref import ActorRef
from .refusals import ChildRunning, ChildStartFailed, InvalidChild
from .reply import Reply
from .restarts import RestartWindow
from .strategies import Strategy
from .supervised import Child, ChildEnded, Phase

if TYPE_CHECKING:
    from ..channels.process import Process

Ref = TypeVar("Ref")

logger = logging.getLogger("actorpar")


@dataclass(frozen=True, slots=True)
class ChildInfo:
    """A child as `which_children` tells of it.

    `ref` is an ActorRef, a Process, or None while there is none; `state` is starting, running, stopping, restarting
    (it will be started again) or stopped; `restarts` counts the incarnations that followed another.
    """

    id: str
    ref: ActorRef[Any] | Process[Any] | None
    state: Phase
    restart: RestartType
    restarts: int
    kind: Literal["actor", "process", "supervisor"]


@dataclass(frozen=True, slots=True)
class ChildCounts:
    """How many children there are, `specs`; of these how many run, and how many are supervisors and how many not."""

    specs: int
    active: int
    supervisors: int
    workers: int


class _Restart:
    """A restart that is under way or due: those it concerns wait for it, and for no earlier one."""

    __slots__ = ("members",)

    def __init__(self) -> None:
        self.members: list[Child] = []


class Supervisor(Actor, reentrant=True):
    """Starts children, restarts them when they end, stops them in reverse order.

    `await system.spawn(ap.Supervisor, ap.one_for_one(ap.child(Room, "lobby")))`. The spawn returns when all children
    have started; if one cannot, those before it are stopped in reverse order and StartFailed is raised (AC-34). When
    children end too often the supervisor stops the others and ends with `shutdown`, the last failure as its `cause`
    (AC-39, AC-47). A stop does not wait for a child that is just starting.

    What it refuses it refuses as a `Reject`: InvalidChild, DuplicateChild, UnknownChild, ChildRunning,
    ChildStartFailed; it lives on (AC-44).
    """

    def __init__(self, strategy: Strategy) -> None:
        if not isinstance(strategy, Strategy):
            raise InvalidChild(f"a Supervisor takes a strategy, as ap.one_for_one(ap.child(…)), not {strategy!r}")
        self._strategy = strategy
        self._window = RestartWindow(strategy.intensity, strategy.period)
        self._changes: collections.deque[Callable[[], Coroutine[Any, Any, None]]] = collections.deque()
        self._working = False
        self._family = Family(self._cell, strategy)
        more = more_of(self._cell)
        more.on_end = more.on_end or []
        more.on_end.append(self._buried)
        for spec in strategy.children:
            self._family.adopt(spec)

    # -- messages

    async def start_child(self, spec: ChildSpec[Ref]) -> Reply[Ref]:
        """Start another child, the last in order; its ActorRef or Process, once it is ready.

        Raises ChildStartFailed, and does not keep the spec; DuplicateChild, InvalidChild.
        """

        async def start() -> Any:
            child = self._family.adopt(spec)
            try:
                await child.start()
            except ChildStartFailed:
                self._family.forget(child)
                raise
            return child.ref

        return await self._do(start)

    async def terminate_child(self, id: str) -> Reply[None]:
        """Stop a child and wait for its end; a restart that is due is called off. It can be started again by
        `restart_child`, unless it is temporary or the supervisor dynamic: then it is forgotten. UnknownChild."""

        async def terminate() -> None:
            child = self._family.get(id)
            await child.stop("stop")
            child.start_afresh()
            if child.spec.restart == "temporary" or self._strategy.kind == "dynamic":
                self._forget(child)

        return await self._do(terminate)

    async def restart_child(self, id: str) -> Reply[ActorRef[Any] | Process[Any]]:
        """Start a child that is stopped; the new ActorRef or Process. UnknownChild, ChildRunning, ChildStartFailed."""

        async def restart() -> Any:
            child = self._stopped(id, "started again")
            child.start_afresh()
            await child.start()
            return child.ref

        return await self._do(restart)

    async def delete_child(self, id: str) -> Reply[None]:
        """Forget a child that is stopped. UnknownChild, ChildRunning."""

        async def delete() -> None:
            self._forget(self._stopped(id, "deleted"))

        return await self._do(delete)

    def which_children(self) -> tuple[ChildInfo, ...]:
        """The children in start order."""
        return tuple(
            ChildInfo(child.id, child.ref, child.phase, child.spec.restart, child.restarts, child.spec.kind)
            for child in self._family
        )

    def count_children(self) -> ChildCounts:
        """How many children there are, of which sort, and how many run."""
        children = list(self._family)
        supervisors = sum(child.spec.is_supervisor for child in children)
        active = sum(child.ref is not None for child in children)
        return ChildCounts(len(children), active, supervisors, len(children) - supervisors)

    def child(self, id: str) -> ActorRef[Any] | None:
        """The present incarnation of a child that is an actor; None while there is none, or no such child."""
        child = self._family.find(id)
        ref = None if child is None else child.ref
        return ref if isinstance(ref, ActorRef) and ref.is_alive() else None

    # -- one change after another

    async def _do(self, change: Callable[[], Coroutine[Any, Any, Any]]) -> Reply[Any]:
        """Do it when all that came before is done, and answer the request in hand."""
        reply: Reply[Any] = self.ctx.defer()

        async def answer() -> None:
            try:
                reply.send(await change())
            except Reject as refusal:
                if not reply.fail(refusal):
                    logger.warning("%s: refused, and nobody waits for the answer: %s", self._cell.name, refusal)

        await self._work(answer)
        return reply

    async def _work(self, change: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._changes.append(change)
        if self._working:
            return
        self._working = True
        try:
            while self._changes and self._cell.stopping is None:
                await self._changes[0]()  # it stays there meanwhile: if this is cancelled its reply must outlive us
                self._changes.popleft()
        except asyncio.CancelledError:
            life.stop(self._cell, SHUTDOWN, hurry=True)  # whoever cancels its task means the supervisor (AC-48)
            raise
        finally:
            self._working = False

    async def on_start(self) -> None:
        """Start the children in order."""
        try:
            for child in self._family:
                await child.start()
        except BaseException:
            if self._cell.stopping is None or self._cell.stopping.kind != "killed":
                await self._family.stop_all()
            raise

    async def _end_children(self) -> None:
        reason = self._cell.stopping or SHUTDOWN
        await self._family.stop_all(SHUTDOWN if not reason.root.abnormal else Reason("shutdown", cause=reason))

    _stop_children: ClassVar[Callable[[Any], Coroutine[Any, Any, None]] | None] = _end_children

    def _buried(self, cell: Cell, reason: Reason) -> None:
        root = reason.root
        for child in self._family:
            if isinstance(child.body, RemoteProcess):
                child.kill()  # the others were killed with their parent (AC-48)
            child.give_up((root.error or cell.dead()) if root.abnormal else None)

    # -- ends and restarts

    async def _child_ended(self, news: ChildEnded) -> None:
        await self._work(lambda: self._replace(news))

    async def _replace(self, news: ChildEnded) -> None:
        """A child has ended by itself: start another incarnation, or leave it (AC-37)."""
        child, reason = news.child, news.reason
        if child.body is not news.body:
            return
        child.gone(reason)
        if child.spec.is_restarted_after(reason):
            await self._restart(child, reason)
            return
        child.give_up((reason.error or self._cell.dead()) if reason.abnormal else None)
        if child.spec.restart == "temporary" or self._strategy.kind == "dynamic":
            self._family.forget(child)
        if child.spec.significant:
            self._shut_down_with(child, reason)

    def _shut_down_with(self, child: Child, reason: Reason) -> None:
        """A significant child has ended (AC-43)."""
        others = any(other.spec.significant and other.phase != "stopped" for other in self._family)
        if self._strategy.auto_shutdown == "any" or not others:
            cause = reason if reason.abnormal else None
            life.stop(self._cell, Reason("shutdown", f"the significant child {child.id!r} has ended", cause=cause))

    async def _restart(self, child: Child, reason: Reason) -> None:
        """Count an attempt; stop those who are restarted with the child, and start them again, now or in a while."""
        strategy, now = self._strategy, self._cell.dispatcher.loop.time()
        if not self._window.allows(now):
            self._give_up(child, reason)
            return
        restart = _Restart()
        delay = 0.0
        if strategy.backoff is not None:
            if child.since is not None and strategy.backoff.is_over(now - child.since):
                child.failures = 0
            delay = strategy.backoff.delay(child.failures)
            child.failures += 1
        restart.members = await self._family.stop_for_restart(child, restart, reason)
        if delay:
            self.ctx.after(delay, self._resume, restart)
        else:
            await self._start_members(restart)

    async def _resume(self, restart: _Restart) -> None:
        await self._work(lambda: self._start_members(restart))

    async def _start_members(self, restart: _Restart) -> None:
        """Start those who still wait for this restart, in order, up to the first that cannot."""
        for child in restart.members:
            if child.pending is not restart:
                continue
            try:
                await child.start()
            except ChildStartFailed as failure:
                logger.warning("%s, restart %d", failure, child.restarts + 1)
                child.phase = "restarting"
                self.ctx.after(0.0, self._try_again, child, restart)
                return

    async def _try_again(self, child: Child, restart: _Restart) -> None:
        async def again() -> None:
            if child.pending is restart and child.last is not None:
                await self._restart(child, child.last)
            else:  # it was terminated meanwhile; the others still wait
                await self._start_members(restart)

        await self._work(again)

    def _give_up(self, child: Child, reason: Reason) -> None:
        strategy = self._strategy
        detail = f"child {child.id!r}: more than {strategy.intensity} restarts in {strategy.period} s"
        logger.error("%s: %s, the last after %s; it stops its children and ends", self._cell.name, detail, reason)
        child.discard()
        life.stop(self._cell, Reason("shutdown", detail, cause=reason))

    def _stopped(self, id: str, intent: str) -> Child:
        child = self._family.get(id)
        if child.phase != "stopped" or child.body is not None:
            raise ChildRunning(f"child {id!r} is {child.phase}: terminate it before it is {intent}")
        return child

    def _forget(self, child: Child) -> None:
        self._family.forget(child)
        child.give_up(None)
