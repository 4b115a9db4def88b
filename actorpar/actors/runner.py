"""The task object of an actor: the one process on which its handlers run, one coroutine after another (AC-1).

It is made for the first handler that is `async def`, so an actor that has none is no task at all; and it is listed
among the loop's tasks only while a handler is suspended. A reentrant actor has one for each handler under way.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, cast

from ..channels.process import Process
from ..channels.runqueue import TaskProcess
from .errors import ActorError
from .kind import name_of
from .request import Request

if TYPE_CHECKING:
    from .cell import Cell
    from .entry import Letter

logger = logging.getLogger("actorpar")

#: What is returned for a handler that did not end at its first step.
SUSPENDED: Final[Any] = type("Suspended", (), {"__repr__": lambda _: "SUSPENDED"})()


class Runner:
    """Drives the handlers of one actor. `request` is what the handler in hand is to answer."""

    __slots__ = ("cell", "process", "request", "suspended", "within")

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.request: Request | None = None
        self.suspended = False
        self.within: float | None = None  # how long the asker is ready to wait, while `request` is LAZY
        self.process = self._make_process()

    def _make_process(self) -> Process[Any]:
        cell = self.cell
        return Process(cell.dispatcher.queue, None, cell.name, cell.context, self)

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run a handler, where there is no process on which the caller could."""
        raise NotImplementedError

    def handler_name(self) -> str:
        """How the handler in hand is called."""
        return name_of(self.process.get_coro())

    def suspend(self, signal: Any) -> None:
        """The handler yielded `signal` at its first step: from now on the run queue drives it."""
        self.suspended = True
        self.cell.dispatcher.waiting += 1
        asyncio.tasks._register_task(cast(Any, self.process))
        self.process.suspended(signal)

    def returned(self, process: Any, value: Any) -> None:
        """The suspended handler returned."""
        request = self._ended()
        if request is not None and request.is_due_from(self.cell):
            handlers.answer(self.cell, request, value)
        handlers.finished(self)

    def raised(self, process: Any, failure: BaseException) -> None:
        """The suspended handler raised."""
        handlers.failed(self.cell, failure, self._ended(), self)

    def _ended(self) -> Request | None:
        self.suspended = False
        self.cell.dispatcher.waiting -= 1
        asyncio.tasks._unregister_task(cast(Any, self.process))
        self.process.rest()
        request, self.request = self.request, None
        return request

    def cancel(self) -> None:
        """Raise CancelledError in the handler that is suspended."""
        self.process.cancel()

    def abandon(self) -> None:
        """The handler did not end although it was cancelled: close it, and never run it again (AC-29)."""
        process = self.process
        coroutine = process.get_coro()
        process.detach()
        self._ended()
        close(coroutine, self.cell.name)

    def retire(self) -> None:
        """The actor is dead."""
        self.process.retire()


class TaskRunner(Runner):
    """A runner where there is no run queue: each handler is an asyncio task of its own."""

    __slots__ = ("letter", "name", "task")

    def _make_process(self) -> Process[Any]:
        self.task: TaskProcess | None = None
        self.letter: Letter | None = None
        return cast("Process[Any]", None)

    def handler_name(self) -> str:
        return self.name

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run a handler as a task."""
        from .stash import letter_of_turn

        cell = self.cell
        try:
            self.letter = letter_of_turn(cell, self.request)
        except ActorError:  # a hook, which is no message
            self.letter = None
        self.suspended = True
        self.name = name_of(coroutine)
        cell.dispatcher.waiting += 1
        self.task = TaskProcess(_contained(coroutine), loop=cell.dispatcher.loop, name=cell.name, context=cell.context)
        self.task.host = self  # type: ignore[attr-defined]  # by which a handler is known, as with a Process
        self.task.watch(functools.partial(self._done, coroutine))

    def _done(self, coroutine: Coroutine[Any, Any, Any], task: asyncio.Future[Any]) -> None:
        coroutine.close()  # a task that was cancelled before its first step never began it
        if task is not self.task:
            return
        failure = asyncio.CancelledError() if task.cancelled() else task.exception()
        if failure is None:
            self.returned(task, task.result())
        else:
            self.raised(task, failure.failure if isinstance(failure, _Contained) else failure)

    def _ended(self) -> Request | None:
        self.suspended = False
        self.cell.dispatcher.waiting -= 1
        self.task = self.letter = None
        request, self.request = self.request, None
        return request

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()

    def abandon(self) -> None:
        task = self.task
        self._ended()
        if task is not None:  # a task cannot be taken from its loop: it is cancelled again at each of its awaits
            logger.error(
                "%s: killed, and a handler that swallows CancelledError still runs as %r", self.cell.name, task
            )

    def retire(self) -> None:
        pass


class _Contained(Exception):
    """What would end the loop if a task raised it."""

    def __init__(self, failure: BaseException) -> None:
        super().__init__(failure)
        self.failure = failure


async def _contained(coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await coroutine
    except (KeyboardInterrupt, SystemExit) as failure:
        raise _Contained(failure) from failure


def close(coroutine: Any, name: str) -> None:
    """Close a coroutine that may resist."""
    try:
        coroutine.close()
    except BaseException as error:
        logger.error("%s: killed, and its handler %r could not be closed: %r", name, coroutine, error)


from . import handlers  # noqa: E402  # at the end: it needs what is defined above
