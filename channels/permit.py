"""Reserve first, send after: a send that is certain once it begins (CH-55)."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .errors import ChannelError
from .flavors.rendezvous import PERMIT
from .process import pause
from .runqueue import sleep, waiter_here

if TYPE_CHECKING:
    from .flavors.base import Flavor
    from .sender import Sender

T = TypeVar("T")


class Permit(Generic[T]):
    """The right to send one item without waiting; valid inside its `async with` block."""

    __slots__ = ("_core", "_end", "_token")

    def __init__(self, end: Sender[T], core: Flavor, token: Any) -> None:
        self._end = end
        self._core = core
        self._token = token

    def send(self, item: T) -> None:
        """Send the item into the reserved place; only once.

        Raises ChannelBroken, ChannelAborted or ChannelClosed, with `.item`, if the channel or the end was ended after
        the reservation.
        """
        if self._token is None:
            raise ChannelError("a permit sends one item, and only inside its `async with` block", item=item)
        if self._end.core is not self._core:
            self.release()
            raise self._end.core.refusal(item)
        token, self._token = self._token, None
        self._core.redeem(token, item)

    def release(self) -> None:
        """Give the place back, if it was not used. The end of the `async with` block does it."""
        token, self._token = self._token, None
        if token is not None:
            self._core.forfeit(token)


class Reservation(Generic[T]):
    """Made by `Sender.reserve`; entering it waits for a place."""

    __slots__ = ("_end", "_permit")

    def __init__(self, end: Sender[T]) -> None:
        self._end = end
        self._permit: Permit[T] | None = None

    async def __aenter__(self) -> Permit[T]:
        end = self._end
        if not end.core.queue.fuel and end.core.enter():
            await pause()
        core = end.core
        token = core.try_reserve()
        if token is None:
            token = await self._wait(core)
        else:
            core.queue.spend()
        self._permit = Permit(end, core, token)
        return self._permit

    async def _wait(self, core: Flavor) -> Any:
        waiter = waiter_here(core.queue)
        core.park_send(waiter, self._end, PERMIT)
        try:
            await sleep(waiter)
        except BaseException:
            self._end.waits -= 1
            core.leave_send(waiter)
            raise
        self._end.waits -= 1
        return core.finish_reserve(waiter)

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        assert self._permit is not None
        self._permit.release()
