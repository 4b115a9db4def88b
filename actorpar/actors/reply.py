"""An answer that is given later than the handler returns (AC-19, AC-20)."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from ..channels.env import thread_id
from .errors import BrokenPromise, HandlerFailed, Reject
from .reason import Reason, describe
from .request import PENDING, Request
from .states import BUSY, IDLE, QUEUED

R = TypeVar("R")


class Reply(Generic[R]):
    """The right, and the duty, to answer one request. Made by `ctx.defer()` and `ctx.forward()`.

    A handler that returns `Reply[int]` is asked for an `int`. Dropped without an answer, it fails the asker with
    BrokenPromise; when its actor ends first, the asker gets ActorDead. Those of one request are equal: what
    `on_withdrawn` is given can be found among those that were kept.
    """

    __slots__ = ("__weakref__", "_request")

    def __init__(self, request: Request) -> None:
        self._request = request

    @property
    def pending(self) -> bool:
        """True while the asker waits."""
        return self._request.state == PENDING

    @property
    def deadline(self) -> float | None:
        """When the asker gives up, in the time of the event loop; None: never, or nobody asked."""
        return self._request.due

    def send(self, value: R) -> bool:
        """Answer. False: nobody waits any more, and the answer was dropped."""
        settle(self._request)
        return self._request.answer(value)

    def fail(self, error: BaseException) -> bool:
        """Answer with an error: the asker gets a `Reject` as it is, anything else as the cause of HandlerFailed."""
        settle(self._request)
        return self._request.fail(failure_for_asker(self._request, error))

    def __del__(self) -> None:
        request: Any = getattr(self, "_request", None)
        if request is None:
            return
        queue = request.cell.dispatcher.queue
        if thread_id() == queue.thread:
            _drop(request)
        elif not queue.loop.is_closed():
            queue.loop.call_soon_threadsafe(_drop, request)  # the collector may run in any thread

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reply) and other._request is self._request

    def __hash__(self) -> int:
        return hash(self._request)

    def __repr__(self) -> str:
        return f"<Reply of {self._request.cell.name} to {self._request.message or 'nobody'}>"


def settle(request: Request) -> None:
    """The actor that deferred the request does not owe it any more."""
    more = request.cell.more
    if more is not None and more.deferred is not None:
        more.deferred.pop(request, None)


def _drop(request: Request) -> None:
    """The last handle of a deferred request is gone."""
    settle(request)
    if request.state == PENDING:
        request.fail(BrokenPromise(f"{request.cell.name} dropped the reply to {request.message} without answering"))


class Forwarded(Reply[R]):
    """The answer is another actor's to give: dropping this handle breaks nothing."""

    __slots__ = ()

    def __del__(self) -> None:
        pass


def failure_for_asker(request: Request, error: BaseException) -> BaseException:
    """What the asker is raised when the handler of its request raised `error` (AC-18)."""
    if isinstance(error, Reject):
        return error
    failed = HandlerFailed(f"{request.cell.name}: the handler of {request.message} raised {describe(error)}")
    failed.__cause__ = error
    return failed


def withdrawn(request: Request) -> None:
    """The asker gave up on a request: tell an actor that wants to know and has it in hand, or deferred it (AC-22)."""
    from .ref import AwayRef

    cell = request.cell
    if isinstance(cell, AwayRef):
        cell.withdrawn(request)
        return
    if "on_withdrawn" not in cell.kind.hooks or cell.state not in (IDLE, QUEUED, BUSY):
        return
    runners = [] if cell.runner is None else [cell.runner, *(cell.more.runners if cell.more is not None else ())]
    if request.deferred or any(runner.request is request for runner in runners):
        try:
            cell.actor.on_withdrawn(Forwarded(request))
        except BaseException as failure:  # whoever gave up must not be raised what another actor's hook raises
            from .life import stop

            stop(cell, Reason("error", error=failure), hurry=True)
