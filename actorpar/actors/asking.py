"""How an ask begins: inside the asker's step, if the asked actor is idle, or through its mailbox (AC-1).

Inside, the handler costs little more than a call. It runs all the same as the actor's: in its Context, and with its own
task object as the current one, or none for a plain `def`. If it suspends it goes on in the actor, and the asker waits.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from ..channels.runqueue import current
from . import handlers
from .entry import Call
from .errors import AskCycle, AskToSelf, MailboxFull
from .kind import name_of
from .ref import DEADLINE
from .reply import failure_for_asker
from .request import GIVEN_AWAY, LAZY, Request
from .runner import SUSPENDED, Runner
from .states import BUSY, DEAD, IDLE

if TYPE_CHECKING:
    from .cell import Cell
    from .dispatcher import Dispatcher

#: How deep asks may run inside one another before one goes through a mailbox (AC-1).
INLINE_DEPTH: Final = 16


def begin_ask(cell: Cell, method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Ask: the answer, if the handler could run here and now, or the Request to wait for."""
    dispatcher = cell.dispatcher
    try:
        function, is_async, least, most = cell.kind.inline[method]
    except (KeyError, TypeError):
        function, is_async, least, most = method, False, 1, 0  # no arguments fit
    # not IDLE, or worth a closer look
    if cell.state or kwargs or not least <= len(args) <= most or dispatcher.depth >= INLINE_DEPTH:
        return _ask_checked(cell, method, args, kwargs)
    cell.state = BUSY
    cell.handled += 1
    dispatcher.inlined += 1
    dispatcher.inlined_function = function
    dispatcher.inlined_args = args
    if is_async:
        return _enter(
            dispatcher, cell, function(cell.actor, args[0]) if len(args) == 1 else function(cell.actor, *args)
        )
    # A plain handler can ask nobody, so nothing that is set here is set by anybody else until it returns.
    loop = dispatcher.loop
    task = current.pop(loop, None)
    dispatcher.cell = cell
    dispatcher.request = LAZY
    context = cell.context
    if context is None:
        context = dispatcher.adopt(cell)
    try:
        if len(args) == 1:  # written out: to unpack a tuple into the call costs as much as two calls
            result = context.run(function, cell.actor, args[0])
        else:
            result = context.run(function, cell.actor, *args) if args else context.run(function, cell.actor)
    except BaseException as failure:
        dispatcher.cell = dispatcher.request = None
        if task is not None:
            current[loop] = task
        raise _failed(dispatcher, cell, failure) from failure
    request = dispatcher.request
    dispatcher.cell = dispatcher.request = dispatcher.inlined_cell = None
    dispatcher.inlined_args = ()
    if task is not None:
        current[loop] = task
    if request is not LAZY:
        result = request
    elif type(result) is CoroutineType:
        return _enter(dispatcher, cell, result)
    if cell.box is None and cell.more is None and cell.stopping is None:
        cell.state = IDLE
    elif cell.state == BUSY:
        dispatcher.settle(cell)
    return result


def _ask_checked(cell: Cell, method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    message = cell.message(method)
    message.check(cell.kind.name, args, kwargs)
    if cell.state == IDLE and kwargs and method in cell.kind.inline and cell.dispatcher.depth < INLINE_DEPTH:
        bound = message.signature.bind(None, *args, **kwargs)
        if not bound.kwargs:
            return begin_ask(cell, method, bound.args[1:], {})
    return queue_request(cell, message.function, message.name, args, kwargs)


def _enter(dispatcher: Dispatcher, cell: Cell, coroutine: Any) -> Any:
    """Run a handler that is a coroutine: what it returned, or the Request that it deferred or suspended in.

    `handlers.enter`, written out for the usual case that the actor has a runner: the call would cost a tenth of an ask.
    """
    runner = cell.runner or handlers.new_runner(cell)
    runner.request = LAZY
    runner.within = dispatcher.within
    dispatcher.within = DEADLINE  # the handler's own asks have theirs
    process = runner.process
    dispatcher.depth += 1
    dispatcher.inlined_cell = cell
    try:
        if process is None:
            runner.start(coroutine)
            return handlers.suspended(cell, runner)
        process._coroutine = coroutine
        loop = dispatcher.loop
        task = current.get(loop)
        current[loop] = process
        try:
            signal = process.run(coroutine.send, None)
        except StopIteration as stop:
            result, signal = stop.value, None
        else:
            result = SUSPENDED
        finally:
            if task is None:
                current.pop(loop, None)
            else:
                current[loop] = task
        if result is SUSPENDED:
            runner.suspend(signal)
            return handlers.suspended(cell, runner)
    except BaseException as failure:
        runner.request = None
        if process is not None:
            process.rest()
        raise _failed(dispatcher, cell, failure) from failure
    finally:
        dispatcher.depth -= 1
        dispatcher.inlined_cell = None
        dispatcher.inlined_args = ()
    process._coroutine = None  # type: ignore[assignment]  # between two handlers
    if process._cancel_requests:
        process.rest()
    request, runner.request = runner.request, None
    if cell.box is None and cell.more is None and cell.stopping is None:
        cell.state = IDLE
    elif cell.state == BUSY:
        dispatcher.settle(cell)
    return result if request is LAZY else request


def _failed(dispatcher: Dispatcher, cell: Cell, failure: BaseException) -> BaseException:
    """A handler raised: the actor fails or not, and the asker gets this."""
    error = failure_for_asker(Request(cell, name_of(dispatcher.inlined_function)), failure)
    handlers.failed(cell, failure, None)
    return error


def queue_request(
    cell: Cell, function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Request:
    """Put a message into the mailbox that wants an answer."""
    dispatcher = cell.dispatcher
    asker = dispatcher.running()
    if asker is cell and not cell.kind.reentrant:
        raise AskToSelf(
            f"{cell.name} asks itself for {name} and would wait for ever: call the method, or tell it and return"
        )
    if cell.state == DEAD:
        raise cell.dead()
    if not cell.has_room():
        raise MailboxFull(f"the mailbox of {cell.name} is full ({len(cell)} messages); {name} was not asked")
    request = Request(cell, name, asker)
    if dispatcher.debug:
        _refuse_a_ring(request, dispatcher.running_runner())
    dispatcher.counters.asked += 1
    cell.put(dispatcher.observed(cell, Call(function, args, kwargs, request)))
    return request


def _refuse_a_ring(request: Request, runner: Runner | None) -> None:
    """In debug mode: raise AskCycle if the asker works for a request that leads back to the asked actor (AC-17)."""
    if runner is None or runner.request is None or runner.request is GIVEN_AWAY:
        return
    request.chain = runner.request
    names = [request.cell.name]
    link: Request | None = request
    while link is not None and link.asker is not None:
        names.append(link.asker.name)
        if link.asker is request.cell and not request.cell.kind.reentrant:
            raise AskCycle("a ring of asks, in which each waits for the next: " + " <- ".join(names))
        link = link.chain
