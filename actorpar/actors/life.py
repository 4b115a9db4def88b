"""How an actor ends: told to stop, killed, or failed; what it does then, and what is released before others learn it.

The order of an end (AC-24, AC-25): the handler in hand ends; `on_failure`, if it failed; children stop in reverse
start order; `on_stop`; then, in one step, names, groups, timers and channel ends are released, asks that wait are
failed, what is queued becomes dead letters, and only then links, monitors and the supervisor are told. A kill skips the
user's code.

Invariant: `bury` runs exactly once for each actor, and after it nothing of the actor runs any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final

from ..channels.carrying import close_ends
from . import bonds, handlers
from .belongings import more_of
from .cell import Cell
from .entry import Call, Entry, Letter
from .errors import StartFailed
from .reason import KILLED, SHUTDOWN, Reason, describe
from .runner import SUSPENDED
from .states import BUSY, DEAD, ENDING, HELD, IDLE, QUEUED, STARTING

if TYPE_CHECKING:
    from .request import Request
    from .runner import Runner

__all__ = ["DEAD", "HELD", "end", "ended", "fail", "hold", "is_hurried", "kill", "release", "stop"]

logger = logging.getLogger("actorpar")

#: Seconds that a handler has to end after it was cancelled by a kill; then it is closed and never runs again.
KILL_GRACE: Final = 0.25
#: Seconds that each child has to stop when its parent ends, unless a supervisor says otherwise (AC-36).
CHILD_SHUTDOWN: Final = 5.0


# -- orders


def stop(cell: Cell, reason: Reason = SHUTDOWN, *, hurry: bool = False) -> None:
    """Order an actor to end after the handler in hand, before everything that waits (AC-4).

    `hurry` cancels the handler in hand: so the end of a linked actor acts.
    """
    if cell.state in (ENDING, DEAD):
        return
    if cell.stopping is None:
        cell.stopping = reason
    hurry = hurry or cell.kind.cls._stop_children is not None
    if hurry and not is_hurried(cell):
        more_of(cell).hurried = True
        for runner in runners_of(cell):
            runner.cancel()
    if cell.state in (IDLE, HELD):
        if _is_quiet(cell, reason) and not runners_of(cell):
            bury(cell)
        else:
            cell.state = QUEUED
            cell.dispatcher.push(cell)
    elif cell.state == BUSY:
        cell.give_back([])  # a turn in progress goes no further than its handler in hand


def kill(cell: Cell, reason: Reason = KILLED) -> None:
    """End an actor without asking it; an actor that has no handler in hand is dead when this returns."""
    if cell.state == DEAD:
        return
    cell.stopping = reason
    more_of(cell).hurried = more_of(cell).killed = True
    suspended = runners_of(cell)
    if suspended and cell.dispatcher.draining is not cell:
        _doom(cell, suspended)
    elif cell.state in (
        BUSY,
        STARTING,
        ENDING,
    ):  # it kills itself: what runs now goes on to its end, or its first await
        cell.give_back([])
    else:
        bury(cell)


def _doom(cell: Cell, suspended: list[Runner]) -> None:
    """Cancel the handlers of an actor that was killed; they have KILL_GRACE to unwind."""
    if more_of(cell).doomed:
        return
    more_of(cell).doomed = True
    more_of(cell).unborn = cell.state == STARTING
    for runner in suspended:
        if runner.request is not None and cell.state != STARTING:  # a spawner learns it when the name is free
            runner.request.fail(cell.dead())
    cell.state = ENDING
    for runner in suspended:
        runner.cancel()
    more_of(cell).grace = cell.dispatcher.loop.call_later(KILL_GRACE, _abandon, cell)


def suspended_in_vain(cell: Cell) -> None:
    """A handler suspended after its actor was told to end: it is not waited for if the end is a hurried one."""
    reason = cell.stopping
    if reason is None or not is_hurried(cell):
        return
    if is_killed(cell):
        _doom(cell, runners_of(cell))
    elif cell.state != ENDING:
        for runner in runners_of(cell):
            runner.cancel()


class EndedEarly(Exception):
    """An actor was told to end before it had started; it ends for that reason, and its hooks of the end do not run."""


def not_started(cell: Cell) -> StartFailed:
    """What the spawner of such an actor is raised."""
    return StartFailed(f"{cell.name} was ended before it had started: {cell.stopping}")


def _abandon(cell: Cell) -> None:
    """The grace of a kill is over."""
    if cell.state != DEAD:
        logger.error("%s: a handler did not end %s s after it was cancelled by a kill", cell.name, KILL_GRACE)
        bury(cell)


def hold(cell: Cell, held: bool) -> None:
    """Suspend an actor, or let it go on: while it is suspended its mailbox fills and nothing is handled (AC-62)."""
    more_of(cell).held = held
    if held and cell.state in (IDLE, QUEUED):
        cell.state = HELD
    elif held and cell.state == BUSY:
        cell.give_back([])
    elif not held and cell.state == HELD:
        cell.dispatcher.settle(cell)


def is_hurried(cell: Cell) -> bool:
    """True if the handler in hand is not waited for."""
    return cell.more is not None and cell.more.hurried


def is_killed(cell: Cell) -> bool:
    """True if it was killed itself: no code of the user runs any more. A link that takes it along is no kill."""
    return cell.more is not None and cell.more.killed


def runners_of(cell: Cell) -> list[Runner]:
    """The runners whose handlers are suspended."""
    runners = [] if cell.more is None else list(cell.more.runners)
    if cell.runner is not None and cell.runner.suspended and cell.runner not in runners:
        runners.append(cell.runner)
    return runners


async def ended(cell: Cell, timeout: float | None = None) -> Reason:
    """Wait until the actor is dead and return its reason; TimeoutError after `timeout` seconds."""
    if cell.state != DEAD:
        future: asyncio.Future[None] = cell.dispatcher.loop.create_future()
        more = more_of(cell)
        more.on_end = more.on_end or []
        more.on_end.append(lambda *_: future.done() or future.set_result(None))  # type: ignore[func-returns-value]
        async with asyncio.timeout(timeout):
            await future
    assert cell.stopping is not None
    return cell.stopping


# -- the end


def fail(cell: Cell, failure: BaseException, request: Request | None) -> None:
    """A handler or a hook raised."""
    if cell.state == ENDING:
        if not runners_of(cell):
            bury(cell)
        return
    if cell.state == STARTING:
        cancelled = (is_hurried(cell) and isinstance(failure, asyncio.CancelledError)) or isinstance(
            failure, EndedEarly
        )
        if not cancelled:
            cell.stopping = Reason("error", error=failure)
        error = not_started(cell)
        if not cancelled:
            error = StartFailed(f"{cell.name} could not start: {describe(failure)}")
            error.__cause__ = failure
        bury(cell)
        if request is not None:
            request.fail(error)
        return
    if not (is_hurried(cell) and isinstance(failure, asyncio.CancelledError)):  # nobody ordered it (AC-48)
        cell.stopping = Reason("error", error=failure)
    end(cell)


def end(cell: Cell) -> None:
    """No handler is in hand any more: bury the actor, or give it a turn for the hooks of its end."""
    reason = cell.stopping
    assert reason is not None
    runners = runners_of(cell)
    if runners:  # of a reentrant actor: the last of them comes here again
        if is_killed(cell):
            _doom(cell, runners)
        else:
            more_of(cell).hurried = is_hurried(cell) or reason.error is not None
            for runner in runners if is_hurried(cell) else ():
                runner.cancel()
            cell.state = BUSY
    elif _is_quiet(cell, reason):
        bury(cell)
    elif cell.state != QUEUED:
        cell.state = QUEUED
        cell.dispatcher.push(cell)


def run_end(cell: Cell) -> None:
    """The turn of an actor that ends: run its hooks, then bury it."""
    reason = cell.stopping
    assert reason is not None
    if runners_of(cell) or _is_quiet(cell, reason):
        cell.state = BUSY
        end(cell)
        return
    cell.state = ENDING
    try:
        if handlers.enter(cell, _hooks_of_the_end(cell, reason), None, False) is SUSPENDED:
            return
    except asyncio.CancelledError:
        pass
    bury(cell)


def _is_quiet(cell: Cell, reason: Reason) -> bool:
    """True if there is no code of the user to run at this end, and nobody to wait for."""
    hooks, more = cell.kind.hooks, cell.more
    if is_killed(cell):
        return True
    if "on_stop" in hooks or (reason.error is not None and "on_failure" in hooks):
        return False
    return more is None or not (more.children or more.processes)


async def _hooks_of_the_end(cell: Cell, reason: Reason) -> None:
    actor = cell.actor
    if reason.error is not None and "on_failure" in cell.kind.hooks:
        await _call_hook(cell, "on_failure", reason.error)
    if cell.more is not None:
        await stop_children(cell)
        for process in list(cell.more.processes or ()):
            process.cancel()
            _, hanging = await asyncio.wait([process], timeout=CHILD_SHUTDOWN)
            if hanging:
                logger.error("%s: its process %r does not end although it was cancelled", cell.name, process)
    if "on_stop" in cell.kind.hooks:
        assert actor is not None
        await _call_hook(cell, "on_stop", reason)


async def _call_hook(cell: Cell, name: str, argument: Any) -> None:
    try:
        result: Awaitable[None] | None = getattr(cell.actor, name)(argument)
        if result is not None:
            await result
    except asyncio.CancelledError:
        if is_killed(cell):
            raise
        logger.error("%s: %s was cancelled; the actor ends all the same", cell.name, name)
    except BaseException as error:
        why = describe(argument) if isinstance(argument, BaseException) else argument
        logger.error("%s: %s raised while the actor ends: %s", cell.name, name, why, exc_info=error)
        _chain(error, cell.stopping)


def _chain(error: BaseException, reason: Reason | None) -> None:
    """A failure of a hook is chained to the reason of the end (AC-24)."""
    if reason is not None and reason.error is not None and error is not reason.error and error.__context__ is None:
        error.__context__ = reason.error


async def stop_children(cell: Cell) -> None:
    """Stop the children one by one, the last first; each has its time, then it is killed (AC-35, AC-36)."""
    own = cell.kind.cls._stop_children
    if own is not None:
        await own(cell.actor)
    more = cell.more
    while more is not None and more.children:
        child = next(reversed(more.children))
        await stop_and_wait(child, CHILD_SHUTDOWN if child.kind.cls._stop_children is None else None)


async def stop_and_wait(cell: Cell, seconds: float | None, reason: Reason = SHUTDOWN) -> Reason:
    """Stop an actor and wait for its end; kill it after `seconds`."""
    stop(cell, reason)
    try:
        return await ended(cell, seconds)
    except TimeoutError:
        kill(cell)
        return await ended(cell)


# -- after the end


def bury(cell: Cell) -> None:
    """The actor has ended: release all it holds, then tell it to everybody who asked for it."""
    if cell.state == DEAD:
        return
    reason = cell.stopping
    assert reason is not None
    started = cell.state != STARTING and not (cell.more is not None and cell.more.unborn)
    dispatcher, more = cell.dispatcher, cell.more
    letters = cell.take_back()
    name = cell.name
    record = cell.parent.more.children.pop(cell, None) if cell.parent is not None and cell.parent.more else None
    cell.state = DEAD
    in_hand = [runner.request for runner in runners_of(cell)]
    for runner in runners_of(cell):
        runner.abandon()
    if more is not None:
        release(cell, more, reason)
        letters = (more.stash or []) + letters
        more.stash = None
    if record is not None and record.keeps(reason):
        record.mailbox = letters
    else:
        discard(cell, letters)
    for request in [*in_hand, *((more.deferred or ()) if more is not None else ())]:
        if request is not None:
            request.fail(cell.dead() if started else not_started(cell))
    if more is not None:
        if more.grace is not None:
            more.grace.cancel()
        more.deferred = None
        if more.door is not None:
            more.door.core.bury()
            more.door = None
    if cell.runner is not None:
        cell.runner.retire()
    cell.runner = cell.context = None
    cell.actor = None  # type: ignore[assignment]  # so that no cycle is left for the collector
    if started:
        dispatcher.counters.ended += 1
        dispatcher.counters.crashed += reason.error is not None
        dispatcher.system.ended_now(cell, name, reason, supervised=record is not None)
    if more is not None:
        bonds.tell(cell, more, reason)
        for callback in more.on_end or ():
            callback(cell, reason)
    if record is not None and started:
        record.ended(cell, reason)


def release(cell: Cell, more: Any, reason: Reason) -> None:
    """Let go of what others may take or wait for (AC-25): names, groups, timers, channel ends, children."""
    for child in reversed(list(more.children)):
        kill(child, Reason("killed", cause=reason))
    if more.children and cell.parent is not None:  # they unwind: whoever waits for the parent's end waits for them
        more_of(cell.parent).children.update(dict.fromkeys(more.children))
        for child in more.children:
            child.parent = cell.parent
        more.children = {}
    for process in list(more.processes or ()):
        process.cancel()
    for feed in list(more.feeds or ()):
        feed.cancel()
    for timer in list((more.timers or {}).values()):
        timer.cancel()
    cell.dispatcher.system.forget(cell, more)
    for channel_end in more.ends:
        if not channel_end.closed:
            if reason.abnormal:
                channel_end.lose(reason.error or cell.dead())
            else:
                channel_end.close()
    more.ends = ()


def discard(cell: Cell, letters: list[Letter]) -> None:
    """Nobody will handle these: asks fail, the rest become dead letters (AC-8); ends in them are closed (NET-20)."""
    for letter in letters:
        if cell.kind.carrying and isinstance(letter, Call) and letter.function in cell.kind.carrying:
            close_ends((letter.args, letter.kwargs))
        if isinstance(letter, Entry):
            if letter.is_signal and letter.request is None:
                continue
            if letter.request is not None and not letter.is_signal:
                letter.request.fail(cell.dead())
                continue
        cell.dispatcher.dead_letter(cell, letter, "dead")
