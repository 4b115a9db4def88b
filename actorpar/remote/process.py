"""A process on another node: a future of its result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any


class RemoteProcess(asyncio.Future[Any]):
    """Await it for the result. `cancel()` cancels the process over there; then await it, to know that it has ended.

    It fails with RemoteError if the process failed, and with NodeDown if its node is gone.
    """

    def __init__(self, name: str, cancel: Callable[[], None]) -> None:
        super().__init__()
        self._name = name
        self._ask_cancel = cancel
        self.awaited = False

    def get_name(self) -> str:
        """The name of the process."""
        return self._name

    def cancel(self, msg: Any = None) -> bool:
        """Ask the other node to cancel it. False if it has ended already."""
        if self.done():
            return False
        self._ask_cancel()
        return True

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
        """It has failed."""
        if not self.done():
            self.set_exception(error)

    def ended_cancelled(self) -> None:
        """It was cancelled."""
        super().cancel()
