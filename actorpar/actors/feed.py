"""Items of a channel become messages of an actor, one in hand at a time: `ctx.feed(rx, self.on_page)`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from ..channels.process import Process
from ..channels.receiver import Receiver
from .belongings import more_of
from .cell import Cell
from .entry import Call, Entry
from .errors import ActorError
from .kind import name_of
from .request import Request
from .states import DEAD


def feed(cell: Cell, rx: Receiver[Any], function: Callable[..., Any]) -> Process[None]:
    """Hand each item to the actor and wait until it was handled before the next is received.

    So the channel's back-pressure reaches its senders, and an item that was not handled yet is still in the channel
    when the actor ends. The end belongs to the actor, which closes it when it ends. The process returned is done when
    the channel has ended. A channel that is broken or aborted fails the actor, unless somebody awaits or monitors the
    process.
    """
    mine = rx.move()
    queue = cell.dispatcher.queue
    process: Any = queue.spawn(_pump(cell, mine, function), f"feed of {cell.name}")
    more = more_of(cell)
    more.ends = (*more.ends, mine)
    more.feeds = more.feeds or {}
    more.feeds[process] = None
    process.watch(lambda done: _ended(cell, done))
    return cast("Process[None]", process)


async def _pump(cell: Cell, rx: Receiver[Any], function: Callable[..., Any]) -> None:
    with rx:
        async for item in rx:
            if cell.state == DEAD:
                return
            request = Request(cell, name_of(function))
            cell.put_signal(_Item(function, (item,), {}, request))
            try:
                await request.wait(None)
            except ActorError:  # a rejected item; or the actor failed, and cancels this when it is buried
                if cell.state == DEAD:
                    return


def _ended(cell: Cell, process: asyncio.Future[Any]) -> None:
    more = cell.more
    if more is not None and more.feeds is not None:
        more.feeds.pop(process, None)
    failure = None if process.cancelled() else process.exception()
    if failure is not None and cell.state != DEAD and not getattr(process, "awaited", False):
        cell.put_signal(_Broken(failure))


class _Item(Call):
    """An item on its way. It does not count against the bound of the mailbox, where a feed has at most one; when the
    actor ends before it was handled it becomes a dead letter."""

    __slots__ = ()

    is_signal = True


class _Broken(Entry):
    """A channel that feeds the actor ended abnormally, and nobody awaits the feed: the actor fails with it, so that a
    short stream never looks complete (CH-21)."""

    __slots__ = ("failure",)

    def __init__(self, failure: BaseException) -> None:
        self.failure = failure

    @property
    def name(self) -> str:
        return "feed"

    def call(self, actor: Any) -> Any:
        raise self.failure
