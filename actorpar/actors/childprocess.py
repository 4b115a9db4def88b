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
from ..remote.process import RemoteProcess
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
    began(owner, process)
    return process


def began(owner: Cell, process: Process[Any] | RemoteProcess) -> None:
    """A process, or the proxy of a child on another node, belongs to its supervisor until it is done."""
    more = more_of(owner)
    more.processes = more.processes or {}
    more.processes[process] = None
    process.add_done_callback(lambda done: _over(owner, done))


def _over(owner: Cell, process: Any) -> None:
    if owner.more is not None and owner.more.processes is not None:
        owner.more.processes.pop(process, None)
    if isinstance(process, RemoteProcess) and not process.cancelled():
        process.exception()  # its supervisor was told, or did not want to know


def has_ended(process: Process[Any] | RemoteProcess, *, ordered: bool) -> Reason:
    """How a process that is done has ended. A cancellation that nobody ordered is a crash (AC-48)."""
    if isinstance(process, RemoteProcess) and process.reason is not None:
        return process.reason
    if process.cancelled():
        return Reason("shutdown") if ordered else Reason("error", error=asyncio.CancelledError("nobody ordered it"))
    error = process.exception()
    if error is None:
        return Reason("normal")
    if not ordered:
        logger.error("%s failed, its supervisor is told: %s", process.get_name(), describe(error), exc_info=error)
    return Reason("error", error=error)


async def stop_process(process: Process[Any] | RemoteProcess, seconds: float | None, reason: Reason) -> None:
    """Cancel a process and wait for its end; kill it after `seconds`, at once if that is 0 (AC-36)."""
    if not process.done():
        if seconds != 0 or not isinstance(process, RemoteProcess):
            process.cancel(reason)
        if seconds is None or seconds > 0:
            await asyncio.wait([process], timeout=seconds)
        await kill_process(process)


async def kill_process(process: Process[Any] | RemoteProcess) -> None:
    """Cancel a process for the last time: after the grace of a kill it is closed and never runs again."""
    if process.done():
        return
    if isinstance(process, RemoteProcess):
        process.kill()
        await asyncio.wait([process])  # it is over there, or its node is lost
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
