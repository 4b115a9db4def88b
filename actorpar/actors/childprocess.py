"""A CSP process as the child of a supervisor: started, stopped by a cancellation, and killed if it resists.

It belongs to its supervisor, not to the system's group of processes: leaving the system stops it with the actors, and
its failure is the supervisor's to handle.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from ..channels.group import own
from ..channels.ownership import Parcel
from ..channels.process import Process
from . import life
from .belongings import more_of
from .cell import Cell
from .reason import Reason, describe
from .refusals import InvalidChild
from .runner import close

logger = logging.getLogger("actorpar")


def start_process(owner: Cell, target: Callable[..., Any], args: tuple[Any, ...], name: str) -> Process[Any]:
    """Run `target(*args)` as a process of the supervisor `owner`; it takes its first step soon, not now."""
    parcel = Parcel()
    try:
        target, args = parcel.pack((target, args))
        coroutine = target(*args)
        if not asyncio.iscoroutine(coroutine):
            raise InvalidChild(
                f"a child is an Actor class or an `async def` function; {target!r} returned {coroutine!r}"
            )
    except BaseException:
        parcel.unpack()
        raise
    process = owner.dispatcher.queue.spawn(coroutine, name)
    own(process, parcel.ends, propagate=False)
    more = more_of(owner)
    more.processes = more.processes or {}
    more.processes[process] = None
    return process


def has_ended(owner: Cell, process: Process[Any], *, ordered: bool) -> Reason:
    """A process is done: its supervisor lets go of it. A cancellation that nobody ordered is a crash (AC-48)."""
    if owner.more is not None and owner.more.processes is not None:
        owner.more.processes.pop(process, None)
    if process.cancelled():
        return Reason("shutdown") if ordered else Reason("error", error=asyncio.CancelledError("nobody ordered it"))
    error = process.exception()
    if error is None:
        return Reason("normal")
    if not ordered:
        logger.error("%s failed, its supervisor is told: %s", process.get_name(), describe(error), exc_info=error)
    return Reason("error", error=error)


async def stop_process(process: Process[Any], seconds: float | None) -> None:
    """Cancel a process and wait for its end; kill it after `seconds`, at once if that is 0 (AC-36)."""
    if not process.done():
        process.cancel()
        if seconds is None or seconds > 0:
            await asyncio.wait([process], timeout=seconds)
        await kill_process(process)


async def kill_process(process: Process[Any]) -> None:
    """Cancel a process for the last time: after the grace of a kill it is closed and never runs again."""
    if process.done():
        return
    process.cancel()
    await asyncio.wait([process], timeout=life.KILL_GRACE)
    if process.done():
        return
    if not isinstance(process, Process):  # a task cannot be taken from its loop
        logger.error("%s: killed, and it swallows CancelledError: it still runs as %r", process.get_name(), process)
        return
    logger.error("%s: did not end %s s after it was cancelled by a kill", process.get_name(), life.KILL_GRACE)
    process.detach()
    close(process.get_coro(), process.get_name())
    process.fall(asyncio.CancelledError())
