"""How a handler that is a coroutine begins, and how handlers end: with an answer, a failure, or suspended meanwhile.

Invariant: while a coroutine of an actor takes its first step, its process is the current task and the dispatcher's
`cell` is None, so that whoever asks who runs finds the actor, and the actors it asks inside that step find their own.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..channels.runqueue import current
from . import life
from .belongings import more_of
from .errors import Reject
from .reply import failure_for_asker
from .request import GIVEN_AWAY, LAZY, Request
from .runner import SUSPENDED, Runner, TaskRunner
from .states import BUSY, DEAD, ENDING, STARTING

if TYPE_CHECKING:
    from .cell import Cell


def enter(cell: Cell, coroutine: Any, request: Request | None, inside: bool) -> Any:
    """Run a coroutine of the actor to its first suspension: what it returned, or SUSPENDED.

    `inside`: the context of the actor is entered already. What it raises is raised here.
    """
    runner = cell.runner
    if runner is None or runner.suspended:
        runner = new_runner(cell)
    runner.request = request
    process = runner.process
    if process is None:
        runner.start(coroutine)
        suspended(cell, runner)
        return SUSPENDED
    process._coroutine = coroutine
    dispatcher = cell.dispatcher
    loop, outer = dispatcher.loop, dispatcher.cell
    task = current.get(loop)
    dispatcher.cell = None
    current[loop] = process
    try:
        signal = coroutine.send(None) if inside else process.run(coroutine.send, None)
    except BaseException as end:
        process._coroutine = None  # type: ignore[assignment]  # between two handlers
        if process._cancel_requests:
            process.rest()
        if type(end) is StopIteration:
            return end.value
        raise
    finally:
        dispatcher.cell = outer
        if task is None:
            current.pop(loop, None)
        else:
            current[loop] = task
    runner.suspend(signal)
    suspended(cell, runner)
    return SUSPENDED


def suspended(cell: Cell, runner: Runner) -> Request | None:
    """A handler was suspended in its first step; returns what its asker waits for, if it has one."""
    request = runner.request
    if request is LAZY:
        request = runner.request = Request(cell, runner.handler_name(), cell.dispatcher.running())
    elif request is not None and request.deferred:
        runner.request = GIVEN_AWAY
    if cell.kind.reentrant and cell.state == BUSY:
        more_of(cell).runners[runner] = None
    if cell.stopping is not None:
        life.suspended_in_vain(cell)
    return request


def new_runner(cell: Cell) -> Runner:
    cell.dispatcher.adopt(cell)
    runner = Runner(cell) if cell.dispatcher.on_queue else TaskRunner(cell)
    if cell.runner is None:
        cell.runner = runner
    return runner


def finished(runner: Runner) -> None:
    """A handler that was suspended has ended; so may have the hooks of the start or of the end."""
    cell = runner.cell
    _forget(cell, runner)
    if cell.state == ENDING:
        if not life.runners_of(cell):
            life.bury(cell)
    elif (
        cell.state == STARTING
        or (cell.state == BUSY and not cell.kind.reentrant)
        or (cell.stopping is not None and cell.state != DEAD)
    ):
        cell.dispatcher.settle(cell)


def answer(cell: Cell, request: Request, value: Any) -> None:
    """A handler that was suspended returned what its asker waits for; or the hooks of a start did, but after a kill."""
    if cell.more is not None and cell.more.unborn:
        request.fail(life.not_started(cell))
    else:
        request.answer(value)


def failed(cell: Cell, failure: BaseException, request: Request | None, runner: Runner | None = None) -> None:
    """A handler raised: a rejected request is an answer, everything else is the end of the actor (AC-18)."""
    if runner is not None:
        _forget(cell, runner)
    if cell.more is not None and cell.more.unborn:
        life.fail(cell, failure, request)
        if request is not None:
            request.fail(life.not_started(cell))
        return
    if request is not None and request is not LAZY and cell.state != STARTING and request.is_due_from(cell):
        ordered = isinstance(failure, asyncio.CancelledError) and life.is_hurried(cell)
        request.fail(cell.dead() if ordered else failure_for_asker(request, failure))
    if cell.state == DEAD:
        return
    if isinstance(failure, Reject) and cell.state not in (STARTING, ENDING):
        cell.dispatcher.counters.rejected += 1
        if runner is None or not cell.kind.reentrant or cell.stopping is not None:
            cell.dispatcher.settle(cell)
    else:
        life.fail(cell, failure, request)


def _forget(cell: Cell, runner: Runner) -> None:
    if cell.more is not None:
        cell.more.runners.pop(runner, None)
