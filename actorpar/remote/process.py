"""What runs on another node, as a future here: a process and its result, a supervisor's child and its end (AC-57)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Protocol

from ..actors.reason import NOCONNECTION, SHUTDOWN, Reason
from ..nodes.errors import NodeDown

if TYPE_CHECKING:
    from .question import Question


class Order(Protocol):
    """Tells the other node that it is to end."""

    def __call__(self, *, kill: bool = False, why: Reason | None = None) -> None: ...


class RemoteProcess(asyncio.Future[Any]):
    """Await it for the result. `cancel()` cancels the process over there; then await it, to know that it has ended.

    It fails with RemoteError if the process failed, and with NodeDown if its node is gone.
    """

    def __init__(self, name: str, start: Question, order: Order, keep: Callable[[Any], None] | None = None) -> None:
        super().__init__()
        self._name = name
        self._start = start
        self._order = order
        #: Called with what a child keeps for its next incarnation; None: it is nobody's child.
        self.keep = keep
        #: How it ended, where its result does not tell.
        self.reason: Reason | None = None
        self.awaited = False

    def get_name(self) -> str:
        """The name of the process."""
        return self._name

    async def started(self) -> Any:
        """Wait until it runs: what others know it by. StartFailed, NodeDown. Cancelled: it is killed, if it begins."""
        try:
            await self._start.wait()
        except asyncio.CancelledError:
            self.kill()
            raise
        return self

    def cancel(self, msg: Any = None) -> bool:
        """Ask the other node to cancel it. False if it has ended already."""
        if self.done():
            return False
        self._order(why=msg if isinstance(msg, Reason) else None)
        return True

    def kill(self) -> None:
        """Have it cancelled for the last time: after the grace of a kill it never runs again."""
        if not self.done():
            self._order(kill=True)

    def watch(self, callback: Callable[[Any], object]) -> None:
        """Call back once it is done."""
        self.add_done_callback(callback)

    def __await__(self) -> Generator[Any, None, Any]:
        self.awaited = True
        return super().__await__()

    __iter__ = __await__

    async def follow(self) -> None:
        """Wait for its end, for the block that it belongs to: its failure is raised unless somebody awaits it.

        Cancelled, it cancels the process over there, and ends when that has.
        """
        done = asyncio.get_running_loop().create_future()
        self.add_done_callback(lambda _: None if done.done() else done.set_result(None))
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            self.cancel()
            await done
            raise
        error = None if self.cancelled() else self.exception()
        if error is not None and not self.awaited:
            raise error

    # -- for the hub

    def returned(self, value: Any) -> None:
        """It has ended well."""
        if not self.done():
            self.set_result(value)

    def failed(self, error: BaseException) -> None:
        """It has failed, or its node is gone."""
        if not self.done():
            self.reason = NOCONNECTION if isinstance(error, NodeDown) else None
            self.set_exception(error)

    def ended_cancelled(self) -> None:
        """It was cancelled."""
        super().cancel()


class RemoteChild(RemoteProcess):
    """An actor on another node, to the supervisor that has started it: done when it has ended, as `reason` tells."""

    async def started(self) -> Any:
        """Wait until it has started: its reference. StartFailed, NodeDown. Cancelled: it is killed."""
        await super().started()
        return self._start.value

    def ended(self, reason: Reason) -> None:
        """It has ended."""
        if not self.done():
            self.reason = reason
            self.set_result(None)

    def failed(self, error: BaseException) -> None:
        """Its node is gone, or it did not start."""
        self.ended(NOCONNECTION if isinstance(error, NodeDown) else Reason("error", error=error))

    def ended_cancelled(self) -> None:
        """Its start was cancelled."""
        self.ended(SHUTDOWN)
